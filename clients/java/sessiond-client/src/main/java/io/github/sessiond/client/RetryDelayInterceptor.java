package io.github.sessiond.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientStreamTracer;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Ends a call at once if the delay that the server asks for passes the call's deadline. gRPC would
 * wait for the deadline, and then report DEADLINE_EXCEEDED in place of the server's reason.
 */
final class RetryDelayInterceptor implements ClientInterceptor {
  private static final Metadata.Key<String> PUSHBACK =
      Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

  private record Failure(Status status, Metadata trailers) {}

  @Override
  public <ReqT, RespT> ClientCall<ReqT, RespT> interceptCall(
      MethodDescriptor<ReqT, RespT> method, CallOptions options, Channel next) {
    AtomicReference<Failure> failure = new AtomicReference<>();
    AtomicReference<ClientCall<?, ?>> started = new AtomicReference<>();
    Deadline deadline = earliest(options.getDeadline(), Context.current().getDeadline());
    if (deadline == null) {
      return next.newCall(method, options);
    }
    AttemptTracer.Factory tracers =
        new AttemptTracer.Factory() {
          @Override
          public ClientStreamTracer newClientStreamTracer(
              ClientStreamTracer.StreamInfo info, Metadata headers) {
            return new AttemptTracer(
                (status, trailers) -> {
                  if (delayMillis(trailers) >= deadline.timeRemaining(TimeUnit.MILLISECONDS)
                      && failure.compareAndSet(null, new Failure(status, trailers))) {
                    started.get().cancel("the retry delay passes the deadline", null);
                  }
                });
          }
        };
    ClientCall<ReqT, RespT> call = next.newCall(method, options.withStreamTracerFactory(tracers));
    started.set(call);
    return new SimpleForwardingClientCall<>(call) {
      @Override
      public void start(Listener<RespT> listener, Metadata headers) {
        super.start(
            new SimpleForwardingClientCallListener<>(listener) {
              @Override
              public void onClose(Status status, Metadata trailers) {
                Failure ended = failure.get();
                if (ended != null && status.getCode() == Status.Code.CANCELLED) {
                  super.onClose(ended.status, ended.trailers);
                } else {
                  super.onClose(status, trailers);
                }
              }
            },
            headers);
      }
    };
  }

  private static Deadline earliest(Deadline a, Deadline b) {
    if (a == null || b == null) {
      return a == null ? b : a;
    }
    return a.minimum(b);
  }

  /** -1 if the server asks for no delay, or for no retry. */
  private static long delayMillis(Metadata trailers) {
    String value = trailers.get(PUSHBACK);
    try {
      return value == null ? -1 : Long.parseLong(value);
    } catch (NumberFormatException e) {
      return -1;
    }
  }

  /** Reports the end of one attempt of a call that the server has answered. */
  private static final class AttemptTracer extends ClientStreamTracer {
    private interface OnEnd {
      void ended(Status status, Metadata trailers);
    }

    private final OnEnd onEnd;
    private volatile Metadata trailers;

    private AttemptTracer(OnEnd onEnd) {
      this.onEnd = onEnd;
    }

    @Override
    public void inboundTrailers(Metadata trailers) {
      this.trailers = trailers;
    }

    @Override
    public void streamClosed(Status status) {
      if (trailers != null && !status.isOk()) {
        onEnd.ended(status, trailers);
      }
    }
  }
}
