import { expect } from "chai";
import fc from "fast-check";
import { isSessionId } from "../../src/session/ids.ts";
import { listPosition, nextPageToken, PageTokens, pageSize } from "../../src/session/pages.ts";
import { refused } from "../support/expect-reason.ts";
import { SESSION_ID, T0 } from "../support/session-fixtures.ts";

const tokens = new PageTokens("sessions", "tenant", "user", "alice", false);

describe("pages: size", () => {
  it("is from 1 to 200, and 50 if not given", () => {
    expect([0, 1, 200].map(pageSize)).to.deep.equal([50, 1, 200]);
    for (const wrong of [-1, 201, 2 ** 31 - 1, -(2 ** 31), 1.5, Number.NaN]) {
      refused(() => pageSize(wrong), "INVALID_REQUEST", "page_size");
    }
  });
});

describe("pages: tokens", () => {
  it("give back the position, and the first page for none", () => {
    expect(tokens.decode("")).to.equal(undefined);
    expect(tokens.decode(tokens.encode("1", "a"))).to.deep.equal(["1", "a"]);
  });

  it("can be put into a URL", () => {
    expect(tokens.encode("1", "\u{1F600}?&=+/")).to.match(/^[A-Za-z0-9_-]+$/);
  });

  it("ASVS 8.2.2: of one list are refused in every other", () => {
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
      refused(() => tokens.decode(other.encode("1", "a")), "INVALID_REQUEST", "page_token");
    }
  });

  it("are refused when forged", () => {
    const base64 = (text: string) => Buffer.from(text).toString("base64url");
    const good = tokens.encode("1", "a");
    for (const token of [
      " ",
      "x",
      "*",
      good.slice(0, -4),
      `${good.slice(0, 5)}A${good.slice(6)}`,
      base64("{}"),
      base64("[]"),
      base64("null"),
      base64('"text"'),
      base64("[1, 2]"),
      base64('["x", "1", "a"]'),
      "A".repeat(513),
      good.padEnd(513, "A"),
      "A".repeat(2 ** 20),
    ]) {
      refused(() => tokens.decode(token), "INVALID_REQUEST", "page_token");
    }
  });

  it("are refused, with our own scope, when longer than any of ours", () => {
    const own = tokens.encode("x".repeat(400));
    expect(own.length).to.be.greaterThan(512);
    refused(() => tokens.decode(own), "INVALID_REQUEST", "page_token");
  });

  it("property: round-trip, and no text makes decoding fail otherwise than by refusal", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 }), (position) => {
        expect(tokens.decode(tokens.encode(...position))).to.deep.equal(position);
      }),
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ minLength: 1 }), fc.base64String({ minLength: 4 })),
        (text) => {
          refused(() => tokens.decode(text), "INVALID_REQUEST", "page_token");
        },
      ),
    );
  });
});

describe("pages: positions", () => {
  it("are a time and an id", () => {
    expect(listPosition(undefined, isSessionId)).to.equal(undefined);
    expect(listPosition([String(T0), SESSION_ID], isSessionId)).to.deep.equal({
      createdAt: T0,
      id: SESSION_ID,
    });
  });

  it("are refused if either is not one, before the database sees it", () => {
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
      refused(() => listPosition(position, isSessionId), "INVALID_REQUEST", "page_token");
    }
    expect(listPosition(["9".repeat(14), SESSION_ID], isSessionId)?.createdAt).to.equal(1e14 - 1);
  });

  it("of the last item make the next token, if there is more", () => {
    const items = [
      { createdAt: T0 + 1, id: "first" },
      { createdAt: T0, id: "last" },
    ];
    const token = nextPageToken(tokens, { now: T0, items, more: true });
    expect(tokens.decode(token)).to.deep.equal([String(T0), "last"]);
    expect(nextPageToken(tokens, { now: T0, items, more: false })).to.equal("");
    expect(nextPageToken(tokens, { now: T0, items: [], more: true })).to.equal("");
  });
});
