package io.github.sessiond.servlet;

import io.github.sessiond.v1.Session;
import io.github.sessiond.v1.ValidateResponse;
import jakarta.servlet.ServletRequest;
import java.util.Optional;

/**
 * The session of a request, as sessiond has just read it.
 *
 * @param session the session: who is logged in, since when, and what was stored with it
 * @param secondsLeft the time until it expires without activity
 * @param idleSecondsLeft the time until its idle deadline
 * @param absoluteSecondsLeft the time until its absolute deadline, which activity does not move
 * @param expiryWarning whether it expires soon
 */
public record RequestSession(
    Session session,
    long secondsLeft,
    long idleSecondsLeft,
    long absoluteSecondsLeft,
    boolean expiryWarning) {
  /** The request attribute that has the session. */
  public static final String ATTRIBUTE = "io.github.sessiond.session";

  /**
   * The session that a filter of {@link Sessions} has found.
   *
   * @param request the request
   * @return the session, or nothing if no such filter has run or the browser has no live session
   */
  public static Optional<RequestSession> of(ServletRequest request) {
    return Optional.ofNullable((RequestSession) request.getAttribute(ATTRIBUTE));
  }

  static RequestSession from(ValidateResponse response) {
    return new RequestSession(
        response.getSession(),
        Integer.toUnsignedLong(response.getSecondsLeft()),
        Integer.toUnsignedLong(response.getIdleSecondsLeft()),
        Integer.toUnsignedLong(response.getAbsoluteSecondsLeft()),
        response.getExpiryWarning());
  }
}
