/**
 * The kinds of value a setting can have: how each is read from text, written as text, and described
 * to someone who got it wrong.
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { validate as isCronExpression } from "node-cron";

export type Parsed<T> = { readonly value: T } | { readonly problem: string };

export interface Kind<T> {
  /** What a right value is, to end the sentence "it must be ...". */
  readonly expects: string;
  /** Goes on from `expects` for someone who got it wrong. Too much for a table. */
  readonly hint: string;
  /** A `problem` goes after the name of the variable and a colon. It never contains the text. */
  parse(text: string): Parsed<T>;
  /** For `--print-config`. Never called for secrets. */
  format(value: T): string;
}

function must(kind: Pick<Kind<unknown>, "expects" | "hint">): { readonly problem: string } {
  return { problem: `it must be ${kind.expects}${kind.hint}` };
}

// --- durations and sizes ---------------------------------------------------------------------

const DURATION_UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const BYTE_UNITS = { MiB: 1_048_576, KiB: 1024, B: 1 } as const;

type Units = Readonly<Record<string, number>>;

/**
 * One number and one unit. The unit is required, zero aside: "30" is 30 ms to one reader and 30 s
 * to the next.
 */
function parseQuantity(text: string, units: Units): number | undefined {
  const match = /^(\d{1,15})([A-Za-z]*)$/.exec(text);
  const digits = match?.[1];
  const unit = match?.[2];
  if (digits === undefined || unit === undefined) return undefined;
  if (unit === "") return Number(digits) === 0 ? 0 : undefined;
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  const amount = factor === undefined ? Number.NaN : Number(digits) * factor;
  return Number.isSafeInteger(amount) ? amount : undefined;
}

function formatQuantity(amount: number, units: Units, ofZero: string): string {
  if (amount === 0) return `0${ofZero}`;
  for (const [unit, factor] of Object.entries(units)) {
    if (amount % factor === 0) return `${amount / factor}${unit}`;
  }
  throw new RangeError(`${amount} is not a whole number of the smallest unit`);
}

/** In the largest unit that needs no fraction: 90 minutes are `90m`, 24 hours are `1d`. */
export function formatDuration(ms: number): string {
  return formatQuantity(ms, DURATION_UNITS, "s");
}

/** For bounds in the table. A mistake there is a mistake in the program. */
function bound(text: string, units: Units): number {
  const amount = parseQuantity(text, units);
  if (amount === undefined) throw new RangeError(`${text} is not a quantity`);
  return amount;
}

function quantity(
  least: string,
  most: string,
  what: { units: Units; noun: string; examples: string; ofZero: string },
  multipleOf = 1,
): Kind<number> {
  const min = bound(least, what.units);
  const max = bound(most, what.units);
  return {
    expects: `${what.noun} from ${least} to ${most}`,
    hint: `, such as ${what.examples}`,
    parse(text) {
      const value = parseQuantity(text, what.units);
      const fits = value !== undefined && value >= min && value <= max && value % multipleOf === 0;
      return fits ? { value } : must(this);
    },
    format: (value) => formatQuantity(value, what.units, what.ofZero),
  };
}

/** Milliseconds, written as a number and one of `ms`, `s`, `m`, `h`, `d`. */
export function duration(least: string, most: string): Kind<number> {
  const examples = "500ms, 30s, 5m, 12h or 7d";
  return quantity(least, most, {
    units: DURATION_UNITS,
    noun: "a duration",
    examples,
    ofZero: "s",
  });
}

/** A duration of sessions, which are dealt in whole seconds because cookies are (Max-Age). */
export function wholeSeconds(least: string, most: string): Kind<number> {
  const noun = "a duration in whole seconds";
  const examples = "30s, 30m, 12h or 7d";
  return quantity(least, most, { units: DURATION_UNITS, noun, examples, ofZero: "s" }, 1000);
}

/** Bytes, written as a number and one of `B`, `KiB`, `MiB`. */
export function bytes(least: string, most: string): Kind<number> {
  const examples = "65536B, 64KiB or 1MiB";
  return quantity(least, most, { units: BYTE_UNITS, noun: "a size", examples, ofZero: "B" });
}

// --- plain values ----------------------------------------------------------------------------

export function integer(min: number, max: number): Kind<number> {
  return {
    expects: `a whole number from ${min} to ${max}`,
    hint: "",
    parse(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? { value } : must(this);
    },
    format: String,
  };
}

export const port = integer(0, 65_535);

export function choice<const T extends string>(values: readonly T[]): Kind<T> {
  return {
    expects: `one of ${values.join(", ")}`,
    hint: "",
    parse(text) {
      const value = values.find((known) => known === text);
      return value === undefined ? must(this) : { value };
    },
    format: (value) => value,
  };
}

export const boolean: Kind<boolean> = {
  expects: "true or false",
  hint: "",
  parse(text) {
    if (text === "true" || text === "false") return { value: text === "true" };
    return must(this);
  },
  format: String,
};

/** Text that follows one rule. */
function text(expects: string, hint: string, isRight: (text: string) => boolean): Kind<string> {
  return {
    expects,
    hint,
    parse(value) {
      return isRight(value) ? { value } : must(this);
    },
    format: (value) => value,
  };
}

export const path = text("a path", "", (value) => !value.includes("\0"));

const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

function isHost(value: string): boolean {
  if (isIP(value) !== 0) return true;
  const labels = value.split(".");
  // Names do not end in a number, so that 10.0.0.256 is a mistyped address and not a name.
  const isNumeric = /^\d+$/.test(labels.at(-1) ?? "");
  return value.length <= 253 && !isNumeric && labels.every((label) => LABEL.test(label));
}

export const host = text(
  "an IP address or host name",
  " without port or brackets, such as 127.0.0.1, 0.0.0.0, :: or localhost",
  isHost,
);

/** Name and value of a cookie may have 4096 bytes; a session's value takes fewer than 256. */
const LONGEST_COOKIE_NAME = 256;

export const cookieName = text(
  "a cookie name without prefix",
  ` (sessiond adds __Host- or leaves it): 1 to ${LONGEST_COOKIE_NAME} letters, digits ` +
    "or any of !#$%&'*+-.^_`|~",
  (value) =>
    value.length <= LONGEST_COOKIE_NAME &&
    /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value) &&
    // Browsers compare these prefixes without regard to case (RFC 6265bis, section 5.7).
    !/^__(host|secure|http)-/i.test(value),
);

export const cronOrOff: Kind<string | undefined> = {
  expects: "a cron expression or off",
  hint: ', such as "0 * * * *" (hourly)',
  parse(value) {
    if (value === "off") return { value: undefined };
    return isCronExpression(value) ? { value } : must(this);
  },
  format: (value) => value ?? "off",
};

// --- secrets and certificates ----------------------------------------------------------------

export const databaseUrl = text(
  "a postgres:// or postgresql:// URL",
  ", such as postgres://user:password@host:5432/database, " +
    "with special characters in the password percent-encoded",
  (value) => {
    const url = URL.parse(value);
    // An unencoded # in the password silently cuts off the rest of the URL.
    return (url?.protocol === "postgres:" || url?.protocol === "postgresql:") && url.hash === "";
  },
);

const KEY_BYTES = 32;

export const howToMakeKey =
  "make one with `openssl rand -base64 32` or " +
  "`node -p \"crypto.randomBytes(32).toString('base64')\"`";

export const keyList: Kind<readonly Buffer[]> = {
  expects: `base64 keys of ${KEY_BYTES} bytes each, separated by commas`,
  hint: "",
  parse(value) {
    const keys = new Map<string, Buffer>();
    for (const [index, item] of value.split(",").entries()) {
      const which = `key ${index + 1} of the list`;
      const encoded = item.trim();
      const key = Buffer.from(encoded, "base64");
      // Buffer skips what is not base64, so the way back shows whether anything was skipped.
      if (key.length !== KEY_BYTES || key.toString("base64") !== encoded) {
        return { problem: `${which} must be the base64 of ${KEY_BYTES} bytes; ${howToMakeKey}` };
      }
      if (keys.has(encoded)) return { problem: `${which} is there twice; name each key once` };
      keys.set(encoded, key);
    }
    return { value: [...keys.values()] };
  },
  format: (keys) => `(${keys.length} keys)`,
};

function succeeds(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

export const certificate: Kind<string> = {
  ...text("a certificate in PEM form", " (-----BEGIN CERTIFICATE-----)", (pem) =>
    succeeds(() => new X509Certificate(pem)),
  ),
  format: (pem) => `(${new X509Certificate(pem).subject.replaceAll("\n", ", ")})`,
};

export const privateKey = text(
  "a private key in PEM form",
  " without a passphrase (-----BEGIN PRIVATE KEY-----)",
  (pem) => succeeds(() => createPrivateKey(pem)),
);

export function isKeyOfCertificate(certificatePem: string, keyPem: string): boolean {
  return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
}
