/** The settings of callers, database, key encryption and log. */

import * as keyParsers from "./key-parsers.ts";
import * as parsers from "./parsers.ts";
import { type SettingGroup, setting } from "./setting.ts";

export const callers = {
  SESSIOND_CALLERS_FILE: setting(parsers.path, {
    unset: "callers are not authenticated",
    refusesEmpty: true,
    doc:
      "The path of the file that says which services may call: a line of JSON for each credential; see " +
      "[callers.md](callers.md). It is read again when it changes.",
  }),
  SESSIOND_JWT_JWKS: setting(parsers.jwks, {
    unset: "JWTs are not accepted",
    doc:
      "The path or URL of the public keys (JSON Web Key Set) that verify the callers' JWTs. A file is " +
      "read again when it changes. The set of a URL is fetched again with the first JWT after 9 minutes, " +
      "and when a JWT names an unknown key. It requires SESSIOND_JWT_ISSUER, SESSIOND_JWT_AUDIENCE and SESSIOND_CALLERS_FILE.",
  }),
  SESSIOND_JWT_ISSUER: setting(parsers.text, {
    doc: "The issuer that JWTs must have (`iss`), compared as text.",
  }),
  SESSIOND_JWT_AUDIENCE: setting(parsers.text, {
    doc: "The audience that JWTs must have (`aud`), alone or among others.",
  }),
  SESSIOND_JWT_ALGORITHMS: setting(parsers.jwtAlgorithms, {
    default: "RS256,ES256",
    doc: "The algorithms that JWTs may be signed with.",
  }),
  SESSIOND_REFLECTION: setting(parsers.choice(["open", "authenticated", "off"]), {
    default: "authenticated",
    doc:
      "Who may read the contract by gRPC reflection: everybody, authenticated callers of any role, or " +
      "nobody. While callers are not authenticated, `authenticated` is everybody.",
  }),
} satisfies SettingGroup;

export const database = {
  SESSIOND_DATABASE_URL: setting(parsers.databaseUrl, {
    unset: "the embedded PostgreSQL",
    secret: true,
    file: true,
    doc:
      "The URL of the PostgreSQL database, with user and password; see [The database's " +
      "URL](#the-databases-url). It requires SESSIOND_KEY_ENCRYPTION_KEYS. If it is not set, sessiond starts an embedded PostgreSQL in " +
      "SESSIOND_DATA_DIR.",
  }),
  SESSIOND_DATA_DIR: setting(parsers.path, {
    derived:
      "`/var/lib/sessiond` for root, else `$XDG_DATA_HOME/sessiond`, else `~/.local/share/sessiond`",
    doc: "The data directory of the embedded PostgreSQL. Ignored if SESSIOND_DATABASE_URL is set.",
  }),
  SESSIOND_DATABASE_POOL_SIZE: setting(parsers.integer(2, 1000), {
    derived: "10, or 4 for each of SESSIOND_WORKERS if that is more",
    doc:
      "The maximum number of database connections. Several workers share them equally, and each needs 2. " +
      "Of a worker's, one is kept for reads (two from 8 on), and from 3 on one for writes. Retries of changes whose row was locked, calls that wait for locks, " +
      "and management (lists, the sweep) may each use a fifth. A sweep uses two connections, one of which " +
      "only holds a lock.",
  }),
  SESSIOND_DATABASE_QUEUE_LIMIT: setting(parsers.integer(0, 1_000_000), {
    default: "10000",
    doc:
      "The maximum number of calls that wait for a database connection, for each kind of work: reads, " +
      "writes, retries, waits for locks, management. It is also the limit for each kind of call that is " +
      "executed in batches, how many calls wait for the next batch, and for the calls that wait for " +
      "another call on the same session, actor or tenant's key. When a queue is full, a call of the " +
      "caller that has the most in it fails with OVERLOADED.",
  }),
  SESSIOND_DATABASE_QUEUE_TIMEOUT: setting(parsers.duration("10ms", "1m"), {
    default: "2s",
    doc:
      "How long a call may wait for the next batch, how long for a database connection, and how long " +
      "for a row that another transaction has locked, which is also at most half of " +
      "SESSIOND_DATABASE_STATEMENT_TIMEOUT. Then it fails with OVERLOADED.",
  }),
  SESSIOND_DATABASE_CONNECT_TIMEOUT: setting(parsers.duration("100ms", "1m"), {
    default: "3s",
    doc: "The maximum time to open a database connection.",
  }),
  SESSIOND_DATABASE_START_TIMEOUT: setting(parsers.duration("0s", "1h"), {
    default: "30s",
    doc:
      "How long a start waits for a database that cannot be reached yet, is starting, has too many " +
      "connections or is read-only, as during a failover. 0s: it fails at once. What does not pass by " +
      "itself, such as a wrong password, always fails at once.",
  }),
  SESSIOND_DATABASE_STATEMENT_TIMEOUT: setting(parsers.duration("100ms", "10m"), {
    default: "10s",
    doc:
      "The maximum time for one SQL statement. Then it is cancelled. Set the same value on all replicas: a " +
      "reader of the audit, oldest first, sees events only after this time and 5 more seconds.",
  }),
  SESSIOND_DATABASE_PREPARED_STATEMENTS: setting(parsers.boolean, {
    default: "true",
    doc:
      "Whether to use named prepared statements. PgBouncer in transaction mode keeps them only from " +
      "version 1.21 on, with max_prepared_statements above 0. Otherwise sessiond notices the first lost " +
      "one, sends it again, logs a warning and goes on without. With false, it begins without.",
  }),
} satisfies SettingGroup;

export const keys = {
  SESSIOND_KEY_ENCRYPTION_PROVIDER: setting(parsers.choice(["local", "vault-transit"]), {
    default: "local",
    doc:
      "What encrypts signing keys at rest: the first of SESSIOND_KEY_ENCRYPTION_KEYS, or a key of the " +
      "transit secrets engine of HashiCorp Vault or OpenBao. Both decrypt if both are configured; see " +
      "[Key-encryption keys](key-encryption-keys.md).",
  }),
  SESSIOND_KEY_ENCRYPTION_KEYS: setting(keyParsers.keyList, {
    unset: "allowed with the embedded PostgreSQL or with Vault only",
    secret: true,
    file: true,
    doc:
      "The keys that encrypt signing keys at rest. The first one encrypts, and all of them decrypt. " +
      "To change the key while replicas run, take four steps: add the new key at the end, on all " +
      "replicas; move it to the front, on all replicas; run `sessiond rewrap-keys`; remove the old key. " +
      "Do not store them in the database or its backups.",
  }),
  SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS: setting(parsers.vaultAddress, {
    unset: "no Vault",
    doc: "The address of Vault. It requires the name of a key and a token file.",
  }),
  SESSIOND_KEY_ENCRYPTION_VAULT_KEY: setting(parsers.vaultName, {
    unset: "no Vault",
    doc: "The name of the transit key, of type aes256-gcm96. It must exist.",
  }),
  SESSIOND_KEY_ENCRYPTION_VAULT_MOUNT: setting(parsers.vaultPath, {
    default: "transit",
    doc: "The path of the transit secrets engine.",
  }),
  SESSIOND_KEY_ENCRYPTION_VAULT_NAMESPACE: setting(parsers.vaultPath, {
    unset: "the root namespace",
    doc: "The namespace of the transit secrets engine.",
  }),
  SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE: setting(parsers.path, {
    unset: "no Vault",
    doc:
      "The file with Vault's token, such as a sink of Vault Agent. It is read for each request, so " +
      "that a renewed token is used at once.",
  }),
  SESSIOND_KEY_ENCRYPTION_VAULT_CA: setting(keyParsers.certificate, {
    unset: "the certificate authorities of Node.js and NODE_EXTRA_CA_CERTS",
    file: true,
    doc: "The certificate of the authority that has signed Vault's, in PEM form.",
  }),
  SESSIOND_KEY_ENCRYPTION_VAULT_TIMEOUT: setting(parsers.duration("100ms", "1m"), {
    default: "2s",
    doc: "The maximum time for a request to Vault. Then the call fails with STORAGE_UNAVAILABLE.",
  }),
  SESSIOND_KEY_ENCRYPTION_VAULT_START_TIMEOUT: setting(parsers.duration("0s", "1h"), {
    default: "30s",
    doc:
      "How long a start waits for a Vault that cannot be reached yet, is sealed or limits requests, or " +
      "for the token file. 0s: it fails at once, as it always does if Vault refuses the token or the key.",
  }),
  SESSIOND_SIGNING_KEY_RETENTION: setting(parsers.wholeSeconds("1s", "3650d"), {
    derived:
      "1h more than the maximum absolute timeout, or than the pre-login timeout if that is longer",
    doc:
      "How long a retired signing key still verifies cookies. At least SESSIOND_MAX_ABSOLUTE_TIMEOUT " +
      "and SESSIOND_PRE_LOGIN_TIMEOUT, so that a rotation ends no session. If you shorten timeouts, " +
      "keep the old value until the existing sessions have ended.",
  }),
} satisfies SettingGroup;

export const log = {
  SESSIOND_LOG_LEVEL: setting(
    parsers.choice(["trace", "debug", "info", "warn", "error", "fatal", "silent"]),
    {
      default: "info",
      doc:
        "The lowest level of messages that are logged. `debug` has a line for every call except " +
        "health checks. SIGUSR2 switches a running process to `debug` and back.",
    },
  ),
  SESSIOND_LOG_FORMAT: setting(parsers.choice(["auto", "json", "pretty"]), {
    default: "auto",
    doc:
      "How the log is written to standard error: `json` is one object per line, `pretty` is for " +
      "people, `auto` is `pretty` on a terminal and `json` elsewhere.",
  }),
  SESSIOND_LOG_VALIDATE_SAMPLE: setting(parsers.integer(1, 1_000_000), {
    default: "100",
    doc:
      "At level `debug`, one in this many successful Validates and Checks of Envoy is logged. With 1, " +
      "each one is. Failed ones always are.",
  }),
} satisfies SettingGroup;
