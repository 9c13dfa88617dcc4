import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import fc from "fast-check";
import type { SessionFilter } from "../../gen/es/sessiond/v1/session_pb.ts";
import { normalizedIpNetwork } from "../../src/session/ip-address.ts";
import { byId, newActor, newTenant, openSession } from "../support/actors.ts";
import {
  type Replica,
  type SessionClient,
  startReplica,
  startTestApp,
  type TestApp,
} from "../support/app.ts";
import { age, idle } from "../support/back-dating.ts";
import {
  type CallerClient,
  clientOf,
  createTestFile,
  newToken,
  type TestFile,
  tokenLine,
  withToken,
} from "../support/callers.ts";
import { cloneSessions } from "../support/clone-sessions.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { allPages } from "../support/pages.ts";

type Filter = Partial<Omit<SessionFilter, "$typeName" | "$unknown">>;

/** How many rows one call reads. */
const MAX_ROWS = 5000;

describe("search across actors", () => {
  let app: TestApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app?.stop());

  /** The sessions that are found on all pages. */
  async function search(filter: Filter, more: { includeEnded?: boolean; pageSize?: number } = {}) {
    const pages = await allPages((pageToken) =>
      app.client.listSessions({ filter, ...more, pageToken }),
    );
    return pages.flatMap(({ sessions }) => sessions.map(({ id }) => id));
  }

  describe("a filter (M01)", () => {
    const tenantId = newTenant();
    const hour = 3_600_000;
    const ids = {} as Record<"phone" | "laptop" | "robot" | "before login", string>;

    before(async () => {
      const { client } = app;
      const open = async (actorType: string, request: Parameters<typeof openSession>[1]) =>
        (await openSession(client, { ...request, actor: newActor({ tenantId, actorType }) })).id;
      ids.phone = await open("user", {
        appType: "shop",
        ipAddress: "192.0.2.7",
        userAgent: "Firefox/100 (Android) 50%_off",
      });
      ids.laptop = await open("user", { ipAddress: "2001:db8::7", userAgent: "CHROME/1 (Linux)" });
      ids.robot = await open("service_account", { appType: "api" });
      const { session } = await client.create({ preLogin: true, actor: { tenantId } });
      ids["before login"] = session?.id ?? "";
      await age(app, ids.laptop, 7200);
      await idle(app, ids.phone, 600);
    });

    const at = (ms: number) => timestampFromMs(Date.now() + ms);
    // A function, because a file may be loaded long before its tests run.
    const cases: [string, Filter | (() => Filter), (keyof typeof ids)[]][] = [
      ["nothing but the tenant", {}, ["phone", "laptop", "robot", "before login"]],
      ["the type of actor", { actorType: "user" }, ["phone", "laptop"]],
      ["the application", { appType: "shop" }, ["phone"]],
      ["an address", { ipAddress: "192.0.2.7" }, ["phone"]],
      ["an address in another form", { ipAddress: "::ffff:192.0.2.7" }, ["phone"]],
      ["another address", { ipAddress: "192.0.2.70" }, []],
      ["a network", { ipAddress: "192.0.2.0/29" }, ["phone"]],
      ["a network beside it", { ipAddress: "192.0.2.8/29" }, []],
      ["a network of IPv6", { ipAddress: "2001:db8::/32" }, ["laptop"]],
      ["all addresses of IPv4", { ipAddress: "0.0.0.0/0" }, ["phone"]],
      ["a part of the user agent", { userAgentContains: "firefox" }, ["phone"]],
      ["the same in capitals", { userAgentContains: "LINUX" }, ["laptop"]],
      ["a percent sign, which stands for itself", { userAgentContains: "50%_OFF" }, ["phone"]],
      ["a pattern, which is none", { userAgentContains: "fire%" }, []],
      ["created since", () => ({ createdSince: at(-hour) }), ["phone", "robot", "before login"]],
      ["created before", () => ({ createdBefore: at(-hour) }), ["laptop"]],
      [
        "created in between",
        () => ({ createdSince: at(-3 * hour), createdBefore: at(-hour) }),
        ["laptop"],
      ],
      ["seen since", () => ({ seenSince: at(-hour / 12) }), ["robot", "before login"]],
      ["seen before", () => ({ seenBefore: at(-hour / 12) }), ["phone", "laptop"]],
      ["several fields", () => ({ actorType: "user", seenSince: at(-hour / 2) }), ["phone"]],
    ];
    for (const [what, filter, expected] of cases) {
      it(`by ${what}`, async () => {
        const fields = typeof filter === "function" ? filter() : filter;
        const found = await search({ tenantId, ...fields }, { includeEnded: true });
        expect(found).to.have.members(expected.map((name) => ids[name]));
      });
    }

    it("is of all tenants without one", async () => {
      const other = await openSession(app.client, { userAgent: `only ${tenantId}` });
      expect(await search({ userAgentContains: tenantId })).to.deep.equal([other.id]);
    });
  });

  describe("times (M03)", () => {
    it("are from the first to just before the second, to the millisecond", async () => {
      const tenantId = newTenant();
      const { id } = await openSession(app.client, { actor: newActor({ tenantId }) });
      const times = { created_at: Date.now() - 120_000, last_seen_at: Date.now() - 60_000 };
      for (const [column, ms] of Object.entries(times)) {
        await app.sql(`UPDATE sessions SET ${column} = $2 WHERE id = $1`, [id, new Date(ms)]);
      }
      const { created_at: created, last_seen_at: seen } = times;
      const found: [Filter, boolean][] = [
        [{ createdSince: timestampFromMs(created) }, true],
        [{ createdSince: timestampFromMs(created + 1) }, false],
        [{ createdBefore: timestampFromMs(created) }, false],
        [{ createdBefore: timestampFromMs(created + 1) }, true],
        [{ seenSince: timestampFromMs(seen) }, true],
        [{ seenSince: timestampFromMs(seen + 1) }, false],
        [{ seenBefore: timestampFromMs(seen) }, false],
        [{ seenBefore: timestampFromMs(seen + 1) }, true],
      ];
      for (const [filter, expected] of found) {
        const ids = await search({ tenantId, ...filter });
        expect(ids, JSON.stringify(Object.keys(filter))).to.deep.equal(expected ? [id] : []);
      }
    });

    it("find a session although the clock that made its id was hours behind", async () => {
      const tenantId = newTenant();
      const { id } = await openSession(app.client, { actor: newActor({ tenantId }) });
      const time = (Date.now() - 20 * 3_600_000).toString(16).padStart(12, "0");
      const behind = `ses-${time}${id.slice(16)}`;
      await app.sql("UPDATE sessions SET id = $2 WHERE id = $1", [id, behind]);
      const createdSince = timestampFromMs(Date.now() - 60_000);
      expect(await search({ tenantId, createdSince })).to.deep.equal([behind]);
    });
  });

  it("finds live sessions, and ended ones only if it is asked for", async () => {
    const tenantId = newTenant();
    const open = () => openSession(app.client, { actor: newActor({ tenantId }) });
    const [live, revoked, expired] = [await open(), await open(), await open()];
    await app.client.revoke({ session: { ref: { case: "cookie", value: revoked.cookie } } });
    await age(app, expired.id, 86_400);
    expect(await search({ tenantId })).to.deep.equal([live.id]);
    const all = await app.client.listSessions({ filter: { tenantId }, includeEnded: true });
    expect(all.sessions.map(({ id, state }) => [id, state])).to.have.deep.members([
      [live.id, 1],
      [revoked.id, 4],
      [expired.id, 3],
    ]);
  });

  describe("pages (M02)", () => {
    it("have each session once, the newest id first, whatever their size (property)", async () => {
      const tenantId = newTenant();
      const opened: string[] = [];
      for (const _ of numbers(12)) {
        opened.push((await openSession(app.client, { actor: newActor({ tenantId }) })).id);
      }
      const sorted = opened.sort().reverse();
      const property = fc.asyncProperty(fc.integer({ min: 1, max: 13 }), async (pageSize) => {
        expect(await search({ tenantId }, { pageSize })).to.deep.equal(sorted);
      });
      await fc.assert(property, { numRuns: 13 });
    });

    it("miss and repeat nothing while sessions come and end", async () => {
      const tenantId = newTenant();
      const open = async () =>
        (await openSession(app.client, { actor: newActor({ tenantId }) })).id;
      const opened: string[] = [];
      for (const _ of numbers(9)) opened.push(await open());
      const pages = await allPages(
        (pageToken) => app.client.listSessions({ filter: { tenantId }, pageSize: 2, pageToken }),
        open,
      );
      const found = pages.flatMap(({ sessions }) => sessions.map(({ id }) => id));
      expect(found).to.deep.equal(opened.sort().reverse());
    });

    it("may be empty, and then tell no id of a session that was not selected", async () => {
      const needle = await openSession(app.client, { actor: newActor({ tenantId: newTenant() }) });
      const { tenantId } = needle.actor;
      // Older ids than that of any other session, so that the search reaches it last.
      const lowest = `ses-${"0".repeat(43)}1`;
      await app.sql("UPDATE sessions SET id = $2 WHERE id = $1", [needle.id, lowest]);
      const other = await openSession(app.client, { actor: newActor({ tenantId: newTenant() }) });
      const clones = await cloneSessions(app.sql, other.id, 2 * MAX_ROWS);

      const pages = await allPages((pageToken) =>
        app.client.listSessions({ filter: { tenantId }, pageToken }),
      );
      expect(pages.length).to.be.greaterThanOrEqual(3);
      expect(pages.flatMap(({ sessions }) => sessions.map(({ id }) => id))).to.deep.equal([lowest]);
      expect(pages[0]?.sessions).to.deep.equal([]);
      const known = new Set(clones);
      for (const { nextPageToken } of pages.slice(0, -1)) {
        const position = JSON.parse(Buffer.from(nextPageToken, "base64url").toString())[1];
        expect(position).to.match(/^ses-[0-9a-f]{12}f{32}$/);
        expect(known.has(position)).to.equal(false);
      }
      // All ids of one millisecond: there is no place between two, and still each is read once.
      await app.sql("UPDATE sessions SET id = 'ses-000000000005' || md5(id) WHERE tenant_id = $1", [
        other.actor.tenantId,
      ]);
      const all = await search({ tenantId: other.actor.tenantId }, { pageSize: 200 });
      expect(new Set(all).size).to.equal(2 * MAX_ROWS + 1);
      expect(all.length).to.equal(2 * MAX_ROWS + 1);
      await app.sql("DELETE FROM sessions WHERE tenant_id = $1", [other.actor.tenantId]);
    });

    it("are of one filter: a token of another one is refused", async () => {
      for (const _ of numbers(2)) await openSession(app.client);
      const { nextPageToken: pageToken } = await app.client.listSessions({ pageSize: 1 });
      const field = "page_token";
      for (const request of [{ filter: { actorType: "user" } }, { includeEnded: true }]) {
        const call = app.client.listSessions({ ...request, pageToken });
        await expectFailure(call, "INVALID_REQUEST", { field });
      }
      await app.client.listSessions({ pageSize: 2, pageToken, filter: {} });
    });
  });

  describe("a caller of some tenants (M07)", () => {
    const tokens = { one: newToken(), two: newToken() };
    const [mine, second, foreign] = [newTenant(), newTenant(), newTenant()];
    let file: TestFile;
    let guarded: Replica;
    const callers: CallerClient[] = [];
    const clients = {} as Record<keyof typeof tokens, SessionClient>;
    const ids: Record<string, string> = {};

    before(async () => {
      const role = "admin";
      file = await createTestFile(
        tokenLine(tokens.one, { name: "one", role, tenants: [mine] }),
        tokenLine(tokens.two, { name: "two", role, tenants: [mine, second] }),
      );
      for (const tenantId of [mine, second, foreign]) {
        ids[tenantId] = (await openSession(app.client, { actor: newActor({ tenantId }) })).id;
      }
      guarded = await startReplica(app.database.url, {
        env: { SESSIOND_CALLERS_FILE: file.path },
      });
      for (const name of ["one", "two"] as const) {
        const caller = clientOf(guarded.url, withToken(tokens[name]));
        callers.push(caller);
        clients[name] = caller.client;
      }
    });
    after(async () => {
      for (const { close } of callers) close();
      await guarded?.stop();
      await file?.remove();
    });

    const found = async (client: SessionClient, filter: Filter) =>
      (await client.listSessions({ filter, includeEnded: true })).sessions.map(({ id }) => id);

    it("finds the sessions of these and no others", async () => {
      expect(await found(clients.one, {})).to.deep.equal([ids[mine]]);
      expect(await found(clients.two, {})).to.have.members([ids[mine], ids[second]]);
      expect(await found(clients.two, { tenantId: second })).to.deep.equal([ids[second]]);
      for (const client of [clients.one, clients.two]) {
        await expectFailure(found(client, { tenantId: foreign }), "CALLER_FORBIDDEN");
      }
    });

    it("revokes them and no others", async () => {
      const request = { everything: true, reason: "admin_revoke", actingActorId: "root" };
      const preview = await clients.one.revokeSessions({ ...request, dryRun: true });
      expect(preview.sample.map(({ id }) => id)).to.deep.equal([ids[mine]]);
      expect((await clients.one.revokeSessions(request)).processed).to.equal(1);
      for (const tenantId of [second, foreign]) {
        const { session } = await app.client.get({ session: byId(ids[tenantId] ?? "") });
        expect(session?.state).to.equal(1);
      }
    });
  });

  it("refuses a network that is too long to be one", async () => {
    const filter = { ipAddress: `10.0.0.0/${"0".repeat(35)}` };
    await expectFailure(app.client.listSessions({ filter }), "INVALID_REQUEST", {
      field: "filter.ip_address",
    });
  });

  it("takes a network if PostgreSQL finds no bit after its prefix (property)", async () => {
    const v4 = fc.tuple(fc.ipV4(), fc.nat({ max: 32 }));
    const v6 = fc.tuple(fc.ipV6(), fc.nat({ max: 128 }));
    const given = fc.sample(fc.oneof(v4, v6), 300);
    const rows = await app.sql<{ network: string; same: boolean }>(
      `SELECT network(set_masklen(address, prefix))::text AS network,
         network(set_masklen(address, prefix)) = set_masklen(address, prefix) AS same
       FROM unnest($1::inet[], $2::integer[]) AS given (address, prefix)`,
      [given.map(([address]) => address), given.map(([, prefix]) => prefix)],
    );
    for (const [index, [address, prefix]] of given.entries()) {
      const { network = "", same } = rows[index] ?? {};
      // An IPv4-mapped address is IPv4 for us.
      if (normalizedIpNetwork(address)?.includes(":") === address.includes(":")) {
        const text = `${address}/${prefix}`;
        expect(normalizedIpNetwork(text) !== undefined, text).to.equal(same);
        expect(normalizedIpNetwork(network), network).not.to.equal(undefined);
      }
    }
    const known: [string, string | undefined][] = [
      ["10.0.0.0/8", "10.0.0.0/8"],
      ["10.0.0.1/8", undefined],
      ["10.0.0.1/32", "10.0.0.1/32"],
      ["10.0.0.1/33", undefined],
      ["10.0.0.1", "10.0.0.1"],
      ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
      ["::ffff:10.0.0.0/95", undefined],
      ["::/0", "::/0"],
      ["2001:DB8::/32", "2001:db8::/32"],
      ["2001:db8::/28", undefined],
      ["::1.2.3.4/128", "::1.2.3.4/128"],
      ["::1.2.3.4/127", "::1.2.3.4/127"],
      ["::1.2.3.4/125", undefined],
      ["fe80::%eth0/10", undefined],
      ["10.0.0.0/", undefined],
      ["10.0.0.0/8/8", undefined],
      ["/8", undefined],
      ["x", undefined],
    ];
    for (const [text, expected] of known)
      expect(normalizedIpNetwork(text), text).to.equal(expected);
  });
});
