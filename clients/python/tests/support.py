"""Servers with faults, and answers of sessiond."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from sessiond.v1 import session_service_pb2 as pb
from sessiond.v1.error_pb2 import ErrorDetail, ErrorReason
from sessiond.v1.session_pb2 import Session, SetCookie

METHODS = [method.name for method in pb.DESCRIPTOR.services_by_name["SessionService"].methods]
NOT_IDEMPOTENT = [
    "Create",
    "RotateCsrf",
    "RotateSession",
    "UpdateMetadata",
    "RotateSigningKey",
    "RotateTokenKey",
]

Answer = Callable[[Any, grpc.ServicerContext], "Message | bytes"]


def request_of(rpc: str) -> Message:
    """An empty request of an RPC."""
    message: Message = getattr(pb, f"{rpc}Request")()
    return message


_used_ports: set[int] = set()


def _unused_port(bind: Callable[[str], int]) -> int:
    """A port that no server of this process had before.

    All channels of a process share connections by address, and their wait after a failure: a new
    server at the port of an old one would seem to be away.
    """
    while (port := bind("127.0.0.1:0")) in _used_ports:
        pass
    _used_ports.add(port)
    return port


class FakeSessiond:
    """A gRPC server whose answers are functions. By default, every call is answered at once."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.received: list[tuple[str, Any]] = []
        self.times: list[float] = []
        self.metadata: list[dict[str, Any]] = []
        self.peers: list[str] = []
        self.certificate_names: list[str] = []
        self.remaining: list[float | None] = []
        self.answers: dict[str, Answer] = {}
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    "sessiond.v1.SessionService",
                    {rpc: self._handler(rpc) for rpc in METHODS},
                )
            ]
        )
        self.port = _unused_port(
            lambda address: (
                self._server.add_insecure_port(address)
                if credentials is None
                else self._server.add_secure_port(address, credentials)
            )
        )
        self.url = f"http{'s' if credentials else ''}://127.0.0.1:{self.port}"

    def _handler(self, rpc: str) -> Any:
        def handle(request: Any, context: grpc.ServicerContext) -> bytes:
            self.received.append((rpc, request))
            self.times.append(time.monotonic())
            self.metadata.append(dict(context.invocation_metadata()))
            self.peers.append(context.peer())
            names: Any = context.auth_context().get("x509_common_name", ())
            self.certificate_names.extend(name.decode() for name in names)
            self.remaining.append(context.time_remaining())
            scripted = self.answers.get(rpc)
            if scripted is None:
                answer = DEFAULT_ANSWERS.get(rpc, b"")
            else:
                answer = scripted(request, context)
            return answer if isinstance(answer, bytes) else answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(
            handle, request_deserializer=getattr(pb, f"{rpc}Request").FromString
        )

    def __enter__(self) -> FakeSessiond:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()


_SESSION = Session(id="ses-1", tenant_id="default", actor_id="alice")
ODD_COOKIE = 'session="v1.odd, value"; Path=/; Foo="b a\'r"; HttpOnly'
DEFAULT_ANSWERS: dict[str, Message] = {
    "Validate": pb.ValidateResponse(session=_SESSION, seconds_left=60),
    "Create": pb.CreateResponse(
        session=_SESSION,
        csrf_token="token",
        set_cookies=[SetCookie(header=ODD_COOKIE), SetCookie(header="csrf=token; Path=/")],
    ),
    "Revoke": pb.RevokeResponse(
        session=_SESSION, revoked=True, set_cookies=[SetCookie(header="session=; Max-Age=0")]
    ),
}


def failing(
    code: grpc.StatusCode,
    reason: int = 0,
    *,
    http_status: int = 0,
    message: str = "secret of the server",
    name: str = "",
    retry_after: float | None = None,
    extra: tuple[Message, ...] = (),
    details: bytes | None = None,
) -> Answer:
    """An answer that fails as sessiond does."""
    status = status_pb2.Status(code=code.value[0], message=message)
    parts: list[Message] = list(extra)
    if reason:
        parts.append(ErrorDetail(reason=reason, http_status=http_status))  # type: ignore[arg-type]
        name = name or ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
        parts.append(error_details_pb2.ErrorInfo(reason=name, domain="sessiond.v1"))
    trailers: list[tuple[str, Any]] = []
    if retry_after is not None:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromNanoseconds(int(retry_after * 1e9))
        parts.append(info)
        trailers.append(("grpc-retry-pushback-ms", str(int(retry_after * 1000))))
    for part in parts:
        packed = AnyMessage()
        packed.Pack(part)
        status.details.append(packed)
    trailers.append(
        ("grpc-status-details-bin", status.SerializeToString() if details is None else details)
    )

    def answer(_request: Any, context: grpc.ServicerContext) -> Message:
        context.set_trailing_metadata(tuple(trailers))
        context.abort(code, message)

    return answer


def in_turn(*answers: Answer | Message) -> Answer:
    """Answers one after the other; the last one again and again."""
    left = list(answers)

    def answer(request: Any, context: grpc.ServicerContext) -> Message | bytes:
        current = left.pop(0) if len(left) > 1 else left[0]
        return current if isinstance(current, Message) else current(request, context)

    return answer


def hold(_request: Any, context: grpc.ServicerContext) -> Message:
    """Answer only when the caller has given up."""
    ended = threading.Event()
    context.add_callback(ended.set)
    ended.wait(30)
    return pb.ValidateResponse()


@contextlib.contextmanager
def tcp_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does something with each connection and closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            with connection:
                try:
                    talk(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()


def garbage(connection: socket.socket) -> None:
    """Answer in another protocol."""
    connection.recv(1024)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def cut_in_call(connection: socket.socket) -> None:
    """Speak HTTP/2 until a request has come, and end the connection then."""
    settings = b"\0\0\0\4\0\0\0\0\0"
    connection.sendall(settings)
    received = b""
    # A frame of the type HEADERS of the stream 1.
    while b"\x01\x04\x00\x00\x00\x01" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return
        received += chunk


def closed_port() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


class Certificates:
    """A certificate authority, and what it has signed, as PEM."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        authority = x509.BasicConstraints(ca=True, path_length=None)
        self.ca = self._sign(self._name, self._key, authority, critical=True)

    def issue(self, *names: str) -> tuple[bytes, bytes]:
        """A key and a certificate for host names."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return pem, self._sign(subject, key, alternatives, critical=False)

    def _sign(
        self, subject: x509.Name, key: Any, extension: x509.ExtensionType, *, critical: bool
    ) -> bytes:
        now = dt.datetime.now(dt.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(extension, critical)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)
