"""Connecting from synchronous code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessiond.v1.session_service_pb2_grpc import SessionServiceStub

from ._channel import ChannelFactory, ConnectOptions, SyncChannel

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack


class Client(SessionServiceStub):
    """The generated stub: a method for each RPC, such as `client.Validate(…)`. Thread-safe."""

    def __init__(self, channel: SyncChannel) -> None:
        """Create it from a channel; use `connect`."""
        # The type stubs describe the constructor as __new__.
        super().__init__(channel)  # type: ignore[call-arg]
        self._channel = channel

    def close(self) -> None:
        """Close the connection. Calls in flight are cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()


def connect(address: str, **options: Unpack[ConnectOptions]) -> Client:
    """Return the stub for a sessiond. No connection is made yet.

    Args:
        address: `http://host[:port]` or `https://host[:port]`; with `security`, any target of gRPC.
        **options: See ConnectOptions.

    Raises:
        TypeError: There is no such option.
        ValueError: The address or an option is not valid, or the token would be sent in the clear.
    """
    return Client(SyncChannel(ChannelFactory(address, options)))
