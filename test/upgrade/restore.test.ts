import { join } from "node:path";
import { expect } from "chai";
import { byId, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica, withKeys } from "../support/app.ts";
import { dumpOf } from "../support/database-dump.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { inParallel, numbers } from "../support/in-parallel.ts";
import {
  lacksDebianPostgres,
  type PostgresServer,
  PostgresServers,
} from "../support/postgres-servers.ts";
import { TOKENS_ENV } from "../support/tokens.ts";
import { until } from "../support/until.ts";

type Opened = Awaited<ReturnType<typeof openSession>>;

describe("a restored database", () => {
  let servers: PostgresServers;
  let archive: string;
  let original: PostgresServer;
  let replica: Replica;

  before(async function () {
    if (lacksDebianPostgres) this.skip();
    servers = await PostgresServers.open();
    archive = await servers.newDirectory();
    original = await servers.create({
      archive_mode: "on",
      archive_command: `cp %p ${archive}/%f`,
    });
    replica = await startReplica(original.url, { env: TOKENS_ENV });
  });
  after(async () => {
    await replica?.stop();
    await servers?.[Symbol.asyncDispose]();
  });

  const openSessions = (count: number) =>
    Promise.all(numbers(count).map(() => openSession(replica.client)));

  async function revoke(sessions: readonly Opened[]): Promise<void> {
    await inParallel(8, sessions, async ({ id }) => {
      await replica.client.revoke({
        session: byId(id),
        reason: "admin_revoke",
        actingActorId: "admin-7",
      });
    });
  }

  /** Creates sessions while `work` runs. Returns those that were acknowledged before it began to end. */
  async function underLoad(work: () => Promise<void>): Promise<readonly Opened[]> {
    const before = await openSessions(20);
    let isDone = false;
    const load = inParallel(4, numbers(4), async () => {
      while (!isDone) await openSession(replica.client);
    });
    await work().finally(() => {
      isDone = true;
    });
    await load;
    return before;
  }

  async function withRestored(
    server: PostgresServer,
    use: (restored: Replica) => Promise<void>,
  ): Promise<void> {
    const restored = await startReplica(server.url);
    try {
      await use(restored);
    } finally {
      await restored.stop();
    }
  }

  const expectLive = ({ client }: Replica, sessions: readonly Opened[]) =>
    inParallel(8, sessions, async ({ cookie }) => void (await validate(client, cookie)));

  const expectRevoked = ({ client }: Replica, sessions: readonly Opened[]) =>
    inParallel(8, sessions, async ({ cookie }) => {
      await expectFailure(validate(client, cookie), "REVOKED");
    });

  describe("from pg_dump", () => {
    let restored: PostgresServer;
    let live: readonly Opened[];
    let revokedBefore: readonly Opened[];
    let revokedAfter: readonly Opened[];

    before(async () => {
      revokedBefore = await openSessions(5);
      revokedAfter = await openSessions(5);
      await revoke(revokedBefore);
      const file = join(await servers.newDirectory(), "sessiond.dump");
      live = await underLoad(async () => {
        await servers.run(
          "pg_dump",
          `--dbname=${original.url}`,
          "--format=custom",
          `--file=${file}`,
        );
      });
      await revoke(revokedAfter);
      restored = await servers.create();
      await servers.run("pg_restore", `--dbname=${restored.url}`, "--exit-on-error", file);
    });

    it("has every session from before the dump, live or revoked (P03)", () =>
      withRestored(restored, async (replica) => {
        await expectLive(replica, live);
        await expectRevoked(replica, revokedBefore);
        await openSession(replica.client);
      }));

    it("has the sessions live again that were revoked after the dump: runbook backup-and-restore (P03)", () =>
      withRestored(restored, async (replica) => {
        await expectLive(replica, revokedAfter);
      }));

    it("is neither served nor changed with another key-encryption key (P03)", async () => {
      const before = await dumpOf(restored);
      for (const table of ["sessions", "signing_keys", "token_keys", "audit_events"]) {
        const rows = before.filter((row) => row.startsWith(`public.${table} `));
        expect(rows, table).not.to.be.empty;
      }
      const wrong = Buffer.alloc(32, 99).toString("base64");
      const outcome = await startReplica(restored.url, withKeys(wrong)).then(
        (started) => started.stop(),
        (error: unknown) => error,
      );
      expect(outcome).to.be.instanceOf(Error);
      expect((outcome as Error).message).to.match(/^signing key sk-.* key-encryption key/);
      expect(await dumpOf(restored)).to.deep.equal(before);
    });
  });

  it("from a base backup has everything up to the point in time, and nothing after it (P03)", async () => {
    const older = await openSessions(5);
    let backup: PostgresServer | undefined;
    const live = await underLoad(async () => {
      backup = await servers.baseBackup(original, "--wal-method=none");
    });
    const restored = backup as PostgresServer;
    const newer = await openSessions(5);
    await revoke(older);

    const [target] = await original.sql<{ time: string }>("SELECT clock_timestamp()::text AS time");
    // The accident.
    await original.sql("DELETE FROM sessions");
    const later = await openSession(replica.client);
    const [segment] = await original.sql<{ file: string }>(
      "SELECT pg_walfile_name(pg_switch_wal()) AS file",
    );
    await until("the last segment is archived", async () => {
      const done = "SELECT FROM pg_stat_archiver WHERE last_archived_wal >= $1";
      return (await original.sql(done, [segment?.file])).length === 1;
    });

    await restored.recoverWith({
      restore_command: `cp ${archive}/%f %p`,
      recovery_target_time: target?.time ?? "",
    });
    await restored.start();
    await until("it is a primary", async () => {
      const [row] = await restored.sql<{ standby: boolean }>(
        "SELECT pg_is_in_recovery() AS standby",
      );
      return row?.standby === false;
    });
    await withRestored(restored, async (replica) => {
      await expectLive(replica, [...live, ...newer]);
      await expectRevoked(replica, older);
      await expectFailure(validate(replica.client, later.cookie), "INVALID_COOKIE");
    });
  });
});
