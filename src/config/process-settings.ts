/** The settings of the process: what it listens on, stores in, encrypts with and logs. */

import * as parsers from "./parsers.ts";
import { type SettingGroup, setting } from "./setting.ts";

export const server = {
  SESSIOND_HOST: setting(parsers.host, {
    default: "127.0.0.1",
    doc:
      "The address to listen on. It is loopback because callers are not authenticated yet: whoever " +
      "reaches the port can end any session. Listen elsewhere only behind a network policy or a " +
      "mesh that decides who may call.",
  }),
  SESSIOND_PORT: setting(parsers.integer(0, 65_535), {
    default: "8480",
    doc: "The port to listen on. 0 takes any free port; the log says which.",
  }),
  SESSIOND_TLS_CERT: setting(parsers.certificate, {
    file: true,
    doc:
      "The server's certificate in PEM form, followed by intermediate certificates. Goes with " +
      "SESSIOND_TLS_KEY; without the two, sessiond speaks plain HTTP.",
  }),
  SESSIOND_TLS_KEY: setting(parsers.privateKey, {
    secret: true,
    file: true,
    doc: "The certificate's private key in PEM form, without a passphrase.",
  }),
  SESSIOND_MAX_MESSAGE_BYTES: setting(parsers.bytes("8KiB", "4MiB"), {
    default: "64KiB",
    doc: "The largest request message, after decompression.",
  }),
  SESSIOND_MAX_DEADLINE: setting(parsers.duration("100ms", "10m"), {
    default: "30s",
    doc: "The longest a call may run. It is also the deadline of calls that set none.",
  }),
  SESSIOND_MAX_CONCURRENT_STREAMS: setting(parsers.integer(1, 100_000), {
    default: "1000",
    doc: "How many calls one HTTP/2 connection may have open at a time.",
  }),
  SESSIOND_MAX_HEADER_BYTES: setting(parsers.bytes("4KiB", "1MiB"), {
    default: "16KiB",
    doc: "The largest block of request headers.",
  }),
  SESSIOND_MAX_CONNECTIONS: setting(parsers.integer(1, 1_000_000), {
    default: "10000",
    doc: "How many connections may be open at a time. Further ones are closed at once.",
  }),
  SESSIOND_IDLE_CONNECTION_TIMEOUT: setting(parsers.duration("1s", "24h"), {
    default: "5m",
    doc: "A connection without calls for this long is closed.",
  }),
  SESSIOND_SHUTDOWN_GRACE: setting(parsers.duration("0s", "10m"), {
    default: "10s",
    doc: "After SIGTERM, calls under way have this long to finish before they are cut off.",
  }),
  SESSIOND_DRAIN_DELAY: setting(parsers.duration("0s", "5m"), {
    default: "0s",
    doc:
      "After SIGTERM, how long the health check says NOT_SERVING before connections are refused, " +
      "so that load balancers can notice. It comes before the grace.",
  }),
} satisfies SettingGroup;

export const database = {
  SESSIOND_DATABASE_URL: setting(parsers.databaseUrl, {
    unset: "the embedded PostgreSQL",
    secret: true,
    file: true,
    doc:
      "The PostgreSQL database, with its user and password. It needs SESSIOND_KEY_ENCRYPTION_KEYS. " +
      "Unset, sessiond starts a PostgreSQL of its own in SESSIOND_DATA_DIR.",
  }),
  SESSIOND_DATA_DIR: setting(parsers.path, {
    derived:
      "`/var/lib/sessiond` for root, else `$XDG_DATA_HOME/sessiond`, else `~/.local/share/sessiond`",
    doc: "Where the embedded PostgreSQL keeps its data. Without effect with SESSIOND_DATABASE_URL.",
  }),
  SESSIOND_DATABASE_POOL_SIZE: setting(parsers.integer(2, 1000), {
    default: "10",
    doc: "The most connections one process opens to the database. A sweep takes two.",
  }),
  SESSIOND_DATABASE_QUEUE_LIMIT: setting(parsers.integer(0, 1_000_000), {
    default: "1000",
    doc:
      "How many calls may wait for a connection; and, of each kind of call whose concurrent ones " +
      "share statements, how many may wait for the next one. Any beyond that fail with OVERLOADED.",
  }),
  SESSIOND_DATABASE_QUEUE_TIMEOUT: setting(parsers.duration("10ms", "1m"), {
    default: "2s",
    doc:
      "How long a call may wait for the next statement that it can share, and how long for a " +
      "connection; SESSIOND_DATABASE_CONNECT_TIMEOUT ends the latter too.",
  }),
  SESSIOND_DATABASE_CONNECT_TIMEOUT: setting(parsers.duration("100ms", "1m"), {
    default: "3s",
    doc: "How long opening a connection may take.",
  }),
  SESSIOND_DATABASE_STATEMENT_TIMEOUT: setting(parsers.duration("100ms", "10m"), {
    default: "10s",
    doc: "How long one SQL statement may run.",
  }),
  SESSIOND_DATABASE_PREPARED_STATEMENTS: setting(parsers.boolean, {
    default: "true",
    doc:
      "Whether to use named prepared statements. Turn them off for PgBouncer older than 1.21 in " +
      "transaction mode.",
  }),
} satisfies SettingGroup;

export const keys = {
  SESSIOND_KEY_ENCRYPTION_KEYS: setting(parsers.keyList, {
    unset: "allowed with the embedded PostgreSQL only",
    secret: true,
    file: true,
    doc:
      "The keys that encrypt signing keys at rest. The first one encrypts, all of them decrypt, so " +
      "that keys can be changed while replicas run, in three steps of all replicas each: add the " +
      "new key at the end; move it to the front; take the old one away. Keep them out of the " +
      "database and its backups.",
  }),
  SESSIOND_SIGNING_KEY_RETENTION: setting(parsers.wholeSeconds("1s", "3650d"), {
    derived:
      "1h more than the maximum absolute timeout, or than the pre-login timeout if that is longer",
    doc:
      "How long a retired signing key still verifies. At least SESSIOND_MAX_ABSOLUTE_TIMEOUT and " +
      "SESSIOND_PRE_LOGIN_TIMEOUT, so that a rotation logs nobody out. When you shorten timeouts, " +
      "leave it at its former value until the sessions from before have ended.",
  }),
} satisfies SettingGroup;

export const log = {
  SESSIOND_LOG_LEVEL: setting(
    parsers.choice(["trace", "debug", "info", "warn", "error", "fatal", "silent"]),
    {
      default: "info",
      doc: "The least severe messages that are logged.",
    },
  ),
} satisfies SettingGroup;
