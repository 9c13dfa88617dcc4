package io.github.sessiond.servlet;

import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * Who has logged in, and what is stored with the session.
 *
 * @param actorId the user, as the application names them
 * @param actorType the kind of actor
 * @param tenantId the user's tenant; if empty, that of {@link SessionsOptions}, or else the tenant
 *     {@code default}
 * @param appType the application that the session is for; may be empty
 * @param metadata what is stored with the session, at most 4096 bytes in all
 * @param idleTimeout replaces sessiond's setting; whole seconds
 * @param absoluteTimeout replaces sessiond's setting; whole seconds
 */
public record Login(
    String actorId,
    String actorType,
    Optional<String> tenantId,
    String appType,
    Map<String, String> metadata,
    Optional<Duration> idleTimeout,
    Optional<Duration> absoluteTimeout) {
  /**
   * Checks the fields, and copies the metadata.
   *
   * @throws IllegalArgumentException if the tenant is present, but empty
   */
  public Login {
    Objects.requireNonNull(actorId, "actorId");
    Objects.requireNonNull(actorType, "actorType");
    if (tenantId.filter(String::isEmpty).isPresent()) {
      throw new IllegalArgumentException("tenantId must not be empty");
    }
    Objects.requireNonNull(appType, "appType");
    metadata = Map.copyOf(metadata);
    Objects.requireNonNull(idleTimeout, "idleTimeout");
    Objects.requireNonNull(absoluteTimeout, "absoluteTimeout");
  }

  /**
   * The login of a user.
   *
   * @param actorId the user, as the application names them
   * @return the login, with the actor type {@code user}
   */
  public static Login user(String actorId) {
    return new Login(
        actorId, "user", Optional.empty(), "", Map.of(), Optional.empty(), Optional.empty());
  }

  /**
   * The same login with another actor type.
   *
   * @param actorType the kind of actor, such as {@code service_account}
   * @return a copy
   */
  public Login withActorType(String actorType) {
    return new Login(actorId, actorType, tenantId, appType, metadata, idleTimeout, absoluteTimeout);
  }

  /**
   * The same login in a tenant.
   *
   * @param tenantId the tenant, not empty
   * @return a copy
   * @throws IllegalArgumentException if it is empty
   */
  public Login withTenantId(String tenantId) {
    return new Login(
        actorId, actorType, Optional.of(tenantId), appType, metadata, idleTimeout, absoluteTimeout);
  }

  /**
   * The same login with the application that the session is for.
   *
   * @param appType such as {@code control_panel}
   * @return a copy
   */
  public Login withAppType(String appType) {
    return new Login(actorId, actorType, tenantId, appType, metadata, idleTimeout, absoluteTimeout);
  }

  /**
   * The same login with other metadata.
   *
   * @param metadata what is stored with the session, at most 4096 bytes in all
   * @return a copy
   */
  public Login withMetadata(Map<String, String> metadata) {
    return new Login(actorId, actorType, tenantId, appType, metadata, idleTimeout, absoluteTimeout);
  }

  /**
   * The same login with a time without activity after which it ends.
   *
   * @param idleTimeout whole seconds
   * @return a copy
   */
  public Login withIdleTimeout(Duration idleTimeout) {
    return new Login(
        actorId, actorType, tenantId, appType, metadata, Optional.of(idleTimeout), absoluteTimeout);
  }

  /**
   * The same login with a time after which it ends, whatever the user does.
   *
   * @param absoluteTimeout whole seconds
   * @return a copy
   */
  public Login withAbsoluteTimeout(Duration absoluteTimeout) {
    return new Login(
        actorId, actorType, tenantId, appType, metadata, idleTimeout, Optional.of(absoluteTimeout));
  }
}
