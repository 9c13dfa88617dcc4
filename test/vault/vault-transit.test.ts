import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect } from "chai";
import { pino } from "pino";
import { SessionError } from "../../src/session/errors.ts";
import {
  mintSigningKeyId,
  type SigningKeyId,
  secureRandomBytes,
  type TenantId,
} from "../../src/session/ids.ts";
import { type EncryptedKey, UnwrapError } from "../../src/session/key-wrapper.ts";
import { openVault, type VaultOptions } from "../../src/vault/open-vault.ts";
import { VaultClient, VaultError } from "../../src/vault/vault-client.ts";
import { VaultTransit } from "../../src/vault/vault-transit.ts";
import { numbers } from "../support/in-parallel.ts";
import { SIGNING_KEY_ID, TENANT } from "../support/session-fixtures.ts";
import { testCertificate } from "../support/test-certificate.ts";
import { until } from "../support/until.ts";
import { startVault, type TestVault } from "../support/vault.ts";
import type { VaultServerOptions } from "../support/vault-server.ts";

const SECRET = Buffer.from("0123456789abcdef0123456789abcdef");
const place = { id: SIGNING_KEY_ID, tenantId: TENANT };
const silent = pino({ level: "silent" });

describe("Vault transit", () => {
  let vault: TestVault;
  let transit: VaultTransit;
  const clients: VaultClient[] = [];

  /** Replaces the Vault of the test by another kind. */
  async function useVault(options: VaultServerOptions): Promise<void> {
    await vault.stop();
    vault = await startVault(options);
    transit = transitOf();
  }

  function transitOf(options: Partial<VaultOptions> = {}): VaultTransit {
    const all = { ...vault.options, ...options };
    const client = new VaultClient(all);
    clients.push(client);
    return new VaultTransit(client, all);
  }

  beforeEach(async () => {
    vault = await startVault();
    transit = transitOf();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await vault.stop();
  });

  const wrap = (by = transit) => by.wrap(SECRET, place, undefined);
  const errorOf = (call: Promise<unknown>): Promise<Error> =>
    call.then(
      () => expect.fail("it succeeded"),
      (error: Error) => error,
    );
  async function unwrapError(
    encrypted: EncryptedKey,
    where: { id: SigningKeyId; tenantId: TenantId } = place,
  ): Promise<UnwrapError> {
    const error = await errorOf(transit.unwrap(encrypted, where, undefined));
    expect(error).to.be.instanceOf(UnwrapError);
    return error as UnwrapError;
  }
  /** The failure behind STORAGE_UNAVAILABLE. */
  async function outageOf(call: Promise<unknown>): Promise<VaultError> {
    const error = await errorOf(call);
    expect(error).to.be.instanceOf(SessionError);
    expect(error).to.include({ reason: "STORAGE_UNAVAILABLE" });
    expect(error.cause).to.be.instanceOf(VaultError);
    expect(JSON.stringify([error.message, (error.cause as Error).message])).not.to.include(
      vault.token,
    );
    return error.cause as VaultError;
  }

  describe("wrapping", () => {
    it("unwraps what it wrapped; the stored text is Vault's and shows nothing of the key (A26)", async () => {
      const encrypted = await wrap();
      expect(encrypted.ciphertext.toString()).to.match(/^vault:v1:[A-Za-z0-9+/]{80}$/);
      expect(encrypted.keyEncryptionKeyId).to.equal("vault-transit:transit/sessiond:v1");
      expect(await transit.currentKeyId(undefined)).to.equal(encrypted.keyEncryptionKeyId);
      expect(await transit.unwrap(encrypted, place, undefined)).to.deep.equal(SECRET);
      for (const { token } of vault.server.requests) expect(token).to.equal(vault.token);
    });

    it("uses the namespace and the mount, which are part of the key's id", async () => {
      await useVault({ namespace: "admin/login", mount: "teams/transit" });
      const encrypted = await wrap();
      expect(encrypted.keyEncryptionKeyId).to.equal(
        "vault-transit:admin/login/teams/transit/sessiond:v1",
      );
      expect(await transit.unwrap(encrypted, place, undefined)).to.deep.equal(SECRET);
      const elsewhere = await outageOf(wrap(transitOf({ namespace: "other" })));
      expect(elsewhere).to.include({ status: 404, isTransient: false });
    });

    it("refuses a ciphertext in the place of another key or tenant (ASVS 11.3)", async () => {
      const encrypted = await wrap();
      const other = { ...place, id: mintSigningKeyId(secureRandomBytes) };
      expect((await unwrapError(encrypted, other)).isCorrupt).to.equal(true);
      const tenantId = "other" as TenantId;
      expect((await unwrapError(encrypted, { ...place, tenantId })).isCorrupt).to.equal(true);
    });

    it("refuses a ciphertext of which any byte was changed (ASVS 11.3)", async () => {
      const { ciphertext, keyEncryptionKeyId } = await wrap();
      for (const index of numbers(ciphertext.length)) {
        const flipped = Buffer.from(ciphertext);
        flipped[index] = (flipped[index] as number) ^ 1;
        await unwrapError({ ciphertext: flipped, keyEncryptionKeyId });
      }
    });

    it("knows its own key ids only", () => {
      for (const id of [
        "0123456789abcdef",
        "vault-transit:transit/other:v1",
        "vault-transit:transit/sessiond:v0",
        "vault-transit:transit/sessiond:v1x",
        "vault-transit:transit/sessiond:v",
      ]) {
        expect(transit.has(id), id).to.equal(false);
      }
      expect(transit.has("vault-transit:transit/sessiond:v12")).to.equal(true);
    });
  });

  describe("rotation in Vault", () => {
    it("changes the current key; older versions are unwrapped until Vault refuses them", async () => {
      const old = await wrap();
      vault.server.rotate("sessiond");
      const renewed = await wrap();
      expect(renewed.keyEncryptionKeyId).to.equal("vault-transit:transit/sessiond:v2");
      expect(await transit.currentKeyId(undefined)).to.equal(renewed.keyEncryptionKeyId);
      expect(await transit.unwrap(old, place, undefined)).to.deep.equal(SECRET);

      vault.server.setMinDecryptionVersion("sessiond", 2);
      const error = await unwrapError(old);
      expect(error.isCorrupt).to.equal(false);
      expect(error.message)
        .to.include("Vault does not have its key-encryption key")
        .and.include("v1");
      expect(await transit.unwrap(renewed, place, undefined)).to.deep.equal(SECRET);
    });

    it("tells a key that is gone, or of another Vault, from a corrupt ciphertext", async () => {
      vault.server.rotate("sessiond");
      const encrypted = await wrap();
      vault.server.createKey("sessiond");
      expect((await unwrapError(encrypted)).isCorrupt, "too new").to.equal(false);
      vault.server.keys.delete("sessiond");
      expect((await unwrapError(encrypted)).isCorrupt, "deleted").to.equal(false);
    });

    it("refuses a ciphertext whose version is not that of its key id, without asking Vault", async () => {
      const { ciphertext } = await wrap();
      const { length } = vault.server.requests;
      const keyEncryptionKeyId = "vault-transit:transit/sessiond:v2";
      expect((await unwrapError({ ciphertext, keyEncryptionKeyId })).isCorrupt).to.equal(true);
      expect(vault.server.requests).to.have.length(length);
    });
  });

  describe("token", () => {
    it("is read anew for each request, so that a renewed one is used at once", async () => {
      const encrypted = await wrap();
      vault.server.tokens.delete(vault.token);
      const denied = await outageOf(wrap());
      expect(denied).to.include({ status: 403, isTransient: false });
      vault.server.tokens.set("hvs.renewed", false);
      await vault.writeToken("hvs.renewed");
      expect(await transit.unwrap(encrypted, place, undefined)).to.deep.equal(SECRET);
    });

    it("is read once more if it was replaced and revoked during the request", async () => {
      vault.server.tokens.delete(vault.token);
      vault.server.tokens.set("hvs.renewed", false);
      await vault.writeToken("hvs.revoked");
      // The file changes after it was read and before the request is refused.
      vault.server.onDenied = () => writeFileSync(vault.tokenFile, "hvs.renewed");
      await wrap();
      const tokens = vault.server.requests.map(({ token }) => token);
      expect(tokens).to.deep.equal(["hvs.revoked", "hvs.renewed"]);
    });

    for (const [what, content, isTransient] of [
      ["empty", " \n", true],
      ["of two lines", "one\ntwo", false],
    ] as const) {
      it(`that is ${what} is not sent, and the message names the file`, async () => {
        await vault.writeToken(content);
        const error = await outageOf(wrap());
        expect(error).to.include({ status: undefined, isTransient });
        expect(error.message).to.include(vault.tokenFile);
        expect(vault.server.requests).to.be.empty;
      });
    }

    it("that is not there yet is waited for at the start, one that cannot be read is not", async () => {
      await rm(vault.tokenFile);
      expect(await outageOf(wrap())).to.include({ isTransient: true });
      const error = await outageOf(wrap(transitOf({ tokenFile: "/" })));
      expect(error.message).to.include("/").and.to.include("EISDIR");
      expect(error.isTransient).to.equal(false);
    });
  });

  describe("outages", () => {
    const answers: Record<string, { status: number; body: string; isTransient: boolean }> = {
      "an error of the server": { status: 500, body: '{"errors":["oops"]}', isTransient: true },
      "a proxy without a backend": { status: 502, body: "<html>", isTransient: true },
      "a standby": { status: 473, body: '{"errors":[]}', isTransient: true },
      "a redirect": { status: 307, body: "", isTransient: true },
      "a quota": { status: 429, body: '{"errors":["rate limit"]}', isTransient: true },
      "a wrong path": { status: 404, body: '{"errors":["no handler"]}', isTransient: false },
      "no JSON": { status: 200, body: "welcome", isTransient: false },
      "JSON without data": { status: 200, body: "null", isTransient: false },
      "data without a ciphertext": { status: 200, body: '{"data":{}}', isTransient: false },
    };
    for (const [what, { status, body, isTransient }] of Object.entries(answers)) {
      it(`is STORAGE_UNAVAILABLE for ${what}, and passes`, async () => {
        const encrypted = await wrap();
        vault.server.failure = { status, body };
        expect(await outageOf(wrap())).to.include({ isTransient });
        await outageOf(transit.unwrap(encrypted, place, undefined));
        vault.server.failure = undefined;
        expect(await transit.unwrap(encrypted, place, undefined)).to.deep.equal(SECRET);
      });
    }

    it("is STORAGE_UNAVAILABLE while Vault is sealed, and says so", async () => {
      vault.server.sealed = true;
      const error = await outageOf(wrap());
      expect(error.message).to.match(
        /^Vault at http:\S+ answered with status 503: Vault is sealed$/,
      );
      expect(error.isTransient).to.equal(true);
    });

    it("is STORAGE_UNAVAILABLE while nobody listens, and passes", async () => {
      await vault.server.close();
      const error = await outageOf(wrap());
      expect(error).to.include({ status: undefined, isTransient: true });
      expect(error.message).to.match(/^cannot reach Vault at http:\S+: .*ECONNREFUSED/);
      await vault.server.listen();
      await wrap();
    });

    it("is STORAGE_UNAVAILABLE without an answer within the timeout", async () => {
      vault.server.hangs = true;
      const error = await outageOf(wrap(transitOf({ timeoutMs: 100 })));
      expect(error.message).to.include("no answer within 100 ms");
      expect(error.isTransient).to.equal(true);
      await until("the request has gone", async () => vault.server.inFlight === 0);
    });

    it("passes unnoticed if Vault has closed a connection that was kept, once for each request", async () => {
      const perConnection = new WeakMap<Socket, number>();
      let isRefusing = false;
      await using server = http.createServer((request, response) => {
        const count = (perConnection.get(request.socket) ?? 0) + 1;
        perConnection.set(request.socket, count);
        if (isRefusing || count > 1) request.socket.destroy();
        else response.end('{"data":{"answer":"yes"}}');
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const client = new VaultClient({ ...vault.options, address: `http://127.0.0.1:${port}` });
      clients.push(client);
      for (let request = 0; request < 3; request++) {
        expect(await client.post("x", {}, undefined)).to.deep.equal({ answer: "yes" });
      }
      // Connections that are kept beside each other, and are all closed when they are used again.
      const posts = [1, 2, 3].map(() => client.post("x", {}, undefined));
      expect(await Promise.all(posts)).to.have.length(3);
      expect(await client.post("x", {}, undefined)).to.deep.equal({ answer: "yes" });
      isRefusing = true;
      const error = await errorOf(client.post("x", {}, undefined));
      expect(error).to.be.instanceOf(VaultError).with.property("isTransient", true);
    });

    it("does not read an answer without end", async () => {
      vault.server.failure = { status: 200, body: "x".repeat(2 * 1024 * 1024) };
      expect((await outageOf(wrap())).message).to.include("over 1048576 bytes");
    });

    it("shortens what Vault says", async () => {
      const body = JSON.stringify({ errors: ["x".repeat(5000)] });
      vault.server.failure = { status: 500, body };
      expect((await outageOf(wrap())).message).to.have.length.below(500);
    });

    it("rejects with the reason of the signal when it fires, and gives the request up", async () => {
      vault.server.hangs = true;
      const abort = new AbortController();
      const call = errorOf(transit.wrap(SECRET, place, abort.signal));
      await until("the request has come", async () => vault.server.inFlight === 1);
      const reason = new Error("gone");
      abort.abort(reason);
      expect(await call).to.equal(reason);
      await until("the request has gone", async () => vault.server.inFlight === 0);
      expect(await errorOf(transit.wrap(SECRET, place, AbortSignal.abort(reason)))).to.equal(
        reason,
      );
    });

    it("has 16 requests in flight at most", async () => {
      const encrypted = await wrap();
      vault.server.hangs = true;
      const calls = Promise.all(
        numbers(100).map(() => transit.unwrap(encrypted, place, undefined)),
      );
      await until("16 requests have come", async () => vault.server.inFlight === 16);
      vault.server.resume();
      expect(await calls).to.deep.equal(numbers(100).map(() => SECRET));
      expect(vault.server.maxInFlight).to.equal(16);
    });
  });

  describe("TLS", () => {
    beforeEach(() => useVault({ tls: true }));

    it("trusts the certificate authority that is configured, and no other", async () => {
      await wrap(transitOf({ ca: testCertificate }));
      const error = await outageOf(wrap());
      expect(error.message).to.match(/self-signed certificate/);
      expect(error.isTransient).to.equal(false);
      expect(vault.server.requests).to.have.length(1);
    });
  });

  describe("start", () => {
    async function start(options: Partial<VaultOptions> = {}, signal?: AbortSignal) {
      await using stack = new AsyncDisposableStack();
      await openVault({ ...vault.options, ...options }, silent, signal, stack);
    }
    async function refusal(options: Partial<VaultOptions> = {}): Promise<string> {
      const error = await errorOf(start(options));
      expect(error).to.be.instanceOf(VaultError);
      expect(error.message).not.to.include(vault.token);
      return error.message;
    }

    it("refuses a key that does not exist, and creates none, although the token may", async () => {
      vault.server.tokens.set(vault.token, true);
      expect(await refusal({ key: "sesiond" })).to.equal(
        "the key vault-transit:transit/sesiond does not exist; " +
          "create it with `vault write -f transit/keys/sesiond`",
      );
      expect([...vault.server.keys.keys()]).to.deep.equal(["sessiond"]);
    });

    it("refuses a key that does not authenticate the signing key's id", async () => {
      vault.server.createKey("rsa", "rsa-4096");
      expect(await refusal({ key: "rsa" })).to.include("non-AEAD cipher suite");
      await useVault({ ignoresAssociatedData: true });
      expect(await refusal()).to.include("does not authenticate associated data");
    });

    it("refuses at once a token that Vault refuses, and a wrong mount", async () => {
      expect(await refusal({ mount: "elsewhere" })).to.include("status 404: no handler for route");
      await vault.writeToken("hvs.wrong");
      expect(await refusal()).to.include("status 403: permission denied");
    });

    it("waits while Vault is sealed, and goes on when it is not", async () => {
      vault.server.sealed = true;
      const starting = start();
      await until("it has asked twice", async () => vault.server.requests.length >= 2);
      vault.server.sealed = false;
      await starting;
    });

    it("gives up after its time, and at once with 0s", async () => {
      vault.server.sealed = true;
      expect(await refusal({ startTimeoutMs: 1 })).to.match(
        /Vault is sealed; waited 0\.001 s \(see SESSIOND_KEY_ENCRYPTION_VAULT_START_TIMEOUT\)$/,
      );
      const { length } = vault.server.requests;
      expect(await refusal({ startTimeoutMs: 0 })).to.match(/Vault is sealed$/);
      expect(vault.server.requests).to.have.length(length + 1);
    });

    it("ends the wait with the reason of the signal", async () => {
      vault.server.sealed = true;
      const abort = new AbortController();
      const starting = errorOf(start({}, abort.signal));
      await until("it has asked", async () => vault.server.requests.length >= 1);
      const reason = new Error("stop");
      abort.abort(reason);
      expect(await starting).to.equal(reason);
    });
  });
});
