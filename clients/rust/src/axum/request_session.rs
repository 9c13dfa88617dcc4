use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use tonic::Status;

use super::refusal::Refusal;
use super::sessions::Sessions;
use crate::SessionError;
use crate::v1::{Session, ValidateResponse};

/// The session of a request, which [`SessionLayer`](super::SessionLayer) has validated. An argument of
/// handlers; `Option<RequestSession>` on routes with [`Sessions::optional`].
///
/// On a route without the layer, the request is answered with 500.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RequestSession {
    /// The session.
    pub session: Session,
    /// The time until the session expires without activity.
    pub seconds_left: u32,
    /// The time until the idle deadline.
    pub idle_seconds_left: u32,
    /// The time until the absolute deadline.
    pub absolute_seconds_left: u32,
    /// Whether the session expires soon.
    pub expiry_warning: bool,
}

impl TryFrom<ValidateResponse> for RequestSession {
    type Error = SessionError;

    fn try_from(response: ValidateResponse) -> Result<Self, SessionError> {
        // Only a pre-login session may have no actor, and the layer accepts none.
        let session = present(response.session.filter(|session| !session.actor_id.is_empty()))?;
        Ok(Self {
            session,
            seconds_left: response.seconds_left,
            idle_seconds_left: response.idle_seconds_left,
            absolute_seconds_left: response.absolute_seconds_left,
            expiry_warning: response.expiry_warning,
        })
    }
}

/// An empty message is what a server answers that is not sessiond.
pub(super) fn present(session: Option<Session>) -> Result<Session, SessionError> {
    session.ok_or_else(|| Status::internal("the response of sessiond has no session").into())
}

/// What the layer has found out, for the extractors.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) sessions: Sessions,
    pub(super) result: Result<RequestSession, SessionError>,
}

impl<S: Send + Sync> FromRequestParts<S> for RequestSession {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(Checked { sessions, result }) = parts.extensions.get() else {
            return Err(no_layer(parts));
        };
        result.clone().map_err(|error| sessions.refuse(error, parts))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for RequestSession {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refusal> {
        let checked: Option<&Checked> = parts.extensions.get();
        checked.map(|checked| checked.result.clone().ok()).ok_or_else(|| no_layer(parts))
    }
}

fn no_layer(parts: &Parts) -> Refusal {
    Refusal::without_layer(parts.uri.path())
}
