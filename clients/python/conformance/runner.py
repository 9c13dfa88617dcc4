"""The runner of the conformance table: stubs and applications, until its stdin closes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import uvicorn
import waitress.server
from starlette.applications import Starlette
from starlette.routing import Route

import asgi_app
import django_app
import wsgi_app
from stubs import async_stub, sync_stub

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def serve_wsgi(app: WSGIApplication) -> str:
    """Serve in the background and return the address."""
    server: Any = waitress.server.create_server(app, listen="127.0.0.1:0", threads=8)
    threading.Thread(target=server.run, daemon=True).start()
    return f"http://127.0.0.1:{server.effective_port}"


async def main() -> None:
    """Serve everything until stdin closes."""
    url = os.environ["SESSIOND_URL"]
    servers: list[asyncio.Task[None]] = []
    running: list[uvicorn.Server] = []

    async def serve_asgi(app: Any) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        running.append(server)
        servers.append(asyncio.create_task(server.serve(sockets=[listener])))
        # The listener already queues connections.
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    stub = Starlette(routes=[Route("/", async_stub(url), methods=["POST"])])
    addresses = {
        "calls": {
            "python-grpcio": serve_wsgi(sync_stub(url)),
            "python-grpcio-aio": await serve_asgi(stub),
        },
        "apps": {
            "asgi": await serve_asgi(asgi_app.create_app(url)),
            "wsgi": serve_wsgi(wsgi_app.create_app(url)),
            "django": serve_wsgi(django_app.create_app(url)),
        },
    }
    sys.stdout.write(json.dumps(addresses) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)
    for server in running:
        server.should_exit = True
    await asyncio.gather(*servers)


asyncio.run(main())
