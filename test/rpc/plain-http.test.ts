import { expect } from "chai";
import { startTestApp, type TestApp } from "../support/app.ts";

describe("plain HTTP", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  it("says at the address alone what this is, and an example that works", async () => {
    const page = await (await fetch(`${app.url}/`)).text();
    const [, contentType = "", body = "", path = ""] =
      /-H 'content-type: (.*?)' -d '(.*?)' ADDRESS(\S+)$/m.exec(page) ?? [];

    const headers = { "content-type": contentType };
    const response = await fetch(app.url + path, { method: "POST", headers, body });

    expect(page).to.match(/^This is sessiond/);
    expect(await response.json()).to.include({ code: "unauthenticated" });
  });

  it("says what is missing where curl was not told a content type", async () => {
    const response = await fetch(`${app.url}/sessiond.v1.SessionService/Validate`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "{}",
    });
    expect(response.status).to.equal(415);
    const { message } = (await response.json()) as { message: string };
    expect(message).to.include("send POST with content-type: application/json");
  });

  it("repeats nothing of a request that it refuses", async () => {
    const secret = "tell-nobody";
    for (const path of [`/${secret}`, `/sessiond.v1.SessionService/Validate?${secret}`]) {
      for (const contentType of [secret, `application/grpc+${secret}`]) {
        const headers = { "content-type": contentType, [secret]: secret };
        const response = await fetch(app.url + path, { method: "POST", headers, body: secret });
        const all = JSON.stringify([[...response.headers], await response.text()]);
        expect(all).to.not.include(secret);
      }
    }
  });
});
