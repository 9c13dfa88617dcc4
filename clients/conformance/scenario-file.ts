import { readFileSync } from "node:fs";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { z } from "zod";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { OPERATORS } from "./matcher.ts";
import { BUILT_IN_VARIABLES } from "./stage.ts";
import { referencesOf, substitute } from "./variables.ts";

const json = z.json() as z.ZodType<JsonValue>;
const jsonObject = z.record(z.string(), json) as z.ZodType<JsonObject>;
const rpcNames = SessionService.methods.map(({ name }) => name);
const rpc = z.enum(rpcNames as [string, ...string[]]);

/** New variables: name and path of the value in the answer, such as `ok.session.id`. */
const save = z.record(z.string().regex(/^[\w-]+$/), z.string()).optional();
/** Repeat until the answer is as expected: for what takes an unknown time, such as a reconnect. */
const eventually = z.literal(true).optional();

const callExpectation = z.union([
  z.strictObject({ ok: json }),
  z.strictObject({ error: jsonObject }),
]);

const answer = z.union([
  z.strictObject({ response: jsonObject }),
  z.strictObject({
    error: z.strictObject({
      code: z.string(),
      message: z.string().optional(),
      /** A name of ErrorReason without prefix, or a number that it does not have. */
      reason: z.union([z.string(), z.number()]).optional(),
      httpStatus: z.number().optional(),
      retryDelayMs: z.number().optional(),
    }),
  }),
  /** Never answers. */
  z.strictObject({ hold: z.literal(true) }),
  /** Cuts all connections once the request is there. */
  z.strictObject({ cut: z.literal(true) }),
]);

/** A step has exactly one of these keys, and what its schema says. */
const steps = {
  /** A call with the stub under test. */
  call: z.strictObject({
    call: rpc,
    request: jsonObject,
    with: z
      .strictObject({
        url: z.string().optional(),
        ca: z.string().optional(),
        token: z.string().optional(),
        /** 10 s if neither this nor `defaults` is set: so that a busy machine fails no scenario. */
        deadlineMs: z.int().positive().optional(),
        cancelAfterMs: z.int().positive().optional(),
        retry: z.literal(false).optional(),
        /** Leaves the deadline to the client's default. */
        defaults: z.literal(true).optional(),
      })
      .optional(),
    expect: callExpectation,
    save,
    eventually,
  }),
  /** A request of a browser to the application under test. */
  http: z.strictObject({
    http: z.string().regex(/^[A-Z]+ \/\S*$/),
    /** Each browser has cookies of its own. */
    browser: z.string().optional(),
    /** One character is one byte. A `cookie` here replaces the browser's own. */
    headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
    form: z.record(z.string(), z.string()).optional(),
    body: z.string().optional(),
    expect: z.union([
      z.strictObject({
        status: json,
        body: json.optional(),
        headers: jsonObject.optional(),
        /** All Set-Cookie headers. None if it is not set. */
        setCookies: json.optional(),
      }),
      /** The answer that the middleware gives to a refused request: all of it, with the reason. */
      z.strictObject({
        refusal: json,
        /** Needed where it is neither 401 nor that of the reason. */
        status: z.int().optional(),
        /** Any number of seconds if it is not set. */
        retryAfter: z.string().optional(),
      }),
    ]),
    save,
    eventually,
    /** Sends it that many times. */
    repeat: z.int().positive().optional(),
  }),
  /** A call to sessiond by somebody else, not by the client under test. It must succeed. */
  direct: z.strictObject({
    direct: rpc,
    request: jsonObject,
    expect: z.strictObject({ ok: json }).optional(),
    save,
  }),
  /** Which server is behind the proxy from now on. */
  upstream: z.strictObject({ upstream: z.enum(["sessiond", "replica", "tls", "scripted"]) }),
  /** How the proxy treats connections from now on. */
  network: z.strictObject({ network: z.enum(["pass", "refuse", "stall"]) }),
  /** The database of `replica`. */
  database: z.strictObject({ database: z.enum(["away", "back"]) }),
  /** The answers of the scripted server to each RPC, in turn; the last one is repeated. */
  script: z.strictObject({ script: z.partialRecord(rpc, z.array(answer).min(1)) }),
  /** All calls that the scripted server has got since the script began. */
  received: z.strictObject({ received: z.partialRecord(rpc, z.array(jsonObject)) }),
  /** Lets the session have been idle for that long. */
  idle: z.strictObject({ idle: z.strictObject({ session: z.string(), seconds: z.int() }) }),
  /** Puts the session's absolute deadline that far into the future; negative: into the past. */
  absolute: z.strictObject({ absolute: z.strictObject({ session: z.string(), seconds: z.int() }) }),
  /** Lets the tenant's retired signing keys have been retired that long ago. */
  retired: z.strictObject({ retired: z.strictObject({ tenant: z.string(), seconds: z.int() }) }),
};

type StepKind = keyof typeof steps;
export type StepOf<Kind extends StepKind> = z.infer<(typeof steps)[Kind]>;
export type Step = { [Kind in StepKind]: { readonly kind: Kind } & StepOf<Kind> }[StepKind];
export type ScriptedAnswer = z.infer<typeof answer>;

/** What a scenario needs of a client and not every client has. */
export const CAPABILITIES = [
  "retry",
  "defaultDeadline",
  "tls",
  "browserStatus",
  "cookieHeaders",
  "rawJson",
  "sendsOnce",
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** The two sorts of clients: a generated stub, or an application with the middleware. */
export type Sort = "stubs" | "apps";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly needs: readonly Capability[];
  readonly stubs: readonly Step[] | undefined;
  readonly apps: readonly Step[] | undefined;
}

export interface ScenarioFile {
  readonly patterns: Readonly<Record<string, string>>;
  /** Variables that every scenario has. */
  readonly values: Readonly<Record<string, JsonValue>>;
  readonly scenarios: readonly Scenario[];
}

const stepList = z.array(jsonObject).min(1);

/** Steps that are repeated with the variables of each item. */
const repetition = z.strictObject({ forEach: z.array(jsonObject).min(1), steps: stepList });
/** The steps of a fragment, in its place. */
const inclusion = z.strictObject({ include: z.string() });

const file = z.strictObject({
  patterns: z.record(z.string(), z.string()),
  /** Variables with fixed values. */
  values: z.record(z.string(), json),
  /** Steps that many scenarios have in common. */
  fragments: z.record(z.string(), stepList),
  scenarios: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "lower-case words with hyphens"),
        title: z.string().min(1),
        needs: z.array(z.enum(CAPABILITIES)).default([]),
        stubs: stepList.optional(),
        apps: stepList.optional(),
      }),
    )
    .min(1),
});

/** What is wrong in the data file: a line for each problem, with scenario and step. */
export class ScenarioFileError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ScenarioFileError";
  }
}

/** @throws {ScenarioFileError} with all problems */
export function readScenarioFile(path: string): ScenarioFile {
  return parseScenarioFile(JSON.parse(readFileSync(path, "utf8")));
}

/** @throws {ScenarioFileError} with all problems */
export function parseScenarioFile(data: unknown): ScenarioFile {
  const parsed = file.safeParse(data);
  if (!parsed.success) throw new ScenarioFileError(parsed.error.issues.map(describeIssue(data)));
  const { scenarios } = parsed.data;
  const problems: string[] = [];
  const names = new Set<string>();
  const checked = scenarios.map(({ stubs, apps, ...scenario }): Scenario => {
    const report = (what: string) => problems.push(`scenario "${scenario.name}"${what}`);
    if (names.has(scenario.name)) report(": the name is used twice");
    names.add(scenario.name);
    if (stubs === undefined && apps === undefined) report(": it has neither stubs nor apps");
    const parse = (list: readonly JsonObject[] | undefined, sort: Sort) =>
      list && new StepParser(parsed.data, sort, report).parse(list);
    return { ...scenario, stubs: parse(stubs, "stubs"), apps: parse(apps, "apps") };
  });
  if (problems.length > 0) throw new ScenarioFileError(problems);
  return { ...parsed.data, scenarios: checked };
}

/** Parses the steps of one scenario for one sort of clients. */
class StepParser {
  readonly #file: z.infer<typeof file>;
  readonly #sort: Sort;
  readonly #report: (what: string) => void;
  readonly #known: Set<string>;

  /** @param report gets each problem, from the place in the scenario on */
  constructor(data: z.infer<typeof file>, sort: Sort, report: (what: string) => void) {
    this.#file = data;
    this.#sort = sort;
    this.#report = report;
    this.#known = new Set([...BUILT_IN_VARIABLES, ...Object.keys(data.values)]);
  }

  /** @returns the steps, with repetitions and fragments written out */
  parse(list: readonly JsonObject[], place = ""): readonly Step[] {
    return list.flatMap((value, index) => {
      const where = `${place}, step ${index + 1}${place === "" ? ` of ${this.#sort}` : ""}`;
      if ("forEach" in value) return this.#repetition(value, where);
      if ("include" in value) return this.#inclusion(value, where);
      return this.#step(value, where);
    });
  }

  #repetition(value: JsonObject, where: string): readonly Step[] {
    const parsed = this.#parsed(repetition, value, where);
    return (parsed?.forEach ?? []).flatMap((item) => {
      const variables = new Map(Object.entries(item));
      const repeated = (parsed?.steps ?? []).map((step) => substitute(step, variables));
      return this.parse(repeated, `${where}, with ${JSON.stringify(item)}`);
    });
  }

  #inclusion(value: JsonObject, where: string): readonly Step[] {
    const name = this.#parsed(inclusion, value, where)?.include;
    if (name === undefined) return [];
    const fragment = this.#file.fragments[name];
    if (fragment === undefined) this.#report(`${where}: there is no fragment "${name}"`);
    return this.parse(fragment ?? [], `${where}, fragment "${name}"`);
  }

  #step(value: JsonObject, where: string): readonly Step[] {
    const kinds = (Object.keys(steps) as StepKind[]).filter((kind) => kind in value);
    const [kind] = kinds;
    if (kind === undefined || kinds.length > 1) {
      const allowed = Object.keys(steps).join(", ");
      const found = Object.keys(value).join(", ");
      this.#report(`${where}: it has ${found}; exactly one of ${allowed} is required`);
      return [];
    }
    if (kind === (this.#sort === "stubs" ? "http" : "call")) {
      this.#report(`${where}: ${this.#sort} have no "${kind}"`);
      return [];
    }
    const parsed = this.#parsed(steps[kind] as z.ZodType<JsonObject>, value, where);
    for (const name of referencesOf(value)) {
      if (!this.#known.has(name)) this.#report(`${where}: no earlier step saves \${${name}}`);
    }
    for (const name of Object.keys((value.save ?? {}) as JsonObject)) this.#known.add(name);
    for (const problem of patternProblems(value.expect ?? value.received, this.#file.patterns))
      this.#report(`${where}: ${problem}`);
    return parsed === undefined ? [] : [{ ...parsed, kind } as unknown as Step];
  }

  #parsed<T>(schema: z.ZodType<T>, value: JsonObject, where: string): T | undefined {
    const { success, data, error } = schema.safeParse(value);
    for (const issue of success ? [] : error.issues) this.#report(`${where}: ${issueText(issue)}`);
    return data;
  }
}

function patternProblems(
  value: JsonValue | undefined,
  patterns: Readonly<Record<string, string>>,
): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    if (!key.startsWith("$")) return patternProblems(item, patterns);
    if (!OPERATORS.has(key)) return [`there is no operator ${key}`];
    if (key === "$is" && !Object.hasOwn(patterns, String(item)))
      return [`there is no pattern ${JSON.stringify(item)}`];
    return key === "$is" || key === "$matches" ? [] : patternProblems(item, patterns);
  });
}

function issueText(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String).join(".");
  // What is wrong with each alternative of a union.
  const nested = issue.code === "invalid_union" ? issue.errors : [];
  const reasons = nested.map((issues) => issues.map(issueText).join("; ")).filter(Boolean);
  const text = reasons.length > 0 ? reasons.join(", or ") : issue.message;
  return path === "" ? text : `${path}: ${text}`;
}

/** Names the scenario and not its index. */
function describeIssue(data: unknown): (issue: z.core.$ZodIssue) => string {
  return (issue) => {
    const [top, index, ...rest] = issue.path;
    if (top !== "scenarios" || typeof index !== "number") return issueText(issue);
    const { scenarios } = data as { scenarios: readonly { name?: unknown }[] };
    const name = scenarios[index]?.name ?? `number ${index + 1}`;
    return `scenario ${JSON.stringify(name)}: ${issueText({ ...issue, path: rest })}`;
  };
}
