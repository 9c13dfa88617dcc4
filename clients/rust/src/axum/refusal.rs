use std::fmt;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use tonic::Code;

use super::sessions::Sessions;
use crate::SessionError;
use crate::v1::ErrorReason;

/// The answer to a request that is refused, and why. Handlers return it from the login helpers with
/// `?`.
///
/// By default the answer is a problem document (RFC 9457) with the status
/// [`browser_status`](SessionError::browser_status). It never changes a cookie.
pub struct Refusal(Box<Inner>);

struct Inner {
    error: SessionError,
    response: Response,
}

impl Refusal {
    /// Why.
    pub fn error(&self) -> &SessionError {
        &self.0.error
    }

    pub(super) fn without_layer(path: &str) -> Self {
        tracing::error!(path, "the route has no session layer");
        let error = SessionError::local(
            ErrorReason::InvalidRequest,
            Code::InvalidArgument,
            400,
            "the route has no session layer",
        );
        let response = problem(&error);
        Self(Box::new(Inner { error, response }))
    }
}

impl Sessions {
    pub(super) fn refuse(&self, error: SessionError, parts: &Parts) -> Refusal {
        if error.browser_status() >= 500 {
            match &self.settings.on_error {
                Some(function) => function(&error),
                None => tracing::error!(
                    code = ?error.code(),
                    reason = error.reason_name(),
                    "a session could not be checked: {}",
                    error.message(),
                ),
            }
        }
        let answer = self.settings.on_refused.as_ref();
        let response =
            answer.and_then(|function| function(&error, parts)).unwrap_or_else(|| problem(&error));
        Refusal(Box::new(Inner { error, response }))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.response
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refusal").field(&self.0.error).finish()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.error)
    }
}

fn problem(error: &SessionError) -> Response {
    let status =
        StatusCode::from_u16(error.browser_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let title = status.canonical_reason().unwrap_or_default();
    let reason = match error.reason_name() {
        "" => "SERVICE_UNAVAILABLE",
        reason => reason,
    };
    let body = format!(
        r#"{{"title": {}, "status": {}, "reason": {}, "detail": {}}}"#,
        Value::from(title),
        status.as_u16(),
        Value::from(reason),
        Value::from(detail(status, error)),
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = error.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Messages of a 5xx may name addresses, and are for the log only. The texts are those of the other
/// languages' clients.
fn detail(status: StatusCode, error: &SessionError) -> &str {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => "the request could not be processed",
        status if status.is_server_error() => "the session service is unavailable; retry later",
        _ => error.message(),
    }
}
