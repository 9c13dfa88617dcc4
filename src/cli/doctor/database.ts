import type { Config } from "../../config/config.ts";
import type { DatabaseFacts } from "../../doctor-checks.ts";
import { type Finding, ok, problem, roughDuration, warning } from "./finding.ts";

const MIN_VERSION = 150_000;
const LONG_TRANSACTION_MS = 15 * 60_000;
const MAX_DEAD_SHARE = 0.3;
/** In small tables, a few dead rows are a large share and no trouble. */
const MIN_DEAD_ROWS = 10_000;

/** What is wrong with the server, the role and the schema. */
export function judgeDatabase(facts: DatabaseFacts, config: Config): readonly Finding[] {
  return [
    ...judgeServer(facts),
    ...judgeMigrations(facts),
    ...judgeRights(facts),
    ...judgeConnections(facts, config),
    ...judgeTables(facts),
  ];
}

function judgeServer({ server, address }: DatabaseFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const { version, versionNumber, isStandby, isReadOnly, encoding, synchronousCommit } = server;
  if (versionNumber < MIN_VERSION) {
    findings.push(problem(`PostgreSQL is version ${version}`, "upgrade it to 15 or newer"));
  }
  if (isStandby) {
    findings.push(
      problem(`${address} is a standby, which takes no writes`, "connect to the primary"),
    );
  } else if (isReadOnly) {
    findings.push(
      problem(
        `default_transaction_read_only is on at ${address}`,
        "switch it off for the server, the database or the role",
      ),
    );
  }
  if (encoding !== "UTF8") {
    findings.push(
      problem(
        `the database's encoding is ${encoding}: text of other languages is refused`,
        "make a database with ENCODING 'UTF8'",
      ),
    );
  }
  if (synchronousCommit === "off") {
    findings.push(
      problem(
        "synchronous_commit is off: after a crash of the server, a revoked session can be live again",
        "ALTER ROLE … SET synchronous_commit = on, for sessiond's role",
      ),
    );
  }
  const { oldestTransactionSeconds } = server;
  const openMs = (oldestTransactionSeconds ?? 0) * 1000;
  if (openMs > LONG_TRANSACTION_MS) {
    findings.push(
      warning(
        `a transaction has been open for ${roughDuration(openMs)}: dead rows cannot be removed`,
        "find it in pg_stat_activity, and end it or set idle_in_transaction_session_timeout",
      ),
    );
  }
  if (findings.length === 0) findings.push(ok(`PostgreSQL ${version} at ${address}, a primary`));
  return findings;
}

function judgeMigrations({ migrations }: DatabaseFacts): readonly Finding[] {
  const { pending, newer, unknown } = migrations;
  if (unknown.length > 0) {
    return [
      problem(
        `the schema has migrations that this version does not know: ${unknown.join(", ")}`,
        "run the version of sessiond that applied them, or a newer one",
      ),
    ];
  }
  if (newer.length > 0) {
    return [
      warning(
        `the schema is that of a newer version: ${newer.join(", ")}`,
        "upgrade sessiond; until then, this version can use it",
      ),
    ];
  }
  if (pending.length === 0) return [ok("the schema is up to date")];
  return [
    warning(
      `migrations are pending: ${pending.join(", ")}`,
      "run sessiond migrate, or start the service, which applies them",
    ),
  ];
}

function judgeRights({ server, migrations, tables }: DatabaseFacts): readonly Finding[] {
  const { role, schema, mayCreateTables } = server;
  if (schema === null) {
    return [
      problem(
        "no schema of the search_path exists",
        `create one in which the role ${JSON.stringify(role)} may create tables`,
      ),
    ];
  }
  const findings = tables
    .filter(({ missingRights }) => missingRights.length > 0)
    .map(({ name, missingRights }) =>
      problem(
        `the role ${JSON.stringify(role)} may not ${missingRights.join(", ")} on ${name}`,
        `GRANT ${missingRights.join(", ")} ON ${name} TO ${JSON.stringify(role)}`,
      ),
    );
  if (migrations.pending.length > 0 && mayCreateTables !== true) {
    findings.push(
      problem(
        `the role ${JSON.stringify(role)} may not create tables in the schema ${JSON.stringify(schema)}`,
        "let it own the database, or apply migrations with a role that does",
      ),
    );
  }
  return findings;
}

function judgeConnections({ server }: DatabaseFacts, { database }: Config): readonly Finding[] {
  const { maxConnections, reservedConnections } = server;
  const available = maxConnections - reservedConnections;
  const { poolSize } = database;
  if (poolSize > available) {
    return [
      problem(
        `SESSIOND_DATABASE_POOL_SIZE is ${poolSize}, but the server takes ${available} connections`,
        "raise max_connections, or lower the pool size",
      ),
    ];
  }
  const replicas = Math.floor(available / poolSize);
  return [
    ok(`max_connections is enough for ${replicas} replicas with ${poolSize} connections each`),
  ];
}

function judgeTables({ tables }: DatabaseFacts): readonly Finding[] {
  return tables
    .filter(({ liveRows, deadRows }) => {
      return deadRows >= MIN_DEAD_ROWS && deadRows > MAX_DEAD_SHARE * (liveRows + deadRows);
    })
    .map(({ name, liveRows, deadRows, lastVacuum }) => {
      const percent = Math.round((100 * deadRows) / (liveRows + deadRows));
      const vacuum =
        lastVacuum === null ? "never vacuumed" : `vacuumed ${lastVacuum.toISOString()}`;
      return warning(
        `${percent} % of the rows of ${name} are dead (${vacuum})`,
        `VACUUM ${name}, and lower autovacuum_vacuum_scale_factor for it`,
      );
    });
}
