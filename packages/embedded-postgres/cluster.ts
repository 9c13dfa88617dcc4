import * as fs from "node:fs/promises";
import * as path from "node:path";
import { findNativeDirectory, prepareBinaries } from "./binaries.ts";
import { chooseUser, createOnce, loadPassword, prepareDirectory } from "./data-directory.ts";
import { EmbeddedPostgresError, failed, ignore } from "./errors.ts";
import type { EmbeddedPostgresOptions } from "./options.ts";
import { run } from "./run.ts";

/** PostgreSQL's word for the data of one server; with what it takes to run that. */
export type Cluster = Awaited<ReturnType<typeof openCluster>>;

/** Prepares a data directory, with a cluster in it, for a server. */
export async function openCluster(given: EmbeddedPostgresOptions) {
  const defaults = { name: "postgres", log: () => {}, settings: {}, ephemeral: false };
  const options = { ...defaults, ...given };
  const installed = options.nativeDirectory ?? findNativeDirectory();
  const root = await prepareDirectory(path.resolve(options.dataDirectory), "postgres-password");
  const inRoot = (name: string) => path.join(root, name);
  const [pgdata, passwordFile] = [inRoot("postgres"), inRoot("postgres-password")];
  const runAs = await chooseUser(root, pgdata);
  const { native, majorVersion } = await prepareBinaries(installed, root, runAs);
  const runTool = (name: "initdb" | "pg_ctl", args: string[]) =>
    run(path.join(native, "bin", name), args, root, runAs);
  const password = await loadPassword(passwordFile, pgdata);
  const created = await createOnce(pgdata, async (temporary) => {
    await fs.mkdir(temporary, { mode: 0o700 });
    const owner = `${runAs?.uid}:${runAs?.gid}`;
    if (runAs) await run("chown", [owner, temporary, passwordFile], root);
    const args = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"];
    args.push(`--pgdata=${temporary}`, `--username=${options.name}`, `--pwfile=${passwordFile}`);
    if (options.ephemeral) args.push("--no-sync");
    await runTool("initdb", args);
  }).catch(failed("server", `PostgreSQL could not create a database in ${pgdata}`));
  const versionFile = path.join(pgdata, "PG_VERSION");
  const version = await fs.readFile(versionFile, "utf8").catch(ignore("ENOENT"));
  const made = version?.trim() ?? "of no version";
  const message = `${pgdata} was made by PostgreSQL ${made}, but PostgreSQL ${majorVersion} is installed`;
  if (made !== majorVersion) throw new EmbeddedPostgresError("version", message);
  const [logFile, found] = [inRoot("postgres.log"), created ? "created" : "stopped"] as const;
  return { ...options, root, pgdata, logFile, runAs, native, runTool, password, found };
}
