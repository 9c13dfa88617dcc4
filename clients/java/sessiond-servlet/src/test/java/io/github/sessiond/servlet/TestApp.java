package io.github.sessiond.servlet;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;

/** An application on Jetty, with a route for each thing that sessions do. */
final class TestApp implements AutoCloseable {
  /** Handles any method. */
  interface Handler {
    void handle(HttpServletRequest request, HttpServletResponse response) throws IOException;
  }

  private final Server server = new Server(0);
  private final ServletContextHandler context = new ServletContextHandler();
  private final HttpClient http = HttpClient.newHttpClient();

  TestApp(Sessions sessions) throws Exception {
    route("/login", sessions.refusals(), (request, response) -> login(sessions, request, response));
    route("/me", sessions.required(), TestApp::showActor);
    route(
        "/token",
        sessions.required(),
        (request, response) -> response.getWriter().write("token:" + sessions.csrfToken(request)));
    route("/change", sessions.required(), TestApp::change);
    route("/body", sessions.required(), TestApp::echoBody);
    route("/optional", sessions.optional(), TestApp::showActor);
    route(
        "/logout", sessions.required(), (request, response) -> logout(sessions, request, response));
    route(
        "/open/logout",
        sessions.refusals(),
        (request, response) -> logout(sessions, request, response));
    filter("/twice", sessions.optional());
    route("/twice", sessions.required(), TestApp::showActor);
    filter("/overridden", sessions.optional());
    filter("/overridden", TestApp::overrideMethod);
    route("/overridden", sessions.required(), TestApp::showActor);
    filter(
        "/parsed",
        (request, response, chain) -> {
          request.getParameter("note");
          chain.doFilter(request, response);
        });
    route("/parsed", sessions.required(), TestApp::change);
    server.setHandler(context);
    server.start();
  }

  int port() {
    return server.getURI().getPort();
  }

  private void route(String path, Filter filter, Handler handler) {
    filter(path, filter);
    HttpServlet servlet =
        new HttpServlet() {
          private static final long serialVersionUID = 1;

          @Override
          protected void service(HttpServletRequest request, HttpServletResponse response)
              throws IOException {
            handler.handle(request, response);
          }
        };
    context.addServlet(new ServletHolder(servlet), path);
  }

  private void filter(String path, Filter filter) {
    context.addFilter(new FilterHolder(filter), path, EnumSet.of(DispatcherType.REQUEST));
  }

  private static void overrideMethod(
      ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    HttpServletRequest original = (HttpServletRequest) request;
    chain.doFilter(
        new HttpServletRequestWrapper(original) {
          @Override
          public String getMethod() {
            return original.getHeader("X-HTTP-Method-Override");
          }
        },
        response);
  }

  private static void login(
      Sessions sessions, HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    response.addHeader("Set-Cookie", "theme=dark");
    if (request.getMethod().equals("GET")) {
      response.getWriter().write(sessions.startLogin(request, response));
      return;
    }
    sessions.checkLogin(request);
    Login login = Login.user(request.getParameter("user"));
    response.getWriter().write(sessions.logIn(request, response, login).csrfToken());
  }

  private static void showActor(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    response
        .getWriter()
        .write(
            RequestSession.of(request).map(found -> found.session().getActorId()).orElse("nobody"));
  }

  private static void change(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    response.setCharacterEncoding("UTF-8");
    response
        .getWriter()
        .write(
            request.getParameterMap().entrySet().stream()
                .filter(entry -> !entry.getKey().equals("csrf_token"))
                .map(entry -> entry.getKey() + "=" + List.of(entry.getValue()))
                .sorted()
                .collect(Collectors.joining("&")));
  }

  private static void echoBody(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    request.getInputStream().transferTo(response.getOutputStream());
  }

  private static void logout(
      Sessions sessions, HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    response.getWriter().write(String.valueOf(sessions.logOut(request, response)));
  }

  HttpResponse<String> get(String path, String... headers) {
    return send("GET", path, "", headers);
  }

  /** A form, if it is not empty. */
  HttpResponse<String> send(String method, String path, String form, String... headers) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port() + path))
            .method(method, BodyPublishers.ofString(form));
    if (!form.isEmpty()) {
      request.header("Content-Type", "application/x-www-form-urlencoded");
    }
    if (headers.length > 0) {
      request.headers(headers);
    }
    try {
      return http.send(request.build(), BodyHandlers.ofString(StandardCharsets.UTF_8));
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  static List<String> setCookies(HttpResponse<String> response) {
    return response.headers().allValues("set-cookie");
  }

  /** What a browser sends after these answers. */
  static String cookies(List<HttpResponse<String>> responses) {
    Map<String, String> jar = new java.util.LinkedHashMap<>();
    for (HttpResponse<String> response : responses) {
      for (String header : setCookies(response)) {
        String[] pair = header.split(";")[0].split("=", 2);
        if (pair[1].isEmpty()) {
          jar.remove(pair[0]);
        } else {
          jar.put(pair[0], pair[1]);
        }
      }
    }
    return jar.entrySet().stream()
        .map(cookie -> cookie.getKey() + "=" + cookie.getValue())
        .collect(Collectors.joining("; "));
  }

  @Override
  public void close() {
    try {
      server.stop();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
