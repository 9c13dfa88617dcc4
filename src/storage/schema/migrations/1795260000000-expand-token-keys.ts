import type { MigrationInterface, QueryRunner } from "typeorm";

/**
 * The keys that sign tokens for upstreams. `encrypted_key` is the private key under the key-encryption key
 * that `key_encryption_key_id` names. There is no column for the public key: it follows from the private
 * one, so that whoever can only write to the database cannot have another key published.
 *
 * At most one key has no end (`published_until`), however many rotations run at once.
 */
export class ExpandTokenKeys1795260000000 implements MigrationInterface {
  readonly name = "ExpandTokenKeys1795260000000";

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE token_keys (
        id text COLLATE "C" PRIMARY KEY,
        algorithm text COLLATE "C" NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA')),
        encrypted_key bytea NOT NULL,
        key_encryption_key_id text COLLATE "C" NOT NULL,
        created_at timestamptz NOT NULL,
        signs_from timestamptz NOT NULL,
        published_until timestamptz
      )`);
    await runner.query(
      "CREATE INDEX token_keys_by_creation ON token_keys (created_at DESC, id DESC)",
    );
    await runner.query("CREATE INDEX token_keys_by_end ON token_keys (published_until)");
    await runner.query(`
      CREATE UNIQUE INDEX token_keys_one_without_end ON token_keys ((published_until IS NULL))
        WHERE published_until IS NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query("DROP TABLE token_keys");
  }
}
