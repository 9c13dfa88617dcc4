//! The middleware and the login helpers for axum.
//!
//! [`Sessions`] has the settings. Its layers validate the session of each request, and handlers get it
//! as [`RequestSession`]:
//!
//! ```no_run
//! use axum::{Router, routing::{get, post}};
//! use sessiond_client::axum::{RequestSession, Sessions};
//! use sessiond_client::{ConnectOptions, connect};
//!
//! async fn me(session: RequestSession) -> String {
//!     format!("You are {}", session.session.actor_id)
//! }
//!
//! async fn home(session: Option<RequestSession>) -> &'static str {
//!     if session.is_some() { "Welcome back" } else { "Welcome" }
//! }
//!
//! # fn app() -> Result<Router, Box<dyn std::error::Error>> {
//! let client = connect("http://127.0.0.1:8480", ConnectOptions::default())?;
//! let sessions = Sessions::new(client);
//! let app: Router = Router::new()
//!     .route("/me", get(me).layer(sessions.required()))
//!     .route("/", get(home).layer(sessions.optional()));
//! # Ok(app)
//! # }
//! ```
//!
//! Serve the application with `into_make_service_with_connect_info::<SocketAddr>()`: otherwise the
//! browser's address is not known, unless [`Sessions::client_ip`] tells it.
//!
//! A request by any method but GET, HEAD, OPTIONS and TRACE needs the session's CSRF token, in the
//! header `X-CSRF-Token` or in the field `csrf_token` of a form.
//!
//! If sessiond cannot be reached, the answer is 503 and no cookie changes: an outage logs nobody out.

mod browser;
mod form_body;
mod layer;
mod login;
mod refusal;
mod request_session;
mod sessions;

pub use layer::{SessionLayer, SessionService};
pub use login::{LogIn, LoggedIn, LoggedOut, LoginForm, SetCookies};
pub use refusal::Refusal;
pub use request_session::RequestSession;
pub use sessions::{Sessions, Tenant};
