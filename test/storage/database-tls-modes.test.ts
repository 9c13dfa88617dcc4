import { expect } from "chai";
import { pino } from "pino";
import { databaseUrlProblem } from "../../src/config/database-url.ts";
import { openDatabase } from "../../src/storage/open-database.ts";
import { certificatePem, privateKeyPem } from "../config/helpers.ts";
import { debianPostgres } from "../support/programs.ts";
import { testCertificate, testKey } from "../support/test-certificate.ts";
import { startTlsPostgres, type TlsPostgres } from "../support/tls-postgres.ts";
import { until } from "../support/until.ts";

/** For localhost and 127.0.0.1. */
const OURS = { certificate: testCertificate, key: testKey };
/** For localhost only. */
const OTHER = { certificate: certificatePem, key: privateKeyPem(7) };

interface Outcome {
  /** Whether the connection is encrypted; undefined if there is none. */
  readonly encrypted?: boolean;
  readonly error?: string;
  readonly warnings: readonly string[];
}

for (const name of ["the embedded PostgreSQL", "Debian's PostgreSQL"]) {
  describe(`sslmode, on ${name} (ASVS 12.3)`, () => {
    let postgres: TlsPostgres;
    let ca: string;
    let otherCa: string;

    before(async function () {
      const isEmbedded = name === "the embedded PostgreSQL";
      const directory = isEmbedded ? undefined : debianPostgres();
      if (!isEmbedded && directory === undefined) this.skip();
      postgres = await startTlsPostgres(OURS, directory);
      ca = await postgres.file("ca.pem", OURS.certificate);
      otherCa = await postgres.file("other-ca.pem", OTHER.certificate);
    });
    after(() => postgres?.stop());

    async function connect(parameters: Record<string, string>): Promise<Outcome> {
      const url = new URL(postgres.server.url);
      for (const [key, value] of Object.entries(parameters)) url.searchParams.set(key, value);
      expect(databaseUrlProblem(url.href)).to.equal(undefined);
      const warnings: string[] = [];
      const log = pino({ level: "warn" }, { write: (line) => warnings.push(line) });
      try {
        const { dataSource } = await openDatabase({
          urls: [url.href],
          poolSize: 1,
          connectTimeoutMs: 600_000,
          startTimeoutMs: 3_600_000,
          onPoolError: () => {},
          log,
        });
        const [row] = await dataSource.query(
          "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        );
        await dataSource.destroy();
        return { encrypted: row.ssl, warnings };
      } catch (error) {
        return { error: (error as Error).message, warnings };
      }
    }

    const encrypted = { encrypted: true, warnings: [] };

    it("unset, or disable: plain text", async () => {
      expect(await connect({})).to.deep.equal({ encrypted: false, warnings: [] });
      const disabled = await connect({ sslmode: "disable" });
      expect(disabled).to.deep.equal({ encrypted: false, warnings: [] });
    });

    it("require: encrypted, any server; warns that it does not verify the server", async () => {
      const { encrypted, warnings } = await connect({ sslmode: "require" });
      expect(encrypted).to.equal(true);
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.include("sslmode=require accepts any server; use verify-full");
    });

    it("require with sslrootcert: as verify-ca", async () => {
      expect(await connect({ sslmode: "require", sslrootcert: ca })).to.deep.equal(encrypted);
      const { error } = await connect({ sslmode: "require", sslrootcert: otherCa });
      expect(error).to.match(/self-signed certificate|unable to verify/);
    });

    for (const sslmode of ["verify-ca", "verify-full"]) {
      it(`${sslmode}: encrypted with the right authority, refused with another`, async () => {
        expect(await connect({ sslmode, sslrootcert: ca })).to.deep.equal(encrypted);
        const { error } = await connect({ sslmode, sslrootcert: otherCa });
        expect(error).to.match(/cannot connect to the database at 127\.0\.0\.1:\d+: /);
        expect(error).to.match(/certificate.* \(sslrootcert in SESSIOND_DATABASE_URL must name/);
      });
    }

    it("verify-full without sslrootcert: refuses an authority that is not well known", async () => {
      const { error } = await connect({ sslmode: "verify-full" });
      expect(error).to.match(/certificate.* \(sslrootcert in SESSIOND_DATABASE_URL must/);
    });

    it("an sslrootcert that cannot be read: names the file", async () => {
      const { error } = await connect({ sslmode: "verify-full", sslrootcert: "/nowhere/ca.pem" });
      expect(error).to.equal(
        "the file /nowhere/ca.pem that the database URL names cannot be read (ENOENT)",
      );
    });

    describe("with a certificate for another host", () => {
      before(async () => {
        await postgres.configure({ "server.crt": OTHER.certificate, "server.key": OTHER.key }, {});
        await until("the certificate is in use", async () => {
          const { encrypted } = await connect({ sslmode: "verify-ca", sslrootcert: otherCa });
          return encrypted;
        });
      });
      after(() =>
        postgres.configure({ "server.crt": OURS.certificate, "server.key": OURS.key }, {}),
      );

      it("verify-ca connects, verify-full does not", async () => {
        const verifyCa = await connect({ sslmode: "verify-ca", sslrootcert: otherCa });
        expect(verifyCa).to.deep.equal(encrypted);
        const { error } = await connect({ sslmode: "verify-full", sslrootcert: otherCa });
        expect(error).to.match(/Hostname\/IP does not match certificate's altnames/);
      });
    });

    describe("a server that requires TLS and a client certificate", () => {
      before(async () => {
        await postgres.configure(
          {
            "pg_hba.conf": "hostssl all all all scram-sha-256 clientcert=verify-ca\n",
            "clients.crt": OTHER.certificate,
          },
          { ssl_ca_file: "clients.crt" },
        );
      });

      it("refuses plain text, and the message names sslmode", async () => {
        const { error } = await connect({});
        expect(error).to.match(/no pg_hba\.conf entry for host .*, no encryption/);
        expect(error).to.include(
          "(the server may require TLS: set sslmode=verify-full in SESSIOND_DATABASE_URL)",
        );
      });

      it("accepts sslcert and sslkey, and refuses a connection without them", async () => {
        const tls = { sslmode: "verify-full", sslrootcert: ca };
        const sslcert = await postgres.file("client.crt", OTHER.certificate);
        const sslkey = await postgres.file("client.key", OTHER.key);
        expect(await connect({ ...tls, sslcert, sslkey })).to.deep.equal(encrypted);
        const { error } = await connect(tls);
        expect(error).to.match(/client certificate/);
      });
    });
  });
}
