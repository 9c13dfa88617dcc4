import * as fs from "node:fs/promises";
import * as path from "node:path";
import { findNativeDirectory, prepareBinaries } from "./binaries.ts";
import {
  chooseUser,
  createOnce,
  loadPassword,
  prepareDirectory,
  temporaryName,
} from "./data-directory.ts";
import { EmbeddedPostgresError, failed, ignore } from "./errors.ts";
import type { EmbeddedPostgresOptions } from "./options.ts";
import { run } from "./run.ts";

/** A cluster (the data of one server), with everything needed to run it. */
export type Cluster = Awaited<ReturnType<typeof openCluster>>;

/** Prepares a data directory, with a cluster in it, for a server. */
export async function openCluster(requested: EmbeddedPostgresOptions) {
  const defaults = { name: "postgres", log: () => {}, settings: {}, ephemeral: false };
  const options = { ...defaults, ...requested };
  const installed = options.nativeDirectory ?? findNativeDirectory();
  const root = await prepareDirectory(path.resolve(options.dataDirectory), "postgres-password");
  const inRoot = (name: string) => path.join(root, name);
  const passwordFile = inRoot("postgres-password");
  // A symbolic link if the cluster is on another disk. The server runs in the real directory.
  const real = await fs.realpath(inRoot("postgres")).catch(ignore("ENOENT"));
  const pgdata = real ?? inRoot("postgres");
  const runAs = await chooseUser(root, pgdata);
  const { native, majorVersion } = await prepareBinaries(installed, root, runAs);
  const runTool = (name: "initdb" | "pg_ctl", args: string[]) =>
    run(path.join(native, "bin", name), args, root, runAs);
  const password = await loadPassword(passwordFile, pgdata);
  const created = await createOnce(pgdata, async (temporary) => {
    await fs.mkdir(temporary, { mode: 0o700 });
    // A copy that PostgreSQL's user can read: the password file belongs to this process's user.
    const copy = temporaryName(passwordFile);
    await fs.writeFile(copy, `${password}\n`, { mode: 0o600 });
    if (runAs) await run("chown", [`${runAs.uid}:${runAs.gid}`, temporary, copy], root);
    const args = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"];
    args.push(`--pgdata=${temporary}`, `--username=${options.name}`, `--pwfile=${copy}`);
    if (options.ephemeral) args.push("--no-sync");
    await runTool("initdb", args).finally(() => fs.rm(copy));
  }).catch(failed("server", `PostgreSQL could not create a database in ${pgdata}`));
  const versionFile = path.join(pgdata, "PG_VERSION");
  const version = await fs.readFile(versionFile, "utf8").catch(ignore("ENOENT"));
  const made = version?.trim() ?? "of no version";
  const message = `${pgdata} was made by PostgreSQL ${made}, but PostgreSQL ${majorVersion} is installed`;
  if (made !== majorVersion) throw new EmbeddedPostgresError("version", message);
  const [logFile, found] = [inRoot("postgres.log"), created ? "created" : "stopped"] as const;
  return { ...options, root, pgdata, logFile, runAs, native, runTool, password, found };
}
