package io.github.sessiond.servlet;

import com.google.common.net.InetAddresses;
import jakarta.servlet.http.HttpServletRequest;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.Optional;
import java.util.stream.Collectors;

/** What a request says of the browser, as text that a message of Protobuf can have. */
final class Browser {
  private static final int MAX_USER_AGENT_LENGTH = 512;

  private Browser() {}

  /** The whole Cookie header, or an empty text. */
  static String cookieHeader(HttpServletRequest request) {
    return Collections.list(request.getHeaders("Cookie")).stream()
        .map(Browser::decode)
        .collect(Collectors.joining("; "));
  }

  /** The value of the first cookie of this name. */
  static Optional<String> cookie(String cookieHeader, String name) {
    String prefix = name + "=";
    return Arrays.stream(cookieHeader.split(";"))
        .map(String::strip)
        .filter(pair -> pair.startsWith(prefix))
        .map(pair -> pair.substring(prefix.length()))
        .findFirst();
  }

  static String userAgent(HttpServletRequest request) {
    String userAgent = decode(request.getHeader("User-Agent"));
    return userAgent.codePointCount(0, userAgent.length()) <= MAX_USER_AGENT_LENGTH
        ? userAgent
        : userAgent.substring(0, userAgent.offsetByCodePoints(0, MAX_USER_AGENT_LENGTH));
  }

  /** The address in its usual form, without brackets and zone; empty if it is none. */
  static String ipAddress(String text) {
    if (text == null) {
      return "";
    }
    String address = text.strip();
    if (address.startsWith("[") && address.endsWith("]")) {
      address = address.substring(1, address.length() - 1);
    }
    int zone = address.indexOf('%');
    if (zone >= 0) {
      address = address.substring(0, zone);
    }
    // Guava takes digits of other scripts for an address, too.
    return InetAddresses.isInetAddress(address)
        ? InetAddresses.toAddrString(InetAddresses.forString(address))
        : "";
  }

  /**
   * The text of a header. Containers return a character for each byte, but some of them decode
   * UTF-8 by themselves. What is not UTF-8 becomes U+FFFD.
   */
  static String decode(String header) {
    if (header == null) {
      return "";
    }
    boolean isBytes = header.chars().allMatch(c -> c <= 0xff);
    byte[] bytes = header.getBytes(isBytes ? StandardCharsets.ISO_8859_1 : StandardCharsets.UTF_8);
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
