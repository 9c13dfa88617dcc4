import { expect } from "chai";
import { openSession } from "../support/actors.ts";
import { startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { checkClient, cookieHeader, reasonOf } from "./check-client.ts";

describe("the client's address in a Check", () => {
  const stack = new AsyncDisposableStack();
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
    stack.defer(() => app.stop());
  });
  after(() => stack.disposeAsync());

  const peer = "10.0.0.9";
  const home = "192.0.2.1";
  const cases: readonly {
    readonly hops: number;
    readonly forwarded?: string;
    readonly from: string;
    /** By default that of an IPv4 connection. */
    readonly peer?: string;
    readonly title: string;
  }[] = [
    { hops: 0, from: peer, title: "is the peer's" },
    { hops: 0, forwarded: home, from: peer, title: "is no forged x-forwarded-for" },
    { hops: 0, peer: "2001:db8:0:0:0:0:0:1", from: "2001:db8::1", title: "may be IPv6" },
    { hops: 1, forwarded: `${home}, ${peer}`, from: home, title: "is what one proxy has seen" },
    {
      hops: 1,
      forwarded: `1.1.1.1,${home} ,${peer}`,
      from: home,
      title: "is not what a client adds before one proxy",
    },
    {
      hops: 2,
      forwarded: `1.1.1.1, ${home}, 10.0.0.8, ${peer}`,
      from: home,
      title: "is what the first of two proxies has seen",
    },
    {
      hops: 2,
      forwarded: `${home}, ${peer}`,
      from: peer,
      title: "is the peer's without the proxies",
    },
    { hops: 1, from: peer, title: "is the peer's without x-forwarded-for" },
    { hops: 1, forwarded: `unknown, ${peer}`, from: peer, title: "is the peer's for no address" },
  ];
  for (const { hops, forwarded, from, title, ...given } of cases) {
    it(`G04: with ${hops} trusted hops, ${title}`, async () => {
      const replica = await startReplica(app.database.url, {
        env: { SESSIOND_BIND_IP: "true", SESSIOND_EXT_AUTHZ_TRUSTED_HOPS: String(hops) },
      });
      const checks = checkClient(replica.url);
      try {
        const [same, other] = await Promise.all(
          [from, "198.51.100.7"].map((ipAddress) => openSession(replica.client, { ipAddress })),
        );
        const check = (cookie = "") =>
          checks.check({
            peer: given.peer ?? peer,
            headers: {
              cookie: cookieHeader(cookie),
              ...(forwarded !== undefined && { "x-forwarded-for": forwarded }),
            },
          });
        expect((await check(same?.cookie)).code).to.equal("OK");
        expect(reasonOf(await check(other?.cookie))).to.equal("IP_MISMATCH");
      } finally {
        checks.close();
        await replica.stop();
      }
    });
  }

  it("G04: is unknown for a connection without one, which no binding denies", async () => {
    const replica = await startReplica(app.database.url, { env: { SESSIOND_BIND_IP: "true" } });
    const checks = checkClient(replica.url);
    try {
      const { cookie } = await openSession(replica.client, { ipAddress: home });
      const attributes = {
        source: { address: { pipe: { path: "/run/envoy.sock" } } },
        request: { http: { method: "GET", headers: { cookie: cookieHeader(cookie) } } },
      };
      expect((await checks.checkAttributes(attributes)).code).to.equal("OK");
    } finally {
      checks.close();
      await replica.stop();
    }
  });

  it("G04: the user agent is the request's header", async () => {
    const replica = await startReplica(app.database.url, {
      env: { SESSIOND_BIND_USER_AGENT: "true" },
    });
    const checks = checkClient(replica.url);
    try {
      const { cookie } = await openSession(replica.client, { userAgent: "Browser/1" });
      const by = (agent: string) =>
        checks.check({ headers: { cookie: cookieHeader(cookie), "user-agent": agent } });
      expect((await by("Browser/1")).code).to.equal("OK");
      expect(reasonOf(await by("Browser/2"))).to.equal("USER_AGENT_MISMATCH");
    } finally {
      checks.close();
      await replica.stop();
    }
  });
});
