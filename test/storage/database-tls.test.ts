import { expect } from "chai";
import { openTestStorage, type TestStorage } from "../support/storage.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import { startTlsPostgres, type TlsPostgres } from "../support/tls-postgres.ts";
import { until } from "../support/until.ts";

describe("database: over TLS (ASVS 12.3)", () => {
  let postgres: TlsPostgres;
  let ca: string;

  before(async () => {
    postgres = await startTlsPostgres({ certificate: testCertificate, key: testKey });
    ca = await postgres.file("ca.pem", testCertificate);
  });
  after(() => postgres?.stop());

  function open(negotiation: string): Promise<TestStorage> {
    const url = new URL(postgres.server.url);
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
    const { rowCount } = await postgres.admin.query(
      "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)' AND state = 'active'",
    );
    return rowCount === 1;
  }
});
