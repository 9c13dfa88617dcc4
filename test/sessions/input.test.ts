import { expect } from "chai";
import fc from "fast-check";
import * as input from "../../src/session/input.ts";
import * as attributes from "../../src/session/session-attributes.ts";
import { refused } from "../support/expect-reason.ts";

const actor = { tenantId: "t", actorType: "user", actorId: "alice" };

/** What the tests over the wire cannot send, and what needs many cases. */
describe("input", () => {
  const identifiers = [
    ["tenant_id", 128, (text: string) => input.tenantId("tenant_id", text)],
    ["app_type", 64, attributes.checkedAppType],
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
  for (const [field, max, check] of identifiers) {
    it(`takes a ${field} of ${max} bytes, not characters, and no byte more`, () => {
      expect(check("x".repeat(max))).to.equal("x".repeat(max));
      refused(() => check("x".repeat(max + 1)), "INVALID_REQUEST", field);
      expect(check("é".repeat(max / 2))).to.equal("é".repeat(max / 2));
      refused(() => check(`${"é".repeat(max / 2)}x`), "INVALID_REQUEST", field);
    });

    it(`takes a ${field} without control characters and lone surrogates only`, () => {
      for (const bad of ["\0", "\n", "\r", "\t", "\x1f", "\x7f", "\ud800", "\udc00"]) {
        refused(() => check(`a${bad}b`), "INVALID_REQUEST", field);
      }
      for (const fine of ["__proto__", "a b", "'; DROP TABLE", "../..", "日本", "😀", " a"]) {
        expect(check(fine)).to.equal(fine);
      }
    });
  }

  it("takes an empty tenant for the default one (A01, A25)", () => {
    expect(input.tenantId("tenant_id", "")).to.equal("default");
    expect(input.actor("actor", { ...actor, tenantId: "" }).tenantId).to.equal("default");
    const nobody = { tenantId: "default", actorType: "", actorId: "" };
    for (const actor of [undefined, { ...nobody, tenantId: "" }]) {
      expect(input.preLoginActor("actor", actor)).to.deep.equal(nobody);
    }
    const known = { ...nobody, tenantId: "t" };
    expect(input.preLoginActor("actor", known), "whose tenant is known").to.deep.equal(known);
    const ref = { kind: "cookie", cookie: "\0 anything", tenantId: "" } as const;
    expect(input.sessionRef("session", ref)).to.deep.equal({ ...ref, tenantId: "default" });
  });

  it("takes lower-case words as revocation reasons (B06)", () => {
    for (const reason of ["logout", "admin_revoke", "a", "a1", "a".repeat(64)]) {
      expect(input.revokeReason(reason)).to.equal(reason);
    }
    const bad = ["", " ", "Logout", "1a", "_a", "a-b", "a b", "logout\n", "a".repeat(65), "é"];
    for (const reason of bad) {
      refused(() => input.revokeReason(reason), "INVALID_REQUEST", "reason");
    }
  });

  it("normalises an IP address to a form that it leaves as it is (property)", () => {
    const ip = fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((text) => !text.includes("%")),
    );
    fc.assert(
      fc.property(ip, (text) => {
        const normal = attributes.checkedIpAddress(text);
        expect(attributes.checkedIpAddress(normal)).to.equal(normal);
      }),
    );
  });

  it("keeps the first 512 code points of a user agent (B02, property)", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "é", "😀", "\u200d"), maxLength: 1200 });
    fc.assert(
      fc.property(text, (agent) => {
        expect(attributes.checkedUserAgent(agent)).to.equal([...agent].slice(0, 512).join(""));
      }),
    );
  });

  it("refuses lone surrogates, also in the part of a user agent that is not kept", () => {
    for (const text of ["\ud800", `${"x".repeat(600)}\udc00`]) {
      refused(() => attributes.checkedUserAgent(text), "INVALID_REQUEST", "user_agent");
    }
    for (const metadata of [{ "\ud800": "" }, { a: "\udc00" }]) {
      refused(() => attributes.checkedMetadata(metadata), "INVALID_REQUEST", "metadata");
    }
  });
});
