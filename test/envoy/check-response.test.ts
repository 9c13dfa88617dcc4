import { expect } from "chai";
import fc from "fast-check";
import type { CheckResponse } from "../../gen/es/envoy/service/auth/v3/external_auth_pb.ts";
import { headerName } from "../../src/config/parsers.ts";
import { allowed, anonymous, headerValue } from "../../src/rpc/envoy/check-response.ts";
import { aSession } from "../support/session-fixtures.ts";

const names = [
  "x-session-id",
  "x-session-actor-id",
  "x-session-actor-type",
  "x-session-tenant-id",
  "x-session-auth-level",
];

/** The headers that an upstream gets of those that a client has sent: Envoy sets first, then removes. */
function upstreamHeaders(response: CheckResponse, sent: Iterable<readonly [string, string]>) {
  const headers = new Map([...sent].map(([name, value]) => [name.toLowerCase(), value]));
  if (response.httpResponse.case !== "okResponse") throw new Error("it is refused");
  const { headers: set, headersToRemove } = response.httpResponse.value;
  for (const { header } of set) headers.set(header?.key ?? "", header?.value ?? "");
  for (const name of headersToRemove) headers.delete(name);
  return headers;
}

const anyCase = (name: string) =>
  fc
    .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
    .map((upper) =>
      [...name].map((letter, at) => (upper[at] ? letter.toUpperCase() : letter)).join(""),
    );
const forged = fc.array(
  fc.tuple(
    fc.constantFrom(...names, "x-session-token", "x-other").chain(anyCase),
    fc.string({ minLength: 1 }),
  ),
);
const token = fc.option(
  fc.record({
    name: fc.constant("x-session-token"),
    value: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  }),
  { nil: undefined },
);

describe("the headers that upstreams get", () => {
  it("cannot be named by a setting, but for the token's", () => {
    const { httpResponse } = anonymous(undefined);
    const identity = httpResponse.case === "okResponse" ? httpResponse.value.headersToRemove : [];
    const accepted = [...identity, "x-session-token"].filter(
      (name) => headerName.safeParse(name).success,
    );
    expect(identity).to.have.members(names);
    expect(accepted).to.deep.equal(["x-session-token"]);
  });

  it("G05: with a session, they are the session's, whatever the client has sent", () => {
    const session = aSession({ actorId: "alice", actorType: "user", authLevel: 3 });
    const expected = [session.id, "alice", "user", "tenant", "3"];
    fc.assert(
      fc.property(forged, token, (sent, given) => {
        const headers = upstreamHeaders(allowed(session, given), sent);
        expect(names.map((name) => headers.get(name))).to.deep.equal(expected);
        if (given !== undefined) expect(headers.get(given.name)).to.equal(given.value);
      }),
    );
  });

  it("G05: without one, there are none, whatever the client has sent", () => {
    fc.assert(
      fc.property(forged, token, (sent, given) => {
        const headers = upstreamHeaders(anonymous(given && { ...given, value: undefined }), sent);
        expect(names.filter((name) => headers.has(name))).to.deep.equal([]);
        if (given !== undefined) expect(headers.has(given.name)).to.equal(false);
      }),
    );
  });

  it("G05: are visible ASCII, and different for different texts", () => {
    expect(headerValue("alice@example.com")).to.equal("alice@example.com");
    expect(headerValue("Zoë %41 b")).to.equal("Zo%C3%AB%20%2541%20b");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(headerValue(text)).to.match(/^[\x21-\x7e]*$/);
        expect(decodeURIComponent(headerValue(text))).to.equal(text);
      }),
    );
  });
});
