import { findNativeDirectory, prepareBinaries } from "./embedded-binaries.ts";
import {
  checkReachable,
  chooseUser,
  loadPassword,
  prepareDirectory,
} from "./embedded-directory.ts";
import { EmbeddedInstance } from "./embedded-instance.ts";
import { followLog } from "./embedded-log.ts";
import type { ServerContext } from "./embedded-server.ts";

export { DataDirectoryInUseError } from "./embedded-owner.ts";

/** A real PostgreSQL for those who have none, in a data directory that this process owns. */
export interface EmbeddedPostgres {
  /** For the pool of connections. Stays valid when the server dies and is started again. */
  readonly url: string;
  /** Absolute, without symbolic links. */
  readonly dataDirectory: string;
  readonly port: number;
  /** The postmaster's process id. Another one after the server has died and been restarted. */
  readonly pid: number;
  /** What the start found: no data, data without a server, or a server that outlived its owner. */
  readonly found: "created" | "stopped" | "running";
  /**
   * Shuts PostgreSQL down, waits until it is gone, and gives the data directory up. Takes 30 s at
   * most. May be called again, then waits for the same. A server that another process has taken
   * over while this one had lost touch with it goes on running.
   */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  readonly dataDirectory: string;
  /** Gets what happens to the server, and the lines that PostgreSQL writes to `postgres.log`. */
  readonly log?: (line: string) => void;
  /**
   * More settings for a server that this call starts. A server that is found running keeps its
   * own. Those that decide who can connect and what is logged are fixed.
   */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gives up durability for speed: for tests, whose data need not survive a crash. */
  readonly ephemeral?: boolean;
}

/** What only tests change. */
export interface EmbeddedPostgresInternals {
  /** Where PostgreSQL's `bin`, `lib` and `share` are, instead of the installed package. */
  readonly nativeDirectory?: string;
}

/**
 * Starts PostgreSQL in the data directory, which it creates if need be, or takes over the server
 * that a killed sessiond has left running there.
 *
 * What it opens does not keep Node alive by itself. Whoever lets the process end without `stop()`
 * leaves PostgreSQL running, for the next start to find.
 *
 * @throws DataDirectoryInUseError if another process owns the directory
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
  internals: EmbeddedPostgresInternals = {},
): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => {});
  const native = internals.nativeDirectory ?? (await findNativeDirectory());
  const layout = await prepareDirectory(options.dataDirectory);
  const user = await chooseUser(layout);
  if (user !== undefined) await checkReachable(layout, user);
  const context: ServerContext = {
    layout,
    user,
    binaries: await prepareBinaries(native, layout, user),
    password: await loadPassword(layout),
    settings: options.settings ?? {},
    ephemeral: options.ephemeral ?? false,
  };
  const follower = await followLog(layout.logFile, log);
  const instance = new EmbeddedInstance(context, follower, log);
  try {
    await instance.start();
  } catch (error) {
    await instance.stop().catch(() => {});
    throw error;
  }
  return instance;
}
