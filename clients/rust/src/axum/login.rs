use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::HeaderValue;
use http::header::SET_COOKIE;
use http::request::Parts;
use tonic::Status;

use super::browser::{self, Browser, csrf_header};
use super::refusal::Refusal;
use super::request_session::present;
use super::sessions::Sessions;
use crate::SessionError;
use crate::v1::session_ref::Ref;
use crate::v1::validate_request::Credential;
use crate::v1::{
    ActorRef, CreateRequest, RevokeRequest, Session, SessionRef, SetCookie, ValidateRequest,
};

/// Set-Cookie headers of sessiond. Part of a response, as in `(cookies, "Welcome")`, where they are
/// added to those of the application.
#[derive(Clone, Default)]
#[must_use = "without its cookies, the browser has no session"]
pub struct SetCookies(Vec<HeaderValue>);

impl SetCookies {
    fn new(cookies: Vec<SetCookie>) -> Result<Self, SessionError> {
        let values = cookies.into_iter().map(|cookie| HeaderValue::try_from(cookie.header));
        let mut values = values
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Status::internal("sessiond sent a Set-Cookie header that is none"))?;
        values.iter_mut().for_each(|value| value.set_sensitive(true));
        Ok(Self(values))
    }

    /// The values of the headers.
    pub fn values(&self) -> impl Iterator<Item = &HeaderValue> {
        self.0.iter()
    }
}

impl IntoResponseParts for SetCookies {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut response: ResponseParts,
    ) -> Result<ResponseParts, Self::Error> {
        for value in self.0 {
            response.headers_mut().append(SET_COOKIE, value);
        }
        Ok(response)
    }
}

/// A response that has nothing else.
impl IntoResponse for SetCookies {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

/// Without the values.
impl fmt::Debug for SetCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetCookies").field(&self.0.len()).finish()
    }
}

/// What [`Sessions::start_login`] returns.
#[non_exhaustive]
pub struct LoginForm {
    /// The CSRF token to embed in the login form, in the field `csrf_token`. Secret.
    pub csrf_token: String,
    /// The cookies to send with the form.
    pub cookies: SetCookies,
}

/// Who has logged in: the argument of [`Sessions::log_in`].
#[derive(Clone, Debug)]
#[must_use]
pub struct LogIn {
    actor_id: String,
    actor_type: String,
    tenant_id: Option<String>,
    app_type: String,
    metadata: HashMap<String, String>,
    idle_timeout: Option<Duration>,
    absolute_timeout: Option<Duration>,
}

impl LogIn {
    /// The user with this id.
    pub fn new(actor_id: impl Into<String>) -> Self {
        Self {
            actor_id: actor_id.into(),
            actor_type: "user".to_owned(),
            tenant_id: None,
            app_type: String::new(),
            metadata: HashMap::new(),
            idle_timeout: None,
            absolute_timeout: None,
        }
    }

    /// The kind of actor: `user` by default.
    pub fn actor_type(mut self, actor_type: impl Into<String>) -> Self {
        self.actor_type = actor_type.into();
        self
    }

    /// The user's tenant: by default, or if it is empty, that of [`Sessions::tenant`].
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.tenant_id = Some(tenant_id.into());
        self
    }

    /// The application that the session is for.
    pub fn app_type(mut self, app_type: impl Into<String>) -> Self {
        self.app_type = app_type.into();
        self
    }

    /// What is stored with the session: at most 4096 bytes of keys and values.
    pub fn metadata(mut self, metadata: HashMap<String, String>) -> Self {
        self.metadata = metadata;
        self
    }

    /// The idle timeout, in whole seconds: by default as sessiond is configured.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// The absolute timeout, in whole seconds: by default as sessiond is configured.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = Some(timeout);
        self
    }
}

/// What [`Sessions::log_in`] returns.
#[non_exhaustive]
pub struct LoggedIn {
    /// The new session.
    pub session: Session,
    /// Its CSRF token, which is in the CSRF cookie, too. Secret.
    pub csrf_token: String,
    /// The cookies to send.
    pub cookies: SetCookies,
}

/// What [`Sessions::log_out`] returns.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoggedOut {
    /// Whether this call ended the session. False if it had already ended, or there was none.
    pub revoked: bool,
    /// The cookies to send: they clear the browser's.
    pub cookies: SetCookies,
}

impl fmt::Debug for LoginForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginForm").finish_non_exhaustive()
    }
}

impl fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedIn").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The steps of a login. Handlers get the argument `parts` from axum: [`http::request::Parts`] is an
/// extractor, which comes before the one for the body.
impl Sessions {
    /// For the GET of a login form. Uses the browser's CSRF token again if it is still valid, so that a
    /// form in another tab stays valid, too; otherwise creates a pre-login session.
    ///
    /// # Errors
    ///
    /// With 503, if sessiond cannot be reached.
    pub async fn start_login(&self, parts: &Parts) -> Result<LoginForm, Refusal> {
        let result = self.login_form(parts).await;
        result.map_err(|error| self.refuse(error, parts))
    }

    /// For the POST of a login form, before the password is checked: whether the form is from
    /// [`start_login`](Self::start_login). `form_token` is the form's field `csrf_token`, or empty; the
    /// header `X-CSRF-Token` takes precedence.
    ///
    /// # Errors
    ///
    /// With 401 or 403, if the browser has no pre-login session or the token is not the session's; with
    /// 503, if sessiond cannot be reached.
    pub async fn check_login(&self, parts: &Parts, form_token: &str) -> Result<(), Refusal> {
        let header = csrf_header(&parts.headers, &self.settings);
        let token = header.unwrap_or_else(|| form_token.to_owned());
        let result = async {
            let browser = Browser::of(parts, self)?;
            self.validate_login(&browser, token).await
        };
        result.await.map_err(|error| self.refuse(error, parts))
    }

    /// Creates the session of a user who has logged in. It replaces every other session of the browser.
    /// Call it only after [`check_login`](Self::check_login), and after you have authenticated the user.
    ///
    /// # Errors
    ///
    /// With 409, if the user has as many sessions as are allowed; with 500, if a field is wrong; with
    /// 503, if sessiond cannot be reached.
    pub async fn log_in(&self, parts: &Parts, log_in: LogIn) -> Result<LoggedIn, Refusal> {
        let result = self.create_session(parts, log_in).await;
        result.map_err(|error| self.refuse(error, parts))
    }

    /// Ends the session of the request. A session that has already ended is a success. Call it on a route
    /// with [`Sessions::required`], which checks the CSRF token: otherwise other sites could log users
    /// out.
    ///
    /// # Errors
    ///
    /// With 503, if sessiond cannot be reached. The session and the cookies are unchanged then.
    pub async fn log_out(&self, parts: &Parts) -> Result<LoggedOut, Refusal> {
        let result = self.revoke(parts).await;
        result.map_err(|error| self.refuse(error, parts))
    }

    /// The CSRF token for the forms of a page, in the hidden field `csrf_token`: the value of the browser's
    /// CSRF cookie. Empty if there is no such cookie, or if its value has characters that no token has: a
    /// neighbouring domain may have set it, and it must not become markup of the page. Secret.
    pub fn csrf_token(&self, parts: &Parts) -> String {
        let name = &self.settings.csrf_cookie;
        browser::cookie(&parts.headers, &format!("__Host-{name}"))
            .filter(|value| is_token(value))
            .or_else(|| browser::cookie(&parts.headers, name).filter(|value| is_token(value)))
            .unwrap_or_default()
    }

    async fn login_form(&self, parts: &Parts) -> Result<LoginForm, SessionError> {
        let browser = Browser::of(parts, self)?;
        let csrf_token = self.csrf_token(parts);
        if !csrf_token.is_empty() {
            match self.validate_login(&browser, csrf_token.clone()).await {
                Ok(()) => {
                    let cookies = SetCookies::default();
                    return Ok(LoginForm { csrf_token, cookies });
                }
                Err(error) if matches!(error.browser_status(), 401 | 403) => {}
                Err(error) => return Err(error),
            }
        }
        let actor =
            ActorRef { tenant_id: browser.tenant_id.unwrap_or_default(), ..Default::default() };
        let request = CreateRequest {
            actor: Some(actor),
            pre_login: true,
            ip_address: browser.ip_address,
            user_agent: browser.user_agent,
            ..Default::default()
        };
        let LoggedIn { csrf_token, cookies, .. } = self.create(request).await?;
        Ok(LoginForm { csrf_token, cookies })
    }

    async fn validate_login(
        &self,
        browser: &Browser,
        csrf_token: String,
    ) -> Result<(), SessionError> {
        let request = ValidateRequest {
            credential: Some(Credential::CookieHeader(browser.cookies()?)),
            csrf_token: Some(csrf_token),
            accept_pre_login: true,
            ip_address: browser.ip_address.clone(),
            user_agent: browser.user_agent.clone(),
            tenant_id: browser.tenant_id.clone(),
            http_method: Some(browser.http_method.clone()),
            ..Default::default()
        };
        let response = self.client.clone().validate(request).await?.into_inner();
        present(response.session).map(|_| ())
    }

    async fn create_session(&self, parts: &Parts, log_in: LogIn) -> Result<LoggedIn, SessionError> {
        let browser = Browser::of(parts, self)?;
        let replaces = browser.cookie_header.map(|header| SessionRef {
            tenant_id: browser.tenant_id.clone(),
            r#ref: Some(Ref::CookieHeader(header)),
        });
        let tenant_id = log_in.tenant_id.filter(|tenant| !tenant.is_empty());
        let tenant_id = tenant_id.or(browser.tenant_id).unwrap_or_default();
        let request = CreateRequest {
            actor: Some(ActorRef {
                tenant_id,
                actor_type: log_in.actor_type,
                actor_id: log_in.actor_id,
            }),
            app_type: log_in.app_type,
            metadata: log_in.metadata,
            idle_timeout: log_in.idle_timeout.map(duration).transpose()?,
            absolute_timeout: log_in.absolute_timeout.map(duration).transpose()?,
            replaces,
            ip_address: browser.ip_address,
            user_agent: browser.user_agent,
            ..Default::default()
        };
        self.create(request).await
    }

    async fn create(&self, request: CreateRequest) -> Result<LoggedIn, SessionError> {
        let response = self.client.clone().create(request).await?.into_inner();
        Ok(LoggedIn {
            session: present(response.session)?,
            csrf_token: response.csrf_token,
            cookies: SetCookies::new(response.set_cookies)?,
        })
    }

    async fn revoke(&self, parts: &Parts) -> Result<LoggedOut, SessionError> {
        let browser = Browser::of(parts, self)?;
        let not_revoked = LoggedOut { revoked: false, cookies: SetCookies::default() };
        let Some(header) = browser.cookie_header else {
            return Ok(not_revoked);
        };
        let request = RevokeRequest {
            session: Some(SessionRef {
                tenant_id: browser.tenant_id,
                r#ref: Some(Ref::CookieHeader(header)),
            }),
            ..Default::default()
        };
        match self.client.clone().revoke(request).await {
            Ok(response) => {
                let response = response.into_inner();
                present(response.session)?;
                Ok(LoggedOut {
                    revoked: response.revoked,
                    cookies: SetCookies::new(response.set_cookies)?,
                })
            }
            Err(status) => {
                let error = SessionError::from(status);
                (error.browser_status() == 401).then_some(not_revoked).ok_or(error)
            }
        }
    }
}

/// Whether it is a `token68` (RFC 9110), none of whose characters means anything in HTML.
fn is_token(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    !text.is_empty() && text.chars().all(is_allowed)
}

fn duration(timeout: Duration) -> Result<prost_types::Duration, SessionError> {
    let duration = timeout.try_into();
    duration.map_err(|_| Status::invalid_argument("the timeout is too long").into())
}
