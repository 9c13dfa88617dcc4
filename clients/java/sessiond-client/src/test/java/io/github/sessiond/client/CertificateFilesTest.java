package io.github.sessiond.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sessiond.v1.ValidateRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.util.CertificateUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import javax.net.ssl.X509KeyManager;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The time limit only ends a test that hangs. */
@Timeout(60)
class CertificateFilesTest {
  private static final TestCertificate ONE = TestCertificate.create("127.0.0.1");
  private static final TestCertificate TWO = TestCertificate.create("127.0.0.1");

  @TempDir Path directory;

  private Path write(String name, String content) throws IOException {
    return Files.writeString(directory.resolve(name), content);
  }

  private SessiondOptions.Builder options(TestCertificate ca, TestCertificate client)
      throws IOException {
    return SessiondOptions.builder()
        .timeout(Duration.ofSeconds(30))
        .caFile(write("ca.pem", ca.certificatePem()))
        .clientCertificateFiles(
            write("cert.pem", client.certificatePem()), write("key.pem", client.keyPem()));
  }

  /** The server is TWO, and accepts only TWO. */
  private void assertConnectsAfterAChange(TestCertificate ca, TestCertificate client)
      throws IOException {
    try (var server =
            new ScriptedServer(
                TWO.serverThatRequiresIt(), (attempt, observer) -> observer.onCompleted());
        var sessiond = Sessiond.connect(server.tlsAddress(), options(ca, client).build())) {
      var request = ValidateRequest.getDefaultInstance();
      var failure =
          assertThrows(StatusRuntimeException.class, () -> sessiond.blocking().validate(request));
      assertEquals(Status.Code.UNAVAILABLE, failure.getStatus().getCode());
      options(TWO, TWO);
      sessiond.certificateFiles().reread();
      assertNotNull(sessiond.blocking().withWaitForReady().validate(request));
    }
  }

  @Test
  void newClientCertificateIsShownToNewConnections() throws IOException {
    assertConnectsAfterAChange(TWO, ONE);
  }

  @Test
  void newCaVerifiesNewConnections() throws IOException {
    assertConnectsAfterAChange(ONE, TWO);
  }

  @Test
  void certificateForAnotherNameIsRefused() throws IOException {
    var options = options(TWO, TWO).serverName("sessiond.example.com").build();
    try (var server =
            new ScriptedServer(TWO.server(), (attempt, observer) -> observer.onCompleted());
        var sessiond = Sessiond.connect(server.tlsAddress(), options)) {
      var failure =
          assertThrows(
              StatusRuntimeException.class,
              () -> sessiond.blocking().validate(ValidateRequest.getDefaultInstance()));
      assertEquals(Status.Code.UNAVAILABLE, failure.getStatus().getCode());
    }
  }

  @Test
  void formerCertificateStaysInUseUntilTheFilesAreComplete() throws Exception {
    List<String> logged = new ArrayList<>();
    Logger logger = Logger.getLogger(CertificateFiles.class.getName());
    Handler handler = new Collector(logged);
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
    try (var sessiond = Sessiond.connect("https://127.0.0.1", options(ONE, ONE).build())) {
      CertificateFiles files = sessiond.certificateFiles();
      write("key.pem", TWO.keyPem());
      files.reread();
      files.reread();
      assertInUse(ONE, files);
      Files.delete(directory.resolve("key.pem"));
      files.reread();
      assertInUse(ONE, files);
      options(ONE, TWO);
      files.reread();
      assertInUse(TWO, files);
    } finally {
      logger.removeHandler(handler);
      logger.setUseParentHandlers(true);
    }
    assertEquals(2, logged.size(), logged.toString());
    assertTrue(logged.get(0).contains("the key is not that of the certificate"), logged.get(0));
    assertTrue(logged.get(1).contains("NoSuchFile"), logged.get(1));
  }

  @Test
  void wrongFilesAreNamed() throws IOException {
    for (String name : List.of("ca.pem", "cert.pem", "key.pem")) {
      for (String content : List.of("", "none", "-----BEGIN PRIVATE KEY-----\n:secret:\n")) {
        var options = options(ONE, ONE).build();
        Path file = write(name, content);
        var refused =
            assertThrows(
                IllegalArgumentException.class,
                () -> Sessiond.connect("https://127.0.0.1", options).close(),
                name + " with " + content);
        assertTrue(refused.getMessage().contains(file.toString()), refused.getMessage());
        assertFalse(refused.getMessage().contains("secret"), refused.getMessage());
      }
    }
    var options = options(ONE, ONE).build();
    assertThrows(
        IllegalArgumentException.class,
        () -> Sessiond.connect("http://127.0.0.1", options).close());
  }

  private static void assertInUse(TestCertificate expected, CertificateFiles files)
      throws CertificateException {
    var keyManager = (X509KeyManager) files.keyManager();
    String alias = keyManager.chooseClientAlias(new String[] {"EC"}, null, null);
    var pem =
        new ByteArrayInputStream(expected.certificatePem().getBytes(StandardCharsets.US_ASCII));
    assertArrayEquals(
        CertificateUtils.getX509Certificates(pem), keyManager.getCertificateChain(alias));
  }

  private static final class Collector extends Handler {
    private final List<String> messages;

    private Collector(List<String> messages) {
      this.messages = messages;
    }

    @Override
    public void publish(LogRecord record) {
      messages.add(String.valueOf(record.getParameters()[0]));
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }
}
