package io.github.sessiond.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
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

/**
 * What a failed call says: a value that is read from gRPC's exception, not an exception itself.
 *
 * @param code the gRPC code
 * @param reason sessiond's reason; {@code ERROR_REASON_UNSPECIFIED} if the failure is not
 *     sessiond's own, such as a refused connection, and {@code UNRECOGNIZED} if this version of the
 *     client does not know it
 * @param reasonNumber the number of the reason, also of one that is not known; 0 if there is none
 * @param reasonName the reason without the prefix {@code ERROR_REASON_}, such as {@code REVOKED},
 *     also of one that is not known; empty if there is none
 * @param httpStatus the HTTP status of the contract, such as 401; 0 if there is no reason
 * @param violations the wrong fields of the request, with {@code INVALID_REQUEST}
 * @param retryDelay how long to wait before another attempt; zero if the server does not say
 * @param sessionLimit the limit and the actor's oldest sessions, to choose one to end, with {@code
 *     SESSION_LIMIT_REACHED}
 * @param message the server's or gRPC's text; never a credential
 */
public record SessionError(
    Status.Code code,
    ErrorReason reason,
    int reasonNumber,
    String reasonName,
    int httpStatus,
    List<FieldViolation> violations,
    Duration retryDelay,
    Optional<SessionLimitDetail> sessionLimit,
    String message) {
  private static final String REASON_PREFIX = "ERROR_REASON_";

  /** As google.protobuf.Duration defines it. More cannot be calculated with. */
  private static final long MAX_DURATION_SECONDS = 315_576_000_000L;

  private static final String ERROR_DOMAIN = "sessiond.v1";

  /**
   * A wrong field of a request.
   *
   * @param field its path, such as {@code actor.actor_id}
   * @param description what is wrong, and what would be right
   */
  public record FieldViolation(String field, String description) {}

  /**
   * Reads the failure of a call.
   *
   * @param failure what a stub has thrown, or an exception that it is the cause of, such as the
   *     {@link java.util.concurrent.ExecutionException} of a future
   * @return the failure, or nothing if it is not the failure of a call
   */
  public static Optional<SessionError> from(Throwable failure) {
    Throwable current = failure;
    for (int depth = 0; current != null && depth < 16; depth++) {
      if (current instanceof StatusRuntimeException e) {
        return Optional.of(read(e.getStatus(), e.getTrailers()));
      }
      if (current instanceof StatusException e) {
        return Optional.of(read(e.getStatus(), e.getTrailers()));
      }
      current = current.getCause();
    }
    return Optional.empty();
  }

  /**
   * Whether sessiond itself has refused the call, for any reason.
   *
   * @param failure what a stub has thrown
   * @return false if it failed otherwise, for example because there was no connection
   */
  public static boolean isSessionError(Throwable failure) {
    return from(failure).filter(error -> error.reasonNumber != 0).isPresent();
  }

  /**
   * Whether sessiond has refused the call for this reason.
   *
   * @param failure what a stub has thrown
   * @param reason the reason, such as {@code ErrorReason.ERROR_REASON_REVOKED}
   * @return whether it is this reason
   */
  public static boolean isSessionError(Throwable failure, ErrorReason reason) {
    return from(failure)
        .filter(error -> error.reasonNumber != 0 && error.reason == reason)
        .isPresent();
  }

  /**
   * The status to send to a browser. A mistake of this backend is 500 and an outage is 503, so that
   * neither looks like a logout.
   *
   * @return the HTTP status, from 400 to 599
   */
  public int browserStatus() {
    if (reasonNumber == 0) {
      return 503;
    }
    return switch (reason) {
      case ERROR_REASON_CALLER_UNAUTHENTICATED,
          ERROR_REASON_CALLER_FORBIDDEN,
          ERROR_REASON_INVALID_REQUEST,
          ERROR_REASON_SESSION_NOT_FOUND ->
          500;
      default -> httpStatus >= 400 && httpStatus <= 599 ? httpStatus : 503;
    };
  }

  /**
   * The value of a Retry-After header for the statuses 429 and 503.
   *
   * @return whole seconds, at least 1
   */
  public long retryAfterSeconds() {
    long seconds = retryDelay.getSeconds() + (retryDelay.getNano() > 0 ? 1 : 0);
    return Math.max(1, seconds);
  }

  private static SessionError read(Status status, Metadata trailers) {
    List<Any> details = details(status, trailers);
    ErrorDetail detail = find(details, ErrorDetail.getDefaultInstance());
    return new SessionError(
        status.getCode(),
        detail.getReason(),
        detail.getReasonValue(),
        reasonName(detail, find(details, ErrorInfo.getDefaultInstance())),
        detail.getHttpStatus(),
        find(details, BadRequest.getDefaultInstance()).getFieldViolationsList().stream()
            .map(wrong -> new FieldViolation(wrong.getField(), wrong.getDescription()))
            .toList(),
        duration(find(details, RetryInfo.getDefaultInstance()).getRetryDelay()),
        Optional.of(find(details, SessionLimitDetail.getDefaultInstance()))
            .filter(limit -> !limit.equals(SessionLimitDetail.getDefaultInstance())),
        status.getDescription() == null ? "" : status.getDescription());
  }

  private static String reasonName(ErrorDetail detail, ErrorInfo info) {
    if (detail.getReasonValue() == 0) {
      return "";
    }
    if (detail.getReason() != ErrorReason.UNRECOGNIZED) {
      return detail.getReason().name().substring(REASON_PREFIX.length());
    }
    return info.getDomain().equals(ERROR_DOMAIN) && !info.getReason().isEmpty()
        ? info.getReason()
        : String.valueOf(detail.getReasonValue());
  }

  private static Duration duration(com.google.protobuf.Duration duration) {
    long seconds = Math.max(0, Math.min(duration.getSeconds(), MAX_DURATION_SECONDS));
    Duration delay = Duration.ofSeconds(seconds, duration.getNanos());
    return delay.isNegative() ? Duration.ZERO : delay;
  }

  private static List<Any> details(Status status, Metadata trailers) {
    try {
      return StatusProto.fromStatusAndTrailers(status, trailers).getDetailsList();
    } catch (IllegalArgumentException e) {
      // Bytes that are not details, for example of a proxy: then there are none.
      return List.of();
    }
  }

  private static <T extends Message> T find(List<Any> details, T none) {
    for (Any detail : details) {
      try {
        if (detail.isSameTypeAs(none)) {
          return detail.unpackSameTypeAs(none);
        }
      } catch (InvalidProtocolBufferException e) {
        return none;
      }
    }
    return none;
  }
}
