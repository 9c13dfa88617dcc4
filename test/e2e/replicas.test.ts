import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { auditOf } from "../support/audit-rows.ts";
import { databaseEnv, useSessiond } from "../support/sessiond-process.ts";
import { holdTransaction } from "../support/transaction.ts";
import { until } from "../support/until.ts";

describe("sessiond as a process: replicas", () => {
  const sessiond = useSessiond();

  it("A18: some that start at once on an empty database make one schema and one key", async () => {
    const database = await sessiond.database({ empty: true });
    const env = databaseEnv(database);

    // The table's name is taken until this transaction is rolled back: all come to wait, for it or
    // for each other, and go on at the same moment.
    const held = await holdTransaction(database);
    await held.query("CREATE TABLE schema_migrations ()");
    const starting = [0, 1, 2].map(() => sessiond.serve({ env }));
    const waiting = `SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await until("all wait", async () => (await database.sql(waiting)).length === 3);
    await held.end();
    const replicas = await Promise.all(starting);

    const keys = await database.sql<{ id: string }>("SELECT id FROM signing_keys");
    expect(keys).to.have.length(1);
    const [key] = keys;
    const audit = await auditOf(database.sql, key?.id ?? "");
    expect(audit.map(({ action }) => action)).to.deep.equal(["auth.session_signing_key_bootstrap"]);
    // What one has signed, each accepts.
    for (const { client } of replicas) {
      const { cookie, id } = await openSession(client);
      for (const other of replicas) {
        expect((await validate(other.client, cookie)).session?.id).to.equal(id);
      }
    }
  });

  it("A18: one that starts on a database in use makes no other key", async () => {
    const database = await sessiond.database({ empty: true });
    const env = databaseEnv(database);
    const first = await sessiond.serve({ env });
    const { cookie } = await openSession(first.client);
    const before = await database.sql("SELECT * FROM signing_keys");

    const second = await sessiond.serve({ env });

    await validate(second.client, cookie);
    expect(await database.sql("SELECT * FROM signing_keys")).to.deep.equal(before);
    expect(second.stderr).not.to.include("first signing key made");
  });
});
