import { expect } from "chai";
import type { AuditEntry } from "../../../src/session/audit.ts";
import type { AuditQuery } from "../../../src/session/audit-store.ts";
import type { TenantId } from "../../../src/session/ids.ts";
import { numbers } from "../../support/in-parallel.ts";
import { anyAudit, context, type Given, newTenant } from "./stores.ts";

function entry(tenantId: TenantId, facts: Partial<AuditEntry> = {}): AuditEntry {
  return {
    action: "auth.session_refused",
    actingActorId: "alice",
    callingService: "contract",
    tenantId,
    resourceType: "session",
    resourceId: "one",
    details: { reason: "REVOKED", "q'uote": 'é"\\' },
    ...facts,
  };
}

export function auditStore(given: Given): void {
  const list = (tenantId: TenantId, query: Partial<AuditQuery> = {}) =>
    given().audit.list({ ...anyAudit, tenantId, ...query }, context);

  describe("AuditStore", () => {
    it("keeps entries as they are given, at its own clock", async () => {
      const tenantId = newTenant();
      const before = await given().now();
      await given().audit.append([entry(tenantId)], context);
      const { items, next } = await list(tenantId);
      expect(items).to.have.length(1);
      expect(items[0]).to.deep.include(entry(tenantId));
      expect(items[0]?.id).to.be.a("bigint");
      expect(items[0]?.occurredAt).to.be.within(before, await given().now());
      expect(next).to.equal(undefined);
    });

    it("takes many entries at once, and none at all", async () => {
      const tenantId = newTenant();
      await given().audit.append([], context);
      await given().audit.append(
        numbers(150).map(() => entry(tenantId)),
        context,
      );
      expect((await list(tenantId)).items).to.have.length(150);
    });

    it("lists newest first, page by page, each once", async () => {
      const tenantId = newTenant();
      for (const index of numbers(5)) {
        await given().audit.append([entry(tenantId, { resourceId: String(index) })], context);
      }
      const found: string[] = [];
      let position: bigint | undefined;
      do {
        const { items, next } = await list(tenantId, { position, limit: 2 });
        expect(items.length).to.be.at.most(2);
        found.push(...items.map(({ resourceId }) => resourceId));
        position = next;
      } while (position !== undefined);
      expect(found).to.deep.equal(["4", "3", "2", "1", "0"]);
    });

    it("filters by resource, by acting actor and by both, within the tenant", async () => {
      const [tenantId, other] = [newTenant(), newTenant()];
      const pairs = [
        ["one", "alice"],
        ["one", "bob"],
        ["two", "alice"],
      ] as const;
      for (const tenant of [tenantId, other]) {
        const entries = pairs.map(([resourceId, actingActorId]) =>
          entry(tenant, { resourceId, actingActorId }),
        );
        await given().audit.append(entries, context);
      }
      const found = async (filter: { resourceId?: string; actingActorId?: string }) => {
        const { items } = await list(tenantId, filter);
        for (const item of items) expect(item.tenantId).to.equal(tenantId);
        return items.map(({ resourceId, actingActorId }) => [resourceId, actingActorId]);
      };
      const [first, second, third] = pairs;
      expect(await found({})).to.have.deep.members([first, second, third]);
      expect(await found({ resourceId: "one" })).to.have.deep.members([first, second]);
      expect(await found({ actingActorId: "alice" })).to.have.deep.members([first, third]);
      const both = { resourceId: "one", actingActorId: "alice" };
      expect(await found(both)).to.deep.equal([first]);
      expect(await found({ resourceId: "three" })).to.deep.equal([]);
    });
  });
}
