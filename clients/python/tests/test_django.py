"""What is particular to Django."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from typing import Any

import django.conf
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.test import RequestFactory

import django_app
from sessiond_client import SessiondError, connect
from sessiond_client.django import (
    SessiondMiddleware,
    Sessions,
    append_cookies,
    configured_sessions,
    session_exempt,
    session_optional,
    session_required,
)
from support import ODD_COOKIE, FakeSessiond, closed_port

COOKIE: dict[str, Any] = {"HTTP_COOKIE": "session=v1.any"}
errors: list[SessiondError] = []


def note_error(error: SessiondError, _method: str, _path: str) -> None:
    errors.append(error)


def hello(request: Any) -> HttpResponse:
    return HttpResponse(f"hello {request.sessiond.session.actor_id}")


@pytest.fixture
def setting(fake: FakeSessiond) -> Iterator[dict[str, Any]]:
    """The setting SESSIOND, which a test can change before it uses it."""
    if not django.conf.settings.configured:
        django_app.create_app(fake.url)
    setting: dict[str, Any] = {"ADDRESS": fake.url}
    django.conf.settings.SESSIOND = setting
    configured_sessions.cache_clear()
    yield setting
    configured_sessions.cache_clear()


def get(**environ: Any) -> HttpRequest:
    return RequestFactory().get("/", **environ)


def view_through_middleware(view: Any, request: HttpRequest) -> HttpResponse:
    middleware = SessiondMiddleware(lambda _: HttpResponse())
    response: Any = middleware.process_view(request, view, (), {}) or view(request)
    assert isinstance(response, HttpResponse)
    return response


def test_views_without_decorator_have_the_default(
    setting: dict[str, Any], fake: FakeSessiond
) -> None:
    setting["DEFAULT"] = "required"
    assert view_through_middleware(hello, get()).status_code == 401
    assert view_through_middleware(hello, get(**COOKIE)).content == b"hello alice"
    exempt = session_exempt(lambda _: HttpResponse("public"))
    assert view_through_middleware(exempt, get()).content == b"public"
    optional = session_optional(lambda request: HttpResponse(str(request.sessiond)))
    assert view_through_middleware(optional, get()).content == b"None"
    setting["DEFAULT"] = "optional"
    both = session_required(hello)
    assert view_through_middleware(both, get(**COOKIE)).content == b"hello alice"
    assert len(fake.received) == 2


def test_a_request_is_validated_once(setting: dict[str, Any], fake: FakeSessiond) -> None:
    view = session_optional(session_required(hello))
    assert view(get(**COOKIE)).content == b"hello alice"
    assert len(fake.received) == 1


def test_the_method_of_the_view_decides(setting: dict[str, Any], fake: FakeSessiond) -> None:
    request = get(**COOKIE)
    request.method = "DELETE"
    assert session_required(hello)(request).content == b"hello alice"
    overridden = RequestFactory().post("/", **COOKIE)
    overridden.method = "GET"
    assert session_required(hello)(overridden).content == b"hello alice"
    received = [(r.http_method, r.HasField("csrf_token")) for _, r in fake.received]
    assert received == [("DELETE", True), ("POST", True)]


def test_asynchronous_views_are_decorated_too(setting: dict[str, Any], fake: FakeSessiond) -> None:
    @session_required
    async def view(request: Any) -> HttpResponse:
        return hello(request)

    assert asyncio.run(view(get(**COOKIE))).content == b"hello alice"
    assert asyncio.run(view(get())).status_code == 401
    assert len(fake.received) == 1


def test_functions_can_be_dotted_paths(setting: dict[str, Any]) -> None:
    setting["ADDRESS"] = closed_port()
    setting["OPTIONS"] = {"on_error": "test_django.note_error"}
    errors.clear()
    assert session_required(hello)(get(**COOKIE)).status_code == 503
    assert [error.code.name for error in errors] == ["UNAVAILABLE"]


def test_refusals_can_be_redirects(fake: FakeSessiond, setting: dict[str, Any]) -> None:
    with connect(fake.url) as client:
        sessions = Sessions(client, on_refused=lambda *_: HttpResponseRedirect("/login"))
        response = sessions.required(hello)(get())
    assert (response.status_code, response["location"]) == (302, "/login")


@pytest.mark.parametrize("answer", [None, False, "", [], 0])
def test_what_is_no_response_refuses_as_usual(
    fake: FakeSessiond, setting: dict[str, Any], answer: Any
) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        raise AssertionError

    async def async_view(request: HttpRequest) -> HttpResponse:
        return view(request)

    setting["OPTIONS"] = {"on_refused": lambda *_: answer}
    setting["DEFAULT"] = "required"
    assert session_required(view)(get()).status_code == 401
    assert asyncio.run(session_required(async_view)(get())).status_code == 401
    assert view_through_middleware(view, get()).status_code == 401


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "at least"),
        ({}, "at least"),
        ({"ADDRESS": "host"}, "SESSIOND: the address must be"),
        ({"ADDRESS": "http://h", "CONECT": {}}, "unknown keys: CONECT"),
        ({"ADDRESS": "http://h", "CONNECT": {"x": 1}}, "SESSIOND: .*'x'"),
        ({"ADDRESS": "http://h", "OPTIONS": {"x": 1}}, "SESSIOND: .*'x'"),
        ({"ADDRESS": "http://h", "DEFAULT": "yes"}, "DEFAULT"),
    ],
)
def test_wrong_settings_are_refused_at_the_start(
    setting: dict[str, Any], value: Any, problem: str
) -> None:
    django.conf.settings.SESSIOND = value
    with pytest.raises(ImproperlyConfigured, match=problem):
        SessiondMiddleware(lambda _: HttpResponse())


def test_cookies_are_appended_verbatim(setting: dict[str, Any]) -> None:
    response = HttpResponse()
    response.set_cookie("session", "of the application")
    append_cookies(response, configured_sessions().log_in(get(), actor_id="a"))
    copy = pickle.loads(pickle.dumps(response))
    for sent in (response, copy):
        headers = [cookie.output(header="").strip() for cookie in sent.cookies.values()]
        assert headers == ['session="of the application"; Path=/', ODD_COOKIE, "csrf=token; Path=/"]
        assert [c.OutputString() for c in sent.cookies.values()][1:] == headers[1:]


def test_forms_of_django_are_still_readable(setting: dict[str, Any], fake: FakeSessiond) -> None:
    @session_required
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.POST["note"])

    request = RequestFactory().post(
        "/", "note=x&csrf_token=t", "application/x-www-form-urlencoded", **COOKIE
    )
    assert view(request).content == b"x"
    assert fake.received[0][1].csrf_token == "t"
    upload = RequestFactory().post("/", {"note": "y", "csrf_token": "t"}, **COOKIE)
    assert view(upload).content == b"y"
    assert fake.received[1][1].csrf_token == ""
