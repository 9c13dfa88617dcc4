import type { Authenticator } from "./authenticator.ts";
import type { CallContext } from "./call-context.ts";
import type { Instant } from "./clock.ts";
import type { RevokeSessionsCommand } from "./commands.ts";
import { forEachConcurrently } from "./concurrently.ts";
import * as input from "./input.ts";
import { addInvalidPageToken, PageTokens } from "./pages.ts";
import type { TenantPolicy } from "./policy.ts";
import { ROTATED, type Session } from "./session.ts";
import { checkedFilter, isRestricted, type SessionFilter } from "./session-filter.ts";
import { searchPosition } from "./session-search.ts";
import type { FoundSessions, Revocation, SessionStore } from "./session-store.ts";
import { tenantAccess } from "./tenant-access.ts";
import { Violations } from "./violations.ts";

/** How many sessions one call revokes. */
const MAX_REVOKED = 500;
/** How many are revoked at once. They share statements, and leave room in the batches for other calls. */
const CONCURRENCY = 32;
const MAX_SAMPLE = 20;
/**
 * A rotation may have begun so long before it was committed: the longest timeout of a statement. Its time
 * is when it began.
 */
const MAX_STATEMENT_MS = 600_000;

export interface RevokedByFilter {
  readonly now: Instant;
  /** How many sessions this call has revoked, or in a dry run would have. */
  readonly processed: number;
  /** Empty if all rows have been read. */
  readonly nextPageToken: string;
  /** The first of these sessions, only in a dry run. */
  readonly sample: readonly Session[];
}

export interface RevocationByFilterDependencies {
  readonly store: SessionStore;
  readonly authenticator: Authenticator;
  readonly tenants: TenantPolicy;
}

interface Part {
  readonly filter: SessionFilter;
  /** The id below which the search goes on. Undefined: this is the first call. */
  readonly before: ReturnType<typeof searchPosition>;
  /** The time of the first call. Undefined: this is the first call. */
  readonly startedAt: Instant | undefined;
}

/**
 * Revokes the sessions that a filter selects, a part of them with each call.
 *
 * The calls go down the ids, and a rotation makes an id above. So they also look at sessions that were
 * rotated after the first call, and revoke those in their place. Sessions that were created after the first
 * call are none of its business: otherwise the calls would never end for a busy service.
 */
export class RevocationByFilter {
  readonly #deps: RevocationByFilterDependencies;

  constructor(dependencies: RevocationByFilterDependencies) {
    this.#deps = dependencies;
  }

  /** @throws {SessionError} INVALID_REQUEST, with the fields that are wrong, or CALLER_FORBIDDEN */
  async revoke(command: RevokeSessionsCommand, context: CallContext): Promise<RevokedByFilter> {
    const { everything, dryRun } = command;
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    const filter = checkedFilter(command.filter, violations);
    if (everything && isRestricted(command.filter)) {
      violations.add("everything", "must not be set with a filter");
    } else if (!everything && !isRestricted(command.filter)) {
      violations.add("filter", "must restrict the sessions, or set everything to revoke all");
    }
    const reason = input.revokeReason(command.reason, violations);
    const revokedBy = input.actingActorId(command.actingActorId, violations);
    const scope = [JSON.stringify(filter), everything, reason, revokedBy, dryRun];
    const tokens = new PageTokens("sessions_to_revoke", ...scope);
    // A token is one of the calls with these fields.
    const decoded = tokens.decode(violations.none ? command.pageToken : "", violations);
    const before = searchPosition(decoded, violations);
    const startedAt = startTime(decoded, violations);
    violations.throwIfAny();

    const part = { filter, before, startedAt };
    const found = await this.#search(part, dryRun, context);
    const { now, items, searchedTo } = found;
    const processed = dryRun
      ? items.length
      : await this.#revokeAll(found, part, { reason, revokedBy }, context);
    return {
      now,
      processed,
      nextPageToken:
        searchedTo === undefined ? "" : tokens.encode(searchedTo, String(startedAt ?? now)),
      sample: dryRun ? items.slice(0, MAX_SAMPLE) : [],
    };
  }

  #search(
    { filter, before, startedAt }: Part,
    dryRun: boolean,
    context: CallContext,
  ): Promise<FoundSessions> {
    if (startedAt === undefined) {
      return this.#deps.store.search(
        filter,
        { ended: "none", before, limit: MAX_REVOKED },
        context,
      );
    }
    const { since, before: end = Number.POSITIVE_INFINITY } = filter.created;
    const created = { since, before: Math.min(end, startedAt + 1) };
    const ended = dryRun ? "none" : { rotatedSince: startedAt - MAX_STATEMENT_MS };
    return this.#deps.store.search(
      { ...filter, created },
      { ended, before, limit: MAX_REVOKED },
      context,
    );
  }

  /** How many sessions it has revoked: some may have ended since they were found. */
  async #revokeAll(
    { items }: FoundSessions,
    { filter }: Part,
    revocation: Revocation,
    context: CallContext,
  ): Promise<number> {
    const { authenticator, store } = this.#deps;
    let revoked = 0;
    await forEachConcurrently(each(items), CONCURRENCY, async (found) => {
      const session = found.revokedAt === undefined ? found : await this.#successor(found, context);
      if (session === undefined || !isSeenWithin(filter, session)) return;
      const { changed } = await authenticator.end(
        { kind: "id", id: session.id, tenantId: undefined },
        session,
        ({ id }) => store.revoke(id, revocation, context),
        context,
      );
      if (changed) revoked += 1;
    });
    return revoked;
  }

  /** The session in the place of one that was rotated. Undefined if it has ended, too. */
  async #successor({ id }: Session, context: CallContext): Promise<Session | undefined> {
    const found = await this.#deps.store.findSuccessor(id, { ignoreGrace: true }, context);
    const session = found?.session;
    // The store follows a few rotations at a time.
    if (session?.revokeReason === ROTATED) return this.#successor(session, context);
    return session?.revokedAt === undefined ? session : undefined;
  }
}

/** Unlike all else that a filter can select by, this differs between a session and its successor. */
function isSeenWithin({ seen }: SessionFilter, { lastSeenAt }: Session): boolean {
  const { since = 0, before = Number.POSITIVE_INFINITY } = seen;
  return lastSeenAt >= since && lastSeenAt < before;
}

function startTime(
  decoded: readonly string[] | undefined,
  violations: Violations,
): Instant | undefined {
  if (decoded === undefined) return undefined;
  const [, time = ""] = decoded;
  // 14 digits of milliseconds fit into a timestamp of the database.
  if (/^\d{1,14}$/.test(time)) return Number(time);
  addInvalidPageToken(violations);
  return undefined;
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
