import type { MigrationInterface, QueryRunner } from "typeorm";

export class CreateTables1763700000000 implements MigrationInterface {
  readonly name = "CreateTables1763700000000";

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE signing_keys (
        id text COLLATE "C" PRIMARY KEY,
        tenant_id text COLLATE "C" NOT NULL CHECK (tenant_id <> ''),
        encrypted_key bytea NOT NULL,
        key_encryption_key_id text COLLATE "C" NOT NULL,
        created_at timestamptz NOT NULL,
        retired_at timestamptz
      )`);
    // This index guarantees that a tenant never has two active keys; no code checks it beforehand.
    await runner.query(`
      CREATE UNIQUE INDEX signing_keys_one_active_per_tenant
        ON signing_keys (tenant_id) WHERE retired_at IS NULL`);
    await runner.query(`
      CREATE INDEX signing_keys_by_tenant ON signing_keys (tenant_id, created_at DESC, id DESC)`);
    await runner.query(`
      CREATE INDEX signing_keys_retired ON signing_keys (retired_at) WHERE retired_at IS NOT NULL`);

    // last_seen_at and csrf_token_hash are in no index, and the fillfactor leaves free space in each
    // page, so that a touch is a heap-only (HOT) update.
    await runner.query(`
      CREATE TABLE sessions (
        id text COLLATE "C" PRIMARY KEY,
        tenant_id text COLLATE "C" NOT NULL CHECK (tenant_id <> ''),
        actor_type text COLLATE "C" NOT NULL,
        actor_id text COLLATE "C" NOT NULL,
        app_type text COLLATE "C" NOT NULL,
        pre_login boolean NOT NULL,
        created_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        idle_timeout_seconds integer NOT NULL CHECK (idle_timeout_seconds > 0),
        absolute_expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        revoke_reason text NOT NULL DEFAULT '',
        revoked_by text NOT NULL DEFAULT '',
        ip_address text NOT NULL,
        user_agent text NOT NULL CHECK (char_length(user_agent) <= 512),
        signing_key_id text COLLATE "C" NOT NULL REFERENCES signing_keys (id) ON DELETE RESTRICT,
        csrf_token_hash bytea NOT NULL CHECK (octet_length(csrf_token_hash) = 32),
        metadata jsonb NOT NULL,
        CHECK (pre_login OR (actor_type <> '' AND actor_id <> ''))
      ) WITH (fillfactor = 85)`);
    await runner.query(`
      CREATE INDEX sessions_by_actor
        ON sessions (tenant_id, actor_type, actor_id, created_at DESC, id DESC)`);
    await runner.query(
      `CREATE INDEX sessions_by_absolute_deadline ON sessions (absolute_expires_at)`,
    );
    await runner.query(`
      CREATE INDEX sessions_pre_login_by_absolute_deadline
        ON sessions (absolute_expires_at) WHERE pre_login`);
    await runner.query(`CREATE INDEX sessions_by_signing_key ON sessions (signing_key_id)`);

    await runner.query(`
      CREATE TABLE audit_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        occurred_at timestamptz NOT NULL,
        category text COLLATE "C" NOT NULL,
        action text COLLATE "C" NOT NULL,
        acting_actor_id text COLLATE "C" NOT NULL,
        calling_service text COLLATE "C" NOT NULL,
        tenant_id text COLLATE "C" NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        resource_id text COLLATE "C" NOT NULL,
        details jsonb NOT NULL
      )`);
    await runner.query(`CREATE INDEX audit_events_by_tenant ON audit_events (tenant_id, id)`);
    await runner.query(`
      CREATE INDEX audit_events_by_resource ON audit_events (tenant_id, resource_id, id)`);
    await runner.query(`
      CREATE INDEX audit_events_by_acting_actor ON audit_events (tenant_id, acting_actor_id, id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query("DROP TABLE audit_events, sessions, signing_keys");
  }
}
