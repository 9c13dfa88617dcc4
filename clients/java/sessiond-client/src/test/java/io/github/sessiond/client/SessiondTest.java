package io.github.sessiond.client;

import static io.github.sessiond.client.ScriptedServer.failTimes;
import static io.github.sessiond.client.ScriptedServer.failure;
import static io.github.sessiond.client.ScriptedServer.unavailable;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sessiond.client.ScriptedServer.Script;
import io.github.sessiond.v1.CreateRequest;
import io.github.sessiond.v1.ErrorReason;
import io.github.sessiond.v1.RotateSessionRequest;
import io.github.sessiond.v1.UpdateMetadataRequest;
import io.github.sessiond.v1.ValidateRequest;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The time limit only ends a test that hangs. */
@Timeout(60)
class SessiondTest {
  private static final Duration AN_HOUR = Duration.ofHours(1);
  private static final Script SUCCEED = (attempt, observer) -> observer.onCompleted();
  private static final Script NEVER_ANSWER = (attempt, observer) -> {};

  private static SessiondOptions.Builder anHour() {
    return SessiondOptions.builder().timeout(AN_HOUR);
  }

  private static void validate(Sessiond sessiond) {
    assertNotNull(sessiond.blocking().validate(ValidateRequest.getDefaultInstance()));
  }

  private static SessionError failureOf(Executable call) {
    return SessionError.from(assertThrows(StatusRuntimeException.class, call)).orElseThrow();
  }

  @Test
  void connectsBeforeTheFirstCallIfItIsPrepared() throws IOException {
    try (var listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      listener.setSoTimeout(30_000);
      try (var sessiond = Sessiond.connect("http://127.0.0.1:" + listener.getLocalPort())) {
        sessiond.prepare();
        listener.accept().close();
      }
    }
  }

  @Test
  void deadlineIsTwoSecondsUnlessTheCallerSetsOne() throws IOException {
    try (var server = new ScriptedServer(SUCCEED);
        var sessiond = Sessiond.connect(server.address())) {
      validate(sessiond);
      assertNotNull(
          sessiond
              .blocking()
              .withDeadlineAfter(1, TimeUnit.HOURS)
              .validate(ValidateRequest.getDefaultInstance()));
      List<Boolean> withinTwoSeconds =
          server.deadlines.stream().map(d -> d.timeRemaining(TimeUnit.SECONDS) <= 2).toList();
      assertEquals(List.of(true, false), withinTwoSeconds);
    }
  }

  @Test
  void deadlineOfTheOptionsEndsACall() throws IOException {
    var options = SessiondOptions.builder().timeout(Duration.ofMillis(200)).build();
    try (var server = new ScriptedServer(NEVER_ANSWER);
        var sessiond = Sessiond.connect(server.address(), options)) {
      assertOutage(Status.Code.DEADLINE_EXCEEDED, failureOf(() -> validate(sessiond)));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Status.Code.class,
      names = {"UNAVAILABLE", "RESOURCE_EXHAUSTED"})
  void idempotentCallIsRetriedTwice(Status.Code code) throws IOException {
    try (var server = new ScriptedServer(failTimes(2, o -> o.onError(failure(code))));
        var sessiond = Sessiond.connect(server.address(), anHour().build())) {
      validate(sessiond);
      assertEquals(3, server.attempts());
    }
  }

  @Test
  void thirdFailureIsReturned() throws IOException {
    try (var server = new ScriptedServer(failTimes(9, o -> o.onError(unavailable(1))));
        var sessiond = Sessiond.connect(server.address(), anHour().build())) {
      SessionError error = failureOf(() -> validate(sessiond));
      assertEquals(ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE, error.reason());
      assertEquals(3, server.attempts());
    }
  }

  @Test
  void otherCodesAreNotRetried() throws IOException {
    try (var server =
            new ScriptedServer(failTimes(1, o -> o.onError(failure(Status.Code.INTERNAL))));
        var sessiond = Sessiond.connect(server.address(), anHour().build())) {
      assertOutage(Status.Code.INTERNAL, failureOf(() -> validate(sessiond)));
      assertEquals(1, server.attempts());
    }
  }

  @Test
  void callsThatAreNotIdempotentAreNotRetried() throws IOException {
    try (var server = new ScriptedServer(failTimes(3, o -> o.onError(unavailable(1))));
        var sessiond = Sessiond.connect(server.address(), anHour().build())) {
      var stub = sessiond.blocking();
      failureOf(() -> stub.create(CreateRequest.getDefaultInstance()));
      failureOf(() -> stub.rotateSession(RotateSessionRequest.getDefaultInstance()));
      failureOf(() -> stub.updateMetadata(UpdateMetadataRequest.getDefaultInstance()));
      assertEquals(3, server.attempts());
    }
  }

  @Test
  void retriesCanBeTurnedOff() throws IOException {
    try (var server = new ScriptedServer(failTimes(1, o -> o.onError(unavailable(1))));
        var sessiond = Sessiond.connect(server.address(), anHour().retry(false).build())) {
      failureOf(() -> validate(sessiond));
      assertEquals(1, server.attempts());
    }
  }

  @Test
  void serverCanForbidARetry() throws IOException {
    StatusRuntimeException failure = failure(Status.Code.UNAVAILABLE);
    failure.getTrailers().put(ScriptedServer.PUSHBACK, "-1");
    try (var server = new ScriptedServer(failTimes(1, o -> o.onError(failure)));
        var sessiond = Sessiond.connect(server.address(), anHour().build())) {
      failureOf(() -> validate(sessiond));
      assertEquals(1, server.attempts());
    }
  }

  /** If the client waited for the deadline, the test would hang. */
  @Test
  void delayPastTheDeadlineReturnsTheErrorAtOnce() throws IOException {
    long twoHours = Duration.ofHours(2).toMillis();
    try (var server = new ScriptedServer(failTimes(1, o -> o.onError(unavailable(twoHours))));
        var sessiond = Sessiond.connect(server.address(), anHour().build())) {
      SessionError error = failureOf(() -> validate(sessiond));
      assertEquals(ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE, error.reason());
      assertEquals(Duration.ofHours(2), error.retryDelay());
      assertEquals(1, server.attempts());
    }
  }

  @Test
  void delayPastTheDeadlineOfTheContextReturnsTheErrorAtOnce() throws Exception {
    var scheduler = java.util.concurrent.Executors.newSingleThreadScheduledExecutor();
    long twoHours = Duration.ofHours(2).toMillis();
    var options = SessiondOptions.builder().timeout(Duration.ofHours(5)).build();
    try (var server = new ScriptedServer(failTimes(1, o -> o.onError(unavailable(twoHours))));
        var sessiond = Sessiond.connect(server.address(), options);
        var context =
            Context.current().withDeadlineAfter(AN_HOUR.toSeconds(), TimeUnit.SECONDS, scheduler)) {
      context.run(
          () ->
              assertEquals(
                  ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE,
                  failureOf(() -> validate(sessiond)).reason()));
    } finally {
      scheduler.shutdownNow();
    }
  }

  @Test
  void tokenIsAskedForAtEachCall() throws IOException {
    AtomicInteger calls = new AtomicInteger();
    var options = anHour().token(() -> "token-" + calls.incrementAndGet()).build();
    try (var server = new ScriptedServer(SUCCEED);
        var sessiond = Sessiond.connect(server.address(), options)) {
      validate(sessiond);
      validate(sessiond);
      assertEquals(List.of("Bearer token-1", "Bearer token-2"), server.authorizations);
    }
  }

  @Test
  void withoutATokenNothingIsSent() throws IOException {
    try (var server = new ScriptedServer(SUCCEED);
        var sessiond = Sessiond.connect(server.address())) {
      validate(sessiond);
      assertEquals(List.of("null"), server.authorizations);
    }
  }

  @Test
  void tokenThatCannotBeMadeIsAnOutage() throws IOException {
    var options = anHour().token(() -> "secret\nline").build();
    try (var server = new ScriptedServer(SUCCEED);
        var sessiond = Sessiond.connect(server.address(), options)) {
      SessionError error = failureOf(() -> validate(sessiond));
      assertOutage(Status.Code.UNAUTHENTICATED, error);
      assertFalse(error.message().contains("secret"));
      assertEquals(0, server.attempts());
    }
  }

  @Test
  void tokenInPlainTextStaysOnThisMachine() {
    var options = SessiondOptions.builder().token("secret").build();
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> Sessiond.connect("http://sessiond.example.com", options).close());
    assertTrue(error.getMessage().contains("https://"));
    assertFalse(error.getMessage().contains("secret"));

    Sessiond.connect("https://sessiond.example.com", options).close();
    Sessiond.connect(
            "http://sessiond.example.com",
            SessiondOptions.builder().token("secret").allowTokenOverPlaintext(true).build())
        .close();
  }

  @Test
  void wrongOptionsAreRefused() {
    var builder = SessiondOptions.builder();
    assertThrows(IllegalArgumentException.class, () -> builder.timeout(Duration.ZERO));
    assertThrows(IllegalArgumentException.class, () -> builder.token(""));
    assertThrows(IllegalArgumentException.class, () -> builder.ca("not a certificate"));
    assertThrows(IllegalArgumentException.class, () -> builder.ca(""));
    var certificate = TestCertificate.create("127.0.0.1");
    assertThrows(
        IllegalArgumentException.class,
        () ->
            Sessiond.connect("http://127.0.0.1", builder.ca(certificate.certificatePem()).build())
                .close());
    var badKey = SessiondOptions.builder().clientCertificate(certificate.certificatePem(), "none");
    assertThrows(
        IllegalArgumentException.class,
        () -> Sessiond.connect("https://127.0.0.1", badKey.build()).close());
  }

  @Test
  void tlsNeedsACertificateOfTheCaForTheHost() throws IOException {
    var certificate = TestCertificate.create("127.0.0.1");
    try (var server = new ScriptedServer(certificate.server(), SUCCEED)) {
      var trusting = anHour().ca(certificate.certificatePem()).build();
      try (var sessiond = Sessiond.connect(server.tlsAddress(), trusting)) {
        validate(sessiond);
      }
      try (var sessiond = Sessiond.connect(server.tlsAddress(), anHour().build())) {
        assertOutage(Status.Code.UNAVAILABLE, failureOf(() -> validate(sessiond)));
      }
      var otherName =
          anHour().ca(certificate.certificatePem()).serverName("sessiond.example.com").build();
      try (var sessiond = Sessiond.connect(server.tlsAddress(), otherName)) {
        assertOutage(Status.Code.UNAVAILABLE, failureOf(() -> validate(sessiond)));
      }
    }
  }

  @Test
  void serverNameReplacesTheHost() throws IOException {
    var certificate = TestCertificate.create("sessiond.example.com");
    var options =
        anHour().ca(certificate.certificatePem()).serverName("sessiond.example.com").build();
    try (var server = new ScriptedServer(certificate.server(), SUCCEED);
        var sessiond = Sessiond.connect(server.tlsAddress(), options)) {
      validate(sessiond);
    }
  }

  @Test
  void clientCertificateIsShown() throws IOException {
    var certificate = TestCertificate.create("127.0.0.1");
    try (var server = new ScriptedServer(certificate.serverThatRequiresIt(), SUCCEED)) {
      var options = anHour().ca(certificate.certificatePem());
      try (var sessiond = Sessiond.connect(server.tlsAddress(), options.build())) {
        assertOutage(Status.Code.UNAVAILABLE, failureOf(() -> validate(sessiond)));
      }
      options.clientCertificate(certificate.certificatePem(), certificate.keyPem());
      try (var sessiond = Sessiond.connect(server.tlsAddress(), options.build())) {
        validate(sessiond);
      }
    }
  }

  @Test
  void plainTextToATlsServerIsAnOutage() throws IOException {
    var certificate = TestCertificate.create("127.0.0.1");
    try (var server = new ScriptedServer(certificate.server(), SUCCEED);
        var sessiond = Sessiond.connect(server.address(), anHour().build())) {
      assertOutage(Status.Code.UNAVAILABLE, failureOf(() -> validate(sessiond)));
    }
  }

  @Test
  void tlsToAPlainTextServerIsAnOutage() throws IOException {
    try (var server = new ScriptedServer(SUCCEED);
        var sessiond = Sessiond.connect(server.tlsAddress(), anHour().build())) {
      assertOutage(Status.Code.UNAVAILABLE, failureOf(() -> validate(sessiond)));
    }
  }

  @Test
  void refusedConnectionIsAnOutage() throws IOException {
    int port;
    try (ServerSocket socket = new ServerSocket(0)) {
      port = socket.getLocalPort();
    }
    try (var sessiond = Sessiond.connect("http://127.0.0.1:" + port, anHour().build())) {
      assertOutage(Status.Code.UNAVAILABLE, failureOf(() -> validate(sessiond)));
    }
  }

  @Test
  void serverThatEndsInMidCallIsAnOutage() throws Exception {
    CountDownLatch arrived = new CountDownLatch(1);
    try (var server = new ScriptedServer((attempt, observer) -> arrived.countDown());
        var sessiond = Sessiond.connect(server.address(), anHour().retry(false).build())) {
      var response = sessiond.future().validate(ValidateRequest.getDefaultInstance());
      arrived.await();
      server.end();
      var failure =
          assertThrows(java.util.concurrent.ExecutionException.class, () -> response.get());
      SessionError error = SessionError.from(failure).orElseThrow();
      assertEquals(503, error.browserStatus());
      assertEquals(0, error.reasonNumber());
    }
  }

  @Test
  void answerThatIsNotGrpcIsAnOutage() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 9, InetAddress.getLoopbackAddress())) {
      new Thread(() -> answerGarbage(socket)).start();
      try (var sessiond =
          Sessiond.connect("http://127.0.0.1:" + socket.getLocalPort(), anHour().build())) {
        assertOutage(Status.Code.INTERNAL, failureOf(() -> validate(sessiond)));
      }
    }
  }

  /** Until the socket is closed. */
  private static void answerGarbage(ServerSocket socket) {
    byte[] garbage = "HTTP/1.1 200 OK\r\n\r\nwelcome".getBytes(StandardCharsets.US_ASCII);
    while (!socket.isClosed()) {
      try (Socket connection = socket.accept()) {
        connection.getOutputStream().write(garbage);
        connection.shutdownOutput();
        // Closing with unread input would reset the connection, and the answer with it.
        connection.getInputStream().readAllBytes();
      } catch (IOException e) {
        // The client has gone, or the test has ended.
      }
    }
  }

  @Test
  void callerCanCancel() throws Exception {
    CountDownLatch arrived = new CountDownLatch(1);
    try (var server = new ScriptedServer((attempt, observer) -> arrived.countDown());
        var sessiond = Sessiond.connect(server.address(), anHour().build());
        var context = Context.current().withCancellation()) {
      Thread canceller =
          new Thread(
              () -> {
                try {
                  arrived.await();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
                context.cancel(null);
              });
      canceller.start();
      context.run(
          () -> assertEquals(Status.Code.CANCELLED, failureOf(() -> validate(sessiond)).code()));
      canceller.join();
    }
  }

  private static void assertOutage(Status.Code code, SessionError error) {
    assertEquals(code, error.code());
    assertEquals(0, error.reasonNumber());
    assertEquals(503, error.browserStatus());
  }
}
