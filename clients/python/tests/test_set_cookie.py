"""Set-Cookie headers of any form reach the response as they are, unless they are none."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from sessiond.v1.session_pb2 import Session, SetCookie
from sessiond.v1.session_service_pb2 import CreateResponse, RevokeResponse
from starlette.responses import Response

from sessiond_client import SessiondError, _web, asgi, django, wsgi
from sessiond_client.asgi import LoginForm

HEADERS = ("snow=☃; Path=/", "nameless; Path=/", "=x", 'odd="q, = {[1]}"; Path=/', "path=/")


@pytest.fixture
def form() -> LoginForm:
    return LoginForm("token", HEADERS)


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


@pytest.mark.parametrize("header", ["split=1\r\nInjected: yes", "split=1\nx", "nul=\0", "\x7f=1"])
def test_a_header_with_a_control_character_is_refused(header: str) -> None:
    cookies = [SetCookie(header="good=1"), SetCookie(header=header)]
    with pytest.raises(SessiondError, match="a cookie that is no header") as login:
        _web.logged_in(CreateResponse(csrf_token="token", set_cookies=cookies))
    assert login.value.browser_status == 503
    with pytest.raises(SessiondError, match="a cookie that is no header"):
        _web.logged_out(RevokeResponse(session=Session(id="ses"), set_cookies=cookies))
