"""What is particular to WSGI."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from sessiond_client import SessiondError, connect
from sessiond_client.wsgi import Sessions, optional_session, request_session
from support import FakeSessiond, closed_port

if TYPE_CHECKING:
    from collections.abc import Iterable

BODY = b"note=1&csrf_token=a%2Bb+c"


class Started:
    """What an application has started its response with."""

    status = ""
    headers: tuple[tuple[str, str], ...] = ()

    def __call__(self, status: str, headers: Any, _: Any = None) -> Any:
        self.status, self.headers = status, tuple(headers)


def post(**environ: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "HTTP_COOKIE": "session=x",
        "CONTENT_TYPE": "Application/X-WWW-Form-URLencoded; charset=utf-8",
        "wsgi.input": io.BytesIO(BODY),
        **environ,
    }


def read_all(environ: dict[str, Any], _start_response: Any) -> Iterable[bytes]:
    stream = environ["wsgi.input"]
    return [stream.readline(), stream.read(3), *stream]


@pytest.mark.parametrize(
    ("environ", "limit", "token"),
    [
        ({"CONTENT_LENGTH": str(len(BODY))}, 100, "a+b c"),
        ({"CONTENT_LENGTH": "100"}, 100, "a+b c"),
        ({"CONTENT_LENGTH": str(len(BODY))}, 10, ""),
        ({"CONTENT_LENGTH": "-1"}, 100, ""),
        ({"CONTENT_LENGTH": "many"}, 100, ""),
        ({"wsgi.input_terminated": True}, 100, "a+b c"),
        ({"wsgi.input_terminated": True}, 10, ""),
        ({}, 100, ""),
    ],
)
def test_bodies_can_be_read_again(
    fake: FakeSessiond, environ: dict[str, Any], limit: int, token: str
) -> None:
    with connect(fake.url) as client:
        sessions = Sessions(client, form_limit=limit)
        body = b"".join(sessions.required(read_all)(post(**environ), Started()))
    assert body == BODY
    [(_, request)] = fake.received
    assert request.HasField("csrf_token")
    assert request.csrf_token == token


def test_bodies_are_not_read_without_a_cookie(fake: FakeSessiond) -> None:
    stream = io.BytesIO(BODY)
    environ = post(CONTENT_LENGTH=str(len(BODY)), HTTP_COOKIE="", **{"wsgi.input": stream})
    with connect(fake.url) as client:
        b"".join(Sessions(client).required(read_all)(environ, Started()))
    assert stream.tell() == 0
    assert fake.received == []


def test_a_request_is_validated_once(fake: FakeSessiond) -> None:
    def app(environ: dict[str, Any], _start_response: Any) -> Iterable[bytes]:
        return [request_session(environ).session.actor_id.encode()]

    with connect(fake.url) as client:
        sessions = Sessions(client)
        environ = {"REQUEST_METHOD": "GET", "HTTP_COOKIE": "session=x"}
        wrapped = sessions.optional(sessions.required(app))
        assert b"".join(wrapped(environ, Started())) == b"alice"
    assert len(fake.received) == 1


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"REQUEST_METHOD": "DELETE"}, [("one", "GET", False), ("one", "DELETE", True)]),
        ({"REQUEST_METHOD": "get"}, [("one", "GET", False), ("one", "get", True)]),
        ({"REQUEST_METHOD": "HEAD"}, [("one", "GET", False), ("one", "HEAD", False)]),
        ({"TENANT": "two"}, [("one", "GET", False), ("two", "GET", False)]),
        ({"PATH_INFO": "/other"}, [("one", "GET", False)]),
    ],
)
def test_a_request_that_changes_is_validated_again(
    fake: FakeSessiond, change: dict[str, Any], sent: list[tuple[str, str, bool]]
) -> None:
    with connect(fake.url) as client:
        sessions = Sessions(client, tenant=lambda environ: environ["TENANT"])
        inner = sessions.required(lambda *_: [b"hello"])

        def changing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            return inner({**environ, **change}, start_response)

        environ = {"REQUEST_METHOD": "GET", "HTTP_COOKIE": "session=x", "TENANT": "one"}
        assert list(sessions.required(changing)(environ, Started())) == [b"hello"]
    received = [(r.tenant_id, r.http_method, r.HasField("csrf_token")) for _, r in fake.received]
    assert received == sent


def test_applications_can_answer_refusals() -> None:
    errors: list[SessiondError] = []

    def login_page(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("303 See Other", [("location", "/login")])
        return []

    def app(*_: Any) -> Iterable[bytes]:
        raise AssertionError

    with connect(closed_port()) as client:
        sessions = Sessions(
            client,
            on_refused=lambda _, error: login_page if error.browser_status == 401 else None,
            on_error=lambda error, *_: errors.append(error),
        )
        started = Started()
        sessions.required(app)({"REQUEST_METHOD": "GET"}, started)
        assert (started.status, errors) == ("303 See Other", [])
        sessions.required(app)({"REQUEST_METHOD": "GET", "HTTP_COOKIE": "session=x"}, started)
        assert started.status == "503 Service Unavailable"
        assert [error.code.name for error in errors] == ["UNAVAILABLE"]


def test_tenants_of_requests_are_never_empty(fake: FakeSessiond) -> None:
    with connect(fake.url) as client:
        sessions = Sessions(client, tenant=lambda environ: environ["TENANT"])
        started = Started()
        sessions.optional(read_all)(post(TENANT=""), started)
        assert started.status == "500 Internal Server Error"
        assert fake.received == []
        sessions.optional(read_all)(post(TENANT="acme"), started)
        assert fake.received[0][1].tenant_id == "acme"


def test_a_session_that_was_not_looked_for_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"wrap the application in Sessions"):
        request_session({})
    with pytest.raises(LookupError, match=r"Sessions\.required"):
        request_session({"sessiond.session": None})
    assert optional_session({"sessiond.session": None}) is None
