import type { MigrationInterface, QueryRunner } from "typeorm";

/**
 * To check the reference, each insert locked the row of the tenant's one active key, and inserts
 * that overlapped made a multixact of their locks: nearly one for each row, which costs vacuums, and
 * 0.84 of the throughput with 8 clients at once (`npm run bench -- --only writes`).
 *
 * The statement that inserts a session reads the active key itself, and a key is deleted only when
 * it has been retired for its retention, at least as long as any session, and no session names it.
 * A session without its key could not be validated: it would be refused, never accepted.
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
