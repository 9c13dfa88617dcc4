package io.github.sessiond.client;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.github.sessiond.v1.CreateRequest;
import io.github.sessiond.v1.CreateResponse;
import io.github.sessiond.v1.ErrorDetail;
import io.github.sessiond.v1.RotateSessionRequest;
import io.github.sessiond.v1.RotateSessionResponse;
import io.github.sessiond.v1.SessionServiceGrpc;
import io.github.sessiond.v1.UpdateMetadataRequest;
import io.github.sessiond.v1.UpdateMetadataResponse;
import io.github.sessiond.v1.ValidateRequest;
import io.github.sessiond.v1.ValidateResponse;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;

/** A server of some RPCs that answers what a test says, and remembers the calls. */
final class ScriptedServer extends SessionServiceGrpc.SessionServiceImplBase
    implements AutoCloseable {
  static final Metadata.Key<String> PUSHBACK =
      Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  /** Answers the attempt with this number, which begins with 1. */
  interface Script {
    void answer(int attempt, StreamObserver<?> observer);
  }

  final List<String> authorizations = Collections.synchronizedList(new ArrayList<>());
  final List<SocketAddress> peers = Collections.synchronizedList(new ArrayList<>());
  final List<Deadline> deadlines = Collections.synchronizedList(new ArrayList<>());
  private final Server server;
  private final Script script;

  ScriptedServer(Script script) throws IOException {
    this(InsecureServerCredentials.create(), script);
  }

  ScriptedServer(ServerCredentials credentials, Script script) throws IOException {
    this.script = script;
    this.server =
        Grpc.newServerBuilderForPort(0, credentials)
            .addService(this)
            .intercept(new Recorder())
            .build()
            .start();
  }

  String address() {
    return "http://127.0.0.1:" + server.getPort();
  }

  String tlsAddress() {
    return "https://127.0.0.1:" + server.getPort();
  }

  /** The number of attempts that have arrived. */
  int attempts() {
    return deadlines.size();
  }

  @Override
  public void validate(ValidateRequest request, StreamObserver<ValidateResponse> observer) {
    answer(observer, ValidateResponse.getDefaultInstance());
  }

  @Override
  public void rotateSession(
      RotateSessionRequest request, StreamObserver<RotateSessionResponse> observer) {
    answer(observer, RotateSessionResponse.getDefaultInstance());
  }

  @Override
  public void updateMetadata(
      UpdateMetadataRequest request, StreamObserver<UpdateMetadataResponse> observer) {
    answer(observer, UpdateMetadataResponse.getDefaultInstance());
  }

  @Override
  public void create(CreateRequest request, StreamObserver<CreateResponse> observer) {
    answer(observer, CreateResponse.getDefaultInstance());
  }

  private <T> void answer(StreamObserver<T> observer, T success) {
    script.answer(
        attempts(),
        new StreamObserver<Void>() {
          @Override
          public void onNext(Void value) {
            throw new UnsupportedOperationException();
          }

          @Override
          public void onError(Throwable t) {
            observer.onError(t);
          }

          @Override
          public void onCompleted() {
            observer.onNext(success);
            observer.onCompleted();
          }
        });
  }

  /** Fails the first attempts, and lets the next one succeed. */
  static Script failTimes(int times, Consumer<StreamObserver<?>> failure) {
    return (attempt, observer) -> {
      if (attempt <= times) {
        failure.accept(observer);
      } else {
        observer.onCompleted();
      }
    };
  }

  static StatusRuntimeException failure(Status.Code code, Message... details) {
    var status = com.google.rpc.Status.newBuilder().setCode(code.value()).setMessage("scripted");
    for (Message detail : details) {
      status.addDetails(Any.pack(detail));
    }
    return StatusProto.toStatusRuntimeException(status.build());
  }

  static StatusRuntimeException unavailable(long pushbackMillis) {
    StatusRuntimeException failure =
        failure(
            Status.Code.UNAVAILABLE,
            ErrorDetail.newBuilder().setReasonValue(17).setHttpStatus(503).build(),
            ErrorInfo.newBuilder()
                .setReason("STORAGE_UNAVAILABLE")
                .setDomain("sessiond.v1")
                .build(),
            RetryInfo.newBuilder()
                .setRetryDelay(
                    Duration.newBuilder()
                        .setSeconds(pushbackMillis / 1000)
                        .setNanos((int) (pushbackMillis % 1000) * 1_000_000))
                .build());
    failure.getTrailers().put(PUSHBACK, String.valueOf(pushbackMillis));
    return failure;
  }

  /** Ends the server and the calls in flight. */
  void end() {
    server.shutdownNow();
  }

  @Override
  public void close() {
    end();
  }

  private final class Recorder implements ServerInterceptor {
    @Override
    public <ReqT, RespT> ServerCall.Listener<ReqT> interceptCall(
        ServerCall<ReqT, RespT> call, Metadata headers, ServerCallHandler<ReqT, RespT> next) {
      authorizations.add(String.valueOf(headers.get(AUTHORIZATION)));
      peers.add(call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR));
      deadlines.add(Context.current().getDeadline());
      return next.startCall(call, headers);
    }
  }
}
