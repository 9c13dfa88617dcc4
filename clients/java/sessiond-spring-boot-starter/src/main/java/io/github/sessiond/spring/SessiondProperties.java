package io.github.sessiond.spring;

import io.github.sessiond.client.SessiondOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.core.io.Resource;

/**
 * The properties {@code sessiond.*}. Path patterns are those of Spring MVC, such as {@code /me} or
 * {@code /account/**}.
 *
 * @param address where sessiond is: {@code http://host[:port]} or {@code https://host[:port]}
 * @param timeout the deadline of a call, retries included
 * @param token a bearer token for each call; null for none
 * @param tokenFile a file with the token, which is read again when it changes; null for none
 * @param ca the certificates that sign the server's, in PEM; null for those of the JVM. A file is
 *     read again when it changes
 * @param clientCertificateFile a file with the certificate of this client, in PEM, which is read
 *     again when it changes; null for none
 * @param clientKeyFile a file with its key, in PEM
 * @param tenant accepts only sessions of this tenant; null for any
 * @param required paths that need a login
 * @param optional paths that use a session if there is one
 * @param excluded exceptions to the required and the optional paths, such as the login form
 */
@ConfigurationProperties("sessiond")
public record SessiondProperties(
    @DefaultValue("http://127.0.0.1:8480") String address,
    @DefaultValue("2s") Duration timeout,
    String token,
    Path tokenFile,
    Resource ca,
    Path clientCertificateFile,
    Path clientKeyFile,
    String tenant,
    @DefaultValue List<String> required,
    @DefaultValue List<String> optional,
    @DefaultValue List<String> excluded) {
  /** Without the token. */
  @Override
  public String toString() {
    return "SessiondProperties[address=" + address + "]";
  }

  SessiondOptions.Builder clientOptions() {
    SessiondOptions.Builder options = SessiondOptions.builder().timeout(timeout);
    if (token != null && tokenFile != null) {
      throw new IllegalArgumentException(
          "sessiond.token and sessiond.token-file must not be set together");
    }
    if (token != null) {
      options.token(token);
    }
    if (tokenFile != null) {
      options.tokenFile(tokenFile);
    }
    if (ca != null && ca.isFile()) {
      options.caFile(Resources.path(ca));
    } else if (ca != null) {
      options.ca(Resources.text(ca));
    }
    if ((clientCertificateFile == null) != (clientKeyFile == null)) {
      throw new IllegalArgumentException(
          "sessiond.client-certificate-file and sessiond.client-key-file must be set together");
    }
    if (clientCertificateFile != null) {
      options.clientCertificateFiles(clientCertificateFile, clientKeyFile);
    }
    return options;
  }
}
