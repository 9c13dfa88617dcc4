import { expect } from "chai";
import { JWKS_PATH } from "../../src/token-keys.ts";
import { openSession } from "../support/actors.ts";
import { clientOf } from "../support/callers.ts";
import type { TestDatabase } from "../support/database.ts";
import { startDatabaseProxy } from "../support/database-proxy.ts";
import { databaseEnv, type Serving, useSessiond } from "../support/sessiond-process.ts";
import { fetchJwks, TOKENS_ENV } from "../support/tokens.ts";
import { until } from "../support/until.ts";
import { type Scrape, scrape } from "./scrape.ts";

const CREATED = { rpc: "sessiond.v1.SessionService/Create", code: "OK" };

interface LogLine {
  readonly msg: string;
  readonly pid: number;
  readonly port?: number;
  readonly worker?: number;
}

describe("metrics of several workers", () => {
  const sessiond = useSessiond();

  async function serve(
    settings: Readonly<Record<string, string>> = {},
  ): Promise<{ serving: Serving; port: number }> {
    return serveOn(await sessiond.database(), settings);
  }

  async function serveOn(
    database: Pick<TestDatabase, "url">,
    settings: Readonly<Record<string, string>>,
  ): Promise<{ serving: Serving; port: number }> {
    const env = {
      ...databaseEnv(database),
      ...settings,
      SESSIOND_WORKERS: "2",
      SESSIOND_METRICS_PORT: "0",
      SESSIOND_LOG_LEVEL: "debug",
      SESSIOND_SWEEP_SCHEDULE: "off",
    };
    const serving = await sessiond.serve({ env });
    const port = logOf(serving).find(({ msg }) => msg === "metrics are served")?.port ?? 0;
    return { serving, port };
  }

  function logOf({ stderr }: Serving): LogLine[] {
    const lines = stderr.slice(0, stderr.lastIndexOf("\n") + 1).split("\n");
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  }

  /** One after the other, each on a connection of its own: the workers get them in turn. */
  async function openSessions({ url }: Serving, count: number): Promise<void> {
    for (let opened = 0; opened < count; opened += 1) {
      const { client, close } = clientOf(url);
      await openSession(client).finally(close);
    }
  }

  async function pidOf(serving: Serving, number: number): Promise<number> {
    return until(`worker ${number} has logged a call`, async () => {
      const isOf = ({ msg, worker }: LogLine) => msg === "call" && worker === number;
      return logOf(serving).findLast(isOf)?.pid;
    });
  }

  const upOf = ({ series }: Scrape) =>
    series("sessiond_worker_up").map(({ labels, value }) => [labels.worker, value]);

  it("J07: are one sum, which a killed worker does not lower, and the one in its place goes on", async () => {
    const { serving, port } = await serve();
    await openSessions(serving, 10);
    const first = await scrape(port);
    expect(first.value("sessiond_rpc_calls_total", CREATED)).to.equal(10);
    expect(upOf(first)).to.deep.equal([
      ["1", 1],
      ["2", 1],
    ]);
    expect(first.value("sessiond_workers")).to.equal(2);
    const delays = first.series("sessiond_event_loop_delay_seconds");
    expect(new Set(delays.map(({ labels }) => labels.worker))).to.include.all.keys("1", "2");
    expect(first.value("sessiond_database_connections_max")).to.equal(10);
    expect(first.value("sessiond_signing_keys", { state: "active" })).to.equal(1);
    expect(first.series("process_start_time_seconds")).to.have.length(1);

    process.kill(await pidOf(serving, 1), "SIGKILL");
    const sums: (number | undefined)[] = [];
    await until("it is replaced", async () => {
      const now = await scrape(port);
      sums.push(now.value("sessiond_rpc_calls_total", CREATED));
      const isUp = upOf(now).every(([, value]) => value === 1);
      return now.value("sessiond_worker_restarts_total") === 1 && isUp;
    });
    expect(new Set(sums)).to.deep.equal(new Set([10]));
    await openSessions(serving, 4);
    expect((await scrape(port)).value("sessiond_rpc_calls_total", CREATED)).to.equal(14);
  });

  it("J07: leave out what a worker that hangs has open, but not what it has counted", async () => {
    const { serving, port } = await serve();
    await openSessions(serving, 10);
    await scrape(port);
    const pid = await pidOf(serving, 2);
    process.kill(pid, "SIGSTOP");
    try {
      const hanging = await scrape(port);
      expect(upOf(hanging)).to.deep.equal([
        ["1", 1],
        ["2", 0],
      ]);
      expect(hanging.value("sessiond_rpc_calls_total", CREATED)).to.equal(10);
      expect(hanging.value("sessiond_database_connections_max")).to.equal(5);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await until("it answers again", async () =>
      upOf(await scrape(port)).every(([, up]) => up === 1),
    );
  });

  it("J08: are ready while one of them can serve", async () => {
    const { serving, port } = await serve();
    const status = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;
    expect(await status()).to.equal(200);
    await openSessions(serving, 4);
    process.kill(await pidOf(serving, 1), "SIGKILL");
    await until("it is replaced", async () => {
      expect(await status()).to.equal(200);
      return (await scrape(port)).value("sessiond_worker_restarts_total") === 1;
    });
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).to.equal(200);
  });

  it("are on a port that has the JSON Web Key Set, too, also while a worker hangs (H03)", async () => {
    const { serving, port } = await serve(TOKENS_ENV);
    const url = `http://127.0.0.1:${port}`;
    const [own, main] = await Promise.all(
      [url, serving.url].map((base) => fetch(`${base}${JWKS_PATH}`)),
    );
    expect(own?.status).to.equal(200);
    for (const name of ["content-type", "cache-control", "x-content-type-options"]) {
      expect(own?.headers.get(name), name).to.equal(main?.headers.get(name));
    }
    const set = await main?.json();
    expect(await own?.json()).to.deep.equal(set);
    await openSessions(serving, 4);
    for (const number of [1, 2]) {
      const pid = await pidOf(serving, number);
      process.kill(pid, "SIGSTOP");
      expect(await fetchJwks(url).finally(() => process.kill(pid, "SIGCONT"))).to.deep.equal(set);
    }
  });

  it("are on a port that has the JSON Web Key Set, too, also while the database hangs (H03)", async () => {
    const proxy = await startDatabaseProxy((await sessiond.database()).url);
    try {
      const { port } = await serveOn(proxy, { ...TOKENS_ENV, SESSIOND_READINESS_TIMEOUT: "3s" });
      const url = `http://127.0.0.1:${port}`;
      const set = await fetchJwks(url);
      proxy.freeze();
      // By then all keys are older than a second, and all reads of them hang.
      await until("no worker is ready", async () => {
        expect(await fetchJwks(url)).to.deep.equal(set);
        expect((await fetch(`${url}/healthz`)).status).to.equal(200);
        return (await fetch(`${url}/readyz`)).status === 503;
      });
      expect(await fetchJwks(url)).to.deep.equal(set);
    } finally {
      await proxy.close();
    }
  });
});
