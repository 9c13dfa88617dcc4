import { tmpdir } from "node:os";
import { parseArgs } from "node:util";

export const PARTS = [
  "systems",
  "growth",
  "sweep",
  "memory",
  "idle",
  "writes",
  "authentication",
  "metrics",
  "tokens",
  "versions",
  "tracing",
  "profile",
] as const;
export type Part = (typeof PARTS)[number];

/** The name for the parts that measure the goals of the HTTP/2 engine. */
const ENGINE = "engine";
const ENGINE_PARTS: readonly Part[] = ["systems", "memory", "idle"];

export interface Options {
  readonly help: boolean;
  readonly quick: boolean;
  readonly parts: ReadonlySet<Part>;
  /** Whether the part "systems" has only those of the goals of the HTTP/2 engine. */
  readonly engine: boolean;
  /** Names of systems; undefined: all, or fewer with `quick` or `engine`. */
  readonly systems: readonly string[] | undefined;
  readonly sessions: number;
  readonly rounds: number;
  readonly durationMs: number;
  /** The limit of the warm-up of a server, which ends when its rates are steady. */
  readonly warmUpMs: number;
  /** Calls in flight. */
  readonly levels: readonly number[];
  /** Numbers of sessions, smallest first. */
  readonly growth: readonly number[];
  readonly expired: number;
  /** The directory for results, relative to the working directory. */
  readonly out: string;
  /** The file name of the result without `.json`. Undefined: the time. */
  readonly name: string | undefined;
  readonly chart: string | undefined;
  /** Names of systems, for the part "profile". */
  readonly profile: readonly string[];
  /** The root of another version's checkout, for the part "versions". */
  readonly against: string | undefined;
  /** The parent of the data directory, if the benchmark starts PostgreSQL. */
  readonly dataParent: string;
}

/** The command line is invalid. The message is for the user. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

export const USAGE = `Measures sessiond beside its limits and its alternatives, on a real PostgreSQL.

Usage: npm run bench -- [options]

  --quick             the ratios that matter in a minute: fewer systems and sessions
  --only NAME,...     parts of the run: ${PARTS.join(", ")};
                      ${ENGINE}: ${ENGINE_PARTS.join(", ")}, with the systems of the engine's goals
  --systems NAME,...  of the part "systems", these only
  --sessions N        live sessions (1000000; with --quick 100000)
  --rounds N          how often everything is measured, in turn (5; with --quick 1)
  --duration TIME     of one measurement, such as 3s or 1500ms (3s; with --quick 1s)
  --warm-up TIME      of a server, at most: it ends when its rates are steady (20s; with --quick 4s)
  --levels N,...      calls in flight (1,16,64,256; with ${ENGINE} 1,64,256; with --quick 1,64)
  --growth N,...      numbers of sessions of the part "growth" (10000,1000000,10000000)
  --against DIR       a checkout of another version, with its node_modules, with which the part
                      "versions" compares this one
  --profile NAME,...  only profile these systems (with --only, also the parts named there): where
                      the server's time goes
  --expired N         rows that the part "sweep" has swept (1000000)
  --out DIR           where the result goes (bench/results)
  --name NAME         its file name without .json (the time)
  --chart FILE        also draw the part "systems" as an SVG
  --data DIR          where the run's own PostgreSQL keeps its data while it runs, on a disk that
                      fsync reaches (${tmpdir()})
  --help              print this and exit

SESSIOND_BENCH_DATABASE_URL names a PostgreSQL server to use instead of the run's own; its role
must be allowed to create databases. The run works in databases that it creates and drops.
`;

const SETTINGS = {
  quick: { type: "boolean" },
  only: { type: "string" },
  systems: { type: "string" },
  sessions: { type: "string" },
  rounds: { type: "string" },
  duration: { type: "string" },
  "warm-up": { type: "string" },
  levels: { type: "string" },
  growth: { type: "string" },
  expired: { type: "string" },
  out: { type: "string" },
  name: { type: "string" },
  chart: { type: "string" },
  against: { type: "string" },
  profile: { type: "string" },
  data: { type: "string" },
  help: { type: "boolean" },
} as const;

/** @throws {OptionError} if an option is unknown or invalid */
export function parseOptions(args: readonly string[]): Options {
  const given = read(args);
  const quick = given.quick ?? false;
  const engine = given.only !== undefined && list("--only", given.only).includes(ENGINE);
  const levels = quick ? "1,64" : engine ? "1,64,256" : "1,16,64,256";
  const name = given.name;
  if (name !== undefined && !/^[\w.-]+$/.test(name)) {
    throw new OptionError("--name must be letters, digits, dots, dashes and underscores");
  }
  return {
    help: given.help ?? false,
    quick,
    parts: parts(given, quick),
    engine,
    systems: given.systems === undefined ? undefined : list("--systems", given.systems),
    sessions: integer("--sessions", given.sessions ?? (quick ? "100000" : "1000000"), 1000),
    rounds: integer("--rounds", given.rounds ?? (quick ? "1" : "5"), 1),
    durationMs: duration("--duration", given.duration ?? (quick ? "1s" : "3s")),
    warmUpMs: duration("--warm-up", given["warm-up"] ?? (quick ? "4s" : "20s")),
    levels: integers("--levels", given.levels ?? levels, 1),
    growth: integers("--growth", given.growth ?? "10000,1000000,10000000", 1000),
    expired: integer("--expired", given.expired ?? "1000000", 1),
    out: given.out ?? "bench/results",
    name,
    chart: given.chart,
    profile: given.profile === undefined ? [] : list("--profile", given.profile),
    against: given.against,
    dataParent: given.data ?? tmpdir(),
  };
}

function read(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: SETTINGS, strict: true }).values;
  } catch (error) {
    const { message } = error as Error;
    throw new OptionError(`${message.split(". ")[0]} (see --help)`, { cause: error });
  }
}

function parts(given: ReturnType<typeof read>, quick: boolean): ReadonlySet<Part> {
  const { only, against, profile } = given;
  if (only === undefined) {
    if (profile !== undefined) return new Set(["profile"]);
    if (quick) return new Set(["systems"]);
    const always = ["profile", "tracing"];
    const optional = against === undefined ? [...always, "versions"] : always;
    return new Set(PARTS.filter((part) => !optional.includes(part)));
  }
  const chosen = list("--only", only).flatMap((name) => (name === ENGINE ? ENGINE_PARTS : name));
  for (const name of chosen) {
    if (!(PARTS as readonly string[]).includes(name)) {
      throw new OptionError(
        `--only does not know "${name}": it takes ${[...PARTS, ENGINE].join(", ")}`,
      );
    }
  }
  if (chosen.includes("versions") && against === undefined) {
    throw new OptionError('the part "versions" needs --against');
  }
  if (chosen.includes("profile") && profile === undefined) {
    throw new OptionError('the part "profile" needs --profile');
  }
  if (profile !== undefined) chosen.push("profile");
  return new Set(chosen as Part[]);
}

function list(option: string, text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  if (items.includes("")) throw new OptionError(`${option} must be names separated by commas`);
  return items;
}

function integers(option: string, text: string, min: number): number[] {
  const numbers = list(option, text).map((item) => integer(option, item, min));
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function integer(option: string, text: string, min: number): number {
  const value = Number(text.replaceAll("_", ""));
  if (!/^[\d_]+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
    throw new OptionError(`${option} must be a whole number of at least ${min}, not "${text}"`);
  }
  return value;
}

function duration(option: string, text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? [];
  const ms = Number(amount) * (unit === "ms" ? 1 : unit === "s" ? 1000 : 60_000);
  if (!(ms >= 100 && ms <= 3_600_000)) {
    throw new OptionError(`${option} must be a time from 100ms to 60m, such as 3s, not "${text}"`);
  }
  return Math.round(ms);
}
