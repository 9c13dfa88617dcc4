package io.github.sessiond.client;

import com.google.common.net.InetAddresses;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Locale;

/**
 * Where sessiond is.
 *
 * @param target what gRPC resolves
 * @param security whether the connection is encrypted
 * @param local whether what is sent stays on this machine
 */
record Address(String target, Security security, boolean local) {
  private static final String EXPECTED =
      "the address must be http://host[:port] or https://host[:port]";

  /**
   * @param security for a gRPC target; null if only http and https are allowed
   */
  static Address parse(String address, Security security) {
    String scheme = scheme(address);
    if (security != null && !scheme.equals("http") && !scheme.equals("https")) {
      return new Address(address, security, scheme.equals("unix"));
    }
    Address parsed = parseUrl(address, scheme);
    if (security != null && security != parsed.security) {
      throw new IllegalArgumentException(
          "the address has the scheme " + scheme + ", but the option security is " + security);
    }
    return parsed;
  }

  private static String scheme(String address) {
    int colon = address.indexOf(':');
    return colon < 0 ? "" : address.substring(0, colon).toLowerCase(Locale.ROOT);
  }

  private static Address parseUrl(String address, String scheme) {
    Security security =
        switch (scheme) {
          case "http" -> Security.PLAINTEXT;
          case "https" -> Security.TLS;
          default ->
              throw wrong("it has no such scheme (for a gRPC target, set the option security)");
        };
    URI url;
    try {
      url = new URI(address);
    } catch (URISyntaxException e) {
      throw wrong("it is not a URL");
    }
    if (url.getRawUserInfo() != null || address.contains("@")) {
      throw wrong("it has a user; credentials belong in the option token");
    }
    if (url.getHost() == null) {
      throw wrong("its host is missing or not a valid host name");
    }
    if (url.getRawPath() != null && !url.getRawPath().isEmpty() && !url.getRawPath().equals("/")) {
      throw wrong("it has a path");
    }
    if (url.getRawQuery() != null || url.getRawFragment() != null) {
      throw wrong("it has a query or a fragment");
    }
    int port = url.getPort() != -1 ? url.getPort() : security == Security.TLS ? 443 : 80;
    if (port < 1 || port > 65535) {
      throw wrong("its port is not from 1 to 65535");
    }
    return new Address("dns:///" + url.getHost() + ":" + port, security, isLoopback(url.getHost()));
  }

  private static boolean isLoopback(String host) {
    String name = host.toLowerCase(Locale.ROOT);
    if (name.equals("localhost") || name.endsWith(".localhost")) {
      return true;
    }
    if (!InetAddresses.isUriInetAddress(name)) {
      return false;
    }
    InetAddress address = InetAddresses.forUriString(name);
    return address.isLoopbackAddress();
  }

  /** Without the address itself, which may have credentials in it. */
  private static IllegalArgumentException wrong(String problem) {
    return new IllegalArgumentException(EXPECTED + ": " + problem);
  }
}
