/** What a route of Envoy asks for, in the context extensions of ext_authz. */
export interface RouteOptions {
  /** `optional`: a request without a live session is let through, without identity. */
  readonly session: "required" | "optional";
  /** Whether unsafe methods need the CSRF token. */
  readonly csrf: boolean;
  /** Undefined: as configured. */
  readonly touch: boolean | undefined;
  /** Undefined: any tenant of the caller. */
  readonly tenant: string | undefined;
  /** Empty: any. */
  readonly actorType: string;
  /** 0: any. */
  readonly minAuthLevel: number;
}

/** A route is misconfigured. The message names the context extension and says what is right. */
export class RouteError extends Error {
  override readonly name = "RouteError";
}

interface Extension {
  readonly accepts: (value: string) => boolean;
  /** Completes the sentence "it must be ...". */
  readonly expected: string;
}

const MAX_AUTH_LEVEL = 2 ** 31 - 1;

const isTrue: Extension = { accepts: (value) => value === "true", expected: '"true" or left out' };
const onOrOff: Extension = {
  accepts: (value) => value === "on" || value === "off",
  expected: '"on" or "off"',
};
const name: Extension = { accepts: (value) => value !== "", expected: "a name" };

const extensions: ReadonlyMap<string, Extension> = new Map([
  ["required", isTrue],
  ["optional", isTrue],
  ["csrf", onOrOff],
  ["touch", onOrOff],
  ["tenant", name],
  ["actor_type", name],
  [
    "min_auth_level",
    {
      accepts: (value) => /^\d{1,10}$/.test(value) && Number(value) <= MAX_AUTH_LEVEL,
      expected: `a whole number from 0 to ${MAX_AUTH_LEVEL}`,
    },
  ],
]);

const DEFAULTS: RouteOptions = {
  session: "required",
  csrf: true,
  touch: undefined,
  tenant: undefined,
  actorType: "",
  minAuthLevel: 0,
};

/**
 * The options of a route. What is unknown or wrong is refused, because a misspelt option must not open
 * the route.
 *
 * @throws {RouteError} which names the extension, and says what is right
 */
export function parseRouteOptions(given: Readonly<Record<string, string>>): RouteOptions {
  const entries = Object.entries(given);
  if (entries.length === 0) return DEFAULTS;
  for (const [key, value] of entries) {
    const extension = extensions.get(key);
    if (extension === undefined) {
      const known = [...extensions.keys()].join(", ");
      throw new RouteError(`the context extension ${shown(key)} is unknown; there are ${known}`);
    }
    if (!extension.accepts(value)) {
      throw new RouteError(
        `the context extension ${key} is wrong: it must be ${extension.expected}`,
      );
    }
  }
  const { required, optional, csrf, touch, tenant, actor_type, min_auth_level } = given;
  if (required !== undefined && optional !== undefined) {
    throw new RouteError("the context extensions required and optional contradict each other");
  }
  return {
    session: optional === undefined ? "required" : "optional",
    csrf: csrf !== "off",
    touch: touch === undefined ? undefined : touch === "on",
    tenant,
    actorType: actor_type ?? "",
    minAuthLevel: Number(min_auth_level ?? 0),
  };
}

const MAX_SHOWN = 64;

/** The visible characters of the start of a key, for messages. */
function shown(key: string): string {
  return JSON.stringify(key.slice(0, MAX_SHOWN).replace(/[^\x21-\x7e]/g, "?"));
}
