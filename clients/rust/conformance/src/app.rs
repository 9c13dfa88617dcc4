use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use sessiond_client::Client;
use sessiond_client::axum::{LogIn, Refusal, RequestSession, Sessions};

pub(crate) fn router(client: Client) -> Router {
    let sessions = Sessions::new(client);
    let required = Router::new()
        .route("/me", get(me))
        .route("/change", post(change).put(change).patch(change).delete(change))
        .route("/logout", post(log_out))
        .route_layer(sessions.required());
    let optional =
        Router::new().route("/optional", get(optional).post(optional)).layer(sessions.optional());
    let acme =
        Router::new().route("/acme/me", get(me)).layer(sessions.clone().tenant("acme").required());
    let login = Router::new().route("/login", get(start_login).post(log_in));
    login.merge(required).merge(optional).merge(acme).with_state(sessions)
}

async fn start_login(
    State(sessions): State<Sessions>,
    parts: Parts,
) -> Result<impl IntoResponse, Refusal> {
    let form = sessions.start_login(&parts).await?;
    Ok((form.cookies, Json(json!({"csrfToken": form.csrf_token}))))
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    user: String,
    tenant: Option<String>,
    #[serde(default)]
    csrf_token: String,
}

async fn log_in(
    State(sessions): State<Sessions>,
    parts: Parts,
    Form(form): Form<Login>,
) -> Result<impl IntoResponse, Refusal> {
    sessions.check_login(&parts, &form.csrf_token).await?;
    let mut login = LogIn::new(form.user);
    if let Some(tenant) = form.tenant {
        login = login.tenant_id(tenant);
    }
    let login = sessions.log_in(&parts, login).await?;
    let body = json!({"actorId": login.session.actor_id, "csrfToken": login.csrf_token});
    Ok((login.cookies, Json(body)))
}

async fn me(session: RequestSession) -> Json<Value> {
    Json(json!({
        "actorId": session.session.actor_id,
        "tenantId": session.session.tenant_id,
        "sessionId": session.session.id,
        "secondsLeft": session.seconds_left,
        "expiryWarning": session.expiry_warning,
    }))
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    note: String,
}

async fn change(session: RequestSession, form: Result<Form<Change>, FormRejection>) -> Json<Value> {
    let note = form.map(|Form(form)| form.note).unwrap_or_default();
    Json(json!({"actorId": session.session.actor_id, "body": note}))
}

async fn optional(session: Option<RequestSession>) -> Json<Value> {
    Json(json!({"actorId": session.map(|session| session.session.actor_id)}))
}

async fn log_out(
    State(sessions): State<Sessions>,
    parts: Parts,
) -> Result<impl IntoResponse, Refusal> {
    let logged_out = sessions.log_out(&parts).await?;
    Ok((logged_out.cookies, Json(json!({"revoked": logged_out.revoked}))))
}
