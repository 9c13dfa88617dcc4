use std::fmt;
use std::time::Duration;

use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb::{BadRequest, ErrorInfo, RetryInfo, Status as RpcStatus};

use crate::v1::{ErrorDetail, ErrorReason, SessionLimitDetail};

const DOMAIN: &str = "sessiond.v1";

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path, such as `actor.actor_id`.
    pub field: String,
    /// What would be right.
    pub description: String,
}

/// What an ErrorDetail says that is used here.
#[derive(Clone, Copy, Debug)]
struct Detail {
    reason: i32,
    http_status: u32,
}

/// Why a call failed, read from a [`tonic::Status`] with `SessionError::from(&status)`.
#[derive(Clone, Debug)]
pub struct SessionError {
    code: Code,
    message: String,
    detail: Option<Detail>,
    reason_name: String,
    violations: Vec<FieldViolation>,
    retry_delay: Option<Duration>,
    /// In a box, because errors are returned by value and nearly none has it.
    session_limit: Option<Box<SessionLimitDetail>>,
}

impl SessionError {
    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message of sessiond, or of what failed on the way to it. Only the first kind may be shown
    /// to users.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The reason. `None` if the failure is not sessiond's own, for example a lost connection, or if
    /// this version does not know the reason.
    pub fn reason(&self) -> Option<ErrorReason> {
        let reason = ErrorReason::try_from(self.reason_number()).ok()?;
        (reason != ErrorReason::Unspecified).then_some(reason)
    }

    /// The number of the reason, also of one that this version does not know. 0 if the failure is not
    /// sessiond's own.
    pub fn reason_number(&self) -> i32 {
        self.detail.map_or(0, |detail| detail.reason)
    }

    /// The name of the reason, such as `REVOKED`, also of one that this version does not know. Empty if
    /// the failure is not sessiond's own.
    pub fn reason_name(&self) -> &str {
        &self.reason_name
    }

    /// The status that sessiond advises for a browser. 0 if the failure is not sessiond's own. See
    /// [`browser_status`](Self::browser_status).
    pub fn http_status(&self) -> u32 {
        self.detail.map_or(0, |detail| detail.http_status)
    }

    /// All wrong fields of the request, with the reason INVALID_REQUEST.
    pub fn violations(&self) -> &[FieldViolation] {
        &self.violations
    }

    /// How long to wait before the call is repeated, if sessiond says so.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_delay
    }

    /// The limit and the actor's oldest sessions, to choose one to end, with the reason
    /// SESSION_LIMIT_REACHED.
    pub fn session_limit(&self) -> Option<&SessionLimitDetail> {
        self.session_limit.as_deref()
    }

    /// The HTTP status to answer a browser with, from 400 to 599: 500 if this backend has made a
    /// mistake, such as a wrong field; 503 for everything that is not sessiond's own failure.
    pub fn browser_status(&self) -> u16 {
        use ErrorReason::{
            CallerForbidden, CallerUnauthenticated, InvalidRequest, SessionNotFound,
        };
        match (self.detail, self.reason()) {
            (None, _) => 503,
            (
                _,
                Some(CallerUnauthenticated | CallerForbidden | InvalidRequest | SessionNotFound),
            ) => 500,
            (Some(detail), _) => u16::try_from(detail.http_status)
                .ok()
                .filter(|status| (400..600).contains(status))
                .unwrap_or(503),
        }
    }

    /// The value of the header Retry-After, in seconds, if
    /// [`browser_status`](Self::browser_status) is 429 or 503: the retry delay, rounded up, and at
    /// least 1.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let delay = self.retry_delay.unwrap_or_default();
        let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
        matches!(self.browser_status(), 429 | 503).then_some(seconds.max(1))
    }

    /// Whether the failure has one of the reasons or, if none is given, any reason at all.
    pub fn is(&self, reasons: &[ErrorReason]) -> bool {
        let own = self.detail.is_some();
        own && (reasons.is_empty() || self.reason().is_some_and(|own| reasons.contains(&own)))
    }

    /// A failure that the middleware itself finds.
    #[cfg(feature = "axum")]
    pub(crate) fn local(reason: ErrorReason, code: Code, http_status: u32, message: &str) -> Self {
        let detail = Detail { reason: reason.into(), http_status };
        Self {
            code,
            message: message.to_owned(),
            reason_name: reason_name(detail, None),
            detail: Some(detail),
            violations: Vec::new(),
            retry_delay: None,
            session_limit: None,
        }
    }
}

impl From<&Status> for SessionError {
    fn from(status: &Status) -> Self {
        // What cannot be decoded is no detail: the answer may come from anything on the way.
        let details = RpcStatus::decode(status.details()).unwrap_or_default().details;
        let detail: Option<ErrorDetail> = find(&details, "sessiond.v1.ErrorDetail");
        let detail = detail
            .filter(|detail| detail.reason != ErrorReason::Unspecified as i32)
            .map(|detail| Detail { reason: detail.reason, http_status: detail.http_status });
        let info: Option<ErrorInfo> = find(&details, "google.rpc.ErrorInfo");
        let bad_request: BadRequest = find(&details, "google.rpc.BadRequest").unwrap_or_default();
        let retry_info: Option<RetryInfo> = find(&details, "google.rpc.RetryInfo");
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason_name: detail.map_or_else(String::new, |detail| reason_name(detail, info)),
            detail,
            violations: bad_request
                .field_violations
                .into_iter()
                .map(|violation| FieldViolation {
                    field: violation.field,
                    description: violation.description,
                })
                .collect(),
            retry_delay: retry_info
                .and_then(|info| info.retry_delay)
                .and_then(|delay| delay.try_into().ok()),
            session_limit: find(&details, "sessiond.v1.SessionLimitDetail").map(Box::new),
        }
    }
}

impl From<Status> for SessionError {
    fn from(status: Status) -> Self {
        Self::from(&status)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason_name.as_str() {
            "" => format!("{:?}", self.code),
            reason => reason.to_owned(),
        };
        write!(f, "{reason}: {}", self.message)
    }
}

impl std::error::Error for SessionError {}

/// Whether a call failed with one of the reasons or, if none is given, with a failure that sessiond
/// itself reports.
pub fn is_session_error(status: &Status, reasons: &[ErrorReason]) -> bool {
    SessionError::from(status).is(reasons)
}

fn find<M: Message + Default>(details: &[Any], name: &str) -> Option<M> {
    details
        .iter()
        .filter(|any| any.type_url.rsplit('/').next() == Some(name))
        .find_map(|any| M::decode(any.value.as_slice()).ok())
}

fn reason_name(detail: Detail, info: Option<ErrorInfo>) -> String {
    const PREFIX: &str = "ERROR_REASON_";
    match ErrorReason::try_from(detail.reason) {
        Ok(reason) => reason.as_str_name().trim_start_matches(PREFIX).to_owned(),
        Err(_) => info
            .filter(|info| info.domain == DOMAIN)
            .map_or_else(|| detail.reason.to_string(), |info| info.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::CompetingSession;

    fn any(name: &str, message: &impl Message) -> Any {
        Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
    }

    fn status(code: Code, details: Vec<Any>) -> Status {
        let status = RpcStatus { details, ..Default::default() };
        Status::with_details(code, "message", status.encode_to_vec().into())
    }

    fn error(reason: i32, http_status: u32) -> SessionError {
        let detail = ErrorDetail { reason, http_status, ..Default::default() };
        let details = vec![any("sessiond.v1.ErrorDetail", &detail)];
        SessionError::from(status(Code::Unauthenticated, details))
    }

    #[test]
    fn browser_status_is_that_of_the_detail_except_for_our_own_mistakes() {
        use ErrorReason::*;
        for (reason, http_status, expected) in [
            (Revoked, 401, 401),
            (CsrfMissing, 403, 403),
            (Overloaded, 429, 429),
            (StorageUnavailable, 503, 503),
            (RequestTooLarge, 413, 413),
            (SessionLimitReached, 409, 409),
            (StepUpRequired, 403, 403),
            (ActorTypeNotAccepted, 403, 403),
            (MetadataEtagMismatch, 409, 409),
            (CallerKeysUnavailable, 503, 503),
            (CallerUnauthenticated, 401, 500),
            (CallerForbidden, 403, 500),
            (InvalidRequest, 400, 500),
            (SessionNotFound, 404, 500),
            (Revoked, 0, 503),
            (Revoked, 200, 503),
            (Revoked, 600, 503),
            (Revoked, 66_001, 503),
        ] {
            let status = error(reason.into(), http_status).browser_status();
            assert_eq!(status, expected, "{reason:?} {http_status}");
        }
    }

    #[test]
    fn failures_without_a_detail_are_outages() {
        for code in (0..=16).map(Code::from) {
            let error = SessionError::from(Status::new(code, ""));
            assert_eq!(error.browser_status(), 503, "{code:?}");
            assert_eq!(error.reason(), None);
            assert!(!error.is(&[]));
        }
    }

    #[test]
    fn a_detail_without_a_reason_is_no_detail() {
        let error = error(0, 401);
        assert_eq!((error.browser_status(), error.http_status()), (503, 0));
        assert_eq!(error.reason_name(), "");
        assert!(!error.is(&[]));
    }

    #[test]
    fn an_unknown_reason_is_kept() {
        let detail = ErrorDetail { reason: 99, http_status: 401, ..Default::default() };
        let info = ErrorInfo {
            reason: "NEW_REASON".to_owned(),
            domain: DOMAIN.to_owned(),
            ..Default::default()
        };
        let details =
            vec![any("sessiond.v1.ErrorDetail", &detail), any("google.rpc.ErrorInfo", &info)];
        let status = status(Code::Unauthenticated, details);
        let error = SessionError::from(&status);
        assert_eq!((error.reason(), error.reason_number()), (None, 99));
        assert_eq!(error.reason_name(), "NEW_REASON");
        assert_eq!(error.browser_status(), 401);
        assert!(is_session_error(&status, &[]));
        assert!(!is_session_error(&status, &[ErrorReason::Revoked]));
    }

    #[test]
    fn details_that_do_not_decode_are_no_details() {
        let status = Status::with_details(Code::Unauthenticated, "", b"\xff\xff".as_slice().into());
        assert_eq!(SessionError::from(&status).browser_status(), 503);
    }

    #[test]
    fn sessions_that_compete_for_a_limit_are_read() {
        let session = CompetingSession {
            id: "ses-1".to_owned(),
            user_agent: "Browser/1".to_owned(),
            ..Default::default()
        };
        let limit = SessionLimitDetail { limit: 1, total: 2, sessions: vec![session] };
        let reason = ErrorReason::SessionLimitReached.into();
        let detail = ErrorDetail { reason, http_status: 409, ..Default::default() };
        let details = vec![
            any("sessiond.v1.ErrorDetail", &detail),
            any("sessiond.v1.SessionLimitDetail", &limit),
        ];
        let reached = SessionError::from(status(Code::FailedPrecondition, details));
        assert_eq!(reached.session_limit(), Some(&limit));
        assert_eq!(error(ErrorReason::Revoked.into(), 401).session_limit(), None);
    }

    #[test]
    fn retry_after_is_rounded_up() {
        for (nanos, seconds, expected) in [(0, 0, 1), (1, 0, 1), (1, 1, 2), (0, 3, 3)] {
            let retry = RetryInfo { retry_delay: Some(prost_types::Duration { seconds, nanos }) };
            let details = vec![any("google.rpc.RetryInfo", &retry)];
            let error = SessionError::from(status(Code::Unavailable, details));
            assert_eq!(error.retry_after_seconds(), Some(expected));
        }
        assert_eq!(error(ErrorReason::Revoked.into(), 401).retry_after_seconds(), None);
    }
}
