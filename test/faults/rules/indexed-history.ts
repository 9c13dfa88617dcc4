import type {
  AuditRecord,
  CreateOperation,
  FinalState,
  Operation,
  RevokeAllOperation,
  RevokeOperation,
  RotateCsrfOperation,
  RotateSessionOperation,
  SessionRecord,
  TouchOperation,
  UpdateMetadataOperation,
  ValidateOperation,
  Violation,
} from "../history.ts";
import { Rotations } from "./rotations.ts";

export type Check = (history: History) => Iterable<Violation>;

/** An operation that was acknowledged, with its result. */
export type Acknowledged<T extends Operation> = T & { readonly result: NonNullable<T["result"]> };

/** An operation that shows whether a session is accepted. */
export type Use =
  | ValidateOperation
  | TouchOperation
  | RotateCsrfOperation
  | UpdateMetadataOperation
  | RotateSessionOperation;

/** An operation that ends the session of the cookie in it. */
export type End = RevokeOperation | CreateOperation;

/** What happened to one session whose cookie an acknowledged Create or RotateSession has returned. */
export interface SessionHistory {
  readonly id: string;
  /** The call that has returned its cookie. */
  readonly origin: Acknowledged<CreateOperation> | Acknowledged<RotateSessionOperation>;
  /** The login of which it is a session: that of its oldest predecessor. */
  readonly create: Acknowledged<CreateOperation>;
  /** In the order of their beginnings. */
  readonly uses: readonly Use[];
  /** The acknowledged Revokes and Creates that must have ended it. */
  readonly ends: readonly Acknowledged<End>[];
  /** The Revokes and Creates that may have ended it: they named it, or a session that it has replaced. */
  readonly possibleEnds: readonly End[];
  /** Those of the session's actor that did not name its login as the one to keep. */
  readonly revokeAlls: readonly RevokeAllOperation[];
  /**
   * Those that may have revoked it: also those that were to keep a session that had been rotated already,
   * of which nothing is kept.
   */
  readonly possibleRevokeAlls: readonly RevokeAllOperation[];
  /** The Creates that may have ended it because of the session limit. */
  readonly evictions: readonly CreateOperation[];
  /** Its row at the end; undefined if there is none. */
  readonly row: SessionRecord | undefined;
}

/** The operations and the final state, by what they are about. */
export class History {
  readonly operations: readonly Operation[];
  readonly final: FinalState;
  readonly sessions: ReadonlyMap<string, SessionHistory>;
  readonly rows: ReadonlyMap<string, SessionRecord>;
  readonly rotations: Rotations;
  /** Whether sessions past their absolute deadline may have been deleted. */
  readonly isSwept: boolean;
  readonly #auditByActor: ReadonlyMap<string, readonly AuditRecord[]>;
  readonly #auditByResource: ReadonlyMap<string, readonly AuditRecord[]>;

  constructor(operations: readonly Operation[], final: FinalState) {
    this.operations = [...operations].sort((a, b) => a.invokedAt - b.invokedAt);
    this.final = final;
    this.rows = new Map(final.sessions.map((row) => [row.id, row]));
    this.rotations = new Rotations(this.ofKind("rotate_session"), final);
    this.isSwept = operations.some(({ kind }) => kind === "sweep");
    this.#auditByActor = Map.groupBy(final.audit, ({ actingActorId }) => actingActorId);
    this.#auditByResource = Map.groupBy(final.audit, ({ resourceId }) => resourceId);
    this.sessions = this.#sessionHistories();
  }

  ofKind<K extends Operation["kind"]>(kind: K): Extract<Operation, { kind: K }>[] {
    return this.operations.filter((operation) => operation.kind === kind) as Extract<
      Operation,
      { kind: K }
    >[];
  }

  /** The audit events of an action that name the acting actor, which is an operation. */
  auditedBy(action: string, actingActorId: string): AuditRecord[] {
    const found = this.#auditByActor.get(actingActorId) ?? [];
    return found.filter((event) => event.action === action);
  }

  auditOf(action: string, resourceId: string): AuditRecord[] {
    const found = this.#auditByResource.get(resourceId) ?? [];
    return found.filter((event) => event.action === action);
  }

  /** Whether the sweep may have deleted a session with this absolute deadline. */
  mayBeSwept(absoluteExpiresAt: number): boolean {
    return this.isSwept && absoluteExpiresAt <= this.final.readAt;
  }

  /** Whether the session was still live when the database was read. */
  isLive({ revokedAt, lastSeenAt, idleTimeoutMs, absoluteExpiresAt }: SessionRecord): boolean {
    const deadline = Math.min(lastSeenAt + idleTimeoutMs, absoluteExpiresAt);
    return revokedAt === undefined && deadline > this.final.readAt;
  }

  /** The sessions that an acknowledged call must have ended: that of its cookie, and successors. */
  endedBy(end: Acknowledged<End>): readonly string[] {
    const named = end.kind === "create" ? end.replaces : end.sessionId;
    const found = end.kind === "create" ? end.result.replacedSessionId : end.result.sessionId;
    if (named === undefined) return [];
    // A call that ends the session of a cookie follows the cookie's grace.
    const successors = this.rotations.reachable(
      named,
      (rotation) => end.foundLive === true || end.endedAt < rotation.graceEndsAt.earliest,
    );
    return [...new Set([named, ...successors, ...(found === "" ? [] : [found])])];
  }

  #sessionHistories(): ReadonlyMap<string, SessionHistory> {
    const uses = new Map<string, Use[]>();
    const ends = new Map<string, Acknowledged<End>[]>();
    const possibleEnds = new Map<string, End[]>();
    const revokeAlls = new Map<string, RevokeAllOperation[]>();
    const creates = new Map<string, CreateOperation[]>();
    const add = <T>(map: Map<string, T[]>, keys: Iterable<string>, item: T) => {
      for (const key of keys) {
        const items = map.get(key);
        if (items === undefined) map.set(key, [item]);
        else items.push(item);
      }
    };
    for (const operation of this.operations) {
      switch (operation.kind) {
        case "validate":
        case "touch":
        case "rotate_csrf":
        case "update_metadata":
        case "rotate_session":
          add(uses, this.#used(operation), operation);
          break;
        case "revoke":
          add(possibleEnds, this.#named(operation), operation);
          if (isAcknowledged(operation)) add(ends, this.endedBy(operation), operation);
          break;
        case "revoke_all":
          add(revokeAlls, [operation.actorId], operation);
          break;
        case "create":
          add(creates, [operation.actorId], operation);
          add(possibleEnds, this.#named(operation), operation);
          if (isAcknowledged(operation)) add(ends, this.endedBy(operation), operation);
      }
    }
    const sessions = new Map<string, SessionHistory>();
    const open = (id: string, origin: SessionHistory["origin"], create: SessionHistory["create"]) =>
      sessions.set(id, {
        id,
        origin,
        create,
        uses: uses.get(id) ?? [],
        ends: ends.get(id) ?? [],
        possibleEnds: possibleEnds.get(id) ?? [],
        revokeAlls: (revokeAlls.get(create.actorId) ?? []).filter(
          ({ keep }) => keep === undefined || !this.rotations.areRelated(keep, id),
        ),
        possibleRevokeAlls: (revokeAlls.get(create.actorId) ?? []).filter(
          (all) =>
            all.keep === undefined ||
            !this.rotations.areRelated(all.keep, id) ||
            (all.keep !== id && this.#mayBeRotatedBefore(all.keep, all)),
        ),
        evictions:
          this.final.maxSessionsPerActor === undefined ? [] : (creates.get(create.actorId) ?? []),
        row: this.rows.get(id),
      });
    for (const create of this.ofKind("create").filter(isAcknowledged)) {
      open(create.result.sessionId, create, create);
    }
    // Each of them began after the call that has returned the cookie in it.
    for (const rotation of this.ofKind("rotate_session").filter(isAcknowledged)) {
      const predecessor = sessions.get(rotation.sessionId);
      if (predecessor === undefined) continue;
      open(rotation.result.successorId, rotation, predecessor.create);
    }
    return sessions;
  }

  /**
   * The sessions that a call with a cookie is about: the one that it has answered with, or, if its outcome
   * is unknown, each one that the cookie may have named.
   */
  #used({ sessionId, outcome, result }: Use): readonly string[] {
    if (result !== undefined) return [result.sessionId];
    if (outcome === "failed") return [sessionId];
    return [sessionId, ...this.rotations.reachable(sessionId, ({ graceMs }) => graceMs > 0)];
  }

  #mayBeRotatedBefore(id: string, other: Operation): boolean {
    return this.rotations
      .of(id)
      .some(({ operation }) => operation === undefined || mayPrecede(operation, other));
  }

  #named(end: End): readonly string[] {
    const named = end.kind === "create" ? end.replaces : end.sessionId;
    return named === undefined ? [] : [named, ...this.rotations.reachable(named, () => true)];
  }
}

export function isAcknowledged<T extends Operation>(operation: T): operation is Acknowledged<T> {
  return operation.outcome === "acknowledged" && operation.result !== undefined;
}

/** Whether the operation was over before the other one began. */
export function isBefore(operation: Operation, other: Operation): boolean {
  return operation.endedAt < other.invokedAt;
}

/** Whether the operation may have had an effect before the other one was over. */
export function mayPrecede(operation: Operation, other: Operation): boolean {
  return operation.outcome !== "failed" && operation.invokedAt < other.endedAt;
}

export function violation(
  rule: string,
  explanation: string,
  ...operations: readonly Operation[]
): Violation {
  return { rule, explanation, operations: operations.map(describe) };
}

/** An operation in one line: who, what, where, when and how it ended. */
export function describe(operation: Operation): string {
  const { id, kind, replica, client, invokedAt, endedAt, outcome, code, reason } = operation;
  const times = `${invokedAt.toFixed(1)}–${endedAt.toFixed(1)} ms`;
  const subject =
    "sessionId" in operation
      ? operation.sessionId
      : "actorId" in operation
        ? operation.actorId
        : "tenantId" in operation
          ? operation.tenantId
          : "";
  const failure = code === "OK" ? "" : ` (${code}${reason && ` ${reason}`})`;
  return `${id} ${kind} ${subject} by ${client} on ${replica}, ${times}: ${outcome}${failure}`;
}
