import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VaultOptions } from "../../src/vault/open-vault.ts";
import { VaultServer, type VaultServerOptions } from "./vault-server.ts";

export interface TestVault {
  readonly server: VaultServer;
  readonly token: string;
  readonly tokenFile: string;
  /** How to use the key `sessiond`, which exists. */
  readonly options: VaultOptions;
  /** The same as settings. */
  readonly env: Readonly<Record<string, string>>;
  writeToken(token: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a Vault with the key `sessiond` and a token for it. */
export async function startVault(options: VaultServerOptions = {}): Promise<TestVault> {
  const server = await new VaultServer(options).listen();
  const directory = await mkdtemp(join(tmpdir(), "sessiond-vault-"));
  const tokenFile = join(directory, "token");
  const token = "hvs.canary-token";
  server.tokens.set(token, false);
  server.createKey("sessiond");
  const writeToken = (text: string) => writeFile(tokenFile, text, { mode: 0o600 });
  await writeToken(`${token}\n`);
  const { namespace, mount = "transit" } = options;
  return {
    server,
    token,
    tokenFile,
    options: {
      address: server.address,
      key: "sessiond",
      mount,
      namespace,
      tokenFile,
      ca: undefined,
      // Limits that no test reaches unless it is about them.
      timeoutMs: 60_000,
      startTimeoutMs: 600_000,
    },
    env: {
      SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS: server.address,
      SESSIOND_KEY_ENCRYPTION_VAULT_KEY: "sessiond",
      SESSIOND_KEY_ENCRYPTION_VAULT_MOUNT: mount,
      SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE: tokenFile,
      SESSIOND_KEY_ENCRYPTION_VAULT_TIMEOUT: "1m",
    },
    writeToken,
    async stop() {
      await server.close();
      await rm(directory, { recursive: true });
    },
  };
}
