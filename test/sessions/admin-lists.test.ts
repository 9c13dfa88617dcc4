import { expect } from "chai";
import { SigningKeyState } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byId, newActor, newTenant, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { numbers } from "../support/in-parallel.ts";
import { allPages } from "../support/pages.ts";

describe("ListSigningKeys and ListAuditEvents", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  async function rotate(tenantId: string): Promise<string> {
    const { activeKey } = await app.client.rotateSigningKey({ tenantId, actingActorId: "admin" });
    return activeKey?.id ?? "";
  }

  async function tenantWithKeys(count: number): Promise<{ tenantId: string; keys: string[] }> {
    const tenantId = newTenant();
    const keys: string[] = [];
    for (const _ of numbers(count)) keys.unshift(await rotate(tenantId));
    return { tenantId, keys };
  }

  it("list a tenant's keys, newest first, with their states and no key material", async () => {
    const { tenantId, keys } = await tenantWithKeys(5);
    await app.sql(
      "UPDATE signing_keys SET retired_at = retired_at - interval '14 hours' WHERE id = $1",
      [keys.at(-1)],
    );

    const pages = await allPages((pageToken) =>
      app.client.listSigningKeys({ tenantId, pageSize: 2, pageToken }),
    );

    expect(pages.map(({ signingKeys }) => signingKeys.length)).to.deep.equal([2, 2, 1]);
    const listed = pages.flatMap(({ signingKeys }) => signingKeys);
    // Those made in the same millisecond come in the order of their ids.
    expect(listed.map(({ id }) => id)).to.have.members(keys);
    const { ACTIVE, RETIRED, EXPIRED } = SigningKeyState;
    const states = new Map(listed.map(({ id, state }) => [id, state]));
    expect(keys.map((id) => states.get(id))).to.deep.equal([
      ACTIVE,
      RETIRED,
      RETIRED,
      RETIRED,
      EXPIRED,
    ]);
    for (const key of listed) {
      expect(Object.keys(key)).to.have.members([
        "$typeName",
        "id",
        "tenantId",
        "state",
        "createdAt",
        ...(key.state === ACTIVE ? [] : ["retiredAt", "verifiesUntil"]),
      ]);
    }
  });

  it("neither repeat nor miss keys when others are made between pages", async () => {
    const { tenantId, keys } = await tenantWithKeys(6);

    const pages = await allPages(
      (pageToken) => app.client.listSigningKeys({ tenantId, pageSize: 2, pageToken }),
      () => rotate(tenantId),
    );

    const ids = pages.flatMap(({ signingKeys }) => signingKeys.map(({ id }) => id));
    expect(ids).to.have.members(keys).and.to.have.lengthOf(keys.length);
  });

  /** A tenant with ten events of its own, and what they are about. */
  async function tenantWithEvents() {
    const tenantId = newTenant();
    const actor = newActor({ tenantId });
    const { id } = await openSession(app.client, { actor });
    for (const index of numbers(7)) {
      await app.client.rotateCsrf({
        target: { case: "session", value: byId(id) },
        actingActorId: index % 2 ? "odd" : "even",
      });
    }
    await app.client.revoke({ session: byId(id), reason: "logout", actingActorId: "admin" });
    return { tenantId, actor, id };
  }

  it("list a tenant's events over all pages, newest first", async () => {
    const { tenantId, id } = await tenantWithEvents();

    const pages = await allPages((pageToken) =>
      app.client.listAuditEvents({ tenantId, pageSize: 4, pageToken }),
    );

    expect(pages.map(({ auditEvents }) => auditEvents.length)).to.deep.equal([4, 4, 2]);
    const events = pages.flatMap(({ auditEvents }) => auditEvents);
    const ids = events.map((event) => event.id);
    expect(ids).to.deep.equal([...ids].sort((one, two) => (one < two ? 1 : -1)));
    expect(events.map(({ action }) => action.replace("auth.session_", ""))).to.deep.equal([
      "revoked",
      ...numbers(7).map(() => "csrf_rotated"),
      "created",
      "signing_key_bootstrap",
    ]);
    expect(new Set(events.slice(0, -1).map(({ resourceId }) => resourceId))).to.deep.equal(
      new Set([id]),
    );
    expect(new Set(events.map((event) => event.tenantId))).to.deep.equal(new Set([tenantId]));
  });

  it("filter events by resource and by acting actor", async () => {
    const { tenantId, id } = await tenantWithEvents();
    const count = async (filter: { resourceId?: string; actingActorId?: string }) => {
      const pages = await allPages((pageToken) =>
        app.client.listAuditEvents({ tenantId, pageSize: 2, pageToken, ...filter }),
      );
      return pages.flatMap(({ auditEvents }) => auditEvents).length;
    };

    expect(await count({ resourceId: id })).to.equal(9);
    expect(await count({ actingActorId: "even" })).to.equal(4);
    expect(await count({ resourceId: id, actingActorId: "odd" })).to.equal(3);
    expect(await count({ resourceId: "nothing" })).to.equal(0);
    const elsewhere = await app.client.listAuditEvents({ tenantId: newTenant(), resourceId: id });
    expect(elsewhere.auditEvents).to.deep.equal([]);
  });

  it("neither repeat nor miss events when others are written between pages", async () => {
    const { tenantId, actor } = await tenantWithEvents();

    const pages = await allPages(
      (pageToken) => app.client.listAuditEvents({ tenantId, pageSize: 3, pageToken }),
      () => openSession(app.client, { actor }),
    );

    const ids = pages.flatMap(({ auditEvents }) => auditEvents.map(({ id }) => id));
    expect(ids).to.have.lengthOf(10);
    expect(new Set(ids).size).to.equal(10);
  });

  it("continue after an event that has been deleted since", async () => {
    const { tenantId } = await tenantWithEvents();
    const first = await app.client.listAuditEvents({ tenantId, pageSize: 3 });
    await app.sql("DELETE FROM audit_events WHERE id = $1", [first.auditEvents.at(-1)?.id]);

    const { auditEvents } = await app.client.listAuditEvents({
      tenantId,
      pageToken: first.nextPageToken,
    });

    expect(auditEvents).to.have.lengthOf(7);
  });
});
