import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import { codeName } from "../src/errors.ts";
import { ErrorReason, isSessionError, SessionError, sessionError } from "../src/index.ts";
import { failure, unavailable } from "./support/failures.ts";

describe("errors of the TypeScript client", () => {
  it("has what sessiond says", () => {
    const error = sessionError(
      failure({
        code: Code.InvalidArgument,
        reason: ErrorReason.INVALID_REQUEST,
        httpStatus: 400,
        fields: ["actor.actor_id", "app_type"],
        message: "actor.actor_id is required",
      }),
    );
    expect(error).to.be.instanceOf(SessionError);
    expect(error.message).to.equal("actor.actor_id is required");
    expect(error.code).to.equal(Code.InvalidArgument);
    expect(error.reason).to.equal(ErrorReason.INVALID_REQUEST);
    expect(error.reasonName).to.equal("INVALID_REQUEST");
    expect(error.httpStatus).to.equal(400);
    expect(error.violations.map(({ field }) => field)).to.deep.equal([
      "actor.actor_id",
      "app_type",
    ]);
    expect(sessionError(unavailable(1500)).retryDelayMs).to.equal(1500);
    expect(sessionError(error)).to.equal(error);
  });

  it("has the sessions that compete for a limit", () => {
    const sessions = [
      { id: "ses-1", appType: "phone", ipAddress: "192.0.2.1", userAgent: "Browser/1" },
      { id: "ses-2" },
    ];
    const reached = failure({
      code: Code.FailedPrecondition,
      reason: ErrorReason.SESSION_LIMIT_REACHED,
      httpStatus: 409,
      sessionLimit: { limit: 2, total: 3, sessions },
    });
    const { sessionLimit } = sessionError(reached);
    expect(sessionLimit).to.include({ limit: 2, total: 3 });
    expect(sessionLimit?.sessions.map(({ id }) => id)).to.deep.equal(["ses-1", "ses-2"]);
    expect(sessionLimit?.sessions[0]).to.include(sessions[0]);
    expect(sessionError(failure()).sessionLimit).to.equal(undefined);
  });

  it("asks for one of several reasons, or for any", () => {
    const revoked = failure({ reason: ErrorReason.REVOKED });
    expect(isSessionError(revoked)).to.equal(true);
    expect(isSessionError(revoked, ErrorReason.EXPIRED_IDLE, ErrorReason.REVOKED)).to.equal(true);
    expect(isSessionError(revoked, ErrorReason.EXPIRED_IDLE)).to.equal(false);
    expect(isSessionError(new ConnectError("gone", Code.Unavailable))).to.equal(false);
    expect(isSessionError(undefined)).to.equal(false);
  });

  it("keeps a reason that it does not know, with the name that the server sends", () => {
    const unknown = { reason: 99 as ErrorReason, httpStatus: 423 };
    const error = sessionError(failure({ ...unknown, reasonName: "LOCKED" }));
    expect(error.reason).to.equal(99);
    expect(error.reasonName).to.equal("LOCKED");
    expect(error.browserStatus).to.equal(423);
    expect(sessionError(failure(unknown)).reasonName).to.equal("99");
  });

  it("does not repeat the text of a driver, which is in the cause", () => {
    const driver = new ConnectError("connect ECONNREFUSED 10.1.2.3:8480", Code.Unavailable);
    const error = sessionError(driver);
    expect(error.message).to.equal("the call to sessiond failed: UNAVAILABLE");
    expect(error.cause).to.equal(driver);
    expect(error.reason).to.equal(ErrorReason.UNSPECIFIED);
    expect(error.reasonName).to.equal("");
    expect(error.httpStatus).to.equal(0);
  });

  it("spells codes as gRPC does", () => {
    expect([Code.Canceled, Code.DeadlineExceeded, Code.Internal].map(codeName)).to.deep.equal([
      "CANCELLED",
      "DEADLINE_EXCEEDED",
      "INTERNAL",
    ]);
  });

  const detail = (reason: ErrorReason, httpStatus: number) => failure({ reason, httpStatus });
  const cases: readonly [what: string, error: unknown, status: number, retryAfter?: number][] = [
    ["a revoked session", detail(ErrorReason.REVOKED, 401), 401],
    ["a missing CSRF token", detail(ErrorReason.CSRF_MISSING, 403), 403],
    ["too many sessions", detail(ErrorReason.SESSION_LIMIT_REACHED, 409), 409],
    ["a request that is too large", detail(ErrorReason.REQUEST_TOO_LARGE, 413), 413],
    ["an overload", detail(ErrorReason.OVERLOADED, 429), 429, 1],
    ["an unavailable storage", unavailable(1001), 503, 2],
    ["a backend without credentials", detail(ErrorReason.CALLER_UNAUTHENTICATED, 401), 500],
    ["a backend without permission", detail(ErrorReason.CALLER_FORBIDDEN, 403), 500],
    ["a wrong request", detail(ErrorReason.INVALID_REQUEST, 400), 500],
    ["an unknown session id", detail(ErrorReason.SESSION_NOT_FOUND, 404), 500],
    ["a status that is no failure", detail(ErrorReason.REVOKED, 200), 503, 1],
    ["a status that does not exist", detail(ErrorReason.REVOKED, 600), 503, 1],
    ["a status without a reason", detail(ErrorReason.UNSPECIFIED, 401), 503, 1],
    ["a code of UNAUTHENTICATED alone", new ConnectError("", Code.Unauthenticated), 503, 1],
    ["a deadline", new ConnectError("", Code.DeadlineExceeded), 503, 1],
    ["whatever else is thrown", new Error("bug"), 503, 1],
  ];
  for (const [what, error, status, retryAfter] of cases) {
    it(`answers ${what} with ${status}`, () => {
      expect(sessionError(error).browserStatus).to.equal(status);
      expect(sessionError(error).retryAfterSeconds).to.equal(retryAfter);
    });
  }
});
