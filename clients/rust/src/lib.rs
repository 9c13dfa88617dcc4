//! Client of sessiond, a login-session service.
//!
//! [`connect`] returns the generated stub, [`Client`], over a [`Channel`] that adds what every caller
//! needs: a deadline for each call, retries of idempotent calls, keep-alive, TLS and a token.
//!
//! ```no_run
//! use sessiond_client::v1::{ErrorReason, ValidateRequest, validate_request::Credential};
//! use sessiond_client::{ConnectOptions, connect, is_session_error};
//!
//! # async fn run(cookie_header: String) -> Result<(), Box<dyn std::error::Error>> {
//! let mut sessiond = connect("http://127.0.0.1:8480", ConnectOptions::default())?;
//! let request = ValidateRequest {
//!     credential: Some(Credential::CookieHeader(cookie_header)),
//!     ..Default::default()
//! };
//! match sessiond.validate(request).await {
//!     Ok(response) => println!("{:?}", response.into_inner().session),
//!     Err(status) if is_session_error(&status, &[ErrorReason::Revoked]) => println!("logged out"),
//!     Err(status) => return Err(status.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `tls` (default): `https` addresses, with rustls and ring.
//! - `axum`: the middleware and the login helpers, see the module [`axum`](crate::axum).
//! - `testing`: starts a real sessiond for tests, see the module [`testing`](crate::testing).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "axum")]
pub mod axum;
mod channel;
mod connect;
mod error;
mod files;
mod retry;
#[cfg(all(feature = "testing", unix))]
pub mod testing;
mod transport;

pub use channel::Channel;
pub use connect::{ConfigError, ConnectOptions, connect};
pub use error::{FieldViolation, SessionError, is_session_error};
pub use sessiond_proto::v1;

/// The generated stub over the [`Channel`] of [`connect`]. Cheap to clone: all clones share one
/// connection. Calls take `&mut self`, so each task has a clone of its own.
pub type Client = v1::session_service_client::SessionServiceClient<Channel>;
