import { checkedAuthentication, preLoginAuthentication } from "./authentication.ts";
import { type Authenticator, snapshotOrDenial } from "./authenticator.ts";
import type { BrowserCookies, SessionWithCredentials } from "./browser-cookies.ts";
import type { CallContext } from "./call-context.ts";
import type { CreateCommand } from "./commands.ts";
import { signCookie } from "./cookie.ts";
import type { CookieSigner } from "./cookie-signer.ts";
import { mintCsrfToken } from "./csrf.ts";
import { SessionError } from "./errors.ts";
import { mintSessionId, type RandomBytes, type SessionId } from "./ids.ts";
import * as input from "./input.ts";
import type { MacKey } from "./mac-key.ts";
import type { SessionLimit, TenantPolicy, TimeoutPolicy } from "./policy.ts";
import { checkedAttributes } from "./session-attributes.ts";
import { SessionLimitError } from "./session-limit-error.ts";
import type { SessionRef } from "./session-ref.ts";
import type { CreateOutcome, NewSession, SessionStore } from "./session-store.ts";
import type { SetCookie } from "./set-cookie.ts";
import { tenantAccess } from "./tenant-access.ts";
import { resolveTimeouts } from "./timeouts.ts";
import { Violations } from "./violations.ts";

export interface CreatedSession extends SessionWithCredentials {
  readonly setCookies: readonly SetCookie[];
}

export interface SessionCreationDependencies {
  readonly store: SessionStore;
  readonly cookieSigner: CookieSigner;
  readonly authenticator: Authenticator;
  readonly browserCookies: BrowserCookies;
  readonly timeouts: TimeoutPolicy;
  readonly limit: SessionLimit;
  readonly tenants: TenantPolicy;
  readonly random: RandomBytes;
  /** Milliseconds since the Unix epoch. Only for the order of new ids: no rule depends on it. */
  readonly wallClock: () => number;
}

type Created = Extract<CreateOutcome, { kind: "created" }>;

/** Creates sessions, also in the place of others. */
export class SessionCreation {
  readonly #deps: SessionCreationDependencies;

  constructor(dependencies: SessionCreationDependencies) {
    this.#deps = dependencies;
  }

  async create(command: CreateCommand, context: CallContext): Promise<CreatedSession> {
    const { browserCookies, timeouts, random, wallClock } = this.#deps;
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    const owner = command.preLogin
      ? input.preLoginActor("actor", command.actor, violations)
      : input.actor("actor", command.actor, violations);
    const attributes = checkedAttributes(command.attributes, violations);
    const authentication = command.preLogin
      ? preLoginAuthentication(command.authentication, violations)
      : checkedAuthentication(command.authentication, violations);
    const { idleMs, absoluteMs } = resolveTimeouts(
      timeouts,
      command.timeouts,
      command.preLogin,
      violations,
    );
    const replacesRef = input.optionalSessionRef("replaces", command.replaces, violations);
    violations.throwIfAny();

    const csrf = mintCsrfToken(random);
    const session = {
      ...owner,
      ...attributes,
      ...authentication,
      id: mintSessionId(random, wallClock()),
      preLogin: command.preLogin,
      idleTimeoutMs: idleMs,
      absoluteTimeoutMs: absoluteMs,
      csrfTokenHash: csrf.hash,
    };
    const replaces = replacesRef && (await this.#replaceable(replacesRef, context));

    const { created, key } = await this.#store(session, replaces, context);
    const { id, signingKeyId } = created.session;
    const cookie = signCookie(id, signingKeyId, key);
    const withCredentials = { ...created, cookie, csrfToken: csrf.token };
    const replacesHeader = command.replaces?.kind === "header";
    const setCookies = browserCookies.created(withCredentials, replacesHeader);
    return { ...withCredentials, setCookies };
  }

  /**
   * The session that Create may replace, which is not revoked. Undefined if the reference is stale,
   * forged or unverifiable.
   */
  async #replaceable(ref: SessionRef, context: CallContext): Promise<SessionId | undefined> {
    const found = await snapshotOrDenial(this.#deps.authenticator.find(ref, context));
    if (found instanceof SessionError || found.session.revokedAt !== undefined) return undefined;
    return found.session.id;
  }

  /**
   * Stores the session, and returns it with the key for its cookie. If `replaces` is rotated during the
   * call, replaces its successor, with or without a grace.
   */
  async #store(
    session: Omit<NewSession, "signingKeyId">,
    replaces: SessionId | undefined,
    context: CallContext,
  ): Promise<{ readonly created: Created; readonly key: MacKey }> {
    const { store, limit, cookieSigner } = this.#deps;
    const { outcome, key } = await cookieSigner.storeSigned(
      session.tenantId,
      (signingKeyId) => store.create({ ...session, signingKeyId }, replaces, limit, context),
      context,
    );
    switch (outcome.kind) {
      case "created":
        return { created: outcome, key };
      case "replaced_was_rotated":
        return this.#store(session, outcome.successorId, context);
      case "limit_reached":
        throw new SessionLimitError(outcome);
    }
  }
}
