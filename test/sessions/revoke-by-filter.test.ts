import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import fc from "fast-check";
import { byCookie, byId, newActor, newTenant, openSession } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { cloneSessions } from "../support/clone-sessions.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { type HeldTransaction, holdTransaction } from "../support/transaction.ts";
import { until, untilQueuedBehind, untilQueuedSecond } from "../support/until.ts";

/** How many sessions one call revokes. */
const MAX_REVOKED = 500;
const acting = { reason: "incident", actingActorId: "root" };
const ACTIVE = 1;
const REVOKED = 4;

type Request = Parameters<TestApp["client"]["revokeSessions"]>[0];

describe("RevokeSessions", () => {
  let app: TestApp;
  let held: HeldTransaction | undefined;
  before(async () => {
    app = await startTestApp();
  });
  afterEach(() => held?.end());
  after(() => app?.stop());

  const open = (tenantId: string, more: Parameters<typeof openSession>[1] = {}) =>
    openSession(app.client, { ...more, actor: newActor({ tenantId }) });
  const stateOf = async (id: string) =>
    (await app.client.get({ session: byId(id) })).session?.state;

  /** Repeats the call while there is more; `between` runs after each call but the last. */
  async function revokeAll(request: Request, between: () => Promise<unknown> = async () => {}) {
    const calls = [await app.client.revokeSessions({ ...acting, ...request })];
    for (let last = calls[0]; last?.more; ) {
      if (calls.length > 100) throw new Error("the calls have no end");
      await between();
      const { nextPageToken: pageToken } = last;
      last = await app.client.revokeSessions({ ...acting, ...request, pageToken });
      calls.push(last);
    }
    expect(calls.at(-1)?.nextPageToken).to.equal("");
    return calls;
  }
  const processed = (calls: readonly { processed: number }[]) =>
    calls.reduce((sum, call) => sum + call.processed, 0);

  it("revokes what the filter selects, and audits each", async () => {
    const tenantId = newTenant();
    const stolen = [await open(tenantId, { userAgent: "Stolen/1" })];
    stolen.push(await open(tenantId, { userAgent: "a stolen one" }));
    const other = await open(tenantId, { userAgent: "Firefox" });
    const request = { filter: { tenantId, userAgentContains: "stolen" } };
    expect(processed(await revokeAll(request))).to.equal(2);
    for (const { id } of stolen) {
      const { session } = await app.client.get({ session: byId(id) });
      expect(session?.state).to.equal(REVOKED);
      expect([session?.revokeReason, session?.revokedBy]).to.deep.equal(["incident", "root"]);
      const revoked = (await auditOf(app.sql, id)).filter(
        ({ action }) => action === "auth.session_revoked",
      );
      expect(revoked.map((event) => [event.acting_actor_id, event.details])).to.deep.equal([
        ["root", { reason: "incident" }],
      ]);
    }
    expect(await stateOf(other.id)).to.equal(ACTIVE);
    // Repeated, it changes nothing.
    expect(processed(await revokeAll({ ...request, reason: "again" }))).to.equal(0);
  });

  it("revokes everything only if that is asked for", async () => {
    for (const filter of [undefined, {}]) {
      const call = app.client.revokeSessions({ ...acting, ...(filter && { filter }) });
      await expectFailure(call, "INVALID_REQUEST", { field: "filter" });
    }
    const both = { ...acting, filter: { actorType: "user" }, everything: true };
    await expectFailure(app.client.revokeSessions(both), "INVALID_REQUEST", {
      field: "everything",
    });
    const opened = [await open(newTenant()), await open(newTenant())];
    await revokeAll({ everything: true });
    for (const { id } of opened) expect(await stateOf(id)).to.equal(REVOKED);
    expect(await app.client.listSessions({})).to.include({ nextPageToken: "" });
  });

  describe("in a dry run (M05)", () => {
    it("changes nothing, and tells what the same calls revoke", async () => {
      const tenantId = newTenant();
      const { id } = await open(tenantId);
      await cloneSessions(app.sql, id, MAX_REVOKED + 24);
      const filter = { tenantId };
      const before = await app.sql("SELECT * FROM sessions WHERE tenant_id = $1", [tenantId]);
      const preview = await revokeAll({ filter, dryRun: true });
      expect(
        await app.sql("SELECT * FROM sessions WHERE tenant_id = $1", [tenantId]),
      ).to.deep.equal(before);
      expect(preview.map((call) => [call.processed, call.sample.length, call.more])).to.deep.equal([
        [MAX_REVOKED, 20, true],
        [25, 20, false],
      ]);
      expect(preview[0]?.sample[0]?.id).to.equal(id);
      const calls = await revokeAll({ filter });
      expect(calls.map((call) => [call.processed, call.sample.length, call.more])).to.deep.equal([
        [MAX_REVOKED, 0, true],
        [25, 0, false],
      ]);
      const live = "SELECT FROM sessions WHERE tenant_id = $1 AND revoked_at IS NULL";
      expect(await app.sql(live, [tenantId])).to.deep.equal([]);
    });

    it("gives no token for the real calls, nor for another filter or reason", async () => {
      const tenantId = newTenant();
      const { id } = await open(tenantId);
      await cloneSessions(app.sql, id, MAX_REVOKED);
      const request = { ...acting, filter: { tenantId }, dryRun: true };
      const { nextPageToken: pageToken } = await app.client.revokeSessions(request);
      expect(pageToken).not.to.equal("");
      for (const other of [
        { dryRun: false },
        { reason: "logout" },
        { actingActorId: "other" },
        { filter: { tenantId, actorType: "user" } },
        { pageToken: Buffer.from(JSON.stringify(["x", id, "1"])).toString("base64url") },
      ]) {
        const call = app.client.revokeSessions({ ...request, pageToken, ...other });
        await expectFailure(call, "INVALID_REQUEST", { field: "page_token" });
      }
      const [scope] = JSON.parse(Buffer.from(pageToken, "base64url").toString());
      for (const position of [[id], [id, "soon"], ["x", "1"], []]) {
        const forged = Buffer.from(JSON.stringify([scope, ...position])).toString("base64url");
        const call = app.client.revokeSessions({ ...request, pageToken: forged });
        await expectFailure(call, "INVALID_REQUEST", { field: "page_token" });
      }
      await app.sql("DELETE FROM sessions WHERE tenant_id = $1", [tenantId]);
    });

    it("equals what is then revoked, for any filter (property)", async () => {
      const tenantId = newTenant();
      const draw = fc.record(
        {
          appType: fc.constantFrom("shop", "api"),
          ipAddress: fc.constantFrom("192.0.2.1", "192.0.2.0/24", "2001:db8::/32"),
          userAgentContains: fc.constantFrom("fire", "FOX", "chrome"),
        },
        { requiredKeys: [] },
      );
      const appTypes = ["shop", "api", ""];
      const addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1", ""];
      const agents = ["Firefox", "Chrome", ""];
      const property = fc.asyncProperty(draw, async (drawn) => {
        await app.sql("DELETE FROM sessions WHERE tenant_id = $1", [tenantId]);
        for (const index of numbers(6)) {
          await open(tenantId, {
            appType: appTypes[index % 3] ?? "",
            ipAddress: addresses[index % 4] ?? "",
            userAgent: agents[(index * 2) % 3] ?? "",
          });
        }
        const request = { filter: { tenantId, ...drawn } };
        const [preview] = await revokeAll({ ...request, dryRun: true });
        const [call] = await revokeAll(request);
        expect(call?.processed).to.equal(preview?.processed);
        const rows = await app.sql<{ id: string }>(
          "SELECT id FROM sessions WHERE tenant_id = $1 AND revoked_at IS NOT NULL",
          [tenantId],
        );
        const previewed = preview?.sample.map(({ id }) => id) ?? [];
        expect(rows.map(({ id }) => id)).to.have.members(previewed);
      });
      await fc.assert(property, { numRuns: 25 });
    });
  });

  describe("while sessions come and are rotated (M04)", () => {
    /** More sessions of the tenant than one call revokes, of which the returned one is reached last. */
    async function crowd(tenantId: string) {
      const last = await open(tenantId);
      await laterThan(last.id);
      const next = await open(tenantId);
      await cloneSessions(app.sql, next.id, MAX_REVOKED);
      await app.sql(
        `UPDATE sessions SET id = left($2, 16) || right(id, 32) WHERE tenant_id = $1 AND id <> $3`,
        [tenantId, next.id, last.id],
      );
      await laterThan(next.id);
      return last;
    }

    /** Until new ids are of a later millisecond. */
    const laterThan = (id: string) =>
      until("the next millisecond", async () => Date.now() > Number.parseInt(id.slice(4, 16), 16));

    it("revokes the session in the place of one that is rotated between two calls", async () => {
      for (const rotations of [1, 3, 9, 20]) {
        const tenantId = newTenant();
        const { id, cookie } = await crowd(tenantId);
        let current = cookie;
        let successor = "";
        const calls = await revokeAll({ filter: { tenantId } }, async () => {
          for (const _ of numbers(rotations)) {
            const rotated = await app.client.rotateSession({ session: byCookie(current) });
            current = rotated.cookie;
            successor = rotated.session?.id ?? "";
          }
        });
        expect(calls).to.have.length(2);
        expect(processed(calls)).to.equal(MAX_REVOKED + 2);
        expect(await stateOf(id)).to.equal(REVOKED);
        const { session } = await app.client.get({ session: byId(successor) });
        expect([session?.state, session?.revokeReason]).to.deep.equal([REVOKED, "incident"]);
      }
    });

    it("does not count the session in the place of a rotated one if that has ended, too", async () => {
      const tenantId = newTenant();
      const { cookie } = await crowd(tenantId);
      const calls = await revokeAll({ filter: { tenantId } }, async () => {
        const rotated = await app.client.rotateSession({ session: byCookie(cookie) });
        await app.client.revoke({ session: byCookie(rotated.cookie), reason: "logout" });
      });
      expect(calls).to.have.length(2);
      // All of the crowd but the last one.
      expect(processed(calls)).to.equal(MAX_REVOKED + 1);
    });

    it("revokes the session in the place of one that is rotated during the call", async () => {
      const tenantId = newTenant();
      const { id, cookie } = await open(tenantId);
      held = await holdTransaction(app.database);
      await held.query("SELECT FROM sessions WHERE id = $1 FOR UPDATE", [id]);
      const rotation = app.client.rotateSession({ session: byCookie(cookie) });
      rotation.catch(() => {});
      await untilQueuedBehind(app.sql, held.pid, app);
      const call = app.client.revokeSessions({ ...acting, filter: { tenantId } });
      // The revocation, which has found the session, comes after the rotation.
      await untilQueuedSecond(app.sql, app, 2);

      await held.commit();

      const { session } = await rotation;
      expect((await call).processed).to.equal(1);
      expect(await stateOf(session?.id ?? "")).to.equal(REVOKED);
    });

    it("does not follow a rotation to a session that was used since, if the filter is for unused ones", async () => {
      const tenantId = newTenant();
      const { id, cookie } = await crowd(tenantId);
      const seenBefore = timestampFromMs(Date.now() - 60_000);
      await app.sql(
        "UPDATE sessions SET last_seen_at = now() - interval '10 minutes' WHERE tenant_id = $1",
        [tenantId],
      );
      let successor = "";
      await revokeAll({ filter: { tenantId, seenBefore } }, async () => {
        const { session } = await app.client.rotateSession({ session: byCookie(cookie) });
        successor = session?.id ?? "";
      });
      expect(await stateOf(successor)).to.equal(ACTIVE);
      expect(await stateOf(id)).to.equal(REVOKED);
    });

    it("leaves those alone that were created after the first call, wherever their ids are", async () => {
      const tenantId = newTenant();
      await crowd(tenantId);
      const later: string[] = [];
      const calls = await revokeAll({ filter: { tenantId } }, async () => {
        const above = await open(tenantId);
        const below = await open(tenantId);
        // As of a replica whose clock is behind: the next call reads it.
        const id = `ses-${"0".repeat(12)}${below.id.slice(16)}`;
        await app.sql("UPDATE sessions SET id = $2 WHERE id = $1", [below.id, id]);
        later.push(above.id, id);
      });
      expect(calls).to.have.length(2);
      expect(processed(calls)).to.equal(MAX_REVOKED + 2);
      for (const id of later) expect(await stateOf(id)).to.equal(ACTIVE);
    });

    it("ends, although each call is followed by as many Creates as it revokes", async () => {
      const tenantId = newTenant();
      const { id } = await crowd(tenantId);
      const calls = await revokeAll({ filter: { tenantId } }, async () => {
        const clones = await cloneSessions(app.sql, id, MAX_REVOKED);
        await app.sql(
          `UPDATE sessions SET id = 'ses-' || repeat('0', 12) || md5(id), created_at = now(),
             revoked_at = NULL
           WHERE id = ANY ($1)`,
          [clones],
        );
      });
      expect(calls.length).to.be.lessThan(5);
      expect(processed(calls)).to.equal(MAX_REVOKED + 2);
      await app.sql("DELETE FROM sessions WHERE tenant_id = $1", [tenantId]);
    });
  });
});
