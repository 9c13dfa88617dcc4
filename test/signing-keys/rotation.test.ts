import { expect } from "chai";
import { SigningKeyState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { createTestDatabase } from "../support/database.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { forgeCookie, signingSecret } from "../support/signing-keys.ts";

const RETENTION_SECONDS = 13 * 3600;

describe("behaviours: signing keys", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  const inTenant = (tenantId: string) => openSession(app.client, { actor: newActor({ tenantId }) });
  const rotate = (tenantId: string) =>
    app.client.rotateSigningKey({ tenantId, actingActorId: "key-admin" });
  const keysOf = (tenantId: string) =>
    app.sql<{ id: string; retired_at: Date | null }>(
      "SELECT id, retired_at FROM signing_keys WHERE tenant_id = $1 ORDER BY created_at, id",
      [tenantId],
    );
  const retireAgo = (id: string, seconds: number) =>
    app.sql(
      `UPDATE signing_keys SET retired_at = statement_timestamp() - $2 * interval '1 second'
       WHERE id = $1`,
      [id, seconds],
    );

  it("A09: a key id that no row has is SIGNING_KEY_NOT_FOUND", async () => {
    const { id, cookie } = await openSession(app.client);
    const [, , , mac] = cookie.split(".");
    const unknown = `v1.${id}.sk-${"0".repeat(32)}.${mac}`;
    await expectFailure(validate(app.client, unknown), "SIGNING_KEY_NOT_FOUND");
    await expectFailure(
      app.client.touch({ session: { ref: { case: "cookie", value: unknown } } }),
      "SIGNING_KEY_NOT_FOUND",
    );
  });

  it("A09: a key that is deleted is SIGNING_KEY_NOT_FOUND, though its secret is in memory", async () => {
    const { id, cookie, created } = await inTenant(newTenant());
    const keyId = created.session?.signingKeyId;
    await validate(app.client, cookie);
    await app.sql("DELETE FROM sessions WHERE id = $1", [id]);
    await app.sql("DELETE FROM signing_keys WHERE id = $1", [keyId]);
    await expectFailure(validate(app.client, cookie), "SIGNING_KEY_NOT_FOUND");
  });

  it("A10: a cookie of a retired key is accepted to the end of the retention", async () => {
    const tenantId = newTenant();
    const { id, cookie, created } = await inTenant(tenantId);
    const keyId = created.session?.signingKeyId as string;
    await rotate(tenantId);

    expect((await validate(app.client, cookie)).session?.id).to.equal(id);
    await retireAgo(keyId, RETENTION_SECONDS - 60);
    expect((await validate(app.client, cookie)).session?.id).to.equal(id);
  });

  it("A10: so it is on a replica that never saw the key active", async () => {
    const tenantId = newTenant();
    const { id, cookie } = await inTenant(tenantId);
    await rotate(tenantId);
    const other = await startReplica(app.database.url);
    try {
      expect((await validate(other.client, cookie)).session?.id).to.equal(id);
    } finally {
      await other.stop();
    }
  });

  it("A11: a cookie of a key past its retention is SIGNING_KEY_RETIRED", async () => {
    const tenantId = newTenant();
    const { cookie, created } = await inTenant(tenantId);
    await rotate(tenantId);
    await retireAgo(created.session?.signingKeyId as string, RETENTION_SECONDS);
    await expectFailure(validate(app.client, cookie), "SIGNING_KEY_RETIRED");
  });

  it("A11: it is told only to who has a genuine cookie", async () => {
    const tenantId = newTenant();
    const { id, created } = await inTenant(tenantId);
    const keyId = created.session?.signingKeyId as string;
    await rotate(tenantId);
    await retireAgo(keyId, RETENTION_SECONDS);
    const forged = forgeCookie(id, keyId, Buffer.alloc(32));
    await expectFailure(validate(app.client, forged), "INVALID_COOKIE");
  });

  it("A18: the first key is made at boot, audited as a bootstrap, and a second boot makes none", async () => {
    const database = await createTestDatabase();
    const keys = () => database.sql<{ id: string }>("SELECT id, tenant_id FROM signing_keys");
    try {
      expect(await keys()).to.be.empty;
      await (await startReplica(database.url)).stop();
      const made = await keys();
      expect(made).to.have.length(1);
      const keyId = made[0]?.id as string;
      expect(await auditOf(database.sql, keyId)).to.deep.equal([
        {
          category: "auth",
          action: "auth.session_signing_key_bootstrap",
          acting_actor_id: "",
          calling_service: "sessiond",
          tenant_id: "default",
          resource_type: "signing_key",
          resource_id: keyId,
          details: {},
        },
      ]);

      await (await startReplica(database.url)).stop();
      expect(await keys()).to.deep.equal(made);
      expect(await database.sql("SELECT 1 FROM audit_events")).to.have.length(1);
    } finally {
      await database.drop();
    }
  });

  it("A18: replicas that boot at once make one key between them", async () => {
    const database = await createTestDatabase();
    const replicas: Replica[] = [];
    try {
      const boots = Array.from({ length: 4 }, () => startReplica(database.url));
      replicas.push(...(await Promise.all(boots)));
      const cookies = [];
      for (const { client } of replicas) cookies.push((await openSession(client)).cookie);
      for (const { client } of replicas) {
        for (const cookie of cookies) await validate(client, cookie);
      }

      const bootstraps = await database.sql(
        "SELECT 1 FROM audit_events WHERE action = 'auth.session_signing_key_bootstrap'",
      );
      expect(await database.sql("SELECT 1 FROM signing_keys")).to.have.length(1);
      expect(bootstraps).to.have.length(1);
    } finally {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await database.drop();
    }
  });

  it("A18: a tenant's first Creates, however many at once, make one key", async () => {
    const tenantId = newTenant();
    // With every insertion taking a while, all have begun before the first is done.
    await app.sql(`
      CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.2); RETURN NEW; END $$`);
    await app.sql(`
      CREATE TRIGGER dawdle BEFORE INSERT ON signing_keys
      FOR EACH ROW EXECUTE FUNCTION dawdle()`);
    const opened = await Promise.all(Array.from({ length: 20 }, () => inTenant(tenantId)));
    await app.sql("DROP FUNCTION dawdle CASCADE");

    const [key, ...others] = await keysOf(tenantId);
    expect(others).to.be.empty;
    for (const { created, cookie } of opened) {
      expect(created.session?.signingKeyId).to.equal(key?.id);
      await validate(app.client, cookie);
    }
    const audit = await auditOf(app.sql, key?.id as string);
    expect(audit.map(({ action }) => action)).to.deep.equal(["auth.session_signing_key_bootstrap"]);
    expect(audit[0]?.tenant_id).to.equal(tenantId);
  });

  it("A19: a rotation makes a new active key, retires the old one and is audited with both", async () => {
    const tenantId = newTenant();
    const before = await inTenant(tenantId);
    const oldId = before.created.session?.signingKeyId as string;

    const { activeKey, retiredKey } = await rotate(tenantId);

    const newId = activeKey?.id as string;
    expect(newId).to.not.equal(oldId);
    expect(activeKey).to.deep.include({ tenantId, state: SigningKeyState.ACTIVE });
    expect(retiredKey).to.deep.include({ id: oldId, tenantId, state: SigningKeyState.RETIRED });
    expect(
      (await keysOf(tenantId)).map(({ id, retired_at }) => [id, retired_at !== null]),
    ).to.have.deep.members([
      [oldId, true],
      [newId, false],
    ]);
    expect(await auditOf(app.sql, newId)).to.deep.equal([
      {
        category: "auth",
        action: "auth.session_signing_key_rotated",
        acting_actor_id: "key-admin",
        calling_service: "",
        tenant_id: tenantId,
        resource_type: "signing_key",
        resource_id: newId,
        details: { active_key_id: newId, retired_key_id: oldId },
      },
    ]);

    const after = await inTenant(tenantId);
    expect(after.created.session?.signingKeyId).to.equal(newId);
    for (const { id, cookie } of [before, after]) {
      expect((await validate(app.client, cookie)).session?.id).to.equal(id);
    }
    expect(await signingSecret(app.sql, newId)).to.not.deep.equal(
      await signingSecret(app.sql, oldId),
    );
  });

  it("A19: a rotation that cannot be completed leaves the old key active", async () => {
    const tenantId = newTenant();
    const { cookie } = await inTenant(tenantId);
    const before = await keysOf(tenantId);

    await app.sql("ALTER TABLE audit_events RENAME TO audit_events_away");
    await failureOf(rotate(tenantId));
    await app.sql("ALTER TABLE audit_events_away RENAME TO audit_events");

    expect(await keysOf(tenantId)).to.deep.equal(before);
    await validate(app.client, cookie);
    await inTenant(tenantId);
  });

  it("A19: rotations at once leave one active key, each having replaced another", async () => {
    const tenantId = newTenant();
    const { cookie } = await inTenant(tenantId);

    const rotations = await Promise.all(Array.from({ length: 20 }, () => rotate(tenantId)));

    const keys = await keysOf(tenantId);
    expect(keys).to.have.length(21);
    expect(keys.filter(({ retired_at }) => retired_at === null)).to.have.length(1);
    expect(new Set(rotations.map(({ retiredKey }) => retiredKey?.id)).size).to.equal(20);
    await validate(app.client, cookie);
  });

  it("A19: a rotation of a tenant without keys makes its first one", async () => {
    const tenantId = newTenant();
    const { activeKey, retiredKey } = await rotate(tenantId);
    expect(retiredKey).to.equal(undefined);
    const [audit] = await auditOf(app.sql, activeKey?.id as string);
    expect(audit?.details).to.deep.equal({ active_key_id: activeKey?.id });
    const { created } = await inTenant(tenantId);
    expect(created.session?.signingKeyId).to.equal(activeKey?.id);
  });
});
