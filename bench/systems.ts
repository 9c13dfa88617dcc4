import { join } from "node:path";
import { ROOT, type ServerCommand } from "./child.ts";
import type { Fixture } from "./fixture.ts";
import type { LoadOptions } from "./load.ts";
import { CONNECTION_WARM_UP_MS, type Target } from "./measure.ts";
import { type SessionRequest, writeRequestsFor } from "./requests.ts";
import { reserve } from "./seed.ts";

/** How many sessions to prepare for Revoke: each call needs its own session. */
const MAX_REVOKES_PER_SECOND = 10_000;
/** The same for each call in flight. */
const MAX_REVOKES_PER_SECOND_IN_FLIGHT = 2_000;

/** How long calls are made, and the number of calls in flight. */
export interface Length {
  readonly inFlight: number;
  readonly durationMs: number;
}

/** A system that is measured in its own process. */
export interface System {
  readonly name: string;
  readonly title: string;
  readonly protocol: LoadOptions["protocol"];
  readonly path: string;
  /** Whether it is part of a quick run. */
  readonly quick: boolean;
  command(fixture: Fixture): ServerCommand;
  /** The requests for a measurement of this length. */
  requests(fixture: Fixture, length: Length, signal: AbortSignal): Promise<Requests>;
  /** How its TLS is trusted. Without it, the system is called in plain text. */
  tls?(fixture: Fixture): LoadOptions["tls"];
  /** Whether calls write only if a touch is due. Then the share of calls that wrote is measured. */
  readonly touches?: boolean;
  /** Whether it adds rows, which are deleted afterwards. */
  readonly adds?: boolean;
  /** Whether each request is used only once, so that requests are made for each measurement. */
  readonly once?: boolean;
}

export interface Requests {
  readonly file: string;
  readonly order: LoadOptions["order"];
}

const SERVICE = "/sessiond.v1.SessionService";

function randomOf(kind: SessionRequest | "create" | "express") {
  return async (fixture: Fixture): Promise<Requests> => ({
    file: await fixture.requests(kind),
    order: "random",
  });
}

/** A system other than sessiond that answers Validate. */
function stub(name: string, title: string, quick: boolean): System {
  return {
    name,
    title,
    quick,
    protocol: "grpc",
    path: `${SERVICE}/Validate`,
    command: ({ url, answerFile }) => ({
      script: join(ROOT, `bench/systems/${name}.ts`),
      env: { BENCH_DATABASE_URL: url, BENCH_ANSWER_FILE: answerFile },
    }),
    requests: randomOf("validate"),
  };
}

function express(name: string, title: string, touch: boolean): System {
  return {
    name,
    title,
    quick: !touch,
    protocol: "http1",
    path: "/whoami",
    command: ({ url }) => ({
      script: join(ROOT, "bench/systems/express.ts"),
      env: { BENCH_DATABASE_URL: url, BENCH_EXPRESS_TOUCH: String(touch) },
    }),
    requests: randomOf("express"),
  };
}

function sessiond(
  name: string,
  method: string,
  requests: System["requests"],
  options: Partial<System> = {},
): System {
  return {
    name,
    title: `sessiond ${method}`,
    quick: false,
    protocol: "grpc",
    path: `${SERVICE}/${method}`,
    command: (fixture) => fixture.sessiond(),
    requests,
    ...options,
  };
}

/** Revokes each session once, and none of the sessions that other systems read. */
async function revocations(
  fixture: Fixture,
  { inFlight, durationMs }: Length,
  signal: AbortSignal,
): Promise<Requests> {
  const rate = Math.min(MAX_REVOKES_PER_SECOND, inFlight * MAX_REVOKES_PER_SECOND_IN_FLIGHT);
  const seconds = (durationMs + CONNECTION_WARM_UP_MS) / 1000;
  const ids = await reserve(fixture.sql, Math.ceil(seconds * rate), signal);
  const path = join(fixture.directory, "revoke.requests");
  const file = await writeRequestsFor("revoke", ids, path, fixture.credentials);
  return { file, order: "sequential" };
}

/** In the order in which they are measured. */
export const SYSTEMS: readonly System[] = [
  stub("raw-http2", "node:http2, constant answer", true),
  stub("grpc-js", "@grpc/grpc-js, empty handler", true),
  stub("connect", "Connect adapter, empty handler", false),
  stub("grpc-js-with-read", "@grpc/grpc-js, one primary-key read", true),
  express("express", "express-session, no touch", false),
  express("express-touch", "express-session, touch", true),
  sessiond("validate", "Validate", randomOf("validate"), { quick: true }),
  sessiond("validate-tls", "Validate", randomOf("validate"), {
    title: "sessiond Validate over TLS",
    command: (fixture) => fixture.sessiond(fixture.tls().env),
    tls: (fixture) => fixture.tls().trust,
  }),
  sessiond("validate-workers", "Validate", randomOf("validate"), {
    title: "sessiond Validate, 2 workers",
    command: (fixture) => fixture.sessiond({ SESSIOND_WORKERS: "2" }),
  }),
  sessiond("validate-touch", "Validate", randomOf("validateTouch"), {
    title: "sessiond Validate with touch",
    touches: true,
  }),
  sessiond("validate-csrf", "ValidateCsrf", randomOf("validateCsrf")),
  sessiond("touch", "Touch", randomOf("touch"), { touches: true }),
  sessiond("create", "Create", randomOf("create"), { quick: true, adds: true }),
  sessiond("revoke", "Revoke", revocations, { adds: true, once: true }),
];

/** How a system is called in a measurement of this length. */
export async function targetOf(
  system: System,
  fixture: Fixture,
  length: Length,
  signal: AbortSignal,
): Promise<Target> {
  const { name, path, protocol } = system;
  const { file, order } = await system.requests(fixture, length, signal);
  const tls = system.tls?.(fixture);
  return { system: name, path, protocol, requests: file, order, ...(tls && { tls }) };
}

export const PGBENCH = "pgbench";

/** The title of a system or of pgbench. */
export function titleOf(name: string): string {
  if (name === PGBENCH) return "pgbench, single-row INSERT";
  return SYSTEMS.find((system) => system.name === name)?.title ?? name;
}
