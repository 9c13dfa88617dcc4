import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SessionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SESSION_STATE_UNSPECIFIED: _ClassVar[SessionState]
    SESSION_STATE_ACTIVE: _ClassVar[SessionState]
    SESSION_STATE_IDLE_EXPIRED: _ClassVar[SessionState]
    SESSION_STATE_ABSOLUTE_EXPIRED: _ClassVar[SessionState]
    SESSION_STATE_REVOKED: _ClassVar[SessionState]

class SameSite(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SAME_SITE_UNSPECIFIED: _ClassVar[SameSite]
    SAME_SITE_STRICT: _ClassVar[SameSite]
    SAME_SITE_LAX: _ClassVar[SameSite]
    SAME_SITE_NONE: _ClassVar[SameSite]

class SigningKeyState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNING_KEY_STATE_UNSPECIFIED: _ClassVar[SigningKeyState]
    SIGNING_KEY_STATE_ACTIVE: _ClassVar[SigningKeyState]
    SIGNING_KEY_STATE_RETIRED: _ClassVar[SigningKeyState]
    SIGNING_KEY_STATE_EXPIRED: _ClassVar[SigningKeyState]

class TokenKeyState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOKEN_KEY_STATE_UNSPECIFIED: _ClassVar[TokenKeyState]
    TOKEN_KEY_STATE_PUBLISHED: _ClassVar[TokenKeyState]
    TOKEN_KEY_STATE_ACTIVE: _ClassVar[TokenKeyState]
    TOKEN_KEY_STATE_RETIRED: _ClassVar[TokenKeyState]
SESSION_STATE_UNSPECIFIED: SessionState
SESSION_STATE_ACTIVE: SessionState
SESSION_STATE_IDLE_EXPIRED: SessionState
SESSION_STATE_ABSOLUTE_EXPIRED: SessionState
SESSION_STATE_REVOKED: SessionState
SAME_SITE_UNSPECIFIED: SameSite
SAME_SITE_STRICT: SameSite
SAME_SITE_LAX: SameSite
SAME_SITE_NONE: SameSite
SIGNING_KEY_STATE_UNSPECIFIED: SigningKeyState
SIGNING_KEY_STATE_ACTIVE: SigningKeyState
SIGNING_KEY_STATE_RETIRED: SigningKeyState
SIGNING_KEY_STATE_EXPIRED: SigningKeyState
TOKEN_KEY_STATE_UNSPECIFIED: TokenKeyState
TOKEN_KEY_STATE_PUBLISHED: TokenKeyState
TOKEN_KEY_STATE_ACTIVE: TokenKeyState
TOKEN_KEY_STATE_RETIRED: TokenKeyState

class Session(_message.Message):
    __slots__ = ("id", "tenant_id", "actor_id", "actor_type", "app_type", "state", "pre_login", "created_at", "last_seen_at", "idle_expires_at", "absolute_expires_at", "revoked_at", "ended_at", "revoke_reason", "revoked_by", "ip_address", "user_agent", "signing_key_id", "metadata", "end_reason", "current", "auth_level", "auth_methods", "authenticated_at", "metadata_etag")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_TYPE_FIELD_NUMBER: _ClassVar[int]
    APP_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PRE_LOGIN_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    IDLE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ABSOLUTE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKE_REASON_FIELD_NUMBER: _ClassVar[int]
    REVOKED_BY_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    SIGNING_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    END_REASON_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    AUTH_LEVEL_FIELD_NUMBER: _ClassVar[int]
    AUTH_METHODS_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATED_AT_FIELD_NUMBER: _ClassVar[int]
    METADATA_ETAG_FIELD_NUMBER: _ClassVar[int]
    id: str
    tenant_id: str
    actor_id: str
    actor_type: str
    app_type: str
    state: SessionState
    pre_login: bool
    created_at: _timestamp_pb2.Timestamp
    last_seen_at: _timestamp_pb2.Timestamp
    idle_expires_at: _timestamp_pb2.Timestamp
    absolute_expires_at: _timestamp_pb2.Timestamp
    revoked_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    revoke_reason: str
    revoked_by: str
    ip_address: str
    user_agent: str
    signing_key_id: str
    metadata: _containers.ScalarMap[str, str]
    end_reason: str
    current: bool
    auth_level: int
    auth_methods: _containers.RepeatedScalarFieldContainer[str]
    authenticated_at: _timestamp_pb2.Timestamp
    metadata_etag: str
    def __init__(self, id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., actor_id: _Optional[str] = ..., actor_type: _Optional[str] = ..., app_type: _Optional[str] = ..., state: _Optional[_Union[SessionState, str]] = ..., pre_login: _Optional[bool] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., idle_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., absolute_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoke_reason: _Optional[str] = ..., revoked_by: _Optional[str] = ..., ip_address: _Optional[str] = ..., user_agent: _Optional[str] = ..., signing_key_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., end_reason: _Optional[str] = ..., current: _Optional[bool] = ..., auth_level: _Optional[int] = ..., auth_methods: _Optional[_Iterable[str]] = ..., authenticated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata_etag: _Optional[str] = ...) -> None: ...

class SessionRef(_message.Message):
    __slots__ = ("cookie", "session_id", "cookie_header", "tenant_id")
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    COOKIE_HEADER_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    cookie: str
    session_id: str
    cookie_header: str
    tenant_id: str
    def __init__(self, cookie: _Optional[str] = ..., session_id: _Optional[str] = ..., cookie_header: _Optional[str] = ..., tenant_id: _Optional[str] = ...) -> None: ...

class ActorRef(_message.Message):
    __slots__ = ("tenant_id", "actor_type", "actor_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_TYPE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    actor_type: str
    actor_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., actor_type: _Optional[str] = ..., actor_id: _Optional[str] = ...) -> None: ...

class SessionFilter(_message.Message):
    __slots__ = ("tenant_id", "actor_type", "app_type", "ip_address", "user_agent_contains", "created_since", "created_before", "seen_since", "seen_before")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_TYPE_FIELD_NUMBER: _ClassVar[int]
    APP_TYPE_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    CREATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    SEEN_SINCE_FIELD_NUMBER: _ClassVar[int]
    SEEN_BEFORE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    actor_type: str
    app_type: str
    ip_address: str
    user_agent_contains: str
    created_since: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    seen_since: _timestamp_pb2.Timestamp
    seen_before: _timestamp_pb2.Timestamp
    def __init__(self, tenant_id: _Optional[str] = ..., actor_type: _Optional[str] = ..., app_type: _Optional[str] = ..., ip_address: _Optional[str] = ..., user_agent_contains: _Optional[str] = ..., created_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., seen_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., seen_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SetCookie(_message.Message):
    __slots__ = ("name", "value", "max_age_seconds", "path", "secure", "http_only", "same_site", "header")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SECURE_FIELD_NUMBER: _ClassVar[int]
    HTTP_ONLY_FIELD_NUMBER: _ClassVar[int]
    SAME_SITE_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    max_age_seconds: int
    path: str
    secure: bool
    http_only: bool
    same_site: SameSite
    header: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., max_age_seconds: _Optional[int] = ..., path: _Optional[str] = ..., secure: _Optional[bool] = ..., http_only: _Optional[bool] = ..., same_site: _Optional[_Union[SameSite, str]] = ..., header: _Optional[str] = ...) -> None: ...

class SigningKey(_message.Message):
    __slots__ = ("id", "tenant_id", "state", "created_at", "retired_at", "verifies_until")
    ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    RETIRED_AT_FIELD_NUMBER: _ClassVar[int]
    VERIFIES_UNTIL_FIELD_NUMBER: _ClassVar[int]
    id: str
    tenant_id: str
    state: SigningKeyState
    created_at: _timestamp_pb2.Timestamp
    retired_at: _timestamp_pb2.Timestamp
    verifies_until: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., state: _Optional[_Union[SigningKeyState, str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retired_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., verifies_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TokenKey(_message.Message):
    __slots__ = ("id", "algorithm", "state", "created_at", "signs_from", "published_until")
    ID_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SIGNS_FROM_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    id: str
    algorithm: str
    state: TokenKeyState
    created_at: _timestamp_pb2.Timestamp
    signs_from: _timestamp_pb2.Timestamp
    published_until: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., algorithm: _Optional[str] = ..., state: _Optional[_Union[TokenKeyState, str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signs_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., published_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AuditEvent(_message.Message):
    __slots__ = ("id", "occurred_at", "category", "action", "acting_actor_id", "calling_service", "tenant_id", "resource_type", "resource_id", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    CALLING_SERVICE_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    id: int
    occurred_at: _timestamp_pb2.Timestamp
    category: str
    action: str
    acting_actor_id: str
    calling_service: str
    tenant_id: str
    resource_type: str
    resource_id: str
    details: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[int] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., category: _Optional[str] = ..., action: _Optional[str] = ..., acting_actor_id: _Optional[str] = ..., calling_service: _Optional[str] = ..., tenant_id: _Optional[str] = ..., resource_type: _Optional[str] = ..., resource_id: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...
