import { expect } from "chai";
import { decodeProtectedHeader } from "jose";
import { type TokenKey, TokenKeyState } from "../../gen/es/sessiond/v1/session_pb.ts";
import type { TokenKeyId } from "../../src/session/ids.ts";
import { secureRandomBytes } from "../../src/session/ids.ts";
import { LocalKeyWrapper } from "../../src/session/local-key-wrapper.ts";
import { tokenKeyContext } from "../../src/session/token-key.ts";
import { openSession } from "../support/actors.ts";
import { type Replica, TEST_KEY_ENCRYPTION_KEY, withKeys } from "../support/app.ts";
import { auditOf } from "../support/audit-rows.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { expectFailure } from "../support/expect-failure.ts";
import { databaseEnv, useSessiond } from "../support/sessiond-process.ts";
import {
  fetchJwks,
  publishedKids,
  TOKENS_ENV,
  tokenFor,
  validateForToken,
  verify,
} from "../support/tokens.ts";
import { OTHER_KEY_ENCRYPTION_KEY } from "../support/unreadable-signing-keys.ts";
import { withReplica } from "../support/with-replica.ts";

const acting = { actingActorId: "root" };
const MINUTE = 60;
const seconds = (time: TokenKey["createdAt"]) =>
  Number(time?.seconds) + (time?.nanos ?? 0) / 1_000_000_000;

const withTokens = { env: TOKENS_ENV };
const withTokensAndKeys = (...keys: string[]) => ({
  env: { ...TOKENS_ENV, ...withKeys(...keys).env },
});

interface Row {
  readonly id: TokenKeyId;
  readonly encrypted_key: Buffer;
  readonly key_encryption_key_id: string;
}

/** Puts all instants of the token keys into the past, as if that much time had gone by. */
const age = ({ sql }: Pick<TestDatabase, "sql">, minutes: number) =>
  sql(
    `UPDATE token_keys SET created_at = created_at - $1 * interval '1 minute',
       signs_from = signs_from - $1 * interval '1 minute',
       published_until = published_until - $1 * interval '1 minute'`,
    [minutes],
  );

describe("token keys", () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => database.drop());

  const rows = () => database.sql<Row>("SELECT * FROM token_keys ORDER BY created_at, id");

  /** The token of a new session, and the key that has signed it. */
  async function newToken({ client }: Pick<Replica, "client">) {
    const { cookie } = await openSession(client);
    const token = await tokenFor(client, cookie);
    return { cookie, token, kid: decodeProtectedHeader(token).kid ?? "" };
  }

  it("are made at the first start with an issuer, once however many start, and audited (H02)", async () => {
    await withReplica(database.url, {}, async () => {});
    expect(await rows()).to.deep.equal([]);
    await Promise.all([1, 2, 3].map(() => withReplica(database.url, withTokens, async () => {})));
    const [key, ...others] = await rows();
    expect(others).to.deep.equal([]);
    expect(await auditOf(database.sql, key?.id ?? "")).to.deep.equal([
      {
        category: "auth",
        action: "auth.token_key_bootstrap",
        acting_actor_id: "",
        calling_service: "sessiond",
        tenant_id: "default",
        resource_type: "token_key",
        resource_id: key?.id,
        details: {},
      },
    ]);
  });

  it("are stored encrypted, bound to their id, and their public part not at all (H02, ASVS 11.3)", () =>
    withReplica(database.url, withTokens, async (replica) => {
      const { token } = await newToken(replica);
      const [row] = await rows();
      const { id, encrypted_key: ciphertext, key_encryption_key_id } = row as Row;
      const wrapper = new LocalKeyWrapper(
        [Buffer.from(TEST_KEY_ENCRYPTION_KEY, "base64")],
        secureRandomBytes,
      );
      const encrypted = { ciphertext, keyEncryptionKeyId: key_encryption_key_id };
      const material = await wrapper.unwrap(encrypted, tokenKeyContext({ id }));
      expect(ciphertext.length).to.equal(12 + material.length + 16);
      for (let at = 0; at + 8 <= material.length; at += 1) {
        expect(ciphertext.includes(material.subarray(at, at + 8))).to.equal(false);
      }
      const [key] = (await fetchJwks(replica.url)).keys;
      const stored = JSON.stringify(row);
      for (const part of [key?.x, key?.y, token]) expect(stored).not.to.include(part);
    }));

  it("sign after the delay, and are published before and until their last tokens expire (H02)", () =>
    withReplica(database.url, withTokens, async (replica) => {
      const { client, url } = replica;
      const before = await newToken(replica);
      const { newKey, retiredKeys } = await client.rotateTokenKey(acting);
      const [former] = retiredKeys;
      expect(newKey).to.include({ algorithm: "ES256", state: TokenKeyState.PUBLISHED });
      expect(seconds(newKey?.signsFrom) - seconds(newKey?.createdAt)).to.equal(10 * MINUTE);
      expect(newKey?.publishedUntil).to.equal(undefined);
      expect(former).to.include({ id: before.kid, state: TokenKeyState.ACTIVE });
      const kept = seconds(former?.publishedUntil) - seconds(newKey?.signsFrom);
      expect(kept).to.be.within(6 * MINUTE - 60, 6 * MINUTE);
      expect(await publishedKids(url)).to.deep.equal([newKey?.id, before.kid]);
      const stillBefore = await newToken(replica);
      expect(stillBefore.kid).to.equal(before.kid);

      await age(database, 10);
      // Another process, which reads them anew.
      await withReplica(database.url, withTokens, async (other) => {
        const after = await newToken(other);
        expect(after.kid).to.equal(newKey?.id);
        for (const { token } of [before, stillBefore, after]) await verify(token, other.url);
        const { tokenKeys } = await other.client.listTokenKeys({});
        expect(tokenKeys.map(({ id, state }) => [id, state])).to.deep.equal([
          [newKey?.id, TokenKeyState.ACTIVE],
          [before.kid, TokenKeyState.RETIRED],
        ]);
        await age(database, 6);
        const { tokenKeysDeleted } = await other.client.garbageCollect({});
        expect(tokenKeysDeleted).to.equal(0);
        await age(database, 60);
        const swept = await other.client.garbageCollect({});
        expect([swept.tokenKeysDeleted, swept.failedParts]).to.deep.equal([1, []]);
      });
      expect((await rows()).map(({ id }) => id)).to.deep.equal([newKey?.id]);
    }));

  it("are of the algorithm that is configured when they are made (H02)", async () => {
    await withReplica(database.url, withTokens, async (replica) => {
      const { token } = await newToken(replica);
      expect(decodeProtectedHeader(token).alg).to.equal("ES256");
    });
    const env = { ...TOKENS_ENV, SESSIOND_TOKEN_ALGORITHM: "EdDSA" };
    await withReplica(database.url, { env }, async (replica) => {
      const { token } = await newToken(replica);
      expect(decodeProtectedHeader(token).alg).to.equal("ES256");
      const { newKey } = await replica.client.rotateTokenKey({ ...acting, immediately: true });
      expect(newKey).to.include({ algorithm: "EdDSA", state: TokenKeyState.ACTIVE });
      const after = await newToken(replica);
      const { protectedHeader } = await verify(after.token, replica.url);
      expect(protectedHeader).to.include({ alg: "EdDSA", kid: newKey?.id });
    });
  });

  it("are put under the first key-encryption key at the start, so that the old one can go (H02)", async () => {
    const token = await withReplica(database.url, withTokens, newToken);
    const both = withTokensAndKeys(OTHER_KEY_ENCRYPTION_KEY, TEST_KEY_ENCRYPTION_KEY);
    await withReplica(database.url, both, async () => {});
    const only = withTokensAndKeys(OTHER_KEY_ENCRYPTION_KEY);
    await withReplica(database.url, only, async (replica) => {
      await verify(token.token, replica.url);
      expect((await newToken(replica)).kid).to.equal(token.kid);
    });
  });

  const damages: Record<string, () => Promise<unknown>> = {
    "a signing key's ciphertext": () =>
      database.sql(
        "UPDATE token_keys SET encrypted_key = (SELECT encrypted_key FROM signing_keys LIMIT 1)",
      ),
    "another token key's ciphertext": () =>
      database.sql("UPDATE token_keys SET id = 'tk-' || md5(id)"),
    "a changed bit": () =>
      database.sql(
        `UPDATE token_keys SET encrypted_key = set_byte(encrypted_key, 20,
           get_byte(encrypted_key, 20) # 1)`,
      ),
    "an unknown key-encryption key": () =>
      database.sql("UPDATE token_keys SET key_encryption_key_id = '0123456789abcdef'"),
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`with ${what} sign and verify nothing, sessions go on, and a rotation helps (H02, H08)`, async () => {
      await withReplica(database.url, withTokens, async () => {});
      await damage();
      const lines: string[] = [];
      const options = { ...withTokens, onLog: (line: string) => lines.push(line) };
      await withReplica(database.url, options, async (replica) => {
        const { client, url } = replica;
        const { cookie } = await openSession(client);
        await validateForToken(client, cookie, { tokenAudience: "" });
        await expectFailure(validateForToken(client, cookie), "STORAGE_UNAVAILABLE");
        expect((await fetch(`${url}/.well-known/jwks.json`)).status).to.equal(503);
        expect(lines.filter((line) => line.includes("a token key cannot be used"))).to.have.length(
          1,
        );
        const { newKey } = await client.rotateTokenKey({ ...acting, immediately: true });
        const { token, kid } = await newToken(replica);
        expect(kid).to.equal(newKey?.id);
        await verify(token, url);
        expect(await publishedKids(url)).to.deep.equal([newKey?.id]);
      });
    });
  }

  it("are not made, and rotations are refused, without an issuer", () =>
    withReplica(database.url, {}, async ({ client, url }) => {
      const error = await expectFailure(client.rotateTokenKey(acting), "INVALID_REQUEST");
      expect(error.rawMessage).to.equal("tokens are off (SESSIOND_TOKEN_ISSUER is not set)");
      expect((await client.listTokenKeys({})).tokenKeys).to.deep.equal([]);
      expect((await fetch(`${url}/.well-known/jwks.json`)).status).to.equal(404);
      const { cookie } = await openSession(client);
      const call = validateForToken(client, cookie);
      await expectFailure(call, "INVALID_REQUEST", { field: "token_audience" });
    }));

  it("are listed newest first, page by page, also after tokens have been switched off", async () => {
    const made = await withReplica(database.url, withTokens, async ({ client }) => {
      const ids: (string | undefined)[] = [];
      for (let count = 0; count < 4; count += 1) {
        ids.unshift((await client.rotateTokenKey(acting)).newKey?.id);
        await age(database, 1);
      }
      return ids;
    });
    await withReplica(database.url, {}, async ({ client }) => {
      const found: string[] = [];
      let pageToken = "";
      do {
        const page = await client.listTokenKeys({ pageSize: 2, pageToken });
        expect(page.tokenKeys.length).to.be.within(1, 2);
        found.push(...page.tokenKeys.map(({ id }) => id));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      expect(found.slice(0, 4)).to.deep.equal(made);
      expect(found).to.have.length(5);
    });
  });
});

describe("token keys in processes", () => {
  const sessiond = useSessiond();

  it("are made once by the primary, and used by all workers (H02)", async () => {
    const database = await sessiond.database();
    const env = { ...databaseEnv(database), ...TOKENS_ENV, SESSIOND_WORKERS: "2" };
    const serving = await sessiond.serve({ env });
    const { cookie } = await openSession(serving.client);
    const kids = new Set<string>();
    // Each request on a connection of its own, so that both workers serve.
    for (let count = 0; count < 6; count += 1) {
      const token = await tokenFor(serving.client, cookie);
      await verify(token, serving.url);
      kids.add(decodeProtectedHeader(token).kid ?? "");
    }
    expect([...kids]).to.deep.equal(
      (await database.sql<Row>("SELECT id FROM token_keys")).map(({ id }) => id),
    );
    expect(serving.stderr.match(/first token key made/g)).to.have.length(1);
    await serving.end("SIGTERM");
  });
});
