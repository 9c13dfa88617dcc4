import type { MigrationInterface, QueryRunner } from "typeorm";

/** Counts the changes of a session's metadata. A constant default rewrites no rows. */
export class AddMetadataEtag1795250000001 implements MigrationInterface {
  readonly name = "AddMetadataEtag1795250000001";

  async up(runner: QueryRunner): Promise<void> {
    await runner.query("ALTER TABLE sessions ADD COLUMN metadata_etag bigint NOT NULL DEFAULT 1");
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query("ALTER TABLE sessions DROP COLUMN metadata_etag");
  }
}
