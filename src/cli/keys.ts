import { toJsonString } from "@bufbuild/protobuf";
import { Command } from "commander";
import {
  type SigningKey,
  SigningKeySchema,
  SigningKeyStateSchema,
  type TokenKey,
  TokenKeySchema,
  TokenKeyStateSchema,
} from "../../gen/es/sessiond/v1/session_pb.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { linesOfReport, type RewrapReport, rewrapKeys } from "../commands/rewrap-keys.ts";
import { loadConfig } from "../config/config.ts";
import { nonEmpty } from "./arguments.ts";
import { type Cli, pagesUpTo } from "./cli.ts";
import { enumWord } from "./enum-word.ts";
import { ExitCode, wrongUse } from "./exit-codes.ts";
import { type Column, visible } from "./table.ts";
import { formatTime } from "./times.ts";

const TENANT = "the tenant; by default that of the caller, or the tenant `default`";

/** `sessiond keys list` */
export function keysCommand(cli: Cli): Command {
  const keys = new Command("keys").summary("list keys").description("Lists keys.");
  keys
    .command("list")
    .summary("list signing keys, or the keys of tokens")
    .description(
      "Lists the signing keys of a tenant, or the keys that sign tokens for upstreams, newest first. " +
        "Needs the role admin.",
    )
    .option("--tenant <id>", TENANT, nonEmpty)
    .option("--token-keys", "list the keys of tokens, which are of all tenants")
    .action(async ({ tenant, tokenKeys }: KeyOptions) => {
      if (tokenKeys === true) await listTokenKeys(cli, tenant);
      else await listSigningKeys(cli, tenant ?? "");
    });
  return keys;
}

interface KeyOptions {
  readonly tenant?: string;
  readonly tokenKeys?: true;
  readonly immediately?: true;
}

const signingKeyColumns: readonly Column<SigningKey>[] = [
  { title: "ID", value: ({ id }) => id },
  { title: "TENANT", value: ({ tenantId }) => tenantId },
  { title: "STATE", value: stateOfSigningKey },
  { title: "CREATED", value: ({ createdAt }) => formatTime(createdAt) },
  { title: "RETIRED", value: ({ retiredAt }) => formatTime(retiredAt) },
  { title: "VERIFIES UNTIL", value: ({ verifiesUntil }) => formatTime(verifiesUntil) },
];

function stateOfSigningKey({ state }: SigningKey): string {
  return enumWord(SigningKeyStateSchema, state);
}

async function listSigningKeys(cli: Cli, tenantId: string): Promise<void> {
  const pages = pagesUpTo(Number.POSITIVE_INFINITY, async (pageToken, pageSize) => {
    const { signingKeys, nextPageToken } = await cli.call(SessionService.method.listSigningKeys, {
      tenantId,
      pageSize,
      pageToken,
    });
    return { items: signingKeys, nextPageToken };
  });
  await cli.printMessages(SigningKeySchema, pages, signingKeyColumns, "no signing keys");
}

const tokenKeyColumns: readonly Column<TokenKey>[] = [
  { title: "ID", value: ({ id }) => id },
  { title: "ALGORITHM", value: ({ algorithm }) => algorithm },
  { title: "STATE", value: stateOfTokenKey },
  { title: "CREATED", value: ({ createdAt }) => formatTime(createdAt) },
  { title: "SIGNS FROM", value: ({ signsFrom }) => formatTime(signsFrom) },
  { title: "PUBLISHED UNTIL", value: ({ publishedUntil }) => formatTime(publishedUntil) },
];

function stateOfTokenKey({ state }: TokenKey): string {
  return enumWord(TokenKeyStateSchema, state);
}

async function listTokenKeys(cli: Cli, tenant: string | undefined): Promise<void> {
  refuseTenant(tenant);
  const pages = pagesUpTo(Number.POSITIVE_INFINITY, async (pageToken, pageSize) => {
    const { tokenKeys, nextPageToken } = await cli.call(SessionService.method.listTokenKeys, {
      pageSize,
      pageToken,
    });
    return { items: tokenKeys, nextPageToken };
  });
  await cli.printMessages(TokenKeySchema, pages, tokenKeyColumns, "no token keys");
}

function refuseTenant(tenant: string | undefined): void {
  if (tenant !== undefined) {
    throw wrongUse("--token-keys are of all tenants: leave --tenant out");
  }
}

/** `sessiond rotate-key` */
export function rotateKeyCommand(cli: Cli): Command {
  return new Command("rotate-key")
    .summary("make a new signing key, or a new key of tokens")
    .description(
      "Makes a new signing key for a tenant and retires the old one, whose cookies stay valid for the " +
        "key retention. Needs the role admin.",
    )
    .option("--tenant <id>", TENANT, nonEmpty)
    .option("--token-keys", "make a new key of tokens, which is of all tenants")
    .option(
      "--immediately",
      "with --token-keys, after a leak: sign with the new key now, and publish the old ones no more",
    )
    .action(async ({ tenant, tokenKeys, immediately }: KeyOptions) => {
      if (tokenKeys === true) {
        refuseTenant(tenant);
        await rotateTokenKey(cli, immediately === true);
        return;
      }
      if (immediately === true) {
        throw wrongUse(
          "--immediately is for --token-keys: cookies of a signing key are valid for its retention",
        );
      }
      await rotateSigningKey(cli, tenant ?? "");
    });
}

async function rotateSigningKey(cli: Cli, tenantId: string): Promise<void> {
  const { method } = SessionService;
  const { actingActorId } = cli;
  const response = await cli.call(method.rotateSigningKey, { tenantId, actingActorId });
  const { activeKey, retiredKey } = response;
  await cli.printFields(
    () => toJsonString(method.rotateSigningKey.output, response),
    [
      ["new key", activeKey?.id ?? ""],
      ["tenant", activeKey?.tenantId ?? ""],
      ["retired key", retiredKey?.id ?? ""],
      ["verifies until", formatTime(retiredKey?.verifiesUntil)],
    ],
  );
}

async function rotateTokenKey(cli: Cli, immediately: boolean): Promise<void> {
  const { method } = SessionService;
  const { actingActorId } = cli;
  const response = await cli.call(method.rotateTokenKey, { immediately, actingActorId });
  const { newKey, retiredKeys } = response;
  await cli.printFields(
    () => toJsonString(method.rotateTokenKey.output, response),
    [
      ["new key", newKey?.id ?? ""],
      ["signs from", formatTime(newKey?.signsFrom)],
      ...retiredKeys.map(
        ({ id, publishedUntil }) =>
          ["retired key", `${id}, published until ${formatTime(publishedUntil)}`] as const,
      ),
    ],
  );
}

/** `sessiond rewrap-keys` */
export function rewrapKeysCommand(cli: Cli, end: (exitCode: number) => void): Command {
  return new Command("rewrap-keys")
    .summary("put all keys under the current key-encryption key")
    .description(
      "Puts all keys in the database under the current key-encryption key, also while replicas serve. It uses " +
        "the database, not the service. Ends with 0 if every key is under it now, and with " +
        `${ExitCode.partlyDone} if only some are.`,
    )
    .action(async () => {
      const report = await rewrap(cli);
      if (cli.isJson) {
        await cli.stdout.writeJson(`${JSON.stringify(report)}\n`);
      } else {
        const lines = linesOfReport(report).map((line) => `${visible(line)}\n`);
        await cli.stdout.write(lines.join(""));
      }
      if (!report.complete) end(ExitCode.partlyDone);
    });
}

async function rewrap(cli: Cli): Promise<RewrapReport> {
  const config = loadConfig(cli.host.env);
  const log = await cli.host.openLog(config);
  try {
    return await rewrapKeys(config, log, cli.signal);
  } catch (error) {
    if (cli.signal.aborted) await cli.note("interrupted: run it again to re-wrap the other keys");
    throw error;
  }
}
