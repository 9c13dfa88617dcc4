import { setTimeout as delay } from "node:timers/promises";
import { GENEROUS_LIMITS } from "../../support/app.ts";
import { until } from "../../support/until.ts";
import { grpcJsCaller } from "../callers.ts";
import type { OpenedSession, RecordingClient } from "../recorder.ts";
import { broken, type Scenario } from "../scenario.ts";
import { World } from "../world.ts";

const CALLS_PER_SECOND = 1000;
const TICK_MS = 10;
/**
 * Only bounds what a machine that is too slow for the rate piles up: as much as the rate brings while a
 * replica starts.
 */
const MAX_IN_FLIGHT = 2000;
/** No call may fail, so that no limit may be reached because a machine is busy. */
const TIMEOUT_MS = 300_000;
const PATIENT = { ...GENEROUS_LIMITS, SESSIOND_SHUTDOWN_GRACE: "5m" };

/** Each of two replicas is restarted in turn, under an open load of clients that know both. */
export const rollingRestart: Scenario = {
  name: "rolling-restart",
  fault: `Rolling restart (SIGTERM) at ${CALLS_PER_SECOND} calls/s`,
  async run(server, scale) {
    await using world = await World.open(server, { env: PATIENT, withoutProxies: true });
    const urls = world.replicas.map(({ url }) => url);
    const clients = [0, 1, 2, 3].map(() => world.record(grpcJsCaller(...urls), "both"));
    using _ = withoutStackTraces();
    const load = new OpenLoad(clients);
    const rounds = scale.of(1, 10);
    await load.more(CALLS_PER_SECOND / 2);
    for (let round = 0; round < rounds; round += 1) {
      for (const replica of world.replicas) {
        await replica.end("SIGTERM");
        await load.more(CALLS_PER_SECOND / 4);
        await replica.start();
        await load.more(CALLS_PER_SECOND / 2);
      }
    }
    const { perSecond } = await load.end();
    const failed = world.recorder.operations.filter(({ outcome, reason }) => {
      return outcome !== "acknowledged" && reason !== "REVOKED";
    });
    const violations = failed.map(({ id, code, reason }) =>
      broken("failed call", `${id} ended with ${code} ${reason}`),
    );
    violations.push(...(await world.check()));
    return {
      ...world.report(2 * rounds, violations),
      figures: { "failed calls": failed.length, "calls per second": Math.round(perSecond) },
    };
  },
};

/** The library of the clients takes one for each call, which is a tenth of the call's cost. */
function withoutStackTraces(): Disposable {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  return {
    [Symbol.dispose]() {
      Error.stackTraceLimit = before;
    },
  };
}

/** Makes calls at a rate, however long they take. */
class OpenLoad {
  readonly #clients: readonly RecordingClient[];
  readonly #sessions: OpenedSession[] = [];
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #startedAt = performance.now();
  readonly #sending: Promise<void>;
  #ended = false;
  #sent = 0;
  #done = 0;

  constructor(clients: readonly RecordingClient[]) {
    this.#clients = clients;
    this.#sending = this.#send();
  }

  /** Until that many more calls have ended. */
  async more(count: number): Promise<void> {
    const goal = this.#done + count;
    await until(`${goal} calls have ended`, async () => this.#done >= goal);
  }

  async end(): Promise<{ readonly perSecond: number }> {
    this.#ended = true;
    await this.#sending;
    await Promise.all(this.#inFlight);
    return { perSecond: (this.#done * 1000) / (performance.now() - this.#startedAt) };
  }

  async #send(): Promise<void> {
    while (!this.#ended) {
      const due = ((performance.now() - this.#startedAt) * CALLS_PER_SECOND) / 1000;
      while (this.#sent < due) {
        this.#sent += 1;
        if (this.#inFlight.size >= MAX_IN_FLIGHT) continue;
        const call = this.#call(this.#sent).finally(() => {
          this.#inFlight.delete(call);
          this.#done += 1;
        });
        this.#inFlight.add(call);
      }
      await delay(TICK_MS);
    }
  }

  /** Out of use, because most calls would be denied else, which costs several times as much. */
  async #end(client: RecordingClient, session: OpenedSession): Promise<void> {
    this.#sessions.splice(this.#sessions.indexOf(session), 1);
    await client.revoke(session, { timeoutMs: TIMEOUT_MS });
    await client.validate(session, { timeoutMs: TIMEOUT_MS });
  }

  async #call(number: number): Promise<unknown> {
    const options = { timeoutMs: TIMEOUT_MS };
    const client = this.#clients[number % this.#clients.length] as RecordingClient;
    const session = this.#sessions[Math.floor(Math.random() * this.#sessions.length)];
    if (session === undefined || number % 20 === 0) {
      const opened = await client.create(options);
      if (opened !== undefined) this.#sessions.push(opened);
      return;
    }
    if (number % 20 === 5) return client.touch(session, options);
    if (number % 40 === 10) return this.#end(client, session);
    return client.validate(session, options);
  }
}

/** Replicas die under load and come back. */
export const killedReplica: Scenario = {
  name: "killed-replica",
  fault: "sessiond killed under load",
  async run(server, scale) {
    await using world = await World.open(server);
    world.startLoad();
    const rounds = scale.of(2, 20);
    for (let round = 0; round < rounds; round += 1) {
      await world.load.more(100);
      const replica = world.replicas[round % 2] as World["replicas"][number];
      const killedAt = performance.now();
      await replica.end("SIGKILL");
      await replica.start();
      await world.recovered(killedAt);
    }
    return world.report(rounds, await world.check());
  },
};
