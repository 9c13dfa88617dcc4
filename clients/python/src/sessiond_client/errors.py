"""Typed errors: what a failed call says, whichever of gRPC's exceptions reported it."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from sessiond.v1.error_pb2 import ErrorDetail, ErrorReason, SessionLimitDetail

if TYPE_CHECKING:
    from collections.abc import Iterable

_M = TypeVar("_M", bound=Message)

_DETAILS_KEY = "grpc-status-details-bin"

_OUR_OWN_MISTAKES = frozenset(
    {
        ErrorReason.ERROR_REASON_CALLER_UNAUTHENTICATED,
        ErrorReason.ERROR_REASON_CALLER_FORBIDDEN,
        ErrorReason.ERROR_REASON_INVALID_REQUEST,
        ErrorReason.ERROR_REASON_SESSION_NOT_FOUND,
    }
)
"""Failures that the calling backend caused, not its user: never a 401 or 403 for the browser."""


@dataclass(frozen=True)
class FieldViolation:
    """A field of the request that was wrong.

    Attributes:
        field: The field's path, such as `actor.actor_id`.
        description: A sentence that says what would be right.
    """

    field: str
    description: str


class SessiondError(Exception):
    """The failure of a call to sessiond. Made by `session_error`.

    Attributes:
        code: The gRPC code. UNKNOWN if the error is not one of gRPC.
        message: The text of the failure. sessiond's own messages contain no credential.
        reason: The reason in the contract, or ERROR_REASON_UNSPECIFIED if the failure is not one
            that sessiond itself reports, such as an outage. A newer server can send a number that
            this version does not know; it is kept.
        http_status: The status that sessiond names for a browser, or 0 if the failure is not
            sessiond's own. `browser_status` is what to send.
        violations: The wrong fields; only with ERROR_REASON_INVALID_REQUEST.
        retry_delay: How long to wait before the next attempt, or None if sessiond did not say.
        session_limit: The limit and the actor's oldest sessions, to choose one to end; only with
            ERROR_REASON_SESSION_LIMIT_REACHED, else None.
    """

    def __init__(  # noqa: PLR0913
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: ErrorReason = ErrorReason.ERROR_REASON_UNSPECIFIED,
        reason_name: str | None = None,
        http_status: int = 0,
        violations: Iterable[FieldViolation] = (),
        retry_delay: timedelta | None = None,
        session_limit: SessionLimitDetail | None = None,
    ) -> None:
        """Create an error; `reason_name` is for a reason that this version does not know."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.http_status = http_status
        self.violations = tuple(violations)
        self.retry_delay = retry_delay
        self.session_limit = session_limit
        self._reason_name = reason_name

    def __str__(self) -> str:
        """Return code, reason and message."""
        name = self.reason_name
        return f"{self.code.name}{f' ({name})' if name else ''}: {self.message}"

    @property
    def reason_name(self) -> str:
        """The reason without its prefix, such as `REVOKED`. Empty if there is none."""
        if self.reason == ErrorReason.ERROR_REASON_UNSPECIFIED:
            return ""
        try:
            return ErrorReason.Name(self.reason).removeprefix("ERROR_REASON_")
        except ValueError:
            return self._reason_name or str(int(self.reason))

    @property
    def browser_status(self) -> int:
        """The HTTP status to answer a browser with.

        500 if this backend made a mistake, 503 for every outage, else what sessiond names. An
        outage is never a 401: the user is still logged in.
        """
        if self.reason == ErrorReason.ERROR_REASON_UNSPECIFIED:
            return 503
        if self.reason in _OUR_OWN_MISTAKES:
            return 500
        return self.http_status if 400 <= self.http_status <= 599 else 503  # noqa: PLR2004

    @property
    def retry_after_seconds(self) -> int:
        """The value of a Retry-After header, for the statuses 429 and 503: at least 1."""
        if self.retry_delay is None:
            return 1
        return max(1, math.ceil(self.retry_delay.total_seconds()))


def session_error(error: BaseException) -> SessiondError:
    """Return what a failed call says.

    Args:
        error: What the call raised: a `grpc.RpcError` of the synchronous or the asyncio API, or
            what gRPC raises for a call that was cancelled. A SessiondError is returned as it is;
            any other exception becomes one with the code UNKNOWN.

    Returns:
        The typed error. Its `__cause__` is `error`.
    """
    if isinstance(error, SessiondError):
        return error
    typed = _from_exception(error)
    typed.__cause__ = error
    return typed


def is_session_error(error: BaseException, *reasons: ErrorReason) -> bool:
    """Tell whether sessiond itself reported the failure, for one of these reasons.

    Args:
        error: What a call raised.
        reasons: The reasons to look for. Without any, every reason counts.
    """
    reason = session_error(error).reason
    if reasons:
        return reason in reasons
    return reason != ErrorReason.ERROR_REASON_UNSPECIFIED


def _from_exception(error: BaseException) -> SessiondError:
    if isinstance(error, (asyncio.CancelledError, grpc.FutureCancelledError)):
        return SessiondError(grpc.StatusCode.CANCELLED, "the caller cancelled the call")
    if isinstance(error, (grpc.FutureTimeoutError, TimeoutError)):
        return SessiondError(grpc.StatusCode.DEADLINE_EXCEEDED, "the caller stopped waiting")
    # Every error of a call is also a grpc.Call, except those that an interceptor raises itself.
    if not isinstance(error, grpc.RpcError) or not callable(getattr(error, "code", None)):
        return SessiondError(grpc.StatusCode.UNKNOWN, str(error) or type(error).__name__)
    return _from_rpc_error(error)


def _from_rpc_error(error: grpc.RpcError) -> SessiondError:
    code = error.code() or grpc.StatusCode.UNKNOWN
    message = error.details() or ""
    details = _details(error)
    detail = _find(details, ErrorDetail)
    if detail is None or detail.reason == ErrorReason.ERROR_REASON_UNSPECIFIED:
        return SessiondError(code, message, retry_delay=_retry_delay(details))
    info = _find(details, error_details_pb2.ErrorInfo)
    bad_request = _find(details, error_details_pb2.BadRequest)
    return SessiondError(
        code,
        message,
        reason=detail.reason,
        reason_name=info.reason if info else None,
        http_status=detail.http_status,
        violations=[
            FieldViolation(violation.field, violation.description)
            for violation in (bad_request.field_violations if bad_request else ())
        ],
        retry_delay=_retry_delay(details),
        session_limit=_find(details, SessionLimitDetail),
    )


def _details(error: grpc.RpcError) -> status_pb2.Status:
    status = status_pb2.Status()
    # Only sync calls have tuples with names, but both APIs iterate over pairs.
    for key, value in cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ()):
        if key == _DETAILS_KEY:
            # A proxy can send anything. Without readable details, it is not sessiond's answer.
            with contextlib.suppress(DecodeError):
                status.ParseFromString(value)
    return status


def _find(status: status_pb2.Status, message_type: type[_M]) -> _M | None:
    for packed in status.details:
        message = message_type()
        try:
            if packed.Unpack(message):
                return message
        except DecodeError:
            continue
    return None


def _retry_delay(status: status_pb2.Status) -> timedelta | None:
    info = _find(status, error_details_pb2.RetryInfo)
    if info is None or not info.HasField("retry_delay"):
        return None
    try:
        delay: timedelta = info.retry_delay.ToTimedelta()
    except (OverflowError, ValueError):
        return None
    return max(timedelta(0), delay)
