/**
 * Writes docs/configuration.md from the table of settings. With `--check` it writes nothing and
 * fails if the file differs.
 */

import { describeConfig } from "../src/config/print-config.ts";
import { formatDuration } from "../src/config/quantities.ts";
import type { Setting } from "../src/config/setting.ts";
import { groups } from "../src/config/settings.ts";
import { type TimeoutProfile, timeoutProfiles } from "../src/session/profiles.ts";
import { writeOrCheckPage } from "./generated-page.ts";

const target = new URL("../docs/configuration.md", import.meta.url);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** As text shows them, the names of settings are code. */
function withCode(text: string): string {
  return text.replace(/`[^`]*`|SESSIOND_[A-Z_]+/g, (match) =>
    match.startsWith("`") ? match : `\`${match}\``,
  );
}

/** `value` is the value in force without any settings. */
function defaultOf(name: string, setting: Setting, value: string | undefined): string {
  if (setting.default !== undefined) return `\`${setting.default}\``;
  // The data directory depends on the user.
  if (name === "SESSIOND_DATA_DIR") return setting.derived ?? "";
  if (setting.derived !== undefined) return `\`${value}\` (${setting.derived})`;
  return setting.unset === undefined ? "unset" : `unset: ${setting.unset}`;
}

function renderSettings(): string {
  const effective: ReadonlyMap<string, string> = new Map(
    describeConfig({}).map(({ name, value }) => [name, value]),
  );
  const sections = Object.entries(groups).map(([name, group]) => {
    const title = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    const rows = Object.entries(group).map(([name, setting]) => {
      const { parser, secret, file, doc } = setting;
      const notes = [secret ? "Secret." : "", file ? `Also \`${name}_FILE\`.` : ""];
      const meaning = [withCode(doc), ...notes].filter((text) => text !== "").join(" ");
      return [
        `\`${name}\``,
        defaultOf(name, setting, effective.get(name)),
        parser.description ?? "",
        meaning,
      ];
    });
    return `### ${title}\n\n${table(["Variable", "Default", "Value", "Meaning"], rows)}`;
  });
  return sections.join("\n\n");
}

function renderProfiles(): string {
  const profiles: readonly (readonly [string, TimeoutProfile])[] = Object.entries(timeoutProfiles);
  const rows = profiles.map(([name, { idleMs, absoluteMs, source }]) => [
    `\`${name}\``,
    `\`${formatDuration(idleMs)}\``,
    `\`${formatDuration(absoluteMs)}\``,
    source,
  ]);
  return table(["Profile", "Idle", "Absolute", "Where the figures come from"], rows);
}

const urlParameters = [
  [
    "`sslmode`",
    "Whether to use TLS, and how to verify the server; see below. Unset: plain text, unless the " +
      "driver's own variable `PGSSLMODE` is set.",
  ],
  [
    "`sslrootcert`",
    "The file of the certificate authorities (PEM). Unset: those that Node.js trusts.",
  ],
  ["`sslcert`, `sslkey`", "The files of a client certificate and its key (PEM)."],
  [
    "`sslnegotiation`",
    "`direct` begins with TLS (PostgreSQL 17 or newer); `postgres`, the default, asks first.",
  ],
  ["`application_name`", "The name in `pg_stat_activity`. `sessiond` by default."],
  [
    "`options`",
    "Settings of the connection, such as `-c%20search_path%3Dsessiond` for a schema. PgBouncer " +
      "refuses it unless `ignore_startup_parameters` has it.",
  ],
  ["`host`, `port`, `user`, `password`", "Instead of those in the URL."],
  [
    "`target_session_attrs`",
    "`read-write` or `primary`, which are the same here. Required with several hosts.",
  ],
];

const sslModes = [
  ["`disable`, or unset", "no", "any"],
  ["`require`", "yes", "any; with `sslrootcert` as `verify-ca`"],
  ["`verify-ca`", "yes", "with a certificate of the authorities in `sslrootcert`, which it needs"],
  [
    "`verify-full`",
    "yes",
    "with a certificate of a trusted authority for the URL's host: the one to use over networks",
  ],
];

export function renderConfigurationDocs(): string {
  return `<!-- Written by scripts/configuration-docs.ts from src/config/settings.ts: edit there. -->

# Configuration

sessiond is configured by environment variables. None is needed to try it: without any, it listens
on 127.0.0.1:8480 and starts a PostgreSQL of its own. For production, set \`SESSIOND_DATABASE_URL\`
and \`SESSIOND_KEY_ENCRYPTION_KEYS\`, or [a key in Vault](key-encryption-keys.md).

The configuration is read once, at start. If anything is wrong, sessiond does not start, and reports
every problem at once, each with the variable, its value and what would be right. To see what is in
force, and whether it comes from a default, a profile, the environment or a file, run

\`\`\`sh
npm start -- --print-config
\`\`\`

It shows secrets as \`(hidden)\`.

## How values are written

- **Durations** are a whole number and a unit: \`500ms\`, \`30s\`, \`5m\`, \`12h\`, \`7d\`. Only zero needs
  no unit. Those of sessions are whole seconds, as cookies know nothing finer.
- **Sizes** are a whole number and a unit: \`65536B\`, \`64KiB\`, \`1MiB\`.
- **Yes or no** is \`true\` or \`false\`.
- **Empty** counts as not set. Secrets and certificates are the exception: there, empty is an error.
  An empty secret has most likely been lost on the way, and an empty \`SESSIOND_DATABASE_URL\` would
  otherwise start sessiond on a new, empty database.
- **Secrets and certificates** can come from a file, as Docker and Kubernetes mount them: set
  \`<NAME>_FILE\` to its path instead of \`<NAME>\`. One newline at the end of the file is dropped.
  Setting both is an error. Messages never contain the value of a secret.
- **Unknown variables** that start with \`SESSIOND_\` are an error, so that a mistyped name is noticed
  and not silently replaced by a default. Three kinds are ignored: \`SESSIOND_TEST_*\` and
  \`SESSIOND_BENCH_*\`, which belong to the test and benchmark runners, and those that Kubernetes
  adds for a service named \`sessiond\` (\`SESSIOND_SERVICE_HOST\`, \`SESSIOND_PORT=tcp://…\` and the
  like).

## Settings

${renderSettings()}

## The database's URL

\`postgres://user:password@host:5432/database\`, with parameters such as \`?sslmode=verify-full\`. PostgreSQL
must be version 15 or newer. Special characters of user and password are percent-encoded: \`%\` as
\`%25\`, \`@\` as \`%40\`, \`/\` as \`%2F\`, \`#\` as \`%23\`, \`?\` as \`%3F\`, \`:\` as \`%3A\`. An IPv6 address is in
brackets: \`postgres://user:password@[::1]:5432/database\`. For a Unix socket, name its directory:
\`postgres://user:password@/database?host=/var/run/postgresql\`.

Several hosts are separated by commas, and need \`target_session_attrs=read-write\`:
\`postgres://user:password@host1:5432,host2:5432/database?target_session_attrs=read-write\`. sessiond uses the
one that accepts writes, the first one if there are several. When that fails, it looks at all of them
until one accepts writes, and then closes its connections to the others; see
[Failover](operations.md#failover).

Any parameter that is not in this table is an error:

${table(["Parameter", "Meaning"], urlParameters)}

\`sslmode\` has the meaning that PostgreSQL's own programs give it:

${table(["sslmode", "Encrypted", "Which servers are accepted"], sslModes)}

\`allow\` and \`prefer\` are errors, because they may connect in plain text. sessiond logs a warning when it
starts with \`require\` and no \`sslrootcert\`.

## Key-encryption keys

Signing keys are stored encrypted. The keys that encrypt them come from the configuration only, so
that a copy of the database does not let its reader log in. Make one with either of

\`\`\`sh
openssl rand -base64 32
node -p "crypto.randomBytes(32).toString('base64')"
\`\`\`

Give every replica the same list. To change the key without downtime: first add the new key at the
end of the list everywhere, so that every replica can decrypt with it; then move it to the front
everywhere; then, after every replica has started once more, remove the old one. If the last key
that decrypts a signing key is lost, so are the sessions under it.

With the embedded PostgreSQL the list may be unset. sessiond then makes a key and keeps it in the
data directory.

## Timeouts

A session ends at the idle deadline or at the absolute deadline, whichever comes first. At the
deadline itself it has expired. \`Create\` may ask for other timeouts, up to the maxima, which equal
the defaults unless set. \`Touch\` moves the idle deadline, and nothing moves the absolute one.

### Profiles

\`SESSIOND_TIMEOUT_PROFILE\` sets both timeouts at once. \`SESSIOND_IDLE_TIMEOUT\` and
\`SESSIOND_ABSOLUTE_TIMEOUT\` win over it.

${renderProfiles()}

### What must fit together

- idle ≤ absolute; idle ≤ maximum idle; absolute ≤ maximum absolute.
- The signing-key retention is at least the maximum absolute timeout and the pre-login timeout, so
  that rotating a key logs nobody out.
- The touch interval and the idle warning are shorter than the idle timeout, the absolute warning is
  shorter than the absolute timeout.
- No timeout exceeds 400 days: browsers keep no cookie longer (RFC 6265bis).

### Why these figures

OWASP ASVS 5.0, 7.1.1 asks that the timeouts be documented and that deviations from NIST SP 800-63B
be justified. Without any settings, sessions expire after 30 minutes of inactivity and 12 hours
overall.

- **AAL1 and AAL2.** The defaults are stricter than SP 800-63B-4 asks: 30 days overall at AAL1, 24
  hours overall and 1 hour of inactivity at AAL2. No deviation.
- **AAL3.** The overall limit of 12 hours is met. 30 minutes of inactivity exceed the 15 minutes
  that it recommends: a default that serves any application cannot assume AAL3. Where AAL3 is required,
  set \`SESSIOND_TIMEOUT_PROFILE=nist-aal3\`.
- **\`nist-aal1\`.** SP 800-63B-4 names no limit on inactivity at AAL1. sessiond always has one, so
  it equals the overall limit of 30 days.
- **\`workday\`.** 4 hours of inactivity exceed the hour recommended at AAL2, 8 hours overall are
  within its limit. Use it where screens lock by themselves, and say so in your own documentation.
- **\`remember-me\`.** Both figures exceed every NIST level. Use it for low-risk applications only, and
  ask for credentials again before anything sensitive.
- **Warnings** come 5 minutes before the idle deadline and 30 minutes before the absolute one, time
  enough to save work. For short timeouts they come halfway.
- **The touch interval** saves writes: a busy session costs one every 30 seconds and not one per
  request. It errs to the safe side: a session may expire up to one interval early, never late.
- **Pre-login sessions** live 10 minutes: long enough to type a password and find a second factor,
  short enough that abandoned ones do not pile up.
`;
}

if (import.meta.main) {
  writeOrCheckPage(
    target,
    renderConfigurationDocs(),
    "docs/configuration.md differs from the table of settings: run `npm run docs`",
  );
}
