import { expect } from "chai";
import type { AuditEvent } from "../../src/session/audit.ts";
import { AuditLog } from "../../src/session/audit-log.ts";
import type { AuditStore } from "../../src/session/audit-store.ts";
import { PageTokens } from "../../src/session/pages.ts";
import { rejected } from "../support/expect-reason.ts";
import { context } from "../support/session-fixtures.ts";

type Filter = Parameters<AuditStore["list"]>[0];

const request = {
  tenantId: "t",
  resourceId: "r",
  actingActorId: "a",
  pageSize: 2,
  pageToken: "",
};

function logOver(items: readonly Partial<AuditEvent>[], more: boolean) {
  const filters: Filter[] = [];
  const store: Pick<AuditStore, "list"> = {
    async list(filter) {
      filters.push(filter);
      return { items: items as AuditEvent[], more };
    },
  };
  return { log: new AuditLog(store as AuditStore), filters };
}

describe("audit log", () => {
  it("asks for a page and gives a token for the next one, which goes on after the last", async () => {
    const { log, filters } = logOver([{ id: 9n }, { id: 7n }], true);
    const { nextPageToken } = await log.list(request, context);
    await log.list({ ...request, pageToken: nextPageToken }, context);
    const filter = { tenantId: "t", resourceId: "r", actingActorId: "a", limit: 2 };
    expect(filters).to.deep.equal([
      { ...filter, before: undefined },
      { ...filter, before: 7n },
    ]);
  });

  it("gives no token for the last page", async () => {
    expect((await logOver([{ id: 9n }], false).log.list(request, context)).nextPageToken).to.equal(
      "",
    );
    expect((await logOver([], true).log.list(request, context)).nextPageToken).to.equal("");
  });

  it("ASVS 8.2.2: refuses a token of another tenant's or filter's pages", async () => {
    const { log } = logOver([{ id: 9n }], true);
    const { nextPageToken: pageToken } = await log.list(request, context);
    for (const other of [{ tenantId: "u" }, { resourceId: "" }, { actingActorId: "r" }]) {
      const foreign = log.list({ ...request, ...other, pageToken }, context);
      await rejected(foreign, "INVALID_REQUEST", "page_token");
    }
  });

  it("refuses a position that is no id before the database sees it", async () => {
    const { log, filters } = logOver([], false);
    const tokens = new PageTokens("audit_events", "t", "r", "a");
    for (const position of [[], [""], ["-1"], ["1.5"], ["x"], ["9".repeat(19)]]) {
      const pageToken = tokens.encode(...position);
      await rejected(log.list({ ...request, pageToken }, context), "INVALID_REQUEST", "page_token");
    }
    expect(filters).to.deep.equal([]);
    await log.list({ ...request, pageToken: tokens.encode("9".repeat(18)) }, context);
    expect(filters[0]?.before).to.equal(999_999_999_999_999_999n);
  });
});
