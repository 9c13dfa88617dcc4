import { expect } from "chai";
import { byCookie, byId, openSession, validate } from "../support/actors.ts";
import type { TestApp } from "../support/app.ts";
import { auditedBy } from "../support/audit-rows.ts";
import { age } from "../support/back-dating.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { inParallel, numbers } from "../support/in-parallel.ts";
import { startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";

describe("UpdateMetadata (F11)", () => {
  let replicas: TwoReplicas;
  let app: TestApp;
  before(async () => {
    replicas = await startTwoReplicas();
    ({ app } = replicas);
  });
  after(() => replicas?.stop());

  it("replaces the whole metadata of a session, for every reader, and nothing else", async () => {
    const { id, cookie, actor, created } = await openSession(app.client, {
      metadata: { theme: "dark", cart: "17" },
    });
    const { session } = await app.client.updateMetadata({
      session: byCookie(cookie),
      metadata: { theme: "light" },
    });
    expect(session).to.deep.equal({
      ...created.session,
      metadata: { theme: "light" },
      metadataEtag: session?.metadataEtag,
    });
    expect((await validate(app.client, cookie)).session).to.deep.equal(session);
    expect((await app.client.get({ session: byId(id) })).session).to.deep.equal(session);
    expect((await app.client.list({ actor })).sessions).to.deep.equal([session]);
  });

  it("removes all metadata if it is given none", async () => {
    const { cookie } = await openSession(app.client, { metadata: { theme: "dark" } });
    const { session } = await app.client.updateMetadata({ session: byCookie(cookie) });
    expect(session?.metadata).to.deep.equal({});
  });

  it("accepts a pre-login session", async () => {
    const { cookie } = await openSession(app.client, { preLogin: true });
    const metadata = { returnTo: "/cart" };
    const { session } = await app.client.updateMetadata({ session: byCookie(cookie), metadata });
    expect(session?.metadata).to.deep.equal(metadata);
  });

  it("takes an etag once: it is another one after each update, and after no other change", async () => {
    const { cookie, created } = await openSession(app.client);
    const session = byCookie(cookie);
    const etags = [created.session?.metadataEtag ?? ""];
    const update = (metadataEtag: string) => app.client.updateMetadata({ session, metadataEtag });
    for (const _ of numbers(3)) {
      await app.client.rotateCsrf({ target: { case: "session", value: session } });
      const updated = await update(etags.at(-1) ?? "");
      etags.push(updated.session?.metadataEtag ?? "");
    }
    expect(new Set(etags).size).to.equal(4);
    expect(etags).not.to.include("");
    for (const stale of [...etags.slice(0, -1), "5", "04", "nonsense"]) {
      const error = await expectFailure(update(stale), "METADATA_ETAG_MISMATCH");
      expect(error.rawMessage).to.equal("the metadata has been changed since it was read");
    }
    await update(etags.at(-1) ?? "");
  });

  it("lets exactly one of the calls with one etag succeed, on two replicas at once", async () => {
    await inParallel(4, numbers(25), async () => {
      const { cookie, created } = await openSession(app.client);
      const metadataEtag = created.session?.metadataEtag ?? "";
      const outcomes = await Promise.allSettled(
        numbers(8).map((index) =>
          (index % 2 ? app : replicas.other).client.updateMetadata({
            session: byCookie(cookie),
            metadata: { by: String(index) },
            metadataEtag,
          }),
        ),
      );
      const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
      expect(won).to.have.length(1);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") {
          await expectFailure(Promise.reject(outcome.reason), "METADATA_ETAG_MISMATCH");
        }
      }
      const { session } = await validate(app.client, cookie);
      expect(session).to.deep.equal(won[0]?.value.session);
    });
  });

  it("loses no update of callers who read, change and try again", async () => {
    const { cookie } = await openSession(app.client, { metadata: { count: "0" } });
    const increment = async (): Promise<void> => {
      const { session: read } = await validate(app.client, cookie);
      const metadata = { count: String(Number(read?.metadata.count) + 1) };
      const { metadataEtag = "" } = read ?? {};
      const call = app.client.updateMetadata({ session: byCookie(cookie), metadata, metadataEtag });
      const lost = await call.then(
        () => false,
        async (error: unknown) => {
          await expectFailure(Promise.reject(error), "METADATA_ETAG_MISMATCH");
          return true;
        },
      );
      if (lost) await increment();
    };
    await Promise.all(numbers(10).map(increment));
    const { session } = await validate(app.client, cookie);
    expect(session?.metadata).to.deep.equal({ count: "10" });
  });

  it("is audited with who acted, and without the metadata", async () => {
    const { id, actor, cookie } = await openSession(app.client);
    const metadata = { secretive: "canary-value" };
    const audit = await auditedBy(app.sql, async () => {
      await app.client.updateMetadata({ session: byCookie(cookie), metadata });
      const actingActorId = "support-1";
      await app.client.updateMetadata({ session: byId(id), metadata, actingActorId });
    });
    expect(
      audit.map(({ action, acting_actor_id, resource_id, details }) => [
        action,
        acting_actor_id,
        resource_id,
        details,
      ]),
    ).to.deep.equal([
      ["auth.session_metadata_updated", actor.actorId, id, { metadata_etag: "2" }],
      ["auth.session_metadata_updated", "support-1", id, { metadata_etag: "3" }],
    ]);
  });

  it("refuses a session that has ended, and changes nothing", async () => {
    const { id, cookie } = await openSession(app.client, { metadata: { theme: "dark" } });
    const session = byCookie(cookie);
    const update = () => app.client.updateMetadata({ session, metadataEtag: "1" });
    await age(app, id, 12 * 3600);
    await expectFailure(update(), "EXPIRED_ABSOLUTE");
    const { session: read } = await app.client.get({ session });
    expect([read?.metadata, read?.metadataEtag]).to.deep.equal([{ theme: "dark" }, "1"]);
    await expectFailure(app.client.updateMetadata({ session: byCookie("x") }), "INVALID_COOKIE");
  });

  it("checks all fields as Create and the other calls do", async () => {
    const { id, cookie } = await openSession(app.client);
    const session = byCookie(cookie);
    const { client } = app;
    const tooMuch = { k: "v".repeat(4096) };
    for (const [field, call] of [
      ["metadata", client.updateMetadata({ session, metadata: tooMuch })],
      ["metadata", client.updateMetadata({ session, metadata: { "": "v" } })],
      ["metadata_etag", client.updateMetadata({ session, metadataEtag: "1".repeat(65) })],
      ["metadata_etag", client.updateMetadata({ session, metadataEtag: "1\0" })],
      ["acting_actor_id", client.updateMetadata({ session: byId(id) })],
      ["acting_actor_id", client.updateMetadata({ session, actingActorId: " " })],
      ["session", client.updateMetadata({})],
    ] as const) {
      await expectFailure(call, "INVALID_REQUEST", { field });
    }
  });
});
