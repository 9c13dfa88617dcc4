import { readdirSync, readFileSync, statSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BANNER, postmasterOf, startSessiond } from "../../support/sessiond-process.ts";
import type { Attack } from "../attack.ts";

const OTHERS = 0o077;

/** A file of a process; empty if the process has ended. */
function procFile(pid: string, name: string): string {
  try {
    return readFileSync(join("/proc", pid, name), "latin1");
  } catch {
    return "";
  }
}

const processIds = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name));

function descendants(pid: string, ids = processIds()): string[] {
  const children = ids.filter(
    (id) => procFile(id, "status").match(/^PPid:\s+(\d+)$/m)?.[1] === pid,
  );
  return children.flatMap((id) => [id, ...descendants(id, ids)]);
}

export const attacks: readonly Attack[] = [
  {
    name: "secrets-of-process",
    shows: "other users of the machine find no secret in processes, environments or files",
    async run() {
      const directory = await mkdtemp(join(tmpdir(), "sessiond-hostile-"));
      await chmod(directory, 0o755);
      const data = join(directory, "data");
      const sessiond = startSessiond({ env: { SESSIOND_DATA_DIR: data } });
      try {
        await sessiond.says(BANNER);
        const names = ["key-encryption-key", "postgres-password"];
        const secrets = await Promise.all(
          names.map(async (name) => (await readFile(join(data, name), "utf8")).trim()),
        );
        const postmaster = String((await postmasterOf(data))?.pid);
        const own = [postmaster, ...descendants(postmaster)];
        const has = (text: string) => secrets.some((secret) => text.includes(secret));
        const open = readdirSync(data, { withFileTypes: true })
          .filter((entry) => entry.isFile())
          .filter(({ name }) => (statSync(join(data, name)).mode & OTHERS) !== 0);
        const failures = [
          ...(secrets.includes("") ? ["there is no secret to look for"] : []),
          ...(own.length > 1 ? [] : ["there is no process of PostgreSQL to look at"]),
          ...(processIds().some((pid) => has(procFile(pid, "cmdline")))
            ? ["a secret is in the list of processes"]
            : []),
          ...own
            .filter(
              (pid) => /SESSIOND_/.test(procFile(pid, "environ")) || has(procFile(pid, "environ")),
            )
            .map((pid) => `the environment of ${procFile(pid, "comm").trim()} has a secret`),
          ...open.map(({ name }) => `${name} can be read by others`),
        ];
        const summary = `${secrets.length} secrets, ${own.length} processes of PostgreSQL`;
        return { summary, failures };
      } finally {
        await sessiond.end("SIGTERM");
        await rm(directory, { recursive: true, force: true });
      }
    },
  },
];
