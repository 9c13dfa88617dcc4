import { stat } from "node:fs/promises";
import { ConfigError, resolveConfig } from "../../config/config.ts";
import type { Environment } from "../../config/env-reader.ts";
import { settingNames, settingOf } from "../../config/settings.ts";
import { type Check, type Finding, ok, problem, warning } from "./finding.ts";

/** The settings, and who can read the files of secrets. */
export const configuration: Check = {
  name: "configuration",
  isOnline: false,
  async run({ env }) {
    return [...settingsFindings(env), ...(await secretFiles(env))];
  },
};

function settingsFindings(env: Environment): readonly Finding[] {
  try {
    const { reader } = resolveConfig(env);
    const count = settingNames.filter((name) => reader.isSet(name)).length;
    return [ok(`valid, with ${count} settings from the environment`)];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((text) =>
      problem(text, "correct the setting; docs/configuration.md describes it"),
    );
  }
}

const OTHERS_MAY_READ = 0o004;
const OTHERS_MAY_WRITE = 0o022;

async function secretFiles(env: Environment): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const name of settingNames) {
    const { secret, file } = settingOf(name);
    const path = secret && file ? env[`${name}_FILE`] : undefined;
    const mode = path && (await modeOf(path));
    if (!mode || !(mode & OTHERS_MAY_READ)) continue;
    findings.push(
      warning(
        `every user of this machine can read ${path}, the file of ${name}`,
        `chmod o-r ${path}, and let its group be sessiond's`,
      ),
    );
  }
  const callers = env.SESSIOND_CALLERS_FILE;
  const mode = callers && (await modeOf(callers));
  if (mode && mode & OTHERS_MAY_WRITE) {
    findings.push(
      problem(
        `other users can write to ${callers}, and so make themselves callers with all rights`,
        `chmod go-w ${callers}`,
      ),
    );
  }
  return findings;
}

/** Undefined if the file cannot be looked at, which the settings' own check tells. */
async function modeOf(path: string): Promise<number | undefined> {
  if (process.platform === "win32") return undefined;
  return await stat(path).then(
    ({ mode }) => mode,
    () => undefined,
  );
}
