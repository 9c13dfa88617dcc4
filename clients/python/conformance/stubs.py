"""The stubs of the runner: HTTP servers that make the calls they are asked for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc

from calls import failed, ok, parse_call
from sessiond_client import AsyncClient, Client, connect, connect_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from starlette.requests import Request
    from starlette.responses import Response

    from calls import Call


def sync_stub(default_url: str) -> WSGIApplication:
    """Return the application that makes calls with grpcio."""
    clients: dict[tuple[Any, ...], Client] = {}

    def answer(call: Call) -> bytes:
        try:
            client = clients.get(call.connection)
            if client is None:
                client = clients.setdefault(call.connection, connect(call.url, **call.options))
            pending = getattr(client, call.rpc).future(call.request, timeout=call.timeout)
            if call.cancel_after is not None:
                with contextlib.suppress(grpc.FutureTimeoutError):
                    return ok(pending.result(timeout=call.cancel_after))
                pending.cancel()
            return ok(pending.result())
        except Exception as error:
            return failed(error)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = answer(parse_call(environ["wsgi.input"].read(length), default_url))
        start_response("200 OK", [("content-type", "application/json")])
        return [body]

    return app


def async_stub(default_url: str) -> Callable[[Request], Any]:
    """Return the endpoint that makes calls with grpcio's asyncio API."""
    from starlette.responses import Response  # noqa: PLC0415

    clients: dict[tuple[Any, ...], AsyncClient] = {}

    async def answer(call: Call) -> bytes:
        try:
            client = clients.get(call.connection)
            if client is None:
                client = clients.setdefault(
                    call.connection, connect_async(call.url, **call.options)
                )
            pending = getattr(client, call.rpc)(call.request, timeout=call.timeout)
            if call.cancel_after is not None:
                asyncio.get_running_loop().call_later(call.cancel_after, pending.cancel)
            return ok(await pending)
        except (Exception, asyncio.CancelledError) as error:
            return failed(error)

    async def endpoint(request: Request) -> Response:
        body = await answer(parse_call(await request.body(), default_url))
        return Response(body, media_type="application/json")

    return endpoint
