import { until } from "../../support/until.ts";
import type { RecordingClient } from "../recorder.ts";
import { broken, type Scenario } from "../scenario.ts";
import { World } from "../world.ts";

const ACTIVE = "SELECT FROM signing_keys WHERE tenant_id = 'default' AND retired_at IS NULL";

/** Both replicas rotate the signing key at the same moment, while sessions are created and used. */
export const keyRotations: Scenario = {
  name: "key-rotations",
  fault: "Two replicas rotate the signing key at once",
  async run(server, scale) {
    await using world = await World.open(server);
    world.startLoad(1);
    const violations = [];
    const rounds = scale.of(25, 1000);
    const [a, b] = world.replicas.map((replica) => world.client(replica)) as [
      RecordingClient,
      RecordingClient,
    ];
    for (let round = 0; round < rounds; round += 1) {
      const [session] = await Promise.all([
        until("a session is open", () => a.create()),
        a.rotateKey(),
        b.rotateKey(),
      ]);
      const active = (await world.database.sql(ACTIVE)).length;
      if (active !== 1) {
        violations.push(broken("one active signing key", `${active} are active in round ${round}`));
      }
      await b.validate(session);
    }
    violations.push(...(await world.check()));
    return world.report(rounds, violations);
  },
};
