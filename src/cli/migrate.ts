import { Command } from "commander";
import type { Config } from "../config/config.ts";
import { loadDatabaseConfig } from "../config/database-config.ts";
import { readMigrations } from "../doctor-checks.ts";
import { openEncryptedStorage } from "../open-encrypted-storage.ts";
import { secureRandomBytes } from "../session/ids.ts";
import type { Cli } from "./cli.ts";
import { CommandError, ExitCode } from "./exit-codes.ts";

/** `sessiond migrate` */
export function migrateCommand(cli: Cli, end: (exitCode: number) => void): Command {
  return new Command("migrate")
    .summary("bring the database's schema up to date")
    .description(
      "Applies the migrations of this version to the database and exits, as a start of the service does. It " +
        "needs the settings of the database and of key encryption only. Any number of processes may do it " +
        "at once.",
    )
    .option(
      "--check",
      `only look: ends with ${ExitCode.migrationsPending} if migrations are pending`,
    )
    .action(async ({ check }: { check?: true }) => {
      const config = loadDatabaseConfig(cli.host.env);
      if (check === true) await checkMigrations(cli, config, end);
      else await applyMigrations(cli, config);
    });
}

async function checkMigrations(
  cli: Cli,
  config: Config,
  end: (exitCode: number) => void,
): Promise<void> {
  const status = await readMigrations(config, cli.signal);
  const { pending, newer, unknown } = status;
  if (cli.isJson) await cli.stdout.writeJson(`${JSON.stringify(status)}\n`);
  else await cli.stdout.write(`${describe("pending", pending)}\n`);
  if (unknown.length > 0) {
    throw new CommandError(
      `the schema has migrations that this version does not know: ${unknown.join(", ")}`,
    );
  }
  if (newer.length > 0) {
    await cli.note(
      `the schema is that of a newer version, which this version can use: ${newer.join(", ")}`,
    );
  }
  if (pending.length > 0) end(ExitCode.migrationsPending);
}

async function applyMigrations(cli: Cli, config: Config): Promise<void> {
  const log = await cli.host.openLog(config);
  await using stack = new AsyncDisposableStack();
  const applied: string[] = [];
  const { signal } = cli;
  const onMigrated = (names: readonly string[]) => applied.push(...names);
  await openEncryptedStorage({ config, log, random: secureRandomBytes, signal, onMigrated }, stack);
  if (cli.isJson) await cli.stdout.writeJson(`${JSON.stringify({ applied })}\n`);
  else await cli.stdout.write(`${describe("applied", applied)}\n`);
}

function describe(what: string, names: readonly string[]): string {
  if (names.length === 0) return "the schema is up to date";
  return `${names.length} ${names.length === 1 ? "migration" : "migrations"} ${what}: ${names.join(", ")}`;
}
