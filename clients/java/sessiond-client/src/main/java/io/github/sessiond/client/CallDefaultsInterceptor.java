package io.github.sessiond.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Gives calls the deadline and the credentials that they do not set themselves. */
final class CallDefaultsInterceptor implements ClientInterceptor {
  private final long timeoutMillis;
  private final BearerToken token;

  CallDefaultsInterceptor(Duration timeout, Supplier<String> token) {
    this.timeoutMillis = timeout.toMillis();
    this.token = token == null ? null : new BearerToken(token);
  }

  @Override
  public <ReqT, RespT> ClientCall<ReqT, RespT> interceptCall(
      MethodDescriptor<ReqT, RespT> method, CallOptions options, Channel next) {
    CallOptions completed = options;
    if (completed.getDeadline() == null) {
      completed = completed.withDeadlineAfter(timeoutMillis, TimeUnit.MILLISECONDS);
    }
    if (token != null && completed.getCredentials() == null) {
      completed = completed.withCallCredentials(token);
    }
    return next.newCall(method, completed);
  }
}
