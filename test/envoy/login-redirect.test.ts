import { expect } from "chai";
import { openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import {
  type Asked,
  type CheckClient,
  checkClient,
  cookieHeader,
  type Decision,
} from "./check-client.ts";

const html = { accept: "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" };

describe("the redirect to the login page", () => {
  const stack = new AsyncDisposableStack();
  let app: TestApp;
  let checks: CheckClient;
  let withUrl: CheckClient;

  before(async () => {
    app = await startTestApp({
      env: { SESSIOND_EXT_AUTHZ_LOGIN_URL: "/login?next={path}" },
    });
    stack.defer(() => app.stop());
    checks = checkClient(app.url);
    stack.defer(() => checks.close());
    const replica = await startReplica(app.database.url, {
      env: { SESSIOND_EXT_AUTHZ_LOGIN_URL: "https://login.test/?to={url}&path={path}" },
    });
    stack.defer(() => replica.stop());
    withUrl = checkClient(replica.url);
    stack.defer(() => withUrl.close());
  });
  after(() => stack.disposeAsync());

  const location = ({ set }: Decision) => set.location;

  it("G07: names what was asked for, percent-encoded", async () => {
    const asked: Asked = { path: "/orders?a=1&b=ä", host: "app.test:8443", headers: html };
    expect(location(await checks.check(asked))).to.equal(
      "/login?next=%2Forders%3Fa%3D1%26b%3D%C3%A4",
    );
    expect(location(await withUrl.check(asked))).to.equal(
      "https://login.test/?to=https%3A%2F%2Fapp.test%3A8443%2Forders%3Fa%3D1%26b%3D%C3%A4" +
        "&path=%2Forders%3Fa%3D1%26b%3D%C3%A4",
    );
  });

  it("G07: never names another host, and leaves out what is too long", async () => {
    for (const path of ["//evil.test/", "/\\evil.test/", "\\\\evil.test/"]) {
      const decision = await checks.check({ path, headers: html });
      expect(location(decision), path).to.equal("/login?next=%2Fevil.test%2F");
    }
    const long = await checks.check({ path: `/${"a".repeat(2048)}`, headers: html });
    expect(location(long)).to.equal("/login?next=%2F");
  });

  it("G07: is 302, is not stored, and clears the cookies of a session that has ended", async () => {
    const { cookie } = await openSession(app.client);
    await app.client.revoke({ session: { ref: { case: "cookie", value: cookie } } });
    const headers = { ...html, cookie: cookieHeader(cookie) };
    const decision = await checks.check({ headers });
    expect([decision.code, decision.status]).to.deep.equal(["UNAUTHENTICATED", 302]);
    expect(decision.set.vary).to.equal("cookie");
    expect(decision.set["cache-control"]).to.equal("no-store");
    expect([decision.set["set-cookie"]].flat()).to.have.length(2);
  });

  const cases: readonly (readonly [why: string, asked: Asked, status: number])[] = [
    ["a navigation", { headers: { ...html, "sec-fetch-mode": "navigate" } }, 302],
    ["a page of an old browser", { headers: html }, 302],
    ["a script's request", { headers: { ...html, "sec-fetch-mode": "cors" } }, 401],
    ["an API client", { headers: { accept: "application/json" } }, 401],
    ["no Accept", {}, 401],
    ["a form", { method: "POST", headers: { ...html, "sec-fetch-mode": "navigate" } }, 401],
    ["HEAD", { method: "HEAD", headers: html }, 401],
  ];
  for (const [why, asked, status] of cases) {
    it(`G07: ${why} gets ${status}`, async () => {
      expect((await checks.check(asked)).status).to.equal(status);
    });
  }

  it("G07: only a missing session is redirected", async () => {
    const { cookie } = await openSession(app.client);
    const headers = { ...html, cookie: cookieHeader(cookie) };
    const decision = await checks.check({ headers, route: { min_auth_level: "2" } });
    expect(decision.status).to.equal(403);
  });
});
