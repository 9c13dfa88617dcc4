import type { MigrationInterface, QueryRunner } from "typeorm";

/**
 * How and when a session's user authenticated. Rows that were inserted before, or by a replica of the
 * previous version, get the defaults; their NULL in authenticated_at means created_at (authentication.ts).
 * Constant defaults rewrite no rows.
 */
export class AddAuthentication1795250000000 implements MigrationInterface {
  readonly name = "AddAuthentication1795250000000";

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE sessions
        ADD COLUMN auth_level integer NOT NULL DEFAULT 0,
        ADD COLUMN auth_methods jsonb NOT NULL DEFAULT '[]',
        ADD COLUMN authenticated_at timestamptz`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE sessions
        DROP COLUMN auth_level, DROP COLUMN auth_methods, DROP COLUMN authenticated_at`);
  }
}
