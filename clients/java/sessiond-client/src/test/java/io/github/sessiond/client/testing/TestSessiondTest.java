package io.github.sessiond.client.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.sessiond.client.SessionError;
import io.github.sessiond.v1.ActorRef;
import io.github.sessiond.v1.CreateRequest;
import io.github.sessiond.v1.CreateResponse;
import io.github.sessiond.v1.ErrorReason;
import io.github.sessiond.v1.RevokeRequest;
import io.github.sessiond.v1.SessionRef;
import io.github.sessiond.v1.ValidateRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TestSessiondTest {
  private static final String SESSIOND_COMMAND = System.getenv("SESSIOND_COMMAND");

  @TempDir private Path directory;

  @Test
  void startsARealSessiond() throws IOException {
    Path note = directory.resolve("note");
    String command = "echo \"$SESSIOND_DATA_DIR\" >\"$NOTE\"; exec " + SESSIOND_COMMAND;
    var test =
        TestSessiond.builder()
            .command("sh", "-c", command)
            .setting("NOTE", note.toString())
            .cookieSecure(false)
            .start();
    Path dataDirectory = Path.of(Files.readString(note).strip());
    assertTrue(Files.isDirectory(dataDirectory));
    var stub = test.client().blocking();

    var actor = ActorRef.newBuilder().setActorId("alice").setActorType("user");
    CreateResponse created = stub.create(CreateRequest.newBuilder().setActor(actor).build());
    assertEquals("session", created.getSetCookies(0).getName());

    var validate = ValidateRequest.newBuilder().setCookie(created.getCookie()).build();
    assertEquals("alice", stub.validate(validate).getSession().getActorId());

    var session = SessionRef.newBuilder().setCookie(created.getCookie());
    assertTrue(stub.revoke(RevokeRequest.newBuilder().setSession(session).build()).getRevoked());
    var failure = assertThrows(StatusRuntimeException.class, () -> stub.validate(validate));
    assertTrue(SessionError.isSessionError(failure, ErrorReason.ERROR_REASON_REVOKED));

    test.stop();
    test.stop();
    var stopped = assertThrows(StatusRuntimeException.class, () -> stub.validate(validate));
    assertEquals(Status.Code.UNAVAILABLE, stopped.getStatus().getCode());
    assertFalse(Files.exists(dataDirectory.getParent()));
  }

  @Test
  void reportsWhatItSaysIfItDoesNotStart() {
    var wrongSetting = TestSessiond.builder().setting("SESSIOND_PORT", "no-port");
    var error = assertThrows(IllegalStateException.class, wrongSetting::start);
    assertTrue(error.getMessage().contains("SESSIOND_PORT"), error.getMessage());
  }

  @Test
  void reportsACommandThatDoesNotExist() {
    var missing = TestSessiond.builder().command("no-such-program-of-sessiond");
    var error = assertThrows(IllegalStateException.class, missing::start);
    assertTrue(error.getMessage().contains("SESSIOND_COMMAND"), error.getMessage());
  }

  @Test
  void passesOnlyItsOwnEnvironment() {
    var printEnvironment = TestSessiond.builder().command("env");
    var error = assertThrows(IllegalStateException.class, printEnvironment::start);
    Map<String, String> environment =
        error
            .getMessage()
            .lines()
            .map(line -> line.split("=", 2))
            .filter(pair -> pair.length == 2)
            .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
    assertEquals("0", environment.get("SESSIOND_PORT"));
    assertEquals(
        Set.of("PATH", "HOME", "SESSIOND_PORT", "SESSIOND_DATA_DIR"), environment.keySet());
    assertFalse(Files.exists(Path.of(environment.get("SESSIOND_DATA_DIR")).getParent()));
  }
}
