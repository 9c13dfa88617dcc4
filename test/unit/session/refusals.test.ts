import { expect } from "chai";
import type { AuditEntry } from "../../../src/session/audit.ts";
import type { Reason } from "../../../src/session/errors.ts";
import { invalidRequest, SessionError } from "../../../src/session/errors.ts";
import { Refusals } from "../../../src/session/refusals.ts";
import { aSession, context } from "./fixtures.ts";
import { expectReason } from "./refused.ts";

describe("refusals", () => {
  const session = aSession();

  function auditOf(reason: Reason, details?: Record<string, string>): AuditEntry[] {
    const entries: AuditEntry[] = [];
    const refusals = new Refusals({ record: (entry) => entries.push(entry) }, () => 0);
    expectReason(refusals.of(session, reason, context, details), reason);
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
    expectReason(new Refusals(undefined, () => 0).of(session, "REVOKED", context), "REVOKED");
  });

  it("are new objects each time: nothing is shared between calls", () => {
    const refusals = new Refusals(undefined, () => 0);
    expect(refusals.of(session, "REVOKED", context)).not.to.equal(
      refusals.of(session, "REVOKED", context),
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
