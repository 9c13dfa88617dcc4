package io.github.sessiond.servlet;

import com.google.gson.JsonObject;
import io.github.sessiond.client.SessionError;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Why a request is not served, and what to answer.
 *
 * @param status the HTTP status: 401 or 403 for the user's own session, 409, 413 or 429 for the
 *     user's request, 500 for a mistake of this backend, 503 for an outage
 * @param error what sessiond or the connection has said
 */
public record Refusal(int status, SessionError error) {
  private static final Map<Integer, String> TITLES =
      Map.of(
          400, "Bad Request",
          401, "Unauthorized",
          403, "Forbidden",
          404, "Not Found",
          409, "Conflict",
          413, "Payload Too Large",
          429, "Too Many Requests",
          500, "Internal Server Error",
          503, "Service Unavailable");

  Refusal(SessionError error) {
    this(error.browserStatus(), error);
  }

  /**
   * The reason's name.
   *
   * @return such as {@code REVOKED}; {@code SERVICE_UNAVAILABLE} if sessiond has not said one
   */
  public String reason() {
    return error.reasonName().isEmpty() ? "SERVICE_UNAVAILABLE" : error.reasonName();
  }

  /**
   * A text for the user. It is never what a driver, a proxy or a connection has said.
   *
   * @return sessiond's message; with a status from 500, a fixed text
   */
  public String detail() {
    if (status < 500) {
      return error.message();
    }
    return status == 500
        ? "the request could not be processed"
        : "the session service is unavailable; retry later";
  }

  /**
   * Sends the status with a problem document (RFC 9457). Cookies stay as they are.
   *
   * @param response a response that is not committed
   * @throws IOException if it cannot be written
   */
  public void send(HttpServletResponse response) throws IOException {
    response.resetBuffer();
    response.setStatus(status);
    if (status == 429 || status == 503) {
      response.setHeader("Retry-After", String.valueOf(error.retryAfterSeconds()));
    }
    response.setHeader("Cache-Control", "no-store");
    response.setContentType("application/problem+json");
    JsonObject problem = new JsonObject();
    problem.addProperty("title", TITLES.getOrDefault(status, "Error"));
    problem.addProperty("status", status);
    problem.addProperty("reason", reason());
    problem.addProperty("detail", detail());
    String body = ascii(problem.toString());
    response.setContentLength(body.length());
    try {
      response.getOutputStream().write(body.getBytes(StandardCharsets.US_ASCII));
    } catch (IllegalStateException e) {
      // The handler has called getWriter, which cannot be undone without losing its headers.
      response.getWriter().write(body);
    }
  }

  /** JSON that is the same in each character encoding that a handler may have chosen. */
  private static String ascii(String json) {
    StringBuilder escaped = new StringBuilder();
    json.chars()
        .forEach(
            c -> {
              if (c < 0x80) {
                escaped.append((char) c);
              } else {
                escaped.append(String.format("\\u%04x", c));
              }
            });
    return escaped.toString();
  }
}
