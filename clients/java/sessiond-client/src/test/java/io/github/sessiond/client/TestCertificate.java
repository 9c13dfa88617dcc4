package io.github.sessiond.client;

import io.grpc.ServerCredentials;
import io.grpc.TlsServerCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;

/** A certificate that signs itself, and its key. */
record TestCertificate(String certificatePem, String keyPem) {
  private static final String PASSWORD = "changeit";

  /** Makes one with the JDK's keytool. */
  static TestCertificate create(String host) {
    try {
      Path directory = Files.createTempDirectory("certificate-");
      Path file = directory.resolve("store.p12");
      try {
        String kind = Character.isDigit(host.charAt(0)) ? "ip:" : "dns:";
        Process keytool =
            new ProcessBuilder(
                    Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                    "-genkeypair",
                    "-alias",
                    "test",
                    "-keyalg",
                    "EC",
                    "-dname",
                    "CN=test",
                    "-ext",
                    "SAN=" + kind + host,
                    "-storetype",
                    "PKCS12",
                    "-keystore",
                    file.toString(),
                    "-storepass",
                    PASSWORD)
                .redirectErrorStream(true)
                .start();
        byte[] output = keytool.getInputStream().readAllBytes();
        if (keytool.waitFor() != 0) {
          throw new IllegalStateException(new String(output, StandardCharsets.UTF_8));
        }
        KeyStore store = KeyStore.getInstance(file.toFile(), PASSWORD.toCharArray());
        return new TestCertificate(
            pem("CERTIFICATE", store.getCertificate("test").getEncoded()),
            pem("PRIVATE KEY", store.getKey("test", PASSWORD.toCharArray()).getEncoded()));
      } finally {
        Files.deleteIfExists(file);
        Files.delete(directory);
      }
    } catch (IOException | GeneralSecurityException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  ServerCredentials server() throws IOException {
    return TlsServerCredentials.create(stream(certificatePem), stream(keyPem));
  }

  /** Credentials of a server that accepts only clients with this certificate. */
  ServerCredentials serverThatRequiresIt() throws IOException {
    return TlsServerCredentials.newBuilder()
        .keyManager(stream(certificatePem), stream(keyPem))
        .trustManager(stream(certificatePem))
        .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
        .build();
  }

  private static InputStream stream(String pem) {
    return new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII));
  }

  private static String pem(String kind, byte[] content) {
    String lines = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
    return "-----BEGIN " + kind + "-----\n" + lines + "\n-----END " + kind + "-----\n";
  }
}
