import { BANNER, startSessiond } from "../../support/sessiond-process.ts";
import { broken, type Scenario } from "../scenario.ts";
import { World } from "../world.ts";

const KEYS = "SELECT * FROM signing_keys ORDER BY id";
const EVENTS = "SELECT count(*) FROM audit_events";

/** A replica starts with a wrong key-encryption key, or without one, beside those that serve. */
export const wrongKeyEncryptionKey: Scenario = {
  name: "key-encryption-key",
  fault: "Wrong or missing key-encryption key",
  async run(server, scale) {
    await using world = await World.open(server);
    world.startLoad(1);
    await world.load.more(100);
    await world.load.end();
    const violations = [];
    const rounds = scale.of(1, 3);
    const data = async () => {
      const { sql } = world.database;
      return JSON.stringify([await sql(KEYS), await sql(EVENTS)]);
    };
    for (let round = 0; round < rounds; round += 1) {
      for (const [what, env] of Object.entries(WRONG)) {
        const before = await data();
        const started = startSessiond({
          env: { SESSIOND_DATABASE_URL: world.database.url, ...env },
        });
        const serves = started.says(BANNER).then(
          () => true,
          () => false,
        );
        if (await serves) {
          await started.end("SIGKILL");
          violations.push(broken("refused start", `a replica with ${what} serves`));
        }
        const { code } = await started.ended;
        if (code === 0) violations.push(broken("refused start", `with ${what} it ended with 0`));
        if ((await data()) !== before) {
          violations.push(broken("data untouched", `a start with ${what} has changed the keys`));
        }
      }
    }
    violations.push(...(await world.check()));
    return world.report(2 * rounds, violations);
  },
};

const WRONG: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "a wrong key": { SESSIOND_KEY_ENCRYPTION_KEYS: Buffer.alloc(32, 9).toString("base64") },
  "no key": {},
};
