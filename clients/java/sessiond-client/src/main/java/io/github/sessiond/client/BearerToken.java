package io.github.sessiond.client;

import io.grpc.CallCredentials;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** Sends {@code authorization: Bearer …}, with a token that is asked for at each attempt. */
final class BearerToken extends CallCredentials {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final Supplier<String> token;

  BearerToken(Supplier<String> token) {
    this.token = token;
  }

  /** Throws without the token, which is a secret. */
  static String requireValid(String token) {
    if (token == null || token.isEmpty() || !token.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
      throw new IllegalArgumentException(
          "token must have visible ASCII characters only, and at least one");
    }
    return token;
  }

  @Override
  public void applyRequestMetadata(
      RequestInfo requestInfo, Executor executor, MetadataApplier applier) {
    executor.execute(
        () -> {
          Metadata headers = new Metadata();
          try {
            headers.put(AUTHORIZATION, "Bearer " + requireValid(token.get()));
          } catch (TokenFile.UnusableException e) {
            applier.fail(Status.UNAUTHENTICATED.withDescription(e.getMessage()));
            return;
          } catch (RuntimeException e) {
            applier.fail(
                Status.UNAUTHENTICATED.withDescription("no token for sessiond").withCause(e));
            return;
          }
          applier.apply(headers);
        });
  }
}
