import type { MigrationInterface, QueryRunner } from "typeorm";

/**
 * To check the foreign key, each insert locked the row of the tenant's active signing key, and
 * concurrent inserts combined their locks in a multixact. That made nearly one multixact for each row,
 * which causes vacuums, and reduced the throughput to 0.84 with 8 clients (`npm run bench -- --only
 * writes`).
 *
 * The reference is safe without it. The statement that inserts a session also reads the active key.
 * A key is deleted only after its retention, which is at least as long as any session lives, and if
 * no session refers to it. If a session's key were missing, the session would be denied, never
 * accepted.
 */
export class DropSigningKeyReference1795240000000 implements MigrationInterface {
  readonly name = "DropSigningKeyReference1795240000000";

  async up(runner: QueryRunner): Promise<void> {
    await runner.query("ALTER TABLE sessions DROP CONSTRAINT sessions_signing_key_id_fkey");
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE sessions ADD CONSTRAINT sessions_signing_key_id_fkey
        FOREIGN KEY (signing_key_id) REFERENCES signing_keys (id) ON DELETE RESTRICT`);
  }
}
