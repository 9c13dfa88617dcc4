//! The steps of a login, against a real sessiond.

use std::time::Duration;

use axum::extract::{Form, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Router, response::AppendHeaders};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{Method, StatusCode};
use prost::Message;
use sessiond_client::axum::{LogIn, Refusal, RequestSession, Sessions};
use sessiond_client::v1::{
    CreateRequest, CreateResponse, ErrorReason, RevokeRequest, Session, SetCookie, ValidateRequest,
    session_ref::Ref,
};
use tonic::Code;

use crate::support::{Browser, Reply, Scripted, alice, failure, request, sessiond};

#[derive(serde::Deserialize)]
struct Login {
    user: String,
    #[serde(default)]
    csrf_token: String,
}

fn app(sessions: Sessions) -> Router {
    let protected = Router::new()
        .route("/me", get(|session: RequestSession| async { session.session.actor_id }))
        .route("/logout", post(log_out))
        .route_layer(sessions.required());
    Router::new()
        .route("/login", get(start_login).post(log_in))
        .route("/unchecked-logout", post(log_out))
        .merge(protected)
        .with_state(sessions)
}

async fn start_login(
    State(sessions): State<Sessions>,
    parts: Parts,
) -> Result<impl IntoResponse, Refusal> {
    let form = sessions.start_login(&parts).await?;
    Ok((form.cookies, form.csrf_token))
}

async fn log_in(
    State(sessions): State<Sessions>,
    parts: Parts,
    Form(form): Form<Login>,
) -> Result<impl IntoResponse, Refusal> {
    sessions.check_login(&parts, &form.csrf_token).await?;
    let login = LogIn::new(form.user)
        .app_type("shop")
        .metadata([("device".to_owned(), "laptop".to_owned())].into())
        .idle_timeout(Duration::from_secs(60))
        .absolute_timeout(Duration::from_secs(120));
    let logged_in = sessions.log_in(&parts, login).await?;
    assert_eq!(logged_in.session.app_type, "shop");
    let own = AppendHeaders([(SET_COOKIE, "theme=dark")]);
    Ok((own, logged_in.cookies, logged_in.csrf_token))
}

async fn log_out(
    State(sessions): State<Sessions>,
    parts: Parts,
) -> Result<impl IntoResponse, Refusal> {
    let logged_out = sessions.log_out(&parts).await?;
    Ok((logged_out.cookies, logged_out.revoked.to_string()))
}

fn login_form(token: &str) -> String {
    format!("user=alice&csrf_token={token}")
}

#[tokio::test]
async fn a_user_logs_in_and_out() {
    let sessiond = sessiond().await;
    let mut browser = Browser::new(app(Sessions::new(sessiond.client())));
    assert_eq!(browser.get("/me").await.status, StatusCode::UNAUTHORIZED);

    let form = browser.get("/login").await;
    assert_eq!(form.set_cookies().len(), 2);
    assert!(browser.cookies.contains_key("__Host-prelogin"));
    let token = form.text;

    let page = browser.post_form("/login", &login_form(&token)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let set_cookies = page.set_cookies();
    assert_eq!(set_cookies.len(), 4);
    assert_eq!(set_cookies[0], "theme=dark", "the application's own cookie stays");
    assert!(set_cookies[1].starts_with("__Host-session=v1."));
    assert!(set_cookies[1].ends_with("; Path=/; Max-Age=120; SameSite=Lax; HttpOnly; Secure"));
    let csrf_token = page.text.clone();
    assert!(!browser.cookies.contains_key("__Host-prelogin"));
    assert_eq!(browser.get("/me").await.text, "alice");

    let forged = browser.post_form("/logout", "").await;
    assert_eq!((forged.status, forged.set_cookies()), (StatusCode::FORBIDDEN, vec![]));
    let page = browser.post_form("/logout", &format!("csrf_token={csrf_token}")).await;
    assert_eq!((page.text.as_str(), page.set_cookies().len()), ("true", 3));
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["theme"]);
    assert_eq!(browser.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn login_forms_in_two_tabs_are_both_valid() {
    let sessiond = sessiond().await;
    let mut browser = Browser::new(app(Sessions::new(sessiond.client())));
    let first = browser.get("/login").await.text;
    let second = browser.get("/login").await;
    assert_eq!((&first, second.set_cookies().len()), (&second.text, 0));
    let page = browser.post_form("/login", &login_form(&first)).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn stale_cookies_do_not_prevent_a_login() {
    let sessiond = sessiond().await;
    let mut browser = Browser::new(app(Sessions::new(sessiond.client())));
    for name in ["__Host-session", "__Host-prelogin", "__Host-csrf"] {
        browser.cookies.insert(name.to_owned(), "stale".to_owned());
    }
    let form = browser.get("/login").await;
    assert_eq!(form.set_cookies().len(), 2);
    let page = browser.post_form("/login", &login_form(&form.text)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(browser.get("/me").await.text, "alice");
}

#[tokio::test]
async fn a_login_without_the_token_of_the_form_is_refused() {
    let sessiond = sessiond().await;
    let mut browser = Browser::new(app(Sessions::new(sessiond.client())));
    let no_cookie = browser.post_form("/login", &login_form("guess")).await;
    assert_eq!(no_cookie.json()["reason"], "INVALID_COOKIE");
    browser.get("/login").await;
    let missing = browser.post_form("/login", "user=alice").await;
    assert_eq!(missing.json()["reason"], "CSRF_MISSING");
    let wrong = browser.post_form("/login", &login_form("guess")).await;
    assert_eq!(wrong.json()["reason"], "CSRF_MISMATCH");
    assert_eq!(wrong.set_cookies(), [""; 0]);
}

#[tokio::test]
async fn a_session_that_has_ended_is_logged_out() {
    let sessiond = sessiond().await;
    let mut browser = Browser::new(app(Sessions::new(sessiond.client())));
    let page = browser.send(request(Method::POST, "/unchecked-logout")).await;
    assert_eq!((page.text.as_str(), page.set_cookies().len()), ("false", 0));
    browser.cookies.insert("__Host-session".to_owned(), "stale".to_owned());
    let page = browser.send(request(Method::POST, "/unchecked-logout")).await;
    assert_eq!((page.text.as_str(), page.set_cookies().len()), ("false", 0));
}

#[tokio::test]
async fn the_helpers_send_cookies_tenant_address_and_user_agent() {
    let set_cookie = SetCookie { header: "a=b; Odd=\"yes\"; ;".to_owned(), ..Default::default() };
    let created = CreateResponse {
        session: Some(Session { app_type: "shop".to_owned(), ..Default::default() }),
        set_cookies: vec![set_cookie],
        ..Default::default()
    };
    let mismatch = failure(Code::PermissionDenied, ErrorReason::CsrfMismatch.into(), 403, None);
    let replies = [
        Reply::Status(mismatch),
        Reply::Message(created.encode_to_vec()),
        alice(),
        Reply::Message(created.encode_to_vec()),
        alice(),
    ];
    let server = Scripted::start(replies).await;
    let sessions = Sessions::new(server.client())
        .tenant("acme")
        .client_ip(|_| "192.0.2.1".parse().ok())
        .csrf_cookie("own");
    let mut browser = Browser::new(app(sessions));
    browser.cookies.insert("own".to_owned(), "of-the-cookie".to_owned());
    let header = "own=of-the-cookie".to_owned();

    let page = browser.get("/login").await;
    assert_eq!(page.set_cookies(), ["a=b; Odd=\"yes\"; ;"], "verbatim");
    browser.cookies.remove("a");
    browser.post_form("/login", "user=bob&csrf_token=of-the-form").await;
    browser.send(request(Method::POST, "/unchecked-logout")).await;

    let calls = server.calls();
    let rpcs: Vec<_> = calls.iter().map(|call| call.rpc.as_str()).collect();
    assert_eq!(rpcs, ["Validate", "Create", "Validate", "Create", "Revoke"]);
    for (call, method, token) in
        [(&calls[0], "GET", "of-the-cookie"), (&calls[2], "POST", "of-the-form")]
    {
        let validate: ValidateRequest = call.message();
        assert_eq!(validate.csrf_token.as_deref(), Some(token));
        assert_eq!(validate.http_method.as_deref(), Some(method));
        assert_eq!(validate.tenant_id.as_deref(), Some("acme"));
        assert_eq!(validate.ip_address, "192.0.2.1");
        assert!(validate.accept_pre_login);
    }
    let pre_login: CreateRequest = calls[1].message();
    assert!(pre_login.pre_login);
    assert_eq!(pre_login.replaces, None);
    assert_eq!(pre_login.actor.unwrap().tenant_id, "acme");
    let login: CreateRequest = calls[3].message();
    let replaces = login.replaces.unwrap();
    assert_eq!(replaces.tenant_id.as_deref(), Some("acme"));
    assert_eq!(replaces.r#ref, Some(Ref::CookieHeader(header)));
    let actor = login.actor.unwrap();
    assert_eq!(
        (actor.tenant_id, actor.actor_type, actor.actor_id),
        ("acme".into(), "user".into(), "bob".into())
    );
    assert_eq!(login.ip_address, "192.0.2.1");
    let revoke: RevokeRequest = calls[4].message();
    assert_eq!(revoke.session.unwrap().tenant_id.as_deref(), Some("acme"));
}

#[tokio::test]
async fn an_empty_tenant_of_a_login_is_that_of_the_sessions() {
    let server = Scripted::start([alice()]).await;
    let sessions = Sessions::new(server.client()).tenant("acme");
    let (parts, ()) = http::Request::new(()).into_parts();
    for (tenant, expected) in [("", "acme"), ("other", "other")] {
        // The answer is not one to Create, which does not matter here.
        let _ = sessions.log_in(&parts, LogIn::new("bob").tenant_id(tenant)).await;
        let call = server.calls().pop().unwrap().message::<CreateRequest>();
        assert_eq!(call.actor.unwrap().tenant_id, expected);
    }
}

#[tokio::test]
async fn pages_get_the_csrf_token_of_the_cookie() {
    let server = Scripted::start([alice()]).await;
    let sessions = Sessions::new(server.client());
    let own = sessions.clone().csrf_cookie("own");
    for (sessions, header, expected) in [
        (&sessions, "session=s; csrf=plain; __Host-csrf=secure", "secure"),
        (&sessions, "csrf=a-Z_09.~+/=", "a-Z_09.~+/="),
        (&sessions, "csrf=first; csrf=second", "first"),
        (&sessions, "__Host-csrf=; csrf=plain", "plain"),
        (&sessions, "__Host-csrf=\"><script>; csrf=plain", "plain"),
        (&sessions, "csrf=a\"onfocus=b", ""),
        (&sessions, "csrf=<b>", ""),
        (&sessions, "csrf='", ""),
        (&sessions, "csrf=a b", ""),
        (&sessions, "xcsrf=a; csrf", ""),
        (&sessions, "", ""),
        (&own, "csrf=plain; own=renamed", "renamed"),
        (&own, "own=renamed; __Host-own=secure", "secure"),
    ] {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.headers.insert("cookie", header.parse().unwrap());
        assert_eq!(sessions.csrf_token(&parts), expected, "{header}");
    }
    let (parts, ()) = http::Request::new(()).into_parts();
    assert_eq!(sessions.csrf_token(&parts), "");
    assert_eq!(server.calls().len(), 0);
}

#[tokio::test]
async fn secrets_are_not_in_debug_output() {
    let sessiond = sessiond().await;
    let sessions = Sessions::new(sessiond.client());
    let (parts, ()) = http::Request::new(()).into_parts();
    let form = sessions.start_login(&parts).await.unwrap();
    let logged_in = sessions.log_in(&parts, LogIn::new("alice")).await.unwrap();
    let text = format!("{form:?} {logged_in:?} {:?}", logged_in.cookies);
    assert!(!text.contains(&form.csrf_token) && !text.contains(&logged_in.csrf_token));
    assert!(!text.contains("v1."), "{text}");
}
