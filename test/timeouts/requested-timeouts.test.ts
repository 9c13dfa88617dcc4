import { expect } from "chai";
import { newActor } from "../support/actors.ts";
import type { SessionClient } from "../support/app.ts";
import {
  type BadInput,
  type BadInputApp,
  itRefuses,
  startBadInputApp,
} from "../support/bad-input.ts";

interface Duration {
  readonly seconds: bigint;
  readonly nanos?: number;
}

interface Requested {
  readonly idleTimeout?: Duration;
  readonly absoluteTimeout?: Duration;
}

const seconds = (count: bigint): Duration => ({ seconds: count });
const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const int32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };

function create(client: SessionClient, requested: Requested, preLogin = false) {
  return client.create(preLogin ? { preLogin, ...requested } : { actor: newActor(), ...requested });
}

describe("timeouts that Create asks for", () => {
  let app: BadInputApp;
  before(async () => {
    app = await startBadInputApp();
  });
  after(() => app.stop());

  const whole = "must be whole seconds";
  const durations = (max: bigint): [string, Duration, string][] => {
    const range = `must be from 1s to ${max}s`;
    return [
      ["of 0", seconds(0n), range],
      ["of minus a second", seconds(-1n), range],
      ["of a second too much", seconds(max + 1n), range],
      ["that overflows 32 bits of milliseconds", seconds(2n ** 32n / 1000n + 1n), range],
      ["that overflows 32 bits of seconds", seconds(2n ** 32n + 1n), range],
      ["of 10,000 years", seconds(315_576_000_000n), range],
      ["of the largest int64", seconds(int64.max), range],
      ["of the smallest int64", seconds(int64.min), range],
      ["of a millisecond", { seconds: 0n, nanos: 1_000_000 }, whole],
      ["of half a second", { seconds: 0n, nanos: 500_000_000 }, whole],
      ["of a second and a half", { seconds: 1n, nanos: 500_000_000 }, whole],
      ["of a second and a nanosecond", { seconds: 1n, nanos: 1 }, whole],
      ["with nanos against its sign", { seconds: 1n, nanos: -1 }, whole],
      ["of a whole second in nanos", { seconds: 0n, nanos: 1_000_000_000 }, whole],
      ["with the largest nanos", { seconds: 1n, nanos: int32.max }, whole],
      ["with the smallest nanos", { seconds: 1n, nanos: int32.min }, whole],
    ];
  };
  const rows: BadInput[] = [];
  for (const [name, field, max] of [
    ["idleTimeout", "idle_timeout", 1800n],
    ["absoluteTimeout", "absolute_timeout", 43_200n],
  ] as const) {
    for (const [what, duration, expected] of durations(max)) {
      rows.push({
        what: `${field} ${what}`,
        call: (client) => create(client, { [name]: duration }),
        field,
        message: `${field} ${expected}`,
      });
    }
    rows.push({
      what: `${field} before login that is longer than the session may be (A25)`,
      call: (client) => create(client, { [name]: seconds(601n) }, true),
      field,
      message: `${field} must be from 1s to 600s`,
    });
  }
  rows.push({
    what: "idle_timeout above absolute_timeout",
    call: (client) => create(client, { idleTimeout: seconds(61n), absoluteTimeout: seconds(60n) }),
    field: "idle_timeout",
    message: "idle_timeout must not be longer than the absolute timeout, which is 60s",
  });
  itRefuses(() => app, rows);

  const accepted: [string, boolean, bigint | undefined, bigint | undefined, number, number][] = [
    ["the shortest", false, 1n, 1n, 1, 1],
    ["of two seconds", false, 2n, 2n, 2, 2],
    ["the longest", false, 1800n, 43_200n, 1800, 43_200],
    ["an idle one as long as the absolute one", false, 60n, 60n, 60, 60],
    ["an absolute one shorter than the default idle one", false, undefined, 60n, 60, 60],
    ["an idle one alone", false, 60n, undefined, 60, 43_200],
    ["none", false, undefined, undefined, 1800, 43_200],
    ["none before login (A25)", true, undefined, undefined, 600, 600],
    ["the longest before login (A25)", true, undefined, 600n, 600, 600],
    ["an absolute one before login (A25)", true, undefined, 60n, 60, 60],
    ["an idle one before login (A25)", true, 60n, undefined, 60, 600],
  ];
  for (const [what, preLogin, idle, absolute, idleSeconds, absoluteSeconds] of accepted) {
    it(`are used: ${what}`, async () => {
      const requested = {
        ...(idle && { idleTimeout: seconds(idle) }),
        ...(absolute && { absoluteTimeout: seconds(absolute) }),
      };
      const { session } = await create(app.client, requested, preLogin);

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
