package io.github.sessiond.client;

import static io.github.sessiond.client.ScriptedServer.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.github.sessiond.v1.CompetingSession;
import io.github.sessiond.v1.ErrorDetail;
import io.github.sessiond.v1.ErrorReason;
import io.github.sessiond.v1.SessionLimitDetail;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class SessionErrorTest {
  private static SessionError read(Status.Code code, Message... details) {
    return SessionError.from(failure(code, details)).orElseThrow();
  }

  private static ErrorDetail detail(int reason, int httpStatus) {
    return ErrorDetail.newBuilder().setReasonValue(reason).setHttpStatus(httpStatus).build();
  }

  @Test
  void detailsAreRead() {
    SessionError error =
        read(
            Status.Code.INVALID_ARGUMENT,
            detail(13, 400),
            BadRequest.newBuilder()
                .addFieldViolations(
                    BadRequest.FieldViolation.newBuilder().setField("a").setDescription("a is bad"))
                .build(),
            RetryInfo.newBuilder()
                .setRetryDelay(com.google.protobuf.Duration.newBuilder().setNanos(1_500_000))
                .build());
    assertEquals(
        new SessionError(
            Status.Code.INVALID_ARGUMENT,
            ErrorReason.ERROR_REASON_INVALID_REQUEST,
            13,
            "INVALID_REQUEST",
            400,
            List.of(new SessionError.FieldViolation("a", "a is bad")),
            Duration.ofNanos(1_500_000),
            Optional.empty(),
            "scripted"),
        error);
  }

  @Test
  void sessionsThatCompeteForALimitAreRead() {
    SessionLimitDetail limit =
        SessionLimitDetail.newBuilder()
            .setLimit(2)
            .setTotal(3)
            .addSessions(CompetingSession.newBuilder().setId("ses-1").setUserAgent("Browser/1"))
            .addSessions(CompetingSession.newBuilder().setId("ses-2"))
            .build();
    SessionError error = read(Status.Code.FAILED_PRECONDITION, detail(14, 409), limit);
    assertEquals(ErrorReason.ERROR_REASON_SESSION_LIMIT_REACHED, error.reason());
    assertEquals(Optional.of(limit), error.sessionLimit());
    assertEquals(
        Optional.empty(), read(Status.Code.UNAUTHENTICATED, detail(4, 401)).sessionLimit());
  }

  @ParameterizedTest
  @CsvSource({
    // The user's own: the contract's status.
    "INVALID_COOKIE, 401, 401",
    "REVOKED, 401, 401",
    "CSRF_MISSING, 403, 403",
    "SESSION_LIMIT_REACHED, 409, 409",
    "REQUEST_TOO_LARGE, 413, 413",
    "STEP_UP_REQUIRED, 403, 403",
    "ACTOR_TYPE_NOT_ACCEPTED, 403, 403",
    "METADATA_ETAG_MISMATCH, 409, 409",
    "CALLER_KEYS_UNAVAILABLE, 503, 503",
    "OVERLOADED, 429, 429",
    "STORAGE_UNAVAILABLE, 503, 503",
    // This backend's mistakes.
    "CALLER_UNAUTHENTICATED, 401, 500",
    "CALLER_FORBIDDEN, 403, 500",
    "INVALID_REQUEST, 400, 500",
    "SESSION_NOT_FOUND, 404, 500",
    // Statuses that cannot be meant.
    "REVOKED, 0, 503",
    "REVOKED, 200, 503",
    "REVOKED, 399, 503",
    "REVOKED, 600, 503",
  })
  void browserStatusFollowsTheReason(String reason, int httpStatus, int browserStatus) {
    int number = ErrorReason.valueOf("ERROR_REASON_" + reason).getNumber();
    SessionError error = read(Status.Code.UNKNOWN, detail(number, httpStatus));
    assertEquals(reason, error.reasonName());
    assertEquals(browserStatus, error.browserStatus());
  }

  @ParameterizedTest
  @EnumSource(value = Status.Code.class, mode = EnumSource.Mode.EXCLUDE, names = "OK")
  void withoutAReasonItIsAnOutage(Status.Code code) {
    StatusRuntimeException failure = failure(code);
    assertEquals(503, SessionError.from(failure).orElseThrow().browserStatus());
    assertFalse(SessionError.isSessionError(failure));
    assertFalse(SessionError.isSessionError(failure, ErrorReason.ERROR_REASON_UNSPECIFIED));
  }

  @Test
  void reasonOfANewerServerIsKept() {
    SessionError error =
        read(
            Status.Code.UNAUTHENTICATED,
            detail(99, 401),
            ErrorInfo.newBuilder().setReason("TOO_NEW").setDomain("sessiond.v1").build());
    assertEquals(ErrorReason.UNRECOGNIZED, error.reason());
    assertEquals(99, error.reasonNumber());
    assertEquals("TOO_NEW", error.reasonName());
    assertEquals(401, error.browserStatus());
    assertEquals("99", read(Status.Code.UNAUTHENTICATED, detail(99, 401)).reasonName());
  }

  @Test
  void isSessionErrorComparesTheReason() {
    StatusRuntimeException revoked = failure(Status.Code.UNAUTHENTICATED, detail(4, 401));
    assertTrue(SessionError.isSessionError(revoked));
    assertTrue(SessionError.isSessionError(revoked, ErrorReason.ERROR_REASON_REVOKED));
    assertFalse(SessionError.isSessionError(revoked, ErrorReason.ERROR_REASON_EXPIRED_IDLE));
    assertTrue(
        SessionError.isSessionError(
            new ExecutionException(revoked), ErrorReason.ERROR_REASON_REVOKED));
    assertTrue(
        SessionError.isSessionError(
            new StatusException(revoked.getStatus(), revoked.getTrailers())));
  }

  @Test
  void otherExceptionsAreNotOfACall() {
    assertEquals(Optional.empty(), SessionError.from(new IllegalStateException()));
    assertEquals(Optional.empty(), SessionError.from(null));
    var outer = new IllegalStateException();
    outer.initCause(new IllegalStateException(outer));
    assertEquals(Optional.empty(), SessionError.from(outer));
  }

  @Test
  void detailsThatCannotBeDecodedAreNone() {
    Any broken =
        Any.newBuilder()
            .setTypeUrl("type.googleapis.com/sessiond.v1.ErrorDetail")
            .setValue(ByteString.copyFrom(new byte[] {(byte) 0xff}))
            .build();
    var status = com.google.rpc.Status.newBuilder().setCode(16).addDetails(broken).build();
    SessionError error =
        SessionError.from(StatusProto.toStatusRuntimeException(status)).orElseThrow();
    assertEquals(503, error.browserStatus());

    Metadata trailers = new Metadata();
    trailers.put(
        Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER),
        new byte[] {(byte) 0xff});
    var garbage = new StatusRuntimeException(Status.UNAUTHENTICATED, trailers);
    assertEquals(503, SessionError.from(garbage).orElseThrow().browserStatus());
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0, 1",
    "0, 1, 1",
    "1, 0, 1",
    "1, 1, 2",
    "-5, 0, 1",
    "60, 0, 60",
    "9223372036854775807, 2147483647, 315576000003",
    "-9223372036854775808, -2147483648, 1",
  })
  void retryAfterIsRoundedUp(long seconds, int nanos, long retryAfter) {
    var delay = com.google.protobuf.Duration.newBuilder().setSeconds(seconds).setNanos(nanos);
    SessionError error =
        read(
            Status.Code.RESOURCE_EXHAUSTED,
            detail(18, 429),
            RetryInfo.newBuilder().setRetryDelay(delay).build());
    assertEquals(retryAfter, error.retryAfterSeconds());
  }
}
