//! The layer: what it sends, what it refuses, and what handlers get.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{any, get};
use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderValue, Method, StatusCode};
use sessiond_client::axum::{RequestSession, Sessions, Tenant};
use sessiond_client::v1::{ErrorReason, ValidateRequest, validate_request::Credential};
use tonic::Code;

use crate::support::{Browser, Page, Reply, Scripted, alice, failure, request};

fn app(sessions: &Sessions) -> Router {
    let required = any(|session: RequestSession, body: String| async move {
        format!("{} {body}", session.session.actor_id)
    });
    let optional = any(|session: Option<RequestSession>| async move {
        session.map_or("nobody".to_owned(), |session| session.session.actor_id)
    });
    let insists = get(|session: RequestSession| async move { session.session.actor_id });
    Router::new()
        .route("/", required.layer(sessions.required()))
        .route("/optional", optional.layer(sessions.optional()))
        .route("/insists", insists.layer(sessions.optional()))
        .route("/unprotected", get(|_: RequestSession| async {}))
        .layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 1234))))
}

fn with_cookie(method: Method, path: &str) -> axum::extract::Request {
    let mut request = request(method, path);
    request.headers_mut().insert(COOKIE, HeaderValue::from_static("__Host-session=any"));
    request
}

fn form(body: &str) -> axum::extract::Request {
    let mut request = with_cookie(Method::POST, "/").map(|_| Body::from(body.to_owned()));
    let content_type = HeaderValue::from_static("Application/X-WWW-Form-Urlencoded; charset=utf-8");
    request.headers_mut().insert(CONTENT_TYPE, content_type);
    request
}

/// Sends a request to the application and returns the page and what sessiond was asked.
async fn exchange(
    request: axum::extract::Request,
    change: impl FnOnce(Sessions) -> Sessions,
) -> (Page, Vec<ValidateRequest>) {
    let server = Scripted::start([alice()]).await;
    let sessions = change(Sessions::new(server.client()));
    let page = Browser::new(app(&sessions)).send(request).await;
    (page, server.calls().iter().map(|call| call.message()).collect())
}

async fn asked(request: axum::extract::Request) -> ValidateRequest {
    let (_, mut asked) = exchange(request, |sessions| sessions).await;
    assert_eq!(asked.len(), 1, "one call per request");
    asked.remove(0)
}

async fn refused_with(reason: ErrorReason, http_status: u32, path: &str) -> Page {
    let status = failure(Code::Unauthenticated, reason.into(), http_status, None);
    let server = Scripted::start([Reply::Status(status)]).await;
    let sessions = Sessions::new(server.client());
    Browser::new(app(&sessions)).send(with_cookie(Method::GET, path)).await
}

#[tokio::test]
async fn sessiond_is_told_what_the_browser_sent() {
    let mut request = with_cookie(Method::GET, "/");
    request.headers_mut().append(COOKIE, HeaderValue::from_static("theme=dark"));
    let agent = format!("Browser/1 é{}", "x".repeat(600));
    request.headers_mut().insert("user-agent", HeaderValue::from_bytes(agent.as_bytes()).unwrap());
    let asked = asked(request).await;
    let header = "__Host-session=any; theme=dark".to_owned();
    assert_eq!(asked.credential, Some(Credential::CookieHeader(header)));
    assert_eq!(asked.ip_address, "192.0.2.1");
    assert_eq!(asked.user_agent.chars().count(), 512);
    assert!(asked.user_agent.starts_with("Browser/1 éxx"));
    assert!(asked.touch && !asked.accept_pre_login);
    assert_eq!(asked.tenant_id, None);
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_replaced() {
    let mut request = request(Method::GET, "/");
    let headers = request.headers_mut();
    headers.insert(COOKIE, HeaderValue::from_bytes(b"a=\xff; __Host-session=any").unwrap());
    headers.insert("user-agent", HeaderValue::from_bytes(b"Browser\xfe").unwrap());
    let asked = asked(request).await;
    let header = "a=\u{fffd}; __Host-session=any".to_owned();
    assert_eq!(asked.credential, Some(Credential::CookieHeader(header)));
    assert_eq!(asked.user_agent, "Browser\u{fffd}");
}

#[tokio::test]
async fn malformed_cookie_headers_are_sent_whole() {
    for header in ["", ";;;", "=", "__Host-session", "__Host-session=a; __Host-session=b", "\" "] {
        let mut request = request(Method::GET, "/");
        request.headers_mut().insert(COOKIE, HeaderValue::from_str(header).unwrap());
        let asked = asked(request).await;
        assert_eq!(asked.credential, Some(Credential::CookieHeader(header.to_owned())));
    }
}

#[tokio::test]
async fn the_method_is_sent_and_a_csrf_token_with_all_but_safe_ones() {
    for (method, expected) in [
        (Method::GET, None),
        (Method::HEAD, None),
        (Method::OPTIONS, None),
        (Method::TRACE, None),
        (Method::POST, Some("")),
        (Method::PUT, Some("")),
        (Method::PATCH, Some("")),
        (Method::DELETE, Some("")),
        (Method::CONNECT, Some("")),
        (Method::from_bytes(b"PURGE").unwrap(), Some("")),
        (Method::from_bytes(b"get").unwrap(), Some("")),
    ] {
        let asked = asked(with_cookie(method.clone(), "/")).await;
        assert_eq!(asked.csrf_token.as_deref(), expected, "{method}");
        assert_eq!(asked.http_method.as_deref(), Some(method.as_str()));
    }
    let mut safe = with_cookie(Method::GET, "/");
    safe.headers_mut().insert("x-csrf-token", HeaderValue::from_static("token"));
    assert_eq!(asked(safe).await.csrf_token, None);
}

#[tokio::test]
async fn the_csrf_token_is_in_the_header_or_in_the_form() {
    let mut with_header = form("csrf_token=of-the-form");
    with_header.headers_mut().insert("x-csrf-token", HeaderValue::from_static("of-the-header"));
    assert_eq!(asked(with_header).await.csrf_token.unwrap(), "of-the-header");

    let (page, asked) = exchange(form("note=a+%26+b&csrf_token=t%2Bk"), |sessions| sessions).await;
    assert_eq!(asked[0].csrf_token.as_deref(), Some("t+k"));
    assert_eq!(page.text, "alice note=a+%26+b&csrf_token=t%2Bk", "the handler has the body");

    let rename =
        |sessions: Sessions| sessions.csrf_header("x-own".parse().unwrap()).csrf_field("own_field");
    let (_, asked) = exchange(form("csrf_token=a&own_field=b"), rename).await;
    assert_eq!(asked[0].csrf_token.as_deref(), Some("b"));
    let mut with_header = form("own_field=b");
    with_header.headers_mut().insert("x-own", HeaderValue::from_static("c"));
    let (_, asked) = exchange(with_header, rename).await;
    assert_eq!(asked[0].csrf_token.as_deref(), Some("c"));
}

#[tokio::test]
async fn no_other_place_is_searched_for_the_csrf_token() {
    let query = with_cookie(Method::POST, "/?csrf_token=token");
    assert_eq!(asked(query).await.csrf_token.as_deref(), Some(""));

    let mut json = form("csrf_token=token");
    json.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(asked(json).await.csrf_token.as_deref(), Some(""));

    assert_eq!(asked(form("note=x")).await.csrf_token.as_deref(), Some(""));
}

#[tokio::test]
async fn a_form_above_the_limit_has_no_token_and_stays_whole() {
    let text = format!("csrf_token=token&note={}", "x".repeat(100));
    for (limit, token) in [(text.len(), "token"), (text.len() - 1, ""), (0, "")] {
        let (page, asked) = exchange(form(&text), |sessions| sessions.form_limit(limit)).await;
        assert_eq!(asked[0].csrf_token.as_deref(), Some(token));
        assert_eq!(page.text, format!("alice {text}"));
    }
    let (_, asked) = exchange(form(&format!("{}&csrf_token=t", "x".repeat(1 << 20))), |s| s).await;
    assert_eq!(asked[0].csrf_token.as_deref(), Some(""));
}

#[tokio::test]
async fn a_form_that_breaks_off_has_no_token() {
    let mut request = form("");
    *request.body_mut() = broken_body();
    let (page, asked) = exchange(request, |sessions| sessions).await;
    assert_eq!(asked[0].csrf_token.as_deref(), Some(""));
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "as the handler's extractor answers");
}

/// A body that fails.
fn broken_body() -> Body {
    struct Broken;
    impl http_body::Body for Broken {
        type Data = axum::body::Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Ready(Some(Err(std::io::Error::other("broken"))))
        }
    }
    Body::new(Broken)
}

#[tokio::test]
async fn a_request_without_cookies_is_refused_without_a_call() {
    for method in [Method::GET, Method::POST] {
        let (page, asked) = exchange(request(method, "/"), |sessions| sessions).await;
        assert_eq!((page.status, asked.len()), (StatusCode::UNAUTHORIZED, 0));
        assert_eq!(
            page.text,
            r#"{"title": "Unauthorized", "status": 401, "reason": "INVALID_COOKIE", "detail": "the session cookie is missing or not valid"}"#
        );
        assert_eq!(page.headers["cache-control"], "no-store");
    }
    for method in [Method::GET, Method::POST] {
        let (page, asked) = exchange(request(method, "/optional"), |sessions| sessions).await;
        assert_eq!((page.text.as_str(), asked.len()), ("nobody", 0));
    }
}

#[tokio::test]
async fn optional_routes_only_forgive_401() {
    assert_eq!(refused_with(ErrorReason::Revoked, 401, "/optional").await.text, "nobody");
    let forbidden = refused_with(ErrorReason::CsrfMismatch, 403, "/optional").await;
    assert_eq!(forbidden.status, StatusCode::FORBIDDEN);
    let (page, _) = exchange(with_cookie(Method::GET, "/optional"), |sessions| sessions).await;
    assert_eq!(page.text, "alice");
    let refused = refused_with(ErrorReason::Revoked, 401, "/insists").await;
    assert_eq!(refused.json()["reason"], "REVOKED");
}

#[tokio::test]
async fn messages_of_server_errors_are_for_the_log_only() {
    for (reason, http_status) in [
        (ErrorReason::InvalidRequest, 400),
        (ErrorReason::StorageUnavailable, 503),
        (ErrorReason::StorageUnavailable, 502),
    ] {
        let status = failure(Code::Internal, reason.into(), http_status, None);
        let server = Scripted::start([Reply::Status(status)]).await;
        let logged = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&logged);
        let sessions = Sessions::new(server.client())
            .on_error(move |error| log.lock().unwrap().push(error.message().to_owned()));
        let page = Browser::new(app(&sessions)).send(with_cookie(Method::GET, "/")).await;
        assert!(page.status.is_server_error() && !page.text.contains("scripted"), "{}", page.text);
        assert_eq!(*logged.lock().unwrap(), ["scripted"]);
    }
}

#[tokio::test]
async fn a_route_without_the_layer_is_an_error() {
    let (page, asked) =
        exchange(with_cookie(Method::GET, "/unprotected"), |sessions| sessions).await;
    assert_eq!((page.status, asked.len()), (StatusCode::INTERNAL_SERVER_ERROR, 0));
}

#[tokio::test]
async fn the_tenant_is_always_sent() {
    let get = || with_cookie(Method::GET, "/");
    let (_, asked) = exchange(get(), |sessions| sessions.tenant("acme")).await;
    assert_eq!(asked[0].tenant_id.as_deref(), Some("acme"));
    let of_header = Tenant::of(|parts| Some(parts.headers.get("host")?.to_str().ok()?.to_owned()));
    let mut request = get();
    request.headers_mut().insert("host", HeaderValue::from_static("acme.example"));
    let (_, asked) = exchange(request, |sessions| sessions.tenant(of_header)).await;
    assert_eq!(asked[0].tenant_id.as_deref(), Some("acme.example"));
}

#[tokio::test]
async fn a_request_without_its_tenant_is_an_error_without_a_call() {
    for tenant in [Tenant::of(|_| None), Tenant::of(|_| Some(String::new())), "".into()] {
        for path in ["/", "/optional"] {
            let tenant = tenant.clone();
            let request = with_cookie(Method::GET, path);
            let (page, asked) = exchange(request, |sessions| sessions.tenant(tenant)).await;
            assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(asked.len(), 0);
        }
    }
}

#[tokio::test]
async fn the_application_tells_the_address() {
    let address = |ip: Option<IpAddr>| async move {
        let request = with_cookie(Method::GET, "/");
        let (_, asked) = exchange(request, |sessions| sessions.client_ip(move |_| ip)).await;
        asked[0].ip_address.clone()
    };
    assert_eq!(address("2001:db8::1".parse().ok()).await, "2001:db8::1");
    assert_eq!(address("::ffff:192.0.2.7".parse().ok()).await, "192.0.2.7");
    assert_eq!(address(None).await, "");
}

#[tokio::test]
async fn the_application_can_answer_by_itself() {
    let errors = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&errors);
    let change = |sessions: Sessions| {
        sessions
            .on_refused(|error, parts| {
                let to_login = error.browser_status() == 401 && parts.uri.path() == "/";
                to_login.then(|| Redirect::to("/login").into_response())
            })
            .on_error(move |_| *counted.lock().unwrap() += 1)
    };
    let (page, _) = exchange(request(Method::GET, "/"), change.clone()).await;
    assert_eq!(
        (page.status, &page.headers["location"]),
        (StatusCode::SEE_OTHER, &HeaderValue::from_static("/login"))
    );
    let (page, _) = exchange(request(Method::GET, "/insists"), change.clone()).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(*errors.lock().unwrap(), 0);
    let no_tenant = |sessions: Sessions| change(sessions.tenant(""));
    exchange(with_cookie(Method::GET, "/"), no_tenant).await;
    assert_eq!(*errors.lock().unwrap(), 1);
}
