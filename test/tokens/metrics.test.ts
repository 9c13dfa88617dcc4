import { expect } from "chai";
import { openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { fetchJwks, TOKENS_ENV, tokenFor } from "../support/tokens.ts";

describe("metrics of tokens", () => {
  let app: TestApp;
  let url: string;
  before(async () => {
    app = await startTestApp({ env: { ...TOKENS_ENV, SESSIOND_METRICS_PORT: "0" } });
    url = `http://127.0.0.1:${app.app.metricsPort}`;
  });
  after(() => app?.stop());

  it("count tokens that were signed and that were handed out again, and tell the key's age", async () => {
    const { cookie } = await openSession(app.client);
    for (let count = 0; count < 3; count += 1) await tokenFor(app.client, cookie);
    const text = await (await fetch(`${url}/metrics`)).text();
    const value = (series: string) =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${series} `))
          ?.split(" ")[1],
      );
    expect(value('sessiond_tokens_issued_total{cached="false"}')).to.equal(1);
    expect(value('sessiond_tokens_issued_total{cached="true"}')).to.equal(2);
    expect(value("sessiond_token_key_age_seconds")).to.be.within(0, 600);
  });

  it("are on a port that has the JSON Web Key Set, too (H03)", async () => {
    expect(await fetchJwks(url)).to.deep.equal(await fetchJwks(app.url));
  });
});
