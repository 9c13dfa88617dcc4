import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
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
    ERROR_REASON_STEP_UP_REQUIRED: _ClassVar[ErrorReason]
    ERROR_REASON_METADATA_ETAG_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_CALLER_KEYS_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_ACTOR_TYPE_NOT_ACCEPTED: _ClassVar[ErrorReason]
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
ERROR_REASON_STEP_UP_REQUIRED: ErrorReason
ERROR_REASON_METADATA_ETAG_MISMATCH: ErrorReason
ERROR_REASON_CALLER_KEYS_UNAVAILABLE: ErrorReason
ERROR_REASON_ACTOR_TYPE_NOT_ACCEPTED: ErrorReason

class ErrorDetail(_message.Message):
    __slots__ = ("reason", "http_status", "field")
    REASON_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    reason: ErrorReason
    http_status: int
    field: str
    def __init__(self, reason: _Optional[_Union[ErrorReason, str]] = ..., http_status: _Optional[int] = ..., field: _Optional[str] = ...) -> None: ...

class SessionLimitDetail(_message.Message):
    __slots__ = ("limit", "total", "sessions")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    limit: int
    total: int
    sessions: _containers.RepeatedCompositeFieldContainer[CompetingSession]
    def __init__(self, limit: _Optional[int] = ..., total: _Optional[int] = ..., sessions: _Optional[_Iterable[_Union[CompetingSession, _Mapping]]] = ...) -> None: ...

class CompetingSession(_message.Message):
    __slots__ = ("id", "app_type", "created_at", "last_seen_at", "ip_address", "user_agent")
    ID_FIELD_NUMBER: _ClassVar[int]
    APP_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    app_type: str
    created_at: _timestamp_pb2.Timestamp
    last_seen_at: _timestamp_pb2.Timestamp
    ip_address: str
    user_agent: str
    def __init__(self, id: _Optional[str] = ..., app_type: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ip_address: _Optional[str] = ..., user_agent: _Optional[str] = ...) -> None: ...
