import type { MigrationInterface, QueryRunner } from "typeorm";

/**
 * The successor of a session that RotateSession has revoked, and until when its cookie stands for the
 * successor; both NULL in all other rows. Only the read by a rotated session's cookie uses them.
 */
export class AddSessionRotation1795250000002 implements MigrationInterface {
  readonly name = "AddSessionRotation1795250000002";

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE sessions
        ADD COLUMN rotated_to text COLLATE "C",
        ADD COLUMN rotation_grace_until timestamptz`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      "ALTER TABLE sessions DROP COLUMN rotated_to, DROP COLUMN rotation_grace_until",
    );
  }
}
