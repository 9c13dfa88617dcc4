//! Whatever is wrong with sessiond or the way to it: 503, no cookie changes, and no handler runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::request::Parts;
use http::{Method, StatusCode};
use sessiond_client::axum::{LogIn, Refusal, Sessions, SetCookies};
use sessiond_client::v1::{CreateResponse, Session, SetCookie, ValidateResponse};
use sessiond_client::{ConnectOptions, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Status};

use prost::Message;

use crate::support::{
    Browser, Page, Reply, Scripted, closed_address, failure, request, tcp_server,
};

/// All routes that ask sessiond. A handler that needs a session and runs answers with 418.
fn app(sessions: Sessions) -> Router {
    let reached = || async { StatusCode::IM_A_TEAPOT };
    Router::new()
        .route("/me", get(reached).post(reached).layer(sessions.required()))
        .route("/optional", get(reached).layer(sessions.optional()))
        .route("/start", get(start))
        .route("/check", post(check))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .with_state(sessions)
}

async fn start(State(sessions): State<Sessions>, parts: Parts) -> Result<SetCookies, Refusal> {
    Ok(sessions.start_login(&parts).await?.cookies)
}

async fn check(State(sessions): State<Sessions>, parts: Parts) -> Result<(), Refusal> {
    sessions.check_login(&parts, "token").await
}

async fn log_in(State(sessions): State<Sessions>, parts: Parts) -> Result<SetCookies, Refusal> {
    Ok(sessions.log_in(&parts, LogIn::new("alice")).await?.cookies)
}

async fn log_out(State(sessions): State<Sessions>, parts: Parts) -> Result<SetCookies, Refusal> {
    Ok(sessions.log_out(&parts).await?.cookies)
}

async fn assert_outage(what: &str, url: &str) {
    let options = ConnectOptions::default().timeout(Duration::from_millis(300)).retry(false);
    let errors = Arc::new(Mutex::new(Vec::new()));
    let logged = Arc::clone(&errors);
    let sessions = Sessions::new(connect(url, options).unwrap())
        .on_error(move |error| logged.lock().unwrap().push(error.to_string()));
    let mut browser = Browser::new(app(sessions));
    browser.cookies.insert("__Host-session".to_owned(), "cookie".to_owned());
    browser.cookies.insert("__Host-csrf".to_owned(), "token".to_owned());
    let requests = [
        (Method::GET, "/me"),
        (Method::POST, "/me"),
        (Method::GET, "/optional"),
        (Method::GET, "/start"),
        (Method::POST, "/check"),
        (Method::POST, "/login"),
        (Method::POST, "/logout"),
    ];
    for (number, (method, path)) in requests.into_iter().enumerate() {
        let page = browser.send(request(method, path)).await;
        assert_refused(&page, &format!("{what}, {path}"));
        assert_eq!(errors.lock().unwrap().len(), number + 1);
    }
}

fn assert_refused(page: &Page, what: &str) {
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{what}: {}", page.text);
    assert_eq!(page.set_cookies(), [""; 0], "{what}");
    assert_eq!(page.headers["content-type"], "application/problem+json");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["retry-after"], "1");
    assert_eq!(
        page.text,
        r#"{"title": "Service Unavailable", "status": 503, "reason": "SERVICE_UNAVAILABLE", "detail": "the session service is unavailable; retry later"}"#,
        "{what}"
    );
}

#[tokio::test]
async fn connections_that_fail() {
    assert_outage("refused", &format!("http://{}", closed_address().await)).await;

    let ends = tcp_server(|mut stream| async move {
        let _ = stream.read(&mut [0; 100]).await;
    });
    assert_outage("ends in mid-call", &format!("http://{}", ends.await)).await;

    let silent = tcp_server(|stream| async move {
        let _open = stream;
        std::future::pending().await
    });
    assert_outage("silent", &format!("http://{}", silent.await)).await;

    let other = tcp_server(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        let _ = stream.read(&mut [0; 4096]).await;
    });
    assert_outage("another protocol", &format!("http://{}", other.await)).await;

    let plain = Scripted::start([Reply::Http(StatusCode::OK, "ok")]).await;
    assert_outage("TLS to plain text", &plain.url.replace("http:", "https:")).await;
}

#[tokio::test]
async fn answers_that_are_not_of_sessiond() {
    let mut unknown_method = Status::unauthenticated("of a proxy");
    unknown_method.metadata_mut().insert("www-authenticate", "Bearer".parse().unwrap());
    let no_details = "grpc-status-details-bin";
    for (what, reply) in [
        ("no answer", Reply::Hang),
        ("HTTP 401", Reply::Http(StatusCode::UNAUTHORIZED, "")),
        ("HTTP 403", Reply::Http(StatusCode::FORBIDDEN, "")),
        ("HTTP 200 with a page", Reply::Http(StatusCode::OK, "<h1>Welcome</h1>")),
        ("HTTP 503", Reply::Http(StatusCode::SERVICE_UNAVAILABLE, "")),
        ("a message that does not decode", Reply::Message(vec![0xff; 9])),
        ("an empty message", Reply::Message(Vec::new())),
        ("UNAUTHENTICATED without a detail", Reply::Status(unknown_method)),
        (
            "details that are not base64",
            Reply::Headers(vec![("grpc-status", "16"), (no_details, "%%%")]),
        ),
        (
            "details that do not decode",
            Reply::Status(Status::with_details(Code::Unauthenticated, "", vec![0xff; 9].into())),
        ),
        ("a status that is none", Reply::Headers(vec![("grpc-status", "x")])),
        ("INTERNAL", Reply::LateStatus(Status::internal("internal error"))),
        ("UNKNOWN", Reply::Status(Status::unknown(""))),
        ("UNIMPLEMENTED", Reply::Status(Status::unimplemented(""))),
    ] {
        assert_outage(what, &Scripted::start([reply]).await.url).await;
    }
}

#[tokio::test]
async fn a_session_without_an_actor_is_an_outage() {
    let empty = ValidateResponse { session: Some(Session::default()), ..Default::default() };
    let server = Scripted::start([Reply::Message(empty.encode_to_vec())]).await;
    let mut browser = Browser::new(app(Sessions::new(server.client())));
    browser.cookies.insert("__Host-session".to_owned(), "cookie".to_owned());
    for path in ["/me", "/optional"] {
        assert_refused(&browser.get(path).await, path);
    }
}

#[tokio::test]
async fn a_set_cookie_header_that_is_none_is_an_outage() {
    let cookie = SetCookie { header: "a=b\r\nx: y".to_owned(), ..Default::default() };
    let response = CreateResponse {
        session: Some(Default::default()),
        set_cookies: vec![cookie],
        ..Default::default()
    };
    let server = Scripted::start([Reply::Message(response.encode_to_vec())]).await;
    let mut browser = Browser::new(app(Sessions::new(server.client())));
    let page = browser.send(request(Method::POST, "/login")).await;
    assert_refused(&page, "a cookie with a line break");
}

#[tokio::test]
async fn an_outage_of_the_database_has_its_reason_and_delay() {
    let status = failure(Code::Unavailable, 17, 503, Some(400));
    let server = Scripted::start([Reply::Status(status)]).await;
    let client = connect(&server.url, ConnectOptions::default().retry(false)).unwrap();
    let mut browser = Browser::new(app(Sessions::new(client)));
    browser.cookies.insert("__Host-session".to_owned(), "cookie".to_owned());
    let page = browser.get("/optional").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.headers["retry-after"], "1");
    assert_eq!(page.json()["reason"], "STORAGE_UNAVAILABLE");
    assert_eq!(page.json()["detail"], "the session service is unavailable; retry later");
}

#[tokio::test]
async fn our_own_mistakes_are_no_refusal_of_the_user() {
    // CALLER_UNAUTHENTICATED, CALLER_FORBIDDEN, INVALID_REQUEST, SESSION_NOT_FOUND.
    for (reason, http_status) in [(15, 401), (16, 403), (13, 400), (12, 404)] {
        let status = failure(Code::Unauthenticated, reason, http_status, None);
        let server = Scripted::start([Reply::Status(status)]).await;
        let mut browser = Browser::new(app(Sessions::new(server.client())));
        browser.cookies.insert("__Host-session".to_owned(), "cookie".to_owned());
        for path in ["/me", "/optional"] {
            let page = browser.get(path).await;
            assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{reason}");
            assert_eq!(page.json()["detail"], "the request could not be processed");
            assert!(!page.headers.contains_key("retry-after"));
        }
    }
}

#[tokio::test]
async fn an_unknown_reason_has_the_status_of_its_detail() {
    let server = Scripted::start([Reply::Status(failure(Code::Unauthenticated, 99, 401, None))]);
    let mut browser = Browser::new(app(Sessions::new(server.await.client())));
    browser.cookies.insert("__Host-session".to_owned(), "cookie".to_owned());
    let page = browser.get("/me").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(page.json()["reason"], "99");
    assert_eq!(browser.get("/optional").await.status, StatusCode::IM_A_TEAPOT);
}

#[tokio::test]
async fn overload_asks_to_retry_later() {
    let status = failure(Code::ResourceExhausted, 18, 429, None);
    let server = Scripted::start([Reply::Status(status)]).await;
    let mut browser = Browser::new(app(Sessions::new(server.client())));
    browser.cookies.insert("__Host-session".to_owned(), "cookie".to_owned());
    let page = browser.get("/me").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers["retry-after"], "1");
    assert_eq!(page.json()["reason"], "OVERLOADED");
}
