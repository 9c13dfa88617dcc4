package io.github.sessiond.servlet;

import io.github.sessiond.v1.Session;

/**
 * A session that has just been created.
 *
 * @param session the session
 * @param csrfToken the token for the forms of the page that answers the login; secret
 */
public record LoggedIn(Session session, String csrfToken) {
  /** Without the token, so that it does not get into a log. */
  @Override
  public String toString() {
    return "LoggedIn[session=" + session.getId() + "]";
  }
}
