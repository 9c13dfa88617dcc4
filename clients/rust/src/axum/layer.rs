use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use tower_layer::Layer;
use tower_service::Service;

use super::browser::{self, Browser};
use super::request_session::{Checked, RequestSession};
use super::sessions::Sessions;
use crate::SessionError;
use crate::v1::{ValidateRequest, validate_request::Credential};

/// Validates the session of each request, once, and hands it to the handler as [`RequestSession`].
/// Made by [`Sessions::required`] and [`Sessions::optional`].
#[derive(Clone, Debug)]
pub struct SessionLayer {
    sessions: Sessions,
    required: bool,
}

impl SessionLayer {
    pub(super) fn new(sessions: Sessions, required: bool) -> Self {
        Self { sessions, required }
    }

    async fn check(self, request: Request) -> Result<Request, Response> {
        let sessions = self.sessions;
        let (mut parts, mut body) = request.into_parts();
        match sessions.validate(&parts, &mut body).await {
            Err(error) if self.required || error.browser_status() != 401 => {
                Err(sessions.refuse(error, &parts).into_response())
            }
            result => {
                parts.extensions.insert(Checked { sessions, result });
                Ok(Request::from_parts(parts, body))
            }
        }
    }
}

impl Sessions {
    async fn validate(
        &self,
        parts: &Parts,
        body: &mut Body,
    ) -> Result<RequestSession, SessionError> {
        let browser = Browser::of(parts, self)?;
        let cookies = browser.cookies()?;
        let csrf_token = if browser::is_safe(&parts.method) {
            None
        } else {
            Some(browser::csrf_token(parts, body, &self.settings).await)
        };
        let request = ValidateRequest {
            credential: Some(Credential::CookieHeader(cookies)),
            csrf_token,
            touch: true,
            ip_address: browser.ip_address,
            user_agent: browser.user_agent,
            tenant_id: browser.tenant_id,
            http_method: Some(browser.http_method),
            ..Default::default()
        };
        let response = self.client.clone().validate(request).await?.into_inner();
        RequestSession::try_from(response)
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        let layer = self.clone();
        SessionService { layer, inner }
    }
}

/// The service of [`SessionLayer`].
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    layer: SessionLayer,
    inner: S,
}

impl<S> Service<Request> for SessionService<S>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that is ready is this one, not the clone.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.check(request).await {
                Ok(request) => inner.call(request).await.map(IntoResponse::into_response),
                Err(response) => Ok(response),
            }
        })
    }
}
