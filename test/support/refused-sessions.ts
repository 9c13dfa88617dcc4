import type { JsonObject } from "@bufbuild/protobuf";
import type { Reason } from "../../src/session/errors.ts";
import { byCookie, newActor, newTenant, openSession } from "./actors.ts";
import type { TestApp } from "./app.ts";
import { idle, setAbsolute } from "./back-dating.ts";

type App = Pick<TestApp, "client" | "sql">;

export interface RefusedSession {
  /** A ValidateRequest that is refused each time that it is sent. */
  readonly request: JsonObject;
  /** The session that it is about, if it is about one. */
  readonly sessionId?: string;
}

const open = ({ client }: App, tenantId = "default") =>
  openSession(client, {
    actor: newActor({ tenantId }),
    ipAddress: "192.0.2.1",
    userAgent: "Browser/1",
  });

/**
 * Every reason that means 401 about a session, each with its own cause. The bindings to address and
 * user agent must be on.
 */
export const refusedSessions: Partial<Record<Reason, (app: App) => Promise<RefusedSession>>> = {
  INVALID_COOKIE: async (app) => {
    const { id, cookie } = await open(app);
    return { sessionId: id, request: { cookie, tenantId: "another" } };
  },
  EXPIRED_IDLE: async (app) => {
    const { id, cookie } = await open(app);
    await idle(app, id, 31 * 60);
    return { sessionId: id, request: { cookie } };
  },
  EXPIRED_ABSOLUTE: async (app) => {
    const { id, cookie } = await open(app);
    await setAbsolute(app, id, -1);
    return { sessionId: id, request: { cookie } };
  },
  REVOKED: async (app) => {
    const { id, cookie } = await open(app);
    await app.client.revoke({ session: byCookie(cookie) });
    return { sessionId: id, request: { cookie } };
  },
  SIGNING_KEY_NOT_FOUND: async (app) => {
    const { cookie } = await open(app);
    return { request: { cookie: cookie.replace(/sk-\w+/, `sk-${"0".repeat(32)}`) } };
  },
  SIGNING_KEY_RETIRED: async (app) => {
    const tenantId = newTenant();
    const { id, cookie } = await open(app, tenantId);
    await app.client.rotateSigningKey({ tenantId, actingActorId: "operator" });
    await app.sql(
      `UPDATE signing_keys SET retired_at = now() - interval '14 hours'
       WHERE tenant_id = $1 AND retired_at IS NOT NULL`,
      [tenantId],
    );
    return { sessionId: id, request: { cookie } };
  },
  IP_MISMATCH: async (app) => {
    const { id, cookie } = await open(app);
    return { sessionId: id, request: { cookie, ipAddress: "192.0.2.2" } };
  },
  USER_AGENT_MISMATCH: async (app) => {
    const { id, cookie } = await open(app);
    return { sessionId: id, request: { cookie, userAgent: "Browser/2" } };
  },
  PRE_LOGIN_NOT_ACCEPTED: async (app) => {
    const { id, cookie } = await openSession(app.client, { preLogin: true });
    return { sessionId: id, request: { cookie } };
  },
};
