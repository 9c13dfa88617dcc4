"""Dependencies of FastAPI.

    sessions = Sessions(connect_async("http://127.0.0.1:8480"))
    app = FastAPI()
    app.add_exception_handler(SessiondError, sessions.error_handler)
    CurrentSession = Annotated[RequestSession, Depends(required_session(sessions))]

Without the exception handler, a refused request is answered 500.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.websockets import WebSocket

from ._web import RequestSession
from .asgi import Sessions

__all__ = ["checked_login", "optional_session", "required_session", "required_websocket_session"]


def required_session(sessions: Sessions) -> Callable[[Request], Awaitable[RequestSession]]:
    """Return a dependency: the session of a request, which is refused without one."""

    async def dependency(request: Request) -> RequestSession:
        return await sessions.require(request)

    return dependency


def optional_session(sessions: Sessions) -> Callable[[Request], Awaitable[RequestSession | None]]:
    """Return a dependency: the session of a request, or None if nobody is logged in."""

    async def dependency(request: Request) -> RequestSession | None:
        return await sessions.find(request)

    return dependency


def checked_login(sessions: Sessions) -> Callable[[Request], Awaitable[RequestSession]]:
    """Return a dependency of the route that gets the login form: its CSRF token is checked."""

    async def dependency(request: Request) -> RequestSession:
        return await sessions.check_login(request)

    return dependency


def required_websocket_session(
    sessions: Sessions,
) -> Callable[[WebSocket], Awaitable[RequestSession]]:
    """Return a dependency of a WebSocket: its session; without one, it is not accepted."""

    async def dependency(websocket: WebSocket) -> RequestSession:
        return await sessions.require_websocket(websocket)

    return dependency
