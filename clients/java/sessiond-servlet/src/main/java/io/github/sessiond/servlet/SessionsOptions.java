package io.github.sessiond.servlet;

import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/** How {@link Sessions} reads requests and refuses them. Immutable. */
public final class SessionsOptions {
  /** Answers a request that is refused. It must not change cookies. */
  @FunctionalInterface
  public interface RefusalHandler {
    /**
     * Answers.
     *
     * @param request the request
     * @param response a response that is not committed
     * @param refusal why; {@link Refusal#send} answers as usual
     * @throws IOException if the answer cannot be written
     * @throws ServletException if it cannot be made
     */
    void refuse(HttpServletRequest request, HttpServletResponse response, Refusal refusal)
        throws IOException, ServletException;
  }

  private static final System.Logger LOGGER = System.getLogger(Sessions.class.getName());

  private final Function<HttpServletRequest, String> tenant;
  private final Function<HttpServletRequest, String> clientIp;
  private final String csrfHeader;
  private final String csrfField;
  private final List<String> csrfCookies;
  private final int formLimitBytes;
  private final RefusalHandler onRefused;
  private final Consumer<SessionRefusedException> onError;

  private SessionsOptions(Builder builder) {
    tenant = builder.tenant;
    clientIp = builder.clientIp;
    csrfHeader = builder.csrfHeader;
    csrfField = builder.csrfField;
    csrfCookies = builder.csrfCookies;
    formLimitBytes = builder.formLimitBytes;
    onRefused = builder.onRefused;
    onError = builder.onError;
  }

  /**
   * The default options.
   *
   * @return the options
   */
  public static SessionsOptions defaults() {
    return builder().build();
  }

  /**
   * Starts with the default options.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Starts with these options.
   *
   * @return a builder
   */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.tenant = tenant;
    builder.clientIp = clientIp;
    builder.csrfHeader = csrfHeader;
    builder.csrfField = csrfField;
    builder.csrfCookies = csrfCookies;
    builder.formLimitBytes = formLimitBytes;
    builder.onRefused = onRefused;
    builder.onError = onError;
    return builder;
  }

  /** Nothing if any tenant is accepted. The function may return nothing, which is a mistake. */
  Optional<Function<HttpServletRequest, String>> tenant() {
    return Optional.ofNullable(tenant);
  }

  Function<HttpServletRequest, String> clientIp() {
    return clientIp;
  }

  String csrfHeader() {
    return csrfHeader;
  }

  String csrfField() {
    return csrfField;
  }

  List<String> csrfCookies() {
    return csrfCookies;
  }

  int formLimitBytes() {
    return formLimitBytes;
  }

  RefusalHandler onRefused() {
    return onRefused;
  }

  Consumer<SessionRefusedException> onError() {
    return onError;
  }

  /** Collects options. Each method returns the builder. */
  public static final class Builder {
    private Function<HttpServletRequest, String> tenant;
    private Function<HttpServletRequest, String> clientIp = HttpServletRequest::getRemoteAddr;
    private String csrfHeader = "X-CSRF-Token";
    private String csrfField = "csrf_token";
    private List<String> csrfCookies = List.of("__Host-csrf", "csrf");
    private int formLimitBytes = 1024 * 1024;
    private RefusalHandler onRefused = (request, response, refusal) -> refusal.send(response);
    private Consumer<SessionRefusedException> onError =
        failure -> LOGGER.log(System.Logger.Level.WARNING, "a request was not served", failure);

    private Builder() {}

    /**
     * Accepts only sessions of one tenant.
     *
     * @param tenantId the tenant, not empty
     * @return this builder
     * @throws IllegalArgumentException if it is empty
     */
    public Builder tenant(String tenantId) {
      if (tenantId.isEmpty()) {
        throw new IllegalArgumentException(
            "tenant must not be empty; leave it out to accept any tenant");
      }
      return tenant(request -> tenantId);
    }

    /**
     * Accepts only sessions of the tenant that a request is for, for example by its host name.
     *
     * @param tenant returns the tenant; if it returns null or nothing, the request is refused with
     *     500, and never accepted with any tenant
     * @return this builder
     */
    public Builder tenant(Function<HttpServletRequest, String> tenant) {
      this.tenant = Objects.requireNonNull(tenant, "tenant");
      return this;
    }

    /**
     * The browser's address, where a proxy is in between.
     *
     * @param clientIp returns it; what is no IP address counts as not known. By default the peer's
     *     address ({@link HttpServletRequest#getRemoteAddr()})
     * @return this builder
     */
    public Builder clientIp(Function<HttpServletRequest, String> clientIp) {
      this.clientIp = Objects.requireNonNull(clientIp, "clientIp");
      return this;
    }

    /**
     * The header with the CSRF token.
     *
     * @param name {@code X-CSRF-Token} by default
     * @return this builder
     */
    public Builder csrfHeader(String name) {
      this.csrfHeader = Objects.requireNonNull(name, "name");
      return this;
    }

    /**
     * The form field with the CSRF token, if the header is absent.
     *
     * @param name {@code csrf_token} by default
     * @return this builder
     */
    public Builder csrfField(String name) {
      this.csrfField = Objects.requireNonNull(name, "name");
      return this;
    }

    /**
     * The cookie with the CSRF token, if sessiond is configured for another name.
     *
     * @param name as in sessiond's setting {@code SESSIOND_CSRF_COOKIE_NAME}: {@code csrf} by
     *     default; the cookie with the prefix {@code __Host-} takes precedence
     * @return this builder
     */
    public Builder csrfCookie(String name) {
      this.csrfCookies = List.of("__Host-" + name, name);
      return this;
    }

    /**
     * The size of the forms that are searched for the CSRF token. In a larger one, it counts as
     * missing.
     *
     * @param bytes 1 MiB by default
     * @return this builder
     * @throws IllegalArgumentException if it is negative
     */
    public Builder formLimitBytes(int bytes) {
      if (bytes < 0) {
        throw new IllegalArgumentException("formLimitBytes must not be negative: " + bytes);
      }
      this.formLimitBytes = bytes;
      return this;
    }

    /**
     * Answers refused requests, for example with a redirect to the login page.
     *
     * @param onRefused by default {@link Refusal#send}
     * @return this builder
     */
    public Builder onRefused(RefusalHandler onRefused) {
      this.onRefused = Objects.requireNonNull(onRefused, "onRefused");
      return this;
    }

    /**
     * Is told of the failures that are answered with a status from 500.
     *
     * @param onError logs or counts one; it gets no request, because a log of that would contain
     *     cookies. By default, failures are logged as warnings of this package
     * @return this builder
     */
    public Builder onError(Consumer<SessionRefusedException> onError) {
      this.onError = Objects.requireNonNull(onError, "onError");
      return this;
    }

    /**
     * Builds the options.
     *
     * @return the options
     */
    public SessionsOptions build() {
      return new SessionsOptions(this);
    }
  }
}
