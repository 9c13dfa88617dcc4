import { STATUS_CODES } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { idle, setAbsolute } from "../../test/support/back-dating.ts";
import { Browser, type BrowserResponse } from "./browser.ts";
import type { App, CallRequest, Stub } from "./clients.ts";
import { callDirectly } from "./direct.ts";
import { createMatcher, type Matcher } from "./matcher.ts";
import { normalResponse } from "./messages.ts";
import type { NetworkProxy } from "./network-proxy.ts";
import type { Capability, Scenario, ScenarioFile, Step, StepOf } from "./scenario-file.ts";
import type { SessiondServers } from "./sessiond-servers.ts";
import { createStage, type Stage } from "./stage.ts";
import { substitute, type Variables } from "./variables.ts";

/** What `eventually` and `received` wait for at most. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 50;
const UNHURRIED_DEADLINE_MS = 10_000;

/** A step that did not go as expected. */
export interface Failure {
  /** Counted from 1, with the groups written out. */
  readonly step: number;
  /** The action, such as `GET /me`. */
  readonly action: string;
  readonly differences: readonly string[];
  readonly request?: unknown;
  readonly response?: unknown;
}

export type Outcome =
  | { readonly result: "passed" }
  | { readonly result: "failed"; readonly failure: Failure }
  /** The client cannot have what the scenario is about. */
  | { readonly result: "not applicable"; readonly why: string };

/** A client under test and what belongs to it. */
export type Subject =
  | { readonly sort: "stubs"; readonly stub: Stub }
  | { readonly sort: "apps"; readonly app: App; readonly proxy: NetworkProxy };

export interface Conditions {
  readonly file: ScenarioFile;
  readonly servers: SessiondServers;
  /** Runs what disturbs the shared replica's database, alone. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Plays one scenario. Undefined if it has no steps for this sort of client. */
export async function play(
  scenario: Scenario,
  subject: Subject,
  conditions: Conditions,
): Promise<Outcome | undefined> {
  const steps = scenario[subject.sort];
  if (steps === undefined) return undefined;
  const why = whyNotApplicable(scenario, subject.sort === "stubs" ? subject.stub : subject.app);
  if (why !== undefined) return { result: "not applicable", why };
  const disturbs = steps.some(({ kind }) => kind === "database");
  const run = async (): Promise<Outcome> => {
    const proxy = subject.sort === "apps" ? subject.proxy : undefined;
    const stage = await createStage(conditions.servers, conditions.file.values, proxy);
    const player = new Player(subject, stage, createMatcher(conditions.file.patterns));
    try {
      for (const [index, step] of steps.entries()) {
        const failure = await player.step(step, index + 1);
        if (failure !== undefined) return { result: "failed", failure };
      }
      return { result: "passed" };
    } finally {
      await player.restore();
    }
  };
  return disturbs ? conditions.exclusively(run) : run();
}

function whyNotApplicable({ needs }: Scenario, { lacks }: Stub | App): string | undefined {
  const missing = needs.find((capability: Capability) => lacks[capability] !== undefined);
  return missing && lacks[missing];
}

type Refusal = Extract<StepOf<"http">["expect"], { refusal: JsonValue }>;
type Checked = Pick<Failure, "differences" | "request" | "response">;

class Player {
  readonly #subject: Subject;
  readonly #stage: Stage;
  readonly #matcher: Matcher;
  #databaseIsAway = false;
  readonly #browsers = new Map<string, Browser>();

  constructor(subject: Subject, stage: Stage, matcher: Matcher) {
    this.#subject = subject;
    this.#stage = stage;
    this.#matcher = matcher;
  }

  async step(template: Step, number: number): Promise<Failure | undefined> {
    const action = actionOf(template);
    let checked: Checked;
    try {
      checked = await this.#perform(template);
    } catch (error) {
      checked = { differences: [error instanceof Error ? error.message : String(error)] };
    }
    return checked.differences.length === 0 ? undefined : { step: number, action, ...checked };
  }

  async restore(): Promise<void> {
    const { servers, proxy } = this.#stage;
    if (this.#databaseIsAway) servers.database.restore();
    proxy.set("pass");
    if (this.#subject.sort === "apps") {
      proxy.leadTo(servers.sessiond);
      await this.#warmUp();
    }
    await this.#stage.restore();
  }

  async #perform(template: Step): Promise<Checked> {
    const { kind } = template;
    const step = this.#filled(template);
    const stage = this.#stage;
    switch (kind) {
      case "call":
        return this.#repeated(template, () =>
          this.#call(this.#filled(template) as typeof template),
        );
      case "http":
        return this.#repeated(template, () =>
          this.#http(this.#filled(template) as typeof template),
        );
      case "direct":
        return this.#direct(step as StepOf<"direct">);
      case "upstream":
        await this.#leadTo((step as StepOf<"upstream">).upstream);
        break;
      case "network":
        stage.proxy.set((step as StepOf<"network">).network);
        break;
      case "database": {
        this.#databaseIsAway = (step as StepOf<"database">).database === "away";
        if (this.#databaseIsAway) stage.servers.database.refuse();
        else stage.servers.database.restore();
        break;
      }
      case "script":
        stage.scripted.play((step as StepOf<"script">).script);
        break;
      case "received":
        return this.#received(step as StepOf<"received">);
      case "idle": {
        const { session, seconds } = (step as StepOf<"idle">).idle;
        await idle(stage.servers, session, seconds);
        break;
      }
      case "absolute": {
        const { session, seconds } = (step as StepOf<"absolute">).absolute;
        await setAbsolute(stage.servers, session, seconds);
        break;
      }
      case "retired": {
        const { tenant, seconds } = (step as StepOf<"retired">).retired;
        await stage.servers.sql(
          `UPDATE signing_keys SET retired_at = now() - $2 * interval '1 second'
           WHERE tenant_id = $1 AND retired_at IS NOT NULL`,
          [tenant, seconds],
        );
        break;
      }
    }
    return { differences: [] };
  }

  #filled(step: Step): Step {
    const variables: Variables = this.#stage.variables;
    return substitute(step as unknown as JsonValue, variables) as unknown as Step;
  }

  /** Until it is as expected, if the step has `eventually`. */
  async #repeated(
    step: { readonly eventually?: true | undefined; readonly repeat?: number | undefined },
    act: () => Promise<Checked>,
  ): Promise<Checked> {
    for (let left = step.repeat ?? 1; left > 1; left--) {
      const checked = await act();
      if (checked.differences.length > 0) return checked;
    }
    const givesUpAt = performance.now() + PATIENCE_MS;
    for (;;) {
      const checked = await act();
      const done = checked.differences.length === 0 || step.eventually === undefined;
      if (done || performance.now() > givesUpAt) return checked;
      await sleep(RETRY_MS);
    }
  }

  #save(paths: Readonly<Record<string, string>> | undefined, answer: JsonValue): string[] {
    return Object.entries(paths ?? {}).flatMap(([name, path]) => {
      const value = path
        .split(".")
        .reduce<JsonValue | undefined>((at, key) => (at as JsonObject | undefined)?.[key], answer);
      if (value === undefined) return [`there is no ${path} to save`];
      this.#stage.variables.set(name, value);
      return [];
    });
  }

  async #call(step: StepOf<"call">): Promise<Checked> {
    if (this.#subject.sort !== "stubs") throw new Error("an application makes no calls");
    const { defaults, ...options } = step.with ?? {};
    const request = {
      rpc: step.call,
      request: step.request,
      ...(defaults === undefined && { deadlineMs: UNHURRIED_DEADLINE_MS }),
      ...options,
    } as CallRequest;
    const answer = await this.#subject.stub.call(request);
    const response = "ok" in answer ? { ok: normalResponse(step.call, answer.ok) } : answer;
    const differences = this.#matcher.differences(
      this.#answerable(step.expect as JsonObject),
      response as JsonObject,
    );
    if (differences.length === 0)
      differences.push(...this.#save(step.save, response as JsonObject));
    return { differences, request, response };
  }

  /** Without what this stub does not have. */
  #answerable(expected: JsonObject): JsonObject {
    const lacks = this.#subject.sort === "stubs" && this.#subject.stub.lacks.browserStatus;
    if (!lacks || !("error" in expected)) return expected;
    const { browserStatus: _, ...error } = expected.error as JsonObject;
    return { error };
  }

  async #http(step: StepOf<"http">): Promise<Checked> {
    const [method = "", path = ""] = step.http.split(" ");
    const browser = this.#browser(step.browser ?? "");
    const request = {
      method,
      path,
      headers: {
        ...(step.form && { "Content-Type": "application/x-www-form-urlencoded" }),
        ...step.headers,
      },
      ...(step.form && { body: String(new URLSearchParams(step.form)) }),
      ...(step.body !== undefined && { body: step.body }),
    };
    const response = await browser.send(request);
    const { expect } = step;
    const differences =
      "refusal" in expect
        ? this.#refusalDifferences(expect, response)
        : this.#matcher.differences(
            { setCookies: [], ...(expect as JsonObject) },
            response as unknown as JsonObject,
          );
    const saved = { ...response, cookies: browser.cookies } as unknown as JsonObject;
    if (differences.length === 0) differences.push(...this.#save(step.save, saved));
    return { differences, request, response };
  }

  #browser(name: string): Browser {
    if (this.#subject.sort !== "apps") throw new Error("a stub has no pages");
    const browser = this.#browsers.get(name) ?? new Browser(this.#subject.app.url);
    this.#browsers.set(name, browser);
    return browser;
  }

  /** The whole answer of a middleware: status, headers, exactly this body, and no cookie. */
  #refusalDifferences(expected: Refusal, response: BrowserResponse): string[] {
    const reason = expected.refusal;
    const status = expected.status ?? statusOf(reason);
    const retryable = status === 429 || status === 503;
    const retryAfter = expected.retryAfter ?? { $matches: "[1-9]\\d*" };
    const hidden = status === 500 || status === 503;
    return this.#matcher.differences(
      {
        status,
        headers: {
          "content-type": "application/problem+json",
          "cache-control": "no-store",
          "retry-after": retryable ? retryAfter : { $absent: true },
        },
        setCookies: [],
        body: {
          $only: {
            title: titlesOf(status),
            status,
            reason,
            detail: hidden ? { $is: "neutral detail" } : { $is: `detail of ${String(reason)}` },
          },
        },
      },
      response as unknown as JsonObject,
    );
  }

  async #direct(step: StepOf<"direct">): Promise<Checked> {
    const answer = await callDirectly(this.#stage.servers.sessiond, step.direct, step.request);
    const response = answer as JsonObject;
    const differences = this.#matcher.differences((step.expect ?? {}) as JsonObject, response);
    differences.push(...this.#save(step.save, response));
    return { differences, request: step.request, response };
  }

  async #received(step: StepOf<"received">): Promise<Checked> {
    const rpcs = Object.keys(step.received);
    return this.#repeated({ eventually: true }, async () => {
      const response = Object.fromEntries(
        rpcs.map((rpc) => [rpc, this.#stage.scripted.received(rpc)]),
      ) as unknown as JsonObject;
      const differences = this.#matcher.differences(step.received as JsonObject, response);
      return { differences, response };
    });
  }

  async #leadTo(upstream: StepOf<"upstream">["upstream"]): Promise<void> {
    const { servers, scripted, proxy } = this.#stage;
    proxy.leadTo(upstream === "scripted" ? scripted.url : servers[upstream]);
    if (this.#subject.sort === "apps" && upstream !== "tls") await this.#warmUp();
  }

  /** Until the application has reconnected: only then does a failure mean something. */
  async #warmUp(): Promise<void> {
    const browser = this.#browser("warm-up");
    const request = { method: "GET", path: "/me", headers: { Cookie: "__Host-session=warm-up" } };
    await this.#repeated({ eventually: true }, async () => {
      const { status } = await browser.send(request);
      return { differences: status === 401 ? [] : [`status ${status}`] };
    });
  }
}

function actionOf(step: Step): string {
  switch (step.kind) {
    case "call":
      return step.call;
    case "http":
      return step.http;
    case "direct":
      return `${step.direct}, directly`;
    default:
      return step.kind;
  }
}

const STATUS_OF_REASON: Readonly<Record<string, number>> = {
  CSRF_MISSING: 403,
  CSRF_MISMATCH: 403,
  SERVICE_UNAVAILABLE: 503,
};

/** Every other reason about a session is 401; where the status is something else, the step has it. */
function statusOf(reason: JsonValue): number {
  return STATUS_OF_REASON[String(reason)] ?? 401;
}

/** The reason phrase. Libraries have the name of 413 from different editions of HTTP. */
function titlesOf(status: number): JsonValue {
  if (status === 413) return { $matches: "(Content|Payload|Request Entity) Too Large" };
  return STATUS_CODES[status] ?? { $matches: ".+" };
}
