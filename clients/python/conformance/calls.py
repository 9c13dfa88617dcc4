"""The runner's calls: what a request asks for, and what the answer says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format, message_factory
from sessiond.v1 import session_service_pb2

from sessiond_client import ConnectOptions, session_error

if TYPE_CHECKING:
    from google.protobuf.message import Message

_SERVICE = session_service_pb2.DESCRIPTOR.services_by_name["SessionService"]


@dataclass(frozen=True)
class Call:
    """One call that the driver asks for."""

    rpc: str
    request: Message
    url: str
    ca: str | None
    token: str | None
    retry: bool
    timeout: float | None
    cancel_after: float | None

    @property
    def connection(self) -> tuple[Any, ...]:
        """What calls must have in common to share a client."""
        return (self.url, self.ca, self.token, self.retry)

    @property
    def options(self) -> ConnectOptions:
        """The options of the client."""
        options = ConnectOptions(retry=self.retry)
        if self.ca is not None:
            options["ca"] = Path(self.ca).read_bytes()
        if self.token is not None:
            options["token"] = self.token
        return options


def parse_call(body: bytes, default_url: str) -> Call:
    """Return the call of a request to the runner."""
    asked = json.loads(body)
    method = _SERVICE.methods_by_name[asked["rpc"]]
    request = message_factory.GetMessageClass(method.input_type)()
    json_format.ParseDict(asked["request"], request)
    return Call(
        rpc=asked["rpc"],
        request=request,
        url=asked.get("url", default_url),
        ca=asked.get("ca"),
        token=asked.get("token"),
        retry=asked.get("retry", True),
        timeout=_seconds(asked.get("deadlineMs")),
        cancel_after=_seconds(asked.get("cancelAfterMs")),
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def ok(response: Message) -> bytes:
    """Return the answer for a call that succeeded."""
    return json.dumps({"ok": json_format.MessageToDict(response)}).encode()


def failed(error: BaseException) -> bytes:
    """Return the answer for a call that failed."""
    typed = session_error(error)
    described = {
        "code": typed.code.name,
        "reason": typed.reason_name,
        "httpStatus": typed.http_status,
        "violations": [
            {"field": violation.field, "description": violation.description}
            for violation in typed.violations
        ],
        "retryDelayMs": (
            0 if typed.retry_delay is None else typed.retry_delay.total_seconds() * 1000
        ),
        "browserStatus": typed.browser_status,
    }
    if typed.session_limit is not None:
        described["sessionLimit"] = json_format.MessageToDict(typed.session_limit)
    return json.dumps({"error": described}).encode()
