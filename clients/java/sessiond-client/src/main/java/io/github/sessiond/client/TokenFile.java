package io.github.sessiond.client;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Supplier;

/**
 * The token in a file, which is read again when a time has passed. Its content decides, not its
 * time of modification: a file can change twice within one tick of that.
 */
final class TokenFile implements Supplier<String> {
  private static final Duration REREAD_AFTER = Duration.ofSeconds(1);

  private record Read(String token, long atNanos) {}

  private final Path path;
  private final long rereadAfterNanos;
  private volatile Read last;

  /**
   * @throws UnusableException if the file has no token
   */
  TokenFile(Path path) {
    this(path, REREAD_AFTER);
  }

  TokenFile(Path path, Duration rereadAfter) {
    this.path = path;
    this.rereadAfterNanos = rereadAfter.toNanos();
    this.last = read();
  }

  /**
   * Returns the token.
   *
   * @throws UnusableException if the file has no token; the next call reads it again
   */
  @Override
  public String get() {
    Read current = last;
    if (System.nanoTime() - current.atNanos >= rereadAfterNanos) {
      current = read();
      last = current;
    }
    return current.token;
  }

  private Read read() {
    long now = System.nanoTime();
    String token;
    try {
      // Bytes that are not ASCII become characters that requireValid refuses.
      token = new String(Files.readAllBytes(path), StandardCharsets.ISO_8859_1).strip();
    } catch (IOException e) {
      throw new UnusableException(
          "the token file " + path + " cannot be read: " + e.getClass().getSimpleName());
    }
    try {
      return new Read(BearerToken.requireValid(token), now);
    } catch (IllegalArgumentException e) {
      throw new UnusableException(
          "the token file " + path + " must have visible ASCII characters only, and at least one");
    }
  }

  /** Its message names the file, and has nothing of its content. */
  static final class UnusableException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private UnusableException(String message) {
      super(message);
    }
  }
}
