package io.github.sessiond.client.testing;

import io.github.sessiond.client.Sessiond;
import io.github.sessiond.client.SessiondOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A real sessiond with an empty database of its own, for tests. Start one for a test class, and
 * close it afterwards.
 */
public final class TestSessiond implements AutoCloseable {
  private static final Pattern LISTENS = Pattern.compile("listens on (\\S+)");

  /** So long that a busy machine fails no test. */
  private static final Duration CLIENT_TIMEOUT = Duration.ofSeconds(30);

  private final Process process;
  private final Path directory;
  private final Thread shutdownHook;
  private final String url;
  private final Sessiond client;
  private boolean stopped;

  private TestSessiond(Process process, Path directory, Thread shutdownHook, String url) {
    this.process = process;
    this.directory = directory;
    this.shutdownHook = shutdownHook;
    this.url = url;
    this.client = Sessiond.connect(url, SessiondOptions.builder().timeout(CLIENT_TIMEOUT).build());
  }

  /**
   * Starts sessiond with its default settings.
   *
   * @return sessiond, ready for calls
   * @throws IllegalStateException if it does not start; the message has what it has written
   */
  public static TestSessiond start() {
    return builder().start();
  }

  /**
   * Starts with the default settings.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * The address, for {@link Sessiond#connect(String)}.
   *
   * @return a URL such as {@code http://127.0.0.1:12345}
   */
  public String url() {
    return url;
  }

  /**
   * A client of it, which is closed with it. Its calls have a deadline of 30 seconds.
   *
   * @return the client
   */
  public Sessiond client() {
    return client;
  }

  /** Stops sessiond, and deletes its database. Does nothing if it has been stopped. */
  public synchronized void stop() {
    if (stopped) {
      return;
    }
    stopped = true;
    client.close();
    terminate(process, directory);
    Runtime.getRuntime().removeShutdownHook(shutdownHook);
  }

  /** The same as {@link #stop()}. */
  @Override
  public void close() {
    stop();
  }

  /** What to start. Each method returns the builder. */
  public static final class Builder {
    private final Map<String, String> settings = new HashMap<>();
    private List<String> command = defaultCommand();
    private Duration startTimeout = Duration.ofSeconds(60);

    private Builder() {}

    /**
     * The command that starts sessiond.
     *
     * @param command the program and its arguments; by default the environment variable {@code
     *     SESSIOND_COMMAND}, split on spaces, or {@code npx --no sessiond}
     * @return this builder
     */
    public Builder command(String... command) {
      this.command = List.of(command);
      return this;
    }

    /**
     * A setting of sessiond.
     *
     * @param name its environment variable, such as {@code SESSIOND_IDLE_TIMEOUT}
     * @param value its value
     * @return this builder
     */
    public Builder setting(String name, String value) {
      settings.put(name, value);
      return this;
    }

    /**
     * Whether cookies are for HTTPS only.
     *
     * @param secure if false, browsers and cookie jars send the cookies over plain HTTP, and their
     *     names have no prefix {@code __Host-}; true by default
     * @return this builder
     */
    public Builder cookieSecure(boolean secure) {
      return setting("SESSIOND_COOKIE_SECURE", String.valueOf(secure));
    }

    /**
     * How long sessiond may take to start.
     *
     * @param timeout 60 seconds by default
     * @return this builder
     */
    public Builder startTimeout(Duration timeout) {
      this.startTimeout = timeout;
      return this;
    }

    /**
     * Starts sessiond and waits until it listens.
     *
     * @return sessiond, ready for calls
     * @throws IllegalStateException if it does not start; the message has what it has written
     */
    public TestSessiond start() {
      Path directory = null;
      Process process = null;
      boolean started = false;
      try {
        directory = createDirectory();
        process = startProcess(directory);
        Output output = new Output(process);
        Thread hook = shutdownHook(process, directory);
        Runtime.getRuntime().addShutdownHook(hook);
        try {
          String url = output.url.get(startTimeout.toMillis(), TimeUnit.MILLISECONDS);
          started = true;
          return new TestSessiond(process, directory, hook, url);
        } catch (ExecutionException | TimeoutException e) {
          throw new IllegalStateException(
              "sessiond has not started (" + String.join(" ", command) + "):\n" + output.text());
        } finally {
          if (!started) {
            Runtime.getRuntime().removeShutdownHook(hook);
          }
        }
      } catch (IOException e) {
        throw new IllegalStateException(
            "cannot start sessiond ("
                + String.join(" ", command)
                + "): set SESSIOND_COMMAND to the command that starts it",
            e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while sessiond starts", e);
      } finally {
        if (!started && directory != null) {
          terminate(process, directory);
        }
      }
    }

    private Process startProcess(Path directory) throws IOException {
      ProcessBuilder builder = new ProcessBuilder(command);
      Map<String, String> environment = builder.environment();
      environment.keySet().retainAll(List.of("PATH", "HOME"));
      environment.put("SESSIOND_PORT", "0");
      environment.put("SESSIOND_DATA_DIR", directory.resolve("data").toString());
      environment.putAll(settings);
      return builder.start();
    }

    private static List<String> defaultCommand() {
      String command = System.getenv("SESSIOND_COMMAND");
      return command == null || command.isBlank()
          ? List.of("npx", "--no", "sessiond")
          : List.of(command.trim().split(" +"));
    }

    /** PostgreSQL refuses to run as root, and runs as another user, who must get to its data. */
    private static Path createDirectory() throws IOException {
      Path directory = Files.createTempDirectory("sessiond-test-");
      if (directory.getFileSystem().supportedFileAttributeViews().contains("posix")) {
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
      }
      return directory;
    }
  }

  /** Reads both outputs until the process ends; a full pipe would stop it. */
  private static final class Output {
    private final CompletableFuture<String> url = new CompletableFuture<>();
    private final StringBuffer text = new StringBuffer();

    private Output(Process process) {
      Thread stderr = read(process.getErrorStream(), line -> {});
      Thread stdout =
          read(
              process.getInputStream(),
              line -> {
                Matcher listens = LISTENS.matcher(line);
                if (listens.find()) {
                  url.complete(listens.group(1));
                }
              });
      process
          .onExit()
          .thenRun(
              () -> {
                awaitEnd(stderr);
                awaitEnd(stdout);
                url.completeExceptionally(new IllegalStateException("it has ended"));
              });
    }

    private String text() {
      return text.toString();
    }

    private Thread read(InputStream stream, Consumer<String> onLine) {
      Thread thread =
          new Thread(
              () -> {
                try (BufferedReader reader =
                    new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                  for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                    if (!url.isDone()) {
                      text.append(line).append('\n');
                    }
                    onLine.accept(line);
                  }
                } catch (IOException e) {
                  // The process has ended.
                }
              },
              "sessiond-output");
      thread.setDaemon(true);
      thread.start();
      return thread;
    }

    /** Not for ever: a process that sessiond has started may still hold the pipe. */
    private static void awaitEnd(Thread thread) {
      try {
        thread.join(TimeUnit.SECONDS.toMillis(5));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static Thread shutdownHook(Process process, Path directory) {
    return new Thread(() -> terminate(process, directory), "sessiond-stop");
  }

  private static void terminate(Process process, Path directory) {
    try {
      if (process != null) {
        process.destroy();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
          process.destroyForcibly().waitFor();
        }
      }
      delete(directory);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void delete(Path directory) throws IOException {
    Files.walkFileTree(
        directory,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.deleteIfExists(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path visited, IOException e)
              throws IOException {
            Files.deleteIfExists(visited);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
