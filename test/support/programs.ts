import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

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

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
