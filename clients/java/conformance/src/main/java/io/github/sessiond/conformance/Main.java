package io.github.sessiond.conformance;

import com.google.gson.JsonObject;
import io.github.sessiond.client.Sessiond;
import java.io.IOException;

/**
 * The runner of the conformance table: starts the stub and the applications, says where they are,
 * and ends when its standard input does.
 */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws Exception {
    String sessiondUrl = System.getenv("SESSIOND_URL");
    if (sessiondUrl == null) {
      throw new IllegalStateException("SESSIOND_URL must have the address of sessiond");
    }
    JsonObject calls = new JsonObject();
    calls.addProperty("java-grpc", Calls.start(sessiondUrl));
    JsonObject apps = new JsonObject();
    apps.addProperty("servlet", ServletApp.start(Sessiond.connect(sessiondUrl)));
    apps.addProperty("spring-boot", SpringApp.start(sessiondUrl));
    JsonObject addresses = new JsonObject();
    addresses.add("calls", calls);
    addresses.add("apps", apps);
    System.out.println(addresses);
    awaitEndOfInput();
    System.exit(0);
  }

  private static void awaitEndOfInput() throws IOException {
    while (System.in.read() != -1) {
      // Only the end matters.
    }
  }
}
