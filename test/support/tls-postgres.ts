import { chmod, chown, mkdtemp, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from "../../packages/embedded-postgres/index.ts";
import { until } from "./until.ts";

export interface CertificateAndKey {
  /** Both in PEM form. */
  readonly certificate: string;
  readonly key: string;
}

/** A PostgreSQL of its own with TLS. */
export interface TlsPostgres {
  readonly server: EmbeddedPostgres;
  readonly admin: pg.Client;
  /** Writes a file that this process can read, and returns its path. */
  file(name: string, text: string): Promise<string>;
  /** Writes a file that only the server can read, into its data directory, and applies settings. */
  configure(
    files: Readonly<Record<string, string>>,
    settings: Readonly<Record<string, string>>,
  ): Promise<void>;
  stop(): Promise<void>;
}

/** @param nativeDirectory where `bin/postgres` is, instead of the embedded PostgreSQL */
export async function startTlsPostgres(
  { certificate, key }: CertificateAndKey,
  nativeDirectory?: string,
): Promise<TlsPostgres> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), "sessiond-tls-"));
  await chmod(directory, 0o755);
  const server = await startEmbeddedPostgres({
    dataDirectory: directory,
    ephemeral: true,
    ...(nativeDirectory !== undefined && { nativeDirectory }),
  });
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  const { rows } = await admin.query("SHOW data_directory");
  const data: string = rows[0].data_directory;
  const { uid, gid } = await stat(data);

  const postgres: TlsPostgres = {
    server,
    admin,
    async file(name, text) {
      const path = join(directory, name);
      await writeFile(path, text);
      return path;
    },
    async configure(files, settings) {
      for (const [name, text] of Object.entries(files)) {
        // PostgreSQL wants a key file that is its own and nobody else's.
        await writeFile(join(data, name), text, { mode: 0o600 });
        await chown(join(data, name), uid, gid);
      }
      for (const [name, value] of Object.entries(settings)) {
        await admin.query(`ALTER SYSTEM SET ${name} = '${value}'`);
      }
      const loadTime = async () => {
        const { rows: times } = await admin.query("SELECT pg_conf_load_time()::text AS time");
        return times[0].time as string;
      };
      const before = await loadTime();
      await admin.query("SELECT pg_reload_conf()");
      await until("the configuration is loaded", async () => (await loadTime()) !== before);
    },
    async stop() {
      await admin.end();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  try {
    await postgres.configure({ "server.crt": certificate, "server.key": key }, { ssl: "on" });
    return postgres;
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
