package io.github.sessiond.client;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Objects;
import java.util.function.Supplier;

/** How {@link Sessiond#connect(String, SessiondOptions)} connects. Immutable. */
public final class SessiondOptions {
  /** The time that a call has by default, retries included: 2 seconds. */
  public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(2);

  private final Duration timeout;
  private final Security security;
  private final String ca;
  private final String clientCertificate;
  private final String clientKey;
  private final Path caFile;
  private final Path clientCertificateFile;
  private final Path clientKeyFile;
  private final String serverName;
  private final Duration keepAliveTime;
  private final Duration keepAliveTimeout;
  private final Supplier<String> token;
  private final boolean allowTokenOverPlaintext;
  private final boolean retry;

  private SessiondOptions(Builder builder) {
    timeout = builder.timeout;
    security = builder.security;
    ca = builder.ca;
    clientCertificate = builder.clientCertificate;
    clientKey = builder.clientKey;
    caFile = builder.caFile;
    clientCertificateFile = builder.clientCertificateFile;
    clientKeyFile = builder.clientKeyFile;
    serverName = builder.serverName;
    keepAliveTime = builder.keepAliveTime;
    keepAliveTimeout = builder.keepAliveTimeout;
    token = builder.token;
    allowTokenOverPlaintext = builder.allowTokenOverPlaintext;
    retry = builder.retry;
  }

  /**
   * The default options.
   *
   * @return the options
   */
  public static SessiondOptions defaults() {
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

  Duration timeout() {
    return timeout;
  }

  Security security() {
    return security;
  }

  String ca() {
    return ca;
  }

  String clientCertificate() {
    return clientCertificate;
  }

  String clientKey() {
    return clientKey;
  }

  /** Null if no option is a file. */
  CertificateFiles certificateFiles() {
    return caFile == null && clientCertificateFile == null
        ? null
        : new CertificateFiles(caFile, clientCertificateFile, clientKeyFile);
  }

  String serverName() {
    return serverName;
  }

  Duration keepAliveTime() {
    return keepAliveTime;
  }

  Duration keepAliveTimeout() {
    return keepAliveTimeout;
  }

  Supplier<String> token() {
    return token;
  }

  boolean retry() {
    return retry;
  }

  void requirePlaintextIsEnough(boolean local) {
    if (ca != null
        || caFile != null
        || clientCertificate != null
        || clientCertificateFile != null) {
      throw new IllegalArgumentException(
          "a CA or a client certificate needs TLS: the address must begin with https://");
    }
    if (token != null && !local && !allowTokenOverPlaintext) {
      throw new IllegalArgumentException(
          "a token would be sent in plain text to another machine: use https://, or set"
              + " allowTokenOverPlaintext if the network encrypts");
    }
  }

  /** Collects options. Each method returns the builder. */
  public static final class Builder {
    private Duration timeout = DEFAULT_TIMEOUT;
    private Security security;
    private String ca;
    private String clientCertificate;
    private String clientKey;
    private Path caFile;
    private Path clientCertificateFile;
    private Path clientKeyFile;
    private String serverName;
    private Duration keepAliveTime = Duration.ofSeconds(30);
    private Duration keepAliveTimeout = Duration.ofSeconds(10);
    private Supplier<String> token;
    private boolean allowTokenOverPlaintext;
    private boolean retry = true;

    private Builder() {}

    /**
     * The deadline of calls that do not set one, retries included.
     *
     * @param timeout at least one millisecond; 2 seconds by default
     * @return this builder
     * @throws IllegalArgumentException if it is shorter
     */
    public Builder timeout(Duration timeout) {
      this.timeout = atLeastOneMillisecond("timeout", timeout);
      return this;
    }

    /**
     * Allows gRPC targets such as {@code dns:///host:port} or {@code unix:///path} as the address,
     * and says whether they are encrypted.
     *
     * @param security plain text or TLS
     * @return this builder
     */
    public Builder security(Security security) {
      this.security = Objects.requireNonNull(security, "security");
      return this;
    }

    /**
     * The certificates that sign the server's, instead of those of the JVM.
     *
     * @param pem one or more X.509 certificates in PEM
     * @return this builder
     * @throws IllegalArgumentException if it has no certificate
     */
    public Builder ca(String pem) {
      this.ca = requireCertificates("ca", pem);
      this.caFile = null;
      return this;
    }

    /**
     * The certificate that this client shows (mutual TLS).
     *
     * @param certificatePem the certificate and its intermediates in PEM
     * @param keyPem its private key in PEM (PKCS#8, without a password)
     * @return this builder
     * @throws IllegalArgumentException if there is no certificate in the first
     */
    public Builder clientCertificate(String certificatePem, String keyPem) {
      this.clientCertificate = requireCertificates("clientCertificate", certificatePem);
      this.clientKey = Objects.requireNonNull(keyPem, "keyPem");
      this.clientCertificateFile = null;
      this.clientKeyFile = null;
      return this;
    }

    /**
     * Like {@link #ca} with a file, which is read again every few seconds. A change is for
     * connections to come. The last of both options counts.
     *
     * @param pem a file with one or more X.509 certificates in PEM, which is read when the client
     *     connects
     * @return this builder
     */
    public Builder caFile(Path pem) {
      this.caFile = Objects.requireNonNull(pem, "pem");
      this.ca = null;
      return this;
    }

    /**
     * Like {@link #clientCertificate} with files, which are read again every few seconds. A change
     * is for connections to come; while the two do not belong together, the former certificate
     * stays in use. The last of both options counts.
     *
     * @param certificatePem a file with the certificate and its intermediates in PEM
     * @param keyPem a file with its private key in PEM (PKCS#8, without a password)
     * @return this builder
     */
    public Builder clientCertificateFiles(Path certificatePem, Path keyPem) {
      this.clientCertificateFile = Objects.requireNonNull(certificatePem, "certificatePem");
      this.clientKeyFile = Objects.requireNonNull(keyPem, "keyPem");
      this.clientCertificate = null;
      this.clientKey = null;
      return this;
    }

    /**
     * The name that the server's certificate must have, instead of the host of the address.
     *
     * @param serverName a host name, without a port
     * @return this builder
     */
    public Builder serverName(String serverName) {
      this.serverName = Objects.requireNonNull(serverName, "serverName");
      return this;
    }

    /**
     * How a dead connection is noticed while calls are in flight.
     *
     * @param time the time without traffic before a ping; gRPC raises it to 10 seconds, and the
     *     default is 30 seconds
     * @param timeout the time that the server has to answer a ping; 10 seconds by default
     * @return this builder
     * @throws IllegalArgumentException if one of them is shorter than a millisecond
     */
    public Builder keepAlive(Duration time, Duration timeout) {
      this.keepAliveTime = atLeastOneMillisecond("keepAlive time", time);
      this.keepAliveTimeout = atLeastOneMillisecond("keepAlive timeout", timeout);
      return this;
    }

    /**
     * A token that every call sends as {@code authorization: Bearer …}.
     *
     * @param token visible ASCII characters
     * @return this builder
     * @throws IllegalArgumentException if it has other characters or none
     */
    public Builder token(String token) {
      String checked = BearerToken.requireValid(token);
      return token(() -> checked);
    }

    /**
     * A token that is asked for at each attempt of a call, so that it can be renewed.
     *
     * @param token returns the token; it is called by several threads, and should not block
     * @return this builder
     */
    public Builder token(Supplier<String> token) {
      this.token = Objects.requireNonNull(token, "token");
      return this;
    }

    /**
     * A token in a file that is replaced before the token expires, such as one of Kubernetes or a
     * JWT-SVID of SPIFFE. It is read again at most once a second; white space around it does not
     * count. A call without a token to send fails with {@code UNAUTHENTICATED}, no reason, and a
     * message that names the file. The last of this option and {@link #token(String)} counts.
     *
     * @param file the file, which is read now for the first time
     * @return this builder
     * @throws IllegalArgumentException if it cannot be read, is empty, or has other characters than
     *     visible ASCII
     */
    public Builder tokenFile(Path file) {
      return token(new TokenFile(file));
    }

    /**
     * Allows a token in plain text to another machine, for networks that encrypt by themselves.
     *
     * @param allow false by default
     * @return this builder
     */
    public Builder allowTokenOverPlaintext(boolean allow) {
      this.allowTokenOverPlaintext = allow;
      return this;
    }

    /**
     * Whether calls that are idempotent are tried again, up to three times in all, while sessiond
     * is unavailable or overloaded.
     *
     * @param retry true by default
     * @return this builder
     */
    public Builder retry(boolean retry) {
      this.retry = retry;
      return this;
    }

    /**
     * Builds the options.
     *
     * @return the options
     */
    public SessiondOptions build() {
      return new SessiondOptions(this);
    }

    private static Duration atLeastOneMillisecond(String name, Duration duration) {
      if (duration.compareTo(Duration.ofMillis(1)) < 0) {
        throw new IllegalArgumentException(name + " must be at least one millisecond: " + duration);
      }
      return duration;
    }

    private static String requireCertificates(String name, String pem) {
      try {
        var stream = new ByteArrayInputStream(pem.getBytes(StandardCharsets.UTF_8));
        if (!CertificateFactory.getInstance("X.509").generateCertificates(stream).isEmpty()) {
          return pem;
        }
      } catch (CertificateException e) {
        throw new IllegalArgumentException(name + " must be certificates in PEM", e);
      }
      throw new IllegalArgumentException(name + " must be certificates in PEM, but has none");
    }
  }
}
