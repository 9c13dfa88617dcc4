import { until } from "../../support/until.ts";
import { broken, type Scenario } from "../scenario.ts";
import { World } from "../world.ts";

/** What changes something, by the name of its prepared statement or by its text. */
const CHANGES = [
  "create",
  "revoke",
  "touch",
  "rotate_csrf",
  "rotate_session",
  "update_metadata",
  "COMMIT",
];

/** The connection breaks when a change is on its way to the database, or its answer on the way back. */
export const lostMessages: Scenario = {
  name: "lost-messages",
  fault: "Answer or statement of a change lost on the way",
  async run(server, scale) {
    await using world = await World.open(server);
    world.startLoad();
    await world.load.more(100);
    const losses = () => world.replicas.reduce((sum, { proxy }) => sum + proxy.losses, 0);
    for (const lost of ["answers", "questions"] as const) {
      for (const { proxy } of world.replicas) proxy.lose({ lost, naming: CHANGES, oneIn: 4 });
      const goal = losses() + scale.of(30, 1000);
      await until(`${lost} are lost`, async () => losses() >= goal);
    }
    const restoredAt = performance.now();
    for (const { proxy } of world.replicas) proxy.restore();
    await world.recovered(restoredAt);
    const violations = await world.check();
    const committed = await world.committedWithoutAnswer();
    // Else no commit's answer was lost, and nothing has been shown.
    if (committed === 0)
      violations.push(broken("control", "no change of unknown outcome was done"));
    return {
      ...world.report(losses(), violations),
      figures: { "changes done whose answer was lost": committed },
    };
  },
};
