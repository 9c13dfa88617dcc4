package io.github.sessiond.spring;

import io.github.sessiond.servlet.Sessions;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.springframework.http.server.PathContainer;
import org.springframework.web.util.ServletRequestPathUtils;
import org.springframework.web.util.UriUtils;
import org.springframework.web.util.pattern.PathPattern;
import org.springframework.web.util.pattern.PathPatternParser;

/**
 * Decides by its path whether a request needs a session. It parses paths as Spring MVC does, so
 * that no spelling of a path reaches a handler without the check.
 */
final class PathFilter implements Filter {
  private final List<PathPattern> excluded;
  private final List<PathPattern> required;
  private final List<PathPattern> optional;
  private final Filter requiredFilter;
  private final Filter optionalFilter;
  private final Filter refusalsFilter;

  PathFilter(Sessions sessions, SessiondProperties properties) {
    excluded = parse(properties.excluded());
    required = parse(properties.required());
    optional = parse(properties.optional());
    requiredFilter = sessions.required();
    optionalFilter = sessions.optional();
    refusalsFilter = sessions.refusals();
  }

  @Override
  public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    if (!(request instanceof HttpServletRequest httpRequest)) {
      throw new ServletException("sessions need HTTP");
    }
    filterFor(httpRequest).doFilter(request, response, chain);
  }

  private Filter filterFor(HttpServletRequest request) {
    PathContainer path = ServletRequestPathUtils.parse(request).pathWithinApplication();
    PathContainer normalized = normalizedPath(request);
    if (matches(excluded, path) && matches(excluded, normalized)) {
      return refusalsFilter;
    }
    if (matches(required, path) || matches(required, normalized)) {
      return requiredFilter;
    }
    return matches(optional, path) || matches(optional, normalized)
        ? optionalFilter
        : refusalsFilter;
  }

  /** Without dot segments and empty segments, as the container and static resources see it. */
  private static PathContainer normalizedPath(HttpServletRequest request) {
    String pathInfo = request.getPathInfo() == null ? "" : request.getPathInfo();
    String path = request.getServletPath() + pathInfo;
    return PathContainer.parsePath(UriUtils.encodePath(path, StandardCharsets.UTF_8));
  }

  private static boolean matches(List<PathPattern> patterns, PathContainer path) {
    return patterns.stream().anyMatch(pattern -> pattern.matches(path));
  }

  private static List<PathPattern> parse(List<String> patterns) {
    return patterns.stream().map(PathPatternParser.defaultInstance::parse).toList();
  }
}
