import type { CallContext } from "./call-context.ts";
import type { Instant } from "./clock.ts";
import type { ListSessionsCommand } from "./commands.ts";
import { isSessionId, type SessionId } from "./ids.ts";
import { addInvalidPageToken, PageTokens, pageSize } from "./pages.ts";
import type { TenantPolicy } from "./policy.ts";
import type { Session } from "./session.ts";
import { checkedFilter } from "./session-filter.ts";
import type { SessionStore } from "./session-store.ts";
import { tenantAccess } from "./tenant-access.ts";
import { Violations } from "./violations.ts";

export interface SessionSearchPage {
  readonly now: Instant;
  /** May be empty although there is a next page. */
  readonly items: readonly Session[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** Lists sessions of any actor. */
export class SessionSearch {
  readonly #store: SessionStore;
  readonly #tenants: TenantPolicy;

  constructor(store: SessionStore, tenants: TenantPolicy) {
    this.#store = store;
    this.#tenants = tenants;
  }

  /** @throws {SessionError} INVALID_REQUEST, with the fields that are wrong, or CALLER_FORBIDDEN */
  async list(command: ListSessionsCommand, context: CallContext): Promise<SessionSearchPage> {
    const { includeEnded } = command;
    const violations = new Violations(tenantAccess(context, this.#tenants));
    const filter = checkedFilter(command.filter, violations);
    const tokens = new PageTokens("session_search", JSON.stringify(filter), includeEnded);
    // A token is one of the list that the filter names.
    const pageToken = violations.none ? command.pageToken : "";
    const limit = pageSize(command.pageSize, violations);
    const before = searchPosition(tokens.decode(pageToken, violations), violations);
    violations.throwIfAny();

    const ended = includeEnded ? "all" : "none";
    const { now, items, searchedTo } = await this.#store.search(
      filter,
      { ended, before, limit },
      context,
    );
    return {
      now,
      items,
      nextPageToken: searchedTo === undefined ? "" : tokens.encode(searchedTo),
    };
  }
}

/** The id below which a search goes on, of a decoded token. */
export function searchPosition(
  decoded: readonly string[] | undefined,
  violations: Violations,
): SessionId | undefined {
  const [id] = decoded ?? [];
  if (id === undefined || isSessionId(id)) return id;
  addInvalidPageToken(violations);
  return undefined;
}
