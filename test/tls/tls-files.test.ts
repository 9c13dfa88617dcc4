import { once } from "node:events";

import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import tls from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "chai";
import { SessionManager } from "../../clients/typescript/src/session-manager.ts";
import { SessionService } from "../../gen/es/sessiond/v1/session_service_pb.ts";
import { warnBeforeExpiry } from "../../src/tls-files.ts";
import { openSession, validate } from "../support/actors.ts";
import { type Replica, startReplica } from "../support/app.ts";
import {
  createAuthority,
  type IssuedCertificate,
  LOCAL_NAMES,
} from "../support/certificate-authority.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

describe("TLS files (F04)", () => {
  const authority = createAuthority("server authority");
  const clientAuthority = createAuthority("client authority");
  const cleanups: (() => unknown)[] = [];
  let database: TestDatabase;
  let directory: string;
  let lines: { level: number; msg: string; err?: { message: string }; subject?: string }[];

  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database.drop());
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "sessiond-tls-"));
    lines = [];
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    await rm(directory, { recursive: true });
  });

  const newCertificate = (name: string) => authority.issue({ name, san: LOCAL_NAMES });

  async function write({ certificate, key }: IssuedCertificate, into = directory): Promise<void> {
    await writeFile(join(into, "tls.crt"), certificate);
    await writeFile(join(into, "tls.key"), key);
  }

  async function start(): Promise<Replica> {
    await writeFile(join(directory, "ca.crt"), clientAuthority.certificate);
    const replica = await startReplica(database.url, {
      env: {
        SESSIOND_TLS_CERT_FILE: join(directory, "tls.crt"),
        SESSIOND_TLS_KEY_FILE: join(directory, "tls.key"),
        SESSIOND_TLS_CLIENT_CA_FILE: join(directory, "ca.crt"),
      },
      onLog: (line) => {
        const entry = JSON.parse(line);
        if (/TLS/.test(entry.msg)) lines.push(entry);
      },
    });
    cleanups.push(() => replica.stop());
    return replica;
  }

  /** The common name of the certificate that new connections get. */
  async function nameShownBy(replica: Replica): Promise<string> {
    const { port } = replica.app.server;
    const socket = tls.connect({ port, host: "127.0.0.1", ca: authority.certificate });
    await once(socket, "secureConnect");
    const subject = socket.getPeerX509Certificate()?.subject ?? "";
    socket.destroy();
    return subject;
  }

  function connect(replica: Replica, client?: IssuedCertificate) {
    const nodeOptions = {
      ca: authority.certificate,
      ...(client && { cert: client.certificate, key: client.key }),
    };
    const sessionManager = new SessionManager(replica.url, undefined, nodeOptions);
    cleanups.push(() => sessionManager.abort());
    const transport = createGrpcTransport({ baseUrl: replica.url, sessionManager });
    return createClient(SessionService, transport);
  }

  it("are read again without a failed call or a lost connection", async () => {
    await write(newCertificate("first"));
    const replica = await start();
    const client = connect(replica, clientAuthority.issue());
    const { cookie } = await openSession(client);

    let calls = 0;
    let stopped = false;
    const caller = async () => {
      while (!stopped) {
        await validate(client, cookie);
        calls += 1;
      }
    };
    const callers = Array.from({ length: 10 }, caller);
    for (const name of ["second", "third", "fourth"]) {
      await write(newCertificate(name));
      await replica.app.readFiles();
      expect(await nameShownBy(replica)).to.equal(`CN=${name}`);
    }
    stopped = true;
    await Promise.all(callers);
    expect(calls).to.be.above(10);
    expect(lines.map(({ msg, subject }) => [msg, subject])).to.deep.equal(
      ["second", "third", "fourth"].map((name) => [
        "TLS files read again: they are in force",
        `CN=${name}`,
      ]),
    );
  });

  it("are read again when Kubernetes swaps ..data, with all files at once", async () => {
    for (const name of ["1", "2"]) {
      await mkdir(join(directory, `..${name}`));
      await write(newCertificate(name), join(directory, `..${name}`));
    }
    await symlink("..1", join(directory, "..data"));
    for (const name of ["tls.crt", "tls.key"]) {
      await symlink(join("..data", name), join(directory, name));
    }
    const replica = await start();
    expect(await nameShownBy(replica)).to.equal("CN=1");
    await symlink("..2", join(directory, "..data_tmp"));
    await rename(join(directory, "..data_tmp"), join(directory, "..data"));
    await replica.app.readFiles();
    expect(await nameShownBy(replica)).to.equal("CN=2");
  });

  it("that do not belong together leave the old ones in force, with one line in the log", async () => {
    await write(newCertificate("first"));
    const replica = await start();
    const second = newCertificate("second");
    await writeFile(join(directory, "tls.crt"), second.certificate);
    for (let look = 0; look < 3; look += 1) await replica.app.readFiles();
    expect(await nameShownBy(replica)).to.equal("CN=first");
    expect(lines).to.have.length(1);
    expect(lines[0]).to.deep.include({
      level: 50,
      msg: "TLS files cannot be used: the last usable ones stay in force",
    });
    expect(lines[0]?.err?.message).to.equal("the TLS private key is not the certificate's");

    await writeFile(join(directory, "tls.key"), second.key);
    await replica.app.readFiles();
    expect(await nameShownBy(replica)).to.equal("CN=second");
    expect(lines.slice(1).map(({ level }) => level)).to.deep.equal([30]);
    expect(JSON.stringify(lines)).not.to.include(second.key.split("\n")[1] ?? "");
  });

  it("that Node accepts and sessiond cannot read are not in force, as the log says", async () => {
    await write(newCertificate("first"));
    const replica = await start();
    const second = newCertificate("second");
    const certificate = second.certificate.replaceAll(" CERTIFICATE-", " X509 CERTIFICATE-");
    await write({ ...second, certificate });
    await replica.app.readFiles();
    expect(lines.map(({ msg }) => msg)).to.deep.equal([
      "TLS files cannot be used: the last usable ones stay in force",
    ]);
    expect(await nameShownBy(replica)).to.equal("CN=first");
  });

  for (const [what, content] of [
    ["half a certificate", newCertificate("half").certificate.slice(0, 300)],
    ["an empty file", ""],
  ]) {
    it(`with ${what} leave the old ones in force`, async () => {
      await write(newCertificate("first"));
      const replica = await start();
      for (const file of ["tls.crt", "tls.key", "ca.crt"]) {
        const before = file === "ca.crt" ? clientAuthority.certificate : undefined;
        await writeFile(join(directory, file), content ?? "");
        await replica.app.readFiles();
        expect(lines.at(-1)?.level, file).to.equal(50);
        if (before !== undefined) await writeFile(join(directory, file), before);
        else await write(newCertificate("first"));
      }
      expect(await nameShownBy(replica)).to.equal("CN=first");
    });
  }

  it("with other authorities decide about new clients", async () => {
    await write(newCertificate("first"));
    const replica = await start();
    const old = clientAuthority.issue();
    await openSession(connect(replica, old));

    const next = createAuthority("next authority");
    await writeFile(join(directory, "ca.crt"), clientAuthority.certificate + next.certificate);
    await replica.app.readFiles();
    await openSession(connect(replica, old));
    await openSession(connect(replica, next.issue()));

    await writeFile(join(directory, "ca.crt"), next.certificate);
    await replica.app.readFiles();
    const failure = await openSession(connect(replica, old)).catch((error: Error) => error);
    expect(failure).to.be.instanceOf(Error);
    await openSession(connect(replica, next.issue()));
  });

  describe("a certificate that expires", () => {
    let warnings: [Record<string, unknown>, string][];
    const log = { warn: (...entry: [Record<string, unknown>, string]) => warnings.push(entry) };
    const start = Date.UTC(2030, 0, 1);

    beforeEach(() => {
      warnings = [];
      mock.timers.enable({ apis: ["setInterval", "Date"], now: start });
    });
    afterEach(() => mock.timers.reset());

    function expiresIn(ms: number): string {
      const notAfter = new Date(start + ms);
      const notBefore = new Date(start - 90 * DAY_MS);
      return authority.issue({ name: "leaf", notBefore, notAfter }).certificate;
    }

    function pass(ms: number): void {
      for (let passed = 0; passed < ms; passed += HOUR_MS) mock.timers.tick(HOUR_MS);
    }

    it("is warned of at the start and once a day, and no more when it is renewed", () => {
      const expiry = warnBeforeExpiry(expiresIn(2 * DAY_MS), log as never);
      cleanups.push(expiry.stop);
      const expiresAt = new Date(start + 2 * DAY_MS);
      const soon = [
        { subject: "CN=leaf", expiresAt },
        "the TLS certificate expires soon: renew it",
      ];
      expect(warnings).to.deep.equal([soon]);
      pass(DAY_MS - HOUR_MS);
      expect(warnings).to.have.length(1);
      pass(HOUR_MS);
      expect(warnings).to.deep.equal([soon, soon]);
      pass(2 * DAY_MS);
      expect(warnings.at(-1)?.[1]).to.equal("the TLS certificate has expired: clients refuse it");

      const before = warnings.length;
      expiry.use(expiresIn(90 * DAY_MS));
      pass(3 * DAY_MS);
      expect(warnings).to.have.length(before);
    });

    it("is warned of within the hour in which the last 7 days begin", () => {
      const expiry = warnBeforeExpiry(expiresIn(7 * DAY_MS + 2 * HOUR_MS), log as never);
      cleanups.push(expiry.stop);
      pass(2 * HOUR_MS);
      expect(warnings).to.deep.equal([]);
      pass(HOUR_MS);
      expect(warnings).to.have.length(1);
    });

    it("and has expired already is warned of at the start", () => {
      const expiry = warnBeforeExpiry(expiresIn(-DAY_MS), log as never);
      cleanups.push(expiry.stop);
      expect(warnings.map(([, message]) => message)).to.deep.equal([
        "the TLS certificate has expired: clients refuse it",
      ]);
    });
  });
});
