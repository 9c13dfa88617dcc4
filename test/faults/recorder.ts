import { createHash, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Session } from "../../gen/es/sessiond/v1/session_pb.ts";
import {
  type CreateResponse,
  type RotateSessionResponse,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { byCookie } from "../support/actors.ts";
import { type Caller, CallFailure } from "./callers.ts";
import type { Operation, Outcome, SessionTimes } from "./history.ts";

/** A session as a backend and its browser know it. */
export interface OpenedSession {
  readonly id: string;
  readonly actorId: string;
  readonly cookie: string;
  csrfToken: string;
  /** The id of the Create, which each update of the metadata keeps. */
  readonly createdBy: string;
  /** The last version of the metadata that a response has shown. */
  metadataEtag: string;
}

export interface RecordOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface EndOptions extends RecordOptions {
  /** See RevokeOperation. */
  readonly foundLive?: true;
}

export interface CreateOptions extends EndOptions {
  /** A new actor by default. */
  readonly actorId?: string;
  readonly replaces?: OpenedSession;
  readonly idleTimeoutMs?: number;
  readonly absoluteTimeoutMs?: number;
}

/** Codes after which it is not known whether the call has changed something. */
const UNKNOWN = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN"]);

const DEFAULT_TIMEOUT_MS = 5000;
const PAUSE_MS = 25;

const { method } = SessionService;

/** Collects the operations of all clients of a scenario. */
export class Recorder {
  readonly operations: Operation[] = [];
  readonly #counts: Record<Outcome, number> = { acknowledged: 0, failed: 0, unknown: 0 };
  #lastId = 0;

  nextId(kind: Operation["kind"]): string {
    this.#lastId += 1;
    return `${kind}-${this.#lastId}`;
  }

  add(operation: Operation): void {
    this.operations.push(operation);
    this.#counts[operation.outcome] += 1;
  }

  count(outcome: Outcome): number {
    return this.#counts[outcome];
  }
}

/** Makes calls to one replica and records them. A call that fails resolves, too: with undefined. */
export class RecordingClient {
  readonly #recorder: Recorder;
  readonly #caller: Caller;
  readonly #replica: string;

  constructor(recorder: Recorder, caller: Caller, replica: string) {
    this.#recorder = recorder;
    this.#caller = caller;
    this.#replica = replica;
  }

  async create(options: CreateOptions = {}): Promise<OpenedSession | undefined> {
    const { actorId = `user-${randomUUID()}`, replaces, foundLive } = options;
    const subject = {
      actorId,
      ...(replaces && { replaces: replaces.id }),
      ...(foundLive && { foundLive }),
    };
    const response = await this.#record("create", subject, options, {
      method: method.create,
      request: (id) => ({
        actor: { actorType: "user", actorId },
        metadata: { operation: id },
        ...(replaces && { replaces: byCookie(replaces.cookie) }),
        ...duration("idleTimeout", options.idleTimeoutMs),
        ...duration("absoluteTimeout", options.absoluteTimeoutMs),
      }),
      result: ({ session, csrfToken, replacedSessionId }) => ({
        ...timesOf(session),
        sessionId: session?.id ?? "",
        createdAt: instantOf(session?.createdAt),
        csrfHash: hashOf(csrfToken),
        replacedSessionId,
      }),
    });
    return response && openedSession(response, actorId);
  }

  async validate(
    session: OpenedSession,
    options: RecordOptions & { readonly csrfToken?: string } = {},
  ): Promise<boolean> {
    const { csrfToken } = options;
    const subject = {
      sessionId: session.id,
      ...(csrfToken !== undefined && { csrfHash: hashOf(csrfToken) }),
    };
    const response = await this.#record("validate", subject, options, {
      method: method.validate,
      request: () => ({
        credential: { case: "cookie" as const, value: session.cookie },
        ...(csrfToken !== undefined && { csrfToken }),
      }),
      result: ({ session }) => ({ ...timesOf(session), sessionId: session?.id ?? "" }),
    });
    if (response?.session !== undefined) session.metadataEtag = response.session.metadataEtag;
    return response !== undefined;
  }

  async touch(session: OpenedSession, options: RecordOptions = {}): Promise<boolean> {
    const response = await this.#record("touch", { sessionId: session.id }, options, {
      method: method.touch,
      request: () => ({ session: byCookie(session.cookie) }),
      result: ({ session, touched }) => ({
        ...timesOf(session),
        sessionId: session?.id ?? "",
        touched,
      }),
    });
    return response !== undefined;
  }

  async revoke(session: OpenedSession, options: EndOptions = {}): Promise<boolean> {
    const { foundLive } = options;
    const subject = { sessionId: session.id, ...(foundLive && { foundLive }) };
    const response = await this.#record("revoke", subject, options, {
      method: method.revoke,
      request: (id) => ({ session: byCookie(session.cookie), actingActorId: id }),
      result: ({ session, revoked }) => ({ sessionId: session?.id ?? "", revoked }),
    });
    return response !== undefined;
  }

  async revokeAll(
    actorId: string,
    options: RecordOptions & { readonly keep?: OpenedSession } = {},
  ): Promise<boolean> {
    const { keep } = options;
    const subject = { actorId, ...(keep && { keep: keep.id }) };
    const response = await this.#record("revoke_all", subject, options, {
      method: method.revokeAllForActor,
      request: (id) => ({
        actor: { actorType: "user", actorId },
        ...(keep && { keep: byCookie(keep.cookie) }),
        reason: "logout",
        actingActorId: id,
      }),
      result: ({ revokedCount }) => ({ count: revokedCount }),
    });
    return response !== undefined;
  }

  async rotateCsrf(session: OpenedSession, options: RecordOptions = {}): Promise<boolean> {
    const response = await this.#record("rotate_csrf", { sessionId: session.id }, options, {
      method: method.rotateCsrf,
      request: (id) => ({
        target: { case: "session" as const, value: byCookie(session.cookie) },
        actingActorId: id,
      }),
      result: ({ rotated: [rotated] }) => ({
        sessionId: rotated?.sessionId ?? "",
        csrfHash: hashOf(rotated?.csrfToken ?? ""),
      }),
    });
    const rotated = response?.rotated[0];
    // In a grace, the token is that of the successor.
    if (rotated?.sessionId === session.id) session.csrfToken = rotated.csrfToken;
    return response !== undefined;
  }

  /** @returns the successor */
  async rotateSession(
    session: OpenedSession,
    options: RecordOptions & { readonly graceMs?: number } = {},
  ): Promise<OpenedSession | undefined> {
    const { graceMs = 0 } = options;
    const { actorId } = session;
    const subject = { sessionId: session.id, actorId, graceMs };
    const response = await this.#record("rotate_session", subject, options, {
      method: method.rotateSession,
      request: (id) => ({
        session: byCookie(session.cookie),
        grace: durationFromMs(graceMs),
        actingActorId: id,
      }),
      result: ({ session: successor, previousSessionId, csrfToken }) => ({
        ...timesOf(successor),
        sessionId: previousSessionId,
        successorId: successor?.id ?? "",
        csrfHash: hashOf(csrfToken),
      }),
    });
    return response && openedSession(response, actorId);
  }

  /** Replaces the version that a response has shown last, or whichever there is. */
  async updateMetadata(
    session: OpenedSession,
    options: RecordOptions & { readonly anyVersion?: boolean } = {},
  ): Promise<boolean> {
    const { createdBy } = session;
    const etag = options.anyVersion === true ? "" : session.metadataEtag;
    const subject = { sessionId: session.id, etag };
    const response = await this.#record("update_metadata", subject, options, {
      method: method.updateMetadata,
      request: (id) => ({
        session: byCookie(session.cookie),
        metadata: { operation: createdBy, update: id },
        metadataEtag: etag,
        actingActorId: id,
      }),
      result: ({ session: updated }) => ({
        ...timesOf(updated),
        sessionId: updated?.id ?? "",
        etag: updated?.metadataEtag ?? "",
      }),
    });
    if (response?.session !== undefined) session.metadataEtag = response.session.metadataEtag;
    return response !== undefined;
  }

  async rotateKey(options: RecordOptions = {}): Promise<boolean> {
    const response = await this.#record("rotate_key", { tenantId: "default" }, options, {
      method: method.rotateSigningKey,
      request: (id) => ({ actingActorId: id }),
      result: ({ activeKey, retiredKey }) => ({
        activeKeyId: activeKey?.id ?? "",
        retiredKeyId: retiredKey?.id ?? "",
      }),
    });
    return response !== undefined;
  }

  async sweep(options: RecordOptions = {}): Promise<boolean> {
    const response = await this.#record("sweep", {}, options, {
      method: method.garbageCollect,
      request: () => ({}),
      result: ({ sessionsDeleted }) => ({ sessionsDeleted }),
    });
    return response !== undefined;
  }

  async #record<M extends DescMethodUnary>(
    kind: Operation["kind"],
    subject: object,
    { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: RecordOptions,
    rpc: {
      readonly method: M;
      readonly request: (id: string) => MessageInitShape<M["input"]>;
      readonly result: (response: MessageShape<M["output"]>) => object;
    },
  ): Promise<MessageShape<M["output"]> | undefined> {
    const { name: client, retries } = this.#caller;
    const id = this.#recorder.nextId(kind);
    const common = { kind, id, client, retries, replica: this.#replica, ...subject };
    const invokedAt = performance.now();
    const record = (end: object) => {
      const times = { invokedAt, endedAt: performance.now() };
      this.#recorder.add({ ...common, ...times, ...end } as Operation);
    };
    try {
      const options = { timeoutMs, signal };
      const response = await this.#caller.call(rpc.method, rpc.request(id), options);
      const result = rpc.result(response);
      record({ outcome: "acknowledged", code: "OK", reason: "", result });
      return response;
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      const { code, reason } = error;
      // A refusal of the last attempt says nothing about the attempts before.
      const isUnknown = UNKNOWN.has(code) || (retries && code === "RESOURCE_EXHAUSTED");
      record({ outcome: isUnknown ? "unknown" : "failed", code, reason });
      // Only paces the load: a client that is refused does not come back at once.
      await delay(PAUSE_MS);
      return undefined;
    }
  }
}

function openedSession(
  { session, cookie, csrfToken }: CreateResponse | RotateSessionResponse,
  actorId: string,
): OpenedSession {
  const { id = "", metadata = {}, metadataEtag = "" } = session ?? {};
  return { id, actorId, cookie, csrfToken, createdBy: metadata.operation ?? "", metadataEtag };
}

function timesOf(session: Session | undefined): SessionTimes {
  return {
    lastSeenAt: instantOf(session?.lastSeenAt),
    idleExpiresAt: instantOf(session?.idleExpiresAt),
    absoluteExpiresAt: instantOf(session?.absoluteExpiresAt),
  };
}

function instantOf(timestamp: Timestamp | undefined): number {
  return timestamp === undefined ? Number.NaN : timestampMs(timestamp);
}

function hashOf(csrfToken: string): string {
  return createHash("sha256").update(csrfToken).digest("hex");
}

function duration(name: string, ms: number | undefined): object {
  return ms === undefined ? {} : { [name]: durationFromMs(ms) };
}
