package io.github.sessiond.spring;

import io.github.sessiond.servlet.SessionRefusedException;
import io.github.sessiond.servlet.Sessions;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.springframework.web.servlet.HandlerExceptionResolver;
import org.springframework.web.servlet.ModelAndView;

/** Answers what {@link Sessions} refuses in a controller. */
final class SessionRefusedExceptionResolver implements HandlerExceptionResolver {
  private final Sessions sessions;

  SessionRefusedExceptionResolver(Sessions sessions) {
    this.sessions = sessions;
  }

  @Override
  public ModelAndView resolveException(
      HttpServletRequest request,
      HttpServletResponse response,
      Object handler,
      Exception exception) {
    if (!(exception instanceof SessionRefusedException refused) || response.isCommitted()) {
      return null;
    }
    try {
      sessions.refuse(request, response, refused);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (ServletException e) {
      throw new IllegalStateException(e);
    }
    return new ModelAndView();
  }
}
