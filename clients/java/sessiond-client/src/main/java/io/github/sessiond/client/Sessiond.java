package io.github.sessiond.client;

import io.github.sessiond.v1.SessionServiceGrpc;
import io.github.sessiond.v1.SessionServiceGrpc.SessionServiceBlockingStub;
import io.github.sessiond.v1.SessionServiceGrpc.SessionServiceFutureStub;
import io.github.sessiond.v1.SessionServiceGrpc.SessionServiceStub;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/**
 * A connection to sessiond, with its stubs. One object serves a whole application: it is safe for
 * use by several threads, connects at the first call, and connects again by itself.
 */
public final class Sessiond implements AutoCloseable {
  private static final long CLOSE_TIMEOUT_SECONDS = 5;

  private final ManagedChannel managedChannel;
  private final Channel channel;

  /** Null if there are none. */
  private final CertificateFiles certificateFiles;

  private Sessiond(
      ManagedChannel managedChannel, Channel channel, CertificateFiles certificateFiles) {
    this.managedChannel = managedChannel;
    this.channel = channel;
    this.certificateFiles = certificateFiles;
  }

  /**
   * Connects with the default options.
   *
   * @param address {@code http://host[:port]} for plain text, {@code https://host[:port]} for TLS
   * @return a client, which has not made a connection yet
   * @throws IllegalArgumentException if the address is not of this form
   */
  public static Sessiond connect(String address) {
    return connect(address, SessiondOptions.defaults());
  }

  /**
   * Connects.
   *
   * @param address {@code http://host[:port]} for plain text, {@code https://host[:port]} for TLS;
   *     with {@link SessiondOptions.Builder#security}, also a gRPC target such as {@code
   *     unix:///run/sessiond.sock}
   * @param options deadline, TLS, token, retries and keep-alive
   * @return a client, which has not made a connection yet
   * @throws IllegalArgumentException if the address or an option is wrong, if a file with
   *     certificates cannot be used, or if a token would be sent in plain text to another machine
   */
  public static Sessiond connect(String address, SessiondOptions options) {
    Address parsed = Address.parse(address, options.security());
    if (parsed.security() == Security.PLAINTEXT) {
      options.requirePlaintextIsEnough(parsed.local());
    }
    CertificateFiles certificateFiles = options.certificateFiles();
    ManagedChannelBuilder<?> builder =
        newChannelBuilder(parsed, options, certificateFiles)
            .disableServiceConfigLookUp()
            .defaultServiceConfig(ServiceConfig.of(options.retry()))
            .keepAliveTime(options.keepAliveTime().toMillis(), TimeUnit.MILLISECONDS)
            .keepAliveTimeout(options.keepAliveTimeout().toMillis(), TimeUnit.MILLISECONDS);
    if (options.retry()) {
      builder.enableRetry();
    } else {
      builder.disableRetry();
    }
    if (options.serverName() != null) {
      builder.overrideAuthority(options.serverName());
    }
    ManagedChannel managedChannel = builder.build();
    Channel channel =
        ClientInterceptors.interceptForward(
            managedChannel,
            new CallDefaultsInterceptor(options.timeout(), options.token()),
            new RetryDelayInterceptor());
    if (certificateFiles != null) {
      certificateFiles.start();
    }
    return new Sessiond(managedChannel, channel, certificateFiles);
  }

  /** Null if no option is a file with certificates. */
  CertificateFiles certificateFiles() {
    return certificateFiles;
  }

  /**
   * The stub whose methods return the response and throw {@link io.grpc.StatusRuntimeException}.
   *
   * @return the stub; a deadline that is set on it replaces the default one
   */
  public SessionServiceBlockingStub blocking() {
    return SessionServiceGrpc.newBlockingStub(channel);
  }

  /**
   * The stub whose methods return a {@link com.google.common.util.concurrent.ListenableFuture}.
   *
   * @return the stub; a deadline that is set on it replaces the default one
   */
  public SessionServiceFutureStub future() {
    return SessionServiceGrpc.newFutureStub(channel);
  }

  /**
   * The stub whose methods report to a {@link io.grpc.stub.StreamObserver}.
   *
   * @return the stub; a deadline that is set on it replaces the default one
   */
  public SessionServiceStub async() {
    return SessionServiceGrpc.newStub(channel);
  }

  /**
   * The channel, for stubs of other kinds or languages of the JVM.
   *
   * @return the channel, with the default deadline and the token
   */
  public Channel channel() {
    return channel;
  }

  /**
   * Starts to connect, without waiting for it. The first call of a JVM takes a second or two to
   * load classes and connect, which an application can spend before it serves requests.
   */
  public void prepare() {
    managedChannel.getState(true);
  }

  /** Ends the connection. Calls in flight get a few seconds to finish. */
  @Override
  public void close() {
    if (certificateFiles != null) {
      certificateFiles.close();
    }
    managedChannel.shutdown();
    try {
      if (managedChannel.awaitTermination(CLOSE_TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    managedChannel.shutdownNow();
  }

  private static ManagedChannelBuilder<?> newChannelBuilder(
      Address address, SessiondOptions options, CertificateFiles files) {
    try {
      return Grpc.newChannelBuilder(
          address.target(), credentials(address.security(), options, files));
    } catch (IOException | IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "the client certificate and its key must be PEM, the key in PKCS#8 without a password",
          e);
    }
  }

  private static ChannelCredentials credentials(
      Security security, SessiondOptions options, CertificateFiles files) throws IOException {
    if (security == Security.PLAINTEXT) {
      return InsecureChannelCredentials.create();
    }
    TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
    if (options.ca() != null) {
      builder.trustManager(pem(options.ca()));
    }
    if (options.clientCertificate() != null) {
      builder.keyManager(pem(options.clientCertificate()), pem(options.clientKey()));
    }
    if (files != null && files.trustManager() != null) {
      builder.trustManager(files.trustManager());
    }
    if (files != null && files.keyManager() != null) {
      builder.keyManager(files.keyManager());
    }
    return builder.build();
  }

  private static InputStream pem(String text) {
    return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
  }
}
