/** The real Prometheus, for tests and for the picture of the dashboard. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../support/programs.ts";
import { until } from "../support/until.ts";

/**
 * Where the program is; undefined if it is not installed.
 *
 * @throws {Error} if it is not installed and REQUIRE_PROMETHEUS=1 says that it must be
 */
export function findPrometheus(name: "prometheus" | "promtool"): string | undefined {
  const program = findProgram(name);
  if (program === undefined && process.env.REQUIRE_PROMETHEUS === "1") {
    throw new Error(`${name} is not installed, and REQUIRE_PROMETHEUS=1`);
  }
  return program;
}

/** Runs promtool, and returns what it has said. */
export function promtool(
  program: string,
  args: readonly string[],
  input = "",
): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

/** A series that a query has found. */
export interface QueriedSeries {
  readonly metric: Readonly<Record<string, string>>;
  /** Of an instant query: the time in seconds, and the value. */
  readonly value?: readonly [number, string];
  /** Of a range query. */
  readonly values?: readonly (readonly [number, string])[];
}

export interface Prometheus extends AsyncDisposable {
  /** @throws {Error} if the query is wrong */
  query(expression: string): Promise<QueriedSeries[]>;
  /** The times are in seconds since the Unix epoch. */
  queryRange(
    expression: string,
    range: { readonly start: number; readonly end: number; readonly step: number },
  ): Promise<QueriedSeries[]>;
}

export interface PrometheusOptions {
  readonly program: string;
  /** The configuration: YAML, of which JSON is a part. */
  readonly config: object;
  /** Whether it reads native histograms, and then no classic ones of the same name: as Prometheus 2.42 does. */
  readonly nativeHistograms?: boolean;
}

/** Starts a Prometheus, and waits until it is ready. */
export async function startPrometheus({
  program,
  config,
  nativeHistograms = false,
}: PrometheusOptions): Promise<Prometheus> {
  const directory = await mkdtemp(join(tmpdir(), "sessiond-prometheus-"));
  const file = join(directory, "prometheus.yaml");
  await writeFile(file, JSON.stringify(config));
  const port = await freePort();
  const child = spawn(
    program,
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...(nativeHistograms ? ["--enable-feature=native-histograms"] : []),
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const exited = once(child, "exit");
  const url = `http://127.0.0.1:${port}`;
  await until("Prometheus is ready", async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus has ended: ${said}`);
    return fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });

  async function ask(path: string, parameters: Readonly<Record<string, string>>) {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as {
      readonly error?: string;
      readonly data?: { readonly result: QueriedSeries[] };
    };
    if (answer.data === undefined) throw new Error(`${parameters.query}: ${answer.error}`);
    return answer.data.result;
  }

  return {
    query: (query) => ask("query", { query }),
    queryRange: (query, { start, end, step }) =>
      ask("query_range", { query, start: String(start), end: String(end), step: String(step) }),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
