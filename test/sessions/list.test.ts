import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect } from "chai";
import type { Session } from "../../gen/es/sessiond/v1/session_pb.ts";
import { byCookie, byId, newActor, openSession, type TestActor } from "../support/actors.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { idle } from "../support/back-dating.ts";
import { cloneSessions } from "../support/clone-sessions.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { allPages } from "../support/pages.ts";

describe("List", () => {
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

  it("returns every session once over all pages, newest first and then by id", async () => {
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

  it("gives no next_page_token after a full last page or without any session", async () => {
    const { actor } = await actorWith(4);

    expect((await allPages(askFor(actor, 2))).map((page) => page.sessions.length)).to.deep.equal([
      2, 2,
    ]);
    const none = await allPages(askFor(newActor(), 2));
    expect(none.map(({ sessions }) => sessions)).to.deep.equal([[]]);
  });

  it("neither repeats nor misses sessions when others are opened between pages", async () => {
    const { actor, ids } = await actorWith(25);
    const opened: string[] = [];

    const pages = await allPages(askFor(actor, 7), async () => {
      opened.push((await openSession(app.client, { actor })).id);
    });

    expect(opened).to.have.length.greaterThan(2);
    expect(idsOf(pages)).to.have.members(ids).and.to.have.lengthOf(ids.length);
  });

  it("misses no session when others are deleted between pages, a page's last one included", async () => {
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

  it("returns ended sessions on request only", async () => {
    const { actor, ids } = await actorWith(9);
    const [revoked = "", idled = "", ...live] = ids;
    await app.client.revoke({ session: byId(revoked), reason: "logout", actingActorId: "user" });
    await idle(app, idled, 3600);

    expect(idsOf(await allPages(askFor(actor, 4)))).to.have.members(live);
    expect(idsOf(await allPages(askFor(actor, 4, true)))).to.have.members(ids);
  });

  it("flags the current session, on whichever page it is, and no other", async () => {
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

  it("flags nothing for another actor's `current`, and refuses a forged or unknown one", async () => {
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

  it("returns 50 sessions by default and up to 200", async () => {
    const { actor } = await actorWith(210);
    const size = async (pageSize: number) => (await askFor(actor, pageSize)("")).sessions.length;

    expect(await size(0)).to.equal(50);
    expect(await size(200)).to.equal(200);
  });
});
