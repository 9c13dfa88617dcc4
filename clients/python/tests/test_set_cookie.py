"""Set-Cookie headers of any form reach the response as they are."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from sessiond.v1.session_pb2 import Session
from starlette.responses import Response

from sessiond_client import asgi, django, wsgi
from sessiond_client._channel import Settings
from sessiond_client._web import BrowserRequest
from sessiond_client.asgi import LoginForm

HEADERS = ("snow=☃; Path=/", "nameless; Path=/", "=x", 'odd="q, = {[1]}"; Path=/', "path=/")


@pytest.fixture
def form() -> LoginForm:
    return LoginForm("token", HEADERS)


def test_results_are_printed_without_secrets() -> None:
    results = (
        LoginForm("secret", ("secret",)),
        asgi.LoggedIn(Session(id="ses-1"), "secret", ("secret",)),
        asgi.LoggedOut(revoked=True, set_cookies=("secret",)),
        BrowserRequest("secret", "192.0.2.1", "curl", None, "GET"),
        Settings(token="secret", client_key="secret"),
    )
    assert "secret" not in repr(results)
    assert "ses-1" in repr(results)


def test_in_asgi(form: LoginForm) -> None:
    response = Response()
    asgi.append_cookies(response, form)
    sent = [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]
    assert tuple(sent) == HEADERS


def test_in_wsgi(form: LoginForm) -> None:
    sent = [value.encode("latin-1").decode() for _, value in wsgi.cookie_headers(form)]
    assert tuple(sent) == HEADERS


def test_in_django(form: LoginForm) -> None:
    response = HttpResponse(content_type="text/plain", charset="utf-8")
    django.append_cookies(response, form)
    sent = [
        cookie.output(header="").encode("latin-1").decode() for cookie in response.cookies.values()
    ]
    assert tuple(sent) == HEADERS
