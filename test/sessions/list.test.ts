import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import type { Session } from "../../gen/es/sessiond/v1/session_pb.ts";
import {
  byCookie,
  byId,
  newActor,
  newTenant,
  openSession,
  type TestActor,
} from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { idle } from "../support/back-dating.ts";
import { cloneSessions } from "../support/clone-sessions.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { allPages, forgePageToken } from "../support/pages.ts";

describe("pagination: List", () => {
  let app: TestApp;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.stop());

  /** An actor with `count` sessions, a half of them opened in the same millisecond. */
  async function actorWith(count: number): Promise<{ actor: TestActor; ids: string[] }> {
    const { id, actor } = await openSession(app.client);
    const ids = [id, ...(await cloneSessions(app.sql, id, count - 1))];
    await app.sql(
      `UPDATE sessions SET created_at = created_at - abs(hashtext(id) % 1000) * interval '1 minute'
       WHERE id = ANY ($1)`,
      [ids.slice(count / 2)],
    );
    return { actor, ids };
  }

  const idsOf = (pages: readonly { sessions: readonly Session[] }[]) =>
    pages.flatMap(({ sessions }) => sessions.map(({ id }) => id));
  const askFor = (actor: TestActor, pageSize: number, includeEnded = false) => {
    return (pageToken: string) => app.client.list({ actor, pageSize, pageToken, includeEnded });
  };

  it("pages have all sessions once, newest first, ties by id", async () => {
    const { actor, ids } = await actorWith(25);

    const pages = await allPages(askFor(actor, 10));

    expect(pages.map(({ sessions }) => sessions.length)).to.deep.equal([10, 10, 5]);
    expect(idsOf(pages)).to.have.members(ids);
    const sessions = pages.flatMap((page) => page.sessions);
    const sorted = [...sessions].sort(
      (one, two) =>
        timestampMs(two.createdAt as never) - timestampMs(one.createdAt as never) ||
        (one.id < two.id ? 1 : -1),
    );
    expect(idsOf(pages)).to.deep.equal(sorted.map(({ id }) => id));
    expect(idsOf(await allPages(askFor(actor, 1))), "one by one").to.deep.equal(idsOf(pages));
  });

  it("a full last page has no next_page_token; no session at all is one empty page", async () => {
    const { actor } = await actorWith(4);

    expect((await allPages(askFor(actor, 2))).map((page) => page.sessions.length)).to.deep.equal([
      2, 2,
    ]);
    const none = await allPages(askFor(newActor(), 2));
    expect(none.map(({ sessions }) => sessions)).to.deep.equal([[]]);
  });

  it("sessions opened between pages neither repeat nor hide others", async () => {
    const { actor, ids } = await actorWith(25);
    const opened: string[] = [];

    const pages = await allPages(askFor(actor, 7), async () => {
      opened.push((await openSession(app.client, { actor })).id);
    });

    expect(opened).to.have.length.greaterThan(2);
    expect(idsOf(pages)).to.have.members(ids).and.to.have.lengthOf(ids.length);
  });

  it("sessions ended between pages, the last one of a page included, hide no others", async () => {
    const { actor, ids } = await actorWith(25);
    const ended = new Set<string>();
    let last = "";

    const pages = await allPages(
      async (pageToken) => {
        const page = await askFor(actor, 5)(pageToken);
        last = page.sessions.at(-1)?.id ?? "";
        return page;
      },
      async () => {
        await app.client.revoke({ session: byId(last), reason: "logout", actingActorId: "user" });
        await app.sql("DELETE FROM sessions WHERE id = $1", [last]);
        ended.add(last);
      },
    );

    expect(ended.size).to.equal(4);
    expect(idsOf(pages)).to.have.members(ids).and.to.have.lengthOf(ids.length);
  });

  it("ended sessions are there on request only", async () => {
    const { actor, ids } = await actorWith(9);
    const [revoked = "", idled = "", ...live] = ids;
    await app.client.revoke({ session: byId(revoked), reason: "logout", actingActorId: "user" });
    await idle(app, idled, 3600);

    expect(idsOf(await allPages(askFor(actor, 4)))).to.have.members(live);
    expect(idsOf(await allPages(askFor(actor, 4, true)))).to.have.members(ids);
  });

  it("the session that asks is flagged, whichever page it is on, and no other", async () => {
    const { id, actor, cookie } = await openSession(app.client);
    await cloneSessions(app.sql, id, 5);

    for (const current of [byCookie(cookie), byId(id)]) {
      const pages = await allPages((pageToken) =>
        app.client.list({ actor, current, pageSize: 2, pageToken }),
      );
      const flagged = pages.flatMap(({ sessions }) => sessions.filter((one) => one.current));
      expect(flagged.map((session) => session.id)).to.deep.equal([id]);
    }
    const { sessions } = await app.client.list({ actor });
    expect(sessions.filter(({ current }) => current)).to.deep.equal([]);
  });

  it("`current` of another actor flags nothing; a forged or unknown one fails", async () => {
    const { actor, cookie } = await openSession(app.client);
    const other = await openSession(app.client);

    const { sessions } = await app.client.list({ actor, current: byCookie(other.cookie) });
    expect(sessions.map(({ current }) => current)).to.deep.equal([false]);
    const list = (current: ReturnType<typeof byId>) => app.client.list({ actor, current });
    const forged = cookie.replace(/\.[^.]+$/, `.${other.cookie.split(".")[3]}`);
    await expectFailure(list(byCookie(forged)), "INVALID_COOKIE");
    await expectFailure(list(byId(`ses-${"0".repeat(44)}`)), "SESSION_NOT_FOUND");
    await expectFailure(list(byCookie(cookie, "another")), "INVALID_COOKIE");
  });

  it("page_size is 50 by default, at most 200, and out of range is refused", async () => {
    const { actor } = await actorWith(210);
    const size = async (pageSize: number) => (await askFor(actor, pageSize)("")).sessions.length;

    expect(await size(0)).to.equal(50);
    expect(await size(200)).to.equal(200);
    for (const pageSize of [-1, 201, 2 ** 31 - 1, -(2 ** 31)]) {
      await expectFailure(size(pageSize), "INVALID_REQUEST", { field: "page_size" });
    }
  });

  it("a token of another actor, tenant, filter or list is refused", async () => {
    const { actor } = await actorWith(3);
    const { nextPageToken } = await askFor(actor, 1)("");
    const ask = (on: TestActor, includeEnded = false) =>
      app.client.list({ actor: on, pageSize: 1, pageToken: nextPageToken, includeEnded });

    for (const call of [
      ask(newActor()),
      ask({ ...actor, actorType: "service_account" }),
      ask({ ...actor, tenantId: newTenant() }),
      ask(actor, true),
      app.client.listSigningKeys({ pageToken: nextPageToken }),
      app.client.listAuditEvents({ pageToken: nextPageToken }),
    ]) {
      await expectFailure(call, "INVALID_REQUEST", { field: "page_token" });
    }
  });

  it("a token that is not one is refused, whatever it is", async () => {
    const { actor } = await actorWith(3);
    const { nextPageToken } = await askFor(actor, 1)("");
    const forged = (...position: unknown[]) =>
      forgePageToken(nextPageToken, ([scope]) => [scope, ...position]);
    const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

    for (const pageToken of [
      "x",
      " ",
      "\u{1f98a}",
      nextPageToken.slice(0, -8),
      nextPageToken.repeat(8),
      json(null),
      json({ length: 3 }),
      json([[]]),
      json(["__proto__"]),
      forged(),
      forged("1"),
      forged("", ""),
      forged("1", "ses-1"),
      forged("-1", `ses-${"0".repeat(44)}`),
      forged("1e3", `ses-${"0".repeat(44)}`),
      forged("9".repeat(15), `ses-${"0".repeat(44)}`),
      forged(1, `ses-${"0".repeat(44)}`),
      forged("1", "' OR 1=1 --"),
    ]) {
      const call = app.client.list({ actor, pageSize: 1, pageToken });
      await expectFailure(call, "INVALID_REQUEST", { field: "page_token" });
    }
  });

  it("a forged place in the same list shows no more than the list does", async () => {
    const { actor, ids } = await actorWith(3);
    await openSession(app.client);
    const { nextPageToken } = await askFor(actor, 1)("");
    const pageToken = forgePageToken(nextPageToken, ([scope]) => [
      scope,
      "9".repeat(14),
      `ses-${"f".repeat(44)}`,
    ]);

    const { sessions } = await app.client.list({ actor, pageToken });

    expect(sessions.map(({ id }) => id))
      .to.have.members(ids)
      .and.to.have.lengthOf(3);
  });
});
