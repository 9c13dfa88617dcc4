import { type Replica, type ReplicaOptions, startReplica } from "./app.ts";

/** Does `work` with a replica of its own on the database, which is stopped afterwards. */
export async function withReplica<T>(
  databaseUrl: string,
  options: ReplicaOptions,
  work: (replica: Replica) => Promise<T>,
): Promise<T> {
  const replica = await startReplica(databaseUrl, options);
  try {
    return await work(replica);
  } finally {
    await replica.stop();
  }
}
