"""Channels: from an address and options to what the generated stub makes its calls with."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit

import grpc
import grpc.aio

from ._files import CertificateFiles, Pem, TokenFile, checked_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    _UnaryUnary = grpc.UnaryUnaryMultiCallable[Any, Any]
else:
    _UnaryUnary = grpc.UnaryUnaryMultiCallable  # Not generic at run time.

Token = str | Callable[[], str]

IDEMPOTENT_METHODS = (
    "Validate",
    "ValidateCsrf",
    "Touch",
    "Revoke",
    "RevokeAllForActor",
    "Get",
    "List",
    "ListSessions",
    "RevokeSessions",
    "ListSigningKeys",
    "ListTokenKeys",
    "ListAuditEvents",
    "GarbageCollect",
)

_FORMS = "http://host[:port] or https://host[:port]"


class ConnectOptions(TypedDict, total=False):
    """The options of `connect` and `aio.connect`. All are optional."""

    timeout: float
    """Seconds for a call, retries included. 2 by default. A call's own `timeout` replaces it."""
    retry: bool
    """False: no call is sent again. By default, idempotent calls are, up to twice."""
    token: Token
    """Sent as `authorization: Bearer …`. A function is called for each call, and must not block."""
    token_file: str | os.PathLike[str]
    """A file with the token, instead of `token`; read again at most once a second."""
    allow_token_over_plaintext: bool
    """True: send the token without TLS to a host that is not this machine."""
    ca: str | bytes
    """PEM certificates that sign the server's. By default, those that gRPC comes with."""
    client_certificate: str | bytes
    """PEM certificate chain of this client, for mutual TLS. Needs `client_key`."""
    client_key: str | bytes
    """PEM private key of `client_certificate`."""
    ca_file: str | os.PathLike[str]
    """A file with `ca`. A change of these files opens a new connection for the calls after it."""
    client_certificate_file: str | os.PathLike[str]
    """A file with `client_certificate`. Needs `client_key_file`."""
    client_key_file: str | os.PathLike[str]
    """A file with `client_key`, without a password."""
    server_name: str
    """The name to expect in the server's certificate, if it is not the address's host."""
    keep_alive: float
    """Seconds between pings while calls are in flight. 30 by default."""
    keep_alive_timeout: float
    """Seconds to wait for the answer to a ping. 10 by default."""
    security: Literal["plaintext", "tls"]
    """Required if the address is a gRPC target such as `dns:///sessiond:8480`; else not allowed."""
    channel_options: Sequence[tuple[str, Any]]
    """Further arguments of gRPC's channel, which replace ours of the same name."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """ConnectOptions with their defaults."""

    timeout: float = 2.0
    retry: bool = True
    token: Token | None = field(default=None, repr=False)
    token_file: str | os.PathLike[str] | None = None
    allow_token_over_plaintext: bool = False
    ca: str | bytes | None = None
    client_certificate: str | bytes | None = None
    client_key: str | bytes | None = field(default=None, repr=False)
    ca_file: str | os.PathLike[str] | None = None
    client_certificate_file: str | os.PathLike[str] | None = None
    client_key_file: str | os.PathLike[str] | None = None
    server_name: str | None = None
    keep_alive: float = 30.0
    keep_alive_timeout: float = 10.0
    security: Literal["plaintext", "tls"] | None = None
    channel_options: Sequence[tuple[str, Any]] = ()


@dataclass(frozen=True)
class Target:
    """Where to connect to.

    Attributes:
        name: gRPC's name of it.
        tls: Whether to use TLS.
        local: Whether it is certainly this machine.
    """

    name: str
    tls: bool
    local: bool


def parse_address(address: str, security: Literal["plaintext", "tls"] | None) -> Target:
    """Return the target of an address.

    Raises:
        ValueError: The address has another form, or security is chosen twice or not at all.
    """
    scheme = re.match(r"(?i)(https?)://", address)
    if scheme is None:
        return _raw_target(address, security)
    if security is not None:
        raise ValueError(
            f"security is only for gRPC targets: {scheme[0]} already says whether to use TLS"
        )
    # The address is not repeated in the messages: it can contain a password.
    try:
        url = urlsplit(address)
        host, port = url.hostname, url.port
    except ValueError:
        raise ValueError(f"the address must be {_FORMS}, with a port from 1 to 65535") from None
    if url.username is not None or url.password is not None:
        raise ValueError(f"the address must be {_FORMS}, without user name and password")
    if url.path not in ("", "/") or "?" in address or "#" in address:
        raise ValueError(f"the address must be {_FORMS}, without path, query and fragment")
    if not host or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+(%[a-z0-9]+)?", host):
        raise ValueError(f"the address must be {_FORMS}, with a host name or an IP address")
    if port == 0:
        raise ValueError(f"the address must be {_FORMS}, with a port from 1 to 65535")
    tls = scheme[1].lower() == "https"
    name = f"[{host}]" if ":" in host else host
    return Target(f"dns:///{name}:{port or (443 if tls else 80)}", tls, _is_local(host))


def _raw_target(target: str, security: Literal["plaintext", "tls"] | None) -> Target:
    if security is None:
        raise ValueError(
            f'the address must be {_FORMS}; for a gRPC target, choose security="tls" or "plaintext"'
        )
    if security not in ("plaintext", "tls"):
        raise ValueError('security must be "tls" or "plaintext"')
    endpoint = target.rsplit("/", 1)[-1]
    local = target.startswith("unix:") or _is_local(endpoint.rpartition(":")[0].strip("[]"))
    return Target(target, security == "tls", local)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def service_config(*, retry: bool) -> str:
    """Return gRPC's service config: load balancing, and which calls are sent again and when.

    The server's `grpc-retry-pushback-ms` replaces the backoff.
    """
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retry:
        service = "sessiond.v1.SessionService"
        config["methodConfig"] = [
            {
                "name": [{"service": service, "method": name} for name in IDEMPOTENT_METHODS],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
                },
            }
        ]
        config["retryThrottling"] = {"maxTokens": 10, "tokenRatio": 0.1}
    return json.dumps(config)


class ChannelFactory:
    """Makes channels of one target. It makes no connection itself.

    Raises:
        TypeError: There is no such option.
        ValueError: The address or an option is not valid, or the token would be sent in the clear.
    """

    def __init__(self, address: str, options: ConnectOptions) -> None:
        """Check the address and the options."""
        settings = Settings(**options)
        self._target = parse_address(address, settings.security)
        for name in ("timeout", "keep_alive", "keep_alive_timeout"):
            seconds = getattr(settings, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError(f"{name} must be a positive number of seconds")
        self.timeout = settings.timeout
        self._token = self._check_token(settings)
        self._credentials = self._check_credentials(settings)
        self._arguments = _channel_arguments(settings)

    def _check_token(self, settings: Settings) -> Token | None:
        if settings.token is None and settings.token_file is None:
            return None
        if settings.token is not None and settings.token_file is not None:
            raise ValueError("token and token_file must not be set together")
        safe = self._target.tls or self._target.local or settings.allow_token_over_plaintext
        if not safe:
            raise ValueError(
                "the token would be sent without TLS to another machine: use https://, "
                "or set allow_token_over_plaintext"
            )
        return settings.token if settings.token_file is None else TokenFile(settings.token_file)

    def _check_credentials(
        self, settings: Settings
    ) -> Callable[[], grpc.ChannelCredentials | None]:
        pem = Pem(**{name: _pem(name, getattr(settings, name)) for name in _PEM_OPTIONS})
        files = {name: getattr(settings, f"{name}_file") for name in _PEM_OPTIONS}
        paths = {name: os.fspath(path) for name, path in files.items() if path is not None}
        for name in paths:
            if getattr(pem, name) is not None:
                raise ValueError(f"{name} and {name}_file must not be set together")
        if (pem.client_certificate is None) != (pem.client_key is None):
            raise ValueError("client_certificate and client_key must be set together")
        if ("client_certificate" in paths) != ("client_key" in paths):
            raise ValueError("client_certificate_file and client_key_file must be set together")
        if self._target.tls:
            if paths:
                return CertificateFiles(pem, paths)
            credentials = pem.credentials()
            return lambda: credentials
        for name in (*_PEM_OPTIONS, *(f"{name}_file" for name in _PEM_OPTIONS), "server_name"):
            if getattr(settings, name) is not None:
                raise ValueError(f"{name} is only used with TLS: use https://")
        return lambda: None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return the credentials of TLS: another object when a file has changed."""
        return self._credentials()

    def metadata(self, metadata: Any) -> Any:
        """Return a call's metadata with the token added.

        Raises:
            ValueError: The token cannot be a header, or its file cannot be read.
        """
        if self._token is None:
            return metadata
        token = self._token if isinstance(self._token, str) else self._token()
        # gRPC would repeat the token in its error.
        checked_token(token, "the token")
        return (*(metadata or ()), ("authorization", f"Bearer {token}"))

    def sync_channel(self, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
        """Return a new channel."""
        if credentials is None:
            return grpc.insecure_channel(self._target.name, options=self._arguments)
        return grpc.secure_channel(self._target.name, credentials, options=self._arguments)

    def async_channel(self, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
        """Return a new channel of the running event loop."""
        if credentials is None:
            return grpc.aio.insecure_channel(self._target.name, options=self._arguments)
        return grpc.aio.secure_channel(self._target.name, credentials, options=self._arguments)


_PEM_OPTIONS = ("ca", "client_certificate", "client_key")


def _pem(name: str, value: str | bytes | None) -> bytes | None:
    if value is None:
        return None
    pem = value.encode() if isinstance(value, str) else value
    if b"-----BEGIN " not in pem:
        raise ValueError(f"{name} must be PEM: the content of the file, not its path")
    return pem


def _channel_arguments(settings: Settings) -> list[tuple[str, Any]]:
    arguments: dict[str, Any] = {
        "grpc.service_config": service_config(retry=settings.retry),
        "grpc.service_config_disable_resolution": 1,
        "grpc.enable_retries": int(settings.retry),
        "grpc.keepalive_time_ms": int(settings.keep_alive * 1000),
        "grpc.keepalive_timeout_ms": int(settings.keep_alive_timeout * 1000),
        # gRPC waits up to two minutes before it connects again. Logins cannot wait that long after
        # an outage.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 2000,
    }
    if settings.server_name is not None:
        arguments["grpc.ssl_target_name_override"] = settings.server_name
    arguments.update(settings.channel_options)
    return list(arguments.items())


_C = TypeVar("_C", grpc.Channel, grpc.aio.Channel)


@dataclass(frozen=True)
class _Made(Generic[_C]):
    """A channel, and the one that it has replaced, whose calls may still be in flight."""

    channel: _C
    credentials: grpc.ChannelCredentials | None
    replaced: _C | None = None

    def channels(self) -> list[_C]:
        return [self.channel] if self.replaced is None else [self.channel, self.replaced]


class SyncChannel:
    """What a stub needs of a channel: it is made at the first call, in each process again.

    gRPC's threads do not survive a fork, and servers such as gunicorn fork after the import. It is
    also made again when a file with certificates has changed. The former one stays open until the
    next change, so that its calls can end.
    """

    def __init__(self, factory: ChannelFactory) -> None:
        """Create it without a connection."""
        self.factory = factory
        self._channels: dict[int, _Made[grpc.Channel]] = {}
        self._closed = False

    def current(self) -> grpc.Channel:
        """Return the channel of this process."""
        process = os.getpid()
        credentials = self.factory.credentials()
        present = self._channels.get(process)
        if present is not None and present.credentials is credentials:
            return present.channel
        if self._closed:
            raise ValueError("the client is closed")
        # No lock: one that another thread holds during a fork would stay locked in the new process.
        made = _Made(
            self.factory.sync_channel(credentials),
            credentials,
            present.channel if present else None,
        )
        if present is None:
            # Another thread may have been faster.
            first = self._channels.setdefault(process, made)
            if first is not made:
                made.channel.close()
            return first.channel
        self._channels[process] = made
        if present.replaced is not None:
            present.replaced.close()
        return made.channel

    def unary_unary(self, method: str, **arguments: Any) -> _SyncMethod:
        """Return one RPC; called by the generated stub."""
        return _SyncMethod(self, method, arguments)

    def close(self) -> None:
        """Close the connection. Calls in flight are cancelled."""
        self._closed = True
        made = self._channels.pop(os.getpid(), None)
        for channel in made.channels() if made else ():
            channel.close()


class _SyncMethod(_UnaryUnary):
    """One RPC, with the default timeout and the token."""

    def __init__(self, channel: SyncChannel, method: str, arguments: dict[str, Any]) -> None:
        self._channel = channel
        self._method = method
        self._arguments = arguments
        self._bound: tuple[grpc.Channel, Any] | None = None

    def _bind(self) -> Any:
        channel = self._channel.current()
        bound = self._bound
        if bound is None or bound[0] is not channel:
            bound = (channel, channel.unary_unary(self._method, **self._arguments))
            self._bound = bound
        return bound[1]

    def _with_defaults(self, timeout: float | None, metadata: Any) -> tuple[float, Any]:
        factory = self._channel.factory
        return factory.timeout if timeout is None else timeout, factory.metadata(metadata)

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        *args: Any,
        **kw: Any,
    ) -> Any:
        return self._bind()(request, *self._with_defaults(timeout, metadata), *args, **kw)

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        *args: Any,
        **kw: Any,
    ) -> Any:
        call = self._bind().with_call
        return call(request, *self._with_defaults(timeout, metadata), *args, **kw)

    def future(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        *args: Any,
        **kw: Any,
    ) -> Any:
        call = self._bind().future
        return call(request, *self._with_defaults(timeout, metadata), *args, **kw)


class AsyncChannel:
    """What a stub needs of a channel: it is made at the first call, in each event loop again.

    A channel of gRPC belongs to one event loop, but clients are made when a module is imported,
    before the server or a test starts its loop. When a file with certificates has changed, it is
    made again like that of SyncChannel.
    """

    def __init__(self, factory: ChannelFactory) -> None:
        """Create it without a connection."""
        self.factory = factory
        self._channels: dict[asyncio.AbstractEventLoop, _Made[grpc.aio.Channel]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def current(self) -> grpc.aio.Channel:
        """Return the channel of the running event loop."""
        loop = asyncio.get_running_loop()
        credentials = self.factory.credentials()
        present = self._channels.get(loop)
        if present is not None and present.credentials is credentials:
            return present.channel
        if self._closed:
            raise ValueError("the client is closed")
        # A copy: another thread's loop can come at the same time.
        for other in [other for other in list(self._channels) if other.is_closed()]:
            self._channels.pop(other, None)
        made = _Made(
            self.factory.async_channel(credentials),
            credentials,
            present.channel if present else None,
        )
        self._channels[loop] = made
        if present is not None and present.replaced is not None:
            closing = loop.create_task(present.replaced.close())
            # The loop itself does not keep tasks alive.
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return made.channel

    def unary_unary(self, method: str, **arguments: Any) -> _AsyncMethod:
        """Return one RPC; called by the generated stub."""
        return _AsyncMethod(self, method, arguments)

    async def close(self) -> None:
        """Close the connection of the running event loop. Calls in flight are cancelled."""
        self._closed = True
        made = self._channels.pop(asyncio.get_running_loop(), None)
        for channel in made.channels() if made else ():
            await channel.close()


class _AsyncMethod(grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    """One RPC, with the default timeout and the token."""

    def __init__(self, channel: AsyncChannel, method: str, arguments: dict[str, Any]) -> None:
        self._channel = channel
        self._method = method
        self._arguments = arguments
        self._bound: tuple[grpc.aio.Channel, Any] | None = None

    def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Any = None, **kw: Any
    ) -> Any:
        channel = self._channel.current()
        bound = self._bound
        if bound is None or bound[0] is not channel:
            bound = (channel, channel.unary_unary(self._method, **self._arguments))
            self._bound = bound
        factory = self._channel.factory
        return bound[1](
            request,
            timeout=factory.timeout if timeout is None else timeout,
            metadata=factory.metadata(metadata),
            **kw,
        )
