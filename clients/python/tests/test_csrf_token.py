"""The CSRF token for the forms of a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django.conf
import pytest
from django.test import RequestFactory
from starlette.requests import Request

import django_app
from sessiond_client import asgi, connect, connect_async, wsgi
from sessiond_client import django as django_client
from support import closed_port

NOBODY = closed_port()


def in_asgi(cookies: str, **options: Any) -> str:
    scope = {"type": "http", "headers": [(b"cookie", cookies.encode())]}
    sessions = asgi.Sessions(connect_async(NOBODY), **options)
    assert sessions.csrf_token(scope) == sessions.csrf_token(Request(scope))
    return sessions.csrf_token(scope)


def in_wsgi(cookies: str, **options: Any) -> str:
    with connect(NOBODY) as client:
        return wsgi.Sessions(client, **options).csrf_token({"HTTP_COOKIE": cookies})


def in_django(cookies: str, **options: Any) -> str:
    if not django.conf.settings.configured:
        django_app.create_app(NOBODY)
    django.conf.settings.SESSIOND = {"ADDRESS": NOBODY, "OPTIONS": options}
    django_client.configured_sessions.cache_clear()
    try:
        return django_client.csrf_token(RequestFactory().get("/", HTTP_COOKIE=cookies))
    finally:
        django_client.configured_sessions.cache_clear()


@pytest.mark.parametrize("token", [in_asgi, in_wsgi, in_django])
@pytest.mark.parametrize(
    ("cookies", "options", "expected"),
    [
        ("", {}, ""),
        ("session=a; xcsrf=b; csrf", {}, ""),
        ("csrf=plain; __Host-csrf=host", {}, "host"),
        ("__Host-csrf=; csrf=plain", {}, "plain"),
        ("csrf=; csrf=plain; csrf=other", {}, "plain"),
        ("csrf=plain; token=own", {"csrf_cookie": "token"}, "own"),
        ("csrf=plain", {"csrf_cookie": "token"}, ""),
        ("csrf='><script>", {}, ""),
        ("__Host-csrf=a&b; csrf=plain", {}, "plain"),
    ],
)
def test_it_is_that_of_the_cookie(
    token: Callable[..., str], cookies: str, options: dict[str, Any], expected: str
) -> None:
    assert token(cookies, **options) == expected


def test_it_is_empty_without_headers() -> None:
    with connect(NOBODY) as client:
        assert wsgi.Sessions(client).csrf_token({}) == ""
    assert asgi.Sessions(connect_async(NOBODY)).csrf_token({"headers": []}) == ""


def test_it_is_that_of_all_cookie_headers() -> None:
    headers = [(b"cookie", b"a=1"), (b"cookie", b"csrf=second")]
    assert asgi.Sessions(connect_async(NOBODY)).csrf_token({"headers": headers}) == "second"
