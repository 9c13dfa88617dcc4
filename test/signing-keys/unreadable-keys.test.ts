import { expect } from "chai";
import { byCookie, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { type Replica, type ReplicaOptions, startReplica } from "../support/app.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { statementsDuring } from "../support/statement-log.ts";
import {
  corrupt,
  OTHER_KEY_ENCRYPTION_KEY,
  reEncrypt,
} from "../support/unreadable-signing-keys.ts";
import { withReplica } from "../support/with-replica.ts";

describe("signing keys that cannot be decrypted", () => {
  let database: TestDatabase;
  let replica: Replica | undefined;
  let logged: string[];
  const tenantId = newTenant();
  /** Of the default tenant. */
  let cookie: string;
  /** Of the tenant whose key becomes unreadable. */
  let lost: { id: string; cookie: string; keyId: string };

  // The database of a stopped replica.
  beforeEach(async () => {
    database = await createTestDatabase();
    logged = [];
    await withReplica(database.url, {}, async ({ client }) => {
      ({ cookie } = await openSession(client));
      const opened = await openSession(client, { actor: newActor({ tenantId }) });
      lost = { ...opened, keyId: opened.created.session?.signingKeyId ?? "" };
    });
  });
  afterEach(async () => {
    await replica?.stop();
    replica = undefined;
    await database.drop();
  });

  async function start(options: ReplicaOptions = {}): Promise<Replica> {
    replica = await startReplica(database.url, {
      onLog: (line) => logged.push(line),
      ...options,
    });
    return replica;
  }
  const warnings = (text: string) =>
    logged
      .map((line) => JSON.parse(line))
      .filter(({ level, msg }) => level >= 40 && msg.startsWith(text));
  const atStart = () => warnings("signing keys cannot be decrypted");
  const refusals = () => warnings("calls refused: signing keys cannot be decrypted");
  const sessions = () => database.sql("SELECT id FROM sessions ORDER BY id");
  const create = (client: Replica["client"]) =>
    openSession(client, { actor: newActor({ tenantId }) });

  for (const { what, isCorrupt, lose } of [
    { what: "under an unknown key-encryption key", isCorrupt: false, lose: reEncrypt },
    { what: "with a corrupt ciphertext", isCorrupt: true, lose: corrupt },
  ]) {
    it(`starts with a tenant's active key ${what}, says so, and refuses what needs it (A26)`, async () => {
      await lose(database.sql, lost.keyId);
      const { client, app } = await start();

      const [warning, ...more] = atStart();
      expect(more).to.be.empty;
      expect(warning).to.deep.include({ level: 40, count: 1 });
      expect(warning.keys).to.have.length(1);
      expect(warning.keys[0]).to.deep.include({
        id: lost.keyId,
        tenant: tenantId,
        active: true,
        corrupt: isCorrupt,
      });
      expect(warning.msg).to.include("SESSIOND_KEY_ENCRYPTION_KEYS");

      await validate(client, cookie);
      await openSession(client);
      await openSession(client, { actor: newActor({ tenantId: newTenant() }) });
      const before = await sessions();
      await expectFailure(validate(client, lost.cookie), "STORAGE_UNAVAILABLE");
      await expectFailure(create(client), "STORAGE_UNAVAILABLE");
      expect(await sessions(), "no session without a cookie").to.deep.equal(before);
      expect(app.unreadableKeys.total).to.equal(2);
    });
  }

  it("warns of refusals at once, then at most once a minute, and not for each call", async () => {
    await reEncrypt(database.sql, lost.keyId);
    const { client, stop } = await start();
    for (const _ of numbers(10)) {
      await expectFailure(validate(client, lost.cookie), "STORAGE_UNAVAILABLE");
    }
    expect(refusals()).to.have.length(1);
    // What is left is logged when it stops.
    await stop();
    expect(refusals().map(({ count, byKey, total }) => ({ count, byKey, total }))).to.deep.equal([
      { count: 1, byKey: { [lost.keyId]: 1 }, total: 1 },
      { count: 9, byKey: { [lost.keyId]: 9 }, total: 10 },
    ]);
    expect(warnings("call failed")).to.be.empty;
  });

  it("asks the database nothing for a forged cookie that names such a key", async () => {
    await reEncrypt(database.sql, lost.keyId);
    const { client } = await start();
    const forged = lost.cookie.replace(/.{43}$/, Buffer.alloc(32, 9).toString("base64url"));
    const asked = await statementsDuring(() =>
      Promise.all(
        numbers(20).map(() => expectFailure(validate(client, forged), "STORAGE_UNAVAILABLE")),
      ),
    );
    expect(asked).to.be.empty;
  });

  it("RotateSigningKey makes Creates work again; old cookies stay unavailable, and do not prevent a login", async () => {
    await reEncrypt(database.sql, lost.keyId);
    const { client } = await start();
    await expectFailure(create(client), "STORAGE_UNAVAILABLE");
    const { retiredKey } = await client.rotateSigningKey({ tenantId, actingActorId: "root" });
    expect(retiredKey?.id).to.equal(lost.keyId);

    const opened = await create(client);
    expect((await validate(client, opened.cookie)).session?.id).to.equal(opened.id);
    await expectFailure(validate(client, lost.cookie), "STORAGE_UNAVAILABLE");
    const actor = newActor({ tenantId });
    const again = await openSession(client, { actor, replaces: byCookie(lost.cookie) });
    expect(again.created.replacedSessionId).to.equal("");
  });

  it("a pre-login cookie is accepted beside a cookie of such a key, a bad one does not hide it", async () => {
    await reEncrypt(database.sql, lost.keyId);
    const { client } = await start();
    const preLogin = await client.create({ preLogin: true });
    const withPreLogin = (value: string) =>
      client.validate({
        credential: {
          case: "cookieHeader",
          value: `__Host-session=${lost.cookie}; __Host-prelogin=${value}`,
        },
        acceptPreLogin: true,
      });
    const { session } = await withPreLogin(preLogin.cookie);
    expect(session?.id).to.equal(preLogin.session?.id);
    await expectFailure(withPreLogin("forged"), "STORAGE_UNAVAILABLE");
  });

  it("signs for the tenant again as soon as another replica has re-encrypted its key", async () => {
    await reEncrypt(database.sql, lost.keyId);
    const { client } = await start();
    await expectFailure(create(client), "STORAGE_UNAVAILABLE");
    await reEncrypt(database.sql, lost.keyId, {
      from: OTHER_KEY_ENCRYPTION_KEY,
      to: Buffer.alloc(32, 7).toString("base64"),
    });
    await create(client);
    expect((await validate(client, lost.cookie)).session?.id).to.equal(lost.id);
    const asked = await statementsDuring(() => create(client));
    const read = asked.filter(({ text }) => /^SELECT .* FROM signing_keys/.test(text));
    expect(read, "the key is known again").to.be.empty;
  });

  it("opens the tenant a new key if the one that was unreadable is gone", async () => {
    await reEncrypt(database.sql, lost.keyId);
    const { client } = await start();
    await database.sql("DELETE FROM sessions WHERE signing_key_id = $1", [lost.keyId]);
    await database.sql("DELETE FROM signing_keys WHERE id = $1", [lost.keyId]);
    const { cookie: fresh } = await create(client);
    await validate(client, fresh);
  });

  it("re-wraps what can be decrypted, and leaves the rest alone (A26)", async () => {
    await corrupt(database.sql, lost.keyId);
    const rows = () =>
      database.sql("SELECT id, encrypted_key, key_encryption_key_id FROM signing_keys ORDER BY id");
    const before = await rows();
    const keys = [OTHER_KEY_ENCRYPTION_KEY, Buffer.alloc(32, 7).toString("base64")].join(",");
    await start({ env: { SESSIOND_KEY_ENCRYPTION_KEYS: keys } });
    const after = await rows();
    for (const [index, row] of after.entries()) {
      if (row.id === lost.keyId) expect(row).to.deep.equal(before[index]);
      else expect(row).not.to.deep.equal(before[index]);
    }
  });

  const bootFailure = () =>
    start().then(
      () => expect.fail("it started"),
      (error: Error) => error,
    );
  const defaultKey = async () => {
    const [key] = await database.sql<{ id: string }>(
      "SELECT id FROM signing_keys WHERE tenant_id = 'default' AND retired_at IS NULL",
    );
    return key?.id ?? "";
  };

  it("refuses to start if the default tenant's active key is one, but not for a retired one (A26)", async () => {
    const keyId = await defaultKey();
    await reEncrypt(database.sql, keyId);
    const failure = await bootFailure();
    expect(failure.name).to.equal("KeyDecryptionError");
    expect(failure.message).to.include(keyId).and.to.include("tenant default");

    await database.sql("UPDATE signing_keys SET retired_at = now() WHERE id = $1", [keyId]);
    const { client } = await start();
    await expectFailure(validate(client, cookie), "STORAGE_UNAVAILABLE");
    await openSession(client);
  });

  it("refuses to start if every key is one, whatever the tenant (A26)", async () => {
    await database.sql("DELETE FROM sessions WHERE tenant_id = 'default'");
    await database.sql("DELETE FROM signing_keys WHERE tenant_id = 'default'");
    await corrupt(database.sql, lost.keyId);
    const failure = await bootFailure();
    expect(failure.name).to.equal("KeyDecryptionError");
    expect(failure.message).to.include("corrupt");
    expect(await database.sql("SELECT 1 FROM signing_keys")).to.have.length(1);
  });
});
