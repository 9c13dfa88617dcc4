use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::response::Response;
use http::HeaderName;
use http::request::Parts;

use super::layer::SessionLayer;
use crate::{Client, SessionError};

const DEFAULT_FORM_LIMIT: usize = 1 << 20;

type TenantOf = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;
type ClientIp = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;
type OnRefused = Arc<dyn Fn(&SessionError, &Parts) -> Option<Response> + Send + Sync>;
type OnError = Arc<dyn Fn(&SessionError) + Send + Sync>;

/// What the layers and the login helpers need: the client and the settings. Cheap to clone, for example
/// as the state of a router.
///
/// Each setting returns a changed copy, so one application can have several: `sessions.tenant("acme")`.
#[derive(Clone)]
#[must_use]
pub struct Sessions {
    pub(super) client: Client,
    pub(super) settings: Arc<Settings>,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) tenant: Option<Tenant>,
    pub(super) csrf_header: HeaderName,
    pub(super) csrf_field: String,
    pub(super) csrf_cookie: String,
    pub(super) form_limit: usize,
    pub(super) client_ip: Option<ClientIp>,
    pub(super) on_refused: Option<OnRefused>,
    pub(super) on_error: Option<OnError>,
}

/// The tenant whose sessions are accepted.
#[derive(Clone)]
pub enum Tenant {
    /// Always this one.
    Fixed(String),
    /// What the function finds in the request. If that is nothing or empty, the request is answered
    /// with 500: it would otherwise be open to sessions of every tenant.
    Of(TenantOf),
}

impl Tenant {
    /// The tenant that the function finds in a request, such as in its host name.
    pub fn of(function: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::Of(Arc::new(function))
    }

    pub(super) fn of_request(&self, parts: &Parts) -> String {
        match self {
            Self::Fixed(tenant) => tenant.clone(),
            Self::Of(function) => function(parts).unwrap_or_default(),
        }
    }
}

impl<T: Into<String>> From<T> for Tenant {
    fn from(tenant: T) -> Self {
        Self::Fixed(tenant.into())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(tenant) => f.debug_tuple("Fixed").field(tenant).finish(),
            Self::Of(_) => f.debug_tuple("Of").finish_non_exhaustive(),
        }
    }
}

impl Sessions {
    /// The defaults: any tenant, `X-CSRF-Token` or `csrf_token`, the peer's address, problem documents
    /// as refusals, and errors to `tracing`.
    pub fn new(client: Client) -> Self {
        let settings = Settings {
            tenant: None,
            csrf_header: HeaderName::from_static("x-csrf-token"),
            csrf_field: "csrf_token".to_owned(),
            csrf_cookie: "csrf".to_owned(),
            form_limit: DEFAULT_FORM_LIMIT,
            client_ip: None,
            on_refused: None,
            on_error: None,
        };
        Self { client, settings: Arc::new(settings) }
    }

    /// Accepts and creates only sessions of this tenant: a name, or [`Tenant::of`].
    pub fn tenant(self, tenant: impl Into<Tenant>) -> Self {
        let tenant = tenant.into();
        self.with(|settings| settings.tenant = Some(tenant))
    }

    /// The header with the CSRF token: `x-csrf-token` by default.
    pub fn csrf_header(self, name: HeaderName) -> Self {
        self.with(|settings| settings.csrf_header = name)
    }

    /// The field with the CSRF token in forms without the header: `csrf_token` by default.
    pub fn csrf_field(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with(|settings| settings.csrf_field = name)
    }

    /// The name of the CSRF cookie without the prefix `__Host-`, as in sessiond's setting
    /// `SESSIOND_CSRF_COOKIE_NAME`: `csrf` by default. The cookie with the prefix takes precedence.
    pub fn csrf_cookie(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with(|settings| settings.csrf_cookie = name)
    }

    /// The size up to which the body of a form is held in memory to find the CSRF token, in bytes:
    /// 1 MiB by default. A larger one without the header is refused as one without a token.
    pub fn form_limit(self, bytes: usize) -> Self {
        self.with(|settings| settings.form_limit = bytes)
    }

    /// Tells the browser's address, for example from a header of your proxy. By default it is the
    /// peer's.
    pub fn client_ip(
        self,
        function: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.client_ip = Some(Arc::new(function)))
    }

    /// Answers a refused request instead of the problem document, for example with a redirect to the
    /// login page if [`browser_status`](SessionError::browser_status) is 401. With `None` the default
    /// answer is sent.
    pub fn on_refused(
        self,
        function: impl Fn(&SessionError, &Parts) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.on_refused = Some(Arc::new(function)))
    }

    /// Gets each failure that is answered with a status from 500, for the log. By default it is an event of
    /// `tracing`, of the level ERROR.
    pub fn on_error(self, function: impl Fn(&SessionError) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.on_error = Some(Arc::new(function)))
    }

    /// The layer for routes that need a session.
    pub fn required(&self) -> SessionLayer {
        SessionLayer::new(self.clone(), true)
    }

    /// The layer for routes that also serve users without a session. A CSRF token is needed only with a
    /// session. An outage is answered with 503 here, too.
    pub fn optional(&self) -> SessionLayer {
        SessionLayer::new(self.clone(), false)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}
