import { Code } from "@connectrpc/connect";
import { expect } from "chai";
import { openSession, validate } from "../support/actors.ts";
import { type DatabaseProxy, startDatabaseProxy } from "../support/database-proxy.ts";
import { failureOf } from "../support/expect-failure.ts";
import { databaseEnv, type Serving, useSessiond } from "../support/sessiond-process.ts";
import { until } from "../support/until.ts";

/** Their lines take more than the pipe and the queue of 1 MiB hold. */
const REFUSED_CALLS = 4000;
const AT_ONCE = 100;
/** As long as it may be, so that fewer calls are needed. */
const REQUEST_ID = "x".repeat(128);

describe("sessiond as a process: output that nobody reads", () => {
  const sessiond = useSessiond();
  let proxy: DatabaseProxy;

  afterEach(() => proxy?.close());

  /** Serves with a log that nobody reads, and fills the log with refused calls. */
  async function serveAndFill(): Promise<{ serving: Serving; cookie: string }> {
    const database = await sessiond.database();
    proxy = await startDatabaseProxy(database.url);
    const env = { ...databaseEnv({ url: proxy.url }), SESSIOND_LOG_LEVEL: "debug" };
    const serving = await sessiond.serve({ env, unread: true });
    const { cookie } = await openSession(serving.client);
    const credential = { case: "cookie", value: "forged" } as const;
    const headers = { "x-request-id": REQUEST_ID };
    for (let call = 0; call < REFUSED_CALLS; call += AT_ONCE) {
      const calls = Array.from({ length: AT_ONCE }, () =>
        serving.client.validate({ credential }, { headers }),
      );
      const results = await Promise.allSettled(calls);
      expect(results.every(({ status }) => status === "rejected")).to.equal(true);
    }
    return { serving, cookie };
  }

  it("keeps serving, connects to the database again and stops when asked to", async () => {
    const { serving, cookie } = await serveAndFill();
    proxy.refuse();
    const error = await failureOf(validate(serving.client, cookie));
    expect(error.code).to.equal(Code.Unavailable);
    const health = await fetch(`${serving.url}/grpc.health.v1.Health/Check`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(await health.json()).to.deep.equal({ status: "SERVING" });
    proxy.restore();
    expect((await validate(serving.client, cookie)).session?.id).to.be.a("string");
    serving.signal("SIGTERM");
    const { code, signal } = await serving.exited;
    expect({ code, signal }).to.deep.equal({ code: 0, signal: null });
  });

  it("says how many lines it dropped when somebody reads again", async () => {
    const { serving } = await serveAndFill();
    serving.read();
    await until("it is told", async () => serving.stderr.includes("log lines dropped"));
    const { code, stderr } = await serving.end("SIGTERM");
    expect(code).to.equal(0);
    const lines = stderr.trim().split("\n");
    const records = lines.map((line) => JSON.parse(line) as { msg: string; dropped?: number });
    const dropped = records.filter(({ msg }) => msg.startsWith("log lines dropped"));
    expect(dropped).to.have.length(1);
    expect(dropped[0]?.dropped).to.be.greaterThan(0);
    expect(records.at(-1)?.msg).to.equal("stopped");
  });

  it("goes on without a log when its reader has gone", async () => {
    const serving = await sessiond.serve({ env: databaseEnv(await sessiond.database()) });
    serving.hangUp();
    const { cookie } = await openSession(serving.client);
    expect((await validate(serving.client, cookie)).session?.id).to.be.a("string");
    const { code, signal } = await serving.end("SIGTERM");
    expect({ code, signal }).to.deep.equal({ code: 0, signal: null });
  });
});

describe("sessiond as a process: unexpected errors", () => {
  const sessiond = useSessiond();
  const defects = {
    uncaughtException: "throw new Error('a defect')",
    unhandledRejection: "Promise.reject(new Error('a defect'))",
  };

  for (const [origin, statement] of Object.entries(defects)) {
    it(`logs an ${origin} with its stack, and ends with exit code 1`, async () => {
      const script = `process.on("SIGCONT", () => { ${statement} })`;
      const serving = await sessiond.serve({
        env: databaseEnv(await sessiond.database()),
        nodeArgs: ["--import", `data:text/javascript,${encodeURIComponent(script)}`],
      });
      const { code, stderr } = await serving.end("SIGCONT");
      expect(code).to.equal(1);
      const last = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
      expect(last).to.include({ level: 60, origin });
      expect(last.err.message).to.equal("a defect");
      expect(last.err.stack).to.match(/Error: a defect\n +at /);
    });
  }
});
