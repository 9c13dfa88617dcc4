package io.github.sessiond.servlet;

import jakarta.servlet.ReadListener;
import jakarta.servlet.ServletInputStream;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.SequenceInputStream;
import java.nio.charset.Charset;
import java.nio.charset.IllegalCharsetNameException;
import java.nio.charset.StandardCharsets;
import java.nio.charset.UnsupportedCharsetException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A request with a form whose body has been read, and can be read again: as parameters and as a
 * body.
 */
final class BufferedFormRequest extends HttpServletRequestWrapper {
  private final InputStream body;
  private final Map<String, List<String>> form;
  private ServletInputStream stream;
  private BufferedReader reader;
  private Map<String, String[]> parameters;

  private BufferedFormRequest(
      HttpServletRequest request, InputStream body, Map<String, List<String>> form) {
    super(request);
    this.body = body;
    this.form = form;
  }

  /**
   * Reads the form.
   *
   * @param limitBytes of a larger form, no field is read, but the body still can be
   */
  static BufferedFormRequest read(HttpServletRequest request, int limitBytes) throws IOException {
    InputStream original = request.getInputStream();
    byte[] start = original.readNBytes(limitBytes);
    int next = start.length < limitBytes ? -1 : original.read();
    InputStream body = new ByteArrayInputStream(start);
    if (next == -1) {
      Charset charset = charset(request);
      return new BufferedFormRequest(
          request, body, Form.parse(new String(start, charset), charset));
    }
    InputStream rest =
        new SequenceInputStream(new ByteArrayInputStream(new byte[] {(byte) next}), original);
    return new BufferedFormRequest(request, new SequenceInputStream(body, rest), Map.of());
  }

  Optional<String> formField(String name) {
    return form.getOrDefault(name, List.of()).stream().findFirst();
  }

  @Override
  public ServletInputStream getInputStream() {
    if (reader != null) {
      throw new IllegalStateException("getReader has been called");
    }
    if (stream == null) {
      stream = new BodyStream(body);
    }
    return stream;
  }

  @Override
  public BufferedReader getReader() {
    if (stream != null) {
      throw new IllegalStateException("getInputStream has been called");
    }
    if (reader == null) {
      reader = new BufferedReader(new InputStreamReader(body, charset(this)));
    }
    return reader;
  }

  @Override
  public String getParameter(String name) {
    String[] values = getParameterMap().get(name);
    return values == null ? null : values[0];
  }

  @Override
  public String[] getParameterValues(String name) {
    String[] values = getParameterMap().get(name);
    return values == null ? null : values.clone();
  }

  @Override
  public Enumeration<String> getParameterNames() {
    return Collections.enumeration(getParameterMap().keySet());
  }

  /** Those of the query string, which the container has parsed, before those of the form. */
  @Override
  public Map<String, String[]> getParameterMap() {
    if (parameters == null) {
      Map<String, List<String>> merged = new LinkedHashMap<>();
      super.getParameterMap()
          .forEach((name, values) -> merged.put(name, new ArrayList<>(List.of(values))));
      form.forEach(
          (name, values) -> merged.computeIfAbsent(name, none -> new ArrayList<>()).addAll(values));
      Map<String, String[]> arrays = new LinkedHashMap<>();
      merged.forEach((name, values) -> arrays.put(name, values.toArray(String[]::new)));
      parameters = Collections.unmodifiableMap(arrays);
    }
    return parameters;
  }

  private static Charset charset(HttpServletRequest request) {
    try {
      String name = request.getCharacterEncoding();
      return name == null ? StandardCharsets.UTF_8 : Charset.forName(name);
    } catch (IllegalCharsetNameException | UnsupportedCharsetException e) {
      return StandardCharsets.UTF_8;
    }
  }

  private static final class BodyStream extends ServletInputStream {
    private final InputStream body;
    private boolean finished;

    private BodyStream(InputStream body) {
      this.body = body;
    }

    @Override
    public int read() throws IOException {
      int value = body.read();
      finished = value == -1;
      return value;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
      int count = body.read(bytes, offset, length);
      finished = count == -1;
      return count;
    }

    @Override
    public int available() throws IOException {
      return body.available();
    }

    @Override
    public boolean isFinished() {
      return finished;
    }

    @Override
    public boolean isReady() {
      return true;
    }

    /** The body is here already, so the listener is told at once. */
    @Override
    public void setReadListener(ReadListener listener) {
      try {
        listener.onDataAvailable();
        if (finished) {
          listener.onAllDataRead();
        }
      } catch (IOException e) {
        listener.onError(e);
      }
    }
  }
}
