import { once } from "node:events";
import http2 from "node:http2";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/es/health/v1/health_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { openSession, validate } from "../support/actors.ts";
import { databaseEnv, type Serving, useSessiond } from "../support/sessiond-process.ts";
import { holdTransaction } from "../support/transaction.ts";
import { failureOf } from "../support/transport.ts";
import { until, untilBlockedBy } from "../support/until.ts";

const ECHO_SIGNAL = new URL("../support/echo-signal.ts", import.meta.url).href;

describe("sessiond as a process: shutdown", () => {
  const sessiond = useSessiond();

  /** Its Watch has said SERVING. */
  async function watch({ url }: Serving) {
    const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
    const statuses = health.watch({})[Symbol.asyncIterator]();
    expect((await statuses.next()).value?.status).to.equal(Status.SERVING);
    return statuses;
  }

  it("tells health watchers, and goes on serving during the drain delay", async () => {
    const env = { ...databaseEnv(await sessiond.database()), SESSIOND_DRAIN_DELAY: "5m" };
    const serving = await sessiond.serve({ env });
    const { cookie } = await openSession(serving.client);
    const statuses = await watch(serving);

    serving.signal("SIGTERM");

    expect((await statuses.next()).value?.status).to.equal(Status.NOT_SERVING);
    // Load balancers need their time to notice: until then new connections come, too.
    await validate(serving.client, cookie);
    const late = createClient(SessionService, createGrpcTransport({ baseUrl: serving.url }));
    await validate(late, cookie);
    // It is killed after the test.
    failureOf(statuses.next()).catch(() => {});
  });

  it("ends health watches and itself when the drain delay is over", async () => {
    const env = { ...databaseEnv(await sessiond.database()), SESSIOND_DRAIN_DELAY: "100ms" };
    const serving = await sessiond.serve({ env });
    const statuses = await watch(serving);

    serving.signal("SIGTERM");

    expect((await statuses.next()).value?.status).to.equal(Status.NOT_SERVING);
    const end = await failureOf<ConnectError>(statuses.next());
    expect(end.code).to.equal(Code.Unavailable);
    expect((await serving.ended).code).to.equal(0);
  });

  it("sends GOAWAY without an error on connections that are idle", async () => {
    const serving = await sessiond.serve({ env: databaseEnv(await sessiond.database()) });
    const connection = http2.connect(serving.url);
    await once(connection, "connect");
    const goaway = once(connection, "goaway");
    const closed = once(connection, "close");

    serving.signal("SIGTERM");

    expect((await goaway)[0]).to.equal(http2.constants.NGHTTP2_NO_ERROR);
    await closed;
    expect((await serving.ended).code).to.equal(0);
  });

  it("answers a call that waits for the database before it ends", async () => {
    const database = await sessiond.database();
    const serving = await sessiond.serve({ env: databaseEnv(database) });
    const { id, cookie } = await openSession(serving.client);
    const held = await holdTransaction(database);
    await held.query("UPDATE sessions SET metadata = metadata WHERE id = $1", [id]);
    const revoking = serving.client.revoke({ session: { ref: { case: "cookie", value: cookie } } });
    await untilBlockedBy(database.sql, held.pid);

    serving.signal("SIGTERM");
    await until("it is stopping", async () => serving.stderr.includes('"stopping"'));
    await held.commit();

    expect((await revoking).revoked).to.equal(true);
    expect((await serving.ended).code).to.equal(0);
    const [row] = await database.sql("SELECT revoked_at FROM sessions WHERE id = $1", [id]);
    expect(row?.revoked_at).to.be.instanceOf(Date);
  });

  it("cuts off what has not finished at the end of the grace, and ends with 0", async () => {
    const database = await sessiond.database();
    const env = { ...databaseEnv(database), SESSIOND_SHUTDOWN_GRACE: "100ms" };
    const serving = await sessiond.serve({ env });
    const { id, cookie } = await openSession(serving.client);
    const held = await holdTransaction(database);
    await held.query("UPDATE sessions SET metadata = metadata WHERE id = $1", [id]);
    const revoking = serving.client.revoke({ session: { ref: { case: "cookie", value: cookie } } });
    const refusal = failureOf<ConnectError>(revoking);
    await untilBlockedBy(database.sql, held.pid);

    const { code, stderr } = await serving.end("SIGTERM");
    await held.commit();

    expect((await refusal).code).to.equal(Code.Unavailable);
    expect({ code, forced: /"forced":(\d+)/.exec(stderr)?.[1] }).to.deep.equal({
      code: 0,
      forced: "1",
    });
  });

  it("takes a second signal that follows at once for an echo of the first", async () => {
    // As Ctrl-C under npm: the terminal signals both, and npm passes its own on.
    const env = { ...databaseEnv(await sessiond.database()), SESSIOND_DRAIN_DELAY: "500ms" };
    const serving = await sessiond.serve({ env, nodeArgs: ["--import", ECHO_SIGNAL] });

    const { code, stderr } = await serving.end("SIGINT");

    expect(stderr).to.match(/"stopping".*signalled again/s);
    expect({ code, end: stderr.includes('"stopped"') }).to.deep.equal({ code: 0, end: true });
  });

  it("ends at once, with 1, on a second signal", async () => {
    const env = { ...databaseEnv(await sessiond.database()), SESSIOND_DRAIN_DELAY: "5m" };
    const serving = await sessiond.serve({ env });
    const statuses = await watch(serving);
    serving.signal("SIGTERM");
    expect((await statuses.next()).value?.status).to.equal(Status.NOT_SERVING);
    failureOf(statuses.next()).catch(() => {});

    const ended = await until("it has given up", async () => {
      serving.signal("SIGTERM");
      return Promise.race([serving.ended, new Promise<false>((r) => setTimeout(r, 100, false))]);
    });

    expect({ code: ended.code, signal: ended.signal }).to.deep.equal({ code: 1, signal: null });
    expect(ended.stderr).not.to.include('"stopped"');
  });

  // The first is where another replica migrates, the second where keys are looked at.
  for (const table of ["schema_migrations", "signing_keys"]) {
    it(`ends with 0 if it is told so while its start waits for ${table}`, async () => {
      const database = await sessiond.database();
      const held = await holdTransaction(database);
      await held.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      // So that the signal ends the wait, and not the statement's own limit.
      const env = { ...databaseEnv(database), SESSIOND_DATABASE_STATEMENT_TIMEOUT: "10m" };
      const starting = sessiond.start({ env });
      await untilBlockedBy(database.sql, held.pid);

      const { code, stdout, stderr } = await starting.end("SIGTERM");
      await held.end();

      expect({ code, stdout }, stderr).to.deep.equal({ code: 0, stdout: "" });
      expect(stderr).to.include('"stopped"');
    });
  }
});
