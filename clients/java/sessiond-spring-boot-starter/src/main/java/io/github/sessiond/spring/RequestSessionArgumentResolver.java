package io.github.sessiond.spring;

import io.github.sessiond.servlet.RequestSession;
import jakarta.servlet.http.HttpServletRequest;
import java.util.Optional;
import org.springframework.core.MethodParameter;
import org.springframework.web.bind.support.WebDataBinderFactory;
import org.springframework.web.context.request.NativeWebRequest;
import org.springframework.web.method.support.HandlerMethodArgumentResolver;
import org.springframework.web.method.support.ModelAndViewContainer;

/** Hands a {@code RequestSession} or an {@code Optional<RequestSession>} to controllers. */
final class RequestSessionArgumentResolver implements HandlerMethodArgumentResolver {
  @Override
  public boolean supportsParameter(MethodParameter parameter) {
    return parameter.nestedIfOptional().getNestedParameterType() == RequestSession.class;
  }

  @Override
  public Object resolveArgument(
      MethodParameter parameter,
      ModelAndViewContainer container,
      NativeWebRequest request,
      WebDataBinderFactory binders) {
    Optional<RequestSession> session =
        RequestSession.of(request.getNativeRequest(HttpServletRequest.class));
    if (parameter.getParameterType() == Optional.class) {
      return session;
    }
    return session.orElseThrow(
        () ->
            new IllegalStateException(
                "the handler needs a session, but its path is not in sessiond.required"));
  }
}
