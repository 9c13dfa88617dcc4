"""What the middleware does in every framework."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import django.conf
import grpc
import httpx2 as httpx
import pytest
from django.core.wsgi import get_wsgi_application
from sessiond.v1 import session_service_pb2 as pb
from sessiond.v1.error_pb2 import ErrorReason
from sessiond.v1.session_pb2 import Session, SetCookie

import asgi_app
import django_app
import fastapi_app
import wsgi_app
from sessiond_client.django import configured_sessions
from support import (
    ODD_COOKIE,
    Certificates,
    FakeSessiond,
    closed_port,
    cut_in_call,
    failing,
    garbage,
    hold,
    tcp_server,
)

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from sessiond_client.testing import TestSessiond

FORM = {"content-type": "application/x-www-form-urlencoded"}
COOKIE = {"cookie": "session=v1.any"}


class App:
    """An application, and the cookies of one browser."""

    def __init__(self, send: Callable[[httpx.Request], httpx.Response]) -> None:
        self._send = send
        self.cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = dict(request.pop("headers", {}))
        if self.cookies and "cookie" not in headers:
            headers["cookie"] = "; ".join(f"{name}={v}" for name, v in self.cookies.items())
        response = self._send(
            httpx.Request(method, f"http://app.test{path}", headers=headers, **request)
        )
        for header in response.headers.get_list("set-cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return response


CreateApp = Callable[[str], App]


@contextlib.contextmanager
def asgi(module: Any) -> Iterator[CreateApp]:
    with asyncio.Runner() as runner:

        def create(url: str) -> App:
            transport = httpx.ASGITransport(module.create_app(url), client=("192.0.2.9", 1))

            async def send(request: httpx.Request) -> httpx.Response:
                response = await transport.handle_async_request(request)
                await response.aread()
                return response

            return App(lambda request: runner.run(send(request)))

        yield create


@contextlib.contextmanager
def wsgi(create_app: Callable[[str], Any]) -> Iterator[CreateApp]:
    def create(url: str) -> App:
        app = create_app(url)
        return App(lambda request: send_wsgi(app, request))

    yield create


def send_wsgi(app: WSGIApplication, request: httpx.Request) -> httpx.Response:
    """Send a request as WSGI servers do, in which headers can have any byte."""
    environ: dict[str, Any] = {"REQUEST_METHOD": request.method, "REMOTE_ADDR": "192.0.2.9"}
    environ |= {"PATH_INFO": request.url.path, "QUERY_STRING": request.url.query.decode()}
    environ["wsgi.input"] = io.BytesIO(request.read())
    for name, value in request.headers.raw:
        variable = name.decode().upper().replace("-", "_")
        prefix = "" if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_"
        environ[prefix + variable] = value.decode("latin-1")
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start_response(status: str, headers: Any, _: Any = None) -> Callable[[bytes], object]:
        started[:] = [int(status.partition(" ")[0]), headers]
        return lambda _: None

    parts = app(environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        getattr(parts, "close", lambda: None)()
    return httpx.Response(started[0], headers=started[1], content=body)


def create_django_app(url: str) -> Any:
    settings = django.conf.settings
    if settings.configured:
        settings.SESSIOND = {"ADDRESS": url}
        configured_sessions.cache_clear()
        django_app.urlpatterns.pop()
        django_app.route_of_acme(url)
        return get_wsgi_application()
    return django_app.create_app(url)


@pytest.fixture(params=["asgi", "fastapi", "wsgi", "django"])
def create(request: pytest.FixtureRequest) -> Iterator[CreateApp]:
    """Creates the application of a framework, for a sessiond."""
    frameworks: dict[str, Callable[[], Any]] = {
        "asgi": lambda: asgi(asgi_app),
        "fastapi": lambda: asgi(fastapi_app),
        "wsgi": lambda: wsgi(wsgi_app.create_app),
        "django": lambda: wsgi(create_django_app),
    }
    with frameworks[request.param]() as create:
        yield create


def refused(response: httpx.Response, status: int, reason: str) -> str:
    """Check the form of a refusal; return its text."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers
    assert ("retry-after" in response.headers) == (status in (429, 503))
    problem = response.json()
    assert list(problem) == ["title", "status", "reason", "detail"]
    assert (problem["status"], problem["reason"]) == (status, reason)
    titles = {401: "Unauthorized", 403: "Forbidden", 413: "Content Too Large"}
    titles |= {429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}
    assert problem["title"] == titles.get(status, problem["title"])
    detail: str = problem["detail"]
    return detail


def logged_in(create: CreateApp, sessiond: TestSessiond, **form: str) -> tuple[App, str]:
    """An application with a login, and its CSRF token."""
    app = create(sessiond.url)
    token = app("GET", "/login").json()["csrfToken"]
    response = app("POST", "/login", data={"user": "alice", "csrf_token": token, **form})
    assert response.status_code == 200
    return app, response.json()["csrfToken"]


class TestLogin:
    def test_from_the_form_to_the_logout(self, create: CreateApp, sessiond: TestSessiond) -> None:
        app = create(sessiond.url)
        page = app("GET", "/login")
        assert [h.partition("=")[0] for h in page.headers.get_list("set-cookie")] == [
            "prelogin",
            "csrf",
        ]
        token = page.json()["csrfToken"]

        again = app("GET", "/login")
        assert again.json() == {"csrfToken": token}
        assert "set-cookie" not in again.headers

        refused(app("GET", "/me"), 401, "INVALID_COOKIE")
        refused(app("POST", "/login", data={"user": "alice"}), 403, "CSRF_MISSING")
        wrong = {"user": "alice", "csrf_token": "wrong"}
        refused(app("POST", "/login", data=wrong), 403, "CSRF_MISMATCH")

        login = app("POST", "/login", data={"user": "alice", "csrf_token": token})
        assert login.json()["actorId"] == "alice"
        assert [h.partition("=")[0] for h in login.headers.get_list("set-cookie")] == [
            "session",
            "csrf",
            "prelogin",
        ]
        assert set(app.cookies) == {"session", "csrf"}
        assert app.cookies["csrf"] == login.json()["csrfToken"]

        me = app("GET", "/me").json()
        assert (me["actorId"], me["tenantId"], me["expiryWarning"]) == ("alice", "default", False)
        assert "set-cookie" not in app("GET", "/me").headers

        headers = {"x-csrf-token": login.json()["csrfToken"]}
        cookies = dict(app.cookies)
        logout = app("POST", "/logout", headers=headers)
        assert logout.json() == {"revoked": True}
        assert app.cookies == {}
        app.cookies = cookies
        refused(app("GET", "/me"), 401, "REVOKED")
        assert app("GET", "/optional").json() == {"actorId": None}

    def test_creates_a_form_session_if_the_cookie_is_stale(
        self, create: CreateApp, sessiond: TestSessiond
    ) -> None:
        app = create(sessiond.url)
        app.cookies = {"csrf": "stale", "prelogin": "v1.stale"}
        assert len(app("GET", "/login").headers.get_list("set-cookie")) == 2


class TestCsrf:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_tokens_are_required(
        self, create: CreateApp, sessiond: TestSessiond, method: str
    ) -> None:
        app, token = logged_in(create, sessiond)
        for missing in (
            app(method, "/change"),
            app(method, f"/change?csrf_token={token}"),
            app(method, "/change", data={"note": "x"}),
            app(method, "/change", headers={"x-csrf-token": ""}),
            app(method, "/change", json={"csrf_token": token}),
            app(method, "/change", headers=FORM),
        ):
            refused(missing, 403, "CSRF_MISSING")
        for wrong in (
            app(method, "/change", headers={"x-csrf-token": "wrong"}),
            app(method, "/change", headers={"x-csrf-token": b"\xff\xfe"}),
            app(method, "/change", data={"csrf_token": "nul\0"}),
            app(
                method,
                "/change",
                content=b"csrf_token=%ff&csrf_token=" + token.encode(),
                headers=FORM,
            ),
        ):
            refused(wrong, 403, "CSRF_MISMATCH")
        header = app(method, "/change", headers={"x-csrf-token": token})
        assert header.json() == {"actorId": "alice", "body": ""}
        data = {"note": "a & b = ü", "csrf_token": token}
        for headers in ({}, {"x-csrf-token": ""}):
            form = app(method, "/change", data=data, headers=headers)
            assert form.json() == {"actorId": "alice", "body": "a & b = ü"}

    def test_tokens_are_checked_where_the_session_is_optional(
        self, create: CreateApp, sessiond: TestSessiond
    ) -> None:
        app, token = logged_in(create, sessiond)
        assert app("GET", "/optional").json() == {"actorId": "alice"}
        refused(app("POST", "/optional"), 403, "CSRF_MISSING")
        assert app("POST", "/optional", data={"csrf_token": token}).json() == {"actorId": "alice"}
        app.cookies = {}
        assert app("POST", "/optional").json() == {"actorId": None}
        assert app("GET", "/optional").json() == {"actorId": None}

    @pytest.mark.parametrize("length", ["9" * 5000, "1, 1", "-1", "x"])
    def test_forms_of_odd_length_have_no_token(
        self, create: CreateApp, fake: FakeSessiond, length: str
    ) -> None:
        headers = {**COOKIE, **FORM, "content-length": length}
        create(fake.url)("POST", "/optional", headers=headers, content=b"csrf_token=t")
        [(_, request)] = fake.received
        assert (request.HasField("csrf_token"), request.csrf_token) == (True, "")

    def test_forms_that_are_too_long_have_no_token(
        self, create: CreateApp, sessiond: TestSessiond
    ) -> None:
        app, token = logged_in(create, sessiond)
        data = {"note": "x" * 2**20, "csrf_token": token}
        refused(app("POST", "/optional", data=data), 403, "CSRF_MISSING")
        assert app("POST", "/optional", data=data, headers={"x-csrf-token": token}).is_success
        data["note"] = "x" * 2**19
        assert app("POST", "/optional", data=data).is_success


class TestRefusals:
    def test_without_cookie_need_no_call(self, create: CreateApp, fake: FakeSessiond) -> None:
        app = create(fake.url)
        expected = "the session cookie is missing or not valid"
        assert refused(app("GET", "/me"), 401, "INVALID_COOKIE") == expected
        refused(app("POST", "/change"), 401, "INVALID_COOKIE")
        refused(app("POST", "/login", data={"csrf_token": "t"}), 401, "INVALID_COOKIE")
        assert fake.received == []

    def test_of_tenants(self, create: CreateApp, sessiond: TestSessiond) -> None:
        app, _ = logged_in(create, sessiond)
        refused(app("GET", "/acme/me"), 401, "INVALID_COOKIE")
        app, _ = logged_in(create, sessiond, tenant="acme")
        assert app("GET", "/acme/me").json()["tenantId"] == "acme"

    @pytest.mark.parametrize(
        ("code", "reason", "http_status", "status"),
        [
            ("UNAUTHENTICATED", "CALLER_UNAUTHENTICATED", 401, 500),
            ("PERMISSION_DENIED", "CALLER_FORBIDDEN", 403, 500),
            ("PERMISSION_DENIED", "STEP_UP_REQUIRED", 403, 403),
            ("PERMISSION_DENIED", "ACTOR_TYPE_NOT_ACCEPTED", 403, 403),
            ("ABORTED", "METADATA_ETAG_MISMATCH", 409, 409),
            ("UNAVAILABLE", "CALLER_KEYS_UNAVAILABLE", 503, 503),
            ("INVALID_ARGUMENT", "INVALID_REQUEST", 400, 500),
            ("RESOURCE_EXHAUSTED", "OVERLOADED", 429, 429),
            ("UNAVAILABLE", "STORAGE_UNAVAILABLE", 503, 503),
            ("INVALID_ARGUMENT", "REQUEST_TOO_LARGE", 413, 413),
        ],
    )
    def test_have_the_right_status(  # noqa: PLR0917
        self,
        create: CreateApp,
        fake: FakeSessiond,
        code: str,
        reason: str,
        http_status: int,
        status: int,
    ) -> None:
        fake.answers["Validate"] = failing(
            grpc.StatusCode[code],
            getattr(ErrorReason, f"ERROR_REASON_{reason}"),
            http_status=http_status,
            retry_after=0.01,
        )
        app = create(fake.url)
        for path in ("/me", "/optional"):
            detail = refused(app("GET", path, headers=COOKIE), status, reason)
            assert ("secret" in detail) == (status < 500)

    def test_of_unknown_reasons(self, create: CreateApp, fake: FakeSessiond) -> None:
        fake.answers["Validate"] = failing(
            grpc.StatusCode.UNAUTHENTICATED, 999, name="FROM_THE_FUTURE", http_status=418
        )
        refused(create(fake.url)("GET", "/me", headers=COOKIE), 418, "FROM_THE_FUTURE")

    def test_say_when_to_come_back(self, create: CreateApp, fake: FakeSessiond) -> None:
        fake.answers["Create"] = failing(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            ErrorReason.ERROR_REASON_OVERLOADED,
            http_status=429,
            retry_after=1.5,
        )
        response = create(fake.url)("GET", "/login")
        refused(response, 429, "OVERLOADED")
        assert response.headers["retry-after"] == "2"


class TestOutages:
    def check(self, app: App) -> None:
        """No request gets through, no cookie changes, and nothing is revealed."""
        token = {"x-csrf-token": "t"}
        for method, path, headers in [
            ("GET", "/me", {}),
            ("GET", "/optional", {}),
            ("GET", "/login", {}),
            ("POST", "/change", token),
            ("POST", "/login", token),
            ("POST", "/logout", token),
        ]:
            response = app(method, path, headers={"cookie": "session=v1.any; csrf=t", **headers})
            detail = refused(response, 503, "SERVICE_UNAVAILABLE")
            assert detail == "sessions cannot be checked at the moment; try again later"

    def test_refused_connections(self, create: CreateApp) -> None:
        self.check(create(closed_port()))

    def test_servers_of_another_protocol(self, create: CreateApp) -> None:
        with tcp_server(garbage) as url:
            self.check(create(url))

    def test_servers_that_end_in_a_call(self, create: CreateApp) -> None:
        with tcp_server(cut_in_call) as url:
            self.check(create(url))

    def test_tls_that_does_not_match(self, create: CreateApp) -> None:
        key = Certificates().issue("sessiond.test")
        with FakeSessiond(grpc.ssl_server_credentials([key])) as fake:
            self.check(create(fake.url))
            self.check(create(fake.url.replace("https", "http")))
            assert fake.received == []

    @pytest.mark.parametrize("response", [b"", b"\xff\xff\xff", b"\x0a"])
    def test_answers_that_are_none(
        self, create: CreateApp, fake: FakeSessiond, response: bytes
    ) -> None:
        for rpc in ("Validate", "Create", "Revoke"):
            fake.answers[rpc] = lambda *_: response
        self.check(create(fake.url))

    @pytest.mark.parametrize("session", [Session(), Session(id="ses-1"), Session(actor_id="a")])
    def test_answers_without_a_user(
        self, create: CreateApp, fake: FakeSessiond, session: Session
    ) -> None:
        fake.answers["Validate"] = lambda *_: pb.ValidateResponse(session=session)
        for path in ("/me", "/optional"):
            refused(create(fake.url)("GET", path, headers=COOKIE), 503, "SERVICE_UNAVAILABLE")

    @pytest.mark.parametrize(
        "creation",
        [
            pb.CreateResponse(csrf_token="t", set_cookies=[SetCookie(header="a=1")]),
            pb.CreateResponse(session=Session(id="s"), set_cookies=[SetCookie(header="a=1")]),
            pb.CreateResponse(session=Session(id="s"), csrf_token="t"),
        ],
    )
    def test_incomplete_logins(
        self, create: CreateApp, fake: FakeSessiond, creation: pb.CreateResponse
    ) -> None:
        fake.answers["Create"] = lambda *_: creation
        app = create(fake.url)
        refused(app("GET", "/login"), 503, "SERVICE_UNAVAILABLE")
        headers = {**COOKIE, "x-csrf-token": "t"}
        response = app("POST", "/login", headers=headers, data={"user": "alice"})
        refused(response, 503, "SERVICE_UNAVAILABLE")

    @pytest.mark.parametrize("odd", ["a=1\r\nInjected: yes", "a=\n", "a=\0", "a=\x7f"])
    def test_cookies_that_cannot_be_headers(
        self, create: CreateApp, fake: FakeSessiond, odd: str
    ) -> None:
        cookies = [SetCookie(header="good=1"), SetCookie(header=odd)]
        session = Session(id="ses-1", actor_id="alice")
        fake.answers["Create"] = lambda *_: pb.CreateResponse(
            session=session, csrf_token="t", set_cookies=cookies
        )
        fake.answers["Revoke"] = lambda *_: pb.RevokeResponse(session=session, set_cookies=cookies)
        headers = {**COOKIE, "x-csrf-token": "t"}
        for method, path in [("GET", "/login"), ("POST", "/login"), ("POST", "/logout")]:
            response = create(fake.url)(method, path, headers=headers, data={"user": "alice"})
            refused(response, 503, "SERVICE_UNAVAILABLE")

    def test_deadlines(self, create: CreateApp, fake: FakeSessiond) -> None:
        fake.answers["Validate"] = hold
        refused(create(fake.url)("GET", "/me", headers=COOKIE), 503, "SERVICE_UNAVAILABLE")

    def test_are_logged_without_secrets(
        self, create: CreateApp, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = create(closed_port())
        headers = {"cookie": "session=secret", "x-csrf-token": "secret"}
        app("POST", "/change?ticket=secret", headers=headers)
        [line] = [record for record in caplog.records if record.name == "sessiond_client"]
        assert line.getMessage().startswith("The session of 'POST' '/change' could not be checked")
        assert "secret" not in f"{line.__dict__!r}"

    def test_of_a_logout_keep_the_cookies(self, create: CreateApp, fake: FakeSessiond) -> None:
        fake.answers["Revoke"] = failing(
            grpc.StatusCode.UNAVAILABLE,
            ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE,
            http_status=503,
            retry_after=0.01,
        )
        headers = {**COOKIE, "x-csrf-token": "t"}
        refused(create(fake.url)("POST", "/logout", headers=headers), 503, "STORAGE_UNAVAILABLE")
        fake.answers["Revoke"] = failing(
            grpc.StatusCode.UNAUTHENTICATED,
            ErrorReason.ERROR_REASON_INVALID_COOKIE,
            http_status=401,
        )
        response = create(fake.url)("POST", "/logout", headers=headers)
        assert response.json() == {"revoked": False}


class TestMessages:
    def test_of_a_request(self, create: CreateApp, fake: FakeSessiond) -> None:
        cookies = b'a="\xff\xfe"; =; ;;session=v1.x; session=v1.y; \xc3\xbc=\xf0\x9f\x8d\xaa'
        headers = {"cookie": cookies, "user-agent": b"\xffBrowser " + b"x" * 600}
        assert create(fake.url)("GET", "/me", headers=headers).is_success
        [(_, request)] = fake.received
        expected = 'a="\ufffd\ufffd"; =; ;;session=v1.x; session=v1.y; ü=🍪'
        assert request.cookie_header == expected
        assert request.touch
        assert not request.HasField("csrf_token")
        assert request.http_method == "GET"
        assert not request.HasField("tenant_id")
        assert request.ip_address == "192.0.2.9"
        assert request.user_agent.startswith("\ufffdBrowser xxx")
        assert len(request.user_agent) == 512

    def test_of_unsafe_methods(self, create: CreateApp, fake: FakeSessiond) -> None:
        create(fake.url)("POST", "/change", headers=COOKIE)
        [(_, request)] = fake.received
        assert request.HasField("csrf_token")
        assert request.csrf_token == ""
        assert request.http_method == "POST"

    def test_of_safe_methods_have_no_token(self, create: CreateApp, fake: FakeSessiond) -> None:
        headers = {**COOKIE, "x-csrf-token": "t"}
        assert create(fake.url)("GET", "/me", headers=headers).is_success
        [(_, request)] = fake.received
        assert (request.http_method, request.HasField("csrf_token")) == ("GET", False)

    def test_of_a_login(self, create: CreateApp, fake: FakeSessiond) -> None:
        headers = {**COOKIE, "x-csrf-token": "t"}
        app = create(fake.url)
        response = app("POST", "/login", headers=headers, data={"user": "bob", "tenant": "t1"})
        assert response.headers.get_list("set-cookie") == [ODD_COOKIE, "csrf=token; Path=/"]
        (_, check), (_, creation) = fake.received
        assert (check.csrf_token, check.accept_pre_login, check.touch) == ("t", True, False)
        assert check.http_method == "POST"
        assert creation.actor.actor_id == "bob"
        assert (creation.actor.actor_type, creation.actor.tenant_id) == ("user", "t1")
        assert creation.replaces.cookie_header == COOKIE["cookie"]
        assert not creation.pre_login

    def test_of_a_login_form(self, create: CreateApp, fake: FakeSessiond) -> None:
        app = create(fake.url)
        app("GET", "/login", headers={"cookie": "csrf=t; __Host-csrf=host; csrf=u"})
        app("GET", "/login", headers={"cookie": "xcsrf=t; csrf="})
        (_, check), (rpc, creation) = fake.received
        assert (check.csrf_token, check.accept_pre_login) == ("host", True)
        assert check.http_method == "GET"
        assert (rpc, creation.pre_login) == ("Create", True)
        assert not creation.HasField("replaces")


def test_malformed_cookies_are_refused(create: CreateApp, sessiond: TestSessiond) -> None:
    app, _ = logged_in(create, sessiond)
    session = app.cookies["session"].encode()
    for cookie in (
        b"",
        b";",
        b"session",
        b"session=",
        b"session=\xff\xfe",
        b"session=" + session + b"x",
        b"session=" + session + b"; session=" + session,
        b"Session=" + session,
        "session=ünïcödé".encode(),
    ):
        refused(app("GET", "/me", headers={"cookie": cookie}), 401, "INVALID_COOKIE")
        assert app("GET", "/optional", headers={"cookie": cookie}).json() == {"actorId": None}
    odd = {"cookie": b"x=\xff; session=" + session, "user-agent": b"nul\0 \xff"}
    assert app("GET", "/me", headers=odd).is_success


def test_heads_of_refusals_have_no_body(create: CreateApp, fake: FakeSessiond) -> None:
    response = create(fake.url)("HEAD", "/me")
    assert response.status_code == 401
    assert response.content == b""


def test_validate_response_is_what_sessiond_says(create: CreateApp, sessiond: TestSessiond) -> None:
    app, _ = logged_in(create, sessiond)
    header = f"session={app.cookies['session']}"
    expected = sessiond.client.Validate(pb.ValidateRequest(cookie_header=header))
    assert app("GET", "/me").json()["sessionId"] == expected.session.id
