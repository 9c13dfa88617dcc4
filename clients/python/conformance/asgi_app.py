"""The application with the ASGI middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sessiond_client import SessiondError, connect_async
from sessiond_client.asgi import Sessions, append_cookies, optional_session, request_session

if TYPE_CHECKING:
    from sessiond_client.asgi import ASGIApp


def create_app(url: str) -> ASGIApp:
    """Return the application."""
    client = connect_async(url)
    sessions = Sessions(client)
    acme = Sessions(client, tenant="acme")
    required = [Middleware(sessions.required)]

    async def login_page(request: Request) -> Response:
        login = await sessions.start_login(request)
        response = JSONResponse({"csrfToken": login.csrf_token})
        append_cookies(response, login)
        return response

    async def log_in(request: Request) -> Response:
        await sessions.check_login(request)
        form = await request.form()
        login = await sessions.log_in(
            request, actor_id=str(form["user"]), tenant_id=str(form.get("tenant", ""))
        )
        response = JSONResponse({"actorId": login.session.actor_id, "csrfToken": login.csrf_token})
        append_cookies(response, login)
        return response

    async def me(request: Request) -> Response:
        current = request_session(request)
        return JSONResponse(
            {
                "actorId": current.session.actor_id,
                "tenantId": current.session.tenant_id,
                "sessionId": current.session.id,
                "secondsLeft": current.seconds_left,
                "expiryWarning": current.expiry_warning,
            }
        )

    async def change(request: Request) -> Response:
        form = await request.form()
        return JSONResponse(
            {
                "actorId": request_session(request).session.actor_id,
                "body": str(form.get("note", "")),
            }
        )

    async def maybe(request: Request) -> Response:
        current = optional_session(request)
        return JSONResponse({"actorId": current.session.actor_id if current else None})

    async def log_out(request: Request) -> Response:
        logout = await sessions.log_out(request)
        response = JSONResponse({"revoked": logout.revoked})
        append_cookies(response, logout)
        return response

    unsafe = ["POST", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[
            Route("/login", login_page, methods=["GET"]),
            Route("/login", log_in, methods=["POST"]),
            Route("/me", me, middleware=required),
            Route("/change", change, methods=unsafe, middleware=required),
            Route(
                "/optional",
                maybe,
                methods=["GET", "POST"],
                middleware=[Middleware(sessions.optional)],
            ),
            Route("/acme/me", me, middleware=[Middleware(acme.required)]),
            Route("/logout", log_out, methods=["POST"], middleware=required),
        ],
        exception_handlers={SessiondError: sessions.error_handler},
    )
