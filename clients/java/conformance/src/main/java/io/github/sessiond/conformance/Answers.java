package io.github.sessiond.conformance;

import io.github.sessiond.servlet.RequestSession;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the applications answer, as values that become JSON. */
final class Answers {
  private Answers() {}

  static Map<String, Object> me(RequestSession session) {
    Map<String, Object> me = new LinkedHashMap<>();
    me.put("actorId", session.session().getActorId());
    me.put("tenantId", session.session().getTenantId());
    me.put("sessionId", session.session().getId());
    me.put("secondsLeft", session.secondsLeft());
    me.put("expiryWarning", session.expiryWarning());
    return me;
  }

  static Map<String, Object> change(RequestSession session, String note) {
    return Map.of("actorId", session.session().getActorId(), "body", note == null ? "" : note);
  }
}
