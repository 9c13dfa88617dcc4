"""What the failures of calls say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from google.rpc import error_details_pb2
from sessiond.v1 import session_pb2
from sessiond.v1 import session_service_pb2 as pb
from sessiond.v1.error_pb2 import CompetingSession, ErrorReason, SessionLimitDetail

from sessiond_client import (
    SessiondError,
    connect,
    connect_async,
    is_session_error,
    session_error,
)
from support import FakeSessiond, closed_port, failing, hold

if TYPE_CHECKING:
    from sessiond_client.testing import TestSessiond

REVOKED = ErrorReason.ERROR_REASON_REVOKED
VALIDATE = pb.ValidateRequest(cookie="c")

ErrorOf = Callable[[str], grpc.RpcError]


def sync_error(url: str, request: pb.ValidateRequest = VALIDATE) -> grpc.RpcError:
    with connect(url, retry=False) as client, pytest.raises(grpc.RpcError) as failed:
        client.Validate(request)
    return failed.value


def async_error(url: str) -> grpc.RpcError:
    async def call() -> grpc.RpcError:
        async with connect_async(url, retry=False) as client:
            with pytest.raises(grpc.RpcError) as failed:
                await client.Validate(VALIDATE)
            return failed.value

    return asyncio.run(call())


@pytest.mark.parametrize("error_of", [sync_error, async_error])
def test_the_sessions_that_compete_for_a_limit_are_listed(
    fake: FakeSessiond, error_of: ErrorOf
) -> None:
    sessions = [CompetingSession(id="ses-1", user_agent="Browser/1"), CompetingSession(id="ses-2")]
    detail = SessionLimitDetail(limit=2, total=3, sessions=sessions)
    fake.answers["Validate"] = failing(
        grpc.StatusCode.FAILED_PRECONDITION,
        ErrorReason.ERROR_REASON_SESSION_LIMIT_REACHED,
        http_status=409,
        extra=(detail,),
    )
    assert session_error(error_of(fake.url)).session_limit == detail
    fake.answers["Validate"] = failing(grpc.StatusCode.UNAUTHENTICATED, REVOKED, http_status=401)
    assert session_error(error_of(fake.url)).session_limit is None


@pytest.mark.parametrize("error_of", [sync_error, async_error])
def test_a_failure_of_sessiond_has_a_reason(sessiond: TestSessiond, error_of: ErrorOf) -> None:
    raised = error_of(sessiond.url)
    error = session_error(raised)
    assert error.code == grpc.StatusCode.UNAUTHENTICATED
    assert error.reason == ErrorReason.ERROR_REASON_INVALID_COOKIE
    assert error.reason_name == "INVALID_COOKIE"
    assert (error.http_status, error.browser_status) == (401, 401)
    assert error.message == "the session cookie is missing or not valid"
    assert error.__cause__ is raised
    assert str(error) == f"UNAUTHENTICATED (INVALID_COOKIE): {error.message}"
    assert session_error(error) is error
    assert is_session_error(raised)
    assert is_session_error(raised, REVOKED, ErrorReason.ERROR_REASON_INVALID_COOKIE)
    assert not is_session_error(raised, REVOKED)


def test_wrong_fields_are_listed(sessiond: TestSessiond) -> None:
    request = pb.ListRequest(actor=session_pb2.ActorRef(actor_id="a"), page_size=999)
    with pytest.raises(grpc.RpcError) as failed:
        sessiond.client.List(request)
    error = session_error(failed.value)
    assert error.reason == ErrorReason.ERROR_REASON_INVALID_REQUEST
    fields = [violation.field for violation in error.violations]
    assert sorted(fields) == ["actor.actor_type", "page_size"]
    assert all(field in v.description for field, v in zip(fields, error.violations, strict=True))
    assert error.browser_status == 500


@pytest.mark.parametrize("error_of", [sync_error, async_error])
def test_the_delay_before_the_next_attempt_is_known(fake: FakeSessiond, error_of: ErrorOf) -> None:
    fake.answers["Validate"] = failing(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        ErrorReason.ERROR_REASON_OVERLOADED,
        http_status=429,
        retry_after=1.25,
    )
    error = session_error(error_of(fake.url))
    assert error.retry_delay == timedelta(seconds=1.25)
    assert (error.browser_status, error.retry_after_seconds) == (429, 2)


@pytest.mark.parametrize(
    ("reason", "http_status", "expected"),
    [
        ("CALLER_UNAUTHENTICATED", 401, 500),
        ("CALLER_FORBIDDEN", 403, 500),
        ("INVALID_REQUEST", 400, 500),
        ("SESSION_NOT_FOUND", 404, 500),
        ("REVOKED", 401, 401),
        ("CSRF_MISSING", 403, 403),
        ("SESSION_LIMIT_REACHED", 409, 409),
        ("REQUEST_TOO_LARGE", 413, 413),
        ("STEP_UP_REQUIRED", 403, 403),
        ("ACTOR_TYPE_NOT_ACCEPTED", 403, 403),
        ("METADATA_ETAG_MISMATCH", 409, 409),
        ("CALLER_KEYS_UNAVAILABLE", 503, 503),
        ("STORAGE_UNAVAILABLE", 503, 503),
        ("REVOKED", 200, 503),
        ("REVOKED", 302, 503),
        ("REVOKED", 600, 503),
        ("REVOKED", 0, 503),
    ],
)
def test_browsers_get_a_fitting_status(reason: str, http_status: int, expected: int) -> None:
    error = SessiondError(
        grpc.StatusCode.UNKNOWN,
        "",
        reason=getattr(ErrorReason, f"ERROR_REASON_{reason}"),
        http_status=http_status,
    )
    assert error.browser_status == expected


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_a_failure_without_detail_is_an_outage(fake: FakeSessiond, code: grpc.StatusCode) -> None:
    if code == grpc.StatusCode.OK:
        return
    fake.answers["Validate"] = failing(code)
    error = session_error(sync_error(fake.url))
    assert (error.code, error.reason, error.http_status) == (code, 0, 0)
    assert (error.browser_status, error.retry_after_seconds) == (503, 1)
    assert not is_session_error(error)


@pytest.mark.parametrize("error_of", [sync_error, async_error])
def test_an_unknown_reason_is_kept(fake: FakeSessiond, error_of: ErrorOf) -> None:
    fake.answers["Validate"] = failing(
        grpc.StatusCode.UNAUTHENTICATED, 999, name="FROM_THE_FUTURE", http_status=418
    )
    error = session_error(error_of(fake.url))
    assert error.reason == 999
    assert error.reason_name == "FROM_THE_FUTURE"
    assert error.browser_status == 418
    assert is_session_error(error)
    assert not is_session_error(error, REVOKED)


def test_unreadable_details_are_no_details(fake: FakeSessiond) -> None:
    fake.answers["Validate"] = failing(
        grpc.StatusCode.UNAUTHENTICATED, REVOKED, http_status=401, details=b"\xff\xff\xff"
    )
    error = session_error(sync_error(fake.url))
    assert (error.reason, error.browser_status) == (0, 503)


def test_an_impossible_delay_is_no_delay(fake: FakeSessiond) -> None:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.seconds = 2**62
    fake.answers["Validate"] = failing(
        grpc.StatusCode.UNAVAILABLE,
        ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE,
        http_status=503,
        extra=(info,),
    )
    assert session_error(sync_error(fake.url)).retry_after_seconds == 1


def test_a_refused_connection_is_an_outage() -> None:
    error = session_error(sync_error(closed_port()))
    assert (error.code.name, error.browser_status) == ("UNAVAILABLE", 503)


def test_a_cancelled_call_says_so(fake: FakeSessiond) -> None:
    fake.answers["Validate"] = hold
    with connect(fake.url) as client:
        pending = client.Validate.future(VALIDATE)
        pending.cancel()
        with pytest.raises(grpc.FutureCancelledError) as cancelled:
            pending.result()
        assert session_error(cancelled.value).code == grpc.StatusCode.CANCELLED

    async def asynchronously() -> SessiondError:
        async with connect_async(fake.url) as client:
            call = client.Validate(VALIDATE)
            call.cancel()
            try:
                await call
            except asyncio.CancelledError as error:
                return session_error(error)
        raise AssertionError

    assert asyncio.run(asynchronously()).code == grpc.StatusCode.CANCELLED


def test_other_exceptions_are_unknown_failures() -> None:
    error = session_error(KeyError("x"))
    assert (error.code.name, error.reason, error.browser_status) == ("UNKNOWN", 0, 503)
    assert session_error(grpc.RpcError("raw")).code == grpc.StatusCode.UNKNOWN
    assert session_error(grpc.FutureTimeoutError()).code == grpc.StatusCode.DEADLINE_EXCEEDED
