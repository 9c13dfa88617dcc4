package io.github.sessiond.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * SessionService creates, validates, touches and revokes login sessions for other backends.
 * Common to all calls:
 *   - A failure that sessiond itself reports has an ErrorDetail and a google.rpc.ErrorInfo; see
 *     ErrorReason. Failures of the protocol, such as an unknown method or a deadline that has
 *     passed, only have a code.
 *   - Any call can fail with INVALID_REQUEST, REQUEST_TOO_LARGE, STORAGE_UNAVAILABLE and
 *     OVERLOADED.
 *   - INVALID_REQUEST lists all wrong fields: a google.rpc.BadRequest has the path of each
 *     and what would be right. The message has the first one and counts the others. Fields are
 *     checked before any session is looked up, so it takes precedence over every other reason.
 *   - JSON with a field that the contract does not have, or with null for an `optional` field, is
 *     INVALID_REQUEST: a mistyped name or a variable without a value must not skip the check that
 *     the field asks for. The error names an unknown field if its name consists of letters and
 *     underscores, 32 at most; anything else could be a secret in the wrong place. In binary
 *     requests, unknown fields are ignored.
 *   - A call that fails has changed nothing. Only after DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE
 *     it is not known whether the change was committed.
 *   - STORAGE_UNAVAILABLE, CALLER_KEYS_UNAVAILABLE and OVERLOADED have a google.rpc.RetryInfo. The
 *     trailer grpc-retry-pushback-ms says the same to the retry policies of gRPC's libraries. Only
 *     the idempotent calls are safe to retry.
 *   - A calling service may be limited to some tenants. What belongs to another tenant does not exist
 *     for it: sessions, cookies, signing keys, audit events and pages. GarbageCollect, RotateTokenKey and
 *     ListTokenKeys need a calling service without such a limit.
 *   - Strings must be valid UTF-8 without NUL. Limits in bytes refer to UTF-8.
 *   - Where callers are authenticated, each caller has a role, and each RPC requires one:
 *     `validator` checks sessions, `issuer` also opens, changes and ends them, `admin` also manages
 *     keys, audit and sweep, and acts on the sessions of many actors. Each includes the one before. The option `required_role` says
 *     the same. Any call can fail with CALLER_UNAUTHENTICATED, CALLER_FORBIDDEN and
 *     CALLER_KEYS_UNAVAILABLE then. Credentials and roles are checked before the request's message
 *     is read.
 *   - Requests of web pages, and requests for host names, that the operator has not allowed fail
 *     with CALLER_FORBIDDEN, also where callers are not authenticated.
 *   - No method has the option NO_SIDE_EFFECTS: Connect would then allow it as a GET request, which
 *     puts cookies into URLs, and so into logs.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class SessionServiceGrpc {

  private SessionServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "sessiond.v1.SessionService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.CreateRequest,
      io.github.sessiond.v1.CreateResponse> getCreateMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Create",
      requestType = io.github.sessiond.v1.CreateRequest.class,
      responseType = io.github.sessiond.v1.CreateResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.CreateRequest,
      io.github.sessiond.v1.CreateResponse> getCreateMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.CreateRequest, io.github.sessiond.v1.CreateResponse> getCreateMethod;
    if ((getCreateMethod = SessionServiceGrpc.getCreateMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getCreateMethod = SessionServiceGrpc.getCreateMethod) == null) {
          SessionServiceGrpc.getCreateMethod = getCreateMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.CreateRequest, io.github.sessiond.v1.CreateResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Create"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.CreateRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.CreateResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("Create"))
              .build();
        }
      }
    }
    return getCreateMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.ValidateRequest,
      io.github.sessiond.v1.ValidateResponse> getValidateMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Validate",
      requestType = io.github.sessiond.v1.ValidateRequest.class,
      responseType = io.github.sessiond.v1.ValidateResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.ValidateRequest,
      io.github.sessiond.v1.ValidateResponse> getValidateMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.ValidateRequest, io.github.sessiond.v1.ValidateResponse> getValidateMethod;
    if ((getValidateMethod = SessionServiceGrpc.getValidateMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getValidateMethod = SessionServiceGrpc.getValidateMethod) == null) {
          SessionServiceGrpc.getValidateMethod = getValidateMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.ValidateRequest, io.github.sessiond.v1.ValidateResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Validate"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ValidateRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ValidateResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("Validate"))
              .build();
        }
      }
    }
    return getValidateMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.ValidateCsrfRequest,
      io.github.sessiond.v1.ValidateCsrfResponse> getValidateCsrfMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ValidateCsrf",
      requestType = io.github.sessiond.v1.ValidateCsrfRequest.class,
      responseType = io.github.sessiond.v1.ValidateCsrfResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.ValidateCsrfRequest,
      io.github.sessiond.v1.ValidateCsrfResponse> getValidateCsrfMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.ValidateCsrfRequest, io.github.sessiond.v1.ValidateCsrfResponse> getValidateCsrfMethod;
    if ((getValidateCsrfMethod = SessionServiceGrpc.getValidateCsrfMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getValidateCsrfMethod = SessionServiceGrpc.getValidateCsrfMethod) == null) {
          SessionServiceGrpc.getValidateCsrfMethod = getValidateCsrfMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.ValidateCsrfRequest, io.github.sessiond.v1.ValidateCsrfResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ValidateCsrf"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ValidateCsrfRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ValidateCsrfResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ValidateCsrf"))
              .build();
        }
      }
    }
    return getValidateCsrfMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.TouchRequest,
      io.github.sessiond.v1.TouchResponse> getTouchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Touch",
      requestType = io.github.sessiond.v1.TouchRequest.class,
      responseType = io.github.sessiond.v1.TouchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.TouchRequest,
      io.github.sessiond.v1.TouchResponse> getTouchMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.TouchRequest, io.github.sessiond.v1.TouchResponse> getTouchMethod;
    if ((getTouchMethod = SessionServiceGrpc.getTouchMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getTouchMethod = SessionServiceGrpc.getTouchMethod) == null) {
          SessionServiceGrpc.getTouchMethod = getTouchMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.TouchRequest, io.github.sessiond.v1.TouchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Touch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.TouchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.TouchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("Touch"))
              .build();
        }
      }
    }
    return getTouchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeRequest,
      io.github.sessiond.v1.RevokeResponse> getRevokeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Revoke",
      requestType = io.github.sessiond.v1.RevokeRequest.class,
      responseType = io.github.sessiond.v1.RevokeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeRequest,
      io.github.sessiond.v1.RevokeResponse> getRevokeMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeRequest, io.github.sessiond.v1.RevokeResponse> getRevokeMethod;
    if ((getRevokeMethod = SessionServiceGrpc.getRevokeMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getRevokeMethod = SessionServiceGrpc.getRevokeMethod) == null) {
          SessionServiceGrpc.getRevokeMethod = getRevokeMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.RevokeRequest, io.github.sessiond.v1.RevokeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Revoke"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RevokeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RevokeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("Revoke"))
              .build();
        }
      }
    }
    return getRevokeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeAllForActorRequest,
      io.github.sessiond.v1.RevokeAllForActorResponse> getRevokeAllForActorMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RevokeAllForActor",
      requestType = io.github.sessiond.v1.RevokeAllForActorRequest.class,
      responseType = io.github.sessiond.v1.RevokeAllForActorResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeAllForActorRequest,
      io.github.sessiond.v1.RevokeAllForActorResponse> getRevokeAllForActorMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeAllForActorRequest, io.github.sessiond.v1.RevokeAllForActorResponse> getRevokeAllForActorMethod;
    if ((getRevokeAllForActorMethod = SessionServiceGrpc.getRevokeAllForActorMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getRevokeAllForActorMethod = SessionServiceGrpc.getRevokeAllForActorMethod) == null) {
          SessionServiceGrpc.getRevokeAllForActorMethod = getRevokeAllForActorMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.RevokeAllForActorRequest, io.github.sessiond.v1.RevokeAllForActorResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RevokeAllForActor"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RevokeAllForActorRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RevokeAllForActorResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("RevokeAllForActor"))
              .build();
        }
      }
    }
    return getRevokeAllForActorMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateCsrfRequest,
      io.github.sessiond.v1.RotateCsrfResponse> getRotateCsrfMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RotateCsrf",
      requestType = io.github.sessiond.v1.RotateCsrfRequest.class,
      responseType = io.github.sessiond.v1.RotateCsrfResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateCsrfRequest,
      io.github.sessiond.v1.RotateCsrfResponse> getRotateCsrfMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateCsrfRequest, io.github.sessiond.v1.RotateCsrfResponse> getRotateCsrfMethod;
    if ((getRotateCsrfMethod = SessionServiceGrpc.getRotateCsrfMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getRotateCsrfMethod = SessionServiceGrpc.getRotateCsrfMethod) == null) {
          SessionServiceGrpc.getRotateCsrfMethod = getRotateCsrfMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.RotateCsrfRequest, io.github.sessiond.v1.RotateCsrfResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RotateCsrf"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RotateCsrfRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RotateCsrfResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("RotateCsrf"))
              .build();
        }
      }
    }
    return getRotateCsrfMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateSessionRequest,
      io.github.sessiond.v1.RotateSessionResponse> getRotateSessionMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RotateSession",
      requestType = io.github.sessiond.v1.RotateSessionRequest.class,
      responseType = io.github.sessiond.v1.RotateSessionResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateSessionRequest,
      io.github.sessiond.v1.RotateSessionResponse> getRotateSessionMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateSessionRequest, io.github.sessiond.v1.RotateSessionResponse> getRotateSessionMethod;
    if ((getRotateSessionMethod = SessionServiceGrpc.getRotateSessionMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getRotateSessionMethod = SessionServiceGrpc.getRotateSessionMethod) == null) {
          SessionServiceGrpc.getRotateSessionMethod = getRotateSessionMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.RotateSessionRequest, io.github.sessiond.v1.RotateSessionResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RotateSession"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RotateSessionRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RotateSessionResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("RotateSession"))
              .build();
        }
      }
    }
    return getRotateSessionMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.UpdateMetadataRequest,
      io.github.sessiond.v1.UpdateMetadataResponse> getUpdateMetadataMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateMetadata",
      requestType = io.github.sessiond.v1.UpdateMetadataRequest.class,
      responseType = io.github.sessiond.v1.UpdateMetadataResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.UpdateMetadataRequest,
      io.github.sessiond.v1.UpdateMetadataResponse> getUpdateMetadataMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.UpdateMetadataRequest, io.github.sessiond.v1.UpdateMetadataResponse> getUpdateMetadataMethod;
    if ((getUpdateMetadataMethod = SessionServiceGrpc.getUpdateMetadataMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getUpdateMetadataMethod = SessionServiceGrpc.getUpdateMetadataMethod) == null) {
          SessionServiceGrpc.getUpdateMetadataMethod = getUpdateMetadataMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.UpdateMetadataRequest, io.github.sessiond.v1.UpdateMetadataResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateMetadata"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.UpdateMetadataRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.UpdateMetadataResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("UpdateMetadata"))
              .build();
        }
      }
    }
    return getUpdateMetadataMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateSigningKeyRequest,
      io.github.sessiond.v1.RotateSigningKeyResponse> getRotateSigningKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RotateSigningKey",
      requestType = io.github.sessiond.v1.RotateSigningKeyRequest.class,
      responseType = io.github.sessiond.v1.RotateSigningKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateSigningKeyRequest,
      io.github.sessiond.v1.RotateSigningKeyResponse> getRotateSigningKeyMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateSigningKeyRequest, io.github.sessiond.v1.RotateSigningKeyResponse> getRotateSigningKeyMethod;
    if ((getRotateSigningKeyMethod = SessionServiceGrpc.getRotateSigningKeyMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getRotateSigningKeyMethod = SessionServiceGrpc.getRotateSigningKeyMethod) == null) {
          SessionServiceGrpc.getRotateSigningKeyMethod = getRotateSigningKeyMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.RotateSigningKeyRequest, io.github.sessiond.v1.RotateSigningKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RotateSigningKey"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RotateSigningKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RotateSigningKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("RotateSigningKey"))
              .build();
        }
      }
    }
    return getRotateSigningKeyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.GarbageCollectRequest,
      io.github.sessiond.v1.GarbageCollectResponse> getGarbageCollectMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GarbageCollect",
      requestType = io.github.sessiond.v1.GarbageCollectRequest.class,
      responseType = io.github.sessiond.v1.GarbageCollectResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.GarbageCollectRequest,
      io.github.sessiond.v1.GarbageCollectResponse> getGarbageCollectMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.GarbageCollectRequest, io.github.sessiond.v1.GarbageCollectResponse> getGarbageCollectMethod;
    if ((getGarbageCollectMethod = SessionServiceGrpc.getGarbageCollectMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getGarbageCollectMethod = SessionServiceGrpc.getGarbageCollectMethod) == null) {
          SessionServiceGrpc.getGarbageCollectMethod = getGarbageCollectMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.GarbageCollectRequest, io.github.sessiond.v1.GarbageCollectResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GarbageCollect"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.GarbageCollectRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.GarbageCollectResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("GarbageCollect"))
              .build();
        }
      }
    }
    return getGarbageCollectMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.GetRequest,
      io.github.sessiond.v1.GetResponse> getGetMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Get",
      requestType = io.github.sessiond.v1.GetRequest.class,
      responseType = io.github.sessiond.v1.GetResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.GetRequest,
      io.github.sessiond.v1.GetResponse> getGetMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.GetRequest, io.github.sessiond.v1.GetResponse> getGetMethod;
    if ((getGetMethod = SessionServiceGrpc.getGetMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getGetMethod = SessionServiceGrpc.getGetMethod) == null) {
          SessionServiceGrpc.getGetMethod = getGetMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.GetRequest, io.github.sessiond.v1.GetResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Get"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.GetRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.GetResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("Get"))
              .build();
        }
      }
    }
    return getGetMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.ListRequest,
      io.github.sessiond.v1.ListResponse> getListMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "List",
      requestType = io.github.sessiond.v1.ListRequest.class,
      responseType = io.github.sessiond.v1.ListResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.ListRequest,
      io.github.sessiond.v1.ListResponse> getListMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.ListRequest, io.github.sessiond.v1.ListResponse> getListMethod;
    if ((getListMethod = SessionServiceGrpc.getListMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getListMethod = SessionServiceGrpc.getListMethod) == null) {
          SessionServiceGrpc.getListMethod = getListMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.ListRequest, io.github.sessiond.v1.ListResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "List"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("List"))
              .build();
        }
      }
    }
    return getListMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.ListSessionsRequest,
      io.github.sessiond.v1.ListSessionsResponse> getListSessionsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListSessions",
      requestType = io.github.sessiond.v1.ListSessionsRequest.class,
      responseType = io.github.sessiond.v1.ListSessionsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.ListSessionsRequest,
      io.github.sessiond.v1.ListSessionsResponse> getListSessionsMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.ListSessionsRequest, io.github.sessiond.v1.ListSessionsResponse> getListSessionsMethod;
    if ((getListSessionsMethod = SessionServiceGrpc.getListSessionsMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getListSessionsMethod = SessionServiceGrpc.getListSessionsMethod) == null) {
          SessionServiceGrpc.getListSessionsMethod = getListSessionsMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.ListSessionsRequest, io.github.sessiond.v1.ListSessionsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListSessions"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListSessionsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListSessionsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ListSessions"))
              .build();
        }
      }
    }
    return getListSessionsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeSessionsRequest,
      io.github.sessiond.v1.RevokeSessionsResponse> getRevokeSessionsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RevokeSessions",
      requestType = io.github.sessiond.v1.RevokeSessionsRequest.class,
      responseType = io.github.sessiond.v1.RevokeSessionsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeSessionsRequest,
      io.github.sessiond.v1.RevokeSessionsResponse> getRevokeSessionsMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.RevokeSessionsRequest, io.github.sessiond.v1.RevokeSessionsResponse> getRevokeSessionsMethod;
    if ((getRevokeSessionsMethod = SessionServiceGrpc.getRevokeSessionsMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getRevokeSessionsMethod = SessionServiceGrpc.getRevokeSessionsMethod) == null) {
          SessionServiceGrpc.getRevokeSessionsMethod = getRevokeSessionsMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.RevokeSessionsRequest, io.github.sessiond.v1.RevokeSessionsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RevokeSessions"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RevokeSessionsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RevokeSessionsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("RevokeSessions"))
              .build();
        }
      }
    }
    return getRevokeSessionsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.ListSigningKeysRequest,
      io.github.sessiond.v1.ListSigningKeysResponse> getListSigningKeysMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListSigningKeys",
      requestType = io.github.sessiond.v1.ListSigningKeysRequest.class,
      responseType = io.github.sessiond.v1.ListSigningKeysResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.ListSigningKeysRequest,
      io.github.sessiond.v1.ListSigningKeysResponse> getListSigningKeysMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.ListSigningKeysRequest, io.github.sessiond.v1.ListSigningKeysResponse> getListSigningKeysMethod;
    if ((getListSigningKeysMethod = SessionServiceGrpc.getListSigningKeysMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getListSigningKeysMethod = SessionServiceGrpc.getListSigningKeysMethod) == null) {
          SessionServiceGrpc.getListSigningKeysMethod = getListSigningKeysMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.ListSigningKeysRequest, io.github.sessiond.v1.ListSigningKeysResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListSigningKeys"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListSigningKeysRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListSigningKeysResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ListSigningKeys"))
              .build();
        }
      }
    }
    return getListSigningKeysMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.ListAuditEventsRequest,
      io.github.sessiond.v1.ListAuditEventsResponse> getListAuditEventsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListAuditEvents",
      requestType = io.github.sessiond.v1.ListAuditEventsRequest.class,
      responseType = io.github.sessiond.v1.ListAuditEventsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.ListAuditEventsRequest,
      io.github.sessiond.v1.ListAuditEventsResponse> getListAuditEventsMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.ListAuditEventsRequest, io.github.sessiond.v1.ListAuditEventsResponse> getListAuditEventsMethod;
    if ((getListAuditEventsMethod = SessionServiceGrpc.getListAuditEventsMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getListAuditEventsMethod = SessionServiceGrpc.getListAuditEventsMethod) == null) {
          SessionServiceGrpc.getListAuditEventsMethod = getListAuditEventsMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.ListAuditEventsRequest, io.github.sessiond.v1.ListAuditEventsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListAuditEvents"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListAuditEventsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListAuditEventsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ListAuditEvents"))
              .build();
        }
      }
    }
    return getListAuditEventsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateTokenKeyRequest,
      io.github.sessiond.v1.RotateTokenKeyResponse> getRotateTokenKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RotateTokenKey",
      requestType = io.github.sessiond.v1.RotateTokenKeyRequest.class,
      responseType = io.github.sessiond.v1.RotateTokenKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateTokenKeyRequest,
      io.github.sessiond.v1.RotateTokenKeyResponse> getRotateTokenKeyMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.RotateTokenKeyRequest, io.github.sessiond.v1.RotateTokenKeyResponse> getRotateTokenKeyMethod;
    if ((getRotateTokenKeyMethod = SessionServiceGrpc.getRotateTokenKeyMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getRotateTokenKeyMethod = SessionServiceGrpc.getRotateTokenKeyMethod) == null) {
          SessionServiceGrpc.getRotateTokenKeyMethod = getRotateTokenKeyMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.RotateTokenKeyRequest, io.github.sessiond.v1.RotateTokenKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RotateTokenKey"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RotateTokenKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.RotateTokenKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("RotateTokenKey"))
              .build();
        }
      }
    }
    return getRotateTokenKeyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.github.sessiond.v1.ListTokenKeysRequest,
      io.github.sessiond.v1.ListTokenKeysResponse> getListTokenKeysMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListTokenKeys",
      requestType = io.github.sessiond.v1.ListTokenKeysRequest.class,
      responseType = io.github.sessiond.v1.ListTokenKeysResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.github.sessiond.v1.ListTokenKeysRequest,
      io.github.sessiond.v1.ListTokenKeysResponse> getListTokenKeysMethod() {
    io.grpc.MethodDescriptor<io.github.sessiond.v1.ListTokenKeysRequest, io.github.sessiond.v1.ListTokenKeysResponse> getListTokenKeysMethod;
    if ((getListTokenKeysMethod = SessionServiceGrpc.getListTokenKeysMethod) == null) {
      synchronized (SessionServiceGrpc.class) {
        if ((getListTokenKeysMethod = SessionServiceGrpc.getListTokenKeysMethod) == null) {
          SessionServiceGrpc.getListTokenKeysMethod = getListTokenKeysMethod =
              io.grpc.MethodDescriptor.<io.github.sessiond.v1.ListTokenKeysRequest, io.github.sessiond.v1.ListTokenKeysResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListTokenKeys"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListTokenKeysRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.github.sessiond.v1.ListTokenKeysResponse.getDefaultInstance()))
              .setSchemaDescriptor(new SessionServiceMethodDescriptorSupplier("ListTokenKeys"))
              .build();
        }
      }
    }
    return getListTokenKeysMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static SessionServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SessionServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SessionServiceStub>() {
        @java.lang.Override
        public SessionServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SessionServiceStub(channel, callOptions);
        }
      };
    return SessionServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static SessionServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SessionServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SessionServiceBlockingV2Stub>() {
        @java.lang.Override
        public SessionServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SessionServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return SessionServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static SessionServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SessionServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SessionServiceBlockingStub>() {
        @java.lang.Override
        public SessionServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SessionServiceBlockingStub(channel, callOptions);
        }
      };
    return SessionServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static SessionServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<SessionServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<SessionServiceFutureStub>() {
        @java.lang.Override
        public SessionServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new SessionServiceFutureStub(channel, callOptions);
        }
      };
    return SessionServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * SessionService creates, validates, touches and revokes login sessions for other backends.
   * Common to all calls:
   *   - A failure that sessiond itself reports has an ErrorDetail and a google.rpc.ErrorInfo; see
   *     ErrorReason. Failures of the protocol, such as an unknown method or a deadline that has
   *     passed, only have a code.
   *   - Any call can fail with INVALID_REQUEST, REQUEST_TOO_LARGE, STORAGE_UNAVAILABLE and
   *     OVERLOADED.
   *   - INVALID_REQUEST lists all wrong fields: a google.rpc.BadRequest has the path of each
   *     and what would be right. The message has the first one and counts the others. Fields are
   *     checked before any session is looked up, so it takes precedence over every other reason.
   *   - JSON with a field that the contract does not have, or with null for an `optional` field, is
   *     INVALID_REQUEST: a mistyped name or a variable without a value must not skip the check that
   *     the field asks for. The error names an unknown field if its name consists of letters and
   *     underscores, 32 at most; anything else could be a secret in the wrong place. In binary
   *     requests, unknown fields are ignored.
   *   - A call that fails has changed nothing. Only after DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE
   *     it is not known whether the change was committed.
   *   - STORAGE_UNAVAILABLE, CALLER_KEYS_UNAVAILABLE and OVERLOADED have a google.rpc.RetryInfo. The
   *     trailer grpc-retry-pushback-ms says the same to the retry policies of gRPC's libraries. Only
   *     the idempotent calls are safe to retry.
   *   - A calling service may be limited to some tenants. What belongs to another tenant does not exist
   *     for it: sessions, cookies, signing keys, audit events and pages. GarbageCollect, RotateTokenKey and
   *     ListTokenKeys need a calling service without such a limit.
   *   - Strings must be valid UTF-8 without NUL. Limits in bytes refer to UTF-8.
   *   - Where callers are authenticated, each caller has a role, and each RPC requires one:
   *     `validator` checks sessions, `issuer` also opens, changes and ends them, `admin` also manages
   *     keys, audit and sweep, and acts on the sessions of many actors. Each includes the one before. The option `required_role` says
   *     the same. Any call can fail with CALLER_UNAUTHENTICATED, CALLER_FORBIDDEN and
   *     CALLER_KEYS_UNAVAILABLE then. Credentials and roles are checked before the request's message
   *     is read.
   *   - Requests of web pages, and requests for host names, that the operator has not allowed fail
   *     with CALLER_FORBIDDEN, also where callers are not authenticated.
   *   - No method has the option NO_SIDE_EFFECTS: Connect would then allow it as a GET request, which
   *     puts cookies into URLs, and so into logs.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Create creates a session for an actor and returns it with its cookie value and CSRF token,
     * which are not stored and cannot be read again. The first Create of a tenant also creates its
     * signing key. With `replaces`, the old session is revoked in the same transaction, so that a
     * session id from before the login is never valid after it (ASVS 7.2.4).
     * Not idempotent: a retry creates another session. If a response is lost, an unused session
     * remains until it expires.
     * Role: issuer. Reasons: SESSION_LIMIT_REACHED, INITIAL_SIGNING_KEY_MINT_FAILED.
     * </pre>
     */
    default void create(io.github.sessiond.v1.CreateRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.CreateResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateMethod(), responseObserver);
    }

    /**
     * <pre>
     * Validate checks a cookie and returns its session. The order of the checks is: form, signing
     * key, signature, row, revocation, absolute deadline, idle deadline, pre-login, bindings, type of
     * actor, CSRF token, authentication. It always reads the session from the database, and changes nothing
     * unless `touch` is set. With `token_audience`, it also returns a token for an upstream; two calls may
     * return the same one.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE, PRE_LOGIN_NOT_ACCEPTED,
     * IP_MISMATCH, USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED, CSRF_MISSING, CSRF_MISMATCH,
     * STEP_UP_REQUIRED.
     * </pre>
     */
    default void validate(io.github.sessiond.v1.ValidateRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ValidateResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getValidateMethod(), responseObserver);
    }

    /**
     * <pre>
     * ValidateCsrf checks a CSRF token against a live session.
     * Idempotent, changes nothing. Role: validator. Reasons: those of Validate except IP_MISMATCH,
     * USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED and STEP_UP_REQUIRED, and SESSION_NOT_FOUND.
     * </pre>
     */
    default void validateCsrf(io.github.sessiond.v1.ValidateCsrfRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ValidateCsrfResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getValidateCsrfMethod(), responseObserver);
    }

    /**
     * <pre>
     * Touch records activity: it sets last_seen_at to now, which moves the idle deadline. It never
     * revives an ended session and never moves the absolute deadline. It writes only if the last
     * write is at least as old as the touch interval.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE.
     * </pre>
     */
    default void touch(io.github.sessiond.v1.TouchRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.TouchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTouchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Revoke ends one live session. The effect is immediate, on all replicas. The row stays, with
     * the time, the reason and the acting actor of the first revocation. A session that has already
     * ended does not change. If RotateSession replaces the session during the call, the new one is
     * revoked instead, even if a session_id named the old one. The session_id of a session that
     * RotateSession had replaced before ends its grace: the old cookie is refused from now on, and the
     * new session stays. To end that, too, name it, or call RevokeAllForActor.
     * Idempotent. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    default void revoke(io.github.sessiond.v1.RevokeRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRevokeMethod(), responseObserver);
    }

    /**
     * <pre>
     * RevokeAllForActor revokes all live sessions of an actor, except the one to keep, and returns
     * their number. It succeeds even if there are none.
     * Idempotent. Role: issuer. Reasons, all about `keep`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    default void revokeAllForActor(io.github.sessiond.v1.RevokeAllForActorRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeAllForActorResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRevokeAllForActorMethod(), responseObserver);
    }

    /**
     * <pre>
     * RotateCsrf replaces the CSRF token of a live session, or of all live sessions of an actor. The
     * old token is invalid immediately; only a cookie in the grace of a RotateSession keeps its own.
     * The new token is returned only here.
     * Not idempotent: each call creates another token. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE.
     * </pre>
     */
    default void rotateCsrf(io.github.sessiond.v1.RotateCsrfRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateCsrfResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRotateCsrfMethod(), responseObserver);
    }

    /**
     * <pre>
     * RotateSession replaces a live session by one with a new id, cookie and CSRF token: after a
     * step-up, or when the user's privileges change, so that what was known of the old session is
     * worth nothing (ASVS 7.2.4). Actor, application, metadata, created_at, idle timeout and the
     * absolute deadline are those of the old session; the idle deadline moves, as by Touch. The old
     * session is revoked in the same transaction, with the reason `rotated`. The session limit does
     * not apply: there are as many live sessions as before.
     * Without `grace`, the old cookie is refused from now on. With it, the old cookie is accepted for
     * the new session until the grace ends, for requests that the browser has sent in the meantime:
     * by all calls but RotateSession, which of concurrent calls for one session lets one succeed and
     * refuses the others with REVOKED. With the old cookie, the CSRF token is the old one. Whatever
     * ends the new session also ends the grace, such as Revoke and RevokeAllForActor.
     * Not idempotent. If a response is lost, a session without a grace is lost, too, and the user has
     * to log in again. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE,
     * PRE_LOGIN_NOT_ACCEPTED.
     * </pre>
     */
    default void rotateSession(io.github.sessiond.v1.RotateSessionRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateSessionResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRotateSessionMethod(), responseObserver);
    }

    /**
     * <pre>
     * UpdateMetadata replaces the metadata of a live session, pre-login sessions included. With
     * metadata_etag, it changes nothing if the metadata is no longer the version that the caller has
     * read: of concurrent calls with one etag, exactly one succeeds.
     * Not idempotent: a retry of a call that succeeded fails with METADATA_ETAG_MISMATCH, or without
     * metadata_etag overwrites what others have stored since. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE, METADATA_ETAG_MISMATCH.
     * </pre>
     */
    default void updateMetadata(io.github.sessiond.v1.UpdateMetadataRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.UpdateMetadataResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateMetadataMethod(), responseObserver);
    }

    /**
     * <pre>
     * RotateSigningKey creates a new active signing key for a tenant and retires the old one, in
     * one transaction. Cookies that the old key signed stay valid for the key retention.
     * Concurrent calls leave exactly one active key.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    default void rotateSigningKey(io.github.sessiond.v1.RotateSigningKeyRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateSigningKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRotateSigningKeyMethod(), responseObserver);
    }

    /**
     * <pre>
     * GarbageCollect runs one sweep with a time limit, like the schedule. It deletes ended sessions
     * past the history window, pre-login sessions past their absolute deadline, audit events past
     * their retention, signing keys past theirs that no session refers to, and token keys that are no
     * longer published. It never deletes a live session.
     * Idempotent. Role: admin.
     * </pre>
     */
    default void garbageCollect(io.github.sessiond.v1.GarbageCollectRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.GarbageCollectResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGarbageCollectMethod(), responseObserver);
    }

    /**
     * <pre>
     * Get returns one session, live or ended.
     * Idempotent, changes nothing. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    default void get(io.github.sessiond.v1.GetRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.GetResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetMethod(), responseObserver);
    }

    /**
     * <pre>
     * List returns one page of an actor's sessions, newest first. If sessions are created or end
     * between two pages, no other session is missed or returned twice.
     * Idempotent, changes nothing. Role: issuer. Reasons, all about `current`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    default void list(io.github.sessiond.v1.ListRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListSessions returns one page of the sessions that a filter selects, of all actors, the newest id
     * first, which is nearly the order in which they were stored. One call reads at most 5000 rows, so a
     * page may have fewer sessions than page_size, or none, and still have a next one. If sessions are
     * created or end between two pages, no other session is missed or returned twice. For the sessions of
     * one actor, List takes less.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    default void listSessions(io.github.sessiond.v1.ListSessionsRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListSessionsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListSessionsMethod(), responseObserver);
    }

    /**
     * <pre>
     * RevokeSessions revokes live sessions that a filter selects, of all actors. One call reads at most
     * 5000 rows and revokes at most 500 sessions; repeat it with next_page_token while `more` is true.
     * Sessions that were created after the first of these calls are not revoked. A session that
     * RotateSession replaces during these calls is followed: the one in its place is revoked. With
     * dry_run, nothing is revoked, and the responses tell what would be.
     * Idempotent: a repeated call does not count or change again what is revoked already. A call that
     * fails may have revoked some of its sessions. Role: admin.
     * </pre>
     */
    default void revokeSessions(io.github.sessiond.v1.RevokeSessionsRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeSessionsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRevokeSessionsMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListSigningKeys returns one page of a tenant's signing keys, newest first, without key
     * material.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    default void listSigningKeys(io.github.sessiond.v1.ListSigningKeysRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListSigningKeysResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListSigningKeysMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListAuditEvents returns one page of a tenant's audit events, or of those of all tenants, newest or
     * oldest first. With `action`, a time or all_tenants, one call reads at most 5000 rows, so a page may
     * have fewer events than page_size, or none, and still have a next one.
     * Newest first, events that are written between two pages are not on the later one. Oldest first, no
     * event is missed, not even one that is being written: pages have only events that are older than the
     * time limit of an SQL statement and 5 seconds, 15 by default. While a change is open, they have only
     * those from so long before it began. If a page is empty, wait before you ask for the next one.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    default void listAuditEvents(io.github.sessiond.v1.ListAuditEventsRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListAuditEventsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListAuditEventsMethod(), responseObserver);
    }

    /**
     * <pre>
     * RotateTokenKey creates a new key for the tokens for upstreams. It is published at once, and signs
     * after the delay that the operator has configured (10 minutes by default), so that verifiers know it
     * by then. Keys before it are published until their last tokens have expired. With `immediately`, the
     * new key signs at once, and the keys before it are published no longer. Concurrent calls leave exactly
     * one key that no other one replaces. Without SESSIOND_TOKEN_ISSUER there are no tokens, and the call
     * fails with INVALID_REQUEST.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    default void rotateTokenKey(io.github.sessiond.v1.RotateTokenKeyRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateTokenKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRotateTokenKeyMethod(), responseObserver);
    }

    /**
     * <pre>
     * ListTokenKeys returns one page of the token keys, newest first, without private keys. There are none
     * before sessiond has been started with SESSIOND_TOKEN_ISSUER.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    default void listTokenKeys(io.github.sessiond.v1.ListTokenKeysRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListTokenKeysResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListTokenKeysMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service SessionService.
   * <pre>
   * SessionService creates, validates, touches and revokes login sessions for other backends.
   * Common to all calls:
   *   - A failure that sessiond itself reports has an ErrorDetail and a google.rpc.ErrorInfo; see
   *     ErrorReason. Failures of the protocol, such as an unknown method or a deadline that has
   *     passed, only have a code.
   *   - Any call can fail with INVALID_REQUEST, REQUEST_TOO_LARGE, STORAGE_UNAVAILABLE and
   *     OVERLOADED.
   *   - INVALID_REQUEST lists all wrong fields: a google.rpc.BadRequest has the path of each
   *     and what would be right. The message has the first one and counts the others. Fields are
   *     checked before any session is looked up, so it takes precedence over every other reason.
   *   - JSON with a field that the contract does not have, or with null for an `optional` field, is
   *     INVALID_REQUEST: a mistyped name or a variable without a value must not skip the check that
   *     the field asks for. The error names an unknown field if its name consists of letters and
   *     underscores, 32 at most; anything else could be a secret in the wrong place. In binary
   *     requests, unknown fields are ignored.
   *   - A call that fails has changed nothing. Only after DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE
   *     it is not known whether the change was committed.
   *   - STORAGE_UNAVAILABLE, CALLER_KEYS_UNAVAILABLE and OVERLOADED have a google.rpc.RetryInfo. The
   *     trailer grpc-retry-pushback-ms says the same to the retry policies of gRPC's libraries. Only
   *     the idempotent calls are safe to retry.
   *   - A calling service may be limited to some tenants. What belongs to another tenant does not exist
   *     for it: sessions, cookies, signing keys, audit events and pages. GarbageCollect, RotateTokenKey and
   *     ListTokenKeys need a calling service without such a limit.
   *   - Strings must be valid UTF-8 without NUL. Limits in bytes refer to UTF-8.
   *   - Where callers are authenticated, each caller has a role, and each RPC requires one:
   *     `validator` checks sessions, `issuer` also opens, changes and ends them, `admin` also manages
   *     keys, audit and sweep, and acts on the sessions of many actors. Each includes the one before. The option `required_role` says
   *     the same. Any call can fail with CALLER_UNAUTHENTICATED, CALLER_FORBIDDEN and
   *     CALLER_KEYS_UNAVAILABLE then. Credentials and roles are checked before the request's message
   *     is read.
   *   - Requests of web pages, and requests for host names, that the operator has not allowed fail
   *     with CALLER_FORBIDDEN, also where callers are not authenticated.
   *   - No method has the option NO_SIDE_EFFECTS: Connect would then allow it as a GET request, which
   *     puts cookies into URLs, and so into logs.
   * </pre>
   */
  public static abstract class SessionServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return SessionServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service SessionService.
   * <pre>
   * SessionService creates, validates, touches and revokes login sessions for other backends.
   * Common to all calls:
   *   - A failure that sessiond itself reports has an ErrorDetail and a google.rpc.ErrorInfo; see
   *     ErrorReason. Failures of the protocol, such as an unknown method or a deadline that has
   *     passed, only have a code.
   *   - Any call can fail with INVALID_REQUEST, REQUEST_TOO_LARGE, STORAGE_UNAVAILABLE and
   *     OVERLOADED.
   *   - INVALID_REQUEST lists all wrong fields: a google.rpc.BadRequest has the path of each
   *     and what would be right. The message has the first one and counts the others. Fields are
   *     checked before any session is looked up, so it takes precedence over every other reason.
   *   - JSON with a field that the contract does not have, or with null for an `optional` field, is
   *     INVALID_REQUEST: a mistyped name or a variable without a value must not skip the check that
   *     the field asks for. The error names an unknown field if its name consists of letters and
   *     underscores, 32 at most; anything else could be a secret in the wrong place. In binary
   *     requests, unknown fields are ignored.
   *   - A call that fails has changed nothing. Only after DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE
   *     it is not known whether the change was committed.
   *   - STORAGE_UNAVAILABLE, CALLER_KEYS_UNAVAILABLE and OVERLOADED have a google.rpc.RetryInfo. The
   *     trailer grpc-retry-pushback-ms says the same to the retry policies of gRPC's libraries. Only
   *     the idempotent calls are safe to retry.
   *   - A calling service may be limited to some tenants. What belongs to another tenant does not exist
   *     for it: sessions, cookies, signing keys, audit events and pages. GarbageCollect, RotateTokenKey and
   *     ListTokenKeys need a calling service without such a limit.
   *   - Strings must be valid UTF-8 without NUL. Limits in bytes refer to UTF-8.
   *   - Where callers are authenticated, each caller has a role, and each RPC requires one:
   *     `validator` checks sessions, `issuer` also opens, changes and ends them, `admin` also manages
   *     keys, audit and sweep, and acts on the sessions of many actors. Each includes the one before. The option `required_role` says
   *     the same. Any call can fail with CALLER_UNAUTHENTICATED, CALLER_FORBIDDEN and
   *     CALLER_KEYS_UNAVAILABLE then. Credentials and roles are checked before the request's message
   *     is read.
   *   - Requests of web pages, and requests for host names, that the operator has not allowed fail
   *     with CALLER_FORBIDDEN, also where callers are not authenticated.
   *   - No method has the option NO_SIDE_EFFECTS: Connect would then allow it as a GET request, which
   *     puts cookies into URLs, and so into logs.
   * </pre>
   */
  public static final class SessionServiceStub
      extends io.grpc.stub.AbstractAsyncStub<SessionServiceStub> {
    private SessionServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SessionServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SessionServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Create creates a session for an actor and returns it with its cookie value and CSRF token,
     * which are not stored and cannot be read again. The first Create of a tenant also creates its
     * signing key. With `replaces`, the old session is revoked in the same transaction, so that a
     * session id from before the login is never valid after it (ASVS 7.2.4).
     * Not idempotent: a retry creates another session. If a response is lost, an unused session
     * remains until it expires.
     * Role: issuer. Reasons: SESSION_LIMIT_REACHED, INITIAL_SIGNING_KEY_MINT_FAILED.
     * </pre>
     */
    public void create(io.github.sessiond.v1.CreateRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.CreateResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Validate checks a cookie and returns its session. The order of the checks is: form, signing
     * key, signature, row, revocation, absolute deadline, idle deadline, pre-login, bindings, type of
     * actor, CSRF token, authentication. It always reads the session from the database, and changes nothing
     * unless `touch` is set. With `token_audience`, it also returns a token for an upstream; two calls may
     * return the same one.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE, PRE_LOGIN_NOT_ACCEPTED,
     * IP_MISMATCH, USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED, CSRF_MISSING, CSRF_MISMATCH,
     * STEP_UP_REQUIRED.
     * </pre>
     */
    public void validate(io.github.sessiond.v1.ValidateRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ValidateResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getValidateMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ValidateCsrf checks a CSRF token against a live session.
     * Idempotent, changes nothing. Role: validator. Reasons: those of Validate except IP_MISMATCH,
     * USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED and STEP_UP_REQUIRED, and SESSION_NOT_FOUND.
     * </pre>
     */
    public void validateCsrf(io.github.sessiond.v1.ValidateCsrfRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ValidateCsrfResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getValidateCsrfMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Touch records activity: it sets last_seen_at to now, which moves the idle deadline. It never
     * revives an ended session and never moves the absolute deadline. It writes only if the last
     * write is at least as old as the touch interval.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE.
     * </pre>
     */
    public void touch(io.github.sessiond.v1.TouchRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.TouchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTouchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Revoke ends one live session. The effect is immediate, on all replicas. The row stays, with
     * the time, the reason and the acting actor of the first revocation. A session that has already
     * ended does not change. If RotateSession replaces the session during the call, the new one is
     * revoked instead, even if a session_id named the old one. The session_id of a session that
     * RotateSession had replaced before ends its grace: the old cookie is refused from now on, and the
     * new session stays. To end that, too, name it, or call RevokeAllForActor.
     * Idempotent. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    public void revoke(io.github.sessiond.v1.RevokeRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRevokeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * RevokeAllForActor revokes all live sessions of an actor, except the one to keep, and returns
     * their number. It succeeds even if there are none.
     * Idempotent. Role: issuer. Reasons, all about `keep`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    public void revokeAllForActor(io.github.sessiond.v1.RevokeAllForActorRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeAllForActorResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRevokeAllForActorMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * RotateCsrf replaces the CSRF token of a live session, or of all live sessions of an actor. The
     * old token is invalid immediately; only a cookie in the grace of a RotateSession keeps its own.
     * The new token is returned only here.
     * Not idempotent: each call creates another token. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE.
     * </pre>
     */
    public void rotateCsrf(io.github.sessiond.v1.RotateCsrfRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateCsrfResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRotateCsrfMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * RotateSession replaces a live session by one with a new id, cookie and CSRF token: after a
     * step-up, or when the user's privileges change, so that what was known of the old session is
     * worth nothing (ASVS 7.2.4). Actor, application, metadata, created_at, idle timeout and the
     * absolute deadline are those of the old session; the idle deadline moves, as by Touch. The old
     * session is revoked in the same transaction, with the reason `rotated`. The session limit does
     * not apply: there are as many live sessions as before.
     * Without `grace`, the old cookie is refused from now on. With it, the old cookie is accepted for
     * the new session until the grace ends, for requests that the browser has sent in the meantime:
     * by all calls but RotateSession, which of concurrent calls for one session lets one succeed and
     * refuses the others with REVOKED. With the old cookie, the CSRF token is the old one. Whatever
     * ends the new session also ends the grace, such as Revoke and RevokeAllForActor.
     * Not idempotent. If a response is lost, a session without a grace is lost, too, and the user has
     * to log in again. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE,
     * PRE_LOGIN_NOT_ACCEPTED.
     * </pre>
     */
    public void rotateSession(io.github.sessiond.v1.RotateSessionRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateSessionResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRotateSessionMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * UpdateMetadata replaces the metadata of a live session, pre-login sessions included. With
     * metadata_etag, it changes nothing if the metadata is no longer the version that the caller has
     * read: of concurrent calls with one etag, exactly one succeeds.
     * Not idempotent: a retry of a call that succeeded fails with METADATA_ETAG_MISMATCH, or without
     * metadata_etag overwrites what others have stored since. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE, METADATA_ETAG_MISMATCH.
     * </pre>
     */
    public void updateMetadata(io.github.sessiond.v1.UpdateMetadataRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.UpdateMetadataResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateMetadataMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * RotateSigningKey creates a new active signing key for a tenant and retires the old one, in
     * one transaction. Cookies that the old key signed stay valid for the key retention.
     * Concurrent calls leave exactly one active key.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    public void rotateSigningKey(io.github.sessiond.v1.RotateSigningKeyRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateSigningKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRotateSigningKeyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * GarbageCollect runs one sweep with a time limit, like the schedule. It deletes ended sessions
     * past the history window, pre-login sessions past their absolute deadline, audit events past
     * their retention, signing keys past theirs that no session refers to, and token keys that are no
     * longer published. It never deletes a live session.
     * Idempotent. Role: admin.
     * </pre>
     */
    public void garbageCollect(io.github.sessiond.v1.GarbageCollectRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.GarbageCollectResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGarbageCollectMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Get returns one session, live or ended.
     * Idempotent, changes nothing. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    public void get(io.github.sessiond.v1.GetRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.GetResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * List returns one page of an actor's sessions, newest first. If sessions are created or end
     * between two pages, no other session is missed or returned twice.
     * Idempotent, changes nothing. Role: issuer. Reasons, all about `current`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    public void list(io.github.sessiond.v1.ListRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListSessions returns one page of the sessions that a filter selects, of all actors, the newest id
     * first, which is nearly the order in which they were stored. One call reads at most 5000 rows, so a
     * page may have fewer sessions than page_size, or none, and still have a next one. If sessions are
     * created or end between two pages, no other session is missed or returned twice. For the sessions of
     * one actor, List takes less.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public void listSessions(io.github.sessiond.v1.ListSessionsRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListSessionsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListSessionsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * RevokeSessions revokes live sessions that a filter selects, of all actors. One call reads at most
     * 5000 rows and revokes at most 500 sessions; repeat it with next_page_token while `more` is true.
     * Sessions that were created after the first of these calls are not revoked. A session that
     * RotateSession replaces during these calls is followed: the one in its place is revoked. With
     * dry_run, nothing is revoked, and the responses tell what would be.
     * Idempotent: a repeated call does not count or change again what is revoked already. A call that
     * fails may have revoked some of its sessions. Role: admin.
     * </pre>
     */
    public void revokeSessions(io.github.sessiond.v1.RevokeSessionsRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeSessionsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRevokeSessionsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListSigningKeys returns one page of a tenant's signing keys, newest first, without key
     * material.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public void listSigningKeys(io.github.sessiond.v1.ListSigningKeysRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListSigningKeysResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListSigningKeysMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListAuditEvents returns one page of a tenant's audit events, or of those of all tenants, newest or
     * oldest first. With `action`, a time or all_tenants, one call reads at most 5000 rows, so a page may
     * have fewer events than page_size, or none, and still have a next one.
     * Newest first, events that are written between two pages are not on the later one. Oldest first, no
     * event is missed, not even one that is being written: pages have only events that are older than the
     * time limit of an SQL statement and 5 seconds, 15 by default. While a change is open, they have only
     * those from so long before it began. If a page is empty, wait before you ask for the next one.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public void listAuditEvents(io.github.sessiond.v1.ListAuditEventsRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListAuditEventsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListAuditEventsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * RotateTokenKey creates a new key for the tokens for upstreams. It is published at once, and signs
     * after the delay that the operator has configured (10 minutes by default), so that verifiers know it
     * by then. Keys before it are published until their last tokens have expired. With `immediately`, the
     * new key signs at once, and the keys before it are published no longer. Concurrent calls leave exactly
     * one key that no other one replaces. Without SESSIOND_TOKEN_ISSUER there are no tokens, and the call
     * fails with INVALID_REQUEST.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    public void rotateTokenKey(io.github.sessiond.v1.RotateTokenKeyRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateTokenKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRotateTokenKeyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * ListTokenKeys returns one page of the token keys, newest first, without private keys. There are none
     * before sessiond has been started with SESSIOND_TOKEN_ISSUER.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public void listTokenKeys(io.github.sessiond.v1.ListTokenKeysRequest request,
        io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListTokenKeysResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListTokenKeysMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service SessionService.
   * <pre>
   * SessionService creates, validates, touches and revokes login sessions for other backends.
   * Common to all calls:
   *   - A failure that sessiond itself reports has an ErrorDetail and a google.rpc.ErrorInfo; see
   *     ErrorReason. Failures of the protocol, such as an unknown method or a deadline that has
   *     passed, only have a code.
   *   - Any call can fail with INVALID_REQUEST, REQUEST_TOO_LARGE, STORAGE_UNAVAILABLE and
   *     OVERLOADED.
   *   - INVALID_REQUEST lists all wrong fields: a google.rpc.BadRequest has the path of each
   *     and what would be right. The message has the first one and counts the others. Fields are
   *     checked before any session is looked up, so it takes precedence over every other reason.
   *   - JSON with a field that the contract does not have, or with null for an `optional` field, is
   *     INVALID_REQUEST: a mistyped name or a variable without a value must not skip the check that
   *     the field asks for. The error names an unknown field if its name consists of letters and
   *     underscores, 32 at most; anything else could be a secret in the wrong place. In binary
   *     requests, unknown fields are ignored.
   *   - A call that fails has changed nothing. Only after DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE
   *     it is not known whether the change was committed.
   *   - STORAGE_UNAVAILABLE, CALLER_KEYS_UNAVAILABLE and OVERLOADED have a google.rpc.RetryInfo. The
   *     trailer grpc-retry-pushback-ms says the same to the retry policies of gRPC's libraries. Only
   *     the idempotent calls are safe to retry.
   *   - A calling service may be limited to some tenants. What belongs to another tenant does not exist
   *     for it: sessions, cookies, signing keys, audit events and pages. GarbageCollect, RotateTokenKey and
   *     ListTokenKeys need a calling service without such a limit.
   *   - Strings must be valid UTF-8 without NUL. Limits in bytes refer to UTF-8.
   *   - Where callers are authenticated, each caller has a role, and each RPC requires one:
   *     `validator` checks sessions, `issuer` also opens, changes and ends them, `admin` also manages
   *     keys, audit and sweep, and acts on the sessions of many actors. Each includes the one before. The option `required_role` says
   *     the same. Any call can fail with CALLER_UNAUTHENTICATED, CALLER_FORBIDDEN and
   *     CALLER_KEYS_UNAVAILABLE then. Credentials and roles are checked before the request's message
   *     is read.
   *   - Requests of web pages, and requests for host names, that the operator has not allowed fail
   *     with CALLER_FORBIDDEN, also where callers are not authenticated.
   *   - No method has the option NO_SIDE_EFFECTS: Connect would then allow it as a GET request, which
   *     puts cookies into URLs, and so into logs.
   * </pre>
   */
  public static final class SessionServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<SessionServiceBlockingV2Stub> {
    private SessionServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SessionServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SessionServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Create creates a session for an actor and returns it with its cookie value and CSRF token,
     * which are not stored and cannot be read again. The first Create of a tenant also creates its
     * signing key. With `replaces`, the old session is revoked in the same transaction, so that a
     * session id from before the login is never valid after it (ASVS 7.2.4).
     * Not idempotent: a retry creates another session. If a response is lost, an unused session
     * remains until it expires.
     * Role: issuer. Reasons: SESSION_LIMIT_REACHED, INITIAL_SIGNING_KEY_MINT_FAILED.
     * </pre>
     */
    public io.github.sessiond.v1.CreateResponse create(io.github.sessiond.v1.CreateRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Validate checks a cookie and returns its session. The order of the checks is: form, signing
     * key, signature, row, revocation, absolute deadline, idle deadline, pre-login, bindings, type of
     * actor, CSRF token, authentication. It always reads the session from the database, and changes nothing
     * unless `touch` is set. With `token_audience`, it also returns a token for an upstream; two calls may
     * return the same one.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE, PRE_LOGIN_NOT_ACCEPTED,
     * IP_MISMATCH, USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED, CSRF_MISSING, CSRF_MISMATCH,
     * STEP_UP_REQUIRED.
     * </pre>
     */
    public io.github.sessiond.v1.ValidateResponse validate(io.github.sessiond.v1.ValidateRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getValidateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ValidateCsrf checks a CSRF token against a live session.
     * Idempotent, changes nothing. Role: validator. Reasons: those of Validate except IP_MISMATCH,
     * USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED and STEP_UP_REQUIRED, and SESSION_NOT_FOUND.
     * </pre>
     */
    public io.github.sessiond.v1.ValidateCsrfResponse validateCsrf(io.github.sessiond.v1.ValidateCsrfRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getValidateCsrfMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Touch records activity: it sets last_seen_at to now, which moves the idle deadline. It never
     * revives an ended session and never moves the absolute deadline. It writes only if the last
     * write is at least as old as the touch interval.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE.
     * </pre>
     */
    public io.github.sessiond.v1.TouchResponse touch(io.github.sessiond.v1.TouchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTouchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Revoke ends one live session. The effect is immediate, on all replicas. The row stays, with
     * the time, the reason and the acting actor of the first revocation. A session that has already
     * ended does not change. If RotateSession replaces the session during the call, the new one is
     * revoked instead, even if a session_id named the old one. The session_id of a session that
     * RotateSession had replaced before ends its grace: the old cookie is refused from now on, and the
     * new session stays. To end that, too, name it, or call RevokeAllForActor.
     * Idempotent. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    public io.github.sessiond.v1.RevokeResponse revoke(io.github.sessiond.v1.RevokeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRevokeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RevokeAllForActor revokes all live sessions of an actor, except the one to keep, and returns
     * their number. It succeeds even if there are none.
     * Idempotent. Role: issuer. Reasons, all about `keep`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    public io.github.sessiond.v1.RevokeAllForActorResponse revokeAllForActor(io.github.sessiond.v1.RevokeAllForActorRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRevokeAllForActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RotateCsrf replaces the CSRF token of a live session, or of all live sessions of an actor. The
     * old token is invalid immediately; only a cookie in the grace of a RotateSession keeps its own.
     * The new token is returned only here.
     * Not idempotent: each call creates another token. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE.
     * </pre>
     */
    public io.github.sessiond.v1.RotateCsrfResponse rotateCsrf(io.github.sessiond.v1.RotateCsrfRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRotateCsrfMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RotateSession replaces a live session by one with a new id, cookie and CSRF token: after a
     * step-up, or when the user's privileges change, so that what was known of the old session is
     * worth nothing (ASVS 7.2.4). Actor, application, metadata, created_at, idle timeout and the
     * absolute deadline are those of the old session; the idle deadline moves, as by Touch. The old
     * session is revoked in the same transaction, with the reason `rotated`. The session limit does
     * not apply: there are as many live sessions as before.
     * Without `grace`, the old cookie is refused from now on. With it, the old cookie is accepted for
     * the new session until the grace ends, for requests that the browser has sent in the meantime:
     * by all calls but RotateSession, which of concurrent calls for one session lets one succeed and
     * refuses the others with REVOKED. With the old cookie, the CSRF token is the old one. Whatever
     * ends the new session also ends the grace, such as Revoke and RevokeAllForActor.
     * Not idempotent. If a response is lost, a session without a grace is lost, too, and the user has
     * to log in again. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE,
     * PRE_LOGIN_NOT_ACCEPTED.
     * </pre>
     */
    public io.github.sessiond.v1.RotateSessionResponse rotateSession(io.github.sessiond.v1.RotateSessionRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRotateSessionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * UpdateMetadata replaces the metadata of a live session, pre-login sessions included. With
     * metadata_etag, it changes nothing if the metadata is no longer the version that the caller has
     * read: of concurrent calls with one etag, exactly one succeeds.
     * Not idempotent: a retry of a call that succeeded fails with METADATA_ETAG_MISMATCH, or without
     * metadata_etag overwrites what others have stored since. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE, METADATA_ETAG_MISMATCH.
     * </pre>
     */
    public io.github.sessiond.v1.UpdateMetadataResponse updateMetadata(io.github.sessiond.v1.UpdateMetadataRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateMetadataMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RotateSigningKey creates a new active signing key for a tenant and retires the old one, in
     * one transaction. Cookies that the old key signed stay valid for the key retention.
     * Concurrent calls leave exactly one active key.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.RotateSigningKeyResponse rotateSigningKey(io.github.sessiond.v1.RotateSigningKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRotateSigningKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GarbageCollect runs one sweep with a time limit, like the schedule. It deletes ended sessions
     * past the history window, pre-login sessions past their absolute deadline, audit events past
     * their retention, signing keys past theirs that no session refers to, and token keys that are no
     * longer published. It never deletes a live session.
     * Idempotent. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.GarbageCollectResponse garbageCollect(io.github.sessiond.v1.GarbageCollectRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGarbageCollectMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Get returns one session, live or ended.
     * Idempotent, changes nothing. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    public io.github.sessiond.v1.GetResponse get(io.github.sessiond.v1.GetRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * List returns one page of an actor's sessions, newest first. If sessions are created or end
     * between two pages, no other session is missed or returned twice.
     * Idempotent, changes nothing. Role: issuer. Reasons, all about `current`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    public io.github.sessiond.v1.ListResponse list(io.github.sessiond.v1.ListRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListSessions returns one page of the sessions that a filter selects, of all actors, the newest id
     * first, which is nearly the order in which they were stored. One call reads at most 5000 rows, so a
     * page may have fewer sessions than page_size, or none, and still have a next one. If sessions are
     * created or end between two pages, no other session is missed or returned twice. For the sessions of
     * one actor, List takes less.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.ListSessionsResponse listSessions(io.github.sessiond.v1.ListSessionsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListSessionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RevokeSessions revokes live sessions that a filter selects, of all actors. One call reads at most
     * 5000 rows and revokes at most 500 sessions; repeat it with next_page_token while `more` is true.
     * Sessions that were created after the first of these calls are not revoked. A session that
     * RotateSession replaces during these calls is followed: the one in its place is revoked. With
     * dry_run, nothing is revoked, and the responses tell what would be.
     * Idempotent: a repeated call does not count or change again what is revoked already. A call that
     * fails may have revoked some of its sessions. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.RevokeSessionsResponse revokeSessions(io.github.sessiond.v1.RevokeSessionsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRevokeSessionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListSigningKeys returns one page of a tenant's signing keys, newest first, without key
     * material.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.ListSigningKeysResponse listSigningKeys(io.github.sessiond.v1.ListSigningKeysRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListSigningKeysMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListAuditEvents returns one page of a tenant's audit events, or of those of all tenants, newest or
     * oldest first. With `action`, a time or all_tenants, one call reads at most 5000 rows, so a page may
     * have fewer events than page_size, or none, and still have a next one.
     * Newest first, events that are written between two pages are not on the later one. Oldest first, no
     * event is missed, not even one that is being written: pages have only events that are older than the
     * time limit of an SQL statement and 5 seconds, 15 by default. While a change is open, they have only
     * those from so long before it began. If a page is empty, wait before you ask for the next one.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.ListAuditEventsResponse listAuditEvents(io.github.sessiond.v1.ListAuditEventsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListAuditEventsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RotateTokenKey creates a new key for the tokens for upstreams. It is published at once, and signs
     * after the delay that the operator has configured (10 minutes by default), so that verifiers know it
     * by then. Keys before it are published until their last tokens have expired. With `immediately`, the
     * new key signs at once, and the keys before it are published no longer. Concurrent calls leave exactly
     * one key that no other one replaces. Without SESSIOND_TOKEN_ISSUER there are no tokens, and the call
     * fails with INVALID_REQUEST.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.RotateTokenKeyResponse rotateTokenKey(io.github.sessiond.v1.RotateTokenKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRotateTokenKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListTokenKeys returns one page of the token keys, newest first, without private keys. There are none
     * before sessiond has been started with SESSIOND_TOKEN_ISSUER.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.ListTokenKeysResponse listTokenKeys(io.github.sessiond.v1.ListTokenKeysRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListTokenKeysMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service SessionService.
   * <pre>
   * SessionService creates, validates, touches and revokes login sessions for other backends.
   * Common to all calls:
   *   - A failure that sessiond itself reports has an ErrorDetail and a google.rpc.ErrorInfo; see
   *     ErrorReason. Failures of the protocol, such as an unknown method or a deadline that has
   *     passed, only have a code.
   *   - Any call can fail with INVALID_REQUEST, REQUEST_TOO_LARGE, STORAGE_UNAVAILABLE and
   *     OVERLOADED.
   *   - INVALID_REQUEST lists all wrong fields: a google.rpc.BadRequest has the path of each
   *     and what would be right. The message has the first one and counts the others. Fields are
   *     checked before any session is looked up, so it takes precedence over every other reason.
   *   - JSON with a field that the contract does not have, or with null for an `optional` field, is
   *     INVALID_REQUEST: a mistyped name or a variable without a value must not skip the check that
   *     the field asks for. The error names an unknown field if its name consists of letters and
   *     underscores, 32 at most; anything else could be a secret in the wrong place. In binary
   *     requests, unknown fields are ignored.
   *   - A call that fails has changed nothing. Only after DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE
   *     it is not known whether the change was committed.
   *   - STORAGE_UNAVAILABLE, CALLER_KEYS_UNAVAILABLE and OVERLOADED have a google.rpc.RetryInfo. The
   *     trailer grpc-retry-pushback-ms says the same to the retry policies of gRPC's libraries. Only
   *     the idempotent calls are safe to retry.
   *   - A calling service may be limited to some tenants. What belongs to another tenant does not exist
   *     for it: sessions, cookies, signing keys, audit events and pages. GarbageCollect, RotateTokenKey and
   *     ListTokenKeys need a calling service without such a limit.
   *   - Strings must be valid UTF-8 without NUL. Limits in bytes refer to UTF-8.
   *   - Where callers are authenticated, each caller has a role, and each RPC requires one:
   *     `validator` checks sessions, `issuer` also opens, changes and ends them, `admin` also manages
   *     keys, audit and sweep, and acts on the sessions of many actors. Each includes the one before. The option `required_role` says
   *     the same. Any call can fail with CALLER_UNAUTHENTICATED, CALLER_FORBIDDEN and
   *     CALLER_KEYS_UNAVAILABLE then. Credentials and roles are checked before the request's message
   *     is read.
   *   - Requests of web pages, and requests for host names, that the operator has not allowed fail
   *     with CALLER_FORBIDDEN, also where callers are not authenticated.
   *   - No method has the option NO_SIDE_EFFECTS: Connect would then allow it as a GET request, which
   *     puts cookies into URLs, and so into logs.
   * </pre>
   */
  public static final class SessionServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<SessionServiceBlockingStub> {
    private SessionServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SessionServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SessionServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Create creates a session for an actor and returns it with its cookie value and CSRF token,
     * which are not stored and cannot be read again. The first Create of a tenant also creates its
     * signing key. With `replaces`, the old session is revoked in the same transaction, so that a
     * session id from before the login is never valid after it (ASVS 7.2.4).
     * Not idempotent: a retry creates another session. If a response is lost, an unused session
     * remains until it expires.
     * Role: issuer. Reasons: SESSION_LIMIT_REACHED, INITIAL_SIGNING_KEY_MINT_FAILED.
     * </pre>
     */
    public io.github.sessiond.v1.CreateResponse create(io.github.sessiond.v1.CreateRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Validate checks a cookie and returns its session. The order of the checks is: form, signing
     * key, signature, row, revocation, absolute deadline, idle deadline, pre-login, bindings, type of
     * actor, CSRF token, authentication. It always reads the session from the database, and changes nothing
     * unless `touch` is set. With `token_audience`, it also returns a token for an upstream; two calls may
     * return the same one.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE, PRE_LOGIN_NOT_ACCEPTED,
     * IP_MISMATCH, USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED, CSRF_MISSING, CSRF_MISMATCH,
     * STEP_UP_REQUIRED.
     * </pre>
     */
    public io.github.sessiond.v1.ValidateResponse validate(io.github.sessiond.v1.ValidateRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getValidateMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ValidateCsrf checks a CSRF token against a live session.
     * Idempotent, changes nothing. Role: validator. Reasons: those of Validate except IP_MISMATCH,
     * USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED and STEP_UP_REQUIRED, and SESSION_NOT_FOUND.
     * </pre>
     */
    public io.github.sessiond.v1.ValidateCsrfResponse validateCsrf(io.github.sessiond.v1.ValidateCsrfRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getValidateCsrfMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Touch records activity: it sets last_seen_at to now, which moves the idle deadline. It never
     * revives an ended session and never moves the absolute deadline. It writes only if the last
     * write is at least as old as the touch interval.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE.
     * </pre>
     */
    public io.github.sessiond.v1.TouchResponse touch(io.github.sessiond.v1.TouchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTouchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Revoke ends one live session. The effect is immediate, on all replicas. The row stays, with
     * the time, the reason and the acting actor of the first revocation. A session that has already
     * ended does not change. If RotateSession replaces the session during the call, the new one is
     * revoked instead, even if a session_id named the old one. The session_id of a session that
     * RotateSession had replaced before ends its grace: the old cookie is refused from now on, and the
     * new session stays. To end that, too, name it, or call RevokeAllForActor.
     * Idempotent. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    public io.github.sessiond.v1.RevokeResponse revoke(io.github.sessiond.v1.RevokeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRevokeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RevokeAllForActor revokes all live sessions of an actor, except the one to keep, and returns
     * their number. It succeeds even if there are none.
     * Idempotent. Role: issuer. Reasons, all about `keep`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    public io.github.sessiond.v1.RevokeAllForActorResponse revokeAllForActor(io.github.sessiond.v1.RevokeAllForActorRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRevokeAllForActorMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RotateCsrf replaces the CSRF token of a live session, or of all live sessions of an actor. The
     * old token is invalid immediately; only a cookie in the grace of a RotateSession keeps its own.
     * The new token is returned only here.
     * Not idempotent: each call creates another token. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE.
     * </pre>
     */
    public io.github.sessiond.v1.RotateCsrfResponse rotateCsrf(io.github.sessiond.v1.RotateCsrfRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRotateCsrfMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RotateSession replaces a live session by one with a new id, cookie and CSRF token: after a
     * step-up, or when the user's privileges change, so that what was known of the old session is
     * worth nothing (ASVS 7.2.4). Actor, application, metadata, created_at, idle timeout and the
     * absolute deadline are those of the old session; the idle deadline moves, as by Touch. The old
     * session is revoked in the same transaction, with the reason `rotated`. The session limit does
     * not apply: there are as many live sessions as before.
     * Without `grace`, the old cookie is refused from now on. With it, the old cookie is accepted for
     * the new session until the grace ends, for requests that the browser has sent in the meantime:
     * by all calls but RotateSession, which of concurrent calls for one session lets one succeed and
     * refuses the others with REVOKED. With the old cookie, the CSRF token is the old one. Whatever
     * ends the new session also ends the grace, such as Revoke and RevokeAllForActor.
     * Not idempotent. If a response is lost, a session without a grace is lost, too, and the user has
     * to log in again. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE,
     * PRE_LOGIN_NOT_ACCEPTED.
     * </pre>
     */
    public io.github.sessiond.v1.RotateSessionResponse rotateSession(io.github.sessiond.v1.RotateSessionRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRotateSessionMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * UpdateMetadata replaces the metadata of a live session, pre-login sessions included. With
     * metadata_etag, it changes nothing if the metadata is no longer the version that the caller has
     * read: of concurrent calls with one etag, exactly one succeeds.
     * Not idempotent: a retry of a call that succeeded fails with METADATA_ETAG_MISMATCH, or without
     * metadata_etag overwrites what others have stored since. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE, METADATA_ETAG_MISMATCH.
     * </pre>
     */
    public io.github.sessiond.v1.UpdateMetadataResponse updateMetadata(io.github.sessiond.v1.UpdateMetadataRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateMetadataMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RotateSigningKey creates a new active signing key for a tenant and retires the old one, in
     * one transaction. Cookies that the old key signed stay valid for the key retention.
     * Concurrent calls leave exactly one active key.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.RotateSigningKeyResponse rotateSigningKey(io.github.sessiond.v1.RotateSigningKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRotateSigningKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * GarbageCollect runs one sweep with a time limit, like the schedule. It deletes ended sessions
     * past the history window, pre-login sessions past their absolute deadline, audit events past
     * their retention, signing keys past theirs that no session refers to, and token keys that are no
     * longer published. It never deletes a live session.
     * Idempotent. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.GarbageCollectResponse garbageCollect(io.github.sessiond.v1.GarbageCollectRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGarbageCollectMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Get returns one session, live or ended.
     * Idempotent, changes nothing. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    public io.github.sessiond.v1.GetResponse get(io.github.sessiond.v1.GetRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * List returns one page of an actor's sessions, newest first. If sessions are created or end
     * between two pages, no other session is missed or returned twice.
     * Idempotent, changes nothing. Role: issuer. Reasons, all about `current`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    public io.github.sessiond.v1.ListResponse list(io.github.sessiond.v1.ListRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListSessions returns one page of the sessions that a filter selects, of all actors, the newest id
     * first, which is nearly the order in which they were stored. One call reads at most 5000 rows, so a
     * page may have fewer sessions than page_size, or none, and still have a next one. If sessions are
     * created or end between two pages, no other session is missed or returned twice. For the sessions of
     * one actor, List takes less.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.ListSessionsResponse listSessions(io.github.sessiond.v1.ListSessionsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListSessionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RevokeSessions revokes live sessions that a filter selects, of all actors. One call reads at most
     * 5000 rows and revokes at most 500 sessions; repeat it with next_page_token while `more` is true.
     * Sessions that were created after the first of these calls are not revoked. A session that
     * RotateSession replaces during these calls is followed: the one in its place is revoked. With
     * dry_run, nothing is revoked, and the responses tell what would be.
     * Idempotent: a repeated call does not count or change again what is revoked already. A call that
     * fails may have revoked some of its sessions. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.RevokeSessionsResponse revokeSessions(io.github.sessiond.v1.RevokeSessionsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRevokeSessionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListSigningKeys returns one page of a tenant's signing keys, newest first, without key
     * material.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.ListSigningKeysResponse listSigningKeys(io.github.sessiond.v1.ListSigningKeysRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListSigningKeysMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListAuditEvents returns one page of a tenant's audit events, or of those of all tenants, newest or
     * oldest first. With `action`, a time or all_tenants, one call reads at most 5000 rows, so a page may
     * have fewer events than page_size, or none, and still have a next one.
     * Newest first, events that are written between two pages are not on the later one. Oldest first, no
     * event is missed, not even one that is being written: pages have only events that are older than the
     * time limit of an SQL statement and 5 seconds, 15 by default. While a change is open, they have only
     * those from so long before it began. If a page is empty, wait before you ask for the next one.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.ListAuditEventsResponse listAuditEvents(io.github.sessiond.v1.ListAuditEventsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListAuditEventsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * RotateTokenKey creates a new key for the tokens for upstreams. It is published at once, and signs
     * after the delay that the operator has configured (10 minutes by default), so that verifiers know it
     * by then. Keys before it are published until their last tokens have expired. With `immediately`, the
     * new key signs at once, and the keys before it are published no longer. Concurrent calls leave exactly
     * one key that no other one replaces. Without SESSIOND_TOKEN_ISSUER there are no tokens, and the call
     * fails with INVALID_REQUEST.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.RotateTokenKeyResponse rotateTokenKey(io.github.sessiond.v1.RotateTokenKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRotateTokenKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * ListTokenKeys returns one page of the token keys, newest first, without private keys. There are none
     * before sessiond has been started with SESSIOND_TOKEN_ISSUER.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public io.github.sessiond.v1.ListTokenKeysResponse listTokenKeys(io.github.sessiond.v1.ListTokenKeysRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListTokenKeysMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service SessionService.
   * <pre>
   * SessionService creates, validates, touches and revokes login sessions for other backends.
   * Common to all calls:
   *   - A failure that sessiond itself reports has an ErrorDetail and a google.rpc.ErrorInfo; see
   *     ErrorReason. Failures of the protocol, such as an unknown method or a deadline that has
   *     passed, only have a code.
   *   - Any call can fail with INVALID_REQUEST, REQUEST_TOO_LARGE, STORAGE_UNAVAILABLE and
   *     OVERLOADED.
   *   - INVALID_REQUEST lists all wrong fields: a google.rpc.BadRequest has the path of each
   *     and what would be right. The message has the first one and counts the others. Fields are
   *     checked before any session is looked up, so it takes precedence over every other reason.
   *   - JSON with a field that the contract does not have, or with null for an `optional` field, is
   *     INVALID_REQUEST: a mistyped name or a variable without a value must not skip the check that
   *     the field asks for. The error names an unknown field if its name consists of letters and
   *     underscores, 32 at most; anything else could be a secret in the wrong place. In binary
   *     requests, unknown fields are ignored.
   *   - A call that fails has changed nothing. Only after DEADLINE_EXCEEDED, CANCELLED or UNAVAILABLE
   *     it is not known whether the change was committed.
   *   - STORAGE_UNAVAILABLE, CALLER_KEYS_UNAVAILABLE and OVERLOADED have a google.rpc.RetryInfo. The
   *     trailer grpc-retry-pushback-ms says the same to the retry policies of gRPC's libraries. Only
   *     the idempotent calls are safe to retry.
   *   - A calling service may be limited to some tenants. What belongs to another tenant does not exist
   *     for it: sessions, cookies, signing keys, audit events and pages. GarbageCollect, RotateTokenKey and
   *     ListTokenKeys need a calling service without such a limit.
   *   - Strings must be valid UTF-8 without NUL. Limits in bytes refer to UTF-8.
   *   - Where callers are authenticated, each caller has a role, and each RPC requires one:
   *     `validator` checks sessions, `issuer` also opens, changes and ends them, `admin` also manages
   *     keys, audit and sweep, and acts on the sessions of many actors. Each includes the one before. The option `required_role` says
   *     the same. Any call can fail with CALLER_UNAUTHENTICATED, CALLER_FORBIDDEN and
   *     CALLER_KEYS_UNAVAILABLE then. Credentials and roles are checked before the request's message
   *     is read.
   *   - Requests of web pages, and requests for host names, that the operator has not allowed fail
   *     with CALLER_FORBIDDEN, also where callers are not authenticated.
   *   - No method has the option NO_SIDE_EFFECTS: Connect would then allow it as a GET request, which
   *     puts cookies into URLs, and so into logs.
   * </pre>
   */
  public static final class SessionServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<SessionServiceFutureStub> {
    private SessionServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected SessionServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new SessionServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Create creates a session for an actor and returns it with its cookie value and CSRF token,
     * which are not stored and cannot be read again. The first Create of a tenant also creates its
     * signing key. With `replaces`, the old session is revoked in the same transaction, so that a
     * session id from before the login is never valid after it (ASVS 7.2.4).
     * Not idempotent: a retry creates another session. If a response is lost, an unused session
     * remains until it expires.
     * Role: issuer. Reasons: SESSION_LIMIT_REACHED, INITIAL_SIGNING_KEY_MINT_FAILED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.CreateResponse> create(
        io.github.sessiond.v1.CreateRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Validate checks a cookie and returns its session. The order of the checks is: form, signing
     * key, signature, row, revocation, absolute deadline, idle deadline, pre-login, bindings, type of
     * actor, CSRF token, authentication. It always reads the session from the database, and changes nothing
     * unless `touch` is set. With `token_audience`, it also returns a token for an upstream; two calls may
     * return the same one.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE, PRE_LOGIN_NOT_ACCEPTED,
     * IP_MISMATCH, USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED, CSRF_MISSING, CSRF_MISMATCH,
     * STEP_UP_REQUIRED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.ValidateResponse> validate(
        io.github.sessiond.v1.ValidateRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getValidateMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ValidateCsrf checks a CSRF token against a live session.
     * Idempotent, changes nothing. Role: validator. Reasons: those of Validate except IP_MISMATCH,
     * USER_AGENT_MISMATCH, ACTOR_TYPE_NOT_ACCEPTED and STEP_UP_REQUIRED, and SESSION_NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.ValidateCsrfResponse> validateCsrf(
        io.github.sessiond.v1.ValidateCsrfRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getValidateCsrfMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Touch records activity: it sets last_seen_at to now, which moves the idle deadline. It never
     * revives an ended session and never moves the absolute deadline. It writes only if the last
     * write is at least as old as the touch interval.
     * Idempotent. Role: validator. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND,
     * SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.TouchResponse> touch(
        io.github.sessiond.v1.TouchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTouchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Revoke ends one live session. The effect is immediate, on all replicas. The row stays, with
     * the time, the reason and the acting actor of the first revocation. A session that has already
     * ended does not change. If RotateSession replaces the session during the call, the new one is
     * revoked instead, even if a session_id named the old one. The session_id of a session that
     * RotateSession had replaced before ends its grace: the old cookie is refused from now on, and the
     * new session stays. To end that, too, name it, or call RevokeAllForActor.
     * Idempotent. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.RevokeResponse> revoke(
        io.github.sessiond.v1.RevokeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRevokeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * RevokeAllForActor revokes all live sessions of an actor, except the one to keep, and returns
     * their number. It succeeds even if there are none.
     * Idempotent. Role: issuer. Reasons, all about `keep`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.RevokeAllForActorResponse> revokeAllForActor(
        io.github.sessiond.v1.RevokeAllForActorRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRevokeAllForActorMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * RotateCsrf replaces the CSRF token of a live session, or of all live sessions of an actor. The
     * old token is invalid immediately; only a cookie in the grace of a RotateSession keeps its own.
     * The new token is returned only here.
     * Not idempotent: each call creates another token. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.RotateCsrfResponse> rotateCsrf(
        io.github.sessiond.v1.RotateCsrfRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRotateCsrfMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * RotateSession replaces a live session by one with a new id, cookie and CSRF token: after a
     * step-up, or when the user's privileges change, so that what was known of the old session is
     * worth nothing (ASVS 7.2.4). Actor, application, metadata, created_at, idle timeout and the
     * absolute deadline are those of the old session; the idle deadline moves, as by Touch. The old
     * session is revoked in the same transaction, with the reason `rotated`. The session limit does
     * not apply: there are as many live sessions as before.
     * Without `grace`, the old cookie is refused from now on. With it, the old cookie is accepted for
     * the new session until the grace ends, for requests that the browser has sent in the meantime:
     * by all calls but RotateSession, which of concurrent calls for one session lets one succeed and
     * refuses the others with REVOKED. With the old cookie, the CSRF token is the old one. Whatever
     * ends the new session also ends the grace, such as Revoke and RevokeAllForActor.
     * Not idempotent. If a response is lost, a session without a grace is lost, too, and the user has
     * to log in again. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE, EXPIRED_IDLE,
     * PRE_LOGIN_NOT_ACCEPTED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.RotateSessionResponse> rotateSession(
        io.github.sessiond.v1.RotateSessionRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRotateSessionMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * UpdateMetadata replaces the metadata of a live session, pre-login sessions included. With
     * metadata_etag, it changes nothing if the metadata is no longer the version that the caller has
     * read: of concurrent calls with one etag, exactly one succeeds.
     * Not idempotent: a retry of a call that succeeded fails with METADATA_ETAG_MISMATCH, or without
     * metadata_etag overwrites what others have stored since. Role: issuer. Reasons: INVALID_COOKIE,
     * SESSION_NOT_FOUND, SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, REVOKED, EXPIRED_ABSOLUTE,
     * EXPIRED_IDLE, METADATA_ETAG_MISMATCH.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.UpdateMetadataResponse> updateMetadata(
        io.github.sessiond.v1.UpdateMetadataRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateMetadataMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * RotateSigningKey creates a new active signing key for a tenant and retires the old one, in
     * one transaction. Cookies that the old key signed stay valid for the key retention.
     * Concurrent calls leave exactly one active key.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.RotateSigningKeyResponse> rotateSigningKey(
        io.github.sessiond.v1.RotateSigningKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRotateSigningKeyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * GarbageCollect runs one sweep with a time limit, like the schedule. It deletes ended sessions
     * past the history window, pre-login sessions past their absolute deadline, audit events past
     * their retention, signing keys past theirs that no session refers to, and token keys that are no
     * longer published. It never deletes a live session.
     * Idempotent. Role: admin.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.GarbageCollectResponse> garbageCollect(
        io.github.sessiond.v1.GarbageCollectRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGarbageCollectMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Get returns one session, live or ended.
     * Idempotent, changes nothing. Role: issuer. Reasons: INVALID_COOKIE, SESSION_NOT_FOUND,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.GetResponse> get(
        io.github.sessiond.v1.GetRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * List returns one page of an actor's sessions, newest first. If sessions are created or end
     * between two pages, no other session is missed or returned twice.
     * Idempotent, changes nothing. Role: issuer. Reasons, all about `current`: INVALID_COOKIE,
     * SIGNING_KEY_NOT_FOUND, SIGNING_KEY_RETIRED, SESSION_NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.ListResponse> list(
        io.github.sessiond.v1.ListRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ListSessions returns one page of the sessions that a filter selects, of all actors, the newest id
     * first, which is nearly the order in which they were stored. One call reads at most 5000 rows, so a
     * page may have fewer sessions than page_size, or none, and still have a next one. If sessions are
     * created or end between two pages, no other session is missed or returned twice. For the sessions of
     * one actor, List takes less.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.ListSessionsResponse> listSessions(
        io.github.sessiond.v1.ListSessionsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListSessionsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * RevokeSessions revokes live sessions that a filter selects, of all actors. One call reads at most
     * 5000 rows and revokes at most 500 sessions; repeat it with next_page_token while `more` is true.
     * Sessions that were created after the first of these calls are not revoked. A session that
     * RotateSession replaces during these calls is followed: the one in its place is revoked. With
     * dry_run, nothing is revoked, and the responses tell what would be.
     * Idempotent: a repeated call does not count or change again what is revoked already. A call that
     * fails may have revoked some of its sessions. Role: admin.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.RevokeSessionsResponse> revokeSessions(
        io.github.sessiond.v1.RevokeSessionsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRevokeSessionsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ListSigningKeys returns one page of a tenant's signing keys, newest first, without key
     * material.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.ListSigningKeysResponse> listSigningKeys(
        io.github.sessiond.v1.ListSigningKeysRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListSigningKeysMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ListAuditEvents returns one page of a tenant's audit events, or of those of all tenants, newest or
     * oldest first. With `action`, a time or all_tenants, one call reads at most 5000 rows, so a page may
     * have fewer events than page_size, or none, and still have a next one.
     * Newest first, events that are written between two pages are not on the later one. Oldest first, no
     * event is missed, not even one that is being written: pages have only events that are older than the
     * time limit of an SQL statement and 5 seconds, 15 by default. While a change is open, they have only
     * those from so long before it began. If a page is empty, wait before you ask for the next one.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.ListAuditEventsResponse> listAuditEvents(
        io.github.sessiond.v1.ListAuditEventsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListAuditEventsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * RotateTokenKey creates a new key for the tokens for upstreams. It is published at once, and signs
     * after the delay that the operator has configured (10 minutes by default), so that verifiers know it
     * by then. Keys before it are published until their last tokens have expired. With `immediately`, the
     * new key signs at once, and the keys before it are published no longer. Concurrent calls leave exactly
     * one key that no other one replaces. Without SESSIOND_TOKEN_ISSUER there are no tokens, and the call
     * fails with INVALID_REQUEST.
     * Not idempotent: each call rotates again. Role: admin.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.RotateTokenKeyResponse> rotateTokenKey(
        io.github.sessiond.v1.RotateTokenKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRotateTokenKeyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * ListTokenKeys returns one page of the token keys, newest first, without private keys. There are none
     * before sessiond has been started with SESSIOND_TOKEN_ISSUER.
     * Idempotent, changes nothing. Role: admin.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.github.sessiond.v1.ListTokenKeysResponse> listTokenKeys(
        io.github.sessiond.v1.ListTokenKeysRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListTokenKeysMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CREATE = 0;
  private static final int METHODID_VALIDATE = 1;
  private static final int METHODID_VALIDATE_CSRF = 2;
  private static final int METHODID_TOUCH = 3;
  private static final int METHODID_REVOKE = 4;
  private static final int METHODID_REVOKE_ALL_FOR_ACTOR = 5;
  private static final int METHODID_ROTATE_CSRF = 6;
  private static final int METHODID_ROTATE_SESSION = 7;
  private static final int METHODID_UPDATE_METADATA = 8;
  private static final int METHODID_ROTATE_SIGNING_KEY = 9;
  private static final int METHODID_GARBAGE_COLLECT = 10;
  private static final int METHODID_GET = 11;
  private static final int METHODID_LIST = 12;
  private static final int METHODID_LIST_SESSIONS = 13;
  private static final int METHODID_REVOKE_SESSIONS = 14;
  private static final int METHODID_LIST_SIGNING_KEYS = 15;
  private static final int METHODID_LIST_AUDIT_EVENTS = 16;
  private static final int METHODID_ROTATE_TOKEN_KEY = 17;
  private static final int METHODID_LIST_TOKEN_KEYS = 18;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_CREATE:
          serviceImpl.create((io.github.sessiond.v1.CreateRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.CreateResponse>) responseObserver);
          break;
        case METHODID_VALIDATE:
          serviceImpl.validate((io.github.sessiond.v1.ValidateRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.ValidateResponse>) responseObserver);
          break;
        case METHODID_VALIDATE_CSRF:
          serviceImpl.validateCsrf((io.github.sessiond.v1.ValidateCsrfRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.ValidateCsrfResponse>) responseObserver);
          break;
        case METHODID_TOUCH:
          serviceImpl.touch((io.github.sessiond.v1.TouchRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.TouchResponse>) responseObserver);
          break;
        case METHODID_REVOKE:
          serviceImpl.revoke((io.github.sessiond.v1.RevokeRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeResponse>) responseObserver);
          break;
        case METHODID_REVOKE_ALL_FOR_ACTOR:
          serviceImpl.revokeAllForActor((io.github.sessiond.v1.RevokeAllForActorRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeAllForActorResponse>) responseObserver);
          break;
        case METHODID_ROTATE_CSRF:
          serviceImpl.rotateCsrf((io.github.sessiond.v1.RotateCsrfRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateCsrfResponse>) responseObserver);
          break;
        case METHODID_ROTATE_SESSION:
          serviceImpl.rotateSession((io.github.sessiond.v1.RotateSessionRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateSessionResponse>) responseObserver);
          break;
        case METHODID_UPDATE_METADATA:
          serviceImpl.updateMetadata((io.github.sessiond.v1.UpdateMetadataRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.UpdateMetadataResponse>) responseObserver);
          break;
        case METHODID_ROTATE_SIGNING_KEY:
          serviceImpl.rotateSigningKey((io.github.sessiond.v1.RotateSigningKeyRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateSigningKeyResponse>) responseObserver);
          break;
        case METHODID_GARBAGE_COLLECT:
          serviceImpl.garbageCollect((io.github.sessiond.v1.GarbageCollectRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.GarbageCollectResponse>) responseObserver);
          break;
        case METHODID_GET:
          serviceImpl.get((io.github.sessiond.v1.GetRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.GetResponse>) responseObserver);
          break;
        case METHODID_LIST:
          serviceImpl.list((io.github.sessiond.v1.ListRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListResponse>) responseObserver);
          break;
        case METHODID_LIST_SESSIONS:
          serviceImpl.listSessions((io.github.sessiond.v1.ListSessionsRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListSessionsResponse>) responseObserver);
          break;
        case METHODID_REVOKE_SESSIONS:
          serviceImpl.revokeSessions((io.github.sessiond.v1.RevokeSessionsRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.RevokeSessionsResponse>) responseObserver);
          break;
        case METHODID_LIST_SIGNING_KEYS:
          serviceImpl.listSigningKeys((io.github.sessiond.v1.ListSigningKeysRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListSigningKeysResponse>) responseObserver);
          break;
        case METHODID_LIST_AUDIT_EVENTS:
          serviceImpl.listAuditEvents((io.github.sessiond.v1.ListAuditEventsRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListAuditEventsResponse>) responseObserver);
          break;
        case METHODID_ROTATE_TOKEN_KEY:
          serviceImpl.rotateTokenKey((io.github.sessiond.v1.RotateTokenKeyRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.RotateTokenKeyResponse>) responseObserver);
          break;
        case METHODID_LIST_TOKEN_KEYS:
          serviceImpl.listTokenKeys((io.github.sessiond.v1.ListTokenKeysRequest) request,
              (io.grpc.stub.StreamObserver<io.github.sessiond.v1.ListTokenKeysResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getCreateMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.CreateRequest,
              io.github.sessiond.v1.CreateResponse>(
                service, METHODID_CREATE)))
        .addMethod(
          getValidateMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.ValidateRequest,
              io.github.sessiond.v1.ValidateResponse>(
                service, METHODID_VALIDATE)))
        .addMethod(
          getValidateCsrfMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.ValidateCsrfRequest,
              io.github.sessiond.v1.ValidateCsrfResponse>(
                service, METHODID_VALIDATE_CSRF)))
        .addMethod(
          getTouchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.TouchRequest,
              io.github.sessiond.v1.TouchResponse>(
                service, METHODID_TOUCH)))
        .addMethod(
          getRevokeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.RevokeRequest,
              io.github.sessiond.v1.RevokeResponse>(
                service, METHODID_REVOKE)))
        .addMethod(
          getRevokeAllForActorMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.RevokeAllForActorRequest,
              io.github.sessiond.v1.RevokeAllForActorResponse>(
                service, METHODID_REVOKE_ALL_FOR_ACTOR)))
        .addMethod(
          getRotateCsrfMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.RotateCsrfRequest,
              io.github.sessiond.v1.RotateCsrfResponse>(
                service, METHODID_ROTATE_CSRF)))
        .addMethod(
          getRotateSessionMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.RotateSessionRequest,
              io.github.sessiond.v1.RotateSessionResponse>(
                service, METHODID_ROTATE_SESSION)))
        .addMethod(
          getUpdateMetadataMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.UpdateMetadataRequest,
              io.github.sessiond.v1.UpdateMetadataResponse>(
                service, METHODID_UPDATE_METADATA)))
        .addMethod(
          getRotateSigningKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.RotateSigningKeyRequest,
              io.github.sessiond.v1.RotateSigningKeyResponse>(
                service, METHODID_ROTATE_SIGNING_KEY)))
        .addMethod(
          getGarbageCollectMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.GarbageCollectRequest,
              io.github.sessiond.v1.GarbageCollectResponse>(
                service, METHODID_GARBAGE_COLLECT)))
        .addMethod(
          getGetMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.GetRequest,
              io.github.sessiond.v1.GetResponse>(
                service, METHODID_GET)))
        .addMethod(
          getListMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.ListRequest,
              io.github.sessiond.v1.ListResponse>(
                service, METHODID_LIST)))
        .addMethod(
          getListSessionsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.ListSessionsRequest,
              io.github.sessiond.v1.ListSessionsResponse>(
                service, METHODID_LIST_SESSIONS)))
        .addMethod(
          getRevokeSessionsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.RevokeSessionsRequest,
              io.github.sessiond.v1.RevokeSessionsResponse>(
                service, METHODID_REVOKE_SESSIONS)))
        .addMethod(
          getListSigningKeysMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.ListSigningKeysRequest,
              io.github.sessiond.v1.ListSigningKeysResponse>(
                service, METHODID_LIST_SIGNING_KEYS)))
        .addMethod(
          getListAuditEventsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.ListAuditEventsRequest,
              io.github.sessiond.v1.ListAuditEventsResponse>(
                service, METHODID_LIST_AUDIT_EVENTS)))
        .addMethod(
          getRotateTokenKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.RotateTokenKeyRequest,
              io.github.sessiond.v1.RotateTokenKeyResponse>(
                service, METHODID_ROTATE_TOKEN_KEY)))
        .addMethod(
          getListTokenKeysMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.github.sessiond.v1.ListTokenKeysRequest,
              io.github.sessiond.v1.ListTokenKeysResponse>(
                service, METHODID_LIST_TOKEN_KEYS)))
        .build();
  }

  private static abstract class SessionServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    SessionServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.github.sessiond.v1.SessionServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("SessionService");
    }
  }

  private static final class SessionServiceFileDescriptorSupplier
      extends SessionServiceBaseDescriptorSupplier {
    SessionServiceFileDescriptorSupplier() {}
  }

  private static final class SessionServiceMethodDescriptorSupplier
      extends SessionServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    SessionServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (SessionServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new SessionServiceFileDescriptorSupplier())
              .addMethod(getCreateMethod())
              .addMethod(getValidateMethod())
              .addMethod(getValidateCsrfMethod())
              .addMethod(getTouchMethod())
              .addMethod(getRevokeMethod())
              .addMethod(getRevokeAllForActorMethod())
              .addMethod(getRotateCsrfMethod())
              .addMethod(getRotateSessionMethod())
              .addMethod(getUpdateMetadataMethod())
              .addMethod(getRotateSigningKeyMethod())
              .addMethod(getGarbageCollectMethod())
              .addMethod(getGetMethod())
              .addMethod(getListMethod())
              .addMethod(getListSessionsMethod())
              .addMethod(getRevokeSessionsMethod())
              .addMethod(getListSigningKeysMethod())
              .addMethod(getListAuditEventsMethod())
              .addMethod(getRotateTokenKeyMethod())
              .addMethod(getListTokenKeysMethod())
              .build();
        }
      }
    }
    return result;
  }
}
