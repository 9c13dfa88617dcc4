/** The configuration of the commands that call a running sessiond. */

import { readFileSync } from "node:fs";
import { ConfigError } from "./config.ts";
import { type Environment, EnvReader, type FileReader } from "./env-reader.ts";

export type CliConfig = ReturnType<typeof assemble>;

/** Without SESSIOND_CLI_ADDRESS, these say where the service of this environment listens. */
const LISTENER = ["SESSIOND_HOST", "SESSIOND_PORT", "SESSIOND_TLS_CERT", "SESSIOND_TLS_CERT_FILE"];

/**
 * Reads the settings of the command line, and no others: a mistake in those of the service must not stop
 * whoever looks for it.
 *
 * @throws {ConfigError} with all problems
 */
export function loadCliConfig(
  env: Environment,
  readFile: FileReader = (path) => readFileSync(path, "utf8"),
): CliConfig {
  const needed = env.SESSIOND_CLI_ADDRESS ? [] : LISTENER;
  const isRead = (name: string) => name.startsWith("SESSIOND_CLI_") || needed.includes(name);
  const read = Object.fromEntries(Object.entries(env).filter(([name]) => isRead(name)));
  const reader = new EnvReader(read, readFile);
  const [cert, key] = ["SESSIOND_CLI_CERT", "SESSIOND_CLI_KEY"] as const;
  reader.check(
    [cert, key],
    reader.isSet(cert) === reader.isSet(key),
    `${cert} and ${key} must be set together, or neither`,
  );
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return assemble(reader);
}

function assemble(reader: EnvReader) {
  return {
    /** `undefined`: where the service of this environment listens. */
    address: reader.get("SESSIOND_CLI_ADDRESS"),
    listener: {
      host: reader.get("SESSIOND_HOST"),
      port: reader.get("SESSIOND_PORT"),
      /** In PEM form. `undefined`: plain HTTP. */
      certificate: reader.get("SESSIOND_TLS_CERT"),
    },
    /** Secret. */
    token: reader.get("SESSIOND_CLI_TOKEN"),
    /** The path of the file that the token comes from, if it does. */
    tokenFile: reader.file("SESSIOND_CLI_TOKEN")?.path,
    ca: reader.get("SESSIOND_CLI_CA"),
    cert: reader.get("SESSIOND_CLI_CERT"),
    key: reader.get("SESSIOND_CLI_KEY"),
    serverName: reader.get("SESSIOND_CLI_SERVER_NAME"),
    actor: reader.get("SESSIOND_CLI_ACTOR"),
    timeoutMs: reader.get("SESSIOND_CLI_TIMEOUT"),
  } as const;
}
