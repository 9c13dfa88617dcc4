import { expect } from "chai";
import type { QueryRunner } from "typeorm";
import { migrations } from "../../src/storage/schema/migrations/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { openTestStorage, type TestStorage } from "../support/storage.ts";
import { expandProblems, readSchemaFacts } from "./expand-rule.ts";

/** The last migration from before the rule. */
const LAST_WITHOUT_RULE = 1795250000002;

describe("migrations that expand the schema", () => {
  let test: TestDatabase;
  let storage: TestStorage;
  let runner: QueryRunner;

  beforeEach(async () => {
    test = await createTestDatabase({ empty: true });
    storage = await openTestStorage(test.url, { poolSize: 1 });
    runner = storage.dataSource.createQueryRunner();
  });
  afterEach(async () => {
    await runner?.release();
    await storage?.close();
    await test?.drop();
  });

  async function problemsOf(migrate: () => Promise<unknown>): Promise<readonly string[]> {
    const before = await readSchemaFacts(test.sql);
    await migrate();
    return expandProblems(before, await readSchemaFacts(test.sql));
  }

  it("only add what the version before them need not know (P02)", async () => {
    const problems: Record<string, readonly string[]> = {};
    for (const Migration of migrations) {
      const migration = new Migration();
      const found = await problemsOf(() => migration.up(runner));
      if (migration.name.startsWith("Expand")) problems[migration.name] = found;
    }
    for (const [name, found] of Object.entries(problems)) expect(found, name).to.deep.equal([]);
  });

  it("are told apart by name from those that contract it (P02)", () => {
    const names = migrations.map((Migration) => new Migration().name);
    const ruled = names.filter((name) => Number(/\d+$/.exec(name)?.[0]) > LAST_WITHOUT_RULE);
    for (const name of ruled) expect(name).to.match(/^(Expand|Contract)[A-Z]/);
  });

  const changes: readonly (readonly [sql: string, problem: string | undefined])[] = [
    ["CREATE TABLE other (id text PRIMARY KEY, name text NOT NULL UNIQUE)", undefined],
    ["ALTER TABLE item ADD COLUMN extra text", undefined],
    ["ALTER TABLE item ADD COLUMN extra text NOT NULL DEFAULT ''", undefined],
    ["CREATE INDEX extra ON item (name)", undefined],
    ["ALTER TABLE item ALTER COLUMN name DROP NOT NULL", undefined],
    ["DROP TABLE item", "drops item"],
    ["ALTER TABLE item RENAME COLUMN name TO title", "drops item.name"],
    ["ALTER TABLE item ALTER COLUMN name TYPE varchar(9)", "changes the type of item.name"],
    ["ALTER TABLE item ALTER COLUMN note SET NOT NULL", "requires item.note"],
    [
      "ALTER TABLE item ADD COLUMN extra text NOT NULL",
      "adds item.extra, which is neither nullable nor has a default",
    ],
    [
      "ALTER TABLE item ADD CONSTRAINT short CHECK (length(name) < 9)",
      "adds the constraint item short to item",
    ],
    [
      "CREATE TABLE other (item text REFERENCES item)",
      "adds the constraint other other_item_fkey to item",
    ],
    ["ALTER TABLE item DROP CONSTRAINT item_check", "changes the constraint item item_check"],
    ["CREATE UNIQUE INDEX extra ON item (name)", "adds the unique index extra to item"],
    ["DROP INDEX item_by_note", "changes the index item_by_note"],
  ];
  for (const [sql, problem] of changes) {
    it(`${problem === undefined ? "may" : "must not, the control,"} ${sql} (P02)`, async () => {
      await runner.query(
        `CREATE TABLE item (id text PRIMARY KEY, name text NOT NULL, note text,
           CONSTRAINT item_check CHECK (name <> ''));
         CREATE INDEX item_by_note ON item (note)`,
      );
      const problems = await problemsOf(() => runner.query(sql));
      if (problem === undefined) expect(problems).to.deep.equal([]);
      else expect(problems).to.include(problem);
    });
  }
});
