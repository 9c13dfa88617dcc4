import { byCookie, newActor, newTenant, openSession } from "../../support/actors.ts";
import type { SessionClient } from "../../support/app.ts";
import { holdTransaction } from "../../support/transaction.ts";
import { untilBlockedBy } from "../../support/until.ts";
import type { Attack } from "../attack.ts";
import { type Count, countOutcomes, missing, unexpected } from "../outcomes.ts";
import { SESSIONS_PER_ACTOR } from "../target.ts";
import { attackingClients } from "./overload.ts";

const LOGINS = 20;

/** Opens a session, changes it and ends it. */
async function changeOtherSession(client: SessionClient, count: Count): Promise<void> {
  const { cookie } = await openSession(client);
  const session = byCookie(cookie);
  const acting = { actingActorId: "somebody" };
  await count(() => client.touch({ session }));
  await count(() => client.rotateCsrf({ target: { case: "session", value: session }, ...acting }));
  await count(() => client.revoke({ session, reason: "logout", ...acting }));
}

export const attacks: readonly Attack[] = [
  {
    name: "locked-row",
    shows: "calls that wait for a locked row are refused, and changes of other rows are served",
    async run(target, scale, held) {
      const tenantId = newTenant();
      const actor = newActor({ tenantId });
      const { cookie } = await target.client.create({ actor });
      const attackers = attackingClients(target, 1);
      held.defer(() => attackers[Symbol.dispose]());
      const [client] = attackers.clients as [SessionClient];
      const lock = await holdTransaction(target.database);
      try {
        await lock.query("SELECT FROM sessions WHERE tenant_id = $1 FOR UPDATE", [tenantId]);
        await lock.query("SELECT FROM signing_keys WHERE tenant_id = $1 FOR UPDATE", [tenantId]);
        const end = performance.now() + scale.floodMs * 2;
        const session = byCookie(cookie);
        const acting = { actingActorId: "attacker" };
        const calls: readonly (() => Promise<unknown>)[] = [
          () => client.revoke({ session, reason: "logout", ...acting }),
          () => client.revokeAllForActor({ actor, reason: "logout", ...acting }),
          () => client.rotateCsrf({ target: { case: "session", value: session }, ...acting }),
          () => client.create({ actor, replaces: session }),
          () => client.rotateSession({ session, ...acting }),
          () => client.rotateSigningKey({ tenantId, ...acting }),
        ];
        const outcomes = countOutcomes(
          Array.from({ length: 42 }, (_, index) => async (count) => {
            const call = calls[index % calls.length] as () => Promise<unknown>;
            do await count(call);
            while (performance.now() < end);
          }),
        );
        await untilBlockedBy(target.database.sql, lock.pid);
        const others = await countOutcomes([
          async (count) => {
            do await changeOtherSession(target.client, count);
            while (performance.now() < end);
          },
        ]);
        const ofLocked = await outcomes;
        // Fails if the lock was lost meanwhile.
        await lock.query("SELECT");
        const failures = [
          ...unexpected(ofLocked, ["resource_exhausted"]),
          ...missing(ofLocked, "resource_exhausted"),
          ...unexpected(others, ["ok"]),
          ...missing(others, "ok"),
        ];
        const summary = `42 callers of a locked row: ${JSON.stringify(ofLocked)}, of others: ${JSON.stringify(others)}`;
        return { summary, failures };
      } finally {
        await lock.end();
      }
    },
  },
  {
    name: "limit-burst",
    shows: "an actor who logs in again and again at the session limit does not hold up others",
    async run(target, scale, held) {
      const actor = newActor();
      const attackers = attackingClients(target, 4);
      held.defer(() => attackers[Symbol.dispose]());
      const end = performance.now() + scale.floodMs;
      const outcomes = await countOutcomes(
        Array.from({ length: LOGINS }, (_, index) => async (count) => {
          const client = attackers.clients[index % 4] as SessionClient;
          do await count(() => client.create({ actor }));
          while (performance.now() < end);
        }),
      );
      const { sessions } = await target.client.list({ actor });
      const live = sessions.length;
      const failures = [
        ...(live === SESSIONS_PER_ACTOR ? [] : [`${live} sessions are live`]),
        ...unexpected(outcomes, ["ok", "resource_exhausted"]),
        ...missing(outcomes, "ok"),
      ];
      return { summary: `${LOGINS} logins at once: ${JSON.stringify(outcomes)}`, failures };
    },
  },
  {
    name: "touch-burst",
    shows: "a burst of touches of one session writes its row once, and holds up nobody",
    async run(target, scale, held) {
      const { id, cookie } = await target.open();
      const attackers = attackingClients(target, 4);
      held.defer(() => attackers[Symbol.dispose]());
      const failures: string[] = [];
      const callers = scale.full ? 2000 : 400;
      for (let round = 0; round < (scale.full ? 5 : 2); round += 1) {
        const due =
          "UPDATE sessions SET last_seen_at = last_seen_at - interval '2 min' WHERE id = $1";
        await target.database.sql(due, [id]);
        let touched = 0;
        const outcomes = await countOutcomes(
          Array.from({ length: callers }, (_, index) => async (count) => {
            const client = attackers.clients[index % 4] as SessionClient;
            const credential = { case: "cookie", value: cookie } as const;
            await count(async () => {
              if ((await client.validate({ credential, touch: true })).touched) touched += 1;
            });
          }),
        );
        failures.push(...unexpected(outcomes, ["ok", "resource_exhausted"]));
        if (touched !== 1) failures.push(`${touched} of the calls say that they have touched it`);
      }
      return { summary: `${callers} touches of one session at once`, failures };
    },
  },
];
