import { readFileSync } from "node:fs";
import type { Server } from "node:net";

/** Listens on a free port, and prints it in the form that the benchmark expects. */
export function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    announce(port);
  });
  exitOnSigterm();
}

export function announce(port: number | undefined): void {
  process.stdout.write(`the system listens on http://127.0.0.1:${port}\n`);
}

/** Exits at once on SIGTERM: no call is in flight when the benchmark stops a system. */
export function exitOnSigterm(): void {
  process.once("SIGTERM", () => process.exit(0));
}

/** An environment variable that the benchmark sets for its systems. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: start this through npm run bench`);
  return value;
}

/** A recorded ValidateResponse of sessiond, encoded. */
export function recordedAnswer(): Buffer {
  return readFileSync(setting("BENCH_ANSWER_FILE"));
}
