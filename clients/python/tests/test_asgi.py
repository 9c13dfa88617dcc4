"""What is particular to ASGI and FastAPI."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from fastapi import Depends, FastAPI
from sessiond.v1 import session_service_pb2 as pb
from sessiond.v1.error_pb2 import ErrorReason
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from sessiond_client import SessiondError, connect_async
from sessiond_client.asgi import (
    ASGIApp,
    RequestSession,
    Sessions,
    append_cookies,
    optional_session,
    request_session,
)
from sessiond_client.fastapi import required_session, required_websocket_session
from support import FakeSessiond, closed_port, failing

COOKIE = {"cookie": "session=v1.any"}
REFUSED = failing(
    grpc.StatusCode.UNAUTHENTICATED, ErrorReason.ERROR_REASON_REVOKED, http_status=401
)


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"hello {request_session(request).session.actor_id}")


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    session = optional_session(websocket)
    await websocket.send_text(f"hello {session.session.actor_id if session else 'stranger'}")
    await websocket.close()


async def call(app: ASGIApp, *arguments: Any) -> None:
    await app(*arguments)


def browser(app: ASGIApp) -> TestClient:
    return TestClient(app, follow_redirects=False)


class TestWebSockets:
    def app(self, sessions: Sessions) -> Starlette:
        return Starlette(
            routes=[
                WebSocketRoute("/required", greet, middleware=[Middleware(sessions.required)]),
                WebSocketRoute("/optional", greet, middleware=[Middleware(sessions.optional)]),
            ]
        )

    def test_have_the_session_of_their_handshake(self, fake: FakeSessiond) -> None:
        client = browser(self.app(Sessions(connect_async(fake.url))))
        for path in ("/required", "/optional"):
            with client.websocket_connect(path, headers=COOKIE) as websocket:
                assert websocket.receive_text() == "hello alice"
        with client.websocket_connect("/optional") as websocket:
            assert websocket.receive_text() == "hello stranger"

    def test_without_session_are_refused_before_they_are_accepted(self, fake: FakeSessiond) -> None:
        fake.answers["Validate"] = REFUSED
        client = browser(self.app(Sessions(connect_async(fake.url))))
        for headers, status in (({}, 401), (COOKIE, 401)):
            with (
                pytest.raises(WebSocketDenialResponse) as denied,
                client.websocket_connect("/required", headers=headers),
            ):
                pass
            assert denied.value.status_code == status
            assert denied.value.headers["content-type"] == "application/problem+json"
        outage = browser(self.app(Sessions(connect_async(closed_port()))))
        for path in ("/required", "/optional"):
            with (
                pytest.raises(WebSocketDenialResponse) as denied,
                outage.websocket_connect(path, headers=COOKIE),
            ):
                pass
            assert denied.value.status_code == 503

    def test_are_closed_where_the_server_cannot_send_a_response(self) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def app(*_: Any) -> None:
            raise AssertionError

        scope: Any = {"type": "websocket", "headers": [], "client": None}
        sessions = Sessions(connect_async(closed_port()))
        asyncio.run(call(sessions.required(app), scope, receive, send))
        assert sent == [{"type": "websocket.close", "code": 1008, "reason": "INVALID_COOKIE"}]

    def test_of_other_origins_are_refused(self, fake: FakeSessiond) -> None:
        sessions = Sessions(connect_async(fake.url), websocket_origins=("https://app.example",))
        client = browser(self.app(sessions))
        for origin in ("http://testserver", "https://app.example"):
            headers = {**COOKIE, "origin": origin}
            with client.websocket_connect("/required", headers=headers) as websocket:
                assert websocket.receive_text() == "hello alice"
        allowed = len(fake.received)
        for origin in ("http://evil.example", "null", "http://testserver.evil", "http://[", ""):
            for path in ("/required", "/optional"):
                with (
                    pytest.raises(WebSocketDenialResponse) as denied,
                    client.websocket_connect(path, headers={**COOKIE, "origin": origin}),
                ):
                    pass
                assert denied.value.status_code == 403
        assert len(fake.received) == allowed

    def test_of_fastapi_are_refused_too(self, fake: FakeSessiond) -> None:
        sessions = Sessions(connect_async(fake.url))
        app = FastAPI()
        app.add_exception_handler(SessiondError, sessions.error_handler)
        current = Depends(required_websocket_session(sessions))

        @app.websocket("/ws")
        async def endpoint(websocket: WebSocket, session: RequestSession = current) -> None:
            await websocket.accept()
            await websocket.send_text(session.session.actor_id)
            await websocket.close()

        client = browser(app)
        with client.websocket_connect("/ws", headers=COOKIE) as websocket:
            assert websocket.receive_text() == "alice"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
            pass


def test_other_scopes_pass_or_are_refused() -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    async def channel(*_: Any) -> Any:
        raise AssertionError

    wrapped = Sessions(connect_async(closed_port())).required(app)
    asyncio.run(call(wrapped, {"type": "lifespan"}, channel, channel))
    with pytest.raises(ValueError, match="'mystery' cannot be checked"):
        asyncio.run(call(wrapped, {"type": "mystery"}, channel, channel))
    assert seen == ["lifespan"]


def test_a_request_is_validated_once(fake: FakeSessiond) -> None:
    sessions = Sessions(connect_async(fake.url))
    inner = Route("/", hello, middleware=[Middleware(sessions.required)])
    app = Starlette(
        routes=[Mount("/in", routes=[inner], middleware=[Middleware(sessions.required)])],
        middleware=[Middleware(sessions.optional)],
    )
    assert browser(app).get("/in/", headers=COOKIE).text == "hello alice"
    assert len(fake.received) == 1
    other = Sessions(connect_async(fake.url), tenant="acme")
    app.router.routes.append(Route("/acme", hello, middleware=[Middleware(other.required)]))
    assert browser(app).get("/acme", headers=COOKIE).text == "hello alice"
    assert [request.tenant_id for _, request in fake.received] == ["", "", "acme"]


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"method": "DELETE"}, [("", "GET", False), ("", "DELETE", True)]),
        ({"method": "HEAD"}, [("", "GET", False), ("", "HEAD", False)]),
        ({"tenant": "acme"}, [("", "GET", False), ("acme", "GET", False)]),
        ({"path": "/other"}, [("", "GET", False)]),
    ],
)
def test_a_request_that_changes_is_validated_again(
    fake: FakeSessiond, change: dict[str, Any], sent: list[tuple[str, str, bool]]
) -> None:
    sessions = Sessions(connect_async(fake.url), tenant=lambda scope: scope.get("tenant", " "))
    inner = sessions.required(PlainTextResponse("hello"))

    async def changing(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, **change}, receive, send)

    assert browser(sessions.required(changing)).get("/", headers=COOKIE).text == "hello"
    requests = [request for _, request in fake.received]
    received = [(r.tenant_id.strip(), r.http_method, r.HasField("csrf_token")) for r in requests]
    assert received == sent


def test_applications_can_answer_refusals(fake: FakeSessiond) -> None:
    errors: list[SessiondError] = []

    async def to_login(_request: Any, error: SessiondError) -> ASGIApp | None:
        return RedirectResponse("/login") if error.browser_status == 401 else None

    def options(url: str) -> ASGIApp:
        sessions = Sessions(
            connect_async(url),
            on_refused=to_login,
            on_error=lambda error, *_: errors.append(error),
        )
        return Starlette(routes=[Route("/", hello, middleware=[Middleware(sessions.required)])])

    response = browser(options(fake.url)).get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/login")
    assert errors == []
    assert browser(options(closed_port())).get("/", headers=COOKIE).status_code == 503
    assert [error.code.name for error in errors] == ["UNAVAILABLE"]
    assert isinstance(errors[0].__cause__, grpc.RpcError)


def test_tenants_of_requests_are_never_empty(fake: FakeSessiond) -> None:
    tenants = {"acme.test": "acme", "none.test": None, "empty.test": ""}

    def tenant(request: Any) -> str | None:
        return tenants[Request(request).url.hostname or ""]

    sessions = Sessions(connect_async(fake.url), tenant=tenant)
    app = Starlette(routes=[Route("/", hello, middleware=[Middleware(sessions.optional)])])
    assert browser(app).get("http://acme.test/", headers=COOKIE).text == "hello alice"
    for host in ("none.test", "empty.test"):
        assert browser(app).get(f"http://{host}/", headers=COOKIE).status_code == 500
        assert browser(app).get(f"http://{host}/").status_code == 500
    assert [request.tenant_id for _, request in fake.received] == ["acme"]
    with pytest.raises(ValueError, match="tenant must not be empty"):
        Sessions(connect_async(fake.url), tenant="")


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("203.0.113.7:80", ""),
        ("unknown", ""),
        (None, ""),
    ],
)
def test_the_address_is_what_the_option_says(
    fake: FakeSessiond, address: str | None, sent: str
) -> None:
    sessions = Sessions(connect_async(fake.url), client_ip=lambda _: address)
    app = Starlette(routes=[Route("/", hello, middleware=[Middleware(sessions.required)])])
    browser(app).get("/", headers=COOKIE)
    [(_, request)] = fake.received
    assert request.ip_address == sent


def test_several_cookie_headers_are_joined(fake: FakeSessiond) -> None:
    sessions = Sessions(connect_async(fake.url))
    app = Starlette(routes=[Route("/", hello, middleware=[Middleware(sessions.required)])])
    headers = [("cookie", "a=1"), ("cookie", "session=v1.any")]
    browser(app).get("/", headers=headers)
    [(_, request)] = fake.received
    assert request.cookie_header == "a=1; session=v1.any"


def test_bodies_are_not_read_without_a_cookie() -> None:
    async def receive() -> Any:
        raise AssertionError

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }
    sessions = Sessions(connect_async(closed_port()))
    asyncio.run(call(sessions.required(PlainTextResponse("hello")), scope, receive, send))
    assert sent[0]["status"] == 401


def test_bodies_in_pieces_can_be_read_again(fake: FakeSessiond) -> None:
    bodies: list[bytes] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        more = True
        while more:
            message = await receive()
            bodies.append(message["body"])
            more = message.get("more_body", False)

    def request(pieces: list[bytes], limit: int) -> str:
        bodies.clear()
        left = iter(pieces)

        async def receive() -> Any:
            piece = next(left)
            return {"type": "http.request", "body": piece, "more_body": piece != pieces[-1]}

        async def send(_: Any) -> None:
            raise AssertionError

        form = (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")
        scope = {"type": "http", "method": "POST", "headers": [(b"cookie", b"session=x"), form]}
        sessions = Sessions(connect_async(fake.url), form_limit=limit)
        asyncio.run(call(sessions.required(app), scope, receive, send))
        token: str = fake.received[-1][1].csrf_token
        return token

    pieces = [b"note=1&csrf", b"_tok", b"en=a%2Bb+c&x"]
    assert request(pieces, limit=100) == "a+b c"
    assert bodies == pieces
    # Too long: no token, but the application could still read all of it.
    assert request(pieces, limit=12) == ""
    assert bodies == pieces


def test_errors_of_the_methods_can_be_answered(fake: FakeSessiond) -> None:
    fake.answers["Create"] = failing(grpc.StatusCode.UNAVAILABLE)
    sessions = Sessions(connect_async(fake.url))

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        await sessions.start_login(scope)

    response = browser(sessions.answer_errors(app)).get("/")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")

    async def started(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await app(scope, receive, send)

    with pytest.raises(SessiondError):
        browser(sessions.answer_errors(started)).get("/")


def test_fastapi_without_handler_lets_nobody_in(fake: FakeSessiond) -> None:
    app = FastAPI()
    required = Depends(required_session(Sessions(connect_async(fake.url))))

    @app.get("/")
    async def page(current: RequestSession = required) -> str:
        return str(current)

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/").status_code == 500


def test_cookies_are_appended(fake: FakeSessiond) -> None:
    sessions = Sessions(connect_async(fake.url))

    async def page(request: Request) -> Response:
        response = JSONResponse({})
        response.set_cookie("theme", "dark")
        append_cookies(response, await sessions.log_in(request, actor_id="a"))
        return response

    app = Starlette(routes=[Route("/", page)])
    headers = browser(app).get("/").headers.get_list("set-cookie")
    assert [header.partition("=")[0] for header in headers] == ["theme", "session", "csrf"]


def test_a_session_that_was_not_looked_for_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"wrap the application in Sessions"):
        request_session({"type": "http"})
    with pytest.raises(LookupError, match=r"Sessions\.required"):
        request_session({"sessiond": None})
    assert optional_session({"sessiond": None}) is None


@pytest.mark.parametrize(
    ("login", "sent"), [({}, "acme"), ({"tenant_id": ""}, "acme"), ({"tenant_id": "own"}, "own")]
)
def test_the_tenant_of_a_login_is_never_empty(
    fake: FakeSessiond, login: dict[str, Any], sent: str
) -> None:
    sessions = Sessions(connect_async(fake.url), tenant="acme")

    async def log_in() -> None:
        await sessions.log_in({"type": "http", "headers": []}, actor_id="alice", **login)

    asyncio.run(log_in())
    assert [request.actor.tenant_id for _, request in fake.received] == [sent]


def test_timeouts_and_metadata_of_a_login_are_sent(fake: FakeSessiond) -> None:
    from datetime import timedelta  # noqa: PLC0415

    sessions = Sessions(connect_async(fake.url), tenant="acme")
    scope: Any = {"type": "http", "headers": [], "client": None}

    async def log_in() -> None:
        await sessions.log_in(
            scope,
            actor_id="svc",
            actor_type="service_account",
            app_type="panel",
            metadata={"device": "laptop"},
            idle_timeout=timedelta(minutes=5),
            absolute_timeout=timedelta(hours=1),
        )
        await sessions.start_login(scope)

    asyncio.run(log_in())
    (_, request), (_, pre_login) = fake.received
    assert isinstance(request, pb.CreateRequest)
    assert (request.actor.tenant_id, request.actor.actor_type) == ("acme", "service_account")
    assert (request.idle_timeout.seconds, request.absolute_timeout.seconds) == (300, 3600)
    assert (request.app_type, dict(request.metadata)) == ("panel", {"device": "laptop"})
    assert not request.HasField("replaces")
    assert (pre_login.actor.tenant_id, pre_login.actor.actor_id) == ("acme", "")
