package io.github.sessiond.servlet;

import static io.github.sessiond.servlet.TestApp.cookies;
import static io.github.sessiond.servlet.TestApp.setCookies;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sessiond.client.testing.TestSessiond;
import java.net.http.HttpResponse;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Login, use and logout, with a real sessiond. */
class LoginTest {
  private static TestSessiond sessiond;
  private static TestApp app;

  @BeforeAll
  static void start() throws Exception {
    sessiond = TestSessiond.start();
    app = new TestApp(new Sessions(sessiond.client()));
  }

  @AfterAll
  static void stop() throws Exception {
    app.close();
    sessiond.stop();
  }

  /** A browser that is logged in. */
  private record LoggedInBrowser(String cookies, String csrfToken) {}

  private static LoggedInBrowser logIn() {
    var form = app.get("/login");
    var login =
        app.send(
            "POST",
            "/login",
            "user=alice&csrf_token=" + form.body(),
            "Cookie",
            cookies(List.of(form)));
    assertEquals(200, login.statusCode());
    return new LoggedInBrowser(cookies(List.of(form, login)), login.body());
  }

  private static void assertRefused(int status, String reason, HttpResponse<String> response) {
    assertEquals(status, response.statusCode(), response.body());
    assertTrue(response.body().contains("\"reason\":\"" + reason + "\""), response.body());
    assertEquals(List.of(), setCookies(response));
    assertEquals("no-store", response.headers().firstValue("Cache-Control").orElseThrow());
    assertEquals(
        "application/problem+json", response.headers().firstValue("Content-Type").orElseThrow());
  }

  @Test
  void loginFormStartsAPreLoginSession() {
    var form = app.get("/login");
    assertEquals(200, form.statusCode());
    assertFalse(form.body().isEmpty());
    // The application's own cookie, the session's, the token's, and the one that is cleared.
    assertEquals("theme=dark", setCookies(form).get(0));
    assertTrue(setCookies(form).get(1).startsWith("__Host-"), setCookies(form).get(1));
  }

  @Test
  void secondTabGetsTheSameToken() {
    var form = app.get("/login");
    var second = app.get("/login", "Cookie", cookies(List.of(form)));
    assertEquals(form.body(), second.body());
    assertEquals(List.of("theme=dark"), setCookies(second));
  }

  @Test
  void staleTokenIsReplaced() {
    var form = app.get("/login");
    String forged = cookies(List.of(form)).replace(form.body(), "forged");
    var second = app.get("/login", "Cookie", forged);
    assertEquals(200, second.statusCode());
    assertNotEquals(form.body(), second.body());
    assertTrue(setCookies(second).size() > 1);
  }

  @Test
  void loginNeedsTheToken() {
    var form = app.get("/login");
    String cookies = cookies(List.of(form));
    var without = app.send("POST", "/login", "user=alice", "Cookie", cookies);
    assertEquals(403, without.statusCode());
    assertTrue(without.body().contains("CSRF_MISSING"));
    var wrong = app.send("POST", "/login", "user=alice&csrf_token=x", "Cookie", cookies);
    assertEquals(403, wrong.statusCode());
    assertTrue(wrong.body().contains("CSRF_MISMATCH"));
    var inQuery =
        app.send("POST", "/login?csrf_token=" + form.body(), "user=alice", "Cookie", cookies);
    assertEquals(403, inQuery.statusCode());
    assertTrue(inQuery.body().contains("CSRF_MISSING"));
    var noCookie = app.send("POST", "/login", "user=alice&csrf_token=" + form.body());
    assertEquals(401, noCookie.statusCode());
    assertTrue(noCookie.body().contains("INVALID_COOKIE"));
    var header =
        app.send("POST", "/login", "user=alice", "Cookie", cookies, "X-CSRF-Token", form.body());
    assertEquals(200, header.statusCode());
  }

  @Test
  void loginReplacesThePreLoginSession() {
    var form = app.get("/login");
    String cookies = cookies(List.of(form));
    String body = "user=alice&csrf_token=" + form.body();
    var login = app.send("POST", "/login", body, "Cookie", cookies);
    assertEquals(4, setCookies(login).size(), "theme, session, token, and one that is cleared");
    assertEquals("alice", app.get("/me", "Cookie", cookies(List.of(form, login))).body());
    var again = app.send("POST", "/login", body, "Cookie", cookies);
    assertEquals(401, again.statusCode());
    assertTrue(again.body().contains("REVOKED"));
  }

  @Test
  void preLoginSessionIsNoLogin() {
    String cookies = cookies(List.of(app.get("/login")));
    assertRefused(401, "INVALID_COOKIE", app.get("/me", "Cookie", cookies));
  }

  @Test
  void withoutACookieThereIsNoSession() {
    var response = app.get("/me");
    assertRefused(401, "INVALID_COOKIE", response);
    assertEquals(
        "{\"title\":\"Unauthorized\",\"status\":401,\"reason\":\"INVALID_COOKIE\","
            + "\"detail\":\"the session cookie is missing or not valid\"}",
        response.body());
    assertRefused(401, "INVALID_COOKIE", app.send("POST", "/change", "note=x"));
    assertRefused(401, "INVALID_COOKIE", app.get("/me", "Cookie", "__Host-session=forged"));
  }

  @Test
  void unsafeMethodsNeedTheToken() {
    var browser = logIn();
    for (String method : List.of("POST", "PUT", "PATCH", "DELETE", "PURGE")) {
      assertRefused(
          403, "CSRF_MISSING", app.send(method, "/change", "", "Cookie", browser.cookies));
      assertRefused(
          403, "CSRF_MISSING", app.send(method, "/change", "note=x", "Cookie", browser.cookies));
      String form = "note=a+b%C3%A9&csrf_token=" + browser.csrfToken;
      var changed = app.send(method, "/change?page=1", form, "Cookie", browser.cookies);
      assertEquals("note=[a bé]&page=[1]", changed.body());
    }
    for (String method : List.of("GET", "HEAD", "OPTIONS")) {
      assertEquals(
          200, app.send(method, "/me", "", "Cookie", browser.cookies).statusCode(), method);
    }
  }

  @Test
  void tokenIsTakenFromHeaderOrFormNeverFromTheQuery() {
    var browser = logIn();
    String query = "/change?csrf_token=" + browser.csrfToken;
    assertRefused(
        403, "CSRF_MISSING", app.send("POST", query, "note=x", "Cookie", browser.cookies));
    assertRefused(403, "CSRF_MISSING", app.send("POST", query, "", "Cookie", browser.cookies));
    assertRefused(
        403,
        "CSRF_MISMATCH",
        app.send("POST", query, "csrf_token=wrong", "Cookie", browser.cookies));
    assertRefused(
        403,
        "CSRF_MISMATCH",
        app.send(
            "POST",
            "/change",
            "csrf_token=" + browser.csrfToken,
            "Cookie",
            browser.cookies,
            "X-CSRF-Token",
            "wrong"));
    var header =
        app.send(
            "POST",
            "/change",
            "note=x",
            "Cookie",
            browser.cookies,
            "X-CSRF-Token",
            browser.csrfToken);
    assertEquals("note=[x]", header.body());
  }

  @Test
  void pagesGetTheTokenFromItsCookie() {
    var browser = logIn();
    assertEquals("token:" + browser.csrfToken, app.get("/token", "Cookie", browser.cookies).body());
    String session = browser.cookies.replaceAll("; __Host-csrf=[^;]*", "");
    assertEquals("token:", app.get("/token", "Cookie", session).body());
  }

  @Test
  void handlerCanReadTheBodyOfAForm() {
    var browser = logIn();
    String form = "note=x&csrf_token=" + browser.csrfToken;
    assertEquals(form, app.send("POST", "/body", form, "Cookie", browser.cookies).body());
  }

  @Test
  void formThatTheContainerHasParsedIsRead() {
    var browser = logIn();
    String form = "note=x&csrf_token=" + browser.csrfToken;
    assertEquals("note=[x]", app.send("POST", "/parsed", form, "Cookie", browser.cookies).body());
    assertRefused(
        403,
        "CSRF_MISSING",
        app.send(
            "POST",
            "/parsed?csrf_token=" + browser.csrfToken,
            "note=x",
            "Cookie",
            browser.cookies));
  }

  @Test
  void optionalSessionMayBeMissing() {
    assertEquals("nobody", app.get("/optional").body());
    assertEquals("nobody", app.get("/optional", "Cookie", "__Host-session=forged").body());
    assertEquals("nobody", app.send("POST", "/optional", "note=x").body());
    var browser = logIn();
    assertEquals("alice", app.get("/optional", "Cookie", browser.cookies).body());
    assertRefused(
        403, "CSRF_MISSING", app.send("POST", "/optional", "", "Cookie", browser.cookies));
  }

  @Test
  void logoutEndsTheSessionAndClearsItsCookies() {
    var browser = logIn();
    assertRefused(403, "CSRF_MISSING", app.send("POST", "/logout", "", "Cookie", browser.cookies));
    var logout =
        app.send(
            "POST", "/logout", "", "Cookie", browser.cookies, "X-CSRF-Token", browser.csrfToken);
    assertEquals("true", logout.body());
    assertTrue(setCookies(logout).stream().allMatch(header -> header.contains("Max-Age=0")));
    assertFalse(setCookies(logout).isEmpty());
    assertRefused(401, "REVOKED", app.get("/me", "Cookie", browser.cookies));
    assertEquals("false", app.send("POST", "/open/logout", "", "Cookie", browser.cookies).body());
    assertEquals("false", app.send("POST", "/open/logout", "").body());
  }

  @Test
  void otherTenantsSessionsAreRefused() throws Exception {
    var browser = logIn();
    try (var acme = new TestApp(new Sessions(sessiond.client()).withTenant("acme"))) {
      assertRefused(401, "INVALID_COOKIE", acme.get("/me", "Cookie", browser.cookies));
      var form = acme.get("/login");
      String body = "user=bob&csrf_token=" + form.body();
      var login = acme.send("POST", "/login", body, "Cookie", cookies(List.of(form)));
      String cookies = cookies(List.of(form, login));
      assertEquals("bob", acme.get("/me", "Cookie", cookies).body());
      assertEquals("bob", app.get("/me", "Cookie", cookies).body());
    }
  }
}
