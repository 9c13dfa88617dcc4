import type { Authenticator } from "./authenticator.ts";
import type { BrowserCookies } from "./browser-cookies.ts";
import type { CallContext } from "./call-context.ts";
import type { RotateCsrfCommand } from "./commands.ts";
import { mintCsrfToken } from "./csrf.ts";
import { invalidRequest, SessionError } from "./errors.ts";
import type { RandomBytes, SessionId } from "./ids.ts";
import * as input from "./input.ts";
import type { TenantPolicy } from "./policy.ts";
import type { Actor } from "./session.ts";
import type { SessionRef } from "./session-ref.ts";
import type { SessionSnapshot, SessionStore } from "./session-store.ts";
import type { SetCookie } from "./set-cookie.ts";
import { tenantAccess } from "./tenant-access.ts";
import { Violations } from "./violations.ts";

/** Fits into a response of 4 MiB, the default limit of gRPC clients. */
const MAX_ROTATED_TOKENS = 5000;

export interface RotatedCsrf extends SessionSnapshot {
  readonly csrfToken: string;
  readonly setCookie: SetCookie;
}

export interface CsrfRotationDependencies {
  readonly store: SessionStore;
  readonly authenticator: Authenticator;
  readonly browserCookies: BrowserCookies;
  readonly tenants: TenantPolicy;
  readonly random: RandomBytes;
}

/** Gives live sessions new CSRF tokens: one session, or all of an actor's. */
export class CsrfRotation {
  readonly #deps: CsrfRotationDependencies;

  constructor(dependencies: CsrfRotationDependencies) {
    this.#deps = dependencies;
  }

  async rotate(command: RotateCsrfCommand, context: CallContext): Promise<readonly RotatedCsrf[]> {
    const { target } = command;
    const violations = new Violations(tenantAccess(context, this.#deps.tenants));
    switch (target.kind) {
      case "unset":
        violations.add("target", "is required, either a session or an actor");
        input.optionalActingActorId(command.actingActorId, violations);
        throw violations.toError();
      case "session": {
        const ref = input.sessionRef("session", target.session, violations);
        const actingActorId = input.actingActorIdWith(ref, command.actingActorId, violations);
        violations.throwIfAny();
        return [await this.#ofSession(ref, actingActorId, context)];
      }
      case "actor": {
        const actor = input.actor("actor", target.actor, violations);
        const actingActorId = input.actingActorId(command.actingActorId, violations);
        violations.throwIfAny();
        return this.#ofActor(actor, actingActorId, context);
      }
    }
  }

  async #ofSession(
    ref: SessionRef,
    actingActorId: string | undefined,
    context: CallContext,
  ): Promise<RotatedCsrf> {
    const { authenticator, browserCookies, store, random } = this.#deps;
    const { session } = await authenticator.findLive(ref, context);
    const { token, hash } = mintCsrfToken(random);
    const rotatedBy = actingActorId ?? session.actorId;
    const { changed, current } = await authenticator.change(
      ref,
      session,
      ({ id }) => store.rotateCsrf(id, hash, rotatedBy, context),
      context,
    );
    if (!changed) {
      authenticator.assertLive(current, context);
      // It is live after all, and nothing was changed: a retry may succeed.
      throw new SessionError("STORAGE_UNAVAILABLE");
    }
    const setCookie = browserCookies.csrfRotated(current.session, current.now, token);
    return { ...current, csrfToken: token, setCookie };
  }

  async #ofActor(
    actor: Actor,
    actingActorId: string,
    context: CallContext,
  ): Promise<readonly RotatedCsrf[]> {
    const { browserCookies, store, random } = this.#deps;
    const tokens = new Map<SessionId, string>();
    const mint = (id: SessionId): Buffer => {
      const { token, hash } = mintCsrfToken(random);
      tokens.set(id, token);
      return hash;
    };
    const max = MAX_ROTATED_TOKENS;
    const rotated = await store.rotateCsrfForActor(actor, max, mint, actingActorId, context);
    if (rotated === undefined) {
      throw invalidRequest("actor", `has more than ${max} live sessions: name one session each`);
    }
    return rotated.map(({ session, now }) => {
      const csrfToken = tokens.get(session.id) as string;
      const setCookie = browserCookies.csrfRotated(session, now, csrfToken);
      return { session, now, csrfToken, setCookie };
    });
  }
}
