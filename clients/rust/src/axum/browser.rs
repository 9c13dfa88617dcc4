//! What sessiond is told of a request.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::MockConnectInfo;
use http::header::{CONTENT_TYPE, COOKIE, USER_AGENT};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, Method};
use tonic::Code;

use super::form_body;
use super::sessions::{Sessions, Settings};
use crate::SessionError;
use crate::v1::ErrorReason;

const USER_AGENT_CHARACTERS: usize = 512;
const FORM: &str = "application/x-www-form-urlencoded";

/// Who makes the request, as all calls need it.
pub(super) struct Browser {
    pub(super) cookie_header: Option<String>,
    pub(super) ip_address: String,
    pub(super) user_agent: String,
    pub(super) tenant_id: Option<String>,
    pub(super) http_method: String,
}

impl Browser {
    /// Fails if a tenant is configured and this request has none.
    pub(super) fn of(parts: &Parts, sessions: &Sessions) -> Result<Self, SessionError> {
        let settings = &*sessions.settings;
        let tenant_id = settings.tenant.as_ref().map(|tenant| tenant.of_request(parts));
        if tenant_id.as_deref() == Some("") {
            return Err(SessionError::local(
                ErrorReason::InvalidRequest,
                Code::InvalidArgument,
                400,
                "no tenant was found for the request",
            ));
        }
        Ok(Self {
            cookie_header: joined(&parts.headers, COOKIE),
            ip_address: ip_address(parts, settings),
            user_agent: user_agent(&parts.headers),
            tenant_id,
            http_method: parts.method.to_string(),
        })
    }

    /// The Cookie header. Without one there is no session, and sessiond need not be asked.
    pub(super) fn cookies(&self) -> Result<String, SessionError> {
        self.cookie_header.clone().ok_or_else(|| {
            SessionError::local(
                ErrorReason::InvalidCookie,
                Code::Unauthenticated,
                401,
                "the session cookie is missing or not valid",
            )
        })
    }
}

/// The value of the first cookie of this name.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = joined(headers, COOKIE)?;
    cookies
        .split(';')
        .filter_map(|cookie| cookie.split_once('='))
        .find(|(own, _)| own.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

fn ip_address(parts: &Parts, settings: &Settings) -> String {
    let ip = match &settings.client_ip {
        Some(function) => function(parts),
        None => peer(&parts.extensions).map(|address| address.ip()),
    };
    ip.map(|ip| ip.to_canonical().to_string()).unwrap_or_default()
}

/// As the extractor `ConnectInfo` finds it, in tests of the application, too.
fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    let connection = extensions.get().map(|ConnectInfo(address)| *address);
    connection.or_else(|| extensions.get().map(|MockConnectInfo(address)| *address))
}

fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    text.unwrap_or_default().chars().take(USER_AGENT_CHARACTERS).collect()
}

/// All headers of this name in one. Several Cookie headers are one that HTTP/2 has split.
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values = headers.get_all(name);
    let texts: Vec<_> =
        values.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// With these, a request is not searched for a CSRF token, and a wrong one does not matter. Whether a
/// token is required is sessiond's decision, by the method of each Validate.
pub(super) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method)
}

/// The CSRF token of the header. An empty one is none.
pub(super) fn csrf_header(headers: &HeaderMap, settings: &Settings) -> Option<String> {
    let value = headers.get(&settings.csrf_header)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|token| !token.is_empty())
}

/// The CSRF token of a request that must have one. It is empty if there is none, or if the form is too
/// large to search: sessiond then refuses the request. The body stays as it is.
pub(super) async fn csrf_token(parts: &Parts, body: &mut Body, settings: &Settings) -> String {
    if let Some(token) = csrf_header(&parts.headers, settings) {
        return token;
    }
    if !is_form(&parts.headers) {
        return String::new();
    }
    let form = form_body::read(body, settings.form_limit).await.unwrap_or_default();
    form_field(&form, &settings.csrf_field)
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(FORM)
}

fn form_field(form: &[u8], name: &str) -> String {
    form_urlencoded::parse(form)
        .find(|(field, _)| field == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
