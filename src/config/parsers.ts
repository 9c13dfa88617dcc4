/**
 * Parsers for the values of settings. Each is a zod schema that decodes text to a typed value, and
 * encodes a value to the text that messages and `--print-config` show.
 *
 * Its description says what a valid value is, and completes the sentence "it must be ...". Error
 * messages add the `hint` of its metadata, which is too long for the table in the documentation.
 */

import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import { validate as isCronExpression } from "node-cron";
import { z } from "zod";
import { databaseUrlProblem } from "./database-url.ts";
import { isLoopback } from "./loopback.ts";
import { formatQuantity, parseQuantity, type Scale, SIZE, TIME } from "./quantities.ts";

export type Parser<T = unknown> = z.ZodType<T, string>;

/**
 * Parses the text of a setting. On failure, the message of the first issue is for users, and does
 * not contain the text, which may be a secret.
 */
export function parse<T>(parser: Parser<T>, text: string): z.ZodSafeParseResult<T> {
  const { description, hint = "" } = parser.meta() ?? {};
  return parser.safeParse(text, { error: () => `it must be ${description}${hint}` });
}

/** Makes a function that makes parsers from bounds, which are written like the values. */
function quantity(scale: Scale, noun: string, examples: string, step = 1) {
  return (least: string, most: string): Parser<number> => {
    const [min, max] = [parseQuantity(least, scale), parseQuantity(most, scale)];
    return z
      .codec(z.string(), z.int().min(min).max(max).multipleOf(step), {
        decode: (text) => parseQuantity(text, scale),
        encode: (amount) => formatQuantity(amount, scale),
      })
      .meta({ description: `${noun} from ${least} to ${most}`, hint: `, such as ${examples}` });
  };
}

/** Milliseconds, written as a number and one of `ms`, `s`, `m`, `h`, `d`. */
export const duration = quantity(TIME, "a duration", "500ms, 30s, 5m, 12h or 7d");

const inWholeSeconds = "a duration in whole seconds";
/** Milliseconds that are whole seconds: durations of sessions, because Max-Age is in seconds. */
export const wholeSeconds = quantity(TIME, inWholeSeconds, "30s, 30m, 12h or 7d", 1000);

/** Bytes, written as a number and one of `B`, `KiB`, `MiB`. */
export const bytes = quantity(SIZE, "a size", "65536B, 64KiB or 1MiB");

export function integer(min: number, max: number): Parser<number> {
  const digits = z.string().regex(/^\d{1,15}$/);
  return z
    .codec(digits, z.int().min(min).max(max), { decode: Number, encode: String })
    .describe(`a whole number from ${min} to ${max}`);
}

export function choice<const T extends string>(values: readonly T[]): Parser<T> {
  return z.enum(values).describe(`one of ${values.join(", ")}`);
}

export const boolean = z
  .stringbool({ truthy: ["true"], falsy: ["false"], case: "sensitive" })
  .describe("true or false");

/** Text that passes a check, that is, the check neither throws nor returns false. */
export function checked(check: (text: string) => unknown) {
  return z.string().refine((text) => {
    try {
      return check(text);
    } catch {
      return false;
    }
  });
}

export const path = checked((text) => !text.includes("\0")).describe("a path");

export const text = checked((text) => /^\S+$/.test(text) && !/\p{Cc}/u.test(text)).describe(
  "text without spaces",
);

const MAX_CLAIM_CHARACTERS = 256;

/** RFC 7519 has text or a URI; a URL must be one that RFC 8414 allows for an issuer. */
export const tokenIssuer = checked((text) => {
  if (!isClaim(text)) return false;
  return !/^https?:/i.test(text) || (isHttpsUrl(text) && !/[?#]/.test(text));
}).meta({
  description: `an https:// URL, or other text without spaces, of at most ${MAX_CLAIM_CHARACTERS} characters`,
  hint: ", such as https://sessiond.example.com; a URL without query, fragment, user and password",
});

function isClaim(text: string): boolean {
  return text.length <= MAX_CLAIM_CHARACTERS && /^\S+$/.test(text) && !/\p{Cc}/u.test(text);
}

/** Headers that carry the request itself, and those that only the authorization service may set. */
const RESERVED_HEADER =
  /^(host|cookie|connection|upgrade|te|content-.*|transfer-.*|proxy-.*|x-session-(id|actor-id|actor-type|tenant-id|auth-level))$/;

/** Without `_`: many upstreams do not tell it from `-`. */
export const headerName = checked(
  (text) => /^[a-z][a-z0-9-]{0,63}$/.test(text) && !RESERVED_HEADER.test(text),
).meta({
  description: "the name of a header in lower case",
  hint: ": letters, digits and hyphens, 64 at most, and no header that HTTP or sessiond itself uses",
});

/** The origin, for any values of the placeholders, and where it is safe to send a browser to. */
function isLoginUrl(text: string): boolean {
  if (!/^[\x21-\x7e]{1,1024}$/.test(text) || text.includes("\\")) return false;
  const filled = text.replaceAll(/\{(url|path)\}/g, "x");
  if (/[{}]/.test(filled)) return false;
  if (/^\/(?!\/)/.test(text)) return true;
  const { protocol, hostname, username, password } = new URL(filled);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const isSafe = protocol === "https:" || (protocol === "http:" && isLoopback(host));
  const origin = /^https?:\/\/[^/?#{}]+/i;
  return (
    isSafe &&
    username === "" &&
    password === "" &&
    origin.exec(text)?.[0] === origin.exec(filled)?.[0]
  );
}

export const loginUrl = checked(isLoginUrl).meta({
  description: "an https:// URL, or a path that begins with one slash",
  hint:
    ", such as https://login.example.com/?return_to={url} or /login?next={path}; http:// only with a " +
    "loopback address, and {url} and {path} only after the origin",
});

/** A URL is an object, a path is a string. */
export const jwks = z
  .codec(
    z
      .string()
      .refine((text) => !/^\s*(https?:|[a-z][a-z0-9+.-]*:\/\/)/i.test(text) || isHttpsUrl(text)),
    z.union([z.string(), z.instanceof(URL)]),
    {
      decode: (text) => (isHttpsUrl(text) ? new URL(text) : text),
      encode: (where) => (where instanceof URL ? where.href : where),
    },
  )
  .describe("a path or an https:// URL without user and password");

function isHttpsUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "https:" && url.username === "" && url.password === "";
}

const JWT_ALGORITHMS = ["RS", "PS", "ES"]
  .flatMap((family) => [256, 384, 512].map((bits) => `${family}${bits}`))
  .concat("EdDSA");

/** Only asymmetric ones: with a symmetric one, whoever verifies tokens could also make them. */
export const jwtAlgorithms = z
  .codec(
    z.string(),
    z.array(z.string()).refine((names) => names.every((name) => JWT_ALGORITHMS.includes(name))),
    {
      decode: (list) => list.split(",").map((name) => name.trim()),
      encode: (names) => names.join(","),
    },
  )
  .describe(`one or more of ${JWT_ALGORITHMS.join(", ")}, separated by commas`);

const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const labels = text.split(".");
  // A host name does not end in a number: 10.0.0.256 is a mistyped address.
  const isNumeric = /^\d+$/.test(labels.at(-1) ?? "");
  return text.length <= 253 && !isNumeric && labels.every((label) => LABEL.test(label));
}

export const host = checked(isHost).meta({
  description: "an IP address or host name",
  hint: " without port or brackets, such as 127.0.0.1, 0.0.0.0, :: or localhost",
});

/** Makes a parser of a list of different items, separated by commas. Empty text is the empty list. */
function list(isItem: (text: string) => boolean) {
  const split = (text: string) => (text === "" ? [] : text.split(",").map((item) => item.trim()));
  const isList = (text: string) => {
    const items = split(text);
    return items.every(isItem) && new Set(items).size === items.length;
  };
  return z.codec(checked(isList), z.array(z.string()).readonly(), {
    decode: split,
    encode: (items) => items.join(","),
  });
}

export const hostList = list(
  (text) => text === "*" || (isHost(text) && text === text.toLowerCase()),
).meta({
  description: "a list of host names in lower case, or *",
  hint: ", each once and without port, such as sessiond.default.svc,sessiond",
});

export const originList = list((text) => URL.parse(text)?.origin === text).meta({
  description: "a list of origins",
  hint: ", each once and without a path, such as https://app.example.com,http://localhost:3000",
});

export const audienceList = list(isClaim).meta({
  description: `a list of names without spaces, of at most ${MAX_CLAIM_CHARACTERS} characters each`,
  hint: ", each once, such as orders,billing",
});

// A browser stores 4096 bytes of name and value; the value of a session takes fewer than 256. It
// compares these prefixes without regard to case (RFC 6265bis, section 5.7).
const COOKIE_NAME = /^(?!__(host|secure|http)-)[!#$%&'*+\-.^_`|~0-9a-z]{1,256}$/i;

export const cookieName = checked((text) => COOKIE_NAME.test(text)).meta({
  description: "a cookie name without prefix",
  hint: " (sessiond adds __Host- or leaves it): 1 to 256 letters, digits or any of !#$%&'*+-.^_`|~",
});

export const cronOrOff = z
  .codec(z.string(), checked(isCronExpression).optional(), {
    decode: (text) => (text === "off" ? undefined : text),
    encode: (expression) => expression ?? "off",
  })
  .meta({ description: "a cron expression or off", hint: ', such as "0 * * * *" (hourly)' });

const RATE = /^(\d{1,7})(?:,(\d{1,7}))?$/;

/** Calls per second, and how many may come at once after a pause: as many as in a second by default. */
export const callRateOrOff = z
  .codec(
    checked((text) => text === "off" || RATE.test(text)),
    z.object({ perSecond: z.int().min(1), burst: z.int().min(1) }).optional(),
    {
      decode: (text) => {
        const [, perSecond, burst = perSecond] = RATE.exec(text) ?? [];
        if (perSecond === undefined) return undefined;
        return { perSecond: Number(perSecond), burst: Number(burst) };
      },
      encode: (rate) => (rate === undefined ? "off" : `${rate.perSecond},${rate.burst}`),
    },
  )
  .meta({
    description: "off, or calls per second and the size of a burst, each from 1 to 9999999",
    hint: ", such as 500 or 500,2000",
  });

const MAX_WORKERS = 64;

/** `auto` decodes to the number of processors that the process may use, as far as that is allowed. */
export const workers = z
  .codec(z.string().regex(/^(\d{1,4}|auto)$/), z.int().min(1).max(MAX_WORKERS), {
    decode: (text) =>
      text === "auto" ? Math.min(availableParallelism(), MAX_WORKERS) : Number(text),
    encode: String,
  })
  .describe(`auto, or a whole number from 1 to ${MAX_WORKERS}`);

export const databaseUrl = z
  .string()
  .superRefine((text, context) => {
    const problem = databaseUrlProblem(text);
    if (problem !== undefined) context.addIssue(problem);
  })
  .describe("a postgres:// or postgresql:// URL");

/** Whether a token and key material may be sent there. */
function isVaultAddress(text: string): boolean {
  const { protocol, hostname, origin } = new URL(text);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const isSafe = protocol === "https:" || (protocol === "http:" && isLoopback(host));
  return isSafe && (text === origin || text === `${origin}/`);
}

export const vaultAddress = checked(isVaultAddress).meta({
  description: "an https:// URL without path, or http:// with a loopback address",
  hint: ", such as https://vault.example.com:8200",
});

export const serviceAddress = checked((text) => {
  const { protocol, origin } = new URL(text);
  return /^https?:$/.test(protocol) && (text === origin || text === `${origin}/`);
}).meta({
  description: "an http:// or https:// URL without path",
  hint: ", such as http://127.0.0.1:8480 or https://sessiond.example.com",
});

export const actingActor = checked(
  (text) => text.trim() !== "" && !/\p{Cc}/u.test(text) && Buffer.byteLength(text) <= 256,
).describe("1 to 256 bytes without control characters");

const VAULT_NAME = /^\w(?:[\w.-]*\w)?$/;

export const vaultName = checked((text) => VAULT_NAME.test(text)).describe(
  "letters, digits, `_`, `.` and `-`",
);

export const vaultPath = checked((text) =>
  text.split("/").every((part) => VAULT_NAME.test(part)),
).describe("a path without a slash at its ends, such as transit or teams/transit");
