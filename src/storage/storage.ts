import type { AuditStore } from "../session/audit-store.ts";
import type { SessionStore } from "../session/session-store.ts";
import type { SigningKeyStore } from "../session/signing-key-store.ts";
import type { SweepStore } from "../session/sweep-store.ts";
import type { TokenKeyStore } from "../session/token-key-store.ts";
import { DenialAuditWriter } from "./audit/denial-audit-writer.ts";
import { createAuditStore } from "./audit/pg-audit-store.ts";
import { type OpenDatabaseOptions, openDatabase } from "./open-database.ts";
import { Database, type DatabaseOptions } from "./pg/database.ts";
import { createSessionStore } from "./sessions/pg-session-store.ts";
import { createSigningKeyStore } from "./signing-keys/pg-signing-key-store.ts";
import { readSigningKeyAges, type SigningKeyAges } from "./signing-keys/signing-key-ages.ts";
import { createSweepStore } from "./sweep/pg-sweep-store.ts";
import { createTokenKeyStore } from "./token-keys/pg-token-key-store.ts";
import { checkActiveKey, type SigningKeyEncryption } from "./upgrade-check.ts";

/** How long closing waits for the queued audit of denials to be written. */
const AUDIT_CLOSE_MS = 2000;

export interface Storage {
  /** The connections that the stores share. */
  readonly database: Database;
  readonly sessions: SessionStore;
  readonly signingKeys: SigningKeyStore;
  readonly tokenKeys: TokenKeyStore;
  readonly audit: AuditStore;
  readonly sweep: SweepStore;
  readonly denialAudit: DenialAuditWriter;
  /** Reads all signing keys of all tenants. */
  signingKeyAges(signal: AbortSignal): Promise<SigningKeyAges>;
  close(): Promise<void>;
}

export interface StorageOptions
  extends DatabaseOptions,
    Omit<OpenDatabaseOptions, "onPoolError" | "beforeUpgrade"> {
  /**
   * Called before the schema of an older version is migrated, with the active signing key of the
   * default tenant. If it throws, nothing is migrated, and `openStorage` rejects with the error.
   */
  readonly beforeUpgrade: (key: SigningKeyEncryption) => void;
  /** The maximum number of denials that wait to be audited. Further ones are lost and counted. */
  readonly auditQueueLimit: number;
}

/** Connects to the database, which it may wait for, and migrates it. */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  await using stack = new AsyncDisposableStack();
  const { log } = options;
  const { dataSource, primary } = await openDatabase({
    ...options,
    beforeUpgrade: (runner) => checkActiveKey(runner, options.beforeUpgrade),
    // Without the stack, which would only show the driver.
    onPoolError: ({ code, message }) =>
      log.warn({ code, message }, "an idle database connection broke"),
  });
  const database = new Database(dataSource, {
    ...options,
    onSuspectedFailover: primary && (() => primary.relocate()),
    onPreparedStatementLost: ({ code }) =>
      log.warn(
        { code },
        "a prepared statement was lost, as behind PgBouncer in transaction mode: sessiond goes on " +
          "without prepared statements; set SESSIOND_DATABASE_PREPARED_STATEMENTS=false to begin without",
      ),
  });
  stack.defer(() => database.close());
  if (primary !== undefined) stack.defer(() => primary.close());

  const audit = createAuditStore(database);
  const denialAudit = new DenialAuditWriter(audit, {
    queueLimit: options.auditQueueLimit,
    onLoss: (count, error) => log.warn({ count, err: error }, "audit of denials lost"),
    tracer: options.tracer,
  });
  stack.defer(() => denialAudit.close(AUDIT_CLOSE_MS));

  const opened = stack.move();
  return {
    database,
    sessions: createSessionStore(database),
    signingKeys: createSigningKeyStore(database),
    tokenKeys: createTokenKeyStore(database),
    audit,
    sweep: createSweepStore(database),
    denialAudit,
    signingKeyAges: (signal) => readSigningKeyAges(database, signal),
    close: () => opened.disposeAsync(),
  };
}
