import { expect } from "chai";
import { mintSigningKeyId, secureRandomBytes } from "../../src/session/ids.ts";
import { byId, newActor, newTenant, openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { numbers } from "../support/in-parallel.ts";
import { countStatements } from "../support/statement-log.ts";
import { holdTransaction } from "../support/transaction.ts";
import { untilWaiting } from "../support/until.ts";

const READ_KEYS = /^SELECT .*encrypted_key.* FROM signing_keys/;

describe("cookies that name an unknown signing key", () => {
  let app: TestApp;
  let cookie: string;
  let id: string;

  before(async () => {
    app = await startTestApp();
    ({ cookie, id } = await openSession(app.client));
    await validate(app.client, cookie);
  });
  after(() => app.stop());

  const withKey = (keyId: string) => cookie.replace(/sk-[0-9a-f]{32}/, keyId);
  const unknown = () => withKey(mintSigningKeyId(secureRandomBytes));
  const refuse = (value: string) =>
    expectFailure(validate(app.client, value), "SIGNING_KEY_NOT_FOUND");

  it("cost one query a second at most for one id, however many calls name it", async () => {
    const forged = unknown();
    const start = performance.now();
    const sent = await countStatements(READ_KEYS, async () => {
      for (const _ of numbers(5)) await Promise.all(numbers(100).map(() => refuse(forged)));
    });
    const seconds = Math.floor((performance.now() - start) / 1000);
    expect(sent).to.be.within(1, 1 + seconds);
  });

  it("share queries if the ids are many, and leave connections to other calls", async () => {
    const held = await holdTransaction(app.database);
    try {
      await held.query("LOCK TABLE signing_keys IN ACCESS EXCLUSIVE MODE");
      let refused: Promise<unknown> = Promise.resolve();
      const sent = await countStatements(READ_KEYS, async () => {
        refused = Promise.all(numbers(200).map(() => refuse(unknown())));
        await untilWaiting(app.sql, 2);
        // It comes after them, on the same connection, and reads only the session.
        expect((await app.client.get({ session: byId(id) })).session?.id).to.equal(id);
        await held.commit();
        await refused;
      });
      expect(sent).to.be.within(2, 100);
    } finally {
      await held.end();
    }
  });

  it("do not hide a key that another replica makes meanwhile (A09)", async () => {
    let other: Replica | undefined;
    try {
      other = await startReplica(app.database.url);
      const tenantId = newTenant();
      for (const _ of numbers(20)) {
        await refuse(unknown());
        const { activeKey } = await other.client.rotateSigningKey({ tenantId, actingActorId: "a" });
        const opened = await openSession(other.client, { actor: newActor({ tenantId }) });
        expect(opened.created.session?.signingKeyId).to.equal(activeKey?.id);
        expect((await validate(app.client, opened.cookie)).session?.id).to.equal(opened.id);
      }
    } finally {
      await other?.stop();
    }
  });
});
