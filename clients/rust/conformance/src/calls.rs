use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sessiond_client::{Client, ConnectOptions, SessionError, connect, v1};
use tonic::{Request, Status};

use crate::BoxError;

/// A call that the driver asks for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    rpc: String,
    #[serde(default)]
    request: Value,
    #[serde(flatten)]
    target: Target,
    deadline_ms: Option<u64>,
    cancel_after_ms: Option<u64>,
}

/// What a client is connected with.
#[derive(Clone, Deserialize, PartialEq, Eq, Hash)]
struct Target {
    url: Option<String>,
    ca: Option<String>,
    token: Option<String>,
    retry: Option<bool>,
}

struct Runner {
    url: String,
    methods: HashMap<String, MethodDescriptor>,
    session_limit: MessageDescriptor,
    clients: Mutex<HashMap<Target, Client>>,
}

pub(crate) fn router(url: String) -> Result<Router, BoxError> {
    // The set has the project's own files; the pool knows those of google.protobuf.
    let mut pool = DescriptorPool::global();
    pool.decode_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)?;
    let service = pool
        .get_service_by_name("sessiond.v1.SessionService")
        .ok_or("the descriptors have no SessionService")?;
    let methods = service.methods().map(|method| (method.name().to_owned(), method)).collect();
    let session_limit = pool
        .get_message_by_name("sessiond.v1.SessionLimitDetail")
        .ok_or("the descriptors have no SessionLimitDetail")?;
    let clients = Mutex::default();
    let runner = Arc::new(Runner { url, methods, session_limit, clients });
    Ok(Router::new().route("/", post(call)).with_state(runner))
}

async fn call(
    State(runner): State<Arc<Runner>>,
    Json(call): Json<Call>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let bad = |error: BoxError| (StatusCode::BAD_REQUEST, error.to_string());
    let answer = runner.run(call).await.map_err(bad)?;
    Ok(Json(answer))
}

impl Runner {
    async fn run(&self, call: Call) -> Result<Value, BoxError> {
        let client = self.client(&call.target)?;
        let method = self.methods.get(&call.rpc).ok_or("the RPC is not known")?;
        let body = if call.request.is_null() { json!({}) } else { call.request };
        let message = DynamicMessage::deserialize(method.input(), body)?;
        let deadline = call.deadline_ms.map(Duration::from_millis);
        let message = message.encode_to_vec();
        let response = send(client, &call.rpc, &message, deadline);
        let response = match call.cancel_after_ms {
            // Dropping the call is how a caller cancels it in Rust.
            Some(after) => tokio::time::timeout(Duration::from_millis(after), response)
                .await
                .unwrap_or_else(|_| Err(Status::cancelled("the caller cancelled the call"))),
            None => response.await,
        };
        match response {
            Ok(bytes) => Ok(json!({"ok": to_json(method.output(), &bytes)?})),
            Err(status) => {
                let error = SessionError::from(status);
                let mut described = description(&error);
                if let Some(limit) = error.session_limit() {
                    let bytes = limit.encode_to_vec();
                    described["sessionLimit"] = to_json(self.session_limit.clone(), &bytes)?;
                }
                Ok(json!({"error": described}))
            }
        }
    }

    fn client(&self, target: &Target) -> Result<Client, BoxError> {
        let mut clients = self.clients.lock().map_err(|_| "a call has panicked")?;
        if let Some(client) = clients.get(target) {
            return Ok(client.clone());
        }
        let mut options = ConnectOptions::default().retry(target.retry.unwrap_or(true));
        if let Some(token) = &target.token {
            options = options.token(token);
        }
        if let Some(path) = &target.ca {
            options = options.ca(std::fs::read(path)?);
        }
        let client = connect(target.url.as_ref().unwrap_or(&self.url), options)?;
        clients.insert(target.clone(), client.clone());
        Ok(client)
    }
}

/// Makes the call with the stub's method of this name. Messages are encoded, because their types differ.
async fn send(
    mut client: Client,
    rpc: &str,
    message: &[u8],
    deadline: Option<Duration>,
) -> Result<Vec<u8>, Status> {
    macro_rules! stub {
        ($($name:literal => $method:ident),+ $(,)?) => {
            match rpc {
                $($name => {
                    let message = Message::decode(message)
                        .map_err(|error| Status::internal(error.to_string()))?;
                    let mut request = Request::new(message);
                    if let Some(deadline) = deadline {
                        request.set_timeout(deadline);
                    }
                    Ok(client.$method(request).await?.into_inner().encode_to_vec())
                })+
                _ => Err(Status::unimplemented("the stub has no such method")),
            }
        };
    }
    stub! {
        "Create" => create,
        "Validate" => validate,
        "ValidateCsrf" => validate_csrf,
        "Touch" => touch,
        "Revoke" => revoke,
        "RevokeAllForActor" => revoke_all_for_actor,
        "RotateCsrf" => rotate_csrf,
        "RotateSession" => rotate_session,
        "UpdateMetadata" => update_metadata,
        "RotateSigningKey" => rotate_signing_key,
        "GarbageCollect" => garbage_collect,
        "Get" => get,
        "List" => list,
        "ListSigningKeys" => list_signing_keys,
        "ListAuditEvents" => list_audit_events,
        "ListSessions" => list_sessions,
        "RevokeSessions" => revoke_sessions,
        "RotateTokenKey" => rotate_token_key,
        "ListTokenKeys" => list_token_keys,
    }
}

/// With the defaults, so that the driver sees every field.
fn to_json(descriptor: MessageDescriptor, bytes: &[u8]) -> Result<Value, BoxError> {
    let message = DynamicMessage::decode(descriptor, bytes)?;
    let options = SerializeOptions::new().skip_default_fields(false);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

fn description(error: &SessionError) -> Value {
    let violations: Vec<_> = error
        .violations()
        .iter()
        .map(|violation| json!({"field": violation.field, "description": violation.description}))
        .collect();
    json!({
        "code": code_name(error.code()),
        "reason": error.reason_name(),
        "httpStatus": error.http_status(),
        "violations": violations,
        "retryDelayMs": error.retry_delay().unwrap_or_default().as_millis(),
        "browserStatus": error.browser_status(),
    })
}

/// As in gRPC's specification: `DeadlineExceeded` is `DEADLINE_EXCEEDED`.
fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
