import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica, startTestApp, type TestApp } from "../support/app.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { malformedCookies, wrongVersions } from "../support/malformed-cookies.ts";
import { holdTransaction } from "../support/transaction.ts";
import { untilWaiting } from "../support/until.ts";

describe("forged cookies and the database", () => {
  let app: TestApp;
  let proxy: DatabaseProxy;
  let replica: Replica;

  before(async () => {
    app = await startTestApp();
    proxy = await startDatabaseProxy(app.database.url);
    replica = await startReplica(proxy.url);
  });
  afterEach(() => proxy.restore());
  after(async () => {
    await replica?.stop();
    await proxy?.close();
    await app.stop();
  });

  it("refuses a forged cookie while the database does not answer (ASVS 9.1)", async () => {
    const { cookie, id } = await openSession(replica.client);
    const other = await openSession(replica.client);
    const forgeries = [
      ...Object.values({ ...wrongVersions, ...malformedCookies }).map((change) => change(cookie)),
      // Of the right form, and with the MAC of another session or of none.
      cookie.replace(id, other.id),
      cookie.replace(/.{43}$/, other.cookie.slice(-43)),
      cookie.replace(/.{43}$/, Buffer.alloc(32, 9).toString("base64url")),
    ];

    proxy.freeze();
    let answered = false;
    const genuine = validate(replica.client, cookie).finally(() => {
      answered = true;
    });
    for (const forged of forgeries) {
      await expectFailure(validate(replica.client, forged), "INVALID_COOKIE");
      const session = { ref: { case: "cookie", value: forged } } as const;
      await expectFailure(replica.client.revoke({ session }), "INVALID_COOKIE");
    }

    // The control: the genuine one is still waiting for its row.
    expect(answered).to.equal(false);
    proxy.restore();
    expect((await genuine).session?.id).to.equal(id);
  });

  it("refuses any number of forged cookies without a connection of the pool (ASVS 9.1)", async () => {
    const { cookie, id } = await openSession(replica.client);
    const small = await startReplica(proxy.url, {
      env: { SESSIOND_DATABASE_POOL_SIZE: "2", SESSIOND_DATABASE_QUEUE_LIMIT: "1" },
    });
    const held = await holdTransaction(app.database);
    try {
      await validate(small.client, cookie);
      const forged = cookie.replace(/.{43}$/, Buffer.alloc(32, 9).toString("base64url"));
      await held.query("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
      // Two use the pool's connections, in separate statements, and one waits in the queue.
      const genuine: ReturnType<typeof validate>[] = [];
      for (const sent of [1, 2]) {
        genuine.push(validate(small.client, cookie));
        await untilWaiting(app.sql, sent);
      }
      genuine.push(validate(small.client, cookie));
      await Promise.all(
        Array.from({ length: 200 }, () =>
          expectFailure(validate(small.client, forged), "INVALID_COOKIE"),
        ),
      );
      // The control: one more call that needs the database is refused.
      await expectFailure(validate(small.client, cookie), "OVERLOADED");
      await held.commit();
      for (const { session } of await Promise.all(genuine)) expect(session?.id).to.equal(id);
    } finally {
      await held.end();
      await small.stop();
    }
  });
});
