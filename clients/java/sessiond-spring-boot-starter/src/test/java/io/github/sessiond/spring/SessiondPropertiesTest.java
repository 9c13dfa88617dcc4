package io.github.sessiond.spring;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sessiond.client.Sessiond;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;

class SessiondPropertiesTest {
  @TempDir Path directory;

  private static void connect(Map<String, ?> settings) {
    var source = new MapConfigurationPropertySource(settings);
    var properties = new Binder(source).bindOrCreate("sessiond", SessiondProperties.class);
    Sessiond.connect(properties.address(), properties.clientOptions().build()).close();
  }

  private static void assertRefused(String part, Executable connect) {
    var refused = assertThrows(IllegalArgumentException.class, connect);
    assertTrue(refused.getMessage().contains(part), refused.getMessage());
  }

  @Test
  void tokenFileIsUsedUnlessThereIsAToken() throws Exception {
    Path file = directory.resolve("token");
    assertRefused(file.toString(), () -> connect(Map.of("sessiond.token-file", file)));
    Files.writeString(file, "secret");
    connect(Map.of("sessiond.token-file", file));
    assertRefused(
        "sessiond.token-file must not be set together",
        () -> connect(Map.of("sessiond.token-file", file, "sessiond.token", "other")));
  }

  @Test
  void certificateFilesAreUsed() {
    Path missing = directory.resolve("missing");
    String address = "https://127.0.0.1";
    assertRefused(
        missing.toString(),
        () -> connect(Map.of("sessiond.address", address, "sessiond.ca", "file:" + missing)));
    assertRefused(
        missing.toString(),
        () ->
            connect(
                Map.of(
                    "sessiond.address", address,
                    "sessiond.client-certificate-file", missing,
                    "sessiond.client-key-file", missing)));
    assertRefused(
        "must be set together", () -> connect(Map.of("sessiond.client-key-file", missing)));
  }
}
