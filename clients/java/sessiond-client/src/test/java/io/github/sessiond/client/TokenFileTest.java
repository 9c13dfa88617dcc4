package io.github.sessiond.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sessiond.v1.ValidateRequest;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The time limit only ends a test that hangs. */
@Timeout(60)
class TokenFileTest {
  @TempDir Path directory;

  private Path write(String token) throws IOException {
    return Files.writeString(directory.resolve("token"), token);
  }

  private static void validate(Sessiond sessiond) {
    assertNotNull(sessiond.blocking().validate(ValidateRequest.getDefaultInstance()));
  }

  private static SessiondOptions.Builder anHour() {
    return SessiondOptions.builder().timeout(Duration.ofHours(1));
  }

  @Test
  void newTokenIsSentOverTheSameConnection() throws IOException {
    Path file = write("one\n");
    var options = anHour().token(new TokenFile(file, Duration.ZERO)).build();
    try (var server = new ScriptedServer((attempt, observer) -> observer.onCompleted());
        var sessiond = Sessiond.connect(server.address(), options)) {
      validate(sessiond);
      // Kubernetes replaces the directory to which the file's link leads.
      Path replacement = Files.writeString(directory.resolve("new"), "  two\n");
      Files.move(replacement, file, StandardCopyOption.REPLACE_EXISTING);
      validate(sessiond);
      write("six");
      validate(sessiond);
      assertEquals(List.of("Bearer one", "Bearer two", "Bearer six"), server.authorizations);
      assertEquals(1, server.peers.stream().distinct().count());
    }
  }

  @Test
  void fileIsNotReadAtEachCall() throws IOException {
    Path file = write("one");
    var token = new TokenFile(file, Duration.ofHours(1));
    Files.delete(file);
    assertEquals("one", token.get());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " \n", "secret token", "secrét", "secret\nline"})
  void contentThatIsNoTokenIsRefusedWithoutShowingIt(String content) throws IOException {
    Path file = write("fine");
    var token = new TokenFile(file, Duration.ZERO);
    var options = anHour().token(token).build();
    write(content);
    var refused =
        assertThrows(
            IllegalArgumentException.class, () -> SessiondOptions.builder().tokenFile(file));
    assertNames(file, refused.getMessage());
    try (var server = new ScriptedServer((attempt, observer) -> observer.onCompleted());
        var sessiond = Sessiond.connect(server.address(), options)) {
      var failure = assertThrows(StatusRuntimeException.class, () -> validate(sessiond));
      assertNames(file, failure.getMessage());
      assertEquals(503, SessionError.from(failure).orElseThrow().browserStatus());
      assertEquals(0, server.attempts());
      write("back");
      validate(sessiond);
      assertEquals(List.of("Bearer back"), server.authorizations);
    }
  }

  @Test
  void missingFileIsNamed() throws IOException {
    Path file = write("one");
    var token = new TokenFile(file, Duration.ZERO);
    Files.delete(file);
    assertNames(file, assertThrows(IllegalArgumentException.class, token::get).getMessage());
  }

  @Test
  void tokenInPlainTextStaysOnThisMachine() throws IOException {
    var options = SessiondOptions.builder().tokenFile(write("secret")).build();
    var refused =
        assertThrows(
            IllegalArgumentException.class,
            () -> Sessiond.connect("http://sessiond.example.com", options).close());
    assertTrue(refused.getMessage().contains("https://"), refused.getMessage());
    Sessiond.connect("https://sessiond.example.com", options).close();
  }

  private static void assertNames(Path file, String message) {
    assertTrue(message.contains(file.toString()), message);
    assertFalse(message.contains("secr"), message);
  }
}
