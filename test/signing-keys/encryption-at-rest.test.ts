import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { loadConfig } from "../../src/config/config.ts";
import { newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startReplica, TEST_KEY_ENCRYPTION_KEY, withKeys } from "../support/app.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { dumpOf } from "../support/database-dump.ts";
import { blockOf, readPage } from "../support/documentation.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { findProgram } from "../support/programs.ts";
import { signingSecret } from "../support/signing-keys.ts";
import { withReplica } from "../support/with-replica.ts";

const page = readPage("key-encryption-keys.md");
const otherKey = Buffer.alloc(32, 8).toString("base64");

describe("signing keys: encryption at rest", () => {
  let database: TestDatabase;
  let cookies: string[];

  // The database of a stopped replica, with the keys of three tenants, one of them rotated.
  beforeEach(async () => {
    database = await createTestDatabase();
    cookies = [];
    await withReplica(database.url, {}, async ({ client }) => {
      const rotated = newTenant();
      for (const tenantId of ["default", newTenant(), rotated]) {
        const actor = newActor({ tenantId });
        cookies.push((await openSession(client, { actor })).cookie);
      }
      await client.rotateSigningKey({ tenantId: rotated, actingActorId: "key-admin" });
    });
  });
  afterEach(() => database.drop());

  const storedKeys = () =>
    database.sql<{ id: string; encrypted_key: Buffer; key_encryption_key_id: string }>(
      "SELECT * FROM signing_keys ORDER BY id",
    );
  const bootFailure = (...keys: string[]): Promise<Error> =>
    startReplica(database.url, withKeys(...keys)).then(
      async (replica) => {
        await replica.stop();
        throw new Error("it started");
      },
      (error: Error) => error,
    );

  /** Starts with these keys and expects all cookies to be good. */
  async function expectServes(...keys: string[]): Promise<void> {
    await withReplica(database.url, withKeys(...keys), async ({ client }) => {
      for (const cookie of cookies) await validate(client, cookie);
      await openSession(client);
    });
  }

  it("stores nonce, ciphertext and tag of AES-256-GCM, and nothing that contains the key (A26, ASVS 11.3)", async () => {
    const nonces = new Set<string>();
    for (const { id, encrypted_key: bytes, key_encryption_key_id: name } of await storedKeys()) {
      const secret = await signingSecret(database.sql, id);
      expect(secret).to.have.length(32);
      expect(bytes).to.have.length(12 + 32 + 16);
      expect(bytes.includes(secret)).to.equal(false);
      expect(name).to.not.include(TEST_KEY_ENCRYPTION_KEY.slice(0, 8));
      nonces.add(bytes.subarray(0, 12).toString("hex"));
    }
    expect(nonces).to.have.length(4);
  });

  it("serves with the same keys in another process with the same key-encryption key (A26)", () =>
    expectServes(TEST_KEY_ENCRYPTION_KEY));

  it("refuses to serve with a wrong key-encryption key and leaves the data as it is (A26)", async () => {
    const before = await dumpOf(database);
    const failure = await bootFailure(otherKey);
    expect(failure.name).to.equal("KeyDecryptionError");
    expect(failure.message).to.not.include(otherKey);
    expect(await dumpOf(database)).to.deep.equal(before);
    await expectServes(TEST_KEY_ENCRYPTION_KEY);
  });

  it("takes the key that the documented command makes", async function () {
    if (findProgram("openssl") === undefined) this.skip();
    const directory = await mkdtemp(join(tmpdir(), "sessiond-first-key-"));
    try {
      const script = `${blockOf(page, "first-key")}\necho "$SESSIOND_KEY_ENCRYPTION_KEYS_FILE"`;
      const options = { cwd: directory, encoding: "utf8" } as const;
      const file = execFileSync("sh", ["-ec", script], options).trim();
      const { keyEncryption } = loadConfig({ SESSIOND_KEY_ENCRYPTION_KEYS_FILE: file });
      expect(keyEncryption.localKeys.map((key) => key.length)).to.deep.equal([32]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("re-wraps all keys under a new first key-encryption key, so that the old one can go (A26)", async () => {
    const before = await storedKeys();
    const secrets = await Promise.all(before.map(({ id }) => signingSecret(database.sql, id)));

    await expectServes(otherKey, TEST_KEY_ENCRYPTION_KEY);
    const after = await storedKeys();
    for (const [index, { id, encrypted_key, key_encryption_key_id }] of after.entries()) {
      expect(key_encryption_key_id).to.not.equal(before[index]?.key_encryption_key_id);
      const secret = await signingSecret(database.sql, id, otherKey);
      expect(secret).to.deep.equal(secrets[index]);
      expect(encrypted_key.subarray(0, 12)).to.not.deep.equal(
        before[index]?.encrypted_key.subarray(0, 12),
      );
    }

    await expectServes(otherKey);
    expect(await storedKeys()).to.deep.equal(after);
    expect((await bootFailure(TEST_KEY_ENCRYPTION_KEY)).name).to.equal("KeyDecryptionError");
  });

  it("re-wraps on several replicas at once without harm (A26)", async () => {
    await Promise.all([
      expectServes(otherKey, TEST_KEY_ENCRYPTION_KEY),
      expectServes(otherKey, TEST_KEY_ENCRYPTION_KEY),
      expectServes(otherKey, TEST_KEY_ENCRYPTION_KEY),
    ]);
    await expectServes(otherKey);
  });

  it("serves with a new key-encryption key once the signing keys of a lost one are deleted (A26)", async () => {
    const sessions = await database.sql("SELECT id FROM sessions");
    await database.sql(blockOf(page, "give-up"));
    await withReplica(database.url, withKeys(otherKey), async ({ client }) => {
      for (const cookie of cookies) {
        await expectFailure(validate(client, cookie), "SIGNING_KEY_NOT_FOUND");
      }
      for (const tenantId of ["default", newTenant()]) {
        const { cookie } = await openSession(client, { actor: newActor({ tenantId }) });
        await validate(client, cookie);
      }
    });
    expect(sessions).to.have.length(3);
    expect(await database.sql("SELECT id FROM sessions")).to.have.length(5);
  });

  it("re-wraps no key if it does not start (A26)", async () => {
    await database.sql(
      `UPDATE signing_keys SET encrypted_key = set_byte(encrypted_key, 20,
         get_byte(encrypted_key, 20) # 1)
       WHERE tenant_id = 'default'`,
    );
    const before = await dumpOf(database);
    const failure = await bootFailure(otherKey, TEST_KEY_ENCRYPTION_KEY);
    expect(failure.name).to.equal("KeyDecryptionError");
    expect(await dumpOf(database)).to.deep.equal(before);
  });

  it("refuses to serve with the default tenant's ciphertext swapped for another one (A26, ASVS 11.3)", async () => {
    await database.sql(
      `UPDATE signing_keys SET encrypted_key = other.encrypted_key
       FROM signing_keys other
       WHERE signing_keys.tenant_id = 'default'
         AND other.id = (SELECT id FROM signing_keys WHERE tenant_id <> 'default' LIMIT 1)`,
    );
    expect((await bootFailure(TEST_KEY_ENCRYPTION_KEY)).name).to.equal("KeyDecryptionError");
  });
});
