package io.github.sessiond.client;

import java.util.List;
import java.util.Map;

/** The gRPC service config of the client. */
final class ServiceConfig {
  private static final String SERVICE = "sessiond.v1.SessionService";

  /**
   * Not Create, RotateCsrf, RotateSession, RotateSigningKey and RotateTokenKey, which a second
   * attempt would do twice, nor UpdateMetadata, which it could do after another update or refuse by
   * its etag.
   */
  private static final List<String> IDEMPOTENT_METHODS =
      List.of(
          "Validate",
          "ValidateCsrf",
          "Touch",
          "Revoke",
          "RevokeAllForActor",
          "Get",
          "List",
          "ListSessions",
          "RevokeSessions",
          "ListSigningKeys",
          "ListTokenKeys",
          "ListAuditEvents",
          "GarbageCollect");

  private static final Map<String, ?> RETRY_POLICY =
      Map.of(
          "maxAttempts",
          3.0,
          "initialBackoff",
          "0.05s",
          "maxBackoff",
          "1s",
          "backoffMultiplier",
          2.0,
          "retryableStatusCodes",
          List.of("UNAVAILABLE", "RESOURCE_EXHAUSTED"));

  private ServiceConfig() {}

  static Map<String, ?> of(boolean retry) {
    List<?> loadBalancing = List.of(Map.of("round_robin", Map.of()));
    if (!retry) {
      return Map.of("loadBalancingConfig", loadBalancing);
    }
    List<?> names =
        IDEMPOTENT_METHODS.stream()
            .map(method -> Map.of("service", SERVICE, "method", method))
            .toList();
    return Map.of(
        "loadBalancingConfig",
        loadBalancing,
        "methodConfig",
        List.of(Map.of("name", names, "retryPolicy", RETRY_POLICY)),
        "retryThrottling",
        Map.of("maxTokens", 10.0, "tokenRatio", 0.1));
  }
}
