package io.github.sessiond.spring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sessiond.client.Sessiond;
import io.github.sessiond.client.testing.TestSessiond;
import io.github.sessiond.servlet.Login;
import io.github.sessiond.servlet.RequestSession;
import io.github.sessiond.servlet.Sessions;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.context.annotation.Import;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.web.bind.annotation.ControllerAdvice;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.PutMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

@SpringBootTest(
    webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT,
    properties = {
      "sessiond.timeout=30s",
      "sessiond.required=/app/**",
      "sessiond.optional=/optional",
      "sessiond.excluded=/app/login,/app/forgotten",
    })
class SpringTest {
  private static final TestSessiond SESSIOND = TestSessiond.builder().cookieSecure(false).start();

  private final HttpClient http = HttpClient.newHttpClient();
  private final int port;

  @Autowired
  SpringTest(@Value("${local.server.port}") int port) {
    this.port = port;
  }

  @DynamicPropertySource
  static void address(DynamicPropertyRegistry registry) {
    registry.add("sessiond.address", SESSIOND::url);
  }

  @AfterAll
  static void stop() {
    SESSIOND.stop();
  }

  @SpringBootApplication
  @Import({Controller.class, Advice.class})
  static class App {}

  @RestController
  static class Controller {
    private final Sessions sessions;

    Controller(Sessions sessions) {
      this.sessions = sessions;
    }

    @GetMapping("/app/login")
    String form(HttpServletRequest request, HttpServletResponse response) {
      return sessions.startLogin(request, response);
    }

    @PostMapping("/app/login")
    String logIn(
        @RequestParam String user, HttpServletRequest request, HttpServletResponse response) {
      sessions.checkLogin(request);
      return sessions.logIn(request, response, Login.user(user)).csrfToken();
    }

    @GetMapping("/app/me")
    String me(RequestSession session) {
      return session.session().getActorId();
    }

    @PostMapping("/app/change")
    String change(RequestSession session, @RequestParam String note) {
      return note;
    }

    @PutMapping("/app/change")
    String replace(@RequestParam String note) {
      return note;
    }

    @PostMapping("/app/body")
    String body(@RequestBody String body) {
      return body;
    }

    @GetMapping("/optional")
    String optional(Optional<RequestSession> session) {
      return session.map(found -> found.session().getActorId()).orElse("nobody");
    }

    @GetMapping("/app/forgotten")
    String forgotten(RequestSession session) {
      return session.session().getActorId();
    }

    @PostMapping("/app/logout")
    boolean logOut(HttpServletRequest request, HttpServletResponse response) {
      return sessions.logOut(request, response);
    }
  }

  /** An application may have one, and it must not hide refusals. */
  @ControllerAdvice
  static class Advice {
    @ExceptionHandler
    void any(Exception exception, HttpServletResponse response) throws IOException {
      response.sendError(418);
    }
  }

  private HttpResponse<String> send(String method, String path, String form, String... headers)
      throws IOException, InterruptedException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
            .method(method, BodyPublishers.ofString(form));
    if (!form.isEmpty()) {
      request.header("Content-Type", "application/x-www-form-urlencoded");
    }
    if (headers.length > 0) {
      request.headers(headers);
    }
    return http.send(request.build(), BodyHandlers.ofString());
  }

  private static String cookies(HttpResponse<String> response) {
    return response.headers().allValues("set-cookie").stream()
        .map(header -> header.split(";")[0])
        .filter(pair -> !pair.endsWith("="))
        .collect(Collectors.joining("; "));
  }

  private static void assertRefused(int status, String reason, HttpResponse<String> response) {
    assertEquals(status, response.statusCode(), response.body());
    assertTrue(response.body().contains("\"reason\":\"" + reason + "\""), response.body());
    assertEquals(List.of(), response.headers().allValues("set-cookie"));
  }

  @Test
  void loginUseAndLogout() throws Exception {
    var form = send("GET", "/app/login", "");
    String preLogin = cookies(form);
    assertRefused(
        403, "CSRF_MISSING", send("POST", "/app/login", "user=alice", "Cookie", preLogin));
    var login =
        send("POST", "/app/login", "user=alice&csrf_token=" + form.body(), "Cookie", preLogin);
    assertEquals(200, login.statusCode(), login.body());
    String cookies = cookies(login);
    String token = login.body();

    assertEquals("alice", send("GET", "/app/me", "", "Cookie", cookies).body());
    assertEquals("alice", send("GET", "/optional", "", "Cookie", cookies).body());
    assertRefused(403, "CSRF_MISSING", send("POST", "/app/change", "note=x", "Cookie", cookies));
    String change = "note=x&csrf_token=" + token;
    for (String method : List.of("POST", "PUT")) {
      assertEquals("x", send(method, "/app/change", change, "Cookie", cookies).body(), method);
      assertEquals(
          "x",
          send(method, "/app/change", "note=x", "Cookie", cookies, "X-CSRF-Token", token).body(),
          method);
    }
    assertEquals(change, send("POST", "/app/body", change, "Cookie", cookies).body());

    var logout = send("POST", "/app/logout", "", "Cookie", cookies, "X-CSRF-Token", token);
    assertEquals("true", logout.body());
    assertEquals("", cookies(logout));
    assertFalse(logout.headers().allValues("set-cookie").isEmpty());
    assertRefused(401, "REVOKED", send("GET", "/app/me", "", "Cookie", cookies));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/app/me",
        "/app/me/",
        "/app/%6De",
        "/%61pp/me",
        "/app;x=1/me;y=2",
        "/app/me?x=1",
        "/app/none",
        "//app/me",
        "/./app/me",
        "/x/../app/me",
        "/app/login/../me"
      })
  void everySpellingOfAPathNeedsASession(String path) throws Exception {
    assertRefused(401, "INVALID_COOKIE", send("GET", path, ""));
  }

  @Test
  void pathsWithoutASessionNeedNone() throws Exception {
    assertEquals("nobody", send("GET", "/optional", "").body());
    assertEquals(418, send("GET", "/other", "").statusCode());
  }

  @Test
  void handlerWhosePathIsForgottenFails() throws Exception {
    assertEquals(418, send("GET", "/app/forgotten", "").statusCode());
  }

  @Test
  void beansCanBeUsed(@Autowired Sessiond sessiond, @Autowired SessiondProperties properties) {
    assertEquals(SESSIOND.url(), properties.address());
    assertTrue(sessiond.channel().authority().startsWith("127.0.0.1"));
  }
}
