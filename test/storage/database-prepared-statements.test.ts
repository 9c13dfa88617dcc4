import { expect } from "chai";
import type { Statement } from "../../src/storage/pg/prepared-statements.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { numbers } from "../support/in-parallel.ts";
import { openTestStorage, type TestStorage } from "../support/storage.ts";

const DOUBLE = { name: "double", text: "SELECT $1::integer * 2 AS double" };
const NAMES = { text: "SELECT name FROM pg_prepared_statements ORDER BY name" };

describe("database: prepared statements", () => {
  let test: TestDatabase;
  const storages: TestStorage[] = [];
  let lost: string[] = [];

  beforeEach(async () => {
    test = await createTestDatabase();
    lost = [];
  });
  afterEach(async () => {
    for (const storage of storages.splice(0)) await storage.close();
    await test.drop();
  });

  async function open(poolSize: number): Promise<TestStorage> {
    const storage = await openTestStorage(test.url, {
      poolSize,
      onPreparedStatementLost: ({ code }) => lost.push(code),
    });
    storages.push(storage);
    return storage;
  }

  const run = (storage: TestStorage, statement: Statement, values: readonly unknown[] = []) =>
    storage.database.query(statement, values, undefined);

  async function preparedNames(storage: TestStorage): Promise<unknown[]> {
    return (await run(storage, NAMES)).map(({ name }) => name);
  }

  /** What the server reports if another client of PgBouncer has had the connection in the meantime. */
  const losses: Record<string, (storage: TestStorage) => Promise<void>> = {
    async "26000"(storage) {
      await run(storage, DOUBLE, [1]);
      await run(storage, { text: "DEALLOCATE ALL" });
    },
    async "42P05"(storage) {
      const other = await open(1);
      await run(other, DOUBLE, [1]);
      const [name] = await preparedNames(other);
      await run(storage, { text: `PREPARE "${name}" AS ${DOUBLE.text}` });
    },
  };

  for (const [code, lose] of Object.entries(losses)) {
    it(`lost (${code}): the statement is retried, and nothing is prepared from then on`, async () => {
      const storage = await open(1);
      await lose(storage);
      expect(await run(storage, DOUBLE, [21])).to.deep.equal([{ double: 42 }]);
      expect(lost).to.deep.equal([code]);

      await run(storage, { text: "DEALLOCATE ALL" });
      expect(await run(storage, DOUBLE, [4])).to.deep.equal([{ double: 8 }]);
      expect(await preparedNames(storage)).to.deep.equal([]);
      expect(lost).to.deep.equal([code]);
    });

    it(`lost (${code}) in a transaction: all of it is retried, and done once`, async () => {
      const storage = await open(1);
      await run(storage, { text: "CREATE TABLE done (value integer)" });
      await lose(storage);
      const rows = await storage.database.transaction(undefined, async (run) => {
        await run({ text: "INSERT INTO done VALUES (1)" }, []);
        return run(DOUBLE, [21]);
      });
      expect(rows).to.deep.equal([{ double: 42 }]);
      expect(await run(storage, { text: "SELECT * FROM done" })).to.have.length(1);
    });
  }

  it("lost on all connections at once: every call is served, and it is told once", async () => {
    const storage = await open(10);
    const allLost = Promise.withResolvers<void>();
    let count = 0;
    // Each connection is in use until all of them are.
    const loseOne = () =>
      storage.database.transaction(undefined, async (run) => {
        await run(DOUBLE, [1]);
        await run({ text: "DEALLOCATE ALL" }, []);
        count += 1;
        if (count === 10) allLost.resolve();
        await allLost.promise;
      });
    await Promise.all(numbers(10).map(loseOne));
    const expected = numbers(20).map((value) => [{ double: 2 * value }]);
    const burst = () => Promise.all(numbers(20).map((value) => run(storage, DOUBLE, [value])));
    expect(await burst()).to.deep.equal(expected);
    expect(lost).to.deep.equal(["26000"]);
  });

  it("of the same name and another text are different ones", async () => {
    const [one, other] = [await open(1), await open(1)];
    await run(one, DOUBLE, [1]);
    await run(other, { ...DOUBLE, text: "SELECT $1::integer * 3 AS double" }, [1]);
    const [ours, theirs] = [await preparedNames(one), await preparedNames(other)];
    expect(ours).to.have.length(1);
    expect(theirs).to.have.length(1);
    expect(ours).not.to.deep.equal(theirs);
  });

  it("are not retried for an error of the same code in what the statement does", async () => {
    const storage = await open(1);
    const raise = { text: "DO $$ BEGIN RAISE EXCEPTION '' USING ERRCODE = '26000'; END $$" };
    const error = await run(storage, raise).catch((reason: unknown) => reason);
    expect(error).to.include({ name: "StorageFault", code: "26000" });
    expect(lost).to.deep.equal([]);
  });
});
