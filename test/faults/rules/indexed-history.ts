import type {
  AuditRecord,
  CreateOperation,
  FinalState,
  Operation,
  RevokeAllOperation,
  RevokeOperation,
  RotateCsrfOperation,
  SessionRecord,
  TouchOperation,
  ValidateOperation,
  Violation,
} from "../history.ts";

export type Check = (history: History) => Iterable<Violation>;

/** An operation that was acknowledged, with its result. */
export type Acknowledged<T extends Operation> = T & { readonly result: NonNullable<T["result"]> };

/** An operation that shows whether a session is accepted. */
export type Use = ValidateOperation | TouchOperation | RotateCsrfOperation;

/** What happened to one session that a Create has acknowledged. */
export interface SessionHistory {
  readonly id: string;
  readonly create: Acknowledged<CreateOperation>;
  /** In the order of their beginnings. */
  readonly uses: readonly Use[];
  readonly revokes: readonly RevokeOperation[];
  /** Those of the session's actor. */
  readonly revokeAlls: readonly RevokeAllOperation[];
  /** The Creates that were asked to replace it. */
  readonly replacements: readonly CreateOperation[];
  /** Its row at the end; undefined if there is none. */
  readonly row: SessionRecord | undefined;
}

/** The operations and the final state, by what they are about. */
export class History {
  readonly operations: readonly Operation[];
  readonly final: FinalState;
  readonly sessions: ReadonlyMap<string, SessionHistory>;
  readonly rows: ReadonlyMap<string, SessionRecord>;
  /** Whether sessions past their absolute deadline may have been deleted. */
  readonly isSwept: boolean;
  readonly #auditByActor: ReadonlyMap<string, readonly AuditRecord[]>;
  readonly #auditByResource: ReadonlyMap<string, readonly AuditRecord[]>;

  constructor(operations: readonly Operation[], final: FinalState) {
    this.operations = [...operations].sort((a, b) => a.invokedAt - b.invokedAt);
    this.final = final;
    this.rows = new Map(final.sessions.map((row) => [row.id, row]));
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

  #sessionHistories(): ReadonlyMap<string, SessionHistory> {
    const uses = new Map<string, Use[]>();
    const revokes = new Map<string, RevokeOperation[]>();
    const revokeAlls = new Map<string, RevokeAllOperation[]>();
    const replacements = new Map<string, CreateOperation[]>();
    const add = <T>(map: Map<string, T[]>, key: string, item: T) => {
      const items = map.get(key);
      if (items === undefined) map.set(key, [item]);
      else items.push(item);
    };
    for (const operation of this.operations) {
      switch (operation.kind) {
        case "validate":
        case "touch":
        case "rotate_csrf":
          add(uses, operation.sessionId, operation);
          break;
        case "revoke":
          add(revokes, operation.sessionId, operation);
          break;
        case "revoke_all":
          add(revokeAlls, operation.actorId, operation);
          break;
        case "create":
          if (operation.replaces !== undefined) add(replacements, operation.replaces, operation);
      }
    }
    const sessions = new Map<string, SessionHistory>();
    for (const create of this.ofKind("create").filter(isAcknowledged)) {
      const id = create.result.sessionId;
      sessions.set(id, {
        id,
        create,
        uses: uses.get(id) ?? [],
        revokes: revokes.get(id) ?? [],
        revokeAlls: revokeAlls.get(create.actorId) ?? [],
        replacements: replacements.get(id) ?? [],
        row: this.rows.get(id),
      });
    }
    return sessions;
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
