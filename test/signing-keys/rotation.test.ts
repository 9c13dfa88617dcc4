import { expect } from "chai";
import { SigningKeyState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { signingKeyStateAt, verifiesUntil } from "../../src/session/signing-key.ts";
import { newActor, newTenant, openSession, validate } from "../support/actors.ts";
import type { Replica, TestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { expectFailure, failureOf } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { T0, timeouts } from "../support/session-fixtures.ts";
import { forgeCookie, signingSecret } from "../support/signing-keys.ts";
import { holdTransaction } from "../support/transaction.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";
import { untilWaiting } from "../support/until.ts";
import { withReplica } from "../support/with-replica.ts";

const RETENTION_SECONDS = 13 * 3600;
/** How often two replicas rotate at once: 1000 times shows more, and takes minutes. */
const ROUNDS = Number(process.env.SESSIOND_TEST_ROTATION_ROUNDS ?? 200);

const openIn = ({ client }: Replica, tenantId: string) =>
  openSession(client, { actor: newActor({ tenantId }) });

function keysOf({ app }: TwoReplicas, tenantId: string) {
  return app.sql<{ id: string; retired_at: Date | null }>(
    "SELECT id, retired_at FROM signing_keys WHERE tenant_id = $1 ORDER BY created_at, id",
    [tenantId],
  );
}

async function activeKeys(on: TwoReplicas, tenantId: string): Promise<string[]> {
  const keys = await keysOf(on, tenantId);
  return keys.filter(({ retired_at }) => retired_at === null).map(({ id }) => id);
}

/** Twenty rotations of one tenant at once, half of them on each replica. */
function rotateTwentyTimes({ app, other }: TwoReplicas, tenantId: string) {
  return Promise.all(
    numbers(20).map((index) =>
      (index % 2 ? app : other).client.rotateSigningKey({
        tenantId,
        actingActorId: `admin-${index}`,
      }),
    ),
  );
}

describe("signing-key rotation", () => {
  let replicas: TwoReplicas;
  let app: TestApp;
  let other: Replica;
  before(async () => {
    replicas = await startTwoReplicas();
    ({ app, other } = replicas);
  });
  after(() => replicas.stop());

  const rotate = (tenantId: string) =>
    app.client.rotateSigningKey({ tenantId, actingActorId: "key-admin" });
  const retireAgo = (id: string, seconds: number) =>
    app.sql(
      `UPDATE signing_keys SET retired_at = statement_timestamp() - $2 * interval '1 second'
       WHERE id = $1`,
      [id, seconds],
    );

  /** A session whose key was retired by a rotation. */
  async function withRetiredKey() {
    const tenantId = newTenant();
    const opened = await openIn(app, tenantId);
    await rotate(tenantId);
    return { ...opened, keyId: opened.created.session?.signingKeyId ?? "" };
  }

  it("makes a new active key, retires the old one and is audited with both (A19, fault 4)", async () => {
    const tenantId = newTenant();
    const before = await openIn(app, tenantId);
    const oldId = before.created.session?.signingKeyId as string;

    const { activeKey, retiredKey } = await rotate(tenantId);

    const newId = activeKey?.id as string;
    expect(newId).to.not.equal(oldId);
    expect(activeKey).to.deep.include({ tenantId, state: SigningKeyState.ACTIVE });
    expect(retiredKey).to.deep.include({ id: oldId, tenantId, state: SigningKeyState.RETIRED });
    expect(
      (await keysOf(replicas, tenantId)).map(({ id, retired_at }) => [id, retired_at !== null]),
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

    const after = await openIn(app, tenantId);
    expect(after.created.session?.signingKeyId).to.equal(newId);
    for (const { id, cookie } of [before, after]) {
      expect((await validate(app.client, cookie)).session?.id).to.equal(id);
    }
    expect(await signingSecret(app.sql, newId)).to.not.deep.equal(
      await signingSecret(app.sql, oldId),
    );
  });

  it("leaves the old key active if it cannot be completed (A19, fault 4)", async () => {
    const tenantId = newTenant();
    const { cookie } = await openIn(app, tenantId);
    const before = await keysOf(replicas, tenantId);

    await app.sql("ALTER TABLE audit_events RENAME TO audit_events_away");
    await failureOf(rotate(tenantId));
    await app.sql("ALTER TABLE audit_events_away RENAME TO audit_events");

    expect(await keysOf(replicas, tenantId)).to.deep.equal(before);
    await validate(app.client, cookie);
    await openIn(app, tenantId);
  });

  it("makes the first key of a tenant without keys (A19)", async () => {
    const tenantId = newTenant();
    const { activeKey, retiredKey } = await rotate(tenantId);
    expect(retiredKey).to.equal(undefined);
    const [audit] = await auditOf(app.sql, activeKey?.id as string);
    expect(audit?.details).to.deep.equal({ active_key_id: activeKey?.id });
    const { created } = await openIn(app, tenantId);
    expect(created.session?.signingKeyId).to.equal(activeKey?.id);
  });

  it("keeps cookies of the retired key valid to the end of the retention (A10, fault 3)", async () => {
    const { id, cookie, keyId } = await withRetiredKey();
    expect((await validate(app.client, cookie)).session?.id).to.equal(id);
    await retireAgo(keyId, RETENTION_SECONDS - 60);
    expect((await validate(app.client, cookie)).session?.id).to.equal(id);
  });

  it("keeps them valid on a replica that never saw the key active (A10)", async () => {
    const { id, cookie } = await withRetiredKey();
    await withReplica(app.database.url, {}, async ({ client }) => {
      expect((await validate(client, cookie)).session?.id).to.equal(id);
    });
  });

  it("refuses cookies of a key past its retention with SIGNING_KEY_RETIRED (A11)", async () => {
    const { id, cookie, keyId } = await withRetiredKey();
    await retireAgo(keyId, RETENTION_SECONDS);
    await expectFailure(validate(app.client, cookie), "SIGNING_KEY_RETIRED");
    // Only a genuine cookie gets this reason.
    const forged = forgeCookie(id, keyId, Buffer.alloc(32));
    await expectFailure(validate(app.client, forged), "INVALID_COOKIE");
  });

  it("refuses cookies of a deleted key, although its secret is cached (A09)", async () => {
    const { id, cookie, created } = await openIn(app, newTenant());
    await validate(app.client, cookie);
    await app.sql("DELETE FROM sessions WHERE id = $1", [id]);
    await app.sql("DELETE FROM signing_keys WHERE id = $1", [created.session?.signingKeyId]);
    await expectFailure(validate(app.client, cookie), "SIGNING_KEY_NOT_FOUND");
  });

  it("leaves one active key and a chain of retired ones after 20 at once on two replicas (A19)", async () => {
    const tenantId = newTenant();
    const { created, cookie } = await openIn(app, tenantId);

    const rotations = await rotateTwentyTimes(replicas, tenantId);

    const active = await activeKeys(replicas, tenantId);
    expect(active).to.have.lengthOf(1);
    expect(await keysOf(replicas, tenantId)).to.have.lengthOf(21);
    const made = rotations.map(({ activeKey }) => activeKey?.id);
    const retired = rotations.map(({ retiredKey }) => retiredKey?.id);
    expect(new Set(made).size).to.equal(20);
    // A chain: every key but the last was retired, by one rotation each.
    expect(new Set(retired)).to.deep.equal(
      new Set([created.session?.signingKeyId, ...made.filter((id) => id !== active[0])]),
    );
    const audited = await app.sql(
      `SELECT resource_id, details->>'retired_key_id' AS retired FROM audit_events
       WHERE tenant_id = $1 AND action = 'auth.session_signing_key_rotated'`,
      [tenantId],
    );
    expect(audited.map(({ resource_id, retired }) => [resource_id, retired])).to.have.deep.members(
      rotations.map(({ activeKey, retiredKey }) => [activeKey?.id, retiredKey?.id]),
    );
    await validate(app.client, cookie);
  });

  it("lets no Create fail and no cookie be refused meanwhile on two replicas (A19)", async () => {
    const tenantId = newTenant();
    const actor = newActor({ tenantId });
    const [one, two] = [app.client, other.client];
    const cookies = [(await openSession(one, { actor })).cookie];
    let rotating = true;
    const users = numbers(4).map(async (index) => {
      const [here, there] = index % 2 ? [one, two] : [two, one];
      while (rotating) {
        const { cookie } = await openSession(here, { actor });
        cookies.push(cookie);
        await validate(there, cookie);
        await validate(there, cookies[0] ?? "");
      }
    });

    // They go on until there have been enough Creates, with cookies of several keys.
    const keys = () => new Set(cookies.map((cookie) => cookie.split(".")[2]));
    while (cookies.length <= 8 || keys().size <= 1) await rotateTwentyTimes(replicas, tenantId);
    rotating = false;
    await Promise.all(users);

    for (const cookie of cookies) await Promise.all([validate(one, cookie), validate(two, cookie)]);
    expect(await activeKeys(replicas, tenantId)).to.have.lengthOf(1);
  });

  it("leaves one active key, and no cookie is refused, each time that two replicas rotate at once (A19)", async () => {
    const tenantId = newTenant();
    const { cookie: first } = await openIn(app, tenantId);
    for (const _ of numbers(ROUNDS)) {
      const rotations = [app, other].map(({ client }) =>
        client.rotateSigningKey({ tenantId, actingActorId: "root" }),
      );
      // A login meanwhile, with the key before, between or after the rotations.
      const { cookie } = await openIn(other, tenantId);
      await validate(app.client, cookie);
      const made = (await Promise.all(rotations)).map(({ activeKey }) => activeKey?.id);
      expect(new Set(made).size).to.equal(2);
      const active = await activeKeys(replicas, tenantId);
      expect(active).to.have.lengthOf(1);
      expect(made).to.include(active[0]);
      // A replica sees a key of the other one for the first time.
      const { cookie: next } = await openIn(app, tenantId);
      for (const one of [first, cookie, next]) await validate(other.client, one);
    }
    expect(await keysOf(replicas, tenantId)).to.have.lengthOf(1 + 2 * ROUNDS);
  });

  it("the control: without the unique index, there is more than one active key", async () => {
    const unguarded = await startTwoReplicas();
    try {
      const tenants = numbers(20).map(newTenant);
      for (const tenantId of tenants) await openIn(unguarded.app, tenantId);
      await unguarded.app.sql("DROP INDEX signing_keys_one_active_per_tenant");

      for (const tenantId of tenants) {
        // They all have to wait for the active key, so that they meet.
        const held = await holdTransaction(unguarded.app.database);
        await held.query("SELECT FROM signing_keys WHERE tenant_id = $1 FOR UPDATE", [tenantId]);
        const rotations = rotateTwentyTimes(unguarded, tenantId);
        await untilWaiting(unguarded.app.sql, 2);
        await held.commit();
        await rotations;
        if ((await activeKeys(unguarded, tenantId)).length > 1) return;
      }
      expect.fail("the rotations did not collide, so that nothing was shown");
    } finally {
      await unguarded.stop();
    }
  });
});

describe("signing-key state", () => {
  it("is retired until the retention ends, and expired at that instant (A10, A11)", () => {
    const retired = { retiredAt: T0 };
    const until = T0 + timeouts.keyRetentionMs;
    expect(verifiesUntil(retired, timeouts)).to.equal(until);
    const states = [T0, until - 1, until, until + 1].map((now) =>
      signingKeyStateAt(retired, now, timeouts),
    );
    expect(states).to.deep.equal(["RETIRED", "RETIRED", "EXPIRED", "EXPIRED"]);
  });

  it("is active without end for a key that is not retired", () => {
    const active = { retiredAt: undefined };
    expect(verifiesUntil(active, timeouts)).to.equal(undefined);
    expect(signingKeyStateAt(active, Number.MAX_SAFE_INTEGER, timeouts)).to.equal("ACTIVE");
  });
});
