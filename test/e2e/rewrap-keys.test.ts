import { randomBytes } from "node:crypto";
import { expect } from "chai";
import {
  mintSigningKeyId,
  mintTokenKeyId,
  type SigningKeyId,
  secureRandomBytes,
  type TenantId,
} from "../../src/session/ids.ts";
import { keyEncryptionKeyId, LocalKeyWrapper } from "../../src/session/local-key-wrapper.ts";
import { tokenKeyContext } from "../../src/session/token-key.ts";
import { newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { TEST_KEY_ENCRYPTION_KEY, withKeys } from "../support/app.ts";
import { runCommand } from "../support/command-line.ts";
import type { TestDatabase } from "../support/database.ts";
import { dumpOf } from "../support/database-dump.ts";
import { numbers } from "../support/in-parallel.ts";
import { databaseEnv, type Ended, useSessiond } from "../support/sessiond-process.ts";
import { holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas } from "../support/two-replicas.ts";
import { corrupt } from "../support/unreadable-signing-keys.ts";
import { until, untilWaiting } from "../support/until.ts";
import { startVault } from "../support/vault.ts";

const NEW_KEY = Buffer.alloc(32, 8).toString("base64");
const bytesOf = (key: string) => Buffer.from(key, "base64");
const idOf = (key: string) => keyEncryptionKeyId(bytesOf(key));

interface Row {
  readonly id: SigningKeyId;
  readonly tenant_id: TenantId;
  readonly encrypted_key: Buffer;
  readonly key_encryption_key_id: string;
}

describe("sessiond rewrap-keys (F14)", () => {
  const sessiond = useSessiond();

  const run = (
    database: Pick<TestDatabase, "url">,
    keys: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Ended> =>
    sessiond.run({
      args: ["rewrap-keys"],
      env: { ...databaseEnv(database), SESSIOND_KEY_ENCRYPTION_KEYS: keys.join(","), ...env },
    });
  const rowsOf = ({ sql }: Pick<TestDatabase, "sql">) =>
    sql<Row>("SELECT * FROM signing_keys ORDER BY id");

  /** A database with keys of that many tenants and of the default one, all under the test's key. */
  async function databaseWithKeys(count: number): Promise<TestDatabase> {
    const database = await sessiond.database();
    const wrapper = new LocalKeyWrapper([bytesOf(TEST_KEY_ENCRYPTION_KEY)], secureRandomBytes);
    const rows = await Promise.all(
      numbers(count + 1).map(async (index) => {
        const id = mintSigningKeyId(secureRandomBytes);
        const tenantId = (index === 0 ? "default" : newTenant()) as TenantId;
        const { ciphertext } = await wrapper.wrap(randomBytes(32), { id, tenantId });
        return { id, tenantId, ciphertext };
      }),
    );
    await database.sql(
      `INSERT INTO signing_keys (id, tenant_id, encrypted_key, key_encryption_key_id, created_at)
       SELECT *, $4, now() FROM unnest($1::text[], $2::text[], $3::bytea[])`,
      [
        rows.map(({ id }) => id),
        rows.map(({ tenantId }) => tenantId),
        rows.map(({ ciphertext }) => ciphertext),
        idOf(TEST_KEY_ENCRYPTION_KEY),
      ],
    );
    return database;
  }

  /** Decrypts every row with the key that it names; returns the materials by id. */
  async function materials(
    database: Pick<TestDatabase, "sql">,
    ...keys: readonly string[]
  ): Promise<ReadonlyMap<string, string>> {
    const wrapper = new LocalKeyWrapper(keys.map(bytesOf), secureRandomBytes);
    const found = new Map<string, string>();
    for (const { id, tenant_id, encrypted_key, key_encryption_key_id } of await rowsOf(database)) {
      const encrypted = { ciphertext: encrypted_key, keyEncryptionKeyId: key_encryption_key_id };
      const material = await wrapper.unwrap(encrypted, { id, tenantId: tenant_id });
      found.set(id, material.toString("hex"));
    }
    return found;
  }

  it("puts every key under the first one, and nothing the second time (A26)", async () => {
    const database = await databaseWithKeys(600);
    const before = await materials(database, TEST_KEY_ENCRYPTION_KEY);
    const first = await run(database, [NEW_KEY, TEST_KEY_ENCRYPTION_KEY]);
    expect({ code: first.code, stdout: first.stdout }).to.deep.equal({
      code: 0,
      stdout:
        "re-wrapped 601 of 601 signing keys\n" +
        `all are under the key-encryption key ${idOf(NEW_KEY)}\n`,
    });
    expect(await materials(database, NEW_KEY)).to.deep.equal(before);

    const dump = await dumpOf(database);
    const second = await run(database, [NEW_KEY]);
    expect(second.stdout).to.match(/^re-wrapped 0 of 601 signing keys\nall are under/);
    expect(await dumpOf(database)).to.deep.equal(dump);
  });

  it("puts token keys under it, too, and names those that it cannot decrypt (H02)", async () => {
    const database = await databaseWithKeys(1);
    const wrapper = new LocalKeyWrapper([bytesOf(TEST_KEY_ENCRYPTION_KEY)], secureRandomBytes);
    const contexts = numbers(22).map(() =>
      tokenKeyContext({ id: mintTokenKeyId(secureRandomBytes) }),
    );
    for (const context of contexts) {
      const { ciphertext } = await wrapper.wrap(Buffer.from(`of ${context.id}`), context);
      await database.sql(
        `INSERT INTO token_keys (id, algorithm, encrypted_key, key_encryption_key_id, created_at,
           signs_from, published_until)
         VALUES ($1, 'ES256', $2, $3, now(), now(), now())`,
        [context.id, ciphertext, idOf(TEST_KEY_ENCRYPTION_KEY)],
      );
    }
    const ids = contexts.map(({ id }) => id);
    const first = await run(database, [NEW_KEY, TEST_KEY_ENCRYPTION_KEY]);
    expect({ code: first.code, stdout: first.stdout }).to.deep.equal({
      code: 0,
      stdout:
        "re-wrapped 2 of 2 signing keys\nre-wrapped 22 of 22 token keys\n" +
        `all are under the key-encryption key ${idOf(NEW_KEY)}\n`,
    });
    const renewed = new LocalKeyWrapper([bytesOf(NEW_KEY)], secureRandomBytes);
    for (const context of contexts) {
      const [row] = await database.sql<Row>("SELECT * FROM token_keys WHERE id = $1", [context.id]);
      const { encrypted_key: ciphertext, key_encryption_key_id: keyEncryptionKeyId } = row as Row;
      const material = await renewed.unwrap({ ciphertext, keyEncryptionKeyId }, context);
      expect(material.toString()).to.equal(`of ${context.id}`);
    }

    await database.sql("UPDATE token_keys SET encrypted_key = '\\x00'");
    const { code, stdout } = await run(database, [NEW_KEY]);
    expect(code).to.equal(6);
    expect(stdout).to.include("re-wrapped 0 of 22 token keys\n").and.not.include("all are");
    const named = stdout.match(/^cannot decrypt tk-[0-9a-f]{32}: corrupt, under \w+$/gm);
    expect(named).to.have.length(20);
    expect(ids).to.include(named?.[0]?.split(/[ :]/)[2]);
    expect(stdout).to.include("and 2 more that cannot be decrypted\n");
  });

  it("leaves every key decryptable when it is killed, and the next run completes it (A26)", async () => {
    const database = await databaseWithKeys(600);
    const before = await materials(database, TEST_KEY_ENCRYPTION_KEY);
    const held = await holdTransaction(database);
    try {
      // It cannot get beyond these rows, which are in its second batch.
      await held.query(
        `SELECT FROM signing_keys
         WHERE id IN (SELECT id FROM signing_keys ORDER BY id OFFSET 550 LIMIT 20) FOR UPDATE`,
      );
      const keys = [NEW_KEY, TEST_KEY_ENCRYPTION_KEY];
      const started = sessiond.start({
        args: ["rewrap-keys"],
        env: { ...databaseEnv(database), SESSIOND_KEY_ENCRYPTION_KEYS: keys.join(",") },
      });
      await until("those before them are done", async () => {
        const text = "SELECT FROM signing_keys WHERE key_encryption_key_id = $1";
        return (await database.sql(text, [idOf(NEW_KEY)])).length === 550;
      });
      await untilWaiting(database.sql, 2);
      await started.end("SIGKILL");
    } finally {
      await held.end();
    }
    // PostgreSQL may still carry out the statements of the killed process.
    await until("its connections are gone", async () => {
      const others = `SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`;
      return (await database.sql(others)).length === 0;
    });

    const half = await materials(database, NEW_KEY, TEST_KEY_ENCRYPTION_KEY);
    expect(half).to.deep.equal(before);
    const renewed = (await rowsOf(database)).filter(
      ({ key_encryption_key_id }) => key_encryption_key_id === idOf(NEW_KEY),
    );
    expect(renewed.length).to.be.within(550, 554);
    const { code, stdout } = await run(database, [NEW_KEY, TEST_KEY_ENCRYPTION_KEY]);
    expect(code).to.equal(0);
    expect(stdout).to.include(`re-wrapped ${601 - renewed.length} of 601 signing keys\n`);
    expect(await materials(database, NEW_KEY)).to.deep.equal(before);
  });

  it("stops on SIGTERM, and says that it is not complete", async () => {
    const database = await databaseWithKeys(10);
    const held = await holdTransaction(database);
    try {
      await held.query("SELECT FROM signing_keys FOR UPDATE");
      const keys = [NEW_KEY, TEST_KEY_ENCRYPTION_KEY];
      const started = sessiond.start({
        args: ["rewrap-keys"],
        env: { ...databaseEnv(database), SESSIOND_KEY_ENCRYPTION_KEYS: keys.join(",") },
      });
      await untilWaiting(database.sql, 2);
      const { code, stderr } = await started.end("SIGTERM");
      expect(code).to.equal(143);
      expect(stderr).to.match(/^interrupted: run it again/m);
    } finally {
      await held.end();
    }
  });

  it("changes nothing with a wrong key, or if the keys are not the database's (A26)", async () => {
    const database = await databaseWithKeys(5);
    const before = await dumpOf(database);
    for (const keys of [[NEW_KEY], [NEW_KEY, randomBytes(32).toString("base64")]]) {
      const { code, stdout, stderr } = await run(database, keys);
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
      expect(stderr).to.match(/^sessiond: signing key sk-[0-9a-f]{32} cannot be decrypted/m);
      for (const key of keys) expect(stderr).not.to.include(key);
      expect(await dumpOf(database)).to.deep.equal(before);
    }
  });

  it("names the keys that it cannot decrypt, re-wraps the others, and ends with 6", async () => {
    const database = await databaseWithKeys(25);
    const rows = await rowsOf(database);
    const broken = rows.filter(({ tenant_id }) => tenant_id !== "default").slice(0, 22);
    for (const { id } of broken) await corrupt(database.sql, id);
    const { code, stdout } = await run(database, [NEW_KEY, TEST_KEY_ENCRYPTION_KEY]);
    expect(code).to.equal(6);
    expect(stdout).to.include("re-wrapped 4 of 26 signing keys\n");
    const named = stdout.match(/^cannot decrypt sk-\S+ of tenant \S+: corrupt, under \w+$/gm);
    expect(named).to.have.length(20);
    expect(stdout).to.include("and 2 more that cannot be decrypted\n").and.not.include("all are");
  });

  it("prints one JSON object with --json, and ends with the same codes", async () => {
    const database = await databaseWithKeys(2);
    const keys = [NEW_KEY, TEST_KEY_ENCRYPTION_KEY];
    const env = { ...databaseEnv(database), SESSIOND_KEY_ENCRYPTION_KEYS: keys.join(",") };
    const rewrap = async () => {
      const { code, stdout } = await runCommand(["rewrap-keys", "--json"], { env });
      return { code, report: JSON.parse(stdout) };
    };
    const [row] = (await rowsOf(database)).filter(({ tenant_id }) => tenant_id !== "default");
    const { id, tenant_id: tenantId } = row as Row;
    await corrupt(database.sql, id);
    const none = { count: 0, rewrapped: 0, contended: false, undecryptableCount: 0 };
    const partly = await rewrap();
    expect(partly).to.deep.equal({
      code: 6,
      report: {
        complete: false,
        keyEncryptionKeyId: idOf(NEW_KEY),
        signingKeys: {
          count: 3,
          rewrapped: 2,
          contended: false,
          undecryptableCount: 1,
          undecryptable: [
            { id, tenantId, keyEncryptionKeyId: idOf(TEST_KEY_ENCRYPTION_KEY), corrupt: true },
          ],
        },
        tokenKeys: { ...none, undecryptable: [] },
      },
    });
    await database.sql("DELETE FROM signing_keys WHERE id = $1", [id]);
    const { code, report } = await rewrap();
    expect({ code, complete: report.complete }).to.deep.equal({ code: 0, complete: true });
    expect(report.signingKeys).to.deep.equal({ ...none, count: 2, undecryptable: [] });
  });

  it("moves keys to Vault, and to the next version of its key (A26)", async () => {
    const vault = await startVault();
    try {
      const database = await databaseWithKeys(50);
      const env = { ...vault.env, SESSIOND_KEY_ENCRYPTION_PROVIDER: "vault-transit" };
      const { code, stdout } = await run(database, [TEST_KEY_ENCRYPTION_KEY], env);
      expect(stdout).to.match(/re-wrapped 51 of 51 .*\n.* vault-transit:transit\/sessiond:v1\n$/);
      expect(code).to.equal(0);
      vault.server.rotate("sessiond");
      expect((await run(database, [TEST_KEY_ENCRYPTION_KEY], env)).stdout).to.match(
        /sessiond:v2\n$/,
      );
    } finally {
      await vault.stop();
    }
  });

  it("and rotations lose nothing beside each other while two replicas serve (A26, ASVS 13.3.4)", async () => {
    const both = [TEST_KEY_ENCRYPTION_KEY, NEW_KEY];
    const replicas = await startTwoReplicas(withKeys(...both));
    const { app, other } = replicas;
    try {
      const tenants = numbers(3).map(newTenant);
      const cookies: string[] = [];
      let [rotations, serving] = [0, true];
      const users = tenants.map(async (tenantId, index) => {
        const [here, there] = index % 2 ? [app, other] : [other, app];
        const actor = newActor({ tenantId });
        while (serving) {
          const { cookie } = await openSession(here.client, { actor });
          cookies.push(cookie);
          await validate(there.client, cookie);
          await here.client.rotateSigningKey({ tenantId, actingActorId: "root" });
          rotations += 1;
          await validate(there.client, cookie);
        }
      });
      // To and fro, two at once, while the replicas go on to make keys under the first one.
      const results: Ended[] = [];
      try {
        for (const keys of [both.toReversed(), both]) {
          results.push(...(await Promise.all([run(app.database, keys), run(app.database, keys)])));
        }
      } finally {
        serving = false;
        await Promise.all(users);
      }
      for (const { stdout, stderr } of results)
        expect(stdout, stderr).to.match(/^re-wrapped \d+ of/);
      expect(rotations).to.be.at.least(tenants.length);

      // A key of each tenant to begin with, one for each rotation, and that of the default tenant.
      expect(await materials(app, ...both)).to.have.length(tenants.length + rotations + 1);
      const active = await app.sql("SELECT FROM signing_keys WHERE retired_at IS NULL");
      expect(active).to.have.length(tenants.length + 1);
      const last = await run(app.database, [NEW_KEY, TEST_KEY_ENCRYPTION_KEY]);
      expect(last.stdout).to.include(`all are under the key-encryption key ${idOf(NEW_KEY)}\n`);
      const after = await sessiond.serve({
        env: { ...databaseEnv(app.database), SESSIOND_KEY_ENCRYPTION_KEYS: NEW_KEY },
      });
      for (const cookie of cookies) await validate(after.client, cookie);
      await after.end("SIGTERM");
    } finally {
      await replicas.stop();
    }
  });
});
