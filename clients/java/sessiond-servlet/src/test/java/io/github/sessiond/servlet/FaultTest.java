package io.github.sessiond.servlet;

import static io.github.sessiond.servlet.TestApp.setCookies;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sessiond.v1.CreateResponse;
import io.github.sessiond.v1.ErrorReason;
import io.github.sessiond.v1.RevokeResponse;
import io.github.sessiond.v1.SetCookie;
import io.github.sessiond.v1.ValidateRequest;
import io.github.sessiond.v1.ValidateResponse;
import io.grpc.Status;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What sessiond is asked, and what becomes of failures and odd answers. */
class FaultTest {
  private static final String COOKIE = "session=x; csrf=token";

  private final List<String> errors = new CopyOnWriteArrayList<>();
  private FakeSessiond sessiond;
  private TestApp app;

  @BeforeEach
  void start() throws Exception {
    sessiond = new FakeSessiond();
    app = new TestApp(new Sessions(sessiond.client, options().build()));
  }

  @AfterEach
  void stop() throws Exception {
    app.close();
    sessiond.close();
  }

  private SessionsOptions.Builder options() {
    return SessionsOptions.builder().onError(failure -> errors.add(failure.refusal().reason()));
  }

  private static void assertOutage(HttpResponse<String> response) {
    assertEquals(
        "{\"title\":\"Service Unavailable\",\"status\":503,\"reason\":\"SERVICE_UNAVAILABLE\","
            + "\"detail\":\"the session service is unavailable; retry later\"}",
        response.body());
    assertEquals(503, response.statusCode());
    assertEquals("1", response.headers().firstValue("Retry-After").orElseThrow());
    assertFalse(setCookies(response).stream().anyMatch(header -> !header.equals("theme=dark")));
  }

  @Test
  void outageIsNeverALogout() throws Exception {
    sessiond.end();
    assertOutage(app.get("/me", "Cookie", COOKIE));
    assertOutage(app.get("/optional", "Cookie", COOKIE));
    assertOutage(app.send("POST", "/change", "csrf_token=token", "Cookie", COOKIE));
    assertOutage(app.get("/login", "Cookie", COOKIE));
    assertOutage(app.get("/login"));
    assertOutage(app.send("POST", "/login", "user=alice&csrf_token=token", "Cookie", COOKIE));
    assertOutage(app.send("POST", "/open/logout", "", "Cookie", COOKIE));
    assertEquals(7, errors.size());
  }

  @Test
  void outageAfterTheCheckLeavesTheCookies() {
    sessiond.create = request -> throwOutage();
    sessiond.revoke = request -> throwOutage();
    assertOutage(app.send("POST", "/login", "user=alice&csrf_token=token", "Cookie", COOKIE));
    assertOutage(app.send("POST", "/logout", "csrf_token=token", "Cookie", COOKIE));
  }

  private static <T> T throwOutage() {
    throw Status.UNAVAILABLE.withDescription("10.0.0.1 refused").asRuntimeException();
  }

  @ParameterizedTest
  @CsvSource({
    "UNAVAILABLE, STORAGE_UNAVAILABLE, 503, 503, 3",
    "RESOURCE_EXHAUSTED, OVERLOADED, 429, 429, 3",
    "INVALID_ARGUMENT, REQUEST_TOO_LARGE, 413, 413, ",
    "UNAUTHENTICATED, EXPIRED_IDLE, 401, 401, ",
    "UNAUTHENTICATED, CALLER_UNAUTHENTICATED, 401, 500, ",
    "PERMISSION_DENIED, CALLER_FORBIDDEN, 403, 500, ",
    "PERMISSION_DENIED, STEP_UP_REQUIRED, 403, 403, ",
    "PERMISSION_DENIED, ACTOR_TYPE_NOT_ACCEPTED, 403, 403, ",
    "ABORTED, METADATA_ETAG_MISMATCH, 409, 409, ",
    "UNAVAILABLE, CALLER_KEYS_UNAVAILABLE, 503, 503, 3",
    "INVALID_ARGUMENT, INVALID_REQUEST, 400, 500, ",
    "INTERNAL, STORAGE_UNAVAILABLE, 502, 502, ",
  })
  void reasonsBecomeStatuses(
      Status.Code code, String reason, int httpStatus, int browserStatus, String retryAfter) {
    sessiond.validate =
        request -> {
          throw FakeSessiond.failure(
              code, ErrorReason.valueOf("ERROR_REASON_" + reason), httpStatus);
        };
    var response = app.get("/me", "Cookie", COOKIE);
    assertEquals(browserStatus, response.statusCode());
    assertTrue(response.body().contains("\"reason\":\"" + reason + "\""), response.body());
    assertEquals(browserStatus < 500, response.body().contains("the message of"));
    assertEquals(Optional.ofNullable(retryAfter), response.headers().firstValue("Retry-After"));
    assertEquals(List.of(), response.headers().allValues("Set-Cookie"));
    assertEquals(browserStatus < 500 ? List.of() : List.of(reason), errors);
    int optionalStatus = browserStatus == 401 ? 200 : browserStatus;
    assertEquals(optionalStatus, app.get("/optional", "Cookie", COOKIE).statusCode());
  }

  @Test
  void answersWithoutASessionAreAnOutage() {
    sessiond.validate = request -> ValidateResponse.getDefaultInstance();
    assertOutage(app.get("/me", "Cookie", COOKIE));
    assertOutage(app.get("/optional", "Cookie", COOKIE));
    sessiond.create = request -> CreateResponse.getDefaultInstance();
    assertOutage(app.get("/login"));
  }

  @Test
  void setCookieHeadersAreAppendedAsTheyAre() {
    String odd = "session=a\"b,c=d é; Path=/; HttpOnly; Max-Age=60; Future=1";
    sessiond.revoke = request -> revoked("csrf=", odd);
    var response = app.send("POST", "/open/logout", "", "Cookie", COOKIE);
    List<String> received =
        setCookies(response).stream()
            .map(
                header ->
                    new String(
                        header.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8))
            .toList();
    assertEquals(List.of("csrf=", odd), received);
  }

  @ParameterizedTest
  @CsvSource({"'session=a\r\nLocation: x'", "'session=a\nb'", "''"})
  void cookieThatIsNoHeaderIsAnOutage(String header) {
    sessiond.revoke = request -> revoked("csrf=", header);
    assertOutage(app.send("POST", "/open/logout", "", "Cookie", COOKIE));
  }

  private static RevokeResponse revoked(String... headers) {
    RevokeResponse.Builder response = RevokeResponse.newBuilder().setSession(FakeSessiond.ALICE);
    for (String header : headers) {
      response.addSetCookies(SetCookie.newBuilder().setHeader(header));
    }
    return response.build();
  }

  @Test
  void validateGetsWhatTheBrowserSent() {
    app.get("/me", "Cookie", COOKIE, "User-Agent", "x".repeat(600));
    app.send("POST", "/change", "", "Cookie", COOKIE, "User-Agent", "test");
    var expected =
        ValidateRequest.newBuilder()
            .setCookieHeader(COOKIE)
            .setHttpMethod("GET")
            .setTouch(true)
            .setIpAddress("127.0.0.1")
            .setUserAgent("x".repeat(512));
    assertEquals(
        List.of(
            expected.build(),
            expected.setHttpMethod("POST").setUserAgent("test").setCsrfToken("").build()),
        sessiond.validates);
  }

  @Test
  void safeMethodsAreSentWithoutToken() {
    app.get("/me", "Cookie", COOKIE, "X-CSRF-Token", "token");
    ValidateRequest request = sessiond.validates.get(0);
    assertEquals("GET", request.getHttpMethod());
    assertFalse(request.hasCsrfToken());
  }

  @Test
  void headersThatAreNotUtf8AreReplaced() throws IOException {
    String cookies =
        rawRequest("Cookie: a=\u00e9\r\nCookie: session=\u00c3\u00a9\r\nUser-Agent: \u00ff\r\n");
    assertTrue(cookies.startsWith("HTTP/1.1 200"), cookies);
    ValidateRequest request = sessiond.validates.get(0);
    assertEquals("a=\ufffd; session=é", request.getCookieHeader());
    assertEquals("\ufffd", request.getUserAgent());
  }

  /** With a byte for each character. */
  private String rawRequest(String headers) throws IOException {
    try (Socket socket = new Socket("127.0.0.1", app.port())) {
      String request =
          "GET /me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n";
      socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    }
  }

  @Test
  void severalFiltersShareOneCall() {
    assertEquals("alice", app.get("/twice", "Cookie", COOKIE).body());
    assertEquals(1, sessiond.validates.size());
  }

  @Test
  void methodThatChangesBetweenTwoFiltersIsCheckedAgain() {
    sessiond.validate =
        request -> {
          if (request.hasCsrfToken()) {
            throw FakeSessiond.failure(
                Status.Code.PERMISSION_DENIED, ErrorReason.ERROR_REASON_CSRF_MISSING, 403);
          }
          return ValidateResponse.newBuilder().setSession(FakeSessiond.ALICE).build();
        };
    var response = app.get("/overridden", "Cookie", COOKIE, "X-HTTP-Method-Override", "DELETE");
    assertEquals(403, response.statusCode(), response.body());
    assertEquals(
        List.of("GET", "DELETE"),
        sessiond.validates.stream().map(ValidateRequest::getHttpMethod).toList());
  }

  @Test
  void tenantThatChangesBetweenTwoFiltersIsCheckedAgain() throws Exception {
    var sessions =
        new Sessions(
            sessiond.client,
            options()
                .tenant(request -> RequestSession.of(request).isPresent() ? "second" : "first")
                .build());
    try (var app = new TestApp(sessions)) {
      app.get("/twice", "Cookie", COOKIE);
    }
    assertEquals(2, sessiond.validates.size());
  }

  @Test
  void tokenInALargeFormIsMissing() throws Exception {
    try (var small =
        new TestApp(new Sessions(sessiond.client, options().formLimitBytes(20).build()))) {
      String form = "note=" + "x".repeat(100) + "&csrf_token=token";
      assertEquals(form, small.send("POST", "/body", form, "Cookie", COOKIE).body());
      assertEquals(
          "note=[x]",
          small.send("POST", "/change", "note=x&csrf_token=12", "Cookie", COOKIE).body());
    }
    assertEquals(
        List.of("", "12"), sessiond.validates.stream().map(v -> v.getCsrfToken()).toList());
    assertTrue(sessiond.validates.stream().allMatch(ValidateRequest::hasCsrfToken));
  }

  @Test
  void unknownTenantIsNeverAnyTenant() throws Exception {
    for (String tenant : new String[] {null, ""}) {
      var sessions = new Sessions(sessiond.client, options().tenant(request -> tenant).build());
      try (var app = new TestApp(sessions)) {
        for (String path : List.of("/me", "/optional", "/login", "/open/logout")) {
          var response = app.get(path, "Cookie", COOKIE);
          assertEquals(500, response.statusCode(), path);
          assertTrue(response.body().contains("the request could not be processed"));
        }
      }
    }
    assertEquals(0, sessiond.validates.size() + sessiond.creates.size() + sessiond.revokes.size());
    assertEquals(8, errors.size());
    assertThrows(IllegalArgumentException.class, () -> SessionsOptions.builder().tenant(""));
  }

  @Test
  void emptyTenantOfALoginIsAMistake() {
    var login = Login.user("alice");
    assertThrows(IllegalArgumentException.class, () -> login.withTenantId(""));
    var empty = Optional.of("");
    assertThrows(
        IllegalArgumentException.class,
        () -> new Login("alice", "user", empty, "", Map.of(), Optional.empty(), Optional.empty()));
  }

  @Test
  void optionsAreFollowed() throws Exception {
    var sessions =
        new Sessions(
            sessiond.client,
            options()
                .tenant(request -> request.getHeader("X-Tenant"))
                .clientIp(request -> request.getHeader("X-Client"))
                .csrfHeader("X-Other")
                .csrfField("token")
                .csrfCookie("other")
                .onRefused((request, response, refusal) -> response.sendRedirect("/login"))
                .build());
    try (var app = new TestApp(sessions)) {
      String[] headers = {
        "Cookie", "other=abc", "X-Tenant", "acme", "X-Client", "fe80::1%eth0", "User-Agent", "ua"
      };
      app.send("POST", "/change", "token=1", headers);
      assertEquals("abc", app.get("/login", headers).body());
      var common =
          ValidateRequest.newBuilder()
              .setCookieHeader("other=abc")
              .setTenantId("acme")
              .setIpAddress("fe80::1")
              .setUserAgent("ua");
      assertEquals(
          List.of(
              common.clone().setHttpMethod("POST").setCsrfToken("1").setTouch(true).build(),
              common
                  .clone()
                  .setHttpMethod("GET")
                  .setCsrfToken("abc")
                  .setAcceptPreLogin(true)
                  .build()),
          sessiond.validates);
      sessiond.validate =
          request -> {
            throw FakeSessiond.failure(
                Status.Code.UNAUTHENTICATED, ErrorReason.ERROR_REASON_REVOKED, 401);
          };
      assertEquals(302, app.get("/me", headers).statusCode());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "session=s; csrf=plain; __Host-csrf=secure, secure",
    "csrf=a-Z_09.~+/=, a-Z_09.~+/=",
    "csrf=first; csrf=second, first",
    "__Host-csrf=; csrf=plain, plain",
    "__Host-csrf=\"><script>; csrf=plain, plain",
    "csrf=a\"onfocus=b, ''",
    "csrf=<b>, ''",
    "csrf=a b, ''",
    "csrf=a&#34;, ''",
    "xcsrf=a; csrf, ''",
  })
  void pagesGetOnlyWhatCanBeAToken(String cookies, String token) {
    assertEquals("token:" + token, app.get("/token", "Cookie", cookies).body());
  }

  @ParameterizedTest
  @CsvSource({
    "csrf=plain; own=renamed, renamed",
    "own=renamed; __Host-own=secure, secure",
  })
  void csrfCookieHasTheNameOfTheSetting(String cookies, String token) throws Exception {
    var sessions = new Sessions(sessiond.client, options().csrfCookie("own").build());
    try (var app = new TestApp(sessions)) {
      assertEquals("token:" + token, app.get("/token", "Cookie", cookies).body());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "127.0.0.1, 127.0.0.1",
    "[::1], ::1",
    "::1%lo, ::1",
    "::ffff:192.0.2.7, 192.0.2.7",
    "2001:DB8:0:0::1, 2001:db8::1",
    "\uff11\uff12\uff17.0.0.1, 127.0.0.1",
    "localhost, ''",
    "127.0.0.1:80, ''",
    "' ', ''",
    ", ''"
  })
  void addressesAreChecked(String text, String address) {
    assertEquals(address, Browser.ipAddress(text));
  }
}
