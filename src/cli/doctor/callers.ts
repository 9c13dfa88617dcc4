import { readFile } from "node:fs/promises";
import { type CallerLine, CallersFileError, parseCallersFile } from "../../callers/callers-file.ts";
import type { Config } from "../../config/config.ts";
import { type Check, type Finding, ok, problem, roughDuration, warning } from "./finding.ts";

const EXPIRING_MS = 14 * 86_400_000;
/** How many lines are named. */
const MAX_NAMED = 5;

/** Who may call. */
export const callers: Check = {
  name: "callers",
  isOnline: false,
  async run({ config, cli }) {
    if (config === undefined) return [];
    return await judgeCallers(config, cli.host.now());
  },
};

async function judgeCallers(
  { callers: file, server }: Config,
  now: number,
): Promise<readonly Finding[]> {
  if (file === undefined) {
    if (server.exposure === "protected") {
      return [ok("callers are not authenticated, and only this machine can connect")];
    }
    return [
      warning(
        "callers are not authenticated: whoever can connect can log in as anyone",
        "set SESSIOND_CALLERS_FILE, or let a network policy admit your backends only",
      ),
    ];
  }
  let text: string;
  try {
    text = await readFile(file.file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return [
      problem(
        `the callers file ${file.file} cannot be read (${code})`,
        "let sessiond's user read it; sessiond token create --file makes one",
      ),
    ];
  }
  try {
    const accepts = { jwts: file.jwt !== undefined, certificates: file.certificates };
    return judgeLines(parseCallersFile(text, accepts).lines, now);
  } catch (error) {
    if (!(error instanceof CallersFileError)) throw error;
    return [
      problem(
        `the callers file: ${error.message}`,
        "correct these lines: until then it is not used",
      ),
    ];
  }
}

/** @param now milliseconds since 1970 */
export function judgeLines(lines: readonly CallerLine[], now: number): readonly Finding[] {
  const live = lines.filter(({ expiresAt }) => now < expiresAt);
  const expired = lines.filter(({ expiresAt }) => now >= expiresAt);
  const expiring = live.filter(({ expiresAt }) => expiresAt - now < EXPIRING_MS);
  const findings: Finding[] = [];
  if (live.length === 0) {
    findings.push(
      problem(
        "the callers file has no line in force: nobody can call",
        "add one: sessiond token create",
      ),
    );
  }
  for (const { caller, expiresAt } of expiring.slice(0, MAX_NAMED)) {
    findings.push(
      warning(
        `the credential of ${caller.name} expires in ${roughDuration(expiresAt - now)}`,
        `sessiond token create --name ${caller.name} --role ${caller.role} makes another`,
      ),
    );
  }
  if (expired.length > 0) {
    const names = expired.slice(0, MAX_NAMED).map(({ caller }) => caller.name);
    findings.push(
      warning(
        `expired lines: ${names.join(", ")}${expired.length > MAX_NAMED ? " …" : ""}`,
        "remove them",
      ),
    );
  }
  if (live.length > 0 && !live.some(({ caller }) => caller.role === "admin")) {
    findings.push(
      warning(
        "no caller has the role admin: nobody can rotate keys, read the audit or search sessions",
        "sessiond token create --name ops --role admin",
      ),
    );
  }
  return findings.length > 0 ? findings : [ok(`${live.length} credentials are in force`)];
}
