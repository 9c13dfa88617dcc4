import { expect } from "chai";
import { newActor } from "../support/actors.ts";
import { type BadInputApp, itRefuses, startBadInputApp } from "../support/bad-input.ts";

interface Duration {
  readonly seconds: bigint;
  readonly nanos?: number;
}

const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const int32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };

describe("bad input: durations", () => {
  let app: BadInputApp;

  before(async () => {
    app = await startBadInputApp();
  });
  after(() => app.stop());

  const fields = [
    { name: "idleTimeout", field: "idle_timeout", maxSeconds: 1800n },
    { name: "absoluteTimeout", field: "absolute_timeout", maxSeconds: 43_200n },
  ] as const;

  for (const { name, field, maxSeconds } of fields) {
    const refused = (what: string, duration: Duration, expected: string) => ({
      what: `${field} ${what}`,
      call: () => app.client.create({ actor: newActor(), [name]: duration }),
      field,
      message: `${field} ${expected}`,
    });
    const range = `must be from 1s to ${maxSeconds}s`;
    const whole = "must be whole seconds";
    itRefuses(
      () => app,
      [
        refused("of 0", { seconds: 0n }, range),
        refused("of minus a second", { seconds: -1n }, range),
        refused("of a second too much", { seconds: maxSeconds + 1n }, range),
        refused(
          "that overflows 32 bits of milliseconds",
          { seconds: 2n ** 32n / 1000n + 1n },
          range,
        ),
        refused("that overflows 32 bits of seconds", { seconds: 2n ** 32n + 1n }, range),
        refused("of 10,000 years", { seconds: 315_576_000_000n }, range),
        refused("of the largest int64", { seconds: int64.max }, range),
        refused("of the smallest int64", { seconds: int64.min }, range),
        refused("of half a second", { seconds: 0n, nanos: 500_000_000 }, whole),
        refused("of a second and a nanosecond", { seconds: 1n, nanos: 1 }, whole),
        refused("with nanos against its sign", { seconds: 1n, nanos: -1 }, whole),
        refused("of a whole second, said in nanos", { seconds: 0n, nanos: 1_000_000_000 }, whole),
        refused("with the largest nanos", { seconds: 1n, nanos: int32.max }, whole),
        refused("with the smallest nanos", { seconds: 1n, nanos: int32.min }, whole),
      ],
    );
  }

  itRefuses(
    () => app,
    [
      {
        what: "idle_timeout above absolute_timeout",
        call: (client) =>
          client.create({
            actor: newActor(),
            idleTimeout: { seconds: 61n },
            absoluteTimeout: { seconds: 60n },
          }),
        field: "idle_timeout",
        message: "idle_timeout must not be longer than the absolute timeout, which is 60s",
      },
      {
        what: "absolute_timeout before login that is longer than the configured one",
        call: (client) => client.create({ preLogin: true, absoluteTimeout: { seconds: 601n } }),
        field: "absolute_timeout",
        message: "absolute_timeout must be from 1s to 600s",
      },
      {
        what: "idle_timeout before login that is longer than the session",
        call: (client) => client.create({ preLogin: true, idleTimeout: { seconds: 601n } }),
        field: "idle_timeout",
        message: "idle_timeout must be from 1s to 600s",
      },
    ],
  );

  const accepted: [string, bigint | undefined, bigint | undefined, number, number][] = [
    ["the shortest", 1n, 1n, 1, 1],
    ["the longest", 1800n, 43_200n, 1800, 43_200],
    ["idle as long as absolute", 60n, 60n, 60, 60],
    ["an absolute one shorter than the default idle one", undefined, 60n, 60, 60],
    ["an idle one alone", 60n, undefined, 60, 43_200],
    ["none", undefined, undefined, 1800, 43_200],
  ];
  for (const [what, idle, absolute, idleSeconds, absoluteSeconds] of accepted) {
    it(`bad input: of timeouts, ${what} is accepted and lasts that long`, async () => {
      const { session } = await app.client.create({
        actor: newActor(),
        ...(idle && { idleTimeout: { seconds: idle } }),
        ...(absolute && { absoluteTimeout: { seconds: absolute } }),
      });

      const [row] = await app.sql(
        `SELECT extract(epoch FROM absolute_expires_at - created_at)::float AS absolute,
           idle_timeout_seconds AS idle
         FROM sessions WHERE id = $1`,
        [session?.id],
      );
      expect(row).to.deep.equal({ idle: idleSeconds, absolute: absoluteSeconds });
    });
  }
});
