// A process that owns an embedded PostgreSQL, for tests that kill it or need a second one.
// It reports over its IPC channel, which also keeps it alive, and stops when told to.
import { DataDirectoryInUseError, type EmbeddedPostgres, startEmbeddedPostgres } from "../index.ts";

/** What the process reports, once. */
export type OwnerReport =
  | { started: true; url: string; port: number; pid: number; found: EmbeddedPostgres["found"] }
  | { started: false; name: string; message: string; holder: number | undefined };

const dataDirectory = process.argv[2];
if (dataDirectory === undefined) throw new Error("usage: owner.ts DIRECTORY");

// As the first stroke of Ctrl-C does, which a server answers by draining.
process.on("SIGINT", () => process.send?.("interrupted"));

function report(message: OwnerReport): void {
  process.send?.(message);
}

try {
  const server = await startEmbeddedPostgres({ dataDirectory });
  process.on("message", async (message) => {
    if (message === "stop") await server.stop();
    // Without its channel, the process ends when nothing else keeps it alive.
    process.disconnect();
  });
  const { url, port, pid, found } = server;
  report({ started: true, url, port, pid, found });
} catch (error) {
  const { name, message } = error as Error;
  const holder = error instanceof DataDirectoryInUseError ? error.pid : undefined;
  report({ started: false, name, message, holder });
  process.disconnect();
}
