"""What the middleware of all frameworks has in common: messages, decisions and refusals."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, TypedDict, TypeVar
from urllib.parse import unquote_to_bytes

import grpc
from google.protobuf.duration_pb2 import Duration
from sessiond.v1.error_pb2 import ErrorReason
from sessiond.v1.session_pb2 import ActorRef, Session, SessionRef, SetCookie
from sessiond.v1.session_service_pb2 import (
    CreateRequest,
    CreateResponse,
    RevokeRequest,
    RevokeResponse,
    ValidateRequest,
    ValidateResponse,
)

from .errors import SessiondError, session_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import NotRequired

R = TypeVar("R")
"""The framework's request."""

RequestSession = ValidateResponse
"""The session of a request, with the seconds that it has left."""

OnError = Callable[[SessiondError, str, str], None]
"""Gets a failure, and the method and the path of the request."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""With these, a request is not searched for a CSRF token, and a wrong one does not matter.

Whether a token is required is sessiond's decision, by the method that each Validate has.
"""

FORM = "application/x-www-form-urlencoded"

_USER_AGENT_CHARACTERS = 512
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]+")
"""The form of every CSRF token. A sibling domain can set such a cookie to anything else, and pages
put it into their markup."""

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_LOG = logging.getLogger("sessiond_client")


class Login(TypedDict):
    """Who has logged in: the arguments of `log_in`."""

    actor_id: str
    """The user, as the application names them."""
    actor_type: NotRequired[str]
    """The kind of actor. `user` by default."""
    tenant_id: NotRequired[str]
    """The tenant of the new session. By default, the tenant of the middleware's option."""
    app_type: NotRequired[str]
    """The application, such as `control_panel`."""
    metadata: NotRequired[Mapping[str, str]]
    """Stored with the session."""
    idle_timeout: NotRequired[timedelta]
    """Replaces sessiond's idle timeout. Whole seconds."""
    absolute_timeout: NotRequired[timedelta]
    """Replaces sessiond's absolute timeout. Whole seconds."""


@dataclass(frozen=True)
class LoginForm:
    """What a login form needs.

    Attributes:
        csrf_token: To be put into the form.
        set_cookies: The values of Set-Cookie headers to append to the response. Empty if the
            browser already has a pre-login session.
    """

    csrf_token: str = field(repr=False)
    set_cookies: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class LoggedIn:
    """A new login.

    Attributes:
        session: The new session.
        csrf_token: For the pages that follow. Scripts can also read it from the CSRF cookie.
        set_cookies: The values of Set-Cookie headers to append to the response.
    """

    session: Session
    csrf_token: str = field(repr=False)
    set_cookies: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class LoggedOut:
    """The end of a login.

    Attributes:
        revoked: Whether this call ended the session. False if it had already ended.
        set_cookies: The values of Set-Cookie headers to append to the response: they clear the
            browser's cookies.
    """

    revoked: bool
    set_cookies: tuple[str, ...] = field(default=(), repr=False)


class SessionOptions(TypedDict, Generic[R], total=False):
    """The options of the middleware. All are optional. A request is what the framework has."""

    tenant: str | Callable[[R], str | None]
    """The only tenant whose sessions are accepted: a name, or a function of the request. If the
    function returns nothing, the request is answered 500. By default, all tenants are."""
    client_ip: Callable[[R], str | None]
    """Returns the browser's address, for servers behind a proxy. By default, the peer's."""
    csrf_header: str
    """The header with the CSRF token. `X-CSRF-Token` by default."""
    csrf_field: str
    """The form field with the CSRF token, if there is no header. `csrf_token` by default."""
    csrf_cookie: str
    """The name of the CSRF cookie. `__Host-csrf` and then `csrf` by default."""
    form_limit: int
    """Forms of more bytes are not searched for the CSRF token. 1 MiB by default."""
    on_error: OnError
    """Called with the error, the method and the path of a request before it is answered 500 or
    more. By default, they are logged. It does not get the request, whose cookies are secret."""


@dataclass(frozen=True)
class BrowserRequest:
    """What sessiond is told of a request."""

    cookie_header: str | None = field(repr=False)
    ip_address: str
    user_agent: str
    tenant_id: str | None
    http_method: str

    def validate(
        self, csrf_token: str | None, *, touch: bool = False, accept_pre_login: bool = False
    ) -> ValidateRequest:
        """Return the request that checks the session, and the token unless it is None."""
        if self.cookie_header is None:
            raise no_cookie()
        return ValidateRequest(
            cookie_header=self.cookie_header,
            csrf_token=csrf_token,
            touch=touch,
            accept_pre_login=accept_pre_login,
            ip_address=self.ip_address,
            user_agent=self.user_agent,
            tenant_id=self.tenant_id,
            http_method=self.http_method,
        )

    def pre_login(self) -> CreateRequest:
        """Return the request that creates a session for a login form."""
        # Without `replaces`: the form in another tab keeps its session.
        return CreateRequest(
            actor=ActorRef(tenant_id=self.tenant_id) if self.tenant_id is not None else None,
            pre_login=True,
            ip_address=self.ip_address,
            user_agent=self.user_agent,
        )

    def log_in(self, login: Login) -> CreateRequest:
        """Return the request that creates the session of a login."""
        return CreateRequest(
            actor=ActorRef(
                tenant_id=login.get("tenant_id") or self.tenant_id or "",
                actor_type=login.get("actor_type", "user"),
                actor_id=login["actor_id"],
            ),
            app_type=login.get("app_type", ""),
            metadata=login.get("metadata", {}),
            idle_timeout=_duration(login.get("idle_timeout")),
            absolute_timeout=_duration(login.get("absolute_timeout")),
            replaces=self._session_ref() if self.cookie_header is not None else None,
            ip_address=self.ip_address,
            user_agent=self.user_agent,
        )

    def log_out(self) -> RevokeRequest:
        """Return the request that ends the session."""
        return RevokeRequest(session=self._session_ref())

    def _session_ref(self) -> SessionRef:
        return SessionRef(cookie_header=self.cookie_header, tenant_id=self.tenant_id)


def _duration(timeout: timedelta | None) -> Duration | None:
    if timeout is None:
        return None
    duration = Duration()
    duration.FromTimedelta(timeout)
    return duration


class SessionsBase(Generic[R], ABC):
    """The options of the middleware, and what follows from them without any call."""

    def __init__(  # noqa: PLR0913
        self,
        *,
        tenant: str | Callable[[R], str | None] | None = None,
        client_ip: Callable[[R], str | None] | None = None,
        csrf_header: str = "X-CSRF-Token",
        csrf_field: str = "csrf_token",
        csrf_cookie: str | None = None,
        form_limit: int = 1024 * 1024,
        on_error: OnError | None = None,
    ) -> None:
        """Take the options; see SessionOptions.

        Raises:
            ValueError: The tenant is empty.
        """
        if tenant == "":
            raise ValueError("tenant must not be empty; leave it out to accept all tenants")
        self._tenant = tenant
        self._client_ip = client_ip
        self._csrf_header = csrf_header
        self._csrf_field = csrf_field.encode()
        self._csrf_cookies = ("__Host-csrf", "csrf") if csrf_cookie is None else (csrf_cookie,)
        self._form_limit = form_limit
        self._on_error = on_error or _log_error

    @abstractmethod
    def _cookie_headers(self, request: R) -> Sequence[bytes]:
        """Return the values of the Cookie headers of a request."""

    def _browser_request(self, request: R, *, peer: str, user_agent: bytes) -> BrowserRequest:
        address = peer if self._client_ip is None else self._client_ip(request)
        cookies = b"; ".join(self._cookie_headers(request))
        return BrowserRequest(
            cookie_header=clean(cookies) if cookies else None,
            ip_address=valid_ip(address),
            user_agent=clean(user_agent)[:_USER_AGENT_CHARACTERS],
            tenant_id=self._tenant_of(request),
            http_method=self._http_method(request),
        )

    def _tenant_of(self, request: R) -> str | None:
        if not callable(self._tenant):
            return self._tenant
        tenant = self._tenant(request)
        if not tenant:
            raise SessiondError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "the function `tenant` returned no tenant for the request",
                reason=ErrorReason.ERROR_REASON_INVALID_REQUEST,
                http_status=400,
            )
        return tenant

    def _within_limit(self, content_length: str) -> bool:
        """Tell whether a form of this length, as its header has it, is to be searched."""
        # Python refuses to convert thousands of digits.
        is_number = re.fullmatch(r"[0-9]{1,18}", content_length) is not None
        return is_number and int(content_length) <= self._form_limit

    def _form_has_token(self, content_type: str) -> bool:
        return content_type.partition(";")[0].strip().lower() == FORM

    def _token_in_form(self, body: bytes) -> str:
        """Return the field with the token; empty if there is none."""
        for pair in body.split(b"&"):
            name, _, value = pair.partition(b"=")
            if _unquote(name) == self._csrf_field:
                return clean(_unquote(value))
        return ""

    def csrf_token(self, request: R) -> str:
        """Return the value of the request's CSRF cookie; empty if there is none.

        It is for the hidden field `csrf_token` of the forms of a page. The browser sent it: escape
        it, as templates do. In the response to a login, use the token of `log_in`.
        """
        header = clean(b"; ".join(self._cookie_headers(request)))
        pairs = [pair.partition("=") for pair in header.split(";")]
        for cookie in self._csrf_cookies:
            for name, _, value in pairs:
                if name.strip() == cookie and _TOKEN.fullmatch(value.strip()):
                    return value.strip()
        return ""

    @abstractmethod
    def _http_method(self, request: R) -> str:
        """Return the method of a request, as it came."""

    @abstractmethod
    def _method_and_path(self, request: R) -> tuple[str, str]:
        """Return the method and the path of a request, without its query."""

    def _report(self, request: R, error: SessiondError) -> None:
        if error.browser_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._on_error(error, *self._method_and_path(request))


def _unquote(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _log_error(error: SessiondError, method: str, path: str) -> None:
    _LOG.error("The session of %r %r could not be checked: %s", method, path, error)


def clean(text: bytes) -> str:
    """Return text that sessiond accepts: valid UTF-8 without NUL."""
    return text.decode("utf-8", "replace").replace("\0", "\ufffd")


def header_bytes(value: str) -> bytes:
    """Return the bytes of a header of WSGI, which has them as characters up to U+00FF."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def valid_ip(address: str | None) -> str:
    """Return an address without its zone; empty if it is not one."""
    host = (address or "").partition("%")[0]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ""
    return host


def no_cookie() -> SessiondError:
    """Return what sessiond would answer without a cookie."""
    return SessiondError(
        grpc.StatusCode.UNAUTHENTICATED,
        "the session cookie is missing or not valid",
        reason=ErrorReason.ERROR_REASON_INVALID_COOKIE,
        http_status=401,
    )


def failure(error: Exception) -> SessiondError:
    """Return why a call failed. Every exception is a failure: nothing lets a request pass."""
    return session_error(error)


def checked_session(response: object) -> RequestSession:
    """Return a response that really has a session.

    gRPC for asyncio returns None for a response that it cannot decode, and an empty message is a
    message, too: a broken proxy must not log anybody in.
    """
    if isinstance(response, ValidateResponse) and response.session.id:
        return response
    raise _no_answer()


def checked_user_session(response: object) -> RequestSession:
    """Return a response that has the session of a user, and not that of a login form."""
    checked = checked_session(response)
    if checked.session.actor_id:
        return checked
    raise _no_answer()


def logged_in(response: object) -> LoggedIn:
    """Return what a Create made."""
    if isinstance(response, CreateResponse) and response.session.id and response.csrf_token:
        cookies = _headers(response.set_cookies)
        if cookies:
            return LoggedIn(response.session, response.csrf_token, cookies)
    raise _no_answer()


def login_form(response: object) -> LoginForm:
    """Return what a Create of a pre-login session made."""
    created = logged_in(response)
    return LoginForm(created.csrf_token, created.set_cookies)


def logged_out(response: object) -> LoggedOut:
    """Return what a Revoke did."""
    if isinstance(response, RevokeResponse) and response.session.id:
        return LoggedOut(response.revoked, _headers(response.set_cookies))
    raise _no_answer()


def _headers(set_cookies: Iterable[SetCookie]) -> tuple[str, ...]:
    """Return the values of headers. Some servers would send line breaks in them as they are."""
    headers = tuple(cookie.header for cookie in set_cookies)
    if any(_CONTROL_CHARACTERS.search(header) for header in headers):
        raise _no_answer()
    return headers


def _no_answer() -> SessiondError:
    return SessiondError(
        grpc.StatusCode.INTERNAL, "the response cannot be decoded, or is incomplete"
    )


@dataclass(frozen=True)
class Refusal:
    """The response that refuses a request. It never sets or clears a cookie."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refusal(error: SessiondError) -> Refusal:
    """Return the response for a failure, as problem details (RFC 9457)."""
    status = error.browser_status
    body = json.dumps(
        {
            "title": phrase(status),
            "status": status,
            "reason": error.reason_name or "SERVICE_UNAVAILABLE",
            "detail": _public_detail(error),
        }
    ).encode()
    headers = [
        ("content-type", "application/problem+json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
    ]
    if status in (429, 503):
        headers.append(("retry-after", str(error.retry_after_seconds)))
    return Refusal(status, tuple(headers), body)


def _public_detail(error: SessiondError) -> str:
    """Return a text for browsers: the messages of outages can contain addresses."""
    status = error.browser_status
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "sessions cannot be checked at the moment; try again later"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "the request could not be processed"
    return error.message


def phrase(status: int) -> str:
    """Return the reason phrase of a status (RFC 9110)."""
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "Content Too Large"  # Python before 3.13 has an older one.
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
