//! connect(): deadlines, retries, tokens, TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sessiond_client::v1::validate_request::Credential;
use sessiond_client::v1::{
    ActorRef, CreateRequest, ErrorReason, GetRequest, RotateCsrfRequest, ValidateRequest,
    ValidateResponse,
};
use sessiond_client::{
    Client, ConnectOptions, SessionError, connect, is_session_error, testing::TestOptions,
};
use tokio::io::AsyncReadExt;
use tonic::{Code, Request, Status};

use crate::support::{Reply, Scripted, alice, closed_address, failure, sessiond, tcp_server};

async fn validate(client: &Client) -> Result<ValidateResponse, Status> {
    let credential = Some(Credential::Cookie("cookie".to_owned()));
    let request = ValidateRequest { credential, ..Default::default() };
    client.clone().validate(request).await.map(tonic::Response::into_inner)
}

async fn code(client: &Client) -> Code {
    validate(client).await.unwrap_err().code()
}

fn options() -> ConnectOptions {
    ConnectOptions::default()
}

#[tokio::test]
async fn a_session_is_created_and_validated() {
    let sessiond = sessiond().await;
    let mut client = sessiond.client();
    let actor = ActorRef {
        actor_type: "user".to_owned(),
        actor_id: "alice".to_owned(),
        ..Default::default()
    };
    let request = CreateRequest { actor: Some(actor), ..Default::default() };
    let created = client.create(request).await.unwrap().into_inner();
    let request = ValidateRequest {
        credential: Some(Credential::Cookie(created.cookie)),
        csrf_token: Some(created.csrf_token),
        ..Default::default()
    };
    let response = client.validate(request).await.unwrap().into_inner();
    assert_eq!(response.session.unwrap().actor_id, "alice");
}

#[tokio::test]
async fn errors_are_typed() {
    let sessiond = sessiond().await;
    let status = validate(&sessiond.client()).await.unwrap_err();
    assert!(is_session_error(&status, &[ErrorReason::InvalidCookie, ErrorReason::Revoked]));
    assert!(!is_session_error(&status, &[ErrorReason::Revoked]));
    let error = SessionError::from(&status);
    assert_eq!(error.code(), Code::Unauthenticated);
    assert_eq!(error.reason(), Some(ErrorReason::InvalidCookie));
    assert_eq!((error.reason_name(), error.http_status()), ("INVALID_COOKIE", 401));
    assert_eq!(error.message(), "the session cookie is missing or not valid");

    let status = sessiond.client().create(CreateRequest::default()).await.unwrap_err();
    let error = SessionError::from(status);
    assert_eq!(error.reason(), Some(ErrorReason::InvalidRequest));
    assert_eq!(error.violations()[0].field, "actor");
    assert_eq!(error.browser_status(), 500);
}

#[tokio::test]
async fn the_default_deadline_is_sent_and_enforced() {
    let server = Scripted::start([Reply::Hang]).await;
    let client = connect(&server.url, options().timeout(Duration::from_millis(300))).unwrap();
    assert_eq!(code(&client).await, Code::DeadlineExceeded);
    let sent = server.calls()[0].headers["grpc-timeout"].to_str().unwrap().to_owned();
    let milliseconds: u32 = sent.strip_suffix('m').unwrap().parse().unwrap();
    assert!((1..=300).contains(&milliseconds), "{sent}");
}

#[tokio::test]
async fn a_deadline_of_the_call_replaces_the_default() {
    let server = Scripted::start([Reply::Hang]).await;
    // Without the deadline of the call, this would take an hour.
    let client = connect(&server.url, options().timeout(Duration::from_secs(3600))).unwrap();
    let mut request = Request::new(GetRequest::default());
    request.set_timeout(Duration::from_millis(100));
    let status = client.clone().get(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(SessionError::from(status).browser_status(), 503);
}

#[tokio::test]
async fn the_deadline_covers_the_tls_handshake() {
    let silent = tcp_server(|stream| async move {
        let _open = stream;
        std::future::pending().await
    });
    let url = format!("https://{}", silent.await);
    let client = connect(&url, options().timeout(Duration::from_millis(100))).unwrap();
    assert_eq!(code(&client).await, Code::DeadlineExceeded);
}

#[tokio::test]
async fn idempotent_calls_are_retried_after_the_delay_of_retry_info() {
    let outage = |delay| failure(Code::Unavailable, 17, 503, Some(delay));
    let overload = failure(Code::ResourceExhausted, 18, 429, Some(1));
    let replies = [Reply::Status(outage(1)), Reply::LateStatus(overload), alice()];
    let server = Scripted::start(replies).await;
    let response = validate(&server.client()).await.unwrap();
    assert_eq!(response.session.unwrap().actor_id, "alice");
    assert_eq!(server.calls().len(), 3);

    // A delay beyond the deadline shows that the delay is honoured: there is no second attempt.
    let server = Scripted::start([Reply::Status(outage(900)), alice()]).await;
    let client = connect(&server.url, options().timeout(Duration::from_millis(800))).unwrap();
    let error = SessionError::from(validate(&client).await.unwrap_err());
    assert_eq!(error.reason(), Some(ErrorReason::StorageUnavailable));
    assert_eq!(error.retry_delay(), Some(Duration::from_millis(900)));
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn the_pushback_of_the_server_is_honoured() {
    for pushback in ["-1", "2000", "18446744073709551615"] {
        let mut status = failure(Code::Unavailable, 17, 503, Some(1));
        status.metadata_mut().insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
        let server = Scripted::start([Reply::LateStatus(status)]).await;
        assert_eq!(code(&server.client()).await, Code::Unavailable);
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn there_are_three_attempts_at_most() {
    let status = failure(Code::Unavailable, 17, 503, Some(1));
    let server = Scripted::start([Reply::Status(status)]).await;
    assert_eq!(code(&server.client()).await, Code::Unavailable);
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn retries_stop_while_most_calls_fail() {
    let status = failure(Code::Unavailable, 17, 503, Some(1));
    let server = Scripted::start([Reply::Status(status)]).await;
    let client = server.client();
    let mut attempts = Vec::new();
    for _ in 0..3 {
        let before = server.calls().len();
        assert_eq!(code(&client).await, Code::Unavailable);
        attempts.push(server.calls().len() - before);
    }
    assert_eq!(attempts, [3, 2, 1]);
}

#[tokio::test]
async fn a_call_that_creates_something_is_never_repeated() {
    let status = failure(Code::Unavailable, 17, 503, Some(1));
    let server = Scripted::start([Reply::Status(status), Reply::Message(Vec::new())]).await;
    let mut client = server.client();
    let create = client.create(CreateRequest::default()).await.unwrap_err();
    let rotate = client.rotate_csrf(RotateCsrfRequest::default()).await;
    assert_eq!(create.code(), Code::Unavailable);
    assert!(rotate.is_ok(), "the second reply is for the second call");
    let rpcs: Vec<_> = server.calls().into_iter().map(|call| call.rpc).collect();
    assert_eq!(rpcs, ["Create", "RotateCsrf"]);
}

#[tokio::test]
async fn other_failures_and_calls_without_retries_are_not_repeated() {
    for code in [Code::Unauthenticated, Code::Internal, Code::Unknown, Code::DeadlineExceeded] {
        let server = Scripted::start([Reply::Status(Status::new(code, "")), alice()]).await;
        assert_eq!(self::code(&server.client()).await, code);
    }
    let server = Scripted::start([Reply::Status(Status::unavailable("")), alice()]).await;
    let client = connect(&server.url, options().retry(false)).unwrap();
    assert_eq!(code(&client).await, Code::Unavailable);
}

#[tokio::test]
async fn a_connection_that_ends_is_unavailable_and_opened_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let address = tcp_server(move |mut stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            // The client sends its request without waiting for settings. It ends when that begins.
            stream.read_exact(&mut [0; 100]).await.unwrap();
        }
    });
    let url = format!("http://{}", address.await);
    let client = connect(&url, options()).unwrap();
    let error = SessionError::from(validate(&client).await.unwrap_err());
    assert_eq!((error.code(), error.browser_status()), (Code::Unavailable, 503));
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let client = connect(&format!("http://{}", closed_address().await), options()).unwrap();
    let error = SessionError::from(validate(&client).await.unwrap_err());
    assert_eq!((error.code(), error.browser_status()), (Code::Unavailable, 503));
    assert!(error.message().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_unavailable_for_https() {
    let server = Scripted::start([alice()]).await;
    let url = server.url.replace("http:", "https:");
    let client = connect(&url, options()).unwrap();
    assert_eq!(code(&client).await, Code::Unavailable);
    assert_eq!(server.calls().len(), 0);
}

#[tokio::test]
async fn tls_accepts_only_certificates_of_the_ca() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), CERTIFICATE).unwrap();
    std::fs::write(path("key.pem"), KEY).unwrap();
    let settings = TestOptions::default()
        .setting("SESSIOND_TLS_CERT_FILE", path("cert.pem"))
        .setting("SESSIOND_TLS_KEY_FILE", path("key.pem"));
    let sessiond = sessiond_client::testing::TestSessiond::start(settings).await.unwrap();
    let port = sessiond.url().rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}");

    let trusting = connect(&url, options().ca(CA)).unwrap();
    assert_eq!(code(&trusting).await, Code::Unauthenticated);
    let strict = connect(&url, options()).unwrap();
    let error = SessionError::from(validate(&strict).await.unwrap_err());
    assert_eq!((error.code(), error.browser_status()), (Code::Unavailable, 503));
    let misnamed = connect(&url, options().ca(CA).server_name("other.example")).unwrap();
    assert_eq!(code(&misnamed).await, Code::Unavailable);
}

#[tokio::test]
async fn a_token_is_sent_with_each_call() {
    let server = Scripted::start([alice()]).await;
    let client = connect(&server.url, options().token("secret")).unwrap();
    validate(&client).await.unwrap();
    assert_eq!(server.calls()[0].headers["authorization"], "Bearer secret");

    let count = AtomicUsize::new(0);
    let next = move || format!("token-{}", count.fetch_add(1, Ordering::Relaxed));
    let server = Scripted::start([alice()]).await;
    let client = connect(&server.url, options().token_from(next)).unwrap();
    validate(&client).await.unwrap();
    validate(&client).await.unwrap();
    let sent: Vec<_> =
        server.calls().iter().map(|call| call.headers["authorization"].clone()).collect();
    assert_eq!(sent, ["Bearer token-0", "Bearer token-1"]);
}

#[tokio::test]
async fn a_token_that_is_no_header_fails_without_a_call_and_is_not_shown() {
    let server = Scripted::start([alice()]).await;
    let client = connect(&server.url, options().token("hunter2\n")).unwrap();
    let status = validate(&client).await.unwrap_err();
    assert!(!status.to_string().contains("hunter2"));
    assert_eq!(SessionError::from(status).browser_status(), 503);
    assert_eq!(server.calls().len(), 0);
}

#[tokio::test]
async fn a_token_over_plain_text_is_refused() {
    let url = "http://sessiond.example:8480";
    let error = connect(url, options().token("hunter2")).unwrap_err().to_string();
    assert!(error.contains("https://") && !error.contains("hunter2"), "{error}");
    assert!(connect(url, options()).is_ok());
    assert!(connect(url, options().token("t").allow_token_over_plaintext(true)).is_ok());
    assert!(connect("https://sessiond.example", options().token("t")).is_ok());
    assert!(!format!("{:?}", options().token("hunter2")).contains("hunter2"));
}

#[test]
fn connect_outside_of_a_runtime_is_an_error() {
    let error = connect("http://127.0.0.1:8480", options()).unwrap_err();
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}

#[tokio::test]
async fn a_ca_without_certificates_is_refused() {
    let error = connect("https://sessiond.example", options().ca("none")).unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

/// Of a CA whose key nobody has. The key of the certificate is public. Valid until 2126.
const CA: &str = include_str!("certificates/ca.pem");
const CERTIFICATE: &str = include_str!("certificates/cert.pem");
const KEY: &str = include_str!("certificates/key.pem");
