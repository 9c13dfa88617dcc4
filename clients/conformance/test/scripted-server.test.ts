import { expect } from "chai";
import { until } from "../../../test/support/until.ts";
import { type ScriptedServer, startScriptedServer } from "../scripted-server.ts";

describe("conformance: the scripted server", () => {
  let server: ScriptedServer;

  beforeEach(async () => {
    server = await startScriptedServer(() => {});
    server.play({ Validate: [{ hold: true }] });
  });
  afterEach(() => server.close());

  function validate(headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    return fetch(`${server.url}/sessiond.v1.SessionService/Validate`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: "{}",
      ...(signal && { signal }),
    });
  }

  it("says that a call is cancelled if its client gives up", async () => {
    const caller = new AbortController();
    const answer = validate({}, caller.signal).catch(() => "gone");
    await until("the call is there", async () => server.received("Validate").length === 1);
    expect(server.received("Validate")[0]?.cancelled).to.equal(false);

    caller.abort();

    expect(await answer).to.equal("gone");
    await until("it is cancelled", async () => server.received("Validate")[0]?.cancelled);
  });

  it("does not say so if only the deadline passes", async () => {
    const response = await validate({ "connect-timeout-ms": "50" });

    expect(await response.json()).to.include({ code: "deadline_exceeded" });
    expect(server.received("Validate")[0]?.cancelled).to.equal(false);
  });
});
