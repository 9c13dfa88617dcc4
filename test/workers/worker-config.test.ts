import { expect } from "chai";
import { loadConfig } from "../../src/config/config.ts";
import { restartDelayMs } from "../../src/restart-delay.ts";
import { configOfWorker } from "../../src/worker.ts";

describe("the configuration of a worker", () => {
  const configsOf = (workers: number, env: Readonly<Record<string, string>>) =>
    Array.from({ length: workers }, (_, index) =>
      configOfWorker(env, { worker: index + 1, workers, port: undefined }),
    );
  const shares = (workers: number, poolSize: number) =>
    configsOf(workers, {
      SESSIOND_WORKERS: String(workers),
      SESSIOND_DATABASE_POOL_SIZE: String(poolSize),
    }).map(({ database }) => database.poolSize);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

  it("has its share of the database connections, and leaves none unused", () => {
    expect(shares(1, 7)).to.deep.equal([7]);
    expect(shares(2, 10)).to.deep.equal([5, 5]);
    expect(shares(4, 11)).to.deep.equal([3, 3, 3, 2]);
    expect(shares(3, 6)).to.deep.equal([2, 2, 2]);
  });

  it("counts on as many workers as the primary, whatever `auto` is here", () => {
    const { workers: automatic } = loadConfig({ SESSIOND_WORKERS: "auto" });
    for (const workers of [3, 4, 5].filter((number) => number !== automatic)) {
      const { poolSize } = loadConfig({ SESSIOND_WORKERS: String(workers) }).database;
      const configs = configsOf(workers, { SESSIOND_WORKERS: "auto" });
      expect(configs.map((config) => config.workers)).to.deep.equal(configs.map(() => workers));
      expect(sum(configs.map(({ database }) => database.poolSize))).to.equal(poolSize);
    }
  });

  it("has the port of the others, and all else as it is configured", () => {
    const env = { SESSIOND_WORKERS: "2", SESSIOND_PORT: "0" };
    const config = loadConfig(env);
    const start = { worker: 1, workers: 2, port: 4711 };
    const { server, database, ...rest } = configOfWorker(env, start);
    expect(server).to.deep.equal({ ...config.server, port: 4711 });
    expect(database).to.deep.equal({ ...config.database, poolSize: 5 });
    expect({ ...rest, server: config.server, database: config.database }).to.deep.equal(config);
    expect(configOfWorker(env, { ...start, port: undefined }).server.port).to.equal(0);
  });
});

describe("the delay before a worker is replaced", () => {
  it("doubles from one failure to the next, up to 30 s", () => {
    const delays = Array.from({ length: 9 }, (_, failures) => restartDelayMs(failures));
    expect(delays).to.deep.equal([0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(restartDelayMs(5000)).to.equal(30_000);
  });
});
