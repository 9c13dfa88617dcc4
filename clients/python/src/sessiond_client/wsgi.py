"""Middleware for WSGI: plain applications, Flask and others. It needs none of them.

An application that `Sessions.required` or `Sessions.optional` wraps finds the session of its
request with `request_session`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._sync_sessions import SyncSessions
from ._web import (
    LoggedIn,
    LoggedOut,
    LoginForm,
    RequestSession,
    SessionOptions,
    phrase,
    refusal,
)
from .errors import SessiondError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from _typeshed import WriteableBuffer
    from sessiond.v1.session_service_pb2_grpc import SessionServiceStub
    from typing_extensions import Unpack

__all__ = [
    "LoggedIn",
    "LoggedOut",
    "LoginForm",
    "RequestSession",
    "Sessions",
    "cookie_headers",
    "optional_session",
    "request_session",
]

Environ = dict[str, Any]

OnRefused = Callable[[Environ, SessiondError], "WSGIApplication | None"]

_SESSION = "sessiond.session"
_OUTCOMES = "sessiond.outcomes"


def cookie_headers(result: LoginForm | LoggedIn | LoggedOut) -> list[tuple[str, str]]:
    """Return the Set-Cookie headers of a result, to add to those of `start_response`."""
    # WSGI has bytes as characters up to U+00FF.
    return [("Set-Cookie", cookie.encode().decode("latin-1")) for cookie in result.set_cookies]


def request_session(environ: WSGIEnvironment) -> RequestSession:
    """Return the session of a request, where it is required.

    Raises:
        LookupError: The request has no session: it is not required here.
    """
    session = optional_session(environ)
    if session is None:
        raise LookupError("the request has no session: wrap the application in Sessions.required")
    return session


def optional_session(environ: WSGIEnvironment) -> RequestSession | None:
    """Return the session of a request, or None if nobody is logged in.

    Raises:
        LookupError: The session was not looked for.
    """
    if _SESSION not in environ:
        raise LookupError("the session was not looked for: wrap the application in Sessions")
    session: RequestSession | None = environ[_SESSION]
    return session


class Sessions(SyncSessions[Environ]):
    """Sessions of a WSGI application.

    A WSGI server joins several Cookie headers with commas, which no cookie can be found in safely:
    then nobody is logged in. Browsers send one header over HTTP/1.1, and servers that speak HTTP/2
    join its parts rightly.
    """

    def __init__(
        self,
        client: SessionServiceStub,
        *,
        on_refused: OnRefused | None = None,
        **options: Unpack[SessionOptions[Environ]],
    ) -> None:
        """Create it.

        Args:
            client: What `connect` returned.
            on_refused: Called before a request is refused. What it returns answers the request,
                such as a response of Werkzeug; None for the usual answer.
            **options: See SessionOptions.

        Raises:
            ValueError: The tenant is empty.
        """
        super().__init__(client, **options)
        self._on_refused = on_refused

    def required(self, app: WSGIApplication) -> WSGIApplication:
        """Wrap an application whose requests need a session, and a CSRF token if they change it."""
        return self._wrap(app, self.require)

    def optional(self, app: WSGIApplication) -> WSGIApplication:
        """Wrap an application that works with and without a session.

        A request whose session is denied goes on without one. A wrong CSRF token of a live
        session is refused, and so is every request during an outage.
        """
        return self._wrap(app, self.find)

    def login_form(self, app: WSGIApplication) -> WSGIApplication:
        """Wrap an application that gets the login form: its requests need its CSRF token."""
        return self._wrap(app, self.check_login)

    def answer_errors(self, app: WSGIApplication) -> WSGIApplication:
        """Wrap an application that calls the methods of Sessions: their errors become responses."""

        def answering(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            try:
                return app(environ, start_response)
            except SessiondError as error:
                return self.refuse(environ, start_response, error)

        return answering

    def refuse(
        self, environ: WSGIEnvironment, start_response: StartResponse, error: SessiondError
    ) -> Iterable[bytes]:
        """Answer a request for which one of the methods raised an error."""
        self._report(environ, error)
        if self._on_refused is not None:
            app = self._on_refused(environ, error)
            if app is not None:
                return app(environ, start_response)
        answer = refusal(error)
        start_response(f"{answer.status} {phrase(answer.status)}", list(answer.headers))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _wrap(self, app: WSGIApplication, check: Callable[[Environ], object]) -> WSGIApplication:
        def checking(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            try:
                check(environ)
            except SessiondError as error:
                return self.refuse(environ, start_response, error)
            return app(environ, start_response)

        return checking

    def _environ(self, request: Environ) -> Environ:
        return request

    def _outcomes(self, request: Environ) -> dict[object, RequestSession | SessiondError]:
        outcomes: dict[object, RequestSession | SessiondError]
        outcomes = request.setdefault(_OUTCOMES, {})
        return outcomes

    def _attach(self, request: Environ, session: RequestSession | None) -> None:
        request[_SESSION] = session

    def _token_in_body(self, request: Environ) -> str:
        length = request.get("CONTENT_LENGTH") or ""
        stream = request["wsgi.input"]
        if length:
            if not self._within_limit(length):
                return ""
            body = _read(stream, int(length))
            request["wsgi.input"] = io.BytesIO(body)
            return self._token_in_form(body)
        if not request.get("wsgi.input_terminated"):
            return ""  # Only the server knows where the body ends.
        body = _read(stream, self._form_limit + 1)
        request["wsgi.input"] = io.BufferedReader(_Joined(io.BytesIO(body), stream))
        return self._token_in_form(body) if len(body) <= self._form_limit else ""


def _read(stream: Any, size: int) -> bytes:
    chunks = []
    while size > 0 and (chunk := stream.read(size)):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


class _Joined(io.RawIOBase):
    """Streams one after the other."""

    def __init__(self, *streams: Any) -> None:
        self._streams = list(streams)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        while self._streams:
            chunk: bytes = self._streams[0].read(len(view))
            if chunk:
                view[: len(chunk)] = chunk
                return len(chunk)
            self._streams.pop(0)
        return 0
