import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sessiond.v1 import options_pb2 as _options_pb2
from sessiond.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateRequest(_message.Message):
    __slots__ = ("actor", "app_type", "metadata", "idle_timeout", "absolute_timeout", "pre_login", "replaces", "ip_address", "user_agent", "auth_level", "auth_methods", "authenticated_at")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    APP_TYPE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ABSOLUTE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PRE_LOGIN_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    AUTH_LEVEL_FIELD_NUMBER: _ClassVar[int]
    AUTH_METHODS_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATED_AT_FIELD_NUMBER: _ClassVar[int]
    actor: _session_pb2.ActorRef
    app_type: str
    metadata: _containers.ScalarMap[str, str]
    idle_timeout: _duration_pb2.Duration
    absolute_timeout: _duration_pb2.Duration
    pre_login: bool
    replaces: _session_pb2.SessionRef
    ip_address: str
    user_agent: str
    auth_level: int
    auth_methods: _containers.RepeatedScalarFieldContainer[str]
    authenticated_at: _timestamp_pb2.Timestamp
    def __init__(self, actor: _Optional[_Union[_session_pb2.ActorRef, _Mapping]] = ..., app_type: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., absolute_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pre_login: _Optional[bool] = ..., replaces: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ..., ip_address: _Optional[str] = ..., user_agent: _Optional[str] = ..., auth_level: _Optional[int] = ..., auth_methods: _Optional[_Iterable[str]] = ..., authenticated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateResponse(_message.Message):
    __slots__ = ("session", "cookie", "csrf_token", "set_cookies", "replaced_session_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    CSRF_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SET_COOKIES_FIELD_NUMBER: _ClassVar[int]
    REPLACED_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    cookie: str
    csrf_token: str
    set_cookies: _containers.RepeatedCompositeFieldContainer[_session_pb2.SetCookie]
    replaced_session_id: str
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., cookie: _Optional[str] = ..., csrf_token: _Optional[str] = ..., set_cookies: _Optional[_Iterable[_Union[_session_pb2.SetCookie, _Mapping]]] = ..., replaced_session_id: _Optional[str] = ...) -> None: ...

class ValidateRequest(_message.Message):
    __slots__ = ("cookie", "cookie_header", "csrf_token", "touch", "accept_pre_login", "ip_address", "user_agent", "tenant_id", "http_method", "min_auth_level", "max_auth_age", "actor_type", "token_audience")
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    COOKIE_HEADER_FIELD_NUMBER: _ClassVar[int]
    CSRF_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOUCH_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_PRE_LOGIN_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    HTTP_METHOD_FIELD_NUMBER: _ClassVar[int]
    MIN_AUTH_LEVEL_FIELD_NUMBER: _ClassVar[int]
    MAX_AUTH_AGE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_TYPE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    cookie: str
    cookie_header: str
    csrf_token: str
    touch: bool
    accept_pre_login: bool
    ip_address: str
    user_agent: str
    tenant_id: str
    http_method: str
    min_auth_level: int
    max_auth_age: _duration_pb2.Duration
    actor_type: str
    token_audience: str
    def __init__(self, cookie: _Optional[str] = ..., cookie_header: _Optional[str] = ..., csrf_token: _Optional[str] = ..., touch: _Optional[bool] = ..., accept_pre_login: _Optional[bool] = ..., ip_address: _Optional[str] = ..., user_agent: _Optional[str] = ..., tenant_id: _Optional[str] = ..., http_method: _Optional[str] = ..., min_auth_level: _Optional[int] = ..., max_auth_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., actor_type: _Optional[str] = ..., token_audience: _Optional[str] = ...) -> None: ...

class ValidateResponse(_message.Message):
    __slots__ = ("session", "seconds_left", "idle_seconds_left", "absolute_seconds_left", "expiry_warning", "touched", "token", "token_expires_at")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    IDLE_SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    ABSOLUTE_SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_WARNING_FIELD_NUMBER: _ClassVar[int]
    TOUCHED_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    seconds_left: int
    idle_seconds_left: int
    absolute_seconds_left: int
    expiry_warning: bool
    touched: bool
    token: str
    token_expires_at: _timestamp_pb2.Timestamp
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., seconds_left: _Optional[int] = ..., idle_seconds_left: _Optional[int] = ..., absolute_seconds_left: _Optional[int] = ..., expiry_warning: _Optional[bool] = ..., touched: _Optional[bool] = ..., token: _Optional[str] = ..., token_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ValidateCsrfRequest(_message.Message):
    __slots__ = ("session", "csrf_token", "accept_pre_login")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CSRF_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_PRE_LOGIN_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.SessionRef
    csrf_token: str
    accept_pre_login: bool
    def __init__(self, session: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ..., csrf_token: _Optional[str] = ..., accept_pre_login: _Optional[bool] = ...) -> None: ...

class ValidateCsrfResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class TouchRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.SessionRef
    def __init__(self, session: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ...) -> None: ...

class TouchResponse(_message.Message):
    __slots__ = ("session", "touched")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOUCHED_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    touched: bool
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., touched: _Optional[bool] = ...) -> None: ...

class RevokeRequest(_message.Message):
    __slots__ = ("session", "reason", "acting_actor_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.SessionRef
    reason: str
    acting_actor_id: str
    def __init__(self, session: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ..., reason: _Optional[str] = ..., acting_actor_id: _Optional[str] = ...) -> None: ...

class RevokeResponse(_message.Message):
    __slots__ = ("session", "revoked", "set_cookies")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    SET_COOKIES_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    revoked: bool
    set_cookies: _containers.RepeatedCompositeFieldContainer[_session_pb2.SetCookie]
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., revoked: _Optional[bool] = ..., set_cookies: _Optional[_Iterable[_Union[_session_pb2.SetCookie, _Mapping]]] = ...) -> None: ...

class RevokeAllForActorRequest(_message.Message):
    __slots__ = ("actor", "keep", "reason", "acting_actor_id")
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    actor: _session_pb2.ActorRef
    keep: _session_pb2.SessionRef
    reason: str
    acting_actor_id: str
    def __init__(self, actor: _Optional[_Union[_session_pb2.ActorRef, _Mapping]] = ..., keep: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ..., reason: _Optional[str] = ..., acting_actor_id: _Optional[str] = ...) -> None: ...

class RevokeAllForActorResponse(_message.Message):
    __slots__ = ("revoked_count",)
    REVOKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    revoked_count: int
    def __init__(self, revoked_count: _Optional[int] = ...) -> None: ...

class RotateCsrfRequest(_message.Message):
    __slots__ = ("session", "actor", "acting_actor_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.SessionRef
    actor: _session_pb2.ActorRef
    acting_actor_id: str
    def __init__(self, session: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ..., actor: _Optional[_Union[_session_pb2.ActorRef, _Mapping]] = ..., acting_actor_id: _Optional[str] = ...) -> None: ...

class RotateCsrfResponse(_message.Message):
    __slots__ = ("rotated",)
    ROTATED_FIELD_NUMBER: _ClassVar[int]
    rotated: _containers.RepeatedCompositeFieldContainer[RotatedCsrf]
    def __init__(self, rotated: _Optional[_Iterable[_Union[RotatedCsrf, _Mapping]]] = ...) -> None: ...

class RotatedCsrf(_message.Message):
    __slots__ = ("session_id", "csrf_token", "set_cookie")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CSRF_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SET_COOKIE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    csrf_token: str
    set_cookie: _session_pb2.SetCookie
    def __init__(self, session_id: _Optional[str] = ..., csrf_token: _Optional[str] = ..., set_cookie: _Optional[_Union[_session_pb2.SetCookie, _Mapping]] = ...) -> None: ...

class RotateSessionRequest(_message.Message):
    __slots__ = ("session", "grace", "auth_level", "auth_methods", "authenticated_at", "acting_actor_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    AUTH_LEVEL_FIELD_NUMBER: _ClassVar[int]
    AUTH_METHODS_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATED_AT_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.SessionRef
    grace: _duration_pb2.Duration
    auth_level: int
    auth_methods: _containers.RepeatedScalarFieldContainer[str]
    authenticated_at: _timestamp_pb2.Timestamp
    acting_actor_id: str
    def __init__(self, session: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ..., grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., auth_level: _Optional[int] = ..., auth_methods: _Optional[_Iterable[str]] = ..., authenticated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., acting_actor_id: _Optional[str] = ...) -> None: ...

class RotateSessionResponse(_message.Message):
    __slots__ = ("session", "cookie", "csrf_token", "set_cookies", "previous_session_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    CSRF_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SET_COOKIES_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    cookie: str
    csrf_token: str
    set_cookies: _containers.RepeatedCompositeFieldContainer[_session_pb2.SetCookie]
    previous_session_id: str
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., cookie: _Optional[str] = ..., csrf_token: _Optional[str] = ..., set_cookies: _Optional[_Iterable[_Union[_session_pb2.SetCookie, _Mapping]]] = ..., previous_session_id: _Optional[str] = ...) -> None: ...

class UpdateMetadataRequest(_message.Message):
    __slots__ = ("session", "metadata", "metadata_etag", "acting_actor_id")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SESSION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    METADATA_ETAG_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.SessionRef
    metadata: _containers.ScalarMap[str, str]
    metadata_etag: str
    acting_actor_id: str
    def __init__(self, session: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., metadata_etag: _Optional[str] = ..., acting_actor_id: _Optional[str] = ...) -> None: ...

class UpdateMetadataResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class RotateSigningKeyRequest(_message.Message):
    __slots__ = ("tenant_id", "acting_actor_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    acting_actor_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., acting_actor_id: _Optional[str] = ...) -> None: ...

class RotateSigningKeyResponse(_message.Message):
    __slots__ = ("active_key", "retired_key")
    ACTIVE_KEY_FIELD_NUMBER: _ClassVar[int]
    RETIRED_KEY_FIELD_NUMBER: _ClassVar[int]
    active_key: _session_pb2.SigningKey
    retired_key: _session_pb2.SigningKey
    def __init__(self, active_key: _Optional[_Union[_session_pb2.SigningKey, _Mapping]] = ..., retired_key: _Optional[_Union[_session_pb2.SigningKey, _Mapping]] = ...) -> None: ...

class GarbageCollectRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GarbageCollectResponse(_message.Message):
    __slots__ = ("sessions_deleted", "pre_login_sessions_deleted", "signing_keys_deleted", "audit_events_deleted", "more", "already_running", "failed_parts", "token_keys_deleted")
    SESSIONS_DELETED_FIELD_NUMBER: _ClassVar[int]
    PRE_LOGIN_SESSIONS_DELETED_FIELD_NUMBER: _ClassVar[int]
    SIGNING_KEYS_DELETED_FIELD_NUMBER: _ClassVar[int]
    AUDIT_EVENTS_DELETED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    ALREADY_RUNNING_FIELD_NUMBER: _ClassVar[int]
    FAILED_PARTS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_KEYS_DELETED_FIELD_NUMBER: _ClassVar[int]
    sessions_deleted: int
    pre_login_sessions_deleted: int
    signing_keys_deleted: int
    audit_events_deleted: int
    more: bool
    already_running: bool
    failed_parts: _containers.RepeatedScalarFieldContainer[str]
    token_keys_deleted: int
    def __init__(self, sessions_deleted: _Optional[int] = ..., pre_login_sessions_deleted: _Optional[int] = ..., signing_keys_deleted: _Optional[int] = ..., audit_events_deleted: _Optional[int] = ..., more: _Optional[bool] = ..., already_running: _Optional[bool] = ..., failed_parts: _Optional[_Iterable[str]] = ..., token_keys_deleted: _Optional[int] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.SessionRef
    def __init__(self, session: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("actor", "include_ended", "current", "page_size", "page_token")
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_ENDED_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    actor: _session_pb2.ActorRef
    include_ended: bool
    current: _session_pb2.SessionRef
    page_size: int
    page_token: str
    def __init__(self, actor: _Optional[_Union[_session_pb2.ActorRef, _Mapping]] = ..., include_ended: _Optional[bool] = ..., current: _Optional[_Union[_session_pb2.SessionRef, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[_session_pb2.Session]
    next_page_token: str
    def __init__(self, sessions: _Optional[_Iterable[_Union[_session_pb2.Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("filter", "include_ended", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_ENDED_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: _session_pb2.SessionFilter
    include_ended: bool
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[_session_pb2.SessionFilter, _Mapping]] = ..., include_ended: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[_session_pb2.Session]
    next_page_token: str
    def __init__(self, sessions: _Optional[_Iterable[_Union[_session_pb2.Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeSessionsRequest(_message.Message):
    __slots__ = ("filter", "everything", "reason", "acting_actor_id", "dry_run", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    EVERYTHING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: _session_pb2.SessionFilter
    everything: bool
    reason: str
    acting_actor_id: str
    dry_run: bool
    page_token: str
    def __init__(self, filter: _Optional[_Union[_session_pb2.SessionFilter, _Mapping]] = ..., everything: _Optional[bool] = ..., reason: _Optional[str] = ..., acting_actor_id: _Optional[str] = ..., dry_run: _Optional[bool] = ..., page_token: _Optional[str] = ...) -> None: ...

class RevokeSessionsResponse(_message.Message):
    __slots__ = ("processed", "more", "next_page_token", "sample")
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    processed: int
    more: bool
    next_page_token: str
    sample: _containers.RepeatedCompositeFieldContainer[_session_pb2.Session]
    def __init__(self, processed: _Optional[int] = ..., more: _Optional[bool] = ..., next_page_token: _Optional[str] = ..., sample: _Optional[_Iterable[_Union[_session_pb2.Session, _Mapping]]] = ...) -> None: ...

class ListSigningKeysRequest(_message.Message):
    __slots__ = ("tenant_id", "page_size", "page_token")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    page_size: int
    page_token: str
    def __init__(self, tenant_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSigningKeysResponse(_message.Message):
    __slots__ = ("signing_keys", "next_page_token")
    SIGNING_KEYS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    signing_keys: _containers.RepeatedCompositeFieldContainer[_session_pb2.SigningKey]
    next_page_token: str
    def __init__(self, signing_keys: _Optional[_Iterable[_Union[_session_pb2.SigningKey, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListAuditEventsRequest(_message.Message):
    __slots__ = ("tenant_id", "resource_id", "acting_actor_id", "page_size", "page_token", "occurred_since", "occurred_before", "oldest_first", "action", "all_tenants", "after_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_SINCE_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ALL_TENANTS_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    resource_id: str
    acting_actor_id: str
    page_size: int
    page_token: str
    occurred_since: _timestamp_pb2.Timestamp
    occurred_before: _timestamp_pb2.Timestamp
    oldest_first: bool
    action: str
    all_tenants: bool
    after_id: int
    def __init__(self, tenant_id: _Optional[str] = ..., resource_id: _Optional[str] = ..., acting_actor_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., occurred_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., occurred_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., oldest_first: _Optional[bool] = ..., action: _Optional[str] = ..., all_tenants: _Optional[bool] = ..., after_id: _Optional[int] = ...) -> None: ...

class ListAuditEventsResponse(_message.Message):
    __slots__ = ("audit_events", "next_page_token")
    AUDIT_EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    audit_events: _containers.RepeatedCompositeFieldContainer[_session_pb2.AuditEvent]
    next_page_token: str
    def __init__(self, audit_events: _Optional[_Iterable[_Union[_session_pb2.AuditEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RotateTokenKeyRequest(_message.Message):
    __slots__ = ("acting_actor_id", "immediately")
    ACTING_ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    IMMEDIATELY_FIELD_NUMBER: _ClassVar[int]
    acting_actor_id: str
    immediately: bool
    def __init__(self, acting_actor_id: _Optional[str] = ..., immediately: _Optional[bool] = ...) -> None: ...

class RotateTokenKeyResponse(_message.Message):
    __slots__ = ("new_key", "retired_keys")
    NEW_KEY_FIELD_NUMBER: _ClassVar[int]
    RETIRED_KEYS_FIELD_NUMBER: _ClassVar[int]
    new_key: _session_pb2.TokenKey
    retired_keys: _containers.RepeatedCompositeFieldContainer[_session_pb2.TokenKey]
    def __init__(self, new_key: _Optional[_Union[_session_pb2.TokenKey, _Mapping]] = ..., retired_keys: _Optional[_Iterable[_Union[_session_pb2.TokenKey, _Mapping]]] = ...) -> None: ...

class ListTokenKeysRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTokenKeysResponse(_message.Message):
    __slots__ = ("token_keys", "next_page_token")
    TOKEN_KEYS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    token_keys: _containers.RepeatedCompositeFieldContainer[_session_pb2.TokenKey]
    next_page_token: str
    def __init__(self, token_keys: _Optional[_Iterable[_Union[_session_pb2.TokenKey, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
