import {
  type Replica,
  type ReplicaOptions,
  startReplica,
  startTestApp,
  type TestApp,
} from "./app.ts";

export interface TwoReplicas {
  readonly app: TestApp;
  readonly other: Replica;
  stop(): Promise<void>;
}

/** Two processes' worth of sessiond on one database: each has its own pool and its own memory. */
export async function startTwoReplicas(options: ReplicaOptions = {}): Promise<TwoReplicas> {
  const app = await startTestApp(options);
  try {
    const other = await startReplica(app.database.url, options);
    return {
      app,
      other,
      async stop() {
        await other.stop();
        await app.stop();
      },
    };
  } catch (error) {
    await app.stop();
    throw error;
  }
}
