import { globSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { migrations } from "../../src/storage/schema/migrations/index.ts";
import { FaultServer } from "../faults/server.ts";
import { type FaultReplica, World } from "../faults/world.ts";
import { type OldVersion, oldVersion } from "./old-version.ts";

const ROOT = join(import.meta.dirname, "../..");

const newest = new (migrations.at(-1) as (typeof migrations)[number])().name;
const timestamp = /\d+$/.exec(newest)?.[0];
const [file = ""] = globSync(`src/storage/schema/migrations/${timestamp}-*.ts`, { cwd: ROOT });

/** How many calls are made in each stage. */
const CALLS = 300;

describe("the old and the new version on one database", () => {
  let old: OldVersion | undefined;

  before(function () {
    // Otherwise the versions are not meant to run side by side.
    if (!newest.startsWith("Expand")) this.skip();
    old = oldVersion(file);
    if (old === undefined && process.env.REQUIRE_OLD_VERSION === "1") {
      throw new Error(`the history of ${file} is not there`);
    }
    if (old === undefined) this.skip();
  });
  after(() => old?.[Symbol.dispose]());

  it("serve the same sessions, while the new one migrates and after a rollback (P02)", async () => {
    const { main } = old as OldVersion;
    await using server = await FaultServer.start();
    await using world = await World.open(server, { main });
    const [first, second] = world.replicas as [FaultReplica, FaultReplica];
    const replace = async (replica: FaultReplica, by: string | undefined) => {
      await replica.end("SIGTERM");
      await replica.start(by);
    };
    const applied = async () => {
      const rows = await world.database.sql("SELECT FROM schema_migrations WHERE name = $1", [
        newest,
      ]);
      return rows.length === 1;
    };
    const opened = async (replica: FaultReplica) => {
      const session = await world.client(replica).create();
      if (session === undefined) throw new Error("no session was created");
      return session;
    };
    world.startLoad();
    await world.load.more(CALLS);
    const fromOld = await opened(first);
    expect(await applied()).to.equal(false);

    await replace(second, undefined);
    expect(await applied(), "the new version has migrated").to.equal(true);
    expect(await world.client(second).validate(fromOld), "new by old").to.equal(true);
    const fromNew = await opened(second);
    expect(await world.client(first).validate(fromNew), "old by new").to.equal(true);
    expect(await world.client(first).rotateKey(), "a key of the old version").to.equal(true);
    await opened(second);
    expect(await world.client(first).revoke(fromNew), "revoked by the old one").to.equal(true);
    expect(await world.client(second).validate(fromNew)).to.equal(false);
    expect(await world.client(second).revoke(fromOld), "revoked by the new one").to.equal(true);
    expect(await world.client(first).validate(fromOld)).to.equal(false);
    await world.load.more(CALLS);

    await replace(second, main);
    const fromRolledBack = await opened(second);
    expect(await world.client(first).validate(fromRolledBack), "old by rolled back").to.equal(true);
    expect(await world.client(second).validate(fromNew), "still revoked").to.equal(false);
    await world.load.more(CALLS);
    await replace(second, undefined);
    expect(await world.client(second).validate(fromRolledBack), "new by old").to.equal(true);
    await replace(first, undefined);
    await world.load.more(CALLS);
    // The load has met in the same sessions on both versions: with every kind of change.
    expect(await world.check()).to.deep.equal([]);
  });
});
