import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { newActor, openSession, validate } from "../support/actors.ts";
import { startReplica } from "../support/app.ts";
import {
  type BadInputApp,
  itRefuses,
  startBadInputApp,
  withoutTrace,
} from "../support/bad-input.ts";
import { expectFailure } from "../support/expect-failure.ts";

const tooBig = "metadata must be at most 4096 bytes in all";

describe("bad input: metadata", () => {
  let app: BadInputApp;

  before(async () => {
    app = await startBadInputApp();
  });
  after(() => app.stop());

  const refused = (what: string, metadata: Record<string, string>, message: string) => ({
    what: `metadata ${what}`,
    call: () => app.client.create({ actor: newActor(), metadata }),
    field: "metadata",
    message,
  });
  itRefuses(
    () => app,
    [
      refused("with a value of a byte too many", { k: "v".repeat(4096) }, tooBig),
      refused("with a key of a byte too many", { ["k".repeat(4097)]: "" }, tooBig),
      refused("with few characters but too many bytes", { k: "😀".repeat(1024) }, tooBig),
      refused("that is too big only in all", manyKeys(512, "12345"), tooBig),
      refused("of 3000 keys", manyKeys(3000), tooBig),
      refused("with an empty key", { "": "v" }, "metadata must not have an empty key"),
      refused("with NUL in a key", { "a\0": "v" }, "metadata must not contain NUL"),
      refused("with NUL in a value", { k: "\0" }, "metadata must not contain NUL"),
    ],
  );

  it("10,000 keys are refused, by the size of the message or by that of the metadata", async () => {
    const request = { actor: newActor(), metadata: manyKeys(10_000) };
    const roomy = await startReplica(app.database.url, {
      env: { SESSIOND_MAX_MESSAGE_BYTES: "4MiB" },
    });
    try {
      await withoutTrace(app, async () => {
        await expectFailure(app.client.create(request), "REQUEST_TOO_LARGE");
        const call = roomy.client.create(request);
        const error = await expectFailure(call, "INVALID_REQUEST", { field: "metadata" });
        expect(error.rawMessage).to.equal(tooBig);
      });
    } finally {
      await roomy.stop();
    }
  });

  const accepted: Record<string, Record<string, string>> = {
    "4096 bytes in one value": { k: "v".repeat(4095) },
    "4096 bytes in 512 keys": manyKeys(512, "1234"),
    // In a literal this would set the prototype; parsed, it is a key like any other.
    "the key __proto__": JSON.parse('{"__proto__":"kept","other":"too"}'),
    "the names of inherited properties": { constructor: "a", toString: "b", hasOwnProperty: "c" },
    "keys that look like numbers": { 1: "a", "-1": "b", "01": "c", "1e3": "d" },
    "values that look like JSON": { k: '{"a":[null]}', null: "null", '"': "\\" },
    "line feeds, blanks and an empty value": { " ": "\r\n\t", "\u2028": "", "\u007f": " " },
    "what is not ASCII": { "🔑": "значение", "\ufeffbom": "\ufeff", e: "e\u0301" },
  };
  for (const [what, metadata] of Object.entries(accepted)) {
    it(`metadata with ${what} comes back as it was, from each call`, async () => {
      const { actor, id, cookie, created } = await openSession(app.client, { metadata });

      const { session: validated } = await validate(app.client, cookie);
      const { session: got } = await app.client.get({
        session: { ref: { case: "sessionId", value: id } },
      });
      const { sessions } = await app.client.list({ actor });
      const [row] = await app.sql<{ metadata: string }>(
        "SELECT metadata::text FROM sessions WHERE id = $1",
        [id],
      );

      const stored = JSON.parse(row?.metadata ?? "");
      for (const seen of [
        created.session?.metadata,
        validated?.metadata,
        got?.metadata,
        sessions[0]?.metadata,
        stored,
      ]) {
        // As entries: to a comparison of objects `__proto__` is not a key.
        expect(entries(seen)).to.deep.equal(entries(metadata));
      }
    });
  }

  it("the key __proto__ comes back over JSON too", async () => {
    const post = async (rpc: string, body: string) => {
      const response = await fetch(`${app.url}/sessiond.v1.SessionService/${rpc}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      return [response.status, await response.text()] as const;
    };
    const actor = `"actor":{"actorType":"user","actorId":"${randomUUID()}"}`;

    const created = await post("Create", `{${actor},"metadata":{"__proto__":"kept"}}`);
    const listed = await post("List", `{${actor}}`);

    for (const [status, body] of [created, listed]) {
      expect(status).to.equal(200);
      expect(body).to.include('"metadata":{"__proto__":"kept"}');
    }
  });
});

/** Keys of four bytes each. */
function manyKeys(count: number, value = ""): Record<string, string> {
  const keys = Array.from(
    { length: count },
    (_, index) => `k${index.toString(36).padStart(3, "0")}`,
  );
  return Object.fromEntries(keys.map((key) => [key, value]));
}

function entries(metadata: Readonly<Record<string, string>> | undefined): [string, string][] {
  return Object.entries(metadata ?? {}).sort();
}
