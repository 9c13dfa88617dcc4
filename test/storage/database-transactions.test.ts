import { expect } from "chai";
import type { Run } from "../../src/storage/pg/database.ts";
import { StorageFault } from "../../src/storage/pg/errors.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { deadlockOnce } from "../support/deadlock.ts";
import { rejected } from "../support/expect-reason.ts";
import { openTestStorage, type TestStorage } from "../support/storage.ts";
import { holdTransaction } from "../support/transaction.ts";

const UPDATE = { text: "UPDATE numbers SET value = value + 1 WHERE id = $1" };

describe("database: transactions", () => {
  let test: TestDatabase;
  let storage: TestStorage;

  before(async () => {
    test = await createTestDatabase();
    await test.sql("CREATE TABLE numbers (id integer PRIMARY KEY, value integer NOT NULL)");
    storage = await openTestStorage(test.url);
  });
  beforeEach(async () => {
    await test.sql("TRUNCATE numbers");
    await test.sql("INSERT INTO numbers VALUES (1, 0), (2, 0)");
  });
  after(async () => {
    await storage?.close();
    await test?.drop();
  });

  const values = async () => {
    const rows = await test.sql<{ value: number }>("SELECT value FROM numbers ORDER BY id");
    return rows.map(({ value }) => value);
  };

  it("commit when the work is done, at READ COMMITTED, whatever the server's default is", async () => {
    const url = new URL(test.url);
    url.searchParams.set("options", "-c default_transaction_isolation=serializable");
    const strict = await openTestStorage(url.href, { poolSize: 1 });
    const work = async (run: Run) => {
      await run(UPDATE, [1]);
      await run(UPDATE, [2]);
      const [row] = await run({ text: "SHOW transaction_isolation" }, []);
      return row?.transaction_isolation;
    };
    try {
      const { database } = strict;
      const [row] = await database.query({ text: "SHOW transaction_isolation" }, [], undefined);
      expect(row?.transaction_isolation, "the default").to.equal("serializable");
      expect(await database.transaction(undefined, work)).to.equal("read committed");
      const locking = database.lockingTransaction({ signal: undefined }, "key", work);
      expect(await locking).to.equal("read committed");
    } finally {
      await strict.close();
    }
    expect(await values()).to.deep.equal([2, 2]);
  });

  it("roll back when the work throws, and pass its error on as it is", async () => {
    const error = new TypeError("mine");
    const call = storage.database.transaction(undefined, async (run) => {
      await run(UPDATE, [1]);
      throw error;
    });
    // A defect of ours must not look like an outage.
    expect(await call.catch((thrown: unknown) => thrown)).to.equal(error);
    expect(await values()).to.deep.equal([0, 0]);
  });

  it("roll back when a statement fails, and say what failed without the driver's words", async () => {
    const call = storage.database.transaction(undefined, async (run) => {
      await run(UPDATE, [1]);
      await run({ text: "INSERT INTO numbers VALUES (2, 0)" }, []);
    });
    const fault = (await call.catch((error: unknown) => error)) as StorageFault;
    expect(fault).to.be.instanceOf(StorageFault);
    expect([fault.code, fault.constraint]).to.deep.equal(["23505", "numbers_pkey"]);
    expect(fault.message).not.to.include("duplicate");
    expect(await values()).to.deep.equal([0, 0]);
  });

  /** Work that locks the rows 1, 2 and 3 and adds 1 to each; the transactions in its way add 10. */
  async function deadlockWith(work: () => Promise<unknown>): Promise<void> {
    await test.sql("INSERT INTO numbers VALUES (3, 0)");
    const lock = "UPDATE numbers SET value = value + 10 WHERE id = $1";
    await deadlockOnce(test, { table: "numbers", lock, rows: [1, 2, 3] }, work);
    expect(await values()).to.deep.equal([11, 11, 11]);
  }

  it("are tried again when a deadlock ended them", async () => {
    let attempts = 0;
    await deadlockWith(() =>
      storage.database.transaction(undefined, async (run) => {
        attempts += 1;
        for (const id of [1, 2, 3]) await run(UPDATE, [id]);
      }),
    );
    expect(attempts).to.equal(2);
  });

  it("of a single statement are tried again too", async () => {
    const all = {
      text: `WITH target AS (SELECT id FROM numbers ORDER BY id FOR UPDATE)
        UPDATE numbers SET value = value + 1 FROM target WHERE numbers.id = target.id`,
    };
    await deadlockWith(() => storage.database.query(all, [], undefined));
  });

  it("that have begun only in part leave their connection usable", async () => {
    // Of the statement that begins the one that waits, only the second part fails: such a lock_timeout
    // is not valid.
    const single = await openTestStorage(test.url, { poolSize: 1, queueTimeoutMs: -2 });
    const held = await holdTransaction(test);
    try {
      await held.query(UPDATE.text, [1]);
      const call = single.database.lockingTransaction({ signal: undefined }, "key", (run) =>
        run(UPDATE, [1]),
      );
      const error = await call.catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(StorageFault).with.property("code", "22023");
      expect(await single.database.query({ text: "SELECT 1 AS one" }, [], undefined)).to.deep.equal(
        [{ one: 1 }],
      );
    } finally {
      await held.end();
      await single.close();
    }
  });

  it("that wait for a lock end with OVERLOADED", async () => {
    const single = await openTestStorage(test.url, { poolSize: 1 });
    const held = await holdTransaction(test);
    try {
      await held.query(UPDATE.text, [1]);
      // Only now: a wait for the connection may take its time.
      const work = (run: Run) => {
        single.setLimits({ queueTimeoutMs: 100 });
        return run(UPDATE, [1]);
      };
      const call = single.database.lockingTransaction({ signal: undefined }, "key", work);
      await rejected(call, "OVERLOADED");
    } finally {
      await held.end();
      await single.close();
    }
  });

  it("wait for a lock briefly, and then for half of the statement timeout at most", async () => {
    const single = await openTestStorage(test.url, { poolSize: 1 });
    const held = await holdTransaction(test);
    const waits: unknown[] = [];
    try {
      await held.query(UPDATE.text, [1]);
      await single.database.lockingTransaction({ signal: undefined }, "key", async (run) => {
        const [row] = await run({ text: "SHOW lock_timeout" }, []);
        if (waits.push(row?.lock_timeout) === 1) await run(UPDATE, [1]);
      });
    } finally {
      await held.end();
      await single.close();
    }
    expect(waits).to.deep.equal(["10ms", "5min"]);
  });

  it("that never get through end with STORAGE_UNAVAILABLE", async () => {
    let attempts = 0;
    const call = storage.database.transaction(undefined, async (run) => {
      attempts += 1;
      await run({ text: "DO $$ BEGIN RAISE EXCEPTION '' USING ERRCODE = '40001'; END $$" }, []);
    });
    await rejected(call, "STORAGE_UNAVAILABLE");
    expect(attempts).to.equal(3);
  });
});
