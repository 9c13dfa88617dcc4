import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../../support/until.ts";
import { type Scenario, Skipped } from "../scenario.ts";
import type { FaultServer } from "../server.ts";
import { World } from "../world.ts";

const SIZE = "64m";
const CHUNK = Buffer.alloc(64 * 1024);

/** The disk of the tables is full, and later it is not: writes fail cleanly, and it heals by itself. */
export const fullDisk: Scenario = {
  name: "full-disk",
  fault: "Disk of the tables full",
  async run(server, scale) {
    await using stack = new AsyncDisposableStack();
    const directory = mountSmallDisk(server, stack);
    const tablespace = join(directory, "tablespace");
    await server.admin(`CREATE TABLESPACE small LOCATION '${tablespace}'`);
    stack.defer(() => server.admin("DROP TABLESPACE small"));
    const database = await server.createDatabase("TABLESPACE small");
    stack.defer(() => database.close());
    await using world = await World.open(server, { database });
    world.startLoad();
    const rounds = scale.of(1, 20);
    const ballast = join(directory, "ballast");
    for (let round = 0; round < rounds; round += 1) {
      await world.load.more(100);
      const unknownBefore = world.recorder.count("unknown");
      await until("writes fail", async () => {
        // Also what the database has freed in the meantime.
        await fill(ballast);
        return world.recorder.count("unknown") >= unknownBefore + 50;
      });
      truncateSync(ballast);
      await world.recovered(performance.now());
    }
    return world.report(rounds, await world.check());
  },
};

/** A small file system of its own, which only root may mount. */
function mountSmallDisk(server: FaultServer, stack: AsyncDisposableStack): string {
  if (process.getuid?.() !== 0) throw new Skipped("only root may mount a small file system");
  const directory = join(server.dataDirectory, "small-disk");
  mkdirSync(directory, { mode: 0o755 });
  stack.defer(() => rmSync(directory, { recursive: true }));
  try {
    const options = ["-t", "tmpfs", "-o", `size=${SIZE},mode=0755`, "tmpfs", directory];
    execFileSync("mount", options, { stdio: "pipe" });
  } catch (error) {
    throw new Skipped(`a small file system cannot be mounted: ${(error as Error).message}`);
  }
  stack.defer(() => void execFileSync("umount", [directory]));
  const tablespace = join(directory, "tablespace");
  mkdirSync(tablespace, { mode: 0o700 });
  const { uid, gid } = statSync(join(server.dataDirectory, "postgres"));
  chownSync(tablespace, uid, gid);
  writeFileSync(join(directory, "ballast"), "");
  return directory;
}

/** Appends to the file until the disk is full. */
async function fill(file: string): Promise<void> {
  await using handle = await open(file, "a");
  for (;;) {
    try {
      await handle.write(CHUNK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") return;
      throw error;
    }
  }
}
