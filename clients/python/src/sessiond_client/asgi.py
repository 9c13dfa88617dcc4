"""Middleware for ASGI: Starlette, FastAPI and others. It does not need any of them.

An application that `Sessions.required` or `Sessions.optional` wraps finds the session of its
request with `request_session`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import grpc
from sessiond.v1.error_pb2 import ErrorReason

from ._web import (
    SAFE_METHODS,
    BrowserRequest,
    LoggedIn,
    LoggedOut,
    Login,
    LoginForm,
    RequestSession,
    SessionOptions,
    SessionsBase,
    checked_session,
    checked_user_session,
    clean,
    failure,
    logged_in,
    logged_out,
    login_form,
    refusal,
)
from .errors import SessiondError

if TYPE_CHECKING:
    from sessiond.v1.session_service_pb2 import ValidateRequest
    from sessiond.v1.session_service_pb2_grpc import SessionServiceAsyncStub
    from typing_extensions import Unpack

__all__ = [
    "ASGIApp",
    "LoggedIn",
    "LoggedOut",
    "LoginForm",
    "RequestSession",
    "Sessions",
    "append_cookies",
    "optional_session",
    "request_session",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
ReadScope = Mapping[str, Any]
"""A scope, or anything that reads like one, such as Starlette's Request."""

OnRefused = Callable[[ReadScope, SessiondError], "ASGIApp | Awaitable[ASGIApp | None] | None"]

_SESSION = "sessiond"
_OUTCOMES = "sessiond.outcomes"


class FormRequest(Protocol):
    """A request whose body can be read more than once, such as Starlette's and FastAPI's."""

    @property
    def scope(self) -> Scope:
        """The scope of the request."""

    async def body(self) -> bytes:
        """Return the whole body."""

    def form(self) -> Awaitable[Mapping[str, Any]]:
        """Return the parsed form."""


class _Connection(Protocol):
    @property
    def scope(self) -> Scope: ...


class HasHeaders(Protocol):
    """A response whose headers can be appended to, such as Starlette's and FastAPI's."""

    @property
    def headers(self) -> Any:
        """The headers, with their list of bytes as `raw`."""


def append_cookies(response: HasHeaders, result: LoginForm | LoggedIn | LoggedOut) -> None:
    """Append the Set-Cookie headers of a result to a response of Starlette or FastAPI."""
    for cookie in result.set_cookies:
        # As bytes: append() only takes characters up to U+00FF.
        response.headers.raw.append((b"set-cookie", cookie.encode()))


def request_session(request: ReadScope) -> RequestSession:
    """Return the session of a request, where it is required.

    Args:
        request: A scope, or Starlette's Request or WebSocket.

    Raises:
        LookupError: The request has no session: it is not required here.
    """
    session = optional_session(request)
    if session is None:
        raise LookupError("the request has no session: wrap the application in Sessions.required")
    return session


def optional_session(request: ReadScope) -> RequestSession | None:
    """Return the session of a request, or None if nobody is logged in.

    Args:
        request: A scope, or Starlette's Request or WebSocket.

    Raises:
        LookupError: The session was not looked for.
    """
    if _SESSION not in request:
        raise LookupError("the session was not looked for: wrap the application in Sessions")
    session: RequestSession | None = request[_SESSION]
    return session


class Sessions(SessionsBase[ReadScope]):
    """Sessions of an ASGI application.

    WebSockets have the session of their handshake. Scripts cannot send a CSRF token with it, so
    its Origin must be the host itself, or one of `websocket_origins`. A WebSocket without a
    session, where it is required, is refused before it is accepted. A session that ends later does
    not close it. `lifespan` passes through; scopes of an unknown type are refused.
    """

    def __init__(
        self,
        client: SessionServiceAsyncStub,
        *,
        on_refused: OnRefused | None = None,
        websocket_origins: tuple[str, ...] = (),
        **options: Unpack[SessionOptions[ReadScope]],
    ) -> None:
        """Create it.

        Args:
            client: What `connect_async` returned.
            on_refused: Called before a request is refused. What it returns answers the request,
                such as a RedirectResponse to the login form; None for the usual answer. May be
                async. Not used for WebSockets.
            websocket_origins: Further origins of WebSockets, such as `https://app.example.com`.
            **options: See SessionOptions.

        Raises:
            ValueError: The tenant is empty.
        """
        super().__init__(**options)
        self._client = client
        self._on_refused = on_refused
        self._websocket_origins = frozenset(websocket_origins)

    def required(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application whose requests need a session, and a CSRF token if they change it."""
        return self._wrap(app, self._require)

    def optional(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application that works with and without a session.

        A request whose session is denied goes on without one. A wrong CSRF token of a live
        session is refused, and so is every request during an outage.
        """
        return self._wrap(app, self._find)

    def login_form(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application that gets the login form: its requests need its CSRF token."""
        return self._wrap(app, self._check_login)

    def answer_errors(self, app: ASGIApp) -> ASGIApp:
        """Wrap an application that calls the methods below: their errors become responses."""

        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            started = False

            async def watched(message: MutableMapping[str, Any]) -> None:
                nonlocal started
                started = True
                await send(message)

            try:
                await app(scope, receive, watched)
            except SessiondError as error:
                if started or scope["type"] not in ("http", "websocket"):
                    raise
                await self._refuse(scope, receive, send, error)

        return answering

    async def error_handler(self, request: ReadScope, error: Exception) -> Any:
        """Return the response for a SessiondError, as an ASGI application.

        It is an exception handler of Starlette and FastAPI:
        `app.add_exception_handler(SessiondError, sessions.error_handler)`.
        """
        typed = failure(error)
        self._report(request, typed)
        if self._on_refused is not None:
            answer = self._on_refused(request, typed)
            if isawaitable(answer):
                answer = await answer
            if answer is not None:
                return answer
        return _refusal_app(typed)

    async def require(self, request: FormRequest) -> RequestSession:
        """Return the session of a request, as `required` does.

        Raises:
            SessiondError: The request is refused.
        """
        token = await self._token_of_request(request)
        return await self._require(request.scope, token)

    async def find(self, request: FormRequest) -> RequestSession | None:
        """Return the session of a request, as `optional` does.

        Raises:
            SessiondError: The request is refused.
        """
        token = await self._token_of_request(request)
        return await self._find(request.scope, token)

    async def require_websocket(self, websocket: _Connection) -> RequestSession:
        """Return the session of a WebSocket that is not accepted yet, as `required` does.

        Raises:
            SessiondError: The WebSocket is refused.
        """
        return await self._require(websocket.scope, None)

    async def start_login(self, request: ReadScope) -> LoginForm:
        """Return the CSRF token for a login form that is being shown.

        The pre-login session that the browser has is used again, so that forms in two tabs work.

        Raises:
            SessiondError: There is an outage.
        """
        browser = self._browser(request)
        token = self.csrf_token(request)
        if token:
            try:
                await self._validate(browser.validate(token, accept_pre_login=True))
            except SessiondError as error:
                if error.browser_status not in (401, 403):
                    raise
            else:
                return LoginForm(token)
        return login_form(await _call(self._client.Create, browser.pre_login()))

    async def check_login(self, request: FormRequest) -> RequestSession:
        """Check that a login form was sent by this application's page.

        Raises:
            SessiondError: The request is refused.
        """
        return await self._check_login(request.scope, await self._token_of_request(request))

    async def log_in(self, request: ReadScope, **login: Unpack[Login]) -> LoggedIn:
        """Create the session of a user who has been authenticated, and end the one before.

        Args:
            request: The request that logs in.
            **login: See Login.

        Raises:
            SessiondError: The session was not created.
        """
        return logged_in(await _call(self._client.Create, self._browser(request).log_in(login)))

    async def log_out(self, request: ReadScope) -> LoggedOut:
        """End the session of a request. The route must be `required`, for its CSRF token.

        Raises:
            SessiondError: There is an outage; the session and the cookies stay.
        """
        browser = self._browser(request)
        if browser.cookie_header is None:
            return LoggedOut(revoked=False)
        try:
            return logged_out(await _call(self._client.Revoke, browser.log_out()))
        except SessiondError as error:
            if error.browser_status != 401:  # noqa: PLR2004
                raise
            return LoggedOut(revoked=False)

    def _wrap(
        self, app: ASGIApp, check: Callable[[Scope, str | None], Awaitable[RequestSession | None]]
    ) -> ASGIApp:
        async def checking(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            if scope["type"] not in ("http", "websocket"):
                raise ValueError(f"sessions of the scope {scope['type']!r} cannot be checked")
            try:
                token, receive = await self._token_of_scope(scope, receive)
                await check(scope, token)
            except SessiondError as error:
                await self._refuse(scope, receive, send, error)
                return
            await app(scope, receive, send)

        return checking

    async def _require(self, scope: Scope, csrf_token: str | None) -> RequestSession:
        session = await self._session(scope, csrf_token)
        scope[_SESSION] = session
        return session

    async def _find(self, scope: Scope, csrf_token: str | None) -> RequestSession | None:
        try:
            session = await self._session(scope, csrf_token)
        except SessiondError as error:
            if error.browser_status != 401:  # noqa: PLR2004
                raise
            session = None
        scope[_SESSION] = session
        return session

    async def _check_login(self, scope: Scope, csrf_token: str | None) -> RequestSession:
        browser = self._browser(scope)
        return await self._validate(browser.validate(csrf_token or "", accept_pre_login=True))

    async def _session(self, scope: Scope, csrf_token: str | None) -> RequestSession:
        """Validate once, even if a request passes `optional` and then `required`."""
        browser = self._browser(scope)
        outcomes: dict[object, RequestSession | SessiondError] = scope.setdefault(_OUTCOMES, {})
        # What is in between can change the request.
        key = (self, browser.tenant_id, browser.http_method)
        outcome = outcomes.get(key)
        if outcome is None:
            try:
                if scope["type"] == "websocket" and browser.cookie_header is not None:
                    self._check_origin(scope)
                outcome = checked_user_session(
                    await self._validate(browser.validate(csrf_token, touch=True))
                )
            except SessiondError as error:
                outcome = error
            outcomes[key] = outcome
        if isinstance(outcome, SessiondError):
            raise outcome
        return outcome

    async def _validate(self, request: ValidateRequest) -> RequestSession:
        return checked_session(await _call(self._client.Validate, request))

    def _http_method(self, request: ReadScope) -> str:
        # The handshake of a WebSocket is a GET.
        method: str = request.get("method", "GET")
        return method

    def _method_and_path(self, request: ReadScope) -> tuple[str, str]:
        return self._http_method(request), request.get("path", "")

    def _cookie_headers(self, request: ReadScope) -> list[bytes]:
        return _headers(request, b"cookie")

    def _browser(self, request: ReadScope) -> BrowserRequest:
        client = request.get("client")
        return self._browser_request(
            request,
            peer=client[0] if client else "",
            user_agent=b", ".join(_headers(request, b"user-agent")),
        )

    def _check_origin(self, scope: Scope) -> None:
        origins = _headers(scope, b"origin")
        if not origins:
            return  # Not a browser, so nobody else's cookie.
        origin = clean(b", ".join(origins))
        host = clean(b", ".join(_headers(scope, b"host"))).lower()
        try:
            same = urlsplit(origin).netloc.lower() == host != ""
        except ValueError:
            same = False
        if not same and origin not in self._websocket_origins:
            raise SessiondError(
                grpc.StatusCode.PERMISSION_DENIED,
                "the page of another origin opened the WebSocket",
                reason=ErrorReason.ERROR_REASON_CSRF_MISMATCH,
                http_status=403,
            )

    async def _token_of_scope(self, scope: Scope, receive: Receive) -> tuple[str | None, Receive]:
        """Return the CSRF token if one is needed, and what the application can read the body of."""
        if scope["type"] == "websocket" or scope["method"] in SAFE_METHODS:
            return None, receive
        token = self._token_in_header(scope)
        if token or not self._has_searchable_form(scope):
            return token, receive
        return await self._token_in_body(receive)

    async def _token_in_body(self, receive: Receive) -> tuple[str, Receive]:
        messages: list[MutableMapping[str, Any]] = []
        body = bytearray()
        more = True
        while more and len(body) <= self._form_limit:
            message = await receive()
            messages.append(message)
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
        complete = not more and len(body) <= self._form_limit
        token = self._token_in_form(bytes(body)) if complete else ""
        unread = iter(messages)

        async def replay() -> MutableMapping[str, Any]:
            for message in unread:
                return message
            return await receive()

        return token, replay

    async def _token_of_request(self, request: FormRequest) -> str | None:
        scope = request.scope
        if scope["method"] in SAFE_METHODS:
            return None
        token = self._token_in_header(scope)
        if token or not self._has_searchable_form(scope):
            return token
        if not _headers(scope, b"content-length"):
            return ""  # The framework would read a body of any length.
        try:
            return self._token_in_form(await request.body())
        except RuntimeError:
            # FastAPI has already parsed the form for the parameters of the route.
            value = (await request.form()).get(self._csrf_field.decode())
            return clean(value.encode("utf-8", "replace")) if isinstance(value, str) else ""

    def _token_in_header(self, scope: Scope) -> str:
        return clean(b", ".join(_headers(scope, self._csrf_header.lower().encode())))

    def _has_searchable_form(self, scope: Scope) -> bool:
        if not any(self._cookie_headers(scope)):
            return False  # Refused anyway: no reason to wait for the body.
        content_type = clean(b", ".join(_headers(scope, b"content-type")))
        length = clean(b", ".join(_headers(scope, b"content-length")))
        if length and not self._within_limit(length):
            return False
        return self._form_has_token(content_type)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, error: SessiondError
    ) -> None:
        if scope["type"] == "http":
            answer = await self.error_handler(scope, error)
            await answer(scope, receive, send)
            return
        self._report(scope, error)
        await _refuse_websocket(scope, send, error)


async def _call(method: Callable[[Any], Awaitable[object]], request: object) -> object:
    try:
        return await method(request)
    except Exception as error:
        raise failure(error) from error


def _headers(request: ReadScope, name: bytes) -> list[bytes]:
    return [value for key, value in request["headers"] if key.lower() == name]


def _refusal_app(error: SessiondError) -> ASGIApp:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _refuse_websocket(scope, send, error)
            return
        body = b"" if scope["method"] == "HEAD" else refusal(error).body
        await send({"type": "http.response.start", **_start(error)})
        await send({"type": "http.response.body", "body": body})

    return app


def _start(error: SessiondError) -> dict[str, Any]:
    answer = refusal(error)
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    return {"status": answer.status, "headers": headers}


async def _refuse_websocket(scope: Scope, send: Send, error: SessiondError) -> None:
    if "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", **_start(error)})
        await send({"type": "websocket.http.response.body", "body": refusal(error).body})
    else:
        # The server answers the handshake with 403.
        await send({"type": "websocket.close", "code": 1008, "reason": error.reason_name})
