import { expect } from "chai";
import {
  dnsPattern,
  type NamePattern,
  spiffePattern,
  subjectPattern,
} from "../../src/callers/name-pattern.ts";

type Compile = (pattern: string) => NamePattern | undefined;

function cases(
  compile: Compile,
  pattern: string,
  expected: { readonly yes: readonly string[]; readonly no: readonly string[] },
): void {
  it(`${pattern} means what it says`, () => {
    const matches = compile(pattern);
    for (const name of expected.yes) expect(matches?.(name), name).to.equal(true);
    for (const name of expected.no) expect(matches?.(name), name).to.equal(false);
  });
}

describe("patterns of names", () => {
  cases(dnsPattern, "gateway.internal", {
    yes: ["gateway.internal", "Gateway.INTERNAL"],
    no: [
      "a.gateway.internal",
      "gateway.internal.",
      "gateway.internal.evil.test",
      "gatewayxinternal",
    ],
  });
  cases(dnsPattern, "*.gw.internal", {
    yes: ["a.gw.internal", "A-1.GW.internal"],
    no: [
      "gw.internal",
      ".gw.internal",
      "a.b.gw.internal",
      "*.gw.internal",
      "a.gw.internal.evil.test",
    ],
  });
  cases(spiffePattern, "spiffe://example.org/ns/*/sa/gateway", {
    yes: ["spiffe://example.org/ns/a/sa/gateway", "spiffe://example.org/ns/b-1/sa/gateway"],
    no: [
      "spiffe://example.org/ns/a/b/sa/gateway",
      "spiffe://example.org/ns//sa/gateway",
      "spiffe://example.org/ns/../sa/gateway",
      "spiffe://example.org/ns/*/sa/gateway",
      "spiffe://example.com/ns/a/sa/gateway",
      "spiffe://example.org.evil.test/ns/a/sa/gateway",
      "spiffe://example.org/ns/a/sa/Gateway",
      "spiffe://example.org/ns/a/sa/gateway/x",
      "spiffe://example.org/ns/a/sa/gateway\n",
      "https://example.org/ns/a/sa/gateway",
      "example.org/ns/a/sa/gateway",
    ],
  });
  cases(subjectPattern, "system:serviceaccount:shop:*", {
    yes: ["system:serviceaccount:shop:web"],
    no: [
      "system:serviceaccount:shop",
      "system:serviceaccount:shop:",
      "system:serviceaccount:shop:web:x",
      "system:serviceaccount:other:web",
      "system:serviceaccount/shop:web",
      "system:serviceaccount:shop:a b",
    ],
  });
  cases(subjectPattern, "spiffe://example.org/shop/*", {
    yes: ["spiffe://example.org/shop/web"],
    no: ["spiffe://example.org/shop/web/x", "spiffe://example.net/shop/web", "spiffe:example.org"],
  });
  cases(subjectPattern, "auth0|web", { yes: ["auth0|web"], no: ["auth0|", "auth0"] });

  const none: [string, Compile, readonly string[]][] = [
    ["DNS", dnsPattern, ["", "*", "*.*", "a*.test", "a..test", "a b.test", "é.test"]],
    [
      "SPIFFE",
      spiffePattern,
      [
        "",
        "a",
        "spiffe://",
        "spiffe://*",
        "spiffe://*/a",
        "spiffe://a/b*",
        "spiffe://a/",
        "https://a/b",
      ],
    ],
    ["subject", subjectPattern, ["", "*", "*:*", "*:a", "a:b*", "a::b", "a b", "spiffe://*/a"]],
  ];
  for (const [kind, compile, patterns] of none) {
    it(`a ${kind} pattern is none that is empty, wild at its beginning or only in part`, () => {
      for (const pattern of patterns) expect(compile(pattern), pattern).to.equal(undefined);
    });
  }
});
