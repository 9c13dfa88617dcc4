package io.github.sessiond.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.github.sessiond.client.SessionError;
import io.github.sessiond.client.Sessiond;
import io.github.sessiond.client.SessiondOptions;
import io.github.sessiond.v1.SessionServiceGrpc.SessionServiceBlockingStub;
import io.grpc.Context;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Makes the calls that the driver asks for, with the blocking stub. */
final class Calls {
  /** What makes a client another one. */
  private record ClientKey(String url, String ca, String token, boolean retry) {}

  private static final ScheduledExecutorService CANCELLER =
      Executors.newSingleThreadScheduledExecutor();

  private final Map<ClientKey, Sessiond> clients = new ConcurrentHashMap<>();
  private final String defaultUrl;

  private Calls(String defaultUrl) {
    this.defaultUrl = defaultUrl;
  }

  static String start(String sessiondUrl) throws IOException {
    Calls calls = new Calls(sessiondUrl);
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.setExecutor(Executors.newCachedThreadPool());
    server.createContext("/", calls::handle);
    server.start();
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  private void handle(HttpExchange exchange) throws IOException {
    String text = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    int status = 200;
    String answer;
    try {
      answer = answer(JsonParser.parseString(text).getAsJsonObject()).toString();
    } catch (Exception e) {
      e.printStackTrace();
      status = 500;
      answer = e.toString();
    }
    byte[] body = answer.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length);
    try (var stream = exchange.getResponseBody()) {
      stream.write(body);
    }
  }

  private JsonObject answer(JsonObject call) throws Exception {
    JsonObject answer = new JsonObject();
    try (Context.CancellableContext context = Context.current().withCancellation()) {
      if (call.has("cancelAfterMs")) {
        long delay = call.get("cancelAfterMs").getAsLong();
        CANCELLER.schedule(() -> context.cancel(null), delay, TimeUnit.MILLISECONDS);
      }
      Message response = context.call(() -> makeCall(call));
      String json = JsonFormat.printer().omittingInsignificantWhitespace().print(response);
      answer.add("ok", JsonParser.parseString(json));
    } catch (InvocationTargetException e) {
      SessionError error = SessionError.from(e).orElseThrow(() -> e);
      answer.add("error", toJson(error));
    }
    return answer;
  }

  /** The method of the stub and its request are found by the name of the RPC. */
  private Message makeCall(JsonObject call) throws Exception {
    String rpc = call.get("rpc").getAsString();
    String name = rpc.substring(0, 1).toLowerCase(java.util.Locale.ROOT) + rpc.substring(1);
    Class<?> requestType = Class.forName("io.github.sessiond.v1." + rpc + "Request");
    Message.Builder request = (Message.Builder) requestType.getMethod("newBuilder").invoke(null);
    if (call.has("request")) {
      JsonFormat.parser().merge(call.get("request").toString(), request);
    }
    SessionServiceBlockingStub stub = client(call).blocking();
    if (call.has("deadlineMs")) {
      stub = stub.withDeadlineAfter(call.get("deadlineMs").getAsLong(), TimeUnit.MILLISECONDS);
    }
    Method method = stub.getClass().getMethod(name, requestType);
    return (Message) method.invoke(stub, request.build());
  }

  private Sessiond client(JsonObject call) {
    return clients.computeIfAbsent(
        new ClientKey(
            call.has("url") ? call.get("url").getAsString() : defaultUrl,
            call.has("ca") ? call.get("ca").getAsString() : null,
            call.has("token") ? call.get("token").getAsString() : null,
            !call.has("retry") || call.get("retry").getAsBoolean()),
        Calls::connect);
  }

  private static Sessiond connect(ClientKey key) {
    SessiondOptions.Builder options = SessiondOptions.builder().retry(key.retry);
    if (key.ca != null) {
      options.ca(read(key.ca));
    }
    if (key.token != null) {
      options.token(key.token);
    }
    return Sessiond.connect(key.url, options.build());
  }

  private static String read(String path) {
    try {
      return Files.readString(Path.of(path));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static JsonObject toJson(SessionError error) throws InvalidProtocolBufferException {
    JsonObject json = new JsonObject();
    json.addProperty("code", error.code().name());
    json.addProperty("reason", error.reasonName());
    json.addProperty("httpStatus", error.httpStatus());
    JsonArray violations = new JsonArray();
    for (SessionError.FieldViolation violation : error.violations()) {
      JsonObject item = new JsonObject();
      item.addProperty("field", violation.field());
      item.addProperty("description", violation.description());
      violations.add(item);
    }
    json.add("violations", violations);
    json.addProperty("retryDelayMs", error.retryDelay().toMillis());
    json.addProperty("browserStatus", error.browserStatus());
    if (error.sessionLimit().isPresent()) {
      String limit = JsonFormat.printer().print(error.sessionLimit().get());
      json.add("sessionLimit", JsonParser.parseString(limit));
    }
    return json;
  }
}
