use std::sync::Mutex;
use std::time::Duration;

use tonic::{Code, Status};

use crate::SessionError;

/// The calls that may be repeated: a second one changes nothing more.
const IDEMPOTENT: [&str; 13] = [
    "/sessiond.v1.SessionService/Validate",
    "/sessiond.v1.SessionService/ValidateCsrf",
    "/sessiond.v1.SessionService/Touch",
    "/sessiond.v1.SessionService/Revoke",
    "/sessiond.v1.SessionService/RevokeAllForActor",
    "/sessiond.v1.SessionService/Get",
    "/sessiond.v1.SessionService/List",
    "/sessiond.v1.SessionService/ListSessions",
    "/sessiond.v1.SessionService/RevokeSessions",
    "/sessiond.v1.SessionService/ListSigningKeys",
    "/sessiond.v1.SessionService/ListTokenKeys",
    "/sessiond.v1.SessionService/ListAuditEvents",
    "/sessiond.v1.SessionService/GarbageCollect",
];

const MAX_ATTEMPTS: u32 = 3;
const INITIAL_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
const PUSHBACK: &str = "grpc-retry-pushback-ms";

pub(crate) fn is_idempotent(path: &str) -> bool {
    IDEMPOTENT.contains(&path)
}

pub(crate) fn is_retryable(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::ResourceExhausted)
}

/// How long to wait before the next attempt, or `None` if there is none.
///
/// `attempt` is the attempt that failed, from 1.
pub(crate) fn delay(status: &Status, attempt: u32) -> Option<Duration> {
    if attempt >= MAX_ATTEMPTS || !is_retryable(status.code()) {
        return None;
    }
    // By gRPC's specification (A6), anything but a number of milliseconds forbids a retry.
    if let Some(pushback) = status.metadata().get(PUSHBACK) {
        let milliseconds = pushback.to_str().ok()?.parse().ok()?;
        return Some(Duration::from_millis(milliseconds));
    }
    let advised = SessionError::from(status).retry_delay();
    Some(advised.unwrap_or_else(|| backoff(attempt)))
}

fn backoff(attempt: u32) -> Duration {
    let exponential = INITIAL_BACKOFF * 2_u32.pow(attempt - 1);
    exponential.min(MAX_BACKOFF).mul_f64(0.8 + 0.4 * fastrand::f64())
}

/// Stops retries while most calls fail, as gRPC's retryThrottling does (A6): a failure costs one token,
/// a success gives a tenth of one back, and there are only retries while more than half are left.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<u32>);

impl Throttle {
    /// In tenths of a token, as are all numbers here.
    const MAX: u32 = 100;
    const FAILURE: u32 = 10;
    const SUCCESS: u32 = 1;

    pub(crate) fn new() -> Self {
        Self(Mutex::new(Self::MAX))
    }

    pub(crate) fn succeeded(&self) {
        let mut tokens = self.lock();
        *tokens = (*tokens + Self::SUCCESS).min(Self::MAX);
    }

    /// Returns whether a retry is permitted.
    pub(crate) fn failed(&self) -> bool {
        let mut tokens = self.lock();
        *tokens = tokens.saturating_sub(Self::FAILURE);
        *tokens > Self::MAX / 2
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u32> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_pushback(value: &str) -> Status {
        let mut status = Status::unavailable("");
        status.metadata_mut().insert(PUSHBACK, value.parse().unwrap());
        status
    }

    #[test]
    fn only_outages_and_overload_are_retried() {
        for code in (0..=16).map(Code::from) {
            let retried = delay(&Status::new(code, ""), 1).is_some();
            let expected = matches!(code, Code::Unavailable | Code::ResourceExhausted);
            assert_eq!(retried, expected, "{code:?}");
        }
    }

    #[test]
    fn calls_that_create_something_are_not_idempotent() {
        for rpc in [
            "Create",
            "RotateCsrf",
            "RotateSession",
            "UpdateMetadata",
            "RotateSigningKey",
            "RotateTokenKey",
            "New",
        ] {
            assert!(!is_idempotent(&format!("/sessiond.v1.SessionService/{rpc}")));
        }
        assert!(is_idempotent("/sessiond.v1.SessionService/Validate"));
    }

    #[test]
    fn backoff_doubles_and_ends_after_three_attempts() {
        let status = Status::unavailable("");
        for (attempt, base) in [(1, 50), (2, 100)] {
            let delay = delay(&status, attempt).unwrap().as_millis();
            assert!((base * 8 / 10..=base * 12 / 10).contains(&delay), "{delay}");
        }
        assert_eq!(delay(&status, 3), None);
        assert!(backoff(30) <= MAX_BACKOFF.mul_f64(1.2));
    }

    #[test]
    fn pushback_is_the_delay_or_forbids_the_retry() {
        assert_eq!(delay(&with_pushback("7"), 1), Some(Duration::from_millis(7)));
        assert_eq!(delay(&with_pushback("-1"), 1), None);
        assert_eq!(delay(&with_pushback("soon"), 1), None);
    }

    #[test]
    fn retries_stop_when_half_of_the_tokens_are_used() {
        let throttle = Throttle::new();
        let permitted = (0..10).filter(|_| throttle.failed()).count();
        assert_eq!(permitted, 4);
        (0..100).for_each(|_| throttle.succeeded());
        assert!(throttle.failed());
    }
}
