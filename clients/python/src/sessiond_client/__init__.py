"""Client of sessiond, the login-session service.

`connect` and `connect_async` return the generated stub; `session_error` says why a call failed. The
middleware is in `sessiond_client.asgi`, `.fastapi`, `.wsgi` and `.django`, and a sessiond for tests
in `sessiond_client.testing`.
"""

from sessiond.v1.error_pb2 import ErrorReason

from ._channel import ConnectOptions
from ._sync import Client, connect
from .aio import AsyncClient
from .aio import connect as connect_async
from .errors import FieldViolation, SessiondError, is_session_error, session_error

__all__ = [
    "AsyncClient",
    "Client",
    "ConnectOptions",
    "ErrorReason",
    "FieldViolation",
    "SessiondError",
    "connect",
    "connect_async",
    "is_session_error",
    "session_error",
]
