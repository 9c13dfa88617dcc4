/** The settings of the server: addresses, workers, TLS, limits, deadlines and draining. */

import * as keyParsers from "./key-parsers.ts";
import * as parsers from "./parsers.ts";
import { type SettingGroup, setting } from "./setting.ts";

export const server = {
  SESSIOND_HOST: setting(parsers.host, {
    default: "127.0.0.1",
    doc:
      "The address to listen on. An address that is not a loopback one (127.0.0.0/8, ::1 or localhost) " +
      "requires SESSIOND_CALLERS_FILE and TLS, or the settings that begin with SESSIOND_INSECURE.",
  }),
  SESSIOND_PORT: setting(parsers.integer(0, 65_535), {
    default: "8480",
    doc: "The port to listen on. With 0, the system chooses a free port; the log shows it.",
  }),
  SESSIOND_METRICS_PORT: setting(parsers.integer(0, 65_535), {
    unset: "no metrics",
    doc:
      "The port of [metrics](metrics.md) for Prometheus: /metrics, with /healthz and /readyz for probes, and " +
      "the public keys (JSON Web Key Set) of [tokens for upstreams](tokens.md), if they are issued. " +
      "With 0, the system chooses a free port; the log shows it.",
  }),
  SESSIOND_METRICS_HOST: setting(parsers.host, {
    derived: "SESSIOND_HOST",
    doc:
      "The address on which the metrics are served, over plain HTTP and to everyone who can connect. " +
      "They contain no secrets, but the names of callers.",
  }),
  SESSIOND_WORKERS: setting(parsers.workers, {
    default: "1",
    doc:
      "The number of processes that serve, all on this port; `auto` is one for each processor that " +
      "sessiond may use, 64 at most. With 1, sessiond is a single process. With more, limits on " +
      "connections, streams, calls and queues are those of each worker, and the database connections are " +
      "divided among them; see [workers.md](workers.md).",
  }),
  SESSIOND_TLS_CERT: setting(keyParsers.certificate, {
    file: true,
    doc:
      "The server's certificate in PEM form, followed by intermediate certificates. It requires " +
      "SESSIOND_TLS_KEY. If neither is set, sessiond uses plain HTTP. Files of this and the next two " +
      "settings are read again when they change, within seconds; open connections stay.",
  }),
  SESSIOND_TLS_KEY: setting(keyParsers.privateKey, {
    secret: true,
    file: true,
    doc: "The certificate's private key in PEM form, without a passphrase.",
  }),
  SESSIOND_TLS_CLIENT_CA: setting(keyParsers.certificateAuthorities, {
    file: true,
    unset: "clients are not asked for a certificate",
    doc:
      "The certificates of the authorities that sign the clients' certificates (mutual TLS). A client " +
      "whose certificate does not verify is refused. It requires SESSIOND_TLS_CERT.",
  }),
  SESSIOND_TLS_CLIENT_CERTIFICATE: setting(parsers.choice(["optional", "required"]), {
    default: "optional",
    doc:
      "With SESSIOND_TLS_CLIENT_CA: whether a client may connect without a certificate, as health " +
      "checks and callers with a token do.",
  }),
  SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION: setting(parsers.boolean, {
    default: "false",
    doc:
      "Whether to listen on other than loopback addresses although callers are not authenticated. " +
      "Everyone who can connect can then open and end the sessions of all users, so only your backends " +
      "must be able to, for example by a network policy.",
  }),
  SESSIOND_INSECURE_PLAIN_TEXT_CREDENTIALS: setting(parsers.boolean, {
    default: "false",
    doc:
      "Whether to authenticate callers on other than loopback addresses although there is no TLS. For " +
      "a proxy or service mesh that encrypts the connections: otherwise everyone on the way can read " +
      "tokens and cookies.",
  }),
  SESSIOND_ALLOWED_HOSTS: setting(parsers.hostList, {
    derived: "`localhost` if SESSIOND_HOST is a loopback address, else `*`",
    doc:
      "The names by which clients may address the server in the Host header of plain HTTP/1.1, separated " +
      "by commas; `*` allows every name. IP addresses and localhost are always allowed. On a developer's " +
      "machine this keeps web pages away whose name resolves to a loopback address (DNS rebinding).",
  }),
  SESSIOND_ALLOWED_ORIGINS: setting(parsers.originList, {
    unset: "no web page may call",
    doc:
      "The origins of web pages that may call the server, such as https://app.example.com, separated by " +
      "commas. Requests with another Origin are refused, also if a proxy passes it on. sessiond sends no " +
      "CORS headers: a page can only call it through a proxy of the page's own origin.",
  }),
  SESSIOND_MAX_MESSAGE_BYTES: setting(parsers.bytes("8KiB", "4MiB"), {
    default: "64KiB",
    doc: "The largest request message, after decompression. A larger one fails with REQUEST_TOO_LARGE.",
  }),
  SESSIOND_MAX_DEADLINE: setting(parsers.duration("100ms", "10m"), {
    default: "30s",
    doc: "The longest deadline of a call. It is also the deadline of calls that set none.",
  }),
  SESSIOND_MAX_CONCURRENT_STREAMS: setting(parsers.integer(1, 100_000), {
    default: "1000",
    doc:
      "The maximum number of calls in flight on one HTTP/2 connection. Further ones are refused, which " +
      "clients retry. A connection on which more streams than this are reset at once, and then each " +
      "second, is closed.",
  }),
  SESSIOND_MAX_HEADER_BYTES: setting(parsers.bytes("4KiB", "1MiB"), {
    default: "16KiB",
    doc:
      "The maximum size of all headers (metadata) of a request. Over HTTP/2, each header counts 32 " +
      "bytes more than its name and value. A larger request fails with REQUEST_TOO_LARGE; over " +
      "HTTP/2, one of more than twice the size is reset instead.",
  }),
  SESSIOND_MAX_CONNECTIONS: setting(parsers.integer(1, 1_000_000), {
    default: "10000",
    doc:
      "The maximum number of open connections. Above it, a new connection takes the place of an idle " +
      "one of a peer that has more of them. If there is none, it is closed immediately.",
  }),
  SESSIOND_MAX_CONNECTIONS_PER_PEER: setting(parsers.integer(1, 1_000_000), {
    derived: "a quarter of SESSIOND_MAX_CONNECTIONS",
    doc:
      "The maximum number of open connections from one address (IPv6: one network of 64 bits). " +
      "Further ones are closed immediately. Behind a load balancer or proxy, all connections come from " +
      "its address: set it to SESSIOND_MAX_CONNECTIONS there.",
  }),
  SESSIOND_MAX_STREAMS: setting(parsers.integer(1, 1_000_000), {
    default: "1000",
    doc:
      "The maximum number of open streaming calls: Watch of the health service, and reflection. " +
      "Further ones fail with OVERLOADED.",
  }),
  SESSIOND_MAX_STREAMS_PER_PEER: setting(parsers.integer(1, 1_000_000), {
    derived: "a quarter of SESSIOND_MAX_STREAMS",
    doc:
      "The maximum number of open streaming calls from one address (IPv6: one network of 64 bits). " +
      "Further ones fail with OVERLOADED. Behind a load balancer or proxy, set it to " +
      "SESSIOND_MAX_STREAMS.",
  }),
  SESSIOND_MAX_STREAMS_PER_CONNECTION: setting(parsers.integer(1, 100_000), {
    default: "100",
    doc:
      "The maximum number of open streaming calls on one connection. Further ones fail with OVERLOADED. " +
      "An HTTP/2 connection is closed when it has more refusals than this at once by this limit, or ten " +
      "times as many by that of its address; each second, a tenth of this number is forgotten.",
  }),
  SESSIOND_MAX_STREAM_AGE: setting(parsers.duration("1s", "24h"), {
    default: "30m",
    doc:
      "A streaming call ends with UNAVAILABLE after this time, or up to a tenth earlier, so that not all " +
      "end together. gRPC clients open a health Watch again by themselves.",
  }),
  SESSIOND_MAX_CALLS_PER_CALLER: setting(parsers.integer(1, 1_000_000), {
    default: "10000",
    doc:
      "The maximum number of calls in flight of one caller. Further ones fail with OVERLOADED at once. " +
      "A caller is the calling service, or without authentication the peer's address (IPv6: its " +
      "network of 64 bits): behind a proxy or in a service mesh, all callers then share the limits. " +
      "Health checks have no limit. Below it, callers take turns, so it need not be low to be fair.",
  }),
  SESSIOND_RATE_PER_CALLER: setting(parsers.callRateOrOff, {
    default: "off",
    doc:
      "The maximum rate of calls of one caller: calls per second, or calls per second and how many may " +
      "come at once after a pause, such as `500,2000`. The latter is the number of one second by " +
      "default. Further calls fail with OVERLOADED at once. `off` means no limit.",
  }),
  SESSIOND_IDLE_CONNECTION_TIMEOUT: setting(parsers.duration("1s", "24h"), {
    default: "5m",
    doc: "A connection is closed after this time without calls.",
  }),
  SESSIOND_SHUTDOWN_GRACE: setting(parsers.duration("0s", "10m"), {
    default: "10s",
    doc: "After SIGTERM, calls in flight have this time to finish. Then they are aborted.",
  }),
  SESSIOND_DRAIN_DELAY: setting(parsers.duration("0s", "5m"), {
    default: "0s",
    doc:
      "After SIGTERM, how long the health check reports NOT_SERVING before new connections are " +
      "refused, so that load balancers can react. SESSIOND_SHUTDOWN_GRACE begins after it.",
  }),
  SESSIOND_READINESS_TIMEOUT: setting(parsers.duration("100ms", "10m"), {
    default: "10s",
    doc:
      "When the database has not answered for this long, or up to a quarter longer, the health check " +
      "reports NOT_SERVING for the service sessiond.v1.SessionService (readiness), and SERVING again " +
      "when it answers. The status of the server, the empty name (liveness), stays SERVING.",
  }),
} satisfies SettingGroup;
