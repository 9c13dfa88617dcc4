import type { FinalState, RotateSessionOperation } from "../history.ts";

export const SESSION_ROTATED = "auth.session_rotated";

/** A session that was replaced by a successor, as an answer or the audit tells. */
export interface Rotation {
  readonly predecessorId: string;
  readonly successorId: string;
  readonly graceMs: number;
  /** The call that has done it. Undefined if the audit names none of the history. */
  readonly operation: RotateSessionOperation | undefined;
  /** When the old cookie ceases to name the successor, on the suite's clock. */
  readonly graceEndsAt: { readonly earliest: number; readonly latest: number };
}

/** All rotations that have been done, also those whose answer was lost. */
export class Rotations {
  readonly all: readonly Rotation[];
  readonly #byPredecessor: ReadonlyMap<string, readonly Rotation[]>;
  readonly #predecessors: ReadonlyMap<string, string>;

  constructor(operations: readonly RotateSessionOperation[], final: FinalState) {
    this.all = rotationsOf(operations, final);
    this.#byPredecessor = Map.groupBy(this.all, ({ predecessorId }) => predecessorId);
    this.#predecessors = new Map(
      this.all.map(({ predecessorId, successorId }) => [successorId, predecessorId]),
    );
  }

  isSuccessor(id: string): boolean {
    return this.#predecessors.has(id);
  }

  /** Those that have replaced the session: at most one, unless a rule is violated. */
  of(id: string): readonly Rotation[] {
    return this.#byPredecessor.get(id) ?? [];
  }

  /** The successors of a session, by rotations for which the condition holds. */
  reachable(id: string, holds: (rotation: Rotation) => boolean): readonly string[] {
    return this.of(id)
      .filter(holds)
      .flatMap(({ successorId }) => [successorId, ...this.reachable(successorId, holds)]);
  }

  /** Whether one session has become the other one, or both are successors of one. */
  areRelated(id: string, other: string): boolean {
    return this.#first(id) === this.#first(other);
  }

  /** From the nearest one to the first one. */
  predecessorsOf(id: string): readonly string[] {
    const predecessor = this.#predecessors.get(id);
    return predecessor === undefined ? [] : [predecessor, ...this.predecessorsOf(predecessor)];
  }

  #first(id: string): string {
    return this.predecessorsOf(id).at(-1) ?? id;
  }
}

function rotationsOf(
  operations: readonly RotateSessionOperation[],
  { audit, clockOffset }: FinalState,
): readonly Rotation[] {
  const rotations = new Map<string, Rotation>();
  const byId = new Map(operations.map((operation) => [operation.id, operation]));
  const uncertaintyMs = clockOffset.max - clockOffset.min;
  const add = (
    predecessorId: string,
    successorId: string,
    graceMs: number,
    operation: RotateSessionOperation | undefined,
  ) => {
    const { invokedAt = 0, endedAt = Number.POSITIVE_INFINITY, outcome } = operation ?? {};
    const lastBegin = outcome === "acknowledged" ? endedAt : Number.POSITIVE_INFINITY;
    const graceEndsAt = {
      earliest: graceMs === 0 ? 0 : invokedAt + graceMs - uncertaintyMs,
      latest: graceMs === 0 ? 0 : lastBegin + graceMs + uncertaintyMs,
    };
    rotations.set(successorId, { predecessorId, successorId, graceMs, operation, graceEndsAt });
  };
  for (const { action, actingActorId, resourceId, details } of audit) {
    if (action !== SESSION_ROTATED) continue;
    const { rotated_from = "", grace_ms } = details;
    add(rotated_from, resourceId, Number(grace_ms), byId.get(actingActorId));
  }
  for (const operation of operations) {
    const { sessionId, graceMs, result } = operation;
    if (operation.outcome !== "acknowledged" || result === undefined) continue;
    add(sessionId, result.successorId, graceMs, operation);
  }
  return [...rotations.values()];
}
