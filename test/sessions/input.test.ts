import { expect } from "chai";
import fc from "fast-check";
import * as input from "../../src/session/input.ts";
import { refused } from "../support/expect-reason.ts";
import { SESSION_ID } from "../support/session-fixtures.ts";

const bytes = (length: number) => "x".repeat(length);
const actor = { tenantId: "t", actorType: "user", actorId: "alice" };

describe("input: identifiers", () => {
  const limits = [
    ["tenant_id", 128, (text: string) => input.tenantId("tenant_id", text)],
    ["app_type", 64, input.appType],
    ["acting_actor_id", 256, input.actingActorId],
    ["resource_id", 256, (text: string) => input.filter("resource_id", text)],
    [
      "actor.actor_type",
      64,
      (text: string) => input.actor("actor", { ...actor, actorType: text }).actorType,
    ],
    [
      "actor.actor_id",
      256,
      (text: string) => input.actor("actor", { ...actor, actorId: text }).actorId,
    ],
  ] as const;
  for (const [field, max, check] of limits) {
    it(`${field}: are at most ${max} bytes, on the boundary and a byte beyond`, () => {
      expect(check(bytes(max))).to.equal(bytes(max));
      refused(() => check(bytes(max + 1)), "INVALID_REQUEST", field);
      // Bytes, not characters.
      expect(check("é".repeat(max / 2))).to.equal("é".repeat(max / 2));
      refused(() => check(`${"é".repeat(max / 2)}x`), "INVALID_REQUEST", field);
    });

    it(`${field}: have no control characters and are well-formed`, () => {
      for (const bad of ["\0", "\n", "\r", "\t", "\x1f", "\x7f", "\ud800", "\udc00"]) {
        refused(() => check(`a${bad}b`), "INVALID_REQUEST", field);
      }
      for (const fine of ["__proto__", "a b", "'; DROP TABLE", "../..", "日本", "😀", " a"]) {
        expect(check(fine)).to.equal(fine);
      }
    });
  }

  it("A01: blank counts as missing where one is required", () => {
    for (const blank of ["", " ", "   ", "\t", "\n", "\u00a0", "\u3000"]) {
      const of = (part: object) => () => input.actor("actor", { ...actor, ...part });
      refused(of({ actorId: blank }), "INVALID_REQUEST", "actor.actor_id");
      refused(of({ actorType: blank }), "INVALID_REQUEST", "actor.actor_type");
      refused(() => input.actingActorId(blank), "INVALID_REQUEST", "acting_actor_id");
    }
    refused(() => input.actor("actor", undefined), "INVALID_REQUEST", "actor");
  });

  it("an empty tenant is the default tenant, a blank one is refused", () => {
    expect(input.tenantId("tenant_id", "")).to.equal("default");
    refused(() => input.tenantId("tenant_id", " "), "INVALID_REQUEST", "tenant_id");
    expect(input.actor("actor", { ...actor, tenantId: "" }).tenantId).to.equal("default");
    const blank = { ...actor, tenantId: " " };
    refused(() => input.actor("actor", blank), "INVALID_REQUEST", "actor.tenant_id");
  });

  it("filters and app types may be empty", () => {
    expect([input.filter("resource_id", ""), input.appType("")]).to.deep.equal(["", ""]);
  });

  it("A25: a pre-login session's actor may be missing or empty as a whole, not by half", () => {
    const nobody = { tenantId: "default", actorType: "", actorId: "" };
    expect(input.preLoginActor("actor", undefined)).to.deep.equal(nobody);
    const empty = { tenantId: "t", actorType: "", actorId: "" };
    expect(input.preLoginActor("actor", empty)).to.deep.equal(empty);
    expect(input.preLoginActor("actor", actor)).to.deep.equal(actor);
    const half = { ...actor, actorId: "" };
    refused(() => input.preLoginActor("actor", half), "INVALID_REQUEST", "actor.actor_id");
    const otherHalf = { ...actor, actorType: "" };
    refused(() => input.preLoginActor("actor", otherHalf), "INVALID_REQUEST", "actor.actor_type");
  });
});

describe("input: session references", () => {
  it("need a cookie or an id", () => {
    refused(() => input.sessionRef("session", undefined), "INVALID_REQUEST", "session");
    const unset = { kind: "unset", tenantId: undefined } as const;
    refused(() => input.sessionRef("session", unset), "INVALID_REQUEST", "session");
    expect(input.optionalSessionRef("keep", undefined)).to.equal(undefined);
    refused(() => input.optionalSessionRef("keep", unset), "INVALID_REQUEST", "keep");
  });

  it("take a cookie as it is: judging it is not a matter of the request's form", () => {
    const ref = { kind: "cookie", cookie: "\0 anything", tenantId: undefined } as const;
    expect(input.sessionRef("session", ref)).to.deep.equal(ref);
  });

  it("take an id in its one form only", () => {
    const ref = (id: string) => ({ kind: "id", id, tenantId: undefined }) as const;
    expect(input.sessionRef("session", ref(SESSION_ID))).to.deep.equal(ref(SESSION_ID));
    for (const id of ["", "ses-", SESSION_ID.toUpperCase(), `${SESSION_ID} `, "__proto__"]) {
      refused(() => input.sessionRef("session", ref(id)), "INVALID_REQUEST", "session.session_id");
    }
  });

  it("normalise their tenant", () => {
    const ref = (tenantId: string) => ({ kind: "cookie", cookie: "c", tenantId }) as const;
    expect(input.sessionRef("session", ref("")).tenantId).to.equal("default");
    expect(input.sessionRef("session", ref("t")).tenantId).to.equal("t");
    refused(() => input.sessionRef("session", ref(" ")), "INVALID_REQUEST", "session.tenant_id");
  });
});

describe("input: revocation reasons", () => {
  it("B06: are lower-case words", () => {
    for (const reason of ["logout", "admin_revoke", "a", "a1", "a".repeat(64)]) {
      expect(input.revokeReason(reason)).to.equal(reason);
    }
    const bad = ["", " ", "Logout", "1a", "_a", "a-b", "a b", "logout\n", "a".repeat(65), "é"];
    for (const reason of bad) {
      refused(() => input.revokeReason(reason), "INVALID_REQUEST", "reason");
    }
  });
});

describe("input: IP addresses", () => {
  it("are normalised, so that the spellings of one address are equal", () => {
    const spellings = {
      "": [""],
      "192.0.2.1": ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:c000:0201"],
      "2001:db8::1": ["2001:db8::1", "2001:DB8::1", "2001:0db8:0:0:0:0:0:0001"],
      "::1": ["::1", "0:0:0:0:0:0:0:1"],
      "::": ["::"],
    };
    for (const [normal, texts] of Object.entries(spellings)) {
      for (const text of texts) expect(input.ipAddress(text), text).to.equal(normal);
    }
  });

  it("are one address without port, zone or list", () => {
    for (const text of [
      " ",
      "localhost",
      "192.0.2.1:80",
      "[::1]",
      "[::1]:80",
      "fe80::1%eth0",
      "::ffff:192.0.2.1%1",
      "192.0.2.1, 192.0.2.2",
      "192.0.2.256",
      "192.0.2",
      "0x7f.1",
      "192.0.2.01",
      "192.0.2.1\n",
      "::g",
      "1".repeat(1000),
    ]) {
      refused(() => input.ipAddress(text), "INVALID_REQUEST", "ip_address");
    }
  });

  it("property: are normal once normalised", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6().filter((ip) => !ip.includes("%")),
        ),
        (text) => {
          const normal = input.ipAddress(text);
          expect(input.ipAddress(normal)).to.equal(normal);
        },
      ),
    );
  });
});

describe("input: user agents", () => {
  it("B02: are cut to 512 characters", () => {
    expect(input.userAgent("")).to.equal("");
    expect(input.userAgent(bytes(512))).to.equal(bytes(512));
    expect(input.userAgent(bytes(513))).to.equal(bytes(512));
    expect(input.userAgent(bytes(2 ** 20))).to.equal(bytes(512));
  });

  it("B02: are cut between characters, never within one (Hanko #2877)", () => {
    const smiles = "😀".repeat(600);
    expect(input.userAgent(smiles)).to.equal("😀".repeat(512));
    expect(input.userAgent(`${bytes(511)}😀😀`)).to.equal(`${bytes(511)}😀`);
    // 1024 units are where the work is bounded: a pair across that must not be torn either.
    expect(input.userAgent(`x${smiles}`)).to.equal(`x${"😀".repeat(511)}`);
    expect(input.userAgent("😀".repeat(300)), "512 characters or fewer are not cut").to.equal(
      "😀".repeat(300),
    );
  });

  it("must be storable", () => {
    for (const text of ["a\0b", "\ud800", `${bytes(600)}\0`, `${bytes(600)}\udc00`]) {
      refused(() => input.userAgent(text), "INVALID_REQUEST", "user_agent");
    }
    expect(input.userAgent("tab\tand\nline")).to.equal("tab\tand\nline");
  });

  it("property: are the first 512 code points of the text", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "é", "😀", "\u200d"), maxLength: 1200 });
    fc.assert(
      fc.property(text, (agent) => {
        expect(input.userAgent(agent)).to.equal([...agent].slice(0, 512).join(""));
      }),
    );
  });
});

describe("input: metadata", () => {
  it("is at most 4096 bytes of keys and values together", () => {
    expect(input.metadata({})).to.deep.equal({});
    const full = { key: bytes(4093) };
    expect(input.metadata(full)).to.deep.equal(full);
    refused(() => input.metadata({ key: bytes(4094) }), "INVALID_REQUEST", "metadata");
    refused(() => input.metadata({ é: "é".repeat(2048) }), "INVALID_REQUEST", "metadata");
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`${index}`, ""]));
    refused(() => input.metadata(many), "INVALID_REQUEST", "metadata");
  });

  it("has no empty key, no NUL and no lone surrogate", () => {
    for (const bad of [
      { "": "v" },
      { "a\0": "" },
      { a: "\0" },
      { "\ud800": "" },
      { a: "\udc00" },
    ]) {
      refused(() => input.metadata(bad), "INVALID_REQUEST", "metadata");
    }
  });

  it("takes `__proto__` as a key like any other", () => {
    const odd = JSON.parse('{"__proto__": "x", "constructor": "y"}');
    expect(Object.entries(input.metadata(odd))).to.deep.equal([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });
});
