package io.github.sessiond.servlet;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.RetryInfo;
import io.github.sessiond.client.Sessiond;
import io.github.sessiond.client.SessiondOptions;
import io.github.sessiond.v1.CreateRequest;
import io.github.sessiond.v1.CreateResponse;
import io.github.sessiond.v1.ErrorDetail;
import io.github.sessiond.v1.ErrorReason;
import io.github.sessiond.v1.RevokeRequest;
import io.github.sessiond.v1.RevokeResponse;
import io.github.sessiond.v1.Session;
import io.github.sessiond.v1.SessionServiceGrpc;
import io.github.sessiond.v1.ValidateRequest;
import io.github.sessiond.v1.ValidateResponse;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;

/** A server that answers what a test says, and remembers the requests. */
final class FakeSessiond extends SessionServiceGrpc.SessionServiceImplBase
    implements AutoCloseable {
  static final Session ALICE =
      Session.newBuilder().setId("ses-1").setTenantId("default").setActorId("alice").build();

  final List<ValidateRequest> validates = new CopyOnWriteArrayList<>();
  final List<CreateRequest> creates = new CopyOnWriteArrayList<>();
  final List<RevokeRequest> revokes = new CopyOnWriteArrayList<>();
  Function<ValidateRequest, ValidateResponse> validate =
      request -> ValidateResponse.newBuilder().setSession(ALICE).build();
  Function<CreateRequest, CreateResponse> create =
      request -> CreateResponse.newBuilder().setSession(ALICE).build();
  Function<RevokeRequest, RevokeResponse> revoke =
      request -> RevokeResponse.newBuilder().setSession(ALICE).setRevoked(true).build();
  final Sessiond client;
  private final Server server;

  FakeSessiond() throws IOException {
    server =
        Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
            .addService(this)
            .build()
            .start();
    client =
        Sessiond.connect(
            "http://127.0.0.1:" + server.getPort(),
            SessiondOptions.builder()
                .retry(false)
                .timeout(java.time.Duration.ofMinutes(1))
                .build());
  }

  static StatusRuntimeException failure(Status.Code code, ErrorReason reason, int httpStatus) {
    ErrorDetail detail =
        ErrorDetail.newBuilder().setReason(reason).setHttpStatus(httpStatus).build();
    RetryInfo retry =
        RetryInfo.newBuilder()
            .setRetryDelay(Duration.newBuilder().setSeconds(2).setNanos(1))
            .build();
    return StatusProto.toStatusRuntimeException(
        com.google.rpc.Status.newBuilder()
            .setCode(code.value())
            .setMessage("the message of " + reason)
            .addDetails(Any.pack(detail))
            .addDetails(Any.pack(retry))
            .build());
  }

  @Override
  public void validate(ValidateRequest request, StreamObserver<ValidateResponse> observer) {
    validates.add(request);
    answer(observer, validate, request);
  }

  @Override
  public void create(CreateRequest request, StreamObserver<CreateResponse> observer) {
    creates.add(request);
    answer(observer, create, request);
  }

  @Override
  public void revoke(RevokeRequest request, StreamObserver<RevokeResponse> observer) {
    revokes.add(request);
    answer(observer, revoke, request);
  }

  private static <Q, A> void answer(StreamObserver<A> observer, Function<Q, A> answer, Q request) {
    try {
      observer.onNext(answer.apply(request));
      observer.onCompleted();
    } catch (StatusRuntimeException e) {
      observer.onError(e);
    }
  }

  /** Ends the server, so that calls fail from now on. */
  void end() throws InterruptedException {
    server.shutdownNow().awaitTermination();
  }

  @Override
  public void close() {
    client.close();
    server.shutdownNow();
  }
}
