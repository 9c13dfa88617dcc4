"""The application of the conformance table, with FastAPI's dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Form, Request, Response

from sessiond_client import SessiondError, connect_async
from sessiond_client.asgi import RequestSession, Sessions, append_cookies
from sessiond_client.fastapi import checked_login, optional_session, required_session

if TYPE_CHECKING:
    from sessiond_client.asgi import ASGIApp


def create_app(url: str) -> ASGIApp:
    """Return the application."""
    client = connect_async(url)
    sessions = Sessions(client)
    required = Depends(required_session(sessions))
    optional = Depends(optional_session(sessions))
    of_acme = Depends(required_session(Sessions(client, tenant="acme")))
    app = FastAPI()
    app.add_exception_handler(SessiondError, sessions.error_handler)

    @app.get("/login")
    async def login_page(request: Request, response: Response) -> dict[str, Any]:
        login = await sessions.start_login(request)
        append_cookies(response, login)
        return {"csrfToken": login.csrf_token}

    @app.post("/login", dependencies=[Depends(checked_login(sessions))])
    async def log_in(
        request: Request,
        response: Response,
        user: Annotated[str, Form()] = "nobody",
        tenant: Annotated[str, Form()] = "",
    ) -> dict[str, Any]:
        login = await sessions.log_in(request, actor_id=user, tenant_id=tenant)
        append_cookies(response, login)
        return {"actorId": login.session.actor_id, "csrfToken": login.csrf_token}

    def description(current: RequestSession) -> dict[str, Any]:
        return {
            "actorId": current.session.actor_id,
            "tenantId": current.session.tenant_id,
            "sessionId": current.session.id,
            "secondsLeft": current.seconds_left,
            "expiryWarning": current.expiry_warning,
        }

    @app.api_route("/me", methods=["GET", "HEAD"])
    async def me(current: RequestSession = required) -> dict[str, Any]:
        return description(current)

    @app.get("/acme/me")
    async def acme_me(current: RequestSession = of_acme) -> dict[str, Any]:
        return description(current)

    @app.api_route("/change", methods=["POST", "PUT", "PATCH", "DELETE"])
    async def change(request: Request, current: RequestSession = required) -> dict[str, Any]:
        form = await request.form()
        return {"actorId": current.session.actor_id, "body": form.get("note", "")}

    @app.api_route("/optional", methods=["GET", "POST"])
    async def maybe(current: RequestSession | None = optional) -> dict[str, Any]:
        return {"actorId": current.session.actor_id if current else None}

    @app.post("/logout", dependencies=[required])
    async def log_out(request: Request, response: Response) -> dict[str, Any]:
        logout = await sessions.log_out(request)
        append_cookies(response, logout)
        return {"revoked": logout.revoked}

    return app
