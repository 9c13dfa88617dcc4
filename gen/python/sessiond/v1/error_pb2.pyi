from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_COOKIE: _ClassVar[ErrorReason]
    ERROR_REASON_EXPIRED_IDLE: _ClassVar[ErrorReason]
    ERROR_REASON_EXPIRED_ABSOLUTE: _ClassVar[ErrorReason]
    ERROR_REASON_REVOKED: _ClassVar[ErrorReason]
    ERROR_REASON_SIGNING_KEY_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SIGNING_KEY_RETIRED: _ClassVar[ErrorReason]
    ERROR_REASON_IP_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_USER_AGENT_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_PRE_LOGIN_NOT_ACCEPTED: _ClassVar[ErrorReason]
    ERROR_REASON_CSRF_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_CSRF_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_SESSION_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_REQUEST: _ClassVar[ErrorReason]
    ERROR_REASON_SESSION_LIMIT_REACHED: _ClassVar[ErrorReason]
    ERROR_REASON_CALLER_UNAUTHENTICATED: _ClassVar[ErrorReason]
    ERROR_REASON_CALLER_FORBIDDEN: _ClassVar[ErrorReason]
    ERROR_REASON_STORAGE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_INITIAL_SIGNING_KEY_MINT_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_TOO_LARGE: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_COOKIE: ErrorReason
ERROR_REASON_EXPIRED_IDLE: ErrorReason
ERROR_REASON_EXPIRED_ABSOLUTE: ErrorReason
ERROR_REASON_REVOKED: ErrorReason
ERROR_REASON_SIGNING_KEY_NOT_FOUND: ErrorReason
ERROR_REASON_SIGNING_KEY_RETIRED: ErrorReason
ERROR_REASON_IP_MISMATCH: ErrorReason
ERROR_REASON_USER_AGENT_MISMATCH: ErrorReason
ERROR_REASON_PRE_LOGIN_NOT_ACCEPTED: ErrorReason
ERROR_REASON_CSRF_MISSING: ErrorReason
ERROR_REASON_CSRF_MISMATCH: ErrorReason
ERROR_REASON_SESSION_NOT_FOUND: ErrorReason
ERROR_REASON_INVALID_REQUEST: ErrorReason
ERROR_REASON_SESSION_LIMIT_REACHED: ErrorReason
ERROR_REASON_CALLER_UNAUTHENTICATED: ErrorReason
ERROR_REASON_CALLER_FORBIDDEN: ErrorReason
ERROR_REASON_STORAGE_UNAVAILABLE: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_INITIAL_SIGNING_KEY_MINT_FAILED: ErrorReason
ERROR_REASON_REQUEST_TOO_LARGE: ErrorReason

class ErrorDetail(_message.Message):
    __slots__ = ("reason", "http_status", "field")
    REASON_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    reason: ErrorReason
    http_status: int
    field: str
    def __init__(self, reason: _Optional[_Union[ErrorReason, str]] = ..., http_status: _Optional[int] = ..., field: _Optional[str] = ...) -> None: ...
