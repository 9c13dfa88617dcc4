import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { SessionManager } from "../../../clients/typescript/src/session-manager.ts";
import { Health } from "../../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../../gen/es/sessiond/v1/session_service_pb.ts";
import { openSession } from "../../support/actors.ts";
import { startDatabaseProxy } from "../../support/database-proxy.ts";
import { BANNER, startSessiond } from "../../support/sessiond-process.ts";
import { becomesTrue } from "../../support/until.ts";
import type { Attack } from "../attack.ts";
import { countOutcomes, missing, unexpected } from "../outcomes.ts";
import { defectsIn, sessiondEnv } from "../target.ts";

const CALLERS = 100;

/** A sessiond of the attack's own on the same database, and clients on one connection. */
async function startOwn(databaseUrl: string, options: { unread?: boolean } = {}) {
  const sessiond = startSessiond({ env: sessiondEnv(databaseUrl), ...options });
  const baseUrl = await sessiond.says(BANNER);
  const sessionManager = new SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  return {
    sessiond,
    client: createClient(SessionService, transport),
    health: createClient(Health, transport),
    async [Symbol.asyncDispose]() {
      sessionManager.abort();
      await sessiond.end("SIGKILL");
    },
  };
}

export const attacks: readonly Attack[] = [
  {
    name: "deadline-storm",
    shows: "cancellations of an honest client are not taken for an attack while the database hangs",
    async run({ database }, scale) {
      const proxy = await startDatabaseProxy(database.url);
      try {
        await using own = await startOwn(proxy.url);
        const { cookie } = await openSession(own.client);
        const credential = { case: "cookie", value: cookie } as const;
        proxy.freeze();
        const end = performance.now() + scale.floodMs * 2;
        const health = { ok: 0, failed: 0 };
        const outcomes = await countOutcomes(
          Array.from({ length: CALLERS }, (_, index) => async (count) => {
            while (performance.now() < end) {
              await count(() => own.client.validate({ credential }, { timeoutMs: 300 }));
              if (index > 0) continue;
              const check = own.health.check({}).then(() => "ok" as const);
              health[await check.catch(() => "failed" as const)] += 1;
            }
          }),
        );
        proxy.restore();
        const isBack = () =>
          own.client.validate({ credential }).then(
            () => true,
            () => false,
          );
        const allowed = ["deadline_exceeded", "unavailable", "resource_exhausted", "ok"];
        const failures = [
          ...unexpected(outcomes, allowed),
          ...missing(outcomes, "deadline_exceeded"),
          ...(health.ok > 0 ? [] : ["no health check was answered"]),
          ...(health.failed > 0 ? [`${health.failed} health checks failed`] : []),
          ...((await becomesTrue(isBack)) ? [] : ["it does not serve after the database is back"]),
          ...defectsIn(own.sessiond.stderr),
        ];
        const counts = `${JSON.stringify(outcomes)}, health checks: ${JSON.stringify(health)}`;
        return { summary: `calls with a deadline of 300 ms: ${counts}`, failures };
      } finally {
        await proxy.close();
      }
    },
  },
  {
    name: "unread-standard-error",
    shows: "a reader of the log that hangs does not stop the service, nor its end",
    async run({ database }, scale) {
      const proxy = await startDatabaseProxy(database.url);
      try {
        await using own = await startOwn(proxy.url, { unread: true });
        const { cookie } = await openSession(own.client);
        const credential = { case: "cookie", value: cookie } as const;
        proxy.refuse();
        const end = performance.now() + scale.floodMs;
        const outcomes = await countOutcomes(
          Array.from({ length: CALLERS }, () => async (count) => {
            do await count(() => own.client.validate({ credential }));
            while (performance.now() < end);
          }),
        );
        await own.health.check({});
        own.sessiond.signal("SIGTERM");
        let exited = false;
        void own.sessiond.exited.then(() => {
          exited = true;
        });
        const obeyed = await becomesTrue(() => exited);
        const failures = [
          ...unexpected(outcomes, ["unavailable", "resource_exhausted"]),
          ...missing(outcomes, "unavailable"),
          ...(obeyed ? [] : ["it does not end after SIGTERM"]),
        ];
        return { summary: `calls without a database: ${JSON.stringify(outcomes)}`, failures };
      } finally {
        await proxy.close();
      }
    },
  },
];
