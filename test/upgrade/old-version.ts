import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** The module that has the rule. */
const MIGRATE = "src/storage/schema/migrate.ts";

/** The version before the newest migration, with the libraries of this one. */
export interface OldVersion extends Disposable {
  /** What starts it. */
  readonly main: string;
}

/**
 * Takes the version from before the migration in `file` out of the history. A version that refuses every
 * newer schema, which is older than the rule on migrations that expand, gets the rule from this one.
 *
 * @returns undefined if the history is not there, as in a package or a shallow clone
 */
export function oldVersion(file: string): OldVersion | undefined {
  const commit = tryGit("log", "-1", "--diff-filter=A", "--format=%H", "--", file)?.trim();
  if (commit === undefined || commit === "") return undefined;
  const archive = tryGit("archive", "--format=tar", `${commit}^`);
  if (archive === undefined) return undefined;
  const directory = mkdtempSync(join(realpathSync(tmpdir()), "sessiond-old-"));
  execFileSync("tar", ["-x", "-C", directory], { input: Buffer.from(archive, "latin1") });
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  const migrate = join(directory, MIGRATE);
  if (!readFileSync(migrate, "utf8").includes("onNewerSchema")) {
    copyFileSync(join(ROOT, MIGRATE), migrate);
  }
  return {
    main: join(directory, "src/main.ts"),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function tryGit(...args: readonly string[]): string | undefined {
  try {
    return execFileSync("git", [...args], {
      cwd: ROOT,
      encoding: "latin1",
      maxBuffer: 1 << 30,
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return undefined;
  }
}
