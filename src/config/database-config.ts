import { type Config, loadConfig } from "./config.ts";
import type { Environment, FileReader } from "./env-reader.ts";

const NAMES = /^SESSIOND_(DATABASE_|DATA_DIR$|KEY_ENCRYPTION_|LOG_)/;

/**
 * The configuration for work on the database: its settings, those of key encryption and of the log. All others
 * have their defaults, so that a job on the database need not have the service's certificates and callers.
 *
 * @throws {ConfigError} with all problems
 */
export function loadDatabaseConfig(env: Environment, readFile?: FileReader): Config {
  const isSetting = (name: string) => name.startsWith("SESSIOND_");
  const kept = Object.entries(env).filter(([name]) => !isSetting(name) || NAMES.test(name));
  return loadConfig(Object.fromEntries(kept), readFile);
}
