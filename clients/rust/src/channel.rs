use std::error::Error;
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, request, response};
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status, TimeoutExpired};
use tower_service::Service;

use crate::ConnectOptions;
use crate::connect::{ConfigError, TokenSource, chain};
use crate::retry::{self, Throttle};
use crate::transport::Transport;

const GRPC_STATUS: &str = "grpc-status";
const GRPC_STATUS_DETAILS: &str = "grpc-status-details-bin";
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// More than any message of sessiond: a bound for servers that are something else.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// As long as a process lives; longer deadlines cannot be added to an `Instant` everywhere.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

type BoxError = Box<dyn Error + Send + Sync>;

/// The connection to sessiond, which adds the deadline, the retries and the token to each call. Cheap
/// to clone. All calls of sessiond are unary, so it holds a request and its response in memory.
#[derive(Clone)]
pub struct Channel {
    settings: Arc<Settings>,
}

struct Settings {
    transport: Transport,
    timeout: Duration,
    retry: bool,
    token: Option<TokenSource>,
    throttle: Throttle,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl Channel {
    pub(crate) fn new(
        transport: Transport,
        options: &ConnectOptions,
        token: Option<TokenSource>,
    ) -> Self {
        let settings = Settings {
            transport,
            timeout: options.timeout,
            retry: options.retry,
            token,
            throttle: Throttle::new(),
        };
        Self { settings: Arc::new(settings) }
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (mut head, body) = request.into_parts();
        let timeout = requested_timeout(&head.headers).unwrap_or(self.settings.timeout);
        let deadline = Instant::now() + timeout.min(MAX_TIMEOUT);
        let message = body.collect().await?.to_bytes();
        if let Some(token) = &self.settings.token {
            head.headers.insert(AUTHORIZATION, bearer(&token().map_err(no_token)?)?);
        }
        self.attempts(&head, &message, deadline).await
    }

    async fn attempts(
        &self,
        head: &request::Parts,
        message: &Bytes,
        deadline: Instant,
    ) -> Result<Response<Body>, Status> {
        let may_retry = self.settings.retry && retry::is_idempotent(head.uri.path());
        for attempt in 1.. {
            let outcome = timeout_at(deadline, self.attempt(head, message, deadline))
                .await
                .map_err(|_| deadline_exceeded())?;
            let failure = match &outcome {
                Ok(answer) => answer.failure(),
                Err(status) => Some(status.clone()),
            };
            match self.delay(failure.as_ref(), attempt) {
                Some(delay) if may_retry && delay < remaining(deadline) => sleep(delay).await,
                _ => return outcome.map(Answer::into_response),
            }
        }
        unreachable!("the number of attempts is limited")
    }

    async fn attempt(
        &self,
        head: &request::Parts,
        message: &Bytes,
        deadline: Instant,
    ) -> Result<Answer, Status> {
        let body = Body::new(Full::new(message.clone()));
        let mut request = Request::from_parts(head.clone(), body);
        request.headers_mut().insert(GRPC_TIMEOUT, grpc_timeout(remaining(deadline)));
        let mut inner = self.settings.transport.channel();
        poll_fn(|cx| inner.poll_ready(cx)).await.map_err(transport_failure)?;
        let response = inner.call(request).await.map_err(transport_failure)?;
        Answer::read(response).await
    }

    /// How long to wait before the next attempt, or `None` if the outcome is final.
    fn delay(&self, failure: Option<&Status>, attempt: u32) -> Option<Duration> {
        let Some(status) = failure.filter(|status| retry::is_retryable(status.code())) else {
            self.settings.throttle.succeeded();
            return None;
        };
        let permitted = self.settings.throttle.failed();
        retry::delay(status, attempt).filter(|_| permitted)
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Each attempt waits for the connection by itself, within the deadline.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// A whole response. Its status is in the trailers, or in the headers if there is no message.
struct Answer {
    head: response::Parts,
    message: Bytes,
    trailers: Option<HeaderMap>,
}

impl Answer {
    async fn read(response: Response<Body>) -> Result<Self, Status> {
        let (mut head, body) = response.into_parts();
        let body = Limited::new(body, MAX_RESPONSE_BYTES).collect();
        let body = body.await.map_err(transport_failure)?;
        let mut trailers = body.trailers().cloned();
        remove_malformed_details(&mut head.headers);
        if let Some(trailers) = &mut trailers {
            remove_malformed_details(trailers);
        }
        Ok(Self { head, message: body.to_bytes(), trailers })
    }

    /// The status, unless it is OK.
    fn failure(&self) -> Option<Status> {
        let maps = [self.trailers.as_ref(), Some(&self.head.headers)];
        let with_status = maps.into_iter().flatten().find(|map| map.contains_key(GRPC_STATUS));
        match with_status {
            Some(map) => Status::from_header_map(map).filter(|status| status.code() != Code::Ok),
            // A proxy answers for sessiond: gRPC's mapping of HTTP statuses.
            None => matches!(
                self.head.status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            )
            .then(|| Status::unavailable("a proxy cannot reach sessiond")),
        }
    }

    fn into_response(self) -> Response<Body> {
        let trailers = self.trailers.map(Ok);
        let body = Full::new(self.message).with_trailers(ready(trailers));
        Response::from_parts(self.head, Body::new(body))
    }
}

/// tonic panics at details that are not base64.
fn remove_malformed_details(headers: &mut HeaderMap) {
    let metadata = MetadataMap::from_headers(std::mem::take(headers));
    let malformed =
        metadata.get_bin(GRPC_STATUS_DETAILS).is_some_and(|details| details.to_bytes().is_err());
    *headers = metadata.into_headers();
    if malformed {
        headers.remove(GRPC_STATUS_DETAILS);
    }
}

fn no_token(error: ConfigError) -> Status {
    Status::internal(error.to_string())
}

fn bearer(token: &str) -> Result<HeaderValue, Status> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Status::internal("the token has characters that no header can have"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The timeout that the caller has set for this call.
fn requested_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount.saturating_mul(3600)),
        "M" => Duration::from_secs(amount.saturating_mul(60)),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// Rounded up, with at most eight digits.
fn grpc_timeout(timeout: Duration) -> HeaderValue {
    let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
    let text = match milliseconds {
        ..100_000_000 => format!("{milliseconds}m"),
        _ => format!("{}S", milliseconds.div_ceil(1000)),
    };
    HeaderValue::try_from(text).expect("digits and a letter are a header value")
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("sessiond did not answer within the deadline")
}

/// Whatever happens to the connection is an outage. tonic says UNKNOWN or CANCELLED for most of it.
fn transport_failure(error: impl Into<BoxError>) -> Status {
    let error = error.into();
    if causes(&*error).any(|cause| cause.is::<TimeoutExpired>()) {
        return deadline_exceeded();
    }
    if causes(&*error).any(|cause| cause.is::<http_body_util::LengthLimitError>()) {
        return Status::internal("the response is too large");
    }
    let message = format!("sessiond cannot be reached: {}", chain(&*error));
    let code = match Status::from_error(error).code() {
        Code::Unknown | Code::Cancelled => Code::Unavailable,
        code => code,
    };
    Status::new(code, message)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_tonic_writes_them() {
        for timeout in [
            Duration::from_nanos(7),
            Duration::from_micros(1500),
            Duration::from_millis(250),
            Duration::from_secs(99),
            Duration::from_secs(7200 * 60),
        ] {
            let mut request = tonic::Request::new(());
            request.set_timeout(timeout);
            let headers = request.metadata().clone().into_headers();
            assert_eq!(requested_timeout(&headers), Some(timeout));
        }
    }

    #[test]
    fn malformed_timeouts_are_ignored() {
        for value in ["", "5", "m", "5x", "-1m", "é"] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(GRPC_TIMEOUT),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )]);
            assert_eq!(requested_timeout(&headers), None, "{value}");
        }
    }

    #[test]
    fn a_written_timeout_is_never_shorter_and_has_eight_digits() {
        for timeout in [Duration::ZERO, Duration::from_micros(1500), MAX_TIMEOUT] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(GRPC_TIMEOUT),
                grpc_timeout(timeout),
            )]);
            assert!(requested_timeout(&headers).unwrap() >= timeout);
            assert!(headers[GRPC_TIMEOUT].len() <= 9);
        }
    }

    #[test]
    fn details_that_are_not_base64_are_removed() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_STATUS_DETAILS, HeaderValue::from_static("%%%"));
        headers.insert(GRPC_STATUS, HeaderValue::from_static("16"));
        remove_malformed_details(&mut headers);
        let status = Status::from_header_map(&headers).unwrap();
        assert_eq!((status.code(), status.details()), (Code::Unauthenticated, &[][..]));
    }
}
