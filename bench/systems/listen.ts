import { readFileSync } from "node:fs";
import type { Server } from "node:net";

/** Listens on any free port and says which, in the words that the benchmark waits for. */
export function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    announce(port);
  });
  endWithSignal();
}

export function announce(port: number | undefined): void {
  process.stdout.write(`the system listens on http://127.0.0.1:${port}\n`);
}

/** Nothing here is worth a gentle end: no call is under way when the benchmark stops a system. */
export function endWithSignal(): void {
  process.once("SIGTERM", () => process.exit(0));
}

/** A setting that the benchmark gives to the systems that need it. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: start this through npm run bench`);
  return value;
}

/** The ValidateResponse, as bytes, that sessiond gave to one of the benchmark's requests. */
export function recordedAnswer(): Buffer {
  return readFileSync(setting("BENCH_ANSWER_FILE"));
}
