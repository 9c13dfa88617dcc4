"""Connecting from asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ._channel import AsyncChannel, ChannelFactory, ConnectOptions

if TYPE_CHECKING:
    # Only the type stubs tell the two kinds apart; at run time, it is the channel that does.
    from sessiond.v1.session_service_pb2_grpc import SessionServiceAsyncStub as _Stub
    from typing_extensions import Self, Unpack
else:
    from sessiond.v1.session_service_pb2_grpc import SessionServiceStub as _Stub


class AsyncClient(_Stub):
    """The generated stub of asyncio: a method for each RPC, such as `await client.Validate(…)`.

    It can be made before the event loop runs.
    """

    def __init__(self, channel: AsyncChannel) -> None:
        """Create it from a channel; use `connect`."""
        super().__init__(cast("Any", channel))
        self._channel = channel

    async def close(self) -> None:
        """Close the connection. Calls in flight are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self.close()


def connect(address: str, **options: Unpack[ConnectOptions]) -> AsyncClient:
    """Return the stub for a sessiond, for use with `await`. No connection is made yet.

    Args:
        address: `http://host[:port]` or `https://host[:port]`; with `security`, any target of gRPC.
        **options: See ConnectOptions.

    Raises:
        TypeError: There is no such option.
        ValueError: The address or an option is not valid, or the token would be sent in the clear.
    """
    return AsyncClient(AsyncChannel(ChannelFactory(address, options)))
