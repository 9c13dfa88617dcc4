import { chown, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import pg from "pg";
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from "../../packages/embedded-postgres/index.ts";
import { openTestStorage, type TestStorage } from "../support/storage.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import { until } from "../support/until.ts";

describe("database: over TLS (ASVS 12.3)", () => {
  let directory: string;
  let server: EmbeddedPostgres;
  let admin: pg.Client;
  let ca: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "sessiond-tls-"));
    server = await startEmbeddedPostgres({ dataDirectory: directory, ephemeral: true });
    admin = new pg.Client({ connectionString: server.url });
    await admin.connect();
    await switchOnTls(admin);
    ca = join(directory, "ca.pem");
    await writeFile(ca, testCertificate);
  });
  after(async () => {
    await admin?.end();
    await server?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  function open(negotiation: string): Promise<TestStorage> {
    const url = new URL(server.url);
    url.searchParams.set("sslmode", "verify-full");
    url.searchParams.set("sslrootcert", ca);
    url.searchParams.set("sslnegotiation", negotiation);
    return openTestStorage(url.href, { poolSize: 1 });
  }

  for (const negotiation of ["postgres", "direct"]) {
    it(`negotiated ${negotiation}: a caller that goes leaves no orphan, and a whole connection`, async () => {
      const { database, close } = await open(negotiation);
      try {
        const tls = { text: "SELECT pid, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()" };
        const [before] = await database.query(tls, [], undefined);
        expect(before?.ssl).to.equal(true);

        const abort = new AbortController();
        const reason = new Error("gone");
        const call = database.query({ text: "SELECT pg_sleep(3600)" }, [], abort.signal);
        const outcome = call.catch((error: unknown) => error);
        await until("it runs", running);
        abort.abort(reason);
        expect(await outcome).to.equal(reason);
        await until("it has ended", async () => !(await running()));
        // The same one: the server has confirmed the cancellation, and nothing had to be cut.
        const [after] = await database.query(tls, [], undefined);
        expect(after?.pid).to.equal(before?.pid);
      } finally {
        await close();
      }
    });
  }

  async function running(): Promise<boolean> {
    const { rowCount } = await admin.query(
      "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)' AND state = 'active'",
    );
    return rowCount === 1;
  }
});

/** PostgreSQL wants a key file that is its own and nobody else's. */
async function switchOnTls(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query("SHOW data_directory");
  const data: string = rows[0].data_directory;
  const { uid, gid } = await stat(data);
  for (const [name, text] of [
    ["server.crt", testCertificate],
    ["server.key", testKey],
  ] as const) {
    await writeFile(join(data, name), text, { mode: 0o600 });
    await chown(join(data, name), uid, gid);
  }
  await admin.query("ALTER SYSTEM SET ssl = on");
  await admin.query("SELECT pg_reload_conf()");
  await until("TLS is on", async () => {
    const { rows: settings } = await admin.query("SHOW ssl");
    return settings[0].ssl === "on";
  });
}
