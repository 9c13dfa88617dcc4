package io.github.sessiond.client;

import io.grpc.util.AdvancedTlsX509KeyManager;
import io.grpc.util.AdvancedTlsX509TrustManager;
import io.grpc.util.CertificateUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import javax.net.ssl.KeyManager;
import javax.net.ssl.TrustManager;

/**
 * Certificates from files, which are read again every few seconds for connections to come. As long
 * as new files are not complete, the former certificates stay in use.
 */
final class CertificateFiles implements AutoCloseable {
  private static final Duration PERIOD = Duration.ofSeconds(5);
  private static final Logger LOGGER = Logger.getLogger(CertificateFiles.class.getName());

  private final Path ca;
  private final Path certificate;
  private final Path key;
  private final AdvancedTlsX509TrustManager trustManager;
  private final AdvancedTlsX509KeyManager keyManager;
  private ScheduledExecutorService executor;
  private List<byte[]> contents = List.of();
  private String problem;

  /**
   * @param ca null if the certificates that sign the server's are no file
   * @param certificate null if the client has none, or not in files
   * @param key null if there is no certificate
   * @throws IllegalArgumentException if a file cannot be used
   */
  CertificateFiles(Path ca, Path certificate, Path key) {
    this.ca = ca;
    this.certificate = certificate;
    this.key = key;
    try {
      trustManager = ca == null ? null : AdvancedTlsX509TrustManager.newBuilder().build();
      keyManager = certificate == null ? null : new AdvancedTlsX509KeyManager();
      update();
    } catch (IOException | GeneralSecurityException | RuntimeException e) {
      throw new IllegalArgumentException(describe(e), e);
    }
  }

  /** Null if there is no file of certificates that sign the server's. */
  TrustManager trustManager() {
    return trustManager;
  }

  /** Null if there is no file with a client certificate. */
  KeyManager keyManager() {
    return keyManager;
  }

  /** Reads the files again from now on, until this is closed. */
  void start() {
    executor =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "sessiond-certificate-files");
              thread.setDaemon(true);
              return thread;
            });
    executor.scheduleWithFixedDelay(
        this::reread, PERIOD.toMillis(), PERIOD.toMillis(), TimeUnit.MILLISECONDS);
  }

  synchronized void reread() {
    String found = null;
    try {
      update();
    } catch (IOException | GeneralSecurityException | RuntimeException e) {
      found = describe(e);
      if (!found.equals(problem)) {
        LOGGER.log(Level.WARNING, "The former certificates stay in use: {0}", found);
      }
    }
    problem = found;
  }

  @Override
  public void close() {
    if (executor != null) {
      executor.shutdownNow();
    }
  }

  private void update() throws IOException, GeneralSecurityException {
    List<byte[]> read = new ArrayList<>();
    for (Path path : Arrays.asList(ca, certificate, key)) {
      read.add(path == null ? new byte[0] : Files.readAllBytes(path));
    }
    if (Arrays.deepEquals(read.toArray(), contents.toArray())) {
      return;
    }
    X509Certificate[] authorities = certificates(read.get(0), ca);
    X509Certificate[] chain = certificates(read.get(1), certificate);
    if (chain != null) {
      PrivateKey privateKey = CertificateUtils.getPrivateKey(new ByteArrayInputStream(read.get(2)));
      requirePair(chain[0], privateKey);
      keyManager.updateIdentityCredentials(chain, privateKey);
    }
    if (authorities != null) {
      trustManager.updateTrustCredentials(authorities);
    }
    contents = read;
  }

  private static X509Certificate[] certificates(byte[] pem, Path path)
      throws GeneralSecurityException {
    if (path == null) {
      return null;
    }
    X509Certificate[] certificates =
        CertificateUtils.getX509Certificates(new ByteArrayInputStream(pem));
    if (certificates.length == 0) {
      throw new GeneralSecurityException(path + " has no certificate");
    }
    return certificates;
  }

  /** Between the replacements of the two files, one is new and the other is not. */
  private static void requirePair(X509Certificate certificate, PrivateKey key)
      throws GeneralSecurityException {
    String algorithm =
        switch (key.getAlgorithm()) {
          case "EC" -> "SHA256withECDSA";
          case "RSA" -> "SHA256withRSA";
          default -> key.getAlgorithm();
        };
    byte[] text = {1};
    Signature signature = Signature.getInstance(algorithm);
    signature.initSign(key);
    signature.update(text);
    byte[] signed = signature.sign();
    signature.initVerify(certificate.getPublicKey());
    signature.update(text);
    if (!signature.verify(signed)) {
      throw new GeneralSecurityException("the key is not that of the certificate");
    }
  }

  private String describe(Exception e) {
    List<String> files = new ArrayList<>();
    for (Path path : Arrays.asList(ca, certificate, key)) {
      if (path != null) {
        files.add(path.toString());
      }
    }
    return "one of the files "
        + String.join(", ", files)
        + " cannot be used (certificates must be PEM, the key PKCS#8 without a password): "
        + e.getClass().getSimpleName()
        + ": "
        + e.getMessage();
  }
}
