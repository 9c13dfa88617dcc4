import { expect } from "chai";
import fc from "fast-check";
import { isSessionId } from "../../src/session/ids.ts";
import { listPosition, nextPageToken, PageTokens } from "../../src/session/pages.ts";
import { refused } from "../support/expect-reason.ts";
import { parsed } from "../support/parsed.ts";
import { SESSION_ID, T0 } from "../support/session-fixtures.ts";

const tokens = new PageTokens("sessions", "tenant", "user", "alice", false);
const decoded = (token: string) => parsed((found) => tokens.decode(token, found));

describe("page tokens", () => {
  it("decode to the position, and to the first page if empty", () => {
    expect(decoded("")).to.equal(undefined);
    expect(decoded(tokens.encode("1", "a"))).to.deep.equal(["1", "a"]);
  });

  it("consist of characters that URLs allow", () => {
    expect(tokens.encode("1", "\u{1F600}?&=+/")).to.match(/^[A-Za-z0-9_-]+$/);
  });

  it("are refused for every other list (ASVS 8.2.2)", () => {
    const others = [
      new PageTokens("signing_keys", "tenant"),
      new PageTokens("sessions", "other", "user", "alice", false),
      new PageTokens("sessions", "tenant", "service", "alice", false),
      new PageTokens("sessions", "tenant", "user", "bob", false),
      new PageTokens("sessions", "tenant", "user", "alice", true),
      // The same texts, with the boundary between them elsewhere.
      new PageTokens("sessions", "tenantuser", "", "alice", false),
      new PageTokens("sessions", "tenant", "user", "alice", "false"),
    ];
    for (const other of others) {
      refused(() => decoded(other.encode("1", "a")), "INVALID_REQUEST", "page_token");
    }
  });

  it("are refused beyond 512 characters, with the right scope too", () => {
    const own = tokens.encode("x".repeat(400));
    expect(own.length).to.be.greaterThan(512);
    refused(() => decoded(own), "INVALID_REQUEST", "page_token");
  });

  it("round-trip, and any other text is INVALID_REQUEST (property)", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 }), (position) => {
        expect(decoded(tokens.encode(...position))).to.deep.equal(position);
      }),
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ minLength: 1 }), fc.base64String({ minLength: 4 })),
        (text) => {
          refused(() => decoded(text), "INVALID_REQUEST", "page_token");
        },
      ),
    );
  });
});

describe("positions in page tokens", () => {
  const positionOf = (position: readonly string[] | undefined) =>
    parsed((found) => listPosition(position, isSessionId, found));

  it("consist of a time and an id", () => {
    expect(positionOf(undefined)).to.equal(undefined);
    expect(positionOf([String(T0), SESSION_ID])).to.deep.equal({
      createdAt: T0,
      id: SESSION_ID,
    });
  });

  it("are refused before the database sees them if either part is malformed", () => {
    for (const position of [
      [],
      [String(T0)],
      ["", SESSION_ID],
      ["-1", SESSION_ID],
      ["1e9", SESSION_ID],
      [" 1", SESSION_ID],
      ["1".repeat(15), SESSION_ID],
      [String(T0), ""],
      [String(T0), "sk-x"],
      [SESSION_ID, String(T0)],
    ]) {
      refused(() => positionOf(position), "INVALID_REQUEST", "page_token");
    }
    expect(positionOf(["9".repeat(14), SESSION_ID])?.createdAt).to.equal(1e14 - 1);
  });

  it("make the next token from the last item if there is more", () => {
    const items = [
      { createdAt: T0 + 1, id: "first" },
      { createdAt: T0, id: "last" },
    ];
    const token = nextPageToken(tokens, { now: T0, items, more: true });
    expect(decoded(token)).to.deep.equal([String(T0), "last"]);
    expect(nextPageToken(tokens, { now: T0, items, more: false })).to.equal("");
    expect(nextPageToken(tokens, { now: T0, items: [], more: true })).to.equal("");
  });
});
