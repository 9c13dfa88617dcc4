"""What the middleware of WSGI and Django has in common: the calls."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ._web import (
    SAFE_METHODS,
    BrowserRequest,
    LoggedIn,
    LoggedOut,
    Login,
    LoginForm,
    R,
    RequestSession,
    SessionOptions,
    SessionsBase,
    checked_session,
    checked_user_session,
    clean,
    failure,
    header_bytes,
    logged_in,
    logged_out,
    login_form,
)
from .errors import SessiondError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from sessiond.v1.session_service_pb2 import ValidateRequest
    from sessiond.v1.session_service_pb2_grpc import SessionServiceStub
    from typing_extensions import Unpack


class SyncSessions(SessionsBase[R]):
    """Sessions of requests whose headers are in an environ, as WSGI has it."""

    def __init__(self, client: SessionServiceStub, **options: Unpack[SessionOptions[R]]) -> None:
        """Create it.

        Args:
            client: What `connect` returned.
            **options: See SessionOptions.

        Raises:
            ValueError: The tenant is empty.
        """
        super().__init__(**options)
        self._client = client
        self._csrf_variable = "HTTP_" + self._csrf_header.upper().replace("-", "_")

    @abstractmethod
    def _environ(self, request: R) -> MutableMapping[str, Any]:
        """Return the headers of a request, as WSGI names them."""

    @abstractmethod
    def _outcomes(self, request: R) -> dict[object, RequestSession | SessiondError]:
        """Return what has been found out about a request; the same object each time."""

    @abstractmethod
    def _attach(self, request: R, session: RequestSession | None) -> None:
        """Let the application find the session of a request."""

    @abstractmethod
    def _token_in_body(self, request: R) -> str:
        """Return the token in the form of a request, whose body the application can still read."""

    def require(self, request: R) -> RequestSession:
        """Return the session of a request, as `required` does.

        Raises:
            SessiondError: The request is refused.
        """
        session = self._session(request)
        self._attach(request, session)
        return session

    def find(self, request: R) -> RequestSession | None:
        """Return the session of a request, as `optional` does.

        Raises:
            SessiondError: The request is refused.
        """
        session = None
        try:
            session = self._session(request)
        except SessiondError as error:
            if error.browser_status != 401:  # noqa: PLR2004
                raise
        self._attach(request, session)
        return session

    def start_login(self, request: R) -> LoginForm:
        """Return the CSRF token for a login form that is being shown.

        The pre-login session that the browser has is used again, so that forms in two tabs work.

        Raises:
            SessiondError: There is an outage.
        """
        browser = self._browser(request)
        token = self.csrf_token(request)
        if token:
            try:
                self._validate(browser.validate(token, accept_pre_login=True))
            except SessiondError as error:
                if error.browser_status not in (401, 403):
                    raise
            else:
                return LoginForm(token)
        return login_form(_call(self._client.Create, browser.pre_login()))

    def check_login(self, request: R) -> RequestSession:
        """Check that a login form was sent by this application's page.

        Raises:
            SessiondError: The request is refused.
        """
        token = self._token(request) or ""
        return self._validate(self._browser(request).validate(token, accept_pre_login=True))

    def log_in(self, request: R, **login: Unpack[Login]) -> LoggedIn:
        """Create the session of a user who has been authenticated, and end the one before.

        Args:
            request: The request that logs in.
            **login: See Login.

        Raises:
            SessiondError: The session was not created.
        """
        return logged_in(_call(self._client.Create, self._browser(request).log_in(login)))

    def log_out(self, request: R) -> LoggedOut:
        """End the session of a request. The route must be `required`, for its CSRF token.

        Raises:
            SessiondError: There is an outage; the session and the cookies stay.
        """
        browser = self._browser(request)
        if browser.cookie_header is None:
            return LoggedOut(revoked=False)
        try:
            return logged_out(_call(self._client.Revoke, browser.log_out()))
        except SessiondError as error:
            if error.browser_status != 401:  # noqa: PLR2004
                raise
            return LoggedOut(revoked=False)

    def _session(self, request: R) -> RequestSession:
        """Validate once, even if a request passes `optional` and then `required`."""
        browser = self._browser(request)
        outcomes = self._outcomes(request)
        # What is in between can change the request.
        key = (self, browser.tenant_id, browser.http_method)
        outcome = outcomes.get(key)
        if outcome is None:
            try:
                token = self._token(request)
                outcome = checked_user_session(self._validate(browser.validate(token, touch=True)))
            except SessiondError as error:
                outcome = error
            outcomes[key] = outcome
        if isinstance(outcome, SessiondError):
            raise outcome
        return outcome

    def _validate(self, request: ValidateRequest) -> RequestSession:
        return checked_session(_call(self._client.Validate, request))

    def _method_and_path(self, request: R) -> tuple[str, str]:
        environ = self._environ(request)
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        return environ["REQUEST_METHOD"], clean(header_bytes(path))

    def _cookie_headers(self, request: R) -> list[bytes]:
        return [header_bytes(self._environ(request).get("HTTP_COOKIE", ""))]

    def _browser(self, request: R) -> BrowserRequest:
        environ = self._environ(request)
        return self._browser_request(
            request,
            peer=environ.get("REMOTE_ADDR", ""),
            user_agent=header_bytes(environ.get("HTTP_USER_AGENT", "")),
        )

    def _http_method(self, request: R) -> str:
        method: str = self._environ(request)["REQUEST_METHOD"]
        return method

    def _token(self, request: R) -> str | None:
        """Return the CSRF token, if the request needs one."""
        if self._http_method(request) in SAFE_METHODS:
            return None
        environ = self._environ(request)
        header = environ.get(self._csrf_variable)
        if header:
            return clean(header_bytes(header))
        if not any(self._cookie_headers(request)):
            return ""  # Refused anyway: no reason to wait for the body.
        if not self._form_has_token(environ.get("CONTENT_TYPE", "")):
            return ""
        return self._token_in_body(request)


def _call(method: Callable[[Any], object], request: object) -> object:
    try:
        return method(request)
    except Exception as error:
        raise failure(error) from error
