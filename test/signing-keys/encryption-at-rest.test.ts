import { expect } from "chai";
import { newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { startReplica, TEST_KEY_ENCRYPTION_KEY } from "../support/app.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { signingSecret } from "../support/signing-keys.ts";

const otherKey = Buffer.alloc(32, 8).toString("base64");
const underKeys = (...keys: string[]) => ({
  env: { SESSIOND_KEY_ENCRYPTION_KEYS: keys.join(",") },
});

describe("behaviours: encryption of the signing keys at rest", () => {
  let database: TestDatabase;
  let cookies: string[];

  // A database that a replica has served, with the keys of three tenants, one of them rotated.
  beforeEach(async () => {
    database = await createTestDatabase();
    const replica = await startReplica(database.url);
    cookies = [];
    const rotated = newTenant();
    for (const tenantId of ["default", newTenant(), rotated]) {
      const actor = newActor({ tenantId });
      cookies.push((await openSession(replica.client, { actor })).cookie);
    }
    await replica.client.rotateSigningKey({ tenantId: rotated, actingActorId: "key-admin" });
    await replica.stop();
  });
  afterEach(() => database.drop());

  const storedKeys = () =>
    database.sql<{ id: string; encrypted_key: Buffer; key_encryption_key_id: string }>(
      "SELECT * FROM signing_keys ORDER BY id",
    );
  const everything = async () => ({
    keys: await storedKeys(),
    sessions: await database.sql("SELECT * FROM sessions ORDER BY id"),
    audit: await database.sql("SELECT * FROM audit_events ORDER BY id"),
  });
  const bootFailure = (...keys: string[]): Promise<Error> =>
    startReplica(database.url, underKeys(...keys)).then(
      async (replica) => {
        await replica.stop();
        throw new Error("it started");
      },
      (error: Error) => error,
    );

  /** Starts with these keys and expects all cookies to be good. */
  async function expectServes(...keys: string[]): Promise<void> {
    const replica = await startReplica(database.url, underKeys(...keys));
    try {
      for (const cookie of cookies) await validate(replica.client, cookie);
      await openSession(replica.client);
    } finally {
      await replica.stop();
    }
  }

  it("A26: the row holds nonce, ciphertext and tag, and nothing that contains the key", async () => {
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

  it("A26: another process with the same key-encryption key goes on with the keys", () =>
    expectServes(TEST_KEY_ENCRYPTION_KEY));

  it("A26: a wrong key-encryption key refuses to serve and leaves the data as it is", async () => {
    const before = await everything();
    const failure = await bootFailure(otherKey);
    expect(failure.name).to.equal("KeyDecryptionError");
    expect(failure.message).to.not.include(otherKey);
    expect(await everything()).to.deep.equal(before);
    await expectServes(TEST_KEY_ENCRYPTION_KEY);
  });

  it("A26: under a new first key-encryption key all keys are re-wrapped, and the old one can go", async () => {
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

  it("A26: replicas that re-wrap at once do not spoil each other's work", async () => {
    await Promise.all([
      expectServes(otherKey, TEST_KEY_ENCRYPTION_KEY),
      expectServes(otherKey, TEST_KEY_ENCRYPTION_KEY),
      expectServes(otherKey, TEST_KEY_ENCRYPTION_KEY),
    ]);
    await expectServes(otherKey);
  });

  it("A26: one key that does not decrypt keeps all of them from being re-wrapped", async () => {
    await database.sql(
      `UPDATE signing_keys SET encrypted_key = set_byte(encrypted_key, 20,
         get_byte(encrypted_key, 20) # 1)
       WHERE id = (SELECT max(id) FROM signing_keys)`,
    );
    const before = await everything();
    const failure = await bootFailure(otherKey, TEST_KEY_ENCRYPTION_KEY);
    expect(failure.name).to.equal("KeyDecryptionError");
    expect(await everything()).to.deep.equal(before);
  });

  it("A26: two ciphertexts that were swapped between rows refuse to serve", async () => {
    await database.sql(
      `UPDATE signing_keys SET encrypted_key = other.encrypted_key
       FROM signing_keys other
       WHERE (signing_keys.id, other.id) IN (
         SELECT min(id), max(id) FROM signing_keys UNION SELECT max(id), min(id) FROM signing_keys)`,
    );
    expect((await bootFailure(TEST_KEY_ENCRYPTION_KEY)).name).to.equal("KeyDecryptionError");
  });
});
