"""Middleware and decorators for Django.

They are configured by a setting:

    SESSIOND = {
        "ADDRESS": "http://127.0.0.1:8480",
        "CONNECT": {"timeout": 1.5},  # ConnectOptions
        "OPTIONS": {"tenant": "acme"},  # SessionOptions and on_refused
        "DEFAULT": "required",  # or "optional": of views without a decorator
    }
    MIDDLEWARE = [..., "sessiond_client.django.SessiondMiddleware"]

Functions among the options can be given as dotted paths, except `tenant`, whose text is a tenant.
Views have the session in `request.sessiond`. Django's CsrfViewMiddleware does not know sessiond's
CSRF tokens: exempt the views that sessiond protects, or remove it if these are all views that
change something.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from http.cookies import Morsel
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.module_loading import import_string

from ._sync import connect
from ._sync_sessions import SyncSessions
from ._web import (
    SAFE_METHODS,
    LoggedIn,
    LoggedOut,
    Login,
    LoginForm,
    RequestSession,
    SessionOptions,
    refusal,
)
from .errors import SessiondError

if TYPE_CHECKING:
    from collections.abc import Container, MutableMapping

    from sessiond.v1.session_service_pb2_grpc import SessionServiceStub
    from typing_extensions import Unpack

View = TypeVar("View", bound=Callable[..., Any])
OnRefused = Callable[[HttpRequest, SessiondError], "HttpResponseBase | None"]

_OUTCOMES = "_sessiond_outcomes"
_CHECKED = "sessiond_checked"


def append_cookies(response: HttpResponseBase, result: LoginForm | LoggedIn | LoggedOut) -> None:
    """Append the Set-Cookie headers of a result to a response, exactly as sessiond made them."""
    for header in result.set_cookies:
        # WSGI has bytes as characters up to U+00FF.
        cookie = _VerbatimCookie(header.encode().decode("latin-1"))
        # Django keeps one cookie under each key, and sends all values.
        key = cookie.key
        while key in response.cookies:
            key += "+"
        dict.__setitem__(response.cookies, key, cookie)


class _VerbatimCookie(Morsel[str]):
    """A cookie whose Set-Cookie header is not made from its attributes."""

    def __init__(self, header: str) -> None:
        super().__init__()
        name, _, value = header.partition(";")[0].partition("=")
        # Not set(), which refuses names that sessiond could send.
        self._key, self._value, self._coded_value = name, value, value
        self._header = header

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: ARG002, N802
        return self._header

    def output(self, attrs: Container[str] | None = None, header: str = "Set-Cookie:") -> str:
        # Django asks for an empty header, and would send a space before the value.
        return f"{header} {self.OutputString(attrs)}".lstrip()

    def __reduce__(self) -> tuple[Any, ...]:
        return _VerbatimCookie, (self._header,)


class Sessions(SyncSessions[HttpRequest]):
    """Sessions of a Django application."""

    def __init__(
        self,
        client: SessionServiceStub,
        *,
        on_refused: OnRefused | None = None,
        **options: Unpack[SessionOptions[HttpRequest]],
    ) -> None:
        """Create it; usually, `configured_sessions` does.

        Args:
            client: What `connect` returned.
            on_refused: Called before a request is refused. What it returns answers the request,
                such as a redirect to the login form; None for the usual answer.
            **options: See SessionOptions.

        Raises:
            ValueError: The tenant is empty.
        """
        super().__init__(client, **options)
        self._on_refused = on_refused

    def required(self, view: View) -> View:
        """Decorate a view whose requests need a session, and a CSRF token if they change it."""
        return _decorate(view, lambda: self, Sessions.require)

    def optional(self, view: View) -> View:
        """Decorate a view that works with and without a session: `request.sessiond` can be None.

        A request whose session is denied goes on without one. A wrong CSRF token of a live
        session is refused, and so is every request during an outage.
        """
        return _decorate(view, lambda: self, Sessions.find)

    def login_form(self, view: View) -> View:
        """Decorate a view that gets the login form: its requests need its CSRF token."""
        return _decorate(view, lambda: self, Sessions.check_login)

    def refuse(self, request: HttpRequest, error: SessiondError) -> HttpResponseBase:
        """Return the response to a request for which one of the methods raised an error."""
        self._report(request, error)
        if self._on_refused is not None:
            response = self._on_refused(request, error)
            # Not only None: Django and the decorators let a request pass for what is false.
            if isinstance(response, HttpResponseBase):
                return response
        answer = refusal(error)
        body = b"" if request.method == "HEAD" else answer.body
        return HttpResponse(body, status=answer.status, headers=dict(answer.headers))

    def _http_method(self, request: HttpRequest) -> str:
        sent = super()._http_method(request)
        # A middleware can have changed the method, which decides what the view does. It cannot make
        # a method safe.
        return (request.method or "") if sent in SAFE_METHODS else sent

    def _environ(self, request: HttpRequest) -> MutableMapping[str, Any]:
        return request.META

    def _outcomes(self, request: HttpRequest) -> dict[object, RequestSession | SessiondError]:
        outcomes: dict[object, RequestSession | SessiondError]
        outcomes = request.__dict__.setdefault(_OUTCOMES, {})
        return outcomes

    def _attach(self, request: HttpRequest, session: RequestSession | None) -> None:
        request.sessiond = session  # type: ignore[attr-defined]

    def _token_in_body(self, request: HttpRequest) -> str:
        if not self._within_limit(request.META.get("CONTENT_LENGTH") or ""):
            return ""
        return self._token_in_form(request.body)


@cache
def configured_sessions() -> Sessions:
    """Return the Sessions of the setting SESSIOND, with one client for the process.

    Raises:
        ImproperlyConfigured: The setting is missing or wrong.
    """
    setting = getattr(settings, "SESSIOND", None)
    if not isinstance(setting, dict) or "ADDRESS" not in setting:
        raise ImproperlyConfigured('SESSIOND must be a dictionary with at least "ADDRESS"')
    unknown = setting.keys() - {"ADDRESS", "CONNECT", "OPTIONS", "DEFAULT"}
    if unknown:
        raise ImproperlyConfigured(f"SESSIOND has unknown keys: {', '.join(sorted(unknown))}")
    options = dict(setting.get("OPTIONS", {}))
    for name in ("client_ip", "on_error", "on_refused"):
        if isinstance(options.get(name), str):
            options[name] = import_string(options[name])
    try:
        return Sessions(connect(setting["ADDRESS"], **setting.get("CONNECT", {})), **options)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"SESSIOND: {error}") from error


def _on_setting_changed(*, setting: str, **_: Any) -> None:
    if setting == "SESSIOND":
        configured_sessions.cache_clear()


setting_changed.connect(_on_setting_changed)


def session_required(view: View) -> View:
    """Decorate a view whose requests need a session; see Sessions.required."""
    return _decorate(view, configured_sessions, Sessions.require)


def session_optional(view: View) -> View:
    """Decorate a view that works with and without a session; see Sessions.optional."""
    return _decorate(view, configured_sessions, Sessions.find)


def login_form(view: View) -> View:
    """Decorate a view that gets the login form; see Sessions.login_form."""
    return _decorate(view, configured_sessions, Sessions.check_login)


def session_exempt(view: View) -> View:
    """Decorate a view for which the middleware's DEFAULT is not meant."""

    def unchecked(_sessions: Sessions, _request: HttpRequest) -> None:
        pass

    return _decorate(view, configured_sessions, unchecked)


def start_login(request: HttpRequest) -> LoginForm:
    """Return the CSRF token for a login form; see Sessions.start_login."""
    return configured_sessions().start_login(request)


def csrf_token(request: HttpRequest) -> str:
    """Return the token for the forms of a page; see Sessions.csrf_token."""
    return configured_sessions().csrf_token(request)


def check_login(request: HttpRequest) -> RequestSession:
    """Check that a login form was sent by this application's page; see Sessions.check_login."""
    return configured_sessions().check_login(request)


def log_in(request: HttpRequest, **login: Unpack[Login]) -> LoggedIn:
    """Create the session of a user who has been authenticated; see Sessions.log_in."""
    return configured_sessions().log_in(request, **login)


def log_out(request: HttpRequest) -> LoggedOut:
    """End the session of a request; see Sessions.log_out."""
    return configured_sessions().log_out(request)


class SessiondMiddleware:
    """Applies DEFAULT to views without a decorator, and answers what the functions above raise."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Take the next handler.

        Raises:
            ImproperlyConfigured: The setting is missing or wrong.
        """
        self._get_response = get_response
        configured_sessions()
        default = settings.SESSIOND.get("DEFAULT")
        if default not in (None, "required", "optional"):
            raise ImproperlyConfigured('SESSIOND["DEFAULT"] must be "required" or "optional"')
        self._default: str | None = default

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle a request."""
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: Any, _kwargs: Any
    ) -> HttpResponseBase | None:
        """Check the session before a view without a decorator."""
        if self._default is None or getattr(view, _CHECKED, False):
            return None
        sessions = configured_sessions()
        check = sessions.require if self._default == "required" else sessions.find
        try:
            check(request)
        except SessiondError as error:
            return sessions.refuse(request, error)
        return None

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answer a SessiondError that a view raised."""
        if isinstance(exception, SessiondError):
            return configured_sessions().refuse(request, exception)
        return None


def _decorate(
    view: View,
    sessions: Callable[[], Sessions],
    check: Callable[[Sessions, HttpRequest], object],
) -> View:
    def refused(request: HttpRequest) -> HttpResponseBase | None:
        try:
            check(sessions(), request)
        except SessiondError as error:
            return sessions().refuse(request, error)
        return None

    if iscoroutinefunction(view):

        @wraps(view)
        async def async_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            response = await sync_to_async(refused, thread_sensitive=False)(request)
            return await view(request, *args, **kwargs) if response is None else response

        decorated: Any = async_view
    else:

        @wraps(view)
        def sync_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            response = refused(request)
            return view(request, *args, **kwargs) if response is None else response

        decorated = sync_view
    setattr(decorated, _CHECKED, True)
    return cast("View", decorated)
