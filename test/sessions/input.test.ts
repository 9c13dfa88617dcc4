import { expect } from "chai";
import fc from "fast-check";
import type { ActorInput } from "../../src/session/commands.ts";
import * as input from "../../src/session/input.ts";
import * as attributes from "../../src/session/session-attributes.ts";
import type { Violations } from "../../src/session/violations.ts";
import { refused } from "../support/expect-reason.ts";
import { parsed } from "../support/parsed.ts";

const actor = { tenantId: "t", actorType: "user", actorId: "alice" };

/** What the tests over the wire cannot send, and what needs many cases. */
describe("input", () => {
  type Parser = (text: string, violations: Violations) => string;
  const identifiers: [field: string, max: number, parse: Parser][] = [
    ["tenant_id", 128, (text, found) => input.tenantId("tenant_id", text, found)],
    ["app_type", 64, attributes.checkedAppType],
    ["acting_actor_id", 256, input.actingActorId],
    ["resource_id", 256, (text, found) => input.filter("resource_id", text, found)],
    [
      "actor.actor_type",
      64,
      (text, found) => input.actor("actor", { ...actor, actorType: text }, found).actorType,
    ],
    [
      "actor.actor_id",
      256,
      (text, found) => input.actor("actor", { ...actor, actorId: text }, found).actorId,
    ],
  ];
  for (const [field, max, parse] of identifiers) {
    const check = (text: string) => parsed((found) => parse(text, found));

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
    const tenantOf = (tenantId: string) =>
      parsed((found) => input.actor("actor", { ...actor, tenantId }, found)).tenantId;
    expect(parsed((found) => input.tenantId("tenant_id", "", found))).to.equal("default");
    expect(tenantOf("")).to.equal("default");
    const nobody = { tenantId: "default", actorType: "", actorId: "" };
    const preLogin = (actor: ActorInput | undefined) =>
      parsed((found) => input.preLoginActor("actor", actor, found));
    for (const actor of [undefined, { ...nobody, tenantId: "" }]) {
      expect(preLogin(actor)).to.deep.equal(nobody);
    }
    const known = { ...nobody, tenantId: "t" };
    expect(preLogin(known), "whose tenant is known").to.deep.equal(known);
  });

  it("takes lower-case words as revocation reasons (B06)", () => {
    const check = (text: string) => parsed((found) => input.revokeReason(text, found));
    for (const reason of ["logout", "admin_revoke", "a", "a1", "a".repeat(64)]) {
      expect(check(reason)).to.equal(reason);
    }
    const bad = ["", " ", "Logout", "1a", "_a", "a-b", "a b", "logout\n", "a".repeat(65), "é"];
    for (const reason of bad) {
      refused(() => check(reason), "INVALID_REQUEST", "reason");
    }
  });

  it("normalises an IP address to a form that it leaves as it is (property)", () => {
    const ip = fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((text) => !text.includes("%")),
    );
    fc.assert(
      fc.property(ip, (text) => {
        const check = (ip: string) => parsed((found) => attributes.checkedIpAddress(ip, found));
        expect(check(check(text))).to.equal(check(text));
      }),
    );
  });

  it("keeps the first 512 code points of a user agent (B02, property)", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "é", "😀", "\u200d"), maxLength: 1200 });
    fc.assert(
      fc.property(text, (agent) => {
        expect(attributes.normalizedUserAgent(agent)).to.equal([...agent].slice(0, 512).join(""));
      }),
    );
  });

  it("makes any user agent text that is printable and that can be stored (property)", () => {
    const unit = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
      fc.integer({ min: 0, max: 0xa0 }).map((code) => String.fromCharCode(code)),
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 600 }), (agent) => {
        const kept = attributes.normalizedUserAgent(agent);
        expect(kept).not.to.match(/[\p{Cc}\p{Cs}]/u);
        expect(attributes.normalizedUserAgent(kept)).to.equal(kept);
      }),
    );
  });

  it("refuses lone surrogates in metadata", () => {
    for (const metadata of [{ "\ud800": "" }, { a: "\udc00" }]) {
      const check = () => parsed((found) => attributes.checkedMetadata(metadata, found));
      refused(check, "INVALID_REQUEST", "metadata");
    }
  });
});
