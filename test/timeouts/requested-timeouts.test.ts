import { expect } from "chai";
import { timeoutProfileNames, timeoutProfiles } from "../../src/session/profiles.ts";
import { resolveTimeouts } from "../../src/session/timeouts.ts";
import { refused } from "../support/expect-reason.ts";
import { HOUR, MINUTE, SECOND, timeouts } from "../support/session-fixtures.ts";

function resolve(asked: { idleMs?: number; absoluteMs?: number } = {}, preLogin = false) {
  const requested = { idleMs: asked.idleMs, absoluteMs: asked.absoluteMs };
  return resolveTimeouts(timeouts, requested, preLogin);
}

describe("timeouts of a new session", () => {
  it("are the configured ones unless others are asked for", () => {
    expect(resolve()).to.deep.equal({ idleMs: 30 * MINUTE, absoluteMs: 12 * HOUR });
  });

  it("may be anything from a second to the maximum, on the boundary and a second beyond", () => {
    for (const idleMs of [SECOND, 2 * SECOND, timeouts.maxIdleMs]) {
      expect(resolve({ idleMs }).idleMs).to.equal(idleMs);
    }
    for (const absoluteMs of [SECOND, 2 * SECOND, timeouts.maxAbsoluteMs]) {
      expect(resolve({ absoluteMs }).absoluteMs).to.equal(absoluteMs);
    }
    for (const ms of [0, -SECOND, timeouts.maxIdleMs + SECOND]) {
      refused(() => resolve({ idleMs: ms }), "INVALID_REQUEST", "idle_timeout");
    }
    for (const ms of [0, -SECOND, timeouts.maxAbsoluteMs + SECOND]) {
      refused(() => resolve({ absoluteMs: ms }), "INVALID_REQUEST", "absolute_timeout");
    }
  });

  it("are whole seconds within what a number can count", () => {
    const wrong = [1, 999, 1500, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53 * 1000];
    for (const ms of wrong) {
      refused(() => resolve({ idleMs: ms }), "INVALID_REQUEST", "idle_timeout");
      refused(() => resolve({ absoluteMs: ms }), "INVALID_REQUEST", "absolute_timeout");
    }
  });

  it("say in the refusal what would be right", () => {
    const { message } = refused(
      () => resolve({ idleMs: 2 * HOUR }),
      "INVALID_REQUEST",
      "idle_timeout",
    );
    expect(message).to.equal("idle_timeout must be from 1s to 3600s");
  });

  it("have an absolute timeout below the default idle one shorten that too", () => {
    expect(resolve({ absoluteMs: MINUTE })).to.deep.equal({ idleMs: MINUTE, absoluteMs: MINUTE });
  });

  it("refuse an idle timeout above the absolute one, and accept it at that", () => {
    const absoluteMs = 10 * MINUTE;
    expect(resolve({ idleMs: absoluteMs, absoluteMs })).to.deep.equal({
      idleMs: absoluteMs,
      absoluteMs,
    });
    const above = { idleMs: absoluteMs + SECOND, absoluteMs };
    refused(() => resolve(above), "INVALID_REQUEST", "idle_timeout");
  });

  it("A25: of a pre-login session are both the pre-login timeout", () => {
    const preLogin = { idleMs: 10 * MINUTE, absoluteMs: 10 * MINUTE };
    expect(resolve({}, true)).to.deep.equal(preLogin);
    expect(resolve({ absoluteMs: MINUTE }, true)).to.deep.equal({
      idleMs: MINUTE,
      absoluteMs: MINUTE,
    });
    expect(resolve({ idleMs: MINUTE }, true)).to.deep.equal({ ...preLogin, idleMs: MINUTE });
  });

  it("A25: of a pre-login session can only be shortened", () => {
    const longer = timeouts.preLoginMs + SECOND;
    expect(resolve({ absoluteMs: timeouts.preLoginMs }, true).absoluteMs).to.equal(10 * MINUTE);
    refused(() => resolve({ absoluteMs: longer }, true), "INVALID_REQUEST", "absolute_timeout");
    refused(() => resolve({ idleMs: longer }, true), "INVALID_REQUEST", "idle_timeout");
  });
});

describe("timeout profiles", () => {
  const DAY = 24 * HOUR;

  it("B11, ASVS 7.3: have the figures that their sources name", () => {
    const figures = Object.fromEntries(
      timeoutProfileNames.map((name) => {
        const { idleMs, absoluteMs } = timeoutProfiles[name];
        return [name, [idleMs, absoluteMs]];
      }),
    );
    expect(figures).to.deep.equal({
      "nist-aal1": [30 * DAY, 30 * DAY],
      "nist-aal2": [HOUR, DAY],
      "nist-aal3": [15 * MINUTE, 12 * HOUR],
      workday: [4 * HOUR, 8 * HOUR],
      "remember-me": [14 * DAY, 90 * DAY],
    });
  });

  it("ASVS 7.1.1: each say where the figures come from, and idle never exceeds absolute", () => {
    for (const name of timeoutProfileNames) {
      const { idleMs, absoluteMs, source } = timeoutProfiles[name];
      expect(source, name).to.match(/\.$/);
      expect(idleMs, name).to.be.at.most(absoluteMs);
    }
  });
});
