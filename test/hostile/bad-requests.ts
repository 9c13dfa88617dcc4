import type { JsonObject } from "@bufbuild/protobuf";
import { malformedCookies, wrongVersions } from "../support/malformed-cookies.ts";
import { ok } from "./wire.ts";

/** A request that is wrong in what it says. It is sent as gRPC and as JSON over Connect. */
export interface BadRequest {
  readonly what: string;
  readonly rpc: string;
  readonly message: JsonObject;
  /** The codes that the contract allows. */
  readonly codes: readonly string[];
}

/** What exists in the sessiond under attack. */
export interface Known {
  /** Of a live session. */
  readonly cookie: string;
  readonly csrfToken: string;
  readonly sessionId: string;
  /** Of a session of another tenant. */
  readonly foreignCookie: string;
  readonly foreignSessionId: string;
  /** Page tokens of another list, and of another tenant's. */
  readonly pageTokens: readonly string[];
}

const UNAUTHENTICATED = ["unauthenticated"];
const INVALID = ["invalid_argument"];
const DENIED = [...UNAUTHENTICATED, ...INVALID];
const ABSENT = ["not_found", ...INVALID];
const ACTOR = { actorType: "user", actorId: "bad-input" };
const KIB = 1024;

/** Bad cookies, by what is wrong with them. */
function badCookies({ cookie, foreignCookie }: Known): Record<string, string> {
  const [version, sessionId, keyId, mac] = cookie.split(".");
  const [, foreignId, foreignKey, foreignMac] = foreignCookie.split(".");
  const flipped = [...cookie].map((character, index): [string, string] => [
    `with character ${index} changed`,
    cookie.slice(0, index) + (character === "A" ? "B" : "A") + cookie.slice(index + 1),
  ]);
  return {
    ...Object.fromEntries(
      Object.entries({ ...malformedCookies, ...wrongVersions }).map(([what, change]) => [
        what,
        change(cookie),
      ]),
    ),
    ...Object.fromEntries(flipped),
    "with a lone surrogate": `${cookie}\ud800`,
    "under another tenant's key": [version, sessionId, foreignKey, mac].join("."),
    "with another tenant's MAC": [version, sessionId, foreignKey, foreignMac].join("."),
    "with another session's id": [version, foreignId, keyId, mac].join("."),
    ...Object.fromEntries(
      [1, 16, KIB, 60 * KIB, KIB * KIB].map((size) => [`of ${size} bytes`, "a".repeat(size)]),
    ),
  };
}

/** A change of blanks around a value in a header is none: RFC 6265 has them removed. */
const isTrimmed = (what: string) => /" v1"|blank|line feed|CRLF|twice|in quotes/.test(what);

function cookieRequests(known: Known): BadRequest[] {
  return Object.entries(badCookies(known)).flatMap(([what, cookie]) => {
    const session = { cookie };
    const header = `theme=dark; __Host-session=${cookie}`;
    const acting = { reason: "logout", actingActorId: "attacker" };
    const rows: [rpc: string, message: JsonObject, codes: readonly string[]][] = [
      ["Validate", { cookie }, DENIED],
      ["Validate", { cookieHeader: header }, isTrimmed(what) ? [ok, ...DENIED] : DENIED],
      ["Touch", { session }, DENIED],
      ["Get", { session }, DENIED],
      ["ValidateCsrf", { session, csrfToken: known.csrfToken }, DENIED],
      ["Revoke", { session, ...acting }, DENIED],
      ["RotateCsrf", { session, actingActorId: "attacker" }, DENIED],
      ["RevokeAllForActor", { actor: ACTOR, keep: session, ...acting }, DENIED],
      ["List", { actor: ACTOR, current: session }, DENIED],
      // A login is not refused because of what the browser has kept: it replaces nothing.
      ["Create", { preLogin: true, replaces: session }, [ok, ...DENIED]],
    ];
    return rows.map(([rpc, message, codes]) => ({ what: `a cookie ${what}`, rpc, message, codes }));
  });
}

function headerRequests({ cookie, foreignCookie }: Known): BadRequest[] {
  const name = "__Host-session";
  const headers: Record<string, string> = {
    "twice the same": `${name}=${cookie}; ${name}=${cookie}`,
    "twice, another first": `${name}=${foreignCookie}; ${name}=${cookie}`,
    "twice, one empty": `${name}=; ${name}=${cookie}`,
    "in lower case": `__host-session=${cookie}`,
    "in upper case": `__HOST-SESSION=${cookie}`,
    "without its prefix": `session=${cookie}`,
    "with a comma": `a=b, ${name}=${cookie}`,
    "with a no-break space": `\u00a0${name}=${cookie}`,
    "with a vertical tab": `\v${name}=${cookie}`,
    "with CRLF": `a=b\r\n${name}=${cookie}`,
    "in quotes": `"${name}"=${cookie}`,
    "percent-encoded": `%5F_Host-session=${cookie}`,
    "for a pre-login session, too": `__Host-prelogin=${cookie}`,
    "of semicolons": "; ".repeat(30_000),
    "of blanks": `${" ".repeat(60_000)}=`,
    "of equals signs": "=".repeat(60_000),
  };
  return Object.entries(headers).map(([what, cookieHeader]) => ({
    what: `a cookie header ${what}`,
    rpc: "Validate",
    message: { cookieHeader },
    codes: DENIED,
  }));
}

function idRequests({ cookie, foreignSessionId }: Known): BadRequest[] {
  const ids = ["", " ", "ses-", "sk-".padEnd(35, "0"), "__proto__", "constructor", "../", "null"];
  const more = ["' OR ''='", "\0", "%", `ses-${"0".repeat(44)}`, `ses-${"g".repeat(44)}`, cookie];
  const acting = { actingActorId: "attacker" };
  return [...ids, ...more, "0", "x".repeat(KIB * KIB)]
    .flatMap((sessionId) => {
      const session = { sessionId };
      const rows: [string, JsonObject][] = [
        ["Get", { session }],
        ["Touch", { session }],
        ["Revoke", { session, reason: "logout", ...acting }],
        ["ValidateCsrf", { session, csrfToken: "x" }],
        ["RotateCsrf", { session, ...acting }],
        ["UpdateMetadata", { session, ...acting }],
        ["List", { actor: ACTOR, current: session }],
        ["Get", { session: { ...session, tenantId: "another" } }],
      ];
      const what = `the id ${JSON.stringify(sessionId.slice(0, 50))}`;
      return rows.map(([rpc, message]) => ({ what, rpc, message, codes: ABSENT }));
    })
    .concat(
      ["Get", "Touch", "Revoke", "ValidateCsrf", "RotateCsrf", "UpdateMetadata"].flatMap((rpc) => [
        { what: "no session", rpc, message: {}, codes: INVALID },
        { what: "an unset session", rpc, message: { session: {} }, codes: INVALID },
      ]),
      [{ sessionId: foreignSessionId, tenantId: "default" }].map((session) => ({
        what: "the id of another tenant's session",
        rpc: "Get",
        message: { session },
        codes: ["not_found"],
      })),
    );
}

function fieldRequests({ pageTokens, sessionId }: Known): BadRequest[] {
  const durations = ["0s", "-1s", "-0.000000001s", "315576000000s", "-315576000000s", "0.999s"];
  const actors: JsonObject[] = [
    {},
    { actorType: "user" },
    { actorId: "x" },
    { actorType: "user", actorId: "\0" },
    { actorType: "us\ner", actorId: "x" },
    { actorType: "user", actorId: "x".repeat(10 * KIB) },
    { actorType: "x".repeat(10 * KIB), actorId: "x" },
    { ...ACTOR, tenantId: "\0" },
    { ...ACTOR, tenantId: "x".repeat(10 * KIB) },
    { ...ACTOR, actorId: "\ud800" },
  ];
  const keys = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, ""]));
  const badAddresses = [
    "fe80::1%eth0",
    "192.0.2.1:443",
    "192.0.2.1, 10.0.0.1",
    "[::1]",
    "1.2.3",
    "256.0.0.1",
    "0x7f.1",
    "::1::",
    "\0",
    "x".repeat(8 * KIB),
    " ::1",
  ];
  // Whatever a browser sends as its user agent must not prevent a login.
  const agents = ["u".repeat(256), "u".repeat(8 * KIB), "\0", "a\r\nb: c"];
  const lists: [rpc: string, message: JsonObject][] = [
    ["List", { actor: { actorType: "user", actorId: "o" } }],
    ["ListSigningKeys", { tenantId: "default" }],
    ["ListAuditEvents", { tenantId: "default" }],
  ];
  const row = (what: string, rpc: string, message: JsonObject, codes = INVALID): BadRequest => ({
    what,
    rpc,
    message,
    codes,
  });
  const withMetadata = (metadata: JsonObject, codes: string[]) => {
    const what = `the metadata ${JSON.stringify(metadata).slice(0, 50)}`;
    return [
      row(what, "Create", { actor: ACTOR, metadata }, codes),
      row(
        what,
        "UpdateMetadata",
        { session: { sessionId }, metadata, actingActorId: "attacker" },
        codes,
      ),
    ];
  };
  return [
    ...durations.flatMap((duration) => [
      row(`an idle timeout of ${duration}`, "Create", { actor: ACTOR, idleTimeout: duration }),
      row(`an absolute timeout of ${duration}`, "Create", {
        actor: ACTOR,
        absoluteTimeout: duration,
      }),
      row(`an age of ${duration}`, "Validate", { cookie: "x", maxAuthAge: duration }, DENIED),
    ]),
    row("idle above absolute", "Create", {
      actor: ACTOR,
      idleTimeout: "7200s",
      absoluteTimeout: "3600s",
    }),
    ...["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"].map((authenticatedAt) =>
      row(`authenticated at ${authenticatedAt}`, "Create", { actor: ACTOR, authenticatedAt }),
    ),
    row(
      "authenticated in the year 9999",
      "Create",
      { actor: ACTOR, authenticatedAt: "9999-12-31T23:59:59.999999999Z" },
      [ok],
    ),
    ...actors.map((actor) =>
      row(`the actor ${JSON.stringify(actor).slice(0, 60)}`, "List", { actor }),
    ),
    ...actors.map((actor) =>
      row(`the actor ${JSON.stringify(actor).slice(0, 60)}`, "Create", { actor }),
    ),
    row("no actor", "Create", {}),
    row("no actor", "List", {}),
    row("no actor", "RevokeAllForActor", { reason: "logout" }),
    ...lists.flatMap(([rpc, message]) => [
      ...[-1, 201, 2 ** 31 - 1, -(2 ** 31)].map((pageSize) =>
        row(`page_size ${pageSize}`, rpc, { ...message, pageSize }),
      ),
      row("page_size 0", rpc, { ...message, pageSize: 0 }, [ok]),
      ...[...pageTokens, "x", "\0", "__proto__", "AAAA", "x".repeat(KIB * KIB)].map((pageToken) =>
        row("a forged page token", rpc, { ...message, pageToken }),
      ),
    ]),
    ...badAddresses.map((ipAddress) =>
      row(`the IP address ${ipAddress}`, "Create", { actor: ACTOR, ipAddress }),
    ),
    row("a mapped IP address", "Create", { actor: ACTOR, ipAddress: "::ffff:192.0.2.1" }, [ok]),
    ...agents.map((userAgent) =>
      row(`a user agent of ${userAgent.length} bytes`, "Create", { actor: ACTOR, userAgent }, [ok]),
    ),
    row("a message of 1 MiB", "Create", { actor: ACTOR, userAgent: "u".repeat(KIB * KIB) }),
    ...[
      keys(10_000),
      keys(3000),
      { a: "\0" },
      { "\0": "a" },
      { "": "a" },
      { a: "x".repeat(4096) },
      { a: "x".repeat(KIB * KIB) },
      { a: "\ud800" },
    ].flatMap((metadata: JsonObject) => withMetadata(metadata, INVALID)),
    ...[{ ["__proto__"]: "x" }, { constructor: "x", toString: "y" }].flatMap(
      (metadata: JsonObject) => withMetadata(metadata, [ok]),
    ),
    ...["\0", "x".repeat(KIB * KIB), "a\nb"].flatMap((text) => [
      row("a bad reason", "Revoke", {
        session: { sessionId },
        reason: text,
        actingActorId: "attacker",
      }),
      row("a bad tenant", "RotateSigningKey", { tenantId: text, actingActorId: "a" }),
      row("a bad tenant", "ListSigningKeys", { tenantId: text }),
      row("a bad resource", "ListAuditEvents", { resourceId: text }),
      row("a bad method", "Validate", { cookie: "x", httpMethod: text }, DENIED),
      row("bad methods", "Create", { actor: ACTOR, authMethods: [text] }),
    ]),
  ];
}

/** Every bad input of the list, for every RPC that takes it. */
export function badRequests(known: Known): readonly BadRequest[] {
  return [
    ...cookieRequests(known),
    ...headerRequests(known),
    ...idRequests(known),
    ...fieldRequests(known),
  ];
}
