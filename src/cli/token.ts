import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { Command } from "commander";
import { CallerRefusedError } from "../callers/caller.ts";
import { type CallerLine, parseCallersFile } from "../callers/callers-file.ts";
import { type JwtKeys, keysOfSet, keysOfUrl, verifyJwt } from "../callers/jwt-verifier.ts";
import {
  CreateTokenError,
  makeToken,
  type TokenOptions,
  tokenAdvice,
} from "../commands/create-token.ts";
import { nonEmpty, repeated } from "./arguments.ts";
import type { Cli } from "./cli.ts";
import { CommandError, ExitCode, wrongUse } from "./exit-codes.ts";
import type { Column } from "./table.ts";

/** `sessiond token …` */
export function tokenCommand(cli: Cli, end: (exitCode: number) => void): Command {
  const token = new Command("token")
    .summary("make, list and inspect tokens")
    .description("Makes and lists the tokens of services that call sessiond, and inspects JWTs.");
  token.addCommand(createCommand(cli));
  token.addCommand(listCommand(cli));
  token.addCommand(inspectCommand(cli, end));
  return token;
}

function createCommand(cli: Cli): Command {
  return new Command("create")
    .summary("make a token for a service that calls sessiond")
    .description(
      "Makes a token for a service that calls sessiond, and prints it once. The callers file " +
        "(SESSIOND_CALLERS_FILE) gets a line with the token's SHA-256, from which nobody can make the token.",
    )
    .requiredOption("--name <name>", "the service's name, as the audit and the log will show it")
    .requiredOption(
      "--role <role>",
      "validator, issuer or admin; each may do what the one before may",
    )
    .option("--tenant <id>", "a tenant that it may act on, repeatable; by default all", repeated)
    .option("--expires <duration>", "when the token ends, from now, such as 90d; by default never")
    .option("--file <path>", "append the line to this file; by default it is printed")
    .action(async (options: TokenOptions) => {
      const { token, line } = await makeToken(options, cli.host.now()).catch(explain);
      if (cli.isJson) {
        await cli.stdout.writeJson(`${JSON.stringify({ token, line: JSON.parse(line) })}\n`);
      } else {
        await cli.stdout.write(options.file === undefined ? `${token}\n${line}\n` : `${token}\n`);
      }
      await cli.note(tokenAdvice(options.file));
    });
}

function explain(error: unknown): never {
  throw error instanceof CreateTokenError ? wrongUse(error.message) : error;
}

function listCommand(cli: Cli): Command {
  return new Command("list")
    .summary("list the lines of the callers file, without hashes")
    .description("Lists the lines of the callers file, without the hashes of tokens.")
    .option("--file <path>", "the callers file; by default that of SESSIOND_CALLERS_FILE", nonEmpty)
    .action(async ({ file = cli.host.env.SESSIOND_CALLERS_FILE ?? "" }: { file?: string }) => {
      if (file === "")
        throw wrongUse("which callers file? Name it by --file or SESSIOND_CALLERS_FILE");
      const { lines } = parseCallersFile(await readText(file), { jwts: true, certificates: true });
      const now = cli.host.now();
      const pages = (async function* () {
        yield lines;
      })();
      await cli.printRows(pages, callerColumns(now), (line) => callerJson(line, now), "no callers");
    });
}

function callerColumns(now: number): readonly Column<CallerLine>[] {
  return [
    { title: "NAME", value: ({ caller }) => caller.name },
    { title: "ROLE", value: ({ caller }) => caller.role },
    {
      title: "TENANTS",
      value: ({ caller: { tenants } }) => (tenants === undefined ? "all" : [...tenants].join(",")),
    },
    {
      title: "CREDENTIAL",
      value: ({ credential, pattern }) => pattern ?? credential.replace("_sha256", ""),
    },
    {
      title: "EXPIRES",
      value: (line) => `${expiryOf(line) ?? "never"}${isExpired(line, now) ? " (expired)" : ""}`,
    },
  ];
}

function callerJson(line: CallerLine, now: number): string {
  const { caller, credential, pattern } = line;
  return JSON.stringify({
    name: caller.name,
    role: caller.role,
    tenants: caller.tenants && [...caller.tenants],
    credential: credential.replace("_sha256", ""),
    pattern,
    expiresAt: expiryOf(line),
    expired: isExpired(line, now),
  });
}

function expiryOf({ expiresAt }: CallerLine): string | undefined {
  if (expiresAt === Number.POSITIVE_INFINITY) return undefined;
  return new Date(expiresAt).toISOString().replace(".000", "");
}

function isExpired({ expiresAt }: CallerLine, now: number): boolean {
  return now >= expiresAt;
}

/** The name of the line that says whether a JWT is valid. */
const VERDICT = "valid";

/** What a JWT says. */
interface DecodedJwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

function inspectCommand(cli: Cli, end: (exitCode: number) => void): Command {
  return new Command("inspect")
    .summary("show the claims of a JWT")
    .description(
      "Shows the header and the claims of a JWT, such as a token for an upstream. With --jwks it also says " +
        "whether the signature and the times are valid, and ends with 1 if not.",
    )
    .argument("<jwt>", "the JWT, or - to read it from standard input, where others cannot see it")
    .option("--jwks <url|path>", "the JSON Web Key Set that verifies it", nonEmpty)
    .action(async (argument: string, { jwks }: { jwks?: string }) => {
      const jwt = (argument === "-" ? await text(cli.host.stdin) : argument).trim();
      const { header, claims } = decode(jwt);
      const verdict =
        jwks === undefined ? undefined : await verify(jwt, claims, jwks, cli.host.now());
      const fields = [...Object.entries(header), ...Object.entries(claims)];
      await cli.printFields(
        () => JSON.stringify({ header, claims, ...verdict }),
        [
          ...fields.map(([name, value]) => [titleOf(name), textOf(name, value)] as const),
          ...(verdict === undefined
            ? []
            : [[VERDICT, verdict.valid ? "yes" : `no: ${verdict.why}`] as const]),
        ],
      );
      if (verdict?.valid === false) end(ExitCode.failed);
    });
}

function decode(jwt: string): DecodedJwt {
  const [header, claims] = jwt.split(".").map(jsonOf);
  if (header !== undefined && claims !== undefined && jwt.split(".").length === 3) {
    return { header, claims };
  }
  throw wrongUse("this is no signed JWT: it must have three parts of base64url, separated by dots");
}

function jsonOf(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** A claim must not look like the verdict, so whatever is no ordinary name of a claim is in quotes. */
function titleOf(name: string): string {
  return /^[\w.:/#-]+$/.test(name) && name !== VERDICT ? name : JSON.stringify(name);
}

const TIMES = ["iat", "nbf", "exp", "auth_time"];

function textOf(name: string, value: unknown): string {
  if (TIMES.includes(name) && typeof value === "number" && Math.abs(value) < 8.64e12) {
    return `${new Date(value * 1000).toISOString().replace(".000", "")} (${value})`;
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

const ALGORITHMS = [
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
];

type Verdict = { readonly valid: true } | { readonly valid: false; readonly why: string };

async function verify(
  jwt: string,
  { iss, aud }: DecodedJwt["claims"],
  jwks: string,
  now: number,
): Promise<Verdict> {
  const keys = await keysAt(jwks);
  // Whether they are the right ones is for whoever reads the claims.
  const rules = { issuer: String(iss), audience: String([aud].flat()[0]), algorithms: ALGORITHMS };
  try {
    await verifyJwt(jwt, keys, rules, now);
    return { valid: true };
  } catch (error) {
    if (error instanceof CallerRefusedError) return { valid: false, why: error.message };
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : "";
    throw new CommandError(`the key set at ${jwks} cannot be used: ${cause}`, ExitCode.unavailable);
  }
}

async function keysAt(jwks: string): Promise<JwtKeys> {
  const url = /^https?:/i.test(jwks) ? URL.parse(jwks) : null;
  if (url !== null) return keysOfUrl(url, () => {});
  const content = await readText(jwks);
  try {
    return keysOfSet(content);
  } catch (error) {
    throw wrongUse(`${JSON.stringify(jwks)} is no JSON Web Key Set: ${(error as Error).message}`);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw wrongUse(`${JSON.stringify(path)} cannot be read (${code ?? message})`);
  }
}
