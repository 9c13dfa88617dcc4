package io.github.sessiond.servlet;

import com.google.protobuf.Duration;
import io.github.sessiond.client.SessionError;
import io.github.sessiond.client.Sessiond;
import io.github.sessiond.v1.ActorRef;
import io.github.sessiond.v1.CreateRequest;
import io.github.sessiond.v1.CreateResponse;
import io.github.sessiond.v1.ErrorReason;
import io.github.sessiond.v1.RevokeRequest;
import io.github.sessiond.v1.RevokeResponse;
import io.github.sessiond.v1.Session;
import io.github.sessiond.v1.SessionRef;
import io.github.sessiond.v1.SessionServiceGrpc.SessionServiceBlockingStub;
import io.github.sessiond.v1.SetCookie;
import io.github.sessiond.v1.ValidateRequest;
import io.github.sessiond.v1.ValidateResponse;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import jakarta.servlet.Filter;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/**
 * Login sessions of a web application: filters that load the session of a request, and what the
 * routes for login and logout need. One object serves a whole application.
 *
 * <p>Requests with another method than GET, HEAD, OPTIONS and TRACE need the session's CSRF token,
 * in the header {@code X-CSRF-Token} or in the form field {@code csrf_token}. Without one they are
 * refused.
 *
 * <p>The methods for routes throw {@link SessionRefusedException}, which the filters answer. Put
 * {@link #refusals()} in front of routes that have neither {@link #required()} nor {@link
 * #optional()}, such as the login form.
 */
public final class Sessions {
  /**
   * With these, a request is not searched for a CSRF token, and a wrong one does not matter.
   * Whether a token is required is sessiond's decision, by the method that each Validate has.
   */
  private static final Set<String> SAFE_METHODS = Set.of("GET", "HEAD", "OPTIONS", "TRACE");

  private static final String VALIDATED = "io.github.sessiond.servlet.validated";

  /** A token68 (RFC 9110), none of whose characters means anything in HTML. */
  private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9._~+/=-]+");

  /** Marks a request that these sessions have checked, for a second filter. */
  private record Validated(Sessions by, String method, Optional<String> tenant) {}

  /**
   * A request whose session has been loaded.
   *
   * @param request to go on with: if its form has been read, it can be read again
   */
  record Checked(HttpServletRequest request, Optional<RequestSession> session) {}

  private final Supplier<SessionServiceBlockingStub> stub;
  private final SessionsOptions options;

  /**
   * Sessions with the default options.
   *
   * @param sessiond the client
   */
  public Sessions(Sessiond sessiond) {
    this(sessiond, SessionsOptions.defaults());
  }

  /**
   * Sessions with options.
   *
   * @param sessiond the client
   * @param options how requests are read and refused
   */
  public Sessions(Sessiond sessiond, SessionsOptions options) {
    this(sessiond::blocking, options);
  }

  private Sessions(Supplier<SessionServiceBlockingStub> stub, SessionsOptions options) {
    this.stub = stub;
    this.options = options;
  }

  /**
   * The same sessions, for one tenant only.
   *
   * @param tenantId the tenant, not empty
   * @return new sessions with the same client
   */
  public Sessions withTenant(String tenantId) {
    return new Sessions(stub, options.toBuilder().tenant(tenantId).build());
  }

  /**
   * A filter that lets only requests with a live session pass. It records activity, and handlers
   * get the session from {@link RequestSession#of}.
   *
   * @return the filter
   */
  public Filter required() {
    return new SessionFilter(this, SessionFilter.Mode.REQUIRED);
  }

  /**
   * A filter like {@link #required()}, but requests without a live session pass, too. With one, the
   * CSRF token is checked, and an outage is never taken for a missing session.
   *
   * @return the filter
   */
  public Filter optional() {
    return new SessionFilter(this, SessionFilter.Mode.OPTIONAL);
  }

  /**
   * A filter that loads no session, and only answers a {@link SessionRefusedException} of the
   * handler.
   *
   * @return the filter
   */
  public Filter refusals() {
    return new SessionFilter(this, SessionFilter.Mode.REFUSALS);
  }

  /**
   * For the page with the login form: the CSRF token to put into the form. Starts a pre-login
   * session and sets its cookies, unless the browser has a session with a token, so that two tabs
   * work.
   *
   * @param request the request
   * @param response gets the cookies; must not be committed
   * @return the token; secret
   * @throws SessionRefusedException with 503 in an outage
   */
  public String startLogin(HttpServletRequest request, HttpServletResponse response) {
    String token = csrfToken(request);
    if (!token.isEmpty() && acceptsForLogin(request, token)) {
      return token;
    }
    CreateRequest.Builder create =
        CreateRequest.newBuilder()
            .setPreLogin(true)
            .setIpAddress(ipAddress(request))
            .setUserAgent(Browser.userAgent(request));
    tenant(request).ifPresent(tenant -> create.setActor(ActorRef.newBuilder().setTenantId(tenant)));
    CreateResponse created = call(() -> stub.get().create(create.build()));
    requireSession(created.getSession());
    setCookies(response, created.getSetCookiesList());
    return created.getCsrfToken();
  }

  /**
   * For the POST of the login form, before the password is looked at: checks the CSRF token of the
   * form. It reads the form with {@link HttpServletRequest#getParameter}, and so should the
   * handler.
   *
   * @param request the request
   * @throws SessionRefusedException if the token is missing or wrong, or the pre-login session has
   *     expired, or in an outage
   */
  public void checkLogin(HttpServletRequest request) {
    String header = Browser.decode(request.getHeader(options.csrfHeader()));
    String token =
        header.isEmpty() && Form.isForm(request)
            ? Form.parsedField(request, options.csrfField()).orElse("")
            : header;
    validate(request, ValidateRequest.newBuilder().setCsrfToken(token).setAcceptPreLogin(true));
  }

  /**
   * Logs a user in, after the application has checked who they are: creates a session and sets its
   * cookies. The pre-login session and an older session of the browser end.
   *
   * @param request the request
   * @param response gets the cookies; must not be committed
   * @param login who has logged in
   * @return the session and its CSRF token
   * @throws SessionRefusedException with 409 if the user has too many sessions, and with 503 in an
   *     outage; then no cookie is set
   */
  public LoggedIn logIn(HttpServletRequest request, HttpServletResponse response, Login login) {
    Optional<String> tenant = tenant(request);
    ActorRef.Builder actor =
        ActorRef.newBuilder().setActorId(login.actorId()).setActorType(login.actorType());
    login.tenantId().or(() -> tenant).ifPresent(actor::setTenantId);
    CreateRequest.Builder create =
        CreateRequest.newBuilder()
            .setActor(actor)
            .setAppType(login.appType())
            .putAllMetadata(login.metadata())
            .setReplaces(browserSession(request, tenant))
            .setIpAddress(ipAddress(request))
            .setUserAgent(Browser.userAgent(request));
    login.idleTimeout().ifPresent(timeout -> create.setIdleTimeout(duration(timeout)));
    login.absoluteTimeout().ifPresent(timeout -> create.setAbsoluteTimeout(duration(timeout)));
    CreateResponse created = call(() -> stub.get().create(create.build()));
    requireSession(created.getSession());
    setCookies(response, created.getSetCookiesList());
    forget(request);
    return new LoggedIn(created.getSession(), created.getCsrfToken());
  }

  /**
   * Logs the browser out: revokes its session and clears its cookies. Put {@link #required()} in
   * front of the route, so that another site cannot log the user out.
   *
   * @param request the request
   * @param response gets the cookies; must not be committed
   * @return false if there was no live session
   * @throws SessionRefusedException with 503 in an outage; then the cookies stay
   */
  public boolean logOut(HttpServletRequest request, HttpServletResponse response) {
    RevokeRequest revoke =
        RevokeRequest.newBuilder().setSession(browserSession(request, tenant(request))).build();
    RevokeResponse revoked;
    try {
      revoked = call(() -> stub.get().revoke(revoke));
    } catch (SessionRefusedException e) {
      if (e.refusal().status() == 401) {
        return false;
      }
      throw e;
    }
    setCookies(response, revoked.getSetCookiesList());
    forget(request);
    return revoked.getRevoked();
  }

  /**
   * The CSRF token for the forms of a page, in the hidden field {@code csrf_token}: the value of
   * the browser's CSRF cookie.
   *
   * @param request a request with a session
   * @return the token, which is secret; empty if the browser has not sent the cookie, or if its
   *     value has characters that no token has: a neighbouring domain may have set it, and it must
   *     not become markup of the page
   */
  public String csrfToken(HttpServletRequest request) {
    String cookieHeader = Browser.cookieHeader(request);
    return options.csrfCookies().stream()
        .flatMap(name -> Browser.cookie(cookieHeader, name).stream())
        .filter(value -> TOKEN.matcher(value).matches())
        .findFirst()
        .orElse("");
  }

  /**
   * Answers a request that is refused, as the filters do. Cookies stay as they are.
   *
   * @param request the request
   * @param response gets the answer
   * @param refused what a method of this class has thrown
   * @throws IOException if the answer cannot be written
   * @throws ServletException if the option {@code onRefused} throws it
   * @throws SessionRefusedException again, if the response is committed already
   */
  public void refuse(
      HttpServletRequest request, HttpServletResponse response, SessionRefusedException refused)
      throws IOException, ServletException {
    if (refused.refusal().status() >= 500) {
      options.onError().accept(refused);
    }
    if (response.isCommitted()) {
      throw refused;
    }
    options.onRefused().refuse(request, response, refused.refusal());
  }

  /** Loads the session of a request once, however many filters ask for it. */
  Checked check(HttpServletRequest request, boolean optional) throws IOException {
    // A filter in between can change the method or the tenant.
    Validated validated = new Validated(this, request.getMethod(), tenant(request));
    if (validated.equals(request.getAttribute(VALIDATED))) {
      return new Checked(request, RequestSession.of(request));
    }
    forget(request);
    ValidateRequest.Builder validate = ValidateRequest.newBuilder().setTouch(true);
    HttpServletRequest readable = request;
    if (!SAFE_METHODS.contains(request.getMethod())) {
      String token = Browser.decode(request.getHeader(options.csrfHeader()));
      if (token.isEmpty() && Form.isForm(request)) {
        BufferedFormRequest form = BufferedFormRequest.read(request, options.formLimitBytes());
        readable = form;
        // Whoever has read the body before has made the container parse it.
        token =
            form.formField(options.csrfField())
                .or(() -> Form.parsedField(request, options.csrfField()))
                .orElse("");
      }
      validate.setCsrfToken(token);
    }
    try {
      RequestSession session = RequestSession.from(validate(request, validate));
      request.setAttribute(RequestSession.ATTRIBUTE, session);
      request.setAttribute(VALIDATED, validated);
      return new Checked(readable, Optional.of(session));
    } catch (SessionRefusedException e) {
      if (optional && e.refusal().status() == 401) {
        return new Checked(readable, Optional.empty());
      }
      throw e;
    }
  }

  private boolean acceptsForLogin(HttpServletRequest request, String token) {
    try {
      validate(request, ValidateRequest.newBuilder().setCsrfToken(token).setAcceptPreLogin(true));
      return true;
    } catch (SessionRefusedException e) {
      if (e.refusal().status() == 401 || e.refusal().status() == 403) {
        return false;
      }
      throw e;
    }
  }

  private ValidateResponse validate(HttpServletRequest request, ValidateRequest.Builder validate) {
    tenant(request).ifPresent(validate::setTenantId);
    String cookieHeader = Browser.cookieHeader(request);
    if (cookieHeader.isEmpty()) {
      throw refused(
          Status.UNAUTHENTICATED,
          ErrorReason.ERROR_REASON_INVALID_COOKIE,
          401,
          "the session cookie is missing or not valid");
    }
    validate
        .setCookieHeader(cookieHeader)
        .setHttpMethod(request.getMethod())
        .setIpAddress(ipAddress(request))
        .setUserAgent(Browser.userAgent(request));
    ValidateResponse response = call(() -> stub.get().validate(validate.build()));
    requireSession(response.getSession());
    return response;
  }

  private SessionRef browserSession(HttpServletRequest request, Optional<String> tenant) {
    SessionRef.Builder session =
        SessionRef.newBuilder().setCookieHeader(Browser.cookieHeader(request));
    tenant.ifPresent(session::setTenantId);
    return session.build();
  }

  /** Nothing only if any tenant is accepted. */
  private Optional<String> tenant(HttpServletRequest request) {
    return options
        .tenant()
        .map(
            function -> {
              String tenant = function.apply(request);
              if (tenant == null || tenant.isEmpty()) {
                throw refused(
                    Status.INVALID_ARGUMENT,
                    ErrorReason.ERROR_REASON_INVALID_REQUEST,
                    400,
                    "the option tenant has returned no tenant for the request");
              }
              return tenant;
            });
  }

  private String ipAddress(HttpServletRequest request) {
    return Browser.ipAddress(options.clientIp().apply(request));
  }

  private static void forget(HttpServletRequest request) {
    request.removeAttribute(RequestSession.ATTRIBUTE);
    request.removeAttribute(VALIDATED);
  }

  /** All or none of the cookies, beside those that the application has set. */
  private static void setCookies(HttpServletResponse response, List<SetCookie> cookies) {
    for (SetCookie cookie : cookies) {
      if (cookie.getHeader().isEmpty()
          || cookie.getHeader().chars().anyMatch(c -> c < ' ' && c != '\t' || c == 0x7f)) {
        throw outage("sessiond's answer has a cookie that is not a header");
      }
    }
    for (SetCookie cookie : cookies) {
      // Containers write a byte for each character.
      byte[] bytes = cookie.getHeader().getBytes(StandardCharsets.UTF_8);
      response.addHeader("Set-Cookie", new String(bytes, StandardCharsets.ISO_8859_1));
    }
  }

  private static void requireSession(Session session) {
    if (session.getId().isEmpty()) {
      throw outage("sessiond's answer has no session");
    }
  }

  private static <T> T call(Supplier<T> rpc) {
    try {
      return rpc.get();
    } catch (StatusRuntimeException e) {
      throw new SessionRefusedException(new Refusal(SessionError.from(e).orElseThrow()), e);
    }
  }

  private static SessionRefusedException outage(String message) {
    return refused(Status.INTERNAL, ErrorReason.ERROR_REASON_UNSPECIFIED, 0, message);
  }

  private static SessionRefusedException refused(
      Status status, ErrorReason reason, int httpStatus, String message) {
    String reasonName =
        reason == ErrorReason.ERROR_REASON_UNSPECIFIED
            ? ""
            : reason.name().substring("ERROR_REASON_".length());
    SessionError error =
        new SessionError(
            status.getCode(),
            reason,
            reason.getNumber(),
            reasonName,
            httpStatus,
            List.of(),
            java.time.Duration.ZERO,
            Optional.empty(),
            message);
    return new SessionRefusedException(new Refusal(error), null);
  }

  private static Duration duration(java.time.Duration duration) {
    return Duration.newBuilder()
        .setSeconds(duration.getSeconds())
        .setNanos(duration.getNano())
        .build();
  }
}
