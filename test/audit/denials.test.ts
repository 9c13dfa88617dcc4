import { expect } from "chai";
import type { AuditEntry } from "../../src/session/audit.ts";
import { Denials } from "../../src/session/denials.ts";
import type { Reason } from "../../src/session/errors.ts";
import { invalidRequest, SessionError } from "../../src/session/errors.ts";
import { mintSessionId, type SessionId, secureRandomBytes } from "../../src/session/ids.ts";
import { expectReason } from "../support/expect-reason.ts";
import { aSession, context } from "../support/session-fixtures.ts";

describe("refusals", () => {
  const session = aSession();

  function auditOf(reason: Reason, details?: Record<string, string>): AuditEntry[] {
    const entries: AuditEntry[] = [];
    const denials = new Denials({ record: (entry) => entries.push(entry) }, () => 0);
    expectReason(denials.record(session, reason, context, details), reason);
    return entries;
  }

  it("are audited with who, which session and the real reason", () => {
    expect(auditOf("REVOKED")).to.deep.equal([
      {
        action: "auth.session_refused",
        actingActorId: session.actorId,
        callingService: context.callingService,
        tenantId: session.tenantId,
        resourceType: "session",
        resourceId: session.id,
        details: { reason: "REVOKED" },
      },
    ]);
  });

  it("A14, A15: of a binding have actions of their own, and what was seen", () => {
    const [ip] = auditOf("IP_MISMATCH", { seen: "192.0.2.1" });
    expect(ip?.action).to.equal("auth.session_ip_mismatch");
    expect(ip?.details).to.deep.equal({ reason: "IP_MISMATCH", seen: "192.0.2.1" });
    const [agent] = auditOf("USER_AGENT_MISMATCH");
    expect(agent?.action).to.equal("auth.session_ua_mismatch");
  });

  it("are errors all the same where they are not audited", () => {
    expectReason(new Denials(undefined, () => 0).record(session, "REVOKED", context), "REVOKED");
  });

  describe("that repeat", () => {
    const minute = 60_000;

    function record() {
      const entries: AuditEntry[] = [];
      const time = { now: 0 };
      const denials = new Denials({ record: (entry) => entries.push(entry) }, () => time.now);
      return { entries, time, denials };
    }

    it("are audited once a minute, with the number of the others in the next event", () => {
      const { entries, time, denials } = record();
      for (const now of [0, 1, minute - 1, minute, 2 * minute]) {
        time.now = now;
        expectReason(denials.record(session, "REVOKED", context), "REVOKED");
      }
      expect(entries.map(({ details }) => details)).to.deep.equal([
        { reason: "REVOKED" },
        { reason: "REVOKED", repeated: "2" },
        { reason: "REVOKED" },
      ]);
    });

    it("are told apart by session and reason", () => {
      const { entries, denials } = record();
      const other = aSession({ id: mintSessionId(secureRandomBytes, 0) });
      denials.record(session, "REVOKED", context);
      denials.record(session, "CSRF_MISMATCH", context);
      denials.record(other, "REVOKED", context);
      expect(entries).to.have.length(3);
    });

    it("are forgotten, the oldest first, beyond 10,000", () => {
      const { entries, denials } = record();
      const refuse = (index: number) =>
        denials.record({ ...session, id: `ses-${index}` as SessionId }, "REVOKED", context);
      for (let index = 0; index <= 10_000; index += 1) refuse(index);
      refuse(10_000);
      expect(entries).to.have.length(10_001);
      refuse(0);
      expect(entries).to.have.length(10_002);
    });
  });

  it("are new objects each time: nothing is shared between calls", () => {
    const denials = new Denials(undefined, () => 0);
    expect(denials.record(session, "REVOKED", context)).not.to.equal(
      denials.record(session, "REVOKED", context),
    );
  });
});

describe("errors", () => {
  it("have a stable message, a field only for a wrong request, and the cause for the log", () => {
    const cause = new Error("SQL");
    const error = new SessionError("STORAGE_UNAVAILABLE", { cause });
    expect(error.message).to.equal("the session storage is unavailable; retry later");
    expect([error.name, error.field, error.cause]).to.deep.equal([
      "SessionError",
      undefined,
      cause,
    ]);
    const wrong = expectReason(invalidRequest("a.b", "is odd"), "INVALID_REQUEST", "a.b");
    expect(wrong.message).to.equal("a.b is odd");
  });
});
