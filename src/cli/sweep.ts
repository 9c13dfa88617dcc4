import { setTimeout as delay } from "node:timers/promises";
import { toJsonString } from "@bufbuild/protobuf";
import { Command } from "commander";
import {
  type GarbageCollectResponse,
  GarbageCollectResponseSchema,
  SessionService,
} from "../../gen/es/sessiond/v1/session_service_pb.ts";
import type { Cli } from "./cli.ts";
import { CommandError, ExitCode } from "./exit-codes.ts";

/** Longer than any sweep: the service ends it at its own limit. */
const SWEEP_TIMEOUT_MS = 10 * 60_000;
/** How long to wait for another sweep before the next attempt. */
const RETRY_MS = 1000;

interface Sums {
  sessionsDeleted: number;
  preLoginSessionsDeleted: number;
  signingKeysDeleted: number;
  auditEventsDeleted: number;
  tokenKeysDeleted: number;
}

/** `sessiond sweep` */
export function sweepCommand(cli: Cli, end: (exitCode: number) => void): Command {
  return new Command("sweep")
    .summary("delete what is past its retention")
    .description(
      "Makes the service delete sessions, keys and audit events that are past their retention: one sweep, " +
        "with a time limit. Needs the role admin, for all tenants.",
    )
    .option("--until-done", "sweep again until nothing is left to delete")
    .action(async ({ untilDone = false }: { untilDone?: boolean }) => {
      const response = await sweep(cli, untilDone);
      await cli.printFields(
        () => toJsonString(GarbageCollectResponseSchema, response),
        [
          ["sessions deleted", String(response.sessionsDeleted)],
          ["pre-login sessions deleted", String(response.preLoginSessionsDeleted)],
          ["signing keys deleted", String(response.signingKeysDeleted)],
          ["token keys deleted", String(response.tokenKeysDeleted)],
          ["audit events deleted", String(response.auditEventsDeleted)],
          ["more to delete", response.more ? "yes" : "no"],
        ],
      );
      if (response.alreadyRunning) {
        throw new CommandError("another sweep is running: nothing was done", ExitCode.unavailable);
      }
      if (response.failedParts.length > 0) {
        await cli.note(
          `failed: ${response.failedParts.join(", ")}; the service's log has the cause`,
        );
        end(ExitCode.partlyDone);
      }
    });
}

/** Sweeps once, or until nothing is left. The counts are those of all sweeps. */
async function sweep(cli: Cli, untilDone: boolean): Promise<GarbageCollectResponse> {
  using progress = cli.progress();
  const sums: Sums = {
    sessionsDeleted: 0,
    preLoginSessionsDeleted: 0,
    signingKeysDeleted: 0,
    auditEventsDeleted: 0,
    tokenKeysDeleted: 0,
  };
  for (;;) {
    const { method } = SessionService;
    const response = await cli.call(method.garbageCollect, {}, { timeoutMs: SWEEP_TIMEOUT_MS });
    for (const name of Object.keys(sums) as (keyof Sums)[]) sums[name] += response[name];
    const isDone = !response.more && !response.alreadyRunning;
    // A part that fails would fail again at once.
    if (!untilDone || isDone || response.failedParts.length > 0) return { ...response, ...sums };
    const total = Object.values(sums).reduce((sum, count) => sum + count, 0);
    progress.update(
      response.alreadyRunning ? "waiting for another sweep" : `deleted ${total} so far`,
    );
    if (response.alreadyRunning) await delay(RETRY_MS, undefined, { signal: cli.signal });
  }
}
