import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const EXAMPLE = join(ROOT, "examples/tracing");

/** Where `npm run tracing-example` puts the Collector. */
export const COLLECTOR_DIRECTORY = join(ROOT, ".tools/otelcol");
export const COLLECTOR = join(COLLECTOR_DIRECTORY, "collector/otelcol-sessiond");

/** The module that loads the SDK, and the directory of its packages. */
export const REGISTER = join(EXAMPLE, "register.mjs");
export const SDK = join(EXAMPLE, "node_modules/@opentelemetry/sdk-node");

/** A span in the JSON of OTLP. */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty or undefined: it has none. */
  readonly parentSpanId?: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes?: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}

interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

/** What a Collector has received. */
export interface Received {
  readonly text: string;
  readonly spans: readonly OtlpSpan[];
  /** The names of the services that have sent it. */
  readonly services: ReadonlySet<string | undefined>;
}

export interface RunningCollector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** Ends it, and returns what it has received. */
  stop(): Promise<Received>;
}

/** Starts the Collector of the example, and waits until it receives. */
export async function startCollector(
  directory: string,
  children: Set<ChildProcess>,
): Promise<RunningCollector> {
  const file = join(directory, "traces.jsonl");
  const endpoint = `127.0.0.1:${await freePort()}`;
  const { PATH = "" } = process.env;
  const collector = spawn(COLLECTOR, ["--config", join(EXAMPLE, "collector.yaml")], {
    env: { PATH, OTLP_ENDPOINT: endpoint, TRACES_FILE: file },
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.add(collector);
  const closed = once(collector, "close");
  closed.then(() => children.delete(collector));
  const ready = Promise.withResolvers<void>();
  let said = "";
  collector.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk;
    if (said.includes("Everything is ready")) ready.resolve();
  });
  closed.then(() => ready.reject(new Error(`the Collector has ended: ${said}`)));
  await ready.promise;
  return {
    url: `http://${endpoint}`,
    async stop() {
      collector.kill("SIGTERM");
      await closed;
      return receivedIn(await readFile(file, "utf8"));
    },
  };
}

function receivedIn(lines: string): Received {
  const requests = lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as OtlpRequest);
  const resources = requests.flatMap(({ resourceSpans }) => resourceSpans);
  return {
    text: lines,
    spans: resources.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
    services: new Set(resources.map(({ resource }) => attributeOf(resource, "service.name"))),
  };
}

/** The attribute's value as text; undefined without it. */
export function attributeOf(
  { attributes = [] }: { readonly attributes?: readonly OtlpAttribute[] },
  key: string,
): string | undefined {
  const value = attributes.find((attribute) => attribute.key === key)?.value;
  return value?.stringValue ?? value?.intValue;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
