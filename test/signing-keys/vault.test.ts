import { expect } from "chai";
import { byCookie, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica, TEST_KEY_ENCRYPTION_KEY } from "../support/app.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { dumpOf } from "../support/database-dump.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { until } from "../support/until.ts";
import { startVault, type TestVault } from "../support/vault.ts";
import { withReplica } from "../support/with-replica.ts";

describe("signing keys under Vault", () => {
  let database: TestDatabase;
  let vault: TestVault;
  let replicas: Replica[];
  let logged: string[];

  beforeEach(async () => {
    database = await createTestDatabase();
    vault = await startVault();
    replicas = [];
    logged = [];
  });
  afterEach(async () => {
    for (const replica of replicas) await replica.stop();
    await database.drop();
    await vault.stop();
  });

  const byVault = () => ({ ...vault.env, SESSIOND_KEY_ENCRYPTION_PROVIDER: "vault-transit" });
  /** The same without the local key that replicas have by default. */
  const byVaultAlone = () => ({ ...byVault(), SESSIOND_KEY_ENCRYPTION_KEYS: undefined });
  const byLocalKey = () => ({ ...vault.env, SESSIOND_KEY_ENCRYPTION_PROVIDER: "local" });

  async function start(env: Record<string, string | undefined> = byVaultAlone()): Promise<Replica> {
    const replica = await startReplica(database.url, { env, onLog: (line) => logged.push(line) });
    replicas.push(replica);
    return replica;
  }
  const open = ({ client }: Replica, tenantId: string) =>
    openSession(client, { actor: newActor({ tenantId }) });
  const keyIds = async () => {
    const rows = await database.sql<{ id: string }>(
      "SELECT DISTINCT key_encryption_key_id AS id FROM signing_keys",
    );
    return rows.map(({ id }) => id);
  };
  const startFailure = (env: Record<string, string | undefined>): Promise<Error> =>
    start({ SESSIOND_KEY_ENCRYPTION_VAULT_START_TIMEOUT: "0s", ...env }).then(
      () => expect.fail("it started"),
      (error: Error) => error,
    );

  it("are made, used and rotated with Vault alone, without a local key (A26)", async () => {
    const one = await start();
    const tenantId = newTenant();
    const before = await open(one, tenantId);
    await one.client.rotateSigningKey({ tenantId, actingActorId: "root" });
    const after = await open(one, tenantId);
    const two = await start();
    for (const { id, cookie } of [before, after]) {
      expect((await validate(two.client, cookie)).session?.id).to.equal(id);
    }
    const rows = await database.sql<{ encrypted_key: Buffer }>("SELECT * FROM signing_keys");
    expect(rows).to.have.length(3);
    for (const { encrypted_key } of rows) expect(encrypted_key.toString()).to.match(/^vault:v1:/);
    expect(await keyIds()).to.deep.equal(["vault-transit:transit/sessiond:v1"]);
  });

  it("move from a local key to Vault and back while cookies stay valid (A26)", async () => {
    const cookies: string[] = [];
    const check = async (env: Record<string, string | undefined>) => {
      await withReplica(database.url, { env }, async (replica) => {
        for (const cookie of cookies) await validate(replica.client, cookie);
        cookies.push((await open(replica, newTenant())).cookie);
      });
    };
    await check({});
    const [local] = await keyIds();
    await check(byVault());
    expect(await keyIds()).to.deep.equal(["vault-transit:transit/sessiond:v1"]);
    await check(byVaultAlone());
    await check(byLocalKey());
    expect(await keyIds()).to.deep.equal([local]);
    await check({});
  });

  it("are re-wrapped at the start after a rotation in Vault, so that the old version can go", async () => {
    const { cookie } = await open(await start(), newTenant());
    vault.server.rotate("sessiond");
    const two = await start();
    expect(await keyIds()).to.deep.equal(["vault-transit:transit/sessiond:v2"]);
    vault.server.setMinDecryptionVersion("sessiond", 2);
    await validate(two.client, cookie);
    await validate((await start()).client, cookie);
  });

  it("cannot be swapped between rows (ASVS 11.3)", async () => {
    const one = await start();
    const [mine, theirs] = [await open(one, newTenant()), await open(one, newTenant())];
    await database.sql(
      `UPDATE signing_keys SET encrypted_key = other.encrypted_key FROM signing_keys other
       WHERE signing_keys.id = ANY ($1) AND other.id = ANY ($1) AND other.id <> signing_keys.id`,
      [[mine, theirs].map(({ created }) => created.session?.signingKeyId)],
    );
    const two = await start();
    for (const { cookie } of [mine, theirs]) {
      await expectFailure(validate(two.client, cookie), "STORAGE_UNAVAILABLE");
    }
  });

  describe("outage of Vault", () => {
    it("keeps decrypted keys in use, and is STORAGE_UNAVAILABLE for others until it ends", async () => {
      const [one, two] = [await start(), await start()];
      const known = await open(one, newTenant());
      const unknown = await open(two, newTenant());
      await vault.server.close();

      await validate(one.client, known.cookie);
      await expectFailure(validate(one.client, unknown.cookie), "STORAGE_UNAVAILABLE");
      const newcomer = newTenant();
      await expectFailure(open(one, newcomer), "STORAGE_UNAVAILABLE");
      expect(await database.sql("SELECT FROM sessions WHERE tenant_id = $1", [newcomer])).to.be
        .empty;
      // A key that was decrypted when the replica started counts as known.
      await openSession(one.client);
      const rotation = one.client.rotateSigningKey({ tenantId: newcomer, actingActorId: "root" });
      await expectFailure(rotation, "STORAGE_UNAVAILABLE");

      await vault.server.listen();
      expect((await validate(one.client, unknown.cookie)).session?.id).to.equal(unknown.id);
      await validate(one.client, (await open(one, newcomer)).cookie);
    });

    /** Two replicas. The first one knows the tenant's key, but not the one after it. */
    async function rotatedElsewhere() {
      const [one, two] = [await start(), await start()];
      const tenantId = newTenant();
      const opened = await open(one, tenantId);
      await two.client.rotateSigningKey({ tenantId, actingActorId: "root" });
      const rows = () =>
        database.sql(
          "SELECT id, signing_key_id, revoked_at FROM sessions WHERE tenant_id = $1 ORDER BY id",
          [tenantId],
        );
      return { one, tenantId, opened, rows };
    }

    it("stores no session, and ends none, whose cookie it could not sign (A26)", async () => {
      const { one, opened, rows } = await rotatedElsewhere();
      const before = await rows();
      vault.server.sealed = true;
      const { actor, cookie } = opened;
      const session = byCookie(cookie);
      for (const _ of numbers(3)) {
        await expectFailure(one.client.rotateSession({ session }), "STORAGE_UNAVAILABLE");
        await expectFailure(one.client.create({ actor }), "STORAGE_UNAVAILABLE");
        const login = one.client.create({ actor, replaces: session });
        await expectFailure(login, "STORAGE_UNAVAILABLE");
      }
      expect(await rows()).to.deep.equal(before);
      await validate(one.client, cookie);

      vault.server.sealed = false;
      const { cookie: next } = await one.client.rotateSession({ session });
      await validate(one.client, next);
    });

    it("asks for a key that another replica has made once, however many calls need it", async () => {
      const { one, opened, rows } = await rotatedElsewhere();
      const { length } = vault.server.requests;
      await Promise.all(numbers(50).map(() => one.client.create({ actor: opened.actor })));
      expect(vault.server.requests).to.have.length(length + 1);
      const keys = new Set((await rows()).map(({ signing_key_id }) => signing_key_id));
      expect(keys).to.have.length(2);
    });

    it("sends one request at a time for a key, however many calls need it", async () => {
      const [one, two] = [await start(), await start()];
      const { cookie } = await open(two, newTenant());
      const { length } = vault.server.requests;
      vault.server.hangs = true;
      const calls = Promise.all(numbers(100).map(() => validate(one.client, cookie)));
      await until("Vault is asked", async () => vault.server.requests.length > length);
      // It comes after the others, on the same connection.
      await openSession(one.client);
      expect(vault.server.requests).to.have.length(length + 1);
      vault.server.resume();
      await calls;
      expect(vault.server.requests).to.have.length(length + 1);
    });

    it("does not delay calls beyond the timeout", async () => {
      const two = await start();
      const { cookie } = await open(two, newTenant());
      const one = await start({
        ...byVaultAlone(),
        SESSIOND_KEY_ENCRYPTION_VAULT_TIMEOUT: "3s",
      });
      await validate(one.client, cookie);
      const later = await open(two, newTenant());
      vault.server.hangs = true;
      await expectFailure(validate(one.client, later.cookie), "STORAGE_UNAVAILABLE");
      await validate(one.client, cookie);
      vault.server.resume();
      await until("the cookie is accepted", () =>
        validate(one.client, later.cookie).then(
          () => true,
          () => false,
        ),
      );
    });

    it("is logged with its cause, and without token and key material", async () => {
      const [one, two] = [await start(), await start()];
      const { cookie } = await open(two, newTenant());
      vault.server.sealed = true;
      await expectFailure(validate(one.client, cookie), "STORAGE_UNAVAILABLE");
      const log = logged.join("");
      expect(log).to.include("Vault is sealed");
      expect(log).not.to.include(vault.token);
      expect(log).not.to.match(/vault:v\d/);
    });
  });

  describe("start", () => {
    it("is refused without Vault, and leaves the database as it is (A26)", async () => {
      await withReplica(database.url, { env: byVaultAlone() }, async (replica) => {
        await open(replica, newTenant());
      });
      const before = await dumpOf(database);
      await vault.server.close();
      const error = await startFailure(byVaultAlone());
      expect(error.message).to.include("cannot reach Vault");
      await vault.server.listen();
      vault.server.tokens.clear();
      expect((await startFailure(byVaultAlone())).message).to.include("status 403");
      expect(await dumpOf(database)).to.deep.equal(before);
    });

    it("is refused with another key in Vault, and leaves database and Vault as they are (A26)", async () => {
      await withReplica(database.url, { env: byVaultAlone() }, async (replica) => {
        await open(replica, newTenant());
      });
      const before = await dumpOf(database);
      vault.server.createKey("other");
      const wrong = { ...byVaultAlone(), SESSIOND_KEY_ENCRYPTION_VAULT_KEY: "other" };
      const withLocal = { ...wrong, SESSIOND_KEY_ENCRYPTION_KEYS: TEST_KEY_ENCRYPTION_KEY };
      for (const env of [
        wrong,
        withLocal,
        { ...withLocal, SESSIOND_KEY_ENCRYPTION_PROVIDER: "local" },
      ]) {
        const error = await startFailure(env);
        expect(error.name).to.equal("KeyDecryptionError");
        expect(error.message).to.include("vault-transit:transit/sessiond:v1");
      }
      // Another Vault with a key of the same name.
      vault.server.createKey("sessiond");
      expect((await startFailure(byVaultAlone())).name).to.equal("KeyDecryptionError");
      expect(await dumpOf(database)).to.deep.equal(before);
      expect([...vault.server.keys.keys()]).to.deep.equal(["sessiond", "other"]);
    });
  });
});
