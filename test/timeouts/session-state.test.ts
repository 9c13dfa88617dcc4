import { expect } from "chai";
import { endAt, idleExpiresAt, isTouchDue, stateAt, timeLeft } from "../../src/session/session.ts";
import { aSession, HOUR, MINUTE, SECOND, T0, timeouts } from "../support/session-fixtures.ts";

const IDLE = T0 + timeouts.idleMs;
const ABSOLUTE = T0 + timeouts.absoluteMs;

/** Seen so recently that the absolute deadline comes first. */
const busy = aSession({ lastSeenAt: ABSOLUTE - MINUTE });

describe("session: state", () => {
  it("is half-open at the idle deadline: live a millisecond before, expired at it (A06)", () => {
    const session = aSession();
    expect(idleExpiresAt(session)).to.equal(IDLE);
    expect(stateAt(session, IDLE - 1)).to.equal("ACTIVE");
    expect(stateAt(session, IDLE)).to.equal("IDLE_EXPIRED");
    expect(stateAt(session, IDLE + 1)).to.equal("IDLE_EXPIRED");
  });

  it("is half-open at the absolute deadline (A07)", () => {
    expect(stateAt(busy, ABSOLUTE - 1)).to.equal("ACTIVE");
    expect(stateAt(busy, ABSOLUTE)).to.equal("ABSOLUTE_EXPIRED");
    expect(stateAt(busy, ABSOLUTE + 1)).to.equal("ABSOLUTE_EXPIRED");
  });

  it("says absolute where both deadlines have passed, whichever came first (A07)", () => {
    expect(stateAt(aSession(), ABSOLUTE)).to.equal("ABSOLUTE_EXPIRED");
    expect(stateAt(aSession(), ABSOLUTE - 1)).to.equal("IDLE_EXPIRED");
    const tie = aSession({ absoluteExpiresAt: IDLE });
    expect(stateAt(tie, IDLE - 1)).to.equal("ACTIVE");
    expect(stateAt(tie, IDLE)).to.equal("ABSOLUTE_EXPIRED");
  });

  it("says revoked whatever the deadlines say (A08)", () => {
    const revoked = aSession({ revokedAt: T0 + 1, revokeReason: "logout" });
    for (const now of [T0, T0 + 1, IDLE, ABSOLUTE, ABSOLUTE + HOUR]) {
      expect(stateAt(revoked, now)).to.equal("REVOKED");
    }
    expect(stateAt(aSession({ revokedAt: ABSOLUTE + 1 }), ABSOLUTE + 2)).to.equal("REVOKED");
  });

  it("is active from the instant it is opened, and for a reader whose clock is behind that", () => {
    expect(stateAt(aSession(), T0)).to.equal("ACTIVE");
    expect(stateAt(aSession(), T0 - HOUR)).to.equal("ACTIVE");
  });
});

describe("session: end", () => {
  it("has no end while live, and ends at the idle deadline (B04)", () => {
    expect(endAt(aSession(), IDLE - 1)).to.equal(undefined);
    const end = { at: IDLE, reason: "idle_timeout" };
    expect(endAt(aSession(), IDLE)).to.deep.equal(end);
    expect(endAt(aSession(), IDLE + 1)).to.deep.equal(end);
  });

  it("ends at the deadline that came first, also after the other has passed (B04)", () => {
    expect(endAt(aSession(), ABSOLUTE + HOUR)).to.deep.equal({ at: IDLE, reason: "idle_timeout" });
    expect(endAt(busy, ABSOLUTE - 1)).to.equal(undefined);
    const end = { at: ABSOLUTE, reason: "absolute_timeout" };
    expect(endAt(busy, ABSOLUTE)).to.deep.equal(end);
    expect(endAt(busy, ABSOLUTE + HOUR)).to.deep.equal(end);
  });

  it("prefers revocation on a tie, then the absolute deadline, as the state does (B04)", () => {
    const tie = aSession({ absoluteExpiresAt: IDLE });
    expect(endAt(tie, IDLE)).to.deep.equal({ at: IDLE, reason: "absolute_timeout" });
    const all = { ...tie, revokedAt: IDLE, revokeReason: "logout" };
    expect(endAt(all, IDLE)).to.deep.equal({ at: IDLE, reason: "logout" });
  });

  it("ends by the revocation, with its reason, where that came first (B06)", () => {
    const revoked = aSession({ revokedAt: IDLE - 1, revokeReason: "admin_revoke" });
    const end = { at: IDLE - 1, reason: "admin_revoke" };
    expect(endAt(revoked, IDLE - 1)).to.deep.equal(end);
    expect(endAt(revoked, ABSOLUTE)).to.deep.equal(end);
  });

  it("ends at the deadline where a revocation came a millisecond after it", () => {
    const late = aSession({ revokedAt: IDLE + 1, revokeReason: "logout" });
    expect(endAt(late, IDLE + 1)).to.deep.equal({ at: IDLE, reason: "idle_timeout" });
  });

  it("ends by the revocation for a reader whose answer carries an earlier now", () => {
    const revoked = aSession({ revokedAt: T0 + 5, revokeReason: "logout" });
    expect(endAt(revoked, T0 + 4)).to.deep.equal({ at: T0 + 5, reason: "logout" });
  });
});

describe("session: time left", () => {
  it("counts down to both deadlines and stops at zero (B03)", () => {
    const left = (now: number) => {
      const { idleMs, absoluteMs } = timeLeft(aSession(), now, timeouts);
      return [idleMs, absoluteMs];
    };
    expect(left(T0)).to.deep.equal([timeouts.idleMs, timeouts.absoluteMs]);
    expect(left(IDLE - 1)).to.deep.equal([1, ABSOLUTE - IDLE + 1]);
    expect(left(IDLE)).to.deep.equal([0, ABSOLUTE - IDLE]);
    expect(left(IDLE + 1)).to.deep.equal([0, ABSOLUTE - IDLE - 1]);
    expect(left(ABSOLUTE + 1)).to.deep.equal([0, 0]);
  });

  it("warns when at most the idle warning is left (B10)", () => {
    const warning = (now: number) => timeLeft(aSession(), now, timeouts).warning;
    const from = IDLE - timeouts.idleWarningMs;
    expect([from - 1, from, from + 1].map(warning)).to.deep.equal([false, true, true]);
  });

  it("warns when at most the absolute warning is left (B10)", () => {
    const from = ABSOLUTE - timeouts.absoluteWarningMs;
    // Seen this instant, so that the idle deadline is far.
    const warning = (now: number) => timeLeft(aSession({ lastSeenAt: now }), now, timeouts).warning;
    expect([from - 1, from, from + 1].map(warning)).to.deep.equal([false, true, true]);
  });
});

describe("session: touch", () => {
  it("is due only when the last write is as old as the interval (fault 8)", () => {
    const due = (after: number) => isTouchDue(aSession(), T0 + after, timeouts);
    const { touchIntervalMs } = timeouts;
    expect([touchIntervalMs - 1, touchIntervalMs, touchIntervalMs + 1].map(due)).to.deep.equal([
      false,
      true,
      true,
    ]);
    expect(due(0)).to.equal(false);
  });

  it("has a shorter interval, in proportion, for a short idle timeout (fault 1)", () => {
    const short = aSession({ idleTimeoutMs: 10 * SECOND });
    // 10 s of 30 min is 1/180; of 30 s that is a sixth of a second.
    expect(isTouchDue(short, T0 + 165, timeouts)).to.equal(false);
    expect(isTouchDue(short, T0 + 166, timeouts)).to.equal(true);
  });

  it("does not have a longer interval for a long idle timeout", () => {
    const long = aSession({ idleTimeoutMs: 10 * timeouts.idleMs });
    expect(isTouchDue(long, T0 + timeouts.touchIntervalMs, timeouts)).to.equal(true);
  });

  it("is always due with an interval of zero, and not for a reader whose clock is behind", () => {
    const always = { ...timeouts, touchIntervalMs: 0 };
    expect(isTouchDue(aSession(), T0, always)).to.equal(true);
    expect(isTouchDue(aSession(), T0 - 1, timeouts)).to.equal(false);
  });
});
