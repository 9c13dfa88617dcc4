import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import pg from "pg";
import type { DataSource } from "typeorm";
import { startEmbeddedPostgres } from "../../packages/embedded-postgres/index.ts";
import { readPidFile } from "../../packages/embedded-postgres/pid-file.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openSession, validate } from "../support/actors.ts";
import { postmasterOf, useSessiond } from "../support/sessiond-process.ts";
import { openTestStorage } from "../support/storage.ts";
import { until } from "../support/until.ts";

describe("sessiond as a process: its embedded database", () => {
  const sessiond = useSessiond();

  async function dataDirectory() {
    const directory = await sessiond.directory();
    return { directory, env: { SESSIOND_DATA_DIR: directory } };
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`ends with 0 after ${signal}, takes PostgreSQL with it and keeps the data`, async () => {
      const { directory, env } = await dataDirectory();
      const first = await sessiond.serve({ env });
      const { cookie, id } = await openSession(first.client);
      expect(await postmasterOf(directory)).not.to.equal(undefined);

      const { code, stderr } = await first.end(signal);

      expect({ code, end: stderr.includes('"stopped"') }).to.deep.equal({ code: 0, end: true });
      expect(await postmasterOf(directory)).to.equal(undefined);
      const second = await sessiond.serve({ env });
      expect((await validate(second.client, cookie)).session?.id).to.equal(id);
    });
  }

  it("refuses a directory that another process uses, and names it and that process", async () => {
    const { directory, env } = await dataDirectory();
    const first = await sessiond.serve({ env });
    const { cookie } = await openSession(first.client);

    const second = await sessiond.run({ env });

    expect({ code: second.code, stdout: second.stdout }).to.deep.equal({ code: 1, stdout: "" });
    expect(second.stderr).to.include(directory);
    expect(second.stderr).to.match(new RegExp(`\\bprocess ${first.pid}\\b`));
    expect(second.stderr).to.include("SESSIOND_DATA_DIR").and.include("SESSIOND_DATABASE_URL");
    // The first one has not noticed.
    await validate(first.client, cookie);
    expect(await postmasterOf(directory)).not.to.equal(undefined);
  });

  it("refuses a directory that cannot be created, and names the setting", async () => {
    const { directory } = await dataDirectory();
    await writeFile(join(directory, "file"), "");

    const SESSIOND_DATA_DIR = join(directory, "file", "data");
    const { code, stdout, stderr } = await sessiond.run({ env: { SESSIOND_DATA_DIR } });

    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
    expect(stderr).to.match(new RegExp(`^sessiond: ${SESSIOND_DATA_DIR} cannot be created`));
    expect(stderr).to.include("SESSIOND_DATA_DIR");
  });

  it("goes on after SIGKILL with what was acknowledged, on the database left running", async () => {
    const { directory, env } = await dataDirectory();
    const first = await sessiond.serve({ env });
    const { cookie, id } = await openSession(first.client);
    const left = await postmasterOf(directory);
    await first.end("SIGKILL");
    expect((await postmasterOf(directory))?.pid).to.equal(left?.pid);

    const second = await sessiond.serve({ env });

    // It verifies, so the signing key decrypts, so the key-encryption key is the same.
    expect((await validate(second.client, cookie)).session?.id).to.equal(id);
    expect((await postmasterOf(directory))?.pid).to.equal(left?.pid);
    expect((await second.end("SIGTERM")).code).to.equal(0);
    expect(await postmasterOf(directory)).to.equal(undefined);
  });

  it("goes on after SIGKILL of itself and of the database", async () => {
    const { directory, env } = await dataDirectory();
    const first = await sessiond.serve({ env });
    const { cookie, id } = await openSession(first.client);
    const postmaster = await postmasterOf(directory);
    await first.end("SIGKILL");
    process.kill(postmaster?.pid ?? 0, "SIGKILL");
    await until("PostgreSQL has ended", async () => !(await postmasterOf(directory)));

    const second = await sessiond.serve({ env });

    expect((await validate(second.client, cookie)).session?.id).to.equal(id);
  });

  it("permits all the connections that workers may open, also with a default of many", async () => {
    const { directory, env } = await dataDirectory();
    const { poolSize } = loadConfig({ SESSIOND_WORKERS: "64" }).database;
    await sessiond.serve({ env: { ...env, SESSIOND_DATABASE_POOL_SIZE: String(poolSize) } });
    const password = await readFile(join(directory, "postgres-password"), "utf8");
    const client = new pg.Client({
      host: "127.0.0.1",
      port: readPidFile(join(directory, "postgres"))?.port,
      user: "sessiond",
      password: password.trim(),
    });
    await client.connect();
    const limit = "current_setting('max_connections')::int";
    const reserved = "current_setting('superuser_reserved_connections')::int";
    const { rows } = await client.query(`SELECT ${limit} - ${reserved} AS count`);
    await client.end();
    expect(rows[0].count).to.be.above(poolSize);
  });

  it("keeps the key-encryption key and the password for its own user only", async () => {
    const { directory, env } = await dataDirectory();
    await sessiond.serve({ env });
    for (const file of ["key-encryption-key", "postgres-password"]) {
      const { mode } = await stat(join(directory, file));
      expect((mode & 0o777).toString(8), file).to.equal("600");
    }
  });

  it("does not upgrade the data when the key-encryption key is gone, and names its file", async () => {
    const { directory, env } = await dataDirectory();
    await (await sessiond.serve({ env })).end("SIGTERM");
    /** The names of the migrations that were applied, after `work`. */
    const migrations = async (work: (dataSource: DataSource) => Promise<void>) => {
      const postgres = await startEmbeddedPostgres({ dataDirectory: directory, name: "sessiond" });
      const { dataSource, ...storage } = await openTestStorage(postgres.url, { poolSize: 1 });
      try {
        await work(dataSource);
        return await dataSource.query("SELECT name FROM schema_migrations ORDER BY id");
      } finally {
        await storage.close();
        await postgres.stop();
      }
    };
    const before = await migrations((dataSource) => dataSource.undoLastMigration());
    const path = join(directory, "key-encryption-key");
    await rename(path, `${path}.gone`);

    const { code, stderr } = await sessiond.run({ env });

    expect(code).to.equal(1);
    expect(stderr).to.match(/^sessiond: signing key sk-[0-9a-f]{32} is encrypted, but/m);
    expect(stderr).to.include(`restore ${path}`);
    expect(await migrations(async () => {})).to.deep.equal(before);
    await rename(`${path}.gone`, path);
    await sessiond.serve({ env });
  });

  it("winds up a start that a signal interrupts", async () => {
    const { directory, env } = await dataDirectory();
    const starting = sessiond.start({ env });
    await until("PostgreSQL runs", () => postmasterOf(directory));

    const { code, stderr } = await starting.end("SIGTERM");

    expect({ code, stderr }).to.deep.include({ code: 0 });
    expect(stderr).to.include('"stopped"');
    expect(await postmasterOf(directory)).to.equal(undefined);
  });
});
