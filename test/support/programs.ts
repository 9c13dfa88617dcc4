import { spawnSync } from "node:child_process";
import { accessSync, constants, globSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** Where a program is, on PATH or in one of the further directories; undefined if it is absent. */
export function findProgram(name: string, further: readonly string[] = []): string | undefined {
  const directories = [...(process.env.PATH ?? "").split(delimiter), ...further];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/** Where `go install` puts programs, if Go is here. */
export function goPrograms(): readonly string[] {
  const { stdout, status } = spawnSync("go", ["env", "GOPATH"], { encoding: "utf8" });
  return status === 0 ? [join(stdout.trim(), "bin")] : [];
}

/** Where `bin/postgres` of Debian's newest PostgreSQL is; undefined if none from 15 on is installed. */
export function debianPostgres(): string | undefined {
  const versionOf = (directory: string) => Number(/\d+$/.exec(directory)?.[0]);
  return globSync("/usr/lib/postgresql/*/bin/postgres")
    .map((program) => dirname(dirname(program)))
    .filter((directory) => versionOf(directory) >= 15)
    .sort((a, b) => versionOf(b) - versionOf(a))[0];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
