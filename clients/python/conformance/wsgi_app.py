"""The application with the WSGI middleware."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sessiond_client import connect
from sessiond_client.wsgi import Sessions, cookie_headers, optional_session, request_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def create_app(url: str) -> WSGIApplication:
    """Return the application."""
    client = connect(url)
    sessions = Sessions(client)
    acme = Sessions(client, tenant="acme")

    def login_page(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        login = sessions.start_login(environ)
        return _answer(start_response, {"csrfToken": login.csrf_token}, cookie_headers(login))

    def log_in(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        form = _form(environ)
        login = sessions.log_in(environ, actor_id=form["user"], tenant_id=form.get("tenant", ""))
        body = {"actorId": login.session.actor_id, "csrfToken": login.csrf_token}
        return _answer(start_response, body, cookie_headers(login))

    def me(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        current = request_session(environ)
        body = {
            "actorId": current.session.actor_id,
            "tenantId": current.session.tenant_id,
            "sessionId": current.session.id,
            "secondsLeft": current.seconds_left,
            "expiryWarning": current.expiry_warning,
        }
        return _answer(start_response, body)

    def change(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        actor = request_session(environ).session.actor_id
        return _answer(start_response, {"actorId": actor, "body": _form(environ).get("note", "")})

    def maybe(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        current = optional_session(environ)
        return _answer(start_response, {"actorId": current.session.actor_id if current else None})

    def log_out(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        logout = sessions.log_out(environ)
        return _answer(start_response, {"revoked": logout.revoked}, cookie_headers(logout))

    routes: dict[tuple[str, str], WSGIApplication] = {
        ("GET", "/login"): login_page,
        ("POST", "/login"): sessions.login_form(log_in),
        ("GET", "/me"): sessions.required(me),
        ("HEAD", "/me"): sessions.required(me),
        ("GET", "/optional"): sessions.optional(maybe),
        ("POST", "/optional"): sessions.optional(maybe),
        ("GET", "/acme/me"): acme.required(me),
        ("POST", "/logout"): sessions.required(log_out),
    }
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        routes[method, "/change"] = sessions.required(change)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        route = routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if route is None:
            start_response(f"{HTTPStatus.NOT_FOUND.value} Not Found", [])
            return []
        return route(environ, start_response)

    return sessions.answer_errors(app)


def _answer(
    start_response: StartResponse, body: Any, headers: Sequence[tuple[str, str]] = ()
) -> Iterable[bytes]:
    start_response("200 OK", [("content-type", "application/json"), *headers])
    return [json.dumps(body).encode()]


def _form(environ: WSGIEnvironment) -> dict[str, str]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}
