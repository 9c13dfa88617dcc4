package io.github.sessiond.servlet;

import jakarta.servlet.http.HttpServletRequest;
import java.net.URLDecoder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Forms of the media type application/x-www-form-urlencoded. */
final class Form {
  private Form() {}

  static boolean isForm(HttpServletRequest request) {
    String contentType = request.getContentType();
    if (contentType == null) {
      return false;
    }
    String mediaType = contentType.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
    return mediaType.equals("application/x-www-form-urlencoded");
  }

  /** The fields by name, in the order of the text. What cannot be decoded is left out. */
  static Map<String, List<String>> parse(String text, Charset charset) {
    Map<String, List<String>> fields = new LinkedHashMap<>();
    for (String pair : text.split("&")) {
      String[] parts = pair.split("=", 2);
      if (pair.isEmpty()) {
        continue;
      }
      try {
        String name = URLDecoder.decode(parts[0], charset);
        String value = parts.length == 1 ? "" : URLDecoder.decode(parts[1], charset);
        fields.computeIfAbsent(name, none -> new ArrayList<>()).add(value);
      } catch (IllegalArgumentException e) {
        // A broken escape sequence.
      }
    }
    return fields;
  }

  /**
   * A field of a form that the container has parsed. Its values begin with those of the query
   * string, which do not count.
   */
  static Optional<String> parsedField(HttpServletRequest request, String name) {
    String[] values = request.getParameterValues(name);
    String query = request.getQueryString();
    int inQuery =
        query == null
            ? 0
            : parse(query, StandardCharsets.UTF_8).getOrDefault(name, List.of()).size();
    return values == null || values.length <= inQuery
        ? Optional.empty()
        : Optional.of(values[inQuery]);
  }
}
