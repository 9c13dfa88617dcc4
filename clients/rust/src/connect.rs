use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tonic::transport::Endpoint;

use crate::files::{self, TokenFile};
use crate::transport::Transport;
use crate::v1::session_service_client::SessionServiceClient;
use crate::{Channel, Client};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Only ends attempts to connect that nobody waits for: each call has a deadline of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const USER_AGENT: &str = concat!("sessiond-client-rust/", env!("CARGO_PKG_VERSION"));

pub(crate) type TokenSource = Arc<dyn Fn() -> Result<String, ConfigError> + Send + Sync>;

#[derive(Clone)]
enum Token {
    Source(TokenSource),
    File(PathBuf),
}

/// Options of [`connect`].
#[derive(Clone)]
#[must_use]
pub struct ConnectOptions {
    pub(crate) timeout: Duration,
    pub(crate) retry: bool,
    token: Option<Token>,
    allow_token_over_plaintext: bool,
    keep_alive: bool,
    #[cfg(feature = "tls")]
    tls: TlsOptions,
}

#[cfg(feature = "tls")]
#[derive(Clone, Default)]
pub(crate) struct TlsOptions {
    ca: Option<Pem>,
    identity: Option<(Pem, Pem)>,
    server_name: Option<String>,
}

#[cfg(feature = "tls")]
#[derive(Clone)]
enum Pem {
    Text(Vec<u8>),
    File(PathBuf),
}

/// What the options of TLS are at a time.
#[cfg(feature = "tls")]
#[derive(PartialEq)]
pub(crate) struct Pems {
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            retry: true,
            token: None,
            allow_token_over_plaintext: false,
            keep_alive: true,
            #[cfg(feature = "tls")]
            tls: TlsOptions::default(),
        }
    }
}

impl ConnectOptions {
    /// The deadline of a call, retries included: 2 s by default. A call replaces it with
    /// [`tonic::Request::set_timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether idempotent calls that fail with UNAVAILABLE or RESOURCE_EXHAUSTED are tried again, up
    /// to three times in all. True by default.
    pub fn retry(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }

    /// Sends `authorization: Bearer <token>` with each call.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.token_from(move || token.clone())
    }

    /// Like [`token`](Self::token), with a function that is called for each call, so that the token
    /// can change. It must not block.
    pub fn token_from(mut self, token: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.token = Some(Token::Source(Arc::new(move || Ok(token()))));
        self
    }

    /// Like [`token`](Self::token), with a file that is replaced before the token expires, such as one
    /// of Kubernetes or a JWT-SVID of SPIFFE. [`connect`] reads it, and calls read it again, at most
    /// once a second. White space around the token does not count. A call without a token to send
    /// fails with INTERNAL, no reason, and a message that names the file.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Some(Token::File(path.into()));
        self
    }

    /// Permits a token over plain text to a host that is not a loopback address. Whoever sees the
    /// traffic can then use the token.
    pub fn allow_token_over_plaintext(mut self, allow: bool) -> Self {
        self.allow_token_over_plaintext = allow;
        self
    }

    /// Whether the connection is pinged every 30 s, and given up if there is no answer for 10 s. True
    /// by default. It is also pinged while no call is in flight: calls are short, so most losses of a
    /// connection happen between them.
    pub fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// The certificate authorities that are trusted, in PEM, instead of those of the system.
    #[cfg(feature = "tls")]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.ca = Some(Pem::Text(pem.into()));
        self
    }

    /// Like [`ca`](Self::ca), with a file. See [`client_certificate_files`](Self::client_certificate_files).
    #[cfg(feature = "tls")]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.ca = Some(Pem::File(path.into()));
        self
    }

    /// The certificate chain and the private key of this client, both in PEM, for mutual TLS.
    #[cfg(feature = "tls")]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.identity = Some((Pem::Text(certificate.into()), Pem::Text(key.into())));
        self
    }

    /// Like [`client_certificate`](Self::client_certificate), with files. [`connect`] reads them, and
    /// calls read them again, at most once a second. After a change, the next call opens a new
    /// connection; calls in flight end on the former one. While the files cannot be read or do not
    /// belong together, the former certificate stays in use, and a warning is logged.
    #[cfg(feature = "tls")]
    pub fn client_certificate_files(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.tls.identity = Some((Pem::File(certificate.into()), Pem::File(key.into())));
        self
    }

    /// The name that the server's certificate must have, if it is not the host of the address.
    #[cfg(feature = "tls")]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.tls.server_name = Some(name.into());
        self
    }
}

/// Without the token and the key.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

/// What is wrong with the address or the options of [`connect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Returns the stub of a sessiond at `address`: `http://host[:port]` for plain text, or
/// `https://host[:port]` for TLS, by default on port 80 or 443. The first call opens the connection;
/// one that is lost is opened again.
///
/// All calls go over one connection to one address of the host. tonic does not balance between the
/// addresses of a DNS name, so several replicas need a balancer for HTTP/2 in front of them, such as a
/// service mesh.
///
/// # Errors
///
/// If the address has another form, TLS is not possible with the options, a file cannot be used, a
/// token would go over plain text to another host, or there is no Tokio runtime.
pub fn connect(address: &str, options: ConnectOptions) -> Result<Client, ConfigError> {
    let uri = parse_address(address)?;
    if options.token.is_some() && !options.allow_token_over_plaintext && !is_confidential(&uri) {
        return Err(ConfigError::new(
            "the token would be sent in plain text to another host: use an https:// address, or \
             allow_token_over_plaintext(true)",
        ));
    }
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(ConfigError::new(
            "connect() must be called within a Tokio runtime, such as in #[tokio::main]",
        ));
    }
    let mut endpoint = Endpoint::from(uri.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(USER_AGENT)
        .map_err(|error| ConfigError::new(error.to_string()))?;
    if options.keep_alive {
        endpoint = endpoint
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
    }
    let transport = if uri.scheme_str() == Some("https") {
        with_tls(endpoint, &options)?
    } else {
        Transport::fixed(&endpoint)
    };
    let channel = Channel::new(transport, &options, token_source(options.token.as_ref())?);
    Ok(SessionServiceClient::new(channel))
}

fn token_source(token: Option<&Token>) -> Result<Option<TokenSource>, ConfigError> {
    Ok(match token {
        None => None,
        Some(Token::Source(source)) => Some(Arc::clone(source)),
        Some(Token::File(path)) => {
            let file = TokenFile::open(path.clone(), files::REREAD_AFTER)?;
            Some(Arc::new(move || file.token()))
        }
    })
}

/// The address is not repeated in the error: it may contain a password.
fn parse_address(address: &str) -> Result<Uri, ConfigError> {
    let wrong = |what: &str| {
        ConfigError::new(format!(
            "the address {what}: it must be http://host[:port] or https://host[:port]"
        ))
    };
    let uri: Uri = address.parse().map_err(|_| wrong("is not a URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("has no scheme that is known"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("has a user name or a password"));
    }
    if authority.host().is_empty() {
        return Err(wrong("has no host"));
    }
    let has_port = authority.as_str().len() > authority.host().len();
    if has_port && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(wrong("has a port that is not in 1..65535"));
    }
    if uri.query().is_some() || address.contains('#') {
        return Err(wrong("has a query or a fragment"));
    }
    if !matches!(uri.path(), "" | "/") {
        return Err(wrong("has a path"));
    }
    Ok(uri)
}

fn is_confidential(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    uri.scheme_str() == Some("https")
        || host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(feature = "tls")]
fn with_tls(endpoint: Endpoint, options: &ConnectOptions) -> Result<Transport, ConfigError> {
    let tls = options.tls.clone();
    if tls.has_files() {
        let renewed = crate::transport::Renewed::new(endpoint, tls, files::REREAD_AFTER)?;
        return Ok(Transport::Renewed(Box::new(renewed)));
    }
    Ok(Transport::fixed(&tls.endpoint(endpoint, &tls.read()?)?))
}

#[cfg(feature = "tls")]
impl TlsOptions {
    fn has_files(&self) -> bool {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.ca.iter().chain(identity).any(|pem| matches!(pem, Pem::File(_)))
    }

    pub(crate) fn read(&self) -> Result<Pems, ConfigError> {
        let ca = self.ca.as_ref().map(|ca| ca.read("ca_file")).transpose()?;
        let identity = match &self.identity {
            None => None,
            Some((certificate, key)) => Some((
                certificate.read("client_certificate_files")?,
                key.read("client_certificate_files")?,
            )),
        };
        Ok(Pems { ca, identity })
    }

    pub(crate) fn endpoint(
        &self,
        endpoint: Endpoint,
        pems: &Pems,
    ) -> Result<Endpoint, ConfigError> {
        use tonic::transport::{Certificate, ClientTlsConfig, Identity};

        let mut tls = ClientTlsConfig::new();
        tls = match &pems.ca {
            Some(pem) if has_certificate(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            Some(_) => return Err(self.wrong("ca must have a certificate in PEM")),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = &pems.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        endpoint
            .tls_config(tls)
            .map_err(|error| self.wrong(&format!("TLS is not possible: {}", chain(&error))))
    }

    /// With the names of the files among the options.
    fn wrong(&self, problem: &str) -> ConfigError {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        let paths: Vec<_> = self
            .ca
            .iter()
            .chain(identity)
            .filter_map(|pem| match pem {
                Pem::File(path) => Some(path.display().to_string()),
                Pem::Text(_) => None,
            })
            .collect();
        ConfigError::new(match paths.as_slice() {
            [] => problem.to_owned(),
            _ => format!("{problem} (with the files {})", paths.join(", ")),
        })
    }
}

#[cfg(feature = "tls")]
impl Pem {
    fn read(&self, option: &str) -> Result<Vec<u8>, ConfigError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => files::read(option, path),
        }
    }
}

/// tonic accepts a text without certificates, and then trusts nobody.
#[cfg(feature = "tls")]
fn has_certificate(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    pem.windows(BEGIN.len()).any(|window| window == BEGIN)
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Endpoint, _: &ConnectOptions) -> Result<Transport, ConfigError> {
    Err(ConfigError::new("an https:// address needs the feature `tls` of sessiond-client"))
}

/// The messages of an error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &str) -> String {
        parse_address(address).unwrap_err().to_string()
    }

    #[test]
    fn addresses_of_both_schemes_are_accepted() {
        for address in [
            "http://127.0.0.1:8480",
            "http://localhost",
            "https://sessiond.example/",
            "http://[::1]:8480",
        ] {
            assert!(parse_address(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn other_addresses_are_refused_with_what_would_be_right() {
        for (address, what) in [
            ("127.0.0.1:8480", "scheme"),
            ("grpc://host:1", "scheme"),
            ("http://", "not a URL"),
            ("http://user:hunter2@host:1", "password"),
            ("http://host:1/path", "path"),
            ("http://host:1?q=1", "query"),
            ("http://host:1/#top", "fragment"),
            ("http://host:99999", "port"),
            ("http://host:0", "port"),
            ("http://host:", "port"),
            ("not an address", "not a URL"),
        ] {
            let message = refusal(address);
            assert!(message.contains(what), "{address}: {message}");
            assert!(message.ends_with("it must be http://host[:port] or https://host[:port]"));
            assert!(!message.contains("hunter2"));
        }
    }

    #[test]
    fn only_tls_and_loopback_are_confidential() {
        for (address, confidential) in [
            ("https://sessiond.example", true),
            ("http://localhost:8480", true),
            ("http://127.1.2.3:8480", true),
            ("http://[::1]:8480", true),
            ("http://sessiond.example", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_confidential(&address.parse().unwrap()), confidential, "{address}");
        }
    }
}
