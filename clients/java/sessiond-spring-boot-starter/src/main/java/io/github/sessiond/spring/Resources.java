package io.github.sessiond.spring;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.springframework.core.io.Resource;

final class Resources {
  private Resources() {}

  static Path path(Resource file) {
    try {
      return file.getFile().toPath();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static String text(Resource resource) {
    try {
      return resource.getContentAsString(StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
