package io.github.sessiond.servlet;

import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** Loads the session of requests, and answers those that are refused. */
final class SessionFilter implements Filter {
  enum Mode {
    REQUIRED,
    OPTIONAL,
    REFUSALS
  }

  private final Sessions sessions;
  private final Mode mode;

  SessionFilter(Sessions sessions, Mode mode) {
    this.sessions = sessions;
    this.mode = mode;
  }

  @Override
  public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    if (!(request instanceof HttpServletRequest httpRequest)
        || !(response instanceof HttpServletResponse httpResponse)) {
      throw new ServletException("sessions need HTTP");
    }
    try {
      HttpServletRequest next =
          mode == Mode.REFUSALS
              ? httpRequest
              : sessions.check(httpRequest, mode == Mode.OPTIONAL).request();
      chain.doFilter(next, response);
    } catch (SessionRefusedException e) {
      sessions.refuse(httpRequest, httpResponse, e);
    } catch (ServletException e) {
      if (e.getRootCause() instanceof SessionRefusedException refused) {
        sessions.refuse(httpRequest, httpResponse, refused);
      } else {
        throw e;
      }
    }
  }
}
