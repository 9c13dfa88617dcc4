/** The command that makes a caller's token and its line for the callers file. */

import { hash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type Role, roles } from "../callers/caller.ts";
import {
  CALLER_NAME_RULE,
  CallersFileError,
  isCallerName,
  isTenantId,
  parseCallersFile,
  TENANT_ID_RULE,
} from "../callers/callers-file.ts";
import { duration, parse } from "../config/parsers.ts";

export const CREATE_TOKEN_USAGE = `Usage: sessiond create-token --name NAME --role ROLE [options]

Makes a token for a service that calls sessiond, and prints it once. The callers file
(SESSIOND_CALLERS_FILE) gets a line with the token's SHA-256, from which nobody can make the token.

  --name NAME      the service's name, as the audit and the log will show it
  --role ROLE      validator, issuer or admin; each may do what the one before may
  --tenant TENANT  a tenant that it may act on; may be repeated. Without it: all tenants
  --expires TIME   when the token ends, from now, such as 90d or 12h. Without it: never
  --file FILE      append the line to this file, which is made if needed. Without it: print the line

The token is the first line on standard output, and the line for the callers file the second.
`;

/** 256 bits. */
const TOKEN_BYTES = 32;
/** By it, scanners for leaked secrets recognise a token. */
const TOKEN_PREFIX = "sessiond_";

/** The arguments or the file cannot be used. The message is for users. */
export class CreateTokenError extends Error {
  override readonly name = "CreateTokenError";
}

/** What the command prints. */
export interface CreateTokenOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** What a token is to be like, unchecked. */
export interface TokenOptions {
  readonly name?: string | undefined;
  readonly role?: string | undefined;
  readonly tenant?: readonly string[] | undefined;
  readonly expires?: string | undefined;
  /** The callers file that gets the token's line. */
  readonly file?: string | undefined;
}

export interface CreatedToken {
  /** Secret. */
  readonly token: string;
  /** Of the callers file. */
  readonly line: string;
}

/**
 * Makes a token as `create-token` is told by its arguments.
 *
 * @param args those after `create-token`
 * @param now milliseconds since the Unix epoch
 * @throws {CreateTokenError} if an argument or the file cannot be used; then the file is as it was
 * @throws {TypeError} with a code ERR_PARSE_ARGS_… if an argument is unknown or has no value
 */
export async function createToken(
  args: readonly string[],
  now = Date.now(),
): Promise<CreateTokenOutput> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      name: { type: "string" },
      role: { type: "string" },
      tenant: { type: "string", multiple: true },
      expires: { type: "string" },
      file: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return { stdout: CREATE_TOKEN_USAGE, stderr: "" };
  const { token, line } = await makeToken(values, now);
  const stderr = tokenAdvice(values.file);
  const stdout = values.file === undefined ? `${token}\n${line}\n` : `${token}\n`;
  return { stdout, stderr: `${stderr}\n` };
}

/** What to do with a token that was made. */
export function tokenAdvice(file: string | undefined): string {
  const where =
    file === undefined ? "The second line is for the callers file" : `${file} has its line`;
  return `Keep the token secret; it is not shown again. ${where}.`;
}

/**
 * Makes a token, and appends its line to the file that the options name, if they do.
 *
 * @param now milliseconds since the Unix epoch
 * @throws {CreateTokenError} if an option or the file cannot be used; then the file is as it was
 */
export async function makeToken(options: TokenOptions, now: number): Promise<CreatedToken> {
  const problems: string[] = [];
  const { name = "", role = "", tenant: tenants, expires, file } = options;
  if (!isCallerName(name)) problems.push(`--name must be ${CALLER_NAME_RULE}`);
  if (!roles.includes(role as Role)) problems.push(`--role must be one of ${roles.join(", ")}`);
  if (tenants?.some((tenant) => tenant === "*" || !isTenantId(tenant))) {
    problems.push(
      `--tenant must be a tenant's id: ${TENANT_ID_RULE}. Leave it out for all tenants`,
    );
  }
  const lifetime = expires === undefined ? undefined : parse(duration("1m", "3650d"), expires);
  if (lifetime?.success === false) {
    problems.push(`--expires: ${lifetime.error.issues[0]?.message}`);
  }
  if (file === "") problems.push("--file must be a path");
  if (problems.length > 0) throw new CreateTokenError(problems.join("; "));

  const token = TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString("base64url");
  const line = JSON.stringify({
    name,
    role,
    tenants: tenants && [...new Set(tenants)],
    token_sha256: hash("sha256", token),
    expires_at: lifetime?.data && timestamp(now + lifetime.data),
  });
  if (file !== undefined) await append(file, line);
  return { token, line };
}

/** RFC 3339, in whole seconds. */
function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Appends a line in one write, also after a last line without its end. */
async function append(path: string, line: string): Promise<void> {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK } = constants;
  const flags = O_RDWR | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK;
  try {
    await using file = await open(path, flags, 0o600);
    if (!(await file.stat()).isFile()) throw new CreateTokenError("it is not a regular file");
    const content = await file.readFile("utf8");
    const separator = content === "" || content.endsWith("\n") ? "" : "\n";
    const added = `${separator}${line}\n`;
    // sessiond refuses a file with any mistake, and a mistyped path must not break another file.
    parseCallersFile(content + added, { jwts: true, certificates: true });
    const bytes = Buffer.from(added);
    const { bytesWritten } = await file.write(bytes);
    if (bytesWritten < bytes.length) {
      await file.truncate(Buffer.byteLength(content));
      throw new CreateTokenError("there is no room for the line");
    }
    await file.sync();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isWrong = error instanceof CallersFileError;
    const why = isWrong ? `it is not a valid callers file: ${message}` : (code ?? message);
    throw new CreateTokenError(`the line cannot be appended to ${JSON.stringify(path)}: ${why}`, {
      cause: error,
    });
  }
}
