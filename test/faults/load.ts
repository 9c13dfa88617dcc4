import { until } from "../support/until.ts";
import type { OpenedSession, Recorder, RecordingClient } from "./recorder.ts";

/**
 * How many sessions are in use at once: few, so that clients and replicas meet in them. A revoked one
 * stays in use until a new one takes its place, so that its denials are seen.
 */
const SESSIONS = 60;
const ACTORS = 20;
/** Of the rotations that have one: short, so that its end is seen, too. */
const GRACE_MS = 1000;

type Step = (load: Load, client: RecordingClient) => Promise<unknown>;

/** How often each call is made, compared to the others. */
const MIX: readonly (readonly [weight: number, step: Step])[] = [
  [34, (load, client) => load.withSession(client, (session) => client.validate(session))],
  [
    12,
    (load, client) =>
      load.withSession(client, (session) =>
        client.validate(session, { csrfToken: session.csrfToken }),
      ),
  ],
  [18, (load, client) => load.open(client)],
  [4, (load, client) => load.withSession(client, (session) => load.open(client, session))],
  [12, (load, client) => load.withSession(client, (session) => client.touch(session))],
  [12, (load, client) => load.withSession(client, (session) => client.revoke(session))],
  [6, (load, client) => load.withSession(client, (session) => client.rotateCsrf(session))],
  [6, (load, client) => load.withSession(client, (session) => load.rotate(client, session))],
  [6, (load, client) => load.withSession(client, (session) => client.updateMetadata(session))],
  [
    2,
    (load, client) =>
      load.withSession(client, (session) => client.updateMetadata(session, { anyVersion: true })),
  ],
  [1, (load, client) => client.revokeAll(load.anyActor())],
  [
    1,
    (load, client) => load.withSession(client, (keep) => client.revokeAll(keep.actorId, { keep })),
  ],
  [1, (_, client) => client.rotateKey()],
];

/** Clients that make all kinds of calls with common sessions, until they are told to end. */
export class Load {
  readonly recorder: Recorder;
  readonly #sessions: OpenedSession[] = [];
  readonly #workers: Promise<void>[] = [];
  #ended = false;

  constructor(recorder: Recorder) {
    this.recorder = recorder;
  }

  /** Adds a client that makes `width` calls at a time. */
  add(client: RecordingClient, width: number): void {
    for (let worker = 0; worker < width; worker += 1) this.#workers.push(this.#work(client));
  }

  /** Until that many more calls are acknowledged. */
  async more(count: number): Promise<void> {
    const { recorder } = this;
    const goal = recorder.count("acknowledged") + count;
    await until(`${goal} acknowledged calls`, async () => recorder.count("acknowledged") >= goal);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#workers);
  }

  /** The sessions that were used last. */
  get sessions(): readonly OpenedSession[] {
    return this.#sessions;
  }

  anyActor(): string {
    return `actor-${Math.floor(Math.random() * ACTORS)}`;
  }

  async open(client: RecordingClient, replaces?: OpenedSession): Promise<void> {
    const actorId = replaces?.actorId ?? this.anyActor();
    const session = await client.create({ actorId, ...(replaces && { replaces }) });
    if (session !== undefined) this.#keep(session);
  }

  /** The old session stays in use, too, so that it is seen how its cookie ends. */
  async rotate(client: RecordingClient, session: OpenedSession): Promise<void> {
    const graceMs = Math.random() < 0.5 ? GRACE_MS : 0;
    const successor = await client.rotateSession(session, { graceMs });
    if (successor !== undefined) this.#keep(successor);
  }

  #keep(session: OpenedSession): void {
    if (this.#sessions.length < SESSIONS) this.#sessions.push(session);
    else this.#sessions[Math.floor(Math.random() * SESSIONS)] = session;
  }

  async withSession(
    client: RecordingClient,
    work: (session: OpenedSession) => Promise<unknown>,
  ): Promise<void> {
    const session = this.#sessions[Math.floor(Math.random() * this.#sessions.length)];
    await (session === undefined ? this.open(client) : work(session));
  }

  async #work(client: RecordingClient): Promise<void> {
    while (!this.#ended) await anyStep()(this, client);
  }
}

const TOTAL = MIX.reduce((sum, [weight]) => sum + weight, 0);

function anyStep(): Step {
  let left = Math.random() * TOTAL;
  for (const [weight, step] of MIX) {
    left -= weight;
    if (left < 0) return step;
  }
  return (load, client) => load.open(client);
}
