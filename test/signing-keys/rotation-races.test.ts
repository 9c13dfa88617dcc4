import { expect } from "chai";
import { newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { numbers } from "../support/in-parallel.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";

describe("races: signing keys", () => {
  let replicas: TwoReplicas;

  before(async () => {
    replicas = await startTwoReplicas();
  });
  after(() => replicas.stop());

  const clients = ({ app, other }: TwoReplicas) => [app.client, other.client] as const;

  /** Twenty rotations of one tenant at once, half of them on each replica. */
  function rotateTwentyTimes(on: TwoReplicas, tenantId: string) {
    const [one, two] = clients(on);
    return Promise.all(
      numbers(20).map((index) =>
        (index % 2 ? one : two).rotateSigningKey({ tenantId, actingActorId: `admin-${index}` }),
      ),
    );
  }

  async function activeKeys({ app }: TwoReplicas, tenantId: string): Promise<string[]> {
    const rows = await app.sql<{ id: string }>(
      "SELECT id FROM signing_keys WHERE tenant_id = $1 AND retired_at IS NULL",
      [tenantId],
    );
    return rows.map(({ id }) => id);
  }

  it("20 rotations on two replicas leave one active key and each retire another", async () => {
    const tenantId = newTenant();
    const { created } = await openSession(replicas.app.client, { actor: newActor({ tenantId }) });

    const rotations = await rotateTwentyTimes(replicas, tenantId);

    const active = await activeKeys(replicas, tenantId);
    expect(active).to.have.lengthOf(1);
    const made = rotations.map(({ activeKey }) => activeKey?.id);
    const retired = rotations.map(({ retiredKey }) => retiredKey?.id);
    expect(new Set(made).size).to.equal(20);
    // A chain: every key but the last was retired, by one rotation each.
    expect(new Set(retired)).to.deep.equal(
      new Set([created.session?.signingKeyId, ...made.filter((id) => id !== active[0])]),
    );
    const audited = await replicas.app.sql(
      `SELECT resource_id, details->>'retired_key_id' AS retired FROM audit_events
       WHERE tenant_id = $1 AND action = 'auth.session_signing_key_rotated'`,
      [tenantId],
    );
    expect(audited.map(({ resource_id, retired }) => [resource_id, retired])).to.have.deep.members(
      rotations.map(({ activeKey, retiredKey }) => [activeKey?.id, retiredKey?.id]),
    );
  });

  it("while they go on, no Create fails and no cookie is refused on either replica", async () => {
    const tenantId = newTenant();
    const actor = newActor({ tenantId });
    const [one, two] = clients(replicas);
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

    await rotateTwentyTimes(replicas, tenantId);
    rotating = false;
    await Promise.all(users);

    expect(cookies).to.have.length.greaterThan(8);
    const keys = new Set(cookies.map((cookie) => cookie.split(".")[2]));
    expect(keys.size, "cookies of several keys").to.be.greaterThan(1);
    for (const cookie of cookies) await Promise.all([validate(one, cookie), validate(two, cookie)]);
    expect(await activeKeys(replicas, tenantId)).to.have.lengthOf(1);
  });

  it("the control: without the unique index, there is more than one active key", async () => {
    const unguarded = await startTwoReplicas();
    try {
      const { app } = unguarded;
      const tenants = numbers(20).map(newTenant);
      for (const tenantId of tenants) {
        await openSession(app.client, { actor: newActor({ tenantId }) });
      }
      await app.sql("DROP INDEX signing_keys_one_active_per_tenant");

      for (const tenantId of tenants) {
        await rotateTwentyTimes(unguarded, tenantId);
        if ((await activeKeys(unguarded, tenantId)).length > 1) return;
      }
      expect.fail("rotations did not get in each other's way, so that nothing was shown");
    } finally {
      await unguarded.stop();
    }
  });

  it("the first Create of a tenant by 20 callers at once makes one key", async () => {
    const [one, two] = clients(replicas);
    for (const tenantId of numbers(5).map(newTenant)) {
      const sessions = await Promise.all(
        numbers(20).map((index) =>
          openSession(index % 2 ? one : two, { actor: newActor({ tenantId }) }),
        ),
      );

      const keys = await replicas.app.sql("SELECT id FROM signing_keys WHERE tenant_id = $1", [
        tenantId,
      ]);
      expect(keys).to.have.lengthOf(1);
      for (const { cookie, created } of sessions) {
        expect(created.session?.signingKeyId).to.equal(keys[0]?.id);
        await Promise.all([validate(one, cookie), validate(two, cookie)]);
      }
      const audited = await replicas.app.sql(
        "SELECT resource_id FROM audit_events WHERE tenant_id = $1 AND action LIKE '%bootstrap'",
        [tenantId],
      );
      expect(audited).to.deep.equal([{ resource_id: keys[0]?.id }]);
    }
  });
});
