/**
 * sessiond itself, on a database in which one of its guards has no effect: a trigger undoes what it
 * writes. The checker must report each of them, and nothing while the guards are there.
 */
import { until } from "../support/until.ts";
import type { OpenedSession, RecordingClient } from "./recorder.ts";
import { broken, type Report, type Scenario } from "./scenario.ts";
import type { FaultServer } from "./server.ts";
import { World } from "./world.ts";

const LIMIT = 2;
const GRACE_MS = 30_000;

interface Guard {
  readonly what: string;
  /** What the checker must report without it. */
  readonly rule: string;
  /** What undoes it, before a row of sessions is written: a part of a function in PL/pgSQL. */
  readonly removal: string;
  /** Calls that need the guard. */
  readonly use: (client: RecordingClient, session: OpenedSession) => Promise<unknown>;
}

const undoIf = (condition: string) => `IF ${condition} THEN RETURN OLD; END IF;`;

const guards: readonly Guard[] = [
  {
    what: "a Revoke ends the session",
    rule: "acknowledged Revoke lost",
    removal: undoIf("NEW.revoked_by LIKE 'revoke-%'"),
    use: (client, session) => client.revoke(session),
  },
  {
    what: "a RevokeAllForActor ends the sessions",
    rule: "acknowledged RevokeAllForActor lost",
    removal: undoIf("NEW.revoked_by LIKE 'revoke_all-%'"),
    use: (client, session) => client.revokeAll(session.actorId),
  },
  {
    what: "a Create ends the session that it replaces",
    rule: "acknowledged replacement lost",
    removal: undoIf("NEW.revoke_reason = 'replaced'"),
    use: (client, session) => client.create({ actorId: session.actorId, replaces: session }),
  },
  {
    what: "a rotation ends the session",
    rule: "two live successors",
    removal: undoIf("NEW.rotated_to IS NOT NULL"),
    use: (client, session) => client.rotateSession(session, { graceMs: GRACE_MS }),
  },
  {
    what: "without a grace, a rotation ends the cookie",
    rule: "old cookie accepted without a grace",
    removal: `
      IF NEW.rotated_to IS NOT NULL THEN
        NEW.rotation_grace_until := clock_timestamp() + interval '1 hour';
      END IF;`,
    use: async (client, session) => {
      await client.rotateSession(session);
      await client.validate(session);
    },
  },
  {
    what: "each update makes another version of the metadata",
    rule: "two updates with one etag",
    removal: "NEW.metadata_etag := OLD.metadata_etag;",
    use: async (client, session) => {
      const before = { ...session };
      await client.updateMetadata(session);
      await client.updateMetadata(before);
    },
  },
  {
    what: "an update changes the metadata",
    rule: "acknowledged UpdateMetadata lost",
    removal: "NEW.metadata := OLD.metadata;",
    use: (client, session) => client.updateMetadata(session),
  },
  {
    what: "a Create at the session limit ends the oldest session",
    rule: "more live sessions than the limit",
    removal: undoIf("NEW.revoke_reason = 'session_limit'"),
    use: async (client, { actorId }) => {
      for (let count = 0; count < LIMIT; count += 1) await client.create({ actorId });
    },
  },
  {
    what: "a RotateCsrf replaces the token",
    rule: "acknowledged RotateCsrf lost",
    removal: "NEW.csrf_token_hash := OLD.csrf_token_hash;",
    use: (client, session) => client.rotateCsrf(session),
  },
  {
    what: "a Touch does not move the absolute deadline",
    rule: "absolute deadline moved",
    removal: `
      IF NEW.last_seen_at > OLD.last_seen_at THEN
        NEW.absolute_expires_at := NEW.absolute_expires_at + interval '1 hour';
      END IF;`,
    use: async (client, session) => {
      await client.touch(session);
      await client.validate(session);
    },
  },
];

const removedBy = (removal: string) => `
  CREATE OR REPLACE FUNCTION remove_guard() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    ${removal}
    RETURN NEW;
  END $$;
  CREATE OR REPLACE TRIGGER remove_guard BEFORE UPDATE ON sessions
    FOR EACH ROW EXECUTE FUNCTION remove_guard()`;

export const removedGuards: Scenario = {
  name: "removed-guards",
  fault: "Control: a guard of sessiond without effect is reported",
  async run(server: FaultServer): Promise<Report> {
    await using world = await World.open(server, { maxSessionsPerActor: LIMIT });
    const client = world.client(world.replicas[0] as World["replicas"][number]);
    const use = async (guard: Guard) => {
      await guard.use(client, await until("a session is open", () => client.create()));
    };
    for (const guard of guards) await use(guard);
    const violations = [...(await world.check())];
    for (const guard of guards) {
      await world.database.sql(removedBy(guard.removal));
      await use(guard);
    }
    await world.database.sql("DROP TRIGGER remove_guard ON sessions");
    const found = new Set((await world.check()).map(({ rule }) => rule));
    const missed = guards.filter(({ rule }) => !found.has(rule));
    violations.push(
      ...missed.map(({ what }) => broken("control", `not reported without its guard: ${what}`)),
    );
    return world.report(guards.length, violations);
  },
};
