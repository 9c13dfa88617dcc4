/**
 * Plays the scenarios of scenarios.json on every client: each language's stubs and applications, and
 * the built-in curl and connect-web. Options: `--only go,python`, `--scenario NAME`,
 * `--clients DIRECTORY` (of another checkout), `--write` (writes the tables of docs/clients.md, with
 * which a whole run is compared otherwise). A language whose toolchain is missing is skipped, or fails
 * with REQUIRE_ALL_CLIENTS=1. Exits with 1 if anything failed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../../test/support/programs.ts";
import { until } from "../../test/support/until.ts";
import type { App, Stub } from "./clients.ts";
import { startConnectWebStub } from "./connect-web.ts";
import { createCurlStub } from "./curl.ts";
import {
  build,
  findLanguages,
  type Language,
  MissingToolchainError,
  RunnerError,
  startRunner,
} from "./language-runner.ts";
import { type NetworkProxy, startNetworkProxy } from "./network-proxy.ts";
import { type Options, parseOptions } from "./options.ts";
import { type Conditions, type Outcome, play, type Subject } from "./play.ts";
import { type ClientResult, count, describeClient } from "./report.ts";
import { readScenarioFile, type Scenario, ScenarioFileError } from "./scenario-file.ts";
import { type SessiondServers, startSessiondServers } from "./sessiond-servers.ts";
import { withTables } from "./tables.ts";

/** Clients that share a process and a proxy, and so are tested one after the other. */
interface Lane {
  readonly language: string;
  readonly stubs: readonly Stub[];
  readonly apps: readonly App[];
  readonly proxy: NetworkProxy;
  readonly log: () => string;
  stop(): Promise<void>;
}

/** More than cores: the scenarios mostly wait. */
const LANES_AT_ONCE = 4;

async function main(options: Options, interrupted: AbortSignal): Promise<number> {
  const file = readScenarioFile(join(import.meta.dirname, "scenarios.json"));
  const unknown = [...(options.scenarios ?? [])].find(
    (name) => !file.scenarios.some((scenario) => scenario.name === name),
  );
  if (unknown !== undefined) throw new Error(`--scenario: there is no scenario ${unknown}`);
  const scenarios = file.scenarios.filter(({ name }) => options.scenarios?.has(name) ?? true);
  const found = findLanguages(options.clients);
  const names = [...found, ...builtInClients].map(({ name }) => name);
  const unknownClient = [...(options.only ?? [])].find((name) => !names.includes(name));
  if (unknownClient !== undefined) {
    throw new Error(`--only: there is no ${unknownClient}, but ${names.join(", ")}`);
  }
  const wanted = (name: string) => options.only?.has(name) ?? true;

  await using stack = new AsyncDisposableStack();
  const problems: string[] = [];
  const skipped: string[] = [];
  const report = createReport(options, { problems, skipped });
  const languages: Language[] = [];
  for (const language of found) {
    if (!wanted(language.name)) continue;
    if (await isBuilt(language, report)) languages.push(language);
    interrupted.throwIfAborted();
  }
  const servers = await startSessiondServers(stack);
  const conditions: Conditions = { file, servers, exclusively: createMutex() };
  const starts = [
    ...languages.map((language) => () => startLanguage(language, servers)),
    ...builtInClients
      .filter(({ name }) => wanted(name))
      .map((client) => () => startBuiltIn(client, servers)),
  ];
  const results: ClientResult[] = [];
  const queue = starts.values();
  const work = async () => {
    for (const start of queue) {
      if (interrupted.aborted) return;
      try {
        const lane = await start();
        try {
          const played = playLane(lane, scenarios, conditions, interrupted);
          results.push(...(await unlessAborted(played, interrupted)));
        } finally {
          await lane.stop();
          await lane.proxy.close();
        }
      } catch (error) {
        if (interrupted.aborted) return;
        report(error);
      }
    }
  };
  await Promise.all(Array.from({ length: LANES_AT_ONCE }, work));
  interrupted.throwIfAborted();

  // In the order of the languages, whichever came first.
  const order = [...languages, ...builtInClients].map(({ name }) => name);
  results.sort((a, b) => order.indexOf(a.language) - order.indexOf(b.language));
  const isWhole = options.only === undefined && options.scenarios === undefined;
  if (isWhole && skipped.length === 0) {
    const differs = updateDocument(scenarios, results, options);
    if (differs) problems.push("docs/clients.md is out of step: npm run clients -- --write");
  }
  for (const client of skipped) console.log(`skipped ${client}`);
  for (const problem of problems) console.log(`FAILED ${problem}`);
  const { passed, failed } = count(results);
  console.log(`${passed} passed, ${failed + problems.length} failed`);
  return failed + problems.length === 0 && passed > 0 ? 0 : 1;
}

/** Writes the tables of docs/clients.md, or returns whether they differ from this run's. */
function updateDocument(
  scenarios: readonly Scenario[],
  results: readonly ClientResult[],
  { write }: Options,
): boolean {
  const path = join(import.meta.dirname, "../../docs/clients.md");
  const document = readFileSync(path, "utf8");
  const updated = withTables(document, scenarios, results);
  if (write) writeFileSync(path, updated);
  return !write && updated !== document;
}

async function isBuilt(language: Language, report: Report): Promise<boolean> {
  try {
    await build(language);
    return true;
  } catch (error) {
    report(error);
    return false;
  }
}

/** Takes what kept a client from being tested; throws what is no such thing. */
type Report = (error: unknown) => void;

function createReport(
  { requireAll }: Options,
  { problems, skipped }: Record<"problems" | "skipped", string[]>,
): Report {
  return (error) => {
    if (error instanceof RunnerError) problems.push(error.message);
    else if (!(error instanceof MissingToolchainError)) throw error;
    else (requireAll ? problems : skipped).push(error.message);
  };
}

async function startLanguage(language: Language, servers: SessiondServers): Promise<Lane> {
  const proxy = await startNetworkProxy(servers.sessiond);
  try {
    const runner = await startRunner(language, proxy.url);
    const { stubs, apps } = runner;
    return {
      language: language.name,
      stubs,
      apps,
      proxy,
      log: () => runner.log,
      stop: () => runner.stop(),
    };
  } catch (error) {
    await proxy.close();
    throw error;
  }
}

interface BuiltInClient {
  readonly name: string;
  readonly program: string;
  start(program: string, sessiondUrl: string): Promise<{ stub: Stub; stop(): Promise<void> }>;
}

/** The clients without a runner of their own, and the programs that they need. */
const builtInClients: readonly BuiltInClient[] = [
  { name: "connect-web", program: "chromium", start: startConnectWebStub },
  {
    name: "curl",
    program: "curl",
    start: async (program, url) => ({ stub: createCurlStub(program, url), stop: async () => {} }),
  },
];

async function startBuiltIn(client: BuiltInClient, servers: SessiondServers): Promise<Lane> {
  const { name } = client;
  const program = findProgram(client.program);
  if (program === undefined) throw new MissingToolchainError(`${name}: no ${client.program}`);
  const { stub, stop } = await client.start(program, servers.sessiond);
  const proxy = await startNetworkProxy(servers.sessiond);
  return { language: name, stubs: [stub], apps: [], proxy, log: () => "", stop };
}

async function playLane(
  lane: Lane,
  scenarios: readonly Scenario[],
  conditions: Conditions,
  interrupted: AbortSignal,
): Promise<ClientResult[]> {
  const { language, proxy } = lane;
  const subjects: Subject[] = [
    ...lane.stubs.map((stub) => ({ sort: "stubs", stub }) as const),
    ...lane.apps.map((app) => ({ sort: "apps", app, proxy }) as const),
  ];
  const results: ClientResult[] = [];
  for (const subject of subjects) {
    if (subject.sort === "apps") await untilLoaded(subject.app);
    const outcomes = new Map<string, Outcome>();
    for (const scenario of scenarios) {
      const outcome = await play(scenario, subject, conditions);
      interrupted.throwIfAborted();
      if (outcome !== undefined) outcomes.set(scenario.name, outcome);
    }
    const { name } = subject.sort === "stubs" ? subject.stub : subject.app;
    const result = { language, name, sort: subject.sort, outcomes };
    console.log(describeClient(result));
    if (count([result]).failed > 0 && lane.log() !== "") {
      console.log(`  the last lines of its log:\n${lane.log().replaceAll(/^/gm, "    ")}`);
    }
    results.push(result);
  }
  return results;
}

/**
 * The first call of an application loads its framework and its gRPC library, which can take longer on a
 * busy machine than the deadline of the call.
 */
async function untilLoaded({ name, url }: App): Promise<void> {
  await until(`${name} reaches sessiond`, async () => {
    const response = await fetch(`${url}/login`);
    await response.arrayBuffer();
    return response.status !== 503;
  });
}

/** Rejects with the signal's reason once it aborts; the work goes on unheeded. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Runs one piece of work at a time. */
function createMutex() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
}

/** The exit code that shells use for SIGINT. */
const INTERRUPTED = 130;

// The first signal ends the run in order; the second one at once, as without a listener.
const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => interruption.abort(new Error(`interrupted by ${signal}`)));
}
try {
  const options = parseOptions(process.argv.slice(2), process.env);
  process.exitCode = await main(options, interruption.signal);
} catch (error) {
  if (error instanceof ScenarioFileError)
    console.error(`scenarios.json is wrong:\n${error.message}`);
  else console.error(error instanceof Error ? error.message : error);
  // Scenarios that were interrupted would go on.
  if (interruption.signal.aborted) process.exit(INTERRUPTED);
  process.exitCode = 1;
}
