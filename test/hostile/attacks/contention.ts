import { byCookie, newActor, newTenant } from "../../support/actors.ts";
import type { SessionClient } from "../../support/app.ts";
import { holdTransaction } from "../../support/transaction.ts";
import { untilBlockedBy } from "../../support/until.ts";
import type { Attack } from "../attack.ts";
import { countOutcomes } from "../outcomes.ts";
import { SESSIONS_PER_ACTOR } from "../target.ts";
import { attackingClients } from "./overload.ts";

const LOGINS = 20;

export const attacks: readonly Attack[] = [
  {
    name: "locked-row",
    shows: "calls that wait for a locked row do not hold up calls for other rows",
    async run(target, scale) {
      const tenantId = newTenant();
      const actor = newActor({ tenantId });
      const { cookie } = await target.client.create({ actor });
      using attackers = attackingClients(target, 1);
      const [client] = attackers.clients as [SessionClient];
      const held = await holdTransaction(target.database);
      try {
        await held.query("SELECT FROM sessions WHERE tenant_id = $1 FOR UPDATE", [tenantId]);
        await held.query("SELECT FROM signing_keys WHERE tenant_id = $1 FOR UPDATE", [tenantId]);
        const end = performance.now() + scale.floodMs * 2;
        const timeout = { timeoutMs: scale.floodMs * 2 };
        const acting = { reason: "logout", actingActorId: "attacker" };
        const calls: readonly (() => Promise<unknown>)[] = [
          () => client.revoke({ session: byCookie(cookie), ...acting }, timeout),
          () => client.revokeAllForActor({ actor, ...acting }, timeout),
          () => client.touch({ session: byCookie(cookie) }, timeout),
          () => client.rotateSigningKey({ tenantId, actingActorId: "attacker" }, timeout),
        ];
        const outcomes = countOutcomes(
          Array.from({ length: 40 }, (_, index) => async (count) => {
            const call = calls[index % calls.length] as () => Promise<unknown>;
            do await count(call);
            while (performance.now() < end);
          }),
        );
        await untilBlockedBy(target.database.sql, held.pid);
        const summary = `40 callers of a locked row: ${JSON.stringify(await outcomes)}`;
        return { summary, failures: [] };
      } finally {
        await held.end();
      }
    },
  },
  {
    name: "limit-burst",
    shows: "an actor who logs in again and again at the session limit does not hold up others",
    async run(target, scale) {
      const actor = newActor();
      using attackers = attackingClients(target, 4);
      const end = performance.now() + scale.floodMs;
      const outcomes = await countOutcomes(
        Array.from({ length: LOGINS }, (_, index) => async (count) => {
          const client = attackers.clients[index % 4] as SessionClient;
          do await count(() => client.create({ actor }));
          while (performance.now() < end);
        }),
      );
      const { sessions } = await target.client.list({ actor });
      const failures =
        sessions.length === SESSIONS_PER_ACTOR ? [] : [`${sessions.length} sessions are live`];
      return { summary: `${LOGINS} logins at once: ${JSON.stringify(outcomes)}`, failures };
    },
  },
  {
    name: "touch-burst",
    shows: "a burst of touches of one session writes its row once, and holds up nobody",
    async run(target, scale) {
      const { id, cookie } = await target.open();
      using attackers = attackingClients(target, 4);
      const failures: string[] = [];
      const callers = scale.full ? 2000 : 400;
      for (let round = 0; round < (scale.full ? 5 : 2); round += 1) {
        const due =
          "UPDATE sessions SET last_seen_at = last_seen_at - interval '2 min' WHERE id = $1";
        await target.database.sql(due, [id]);
        let touched = 0;
        await countOutcomes(
          Array.from({ length: callers }, (_, index) => async (count) => {
            const client = attackers.clients[index % 4] as SessionClient;
            const credential = { case: "cookie", value: cookie } as const;
            await count(async () => {
              if ((await client.validate({ credential, touch: true })).touched) touched += 1;
            });
          }),
        );
        if (touched !== 1) failures.push(`${touched} of the calls say that they have touched it`);
      }
      return { summary: `${callers} touches of one session at once`, failures };
    },
  },
];
