//! Tokens and certificates, in files that change, too.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sessiond_client::testing::{TestOptions, TestSessiond};
use sessiond_client::v1::{ActorRef, ErrorReason, ListRequest, ValidateRequest};
use sessiond_client::{Client, ConnectOptions, SessionError, connect};
use tempfile::TempDir;
use tonic::Code;

use crate::support::{Scripted, alice};

fn options() -> ConnectOptions {
    ConnectOptions::default().timeout(Duration::from_secs(30))
}

/// Waits until the condition is true. Each check makes a call, which reads the files again when a
/// second has passed.
async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen");
}

#[tokio::test]
async fn a_token_file_is_sent_and_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "one\n").unwrap();
    let server = Scripted::start([alice()]).await;
    let client = connect(&server.url, options().token_file(&path)).unwrap();
    let authorization = || async {
        client.clone().validate(ValidateRequest::default()).await.unwrap();
        server.calls().pop().unwrap().headers["authorization"].clone()
    };
    assert_eq!(authorization().await, "Bearer one");
    fs::write(&path, "two\n").unwrap();
    until("the new token", || async { authorization().await == "Bearer two" }).await;

    fs::remove_file(&path).unwrap();
    let validate = || client.clone();
    until("the failure", || async {
        validate().validate(ValidateRequest::default()).await.is_err()
    })
    .await;
    let status = client.clone().validate(ValidateRequest::default()).await.unwrap_err();
    assert!(status.message().contains(path.to_str().unwrap()), "{status}");
    assert_eq!(SessionError::from(status).browser_status(), 503);
    fs::write(&path, "back").unwrap();
    assert_eq!(authorization().await, "Bearer back");
}

#[tokio::test]
async fn a_token_file_is_checked_by_connect() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let error = connect("https://sessiond.example", options().token_file(&path)).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    fs::write(&path, "secret").unwrap();
    let error = connect("http://sessiond.example", options().token_file(&path)).unwrap_err();
    assert!(error.to_string().contains("https://"), "{error}");
    assert!(connect("https://sessiond.example", options().token_file(&path)).is_ok());
}

/// A sessiond that knows the certificate of A as an issuer and that of B as a validator, and requires
/// one; and the files of a client.
struct MutualTls {
    directory: TempDir,
    _sessiond: TestSessiond,
    url: String,
}

impl MutualTls {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let callers = r#"{"name":"a","role":"issuer","certificate_san":"dns:client-a.test"}
{"name":"b","role":"validator","certificate_san":"dns:client-b.test"}
"#;
        let settings = TestOptions::default()
            .setting("SESSIOND_TLS_CERT_FILE", path("server.pem", SERVER_CERTIFICATE))
            .setting("SESSIOND_TLS_KEY_FILE", path("server-key.pem", SERVER_KEY))
            .setting("SESSIOND_TLS_CLIENT_CA_FILE", path("client-ca.pem", CLIENT_CA))
            .setting("SESSIOND_TLS_CLIENT_CERTIFICATE", "required")
            .setting("SESSIOND_CALLERS_FILE", path("callers.jsonl", callers));
        let sessiond = TestSessiond::start(settings).await.unwrap();
        let port = sessiond.url().rsplit(':').next().unwrap();
        let url = format!("https://localhost:{port}");
        Self { directory, _sessiond: sessiond, url }
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn files(&self) -> ConnectOptions {
        let ca = self.write("ca.pem", CA);
        let certificate = self.write("cert.pem", A);
        let key = self.write("key.pem", A_KEY);
        options().ca_file(ca).client_certificate_files(certificate, key)
    }
}

/// What an issuer may do, and a validator may not.
async fn list(client: &Client) -> Result<(), SessionError> {
    let actor = ActorRef {
        actor_type: "user".to_owned(),
        actor_id: "alice".to_owned(),
        ..Default::default()
    };
    let request = ListRequest { actor: Some(actor), ..Default::default() };
    client.clone().list(request).await.map(drop).map_err(SessionError::from)
}

async fn is_b(client: &Client) -> bool {
    list(client).await.is_err_and(|error| error.reason() == Some(ErrorReason::CallerForbidden))
}

#[tokio::test]
async fn a_client_certificate_names_the_caller() {
    let tls = MutualTls::start().await;
    let with = |certificate: &str, key: &str| {
        connect(&tls.url, options().ca(CA).client_certificate(certificate, key)).unwrap()
    };
    list(&with(A, A_KEY)).await.unwrap();
    assert!(is_b(&with(B, B_KEY)).await);
    // Of another authority than the server's clients.
    let stranger = list(&with(SERVER_CERTIFICATE, SERVER_KEY)).await.unwrap_err();
    let nobody = list(&connect(&tls.url, options().ca(CA)).unwrap()).await.unwrap_err();
    for error in [stranger, nobody] {
        assert_eq!((error.code(), error.browser_status()), (Code::Unavailable, 503));
    }
}

#[tokio::test]
async fn certificate_files_are_read_again() {
    let tls = MutualTls::start().await;
    let client = connect(&tls.url, tls.files()).unwrap();
    list(&client).await.unwrap();

    tls.write("key.pem", B_KEY);
    tls.write("cert.pem", B);
    until("the new certificate", || is_b(&client)).await;

    // A CA that has not signed the server's certificate.
    tls.write("ca.pem", CLIENT_CA);
    until("the new CA", || async {
        list(&client).await.is_err_and(|error| error.code() == Code::Unavailable)
    })
    .await;
}

#[tokio::test]
async fn wrong_certificate_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (ca, certificate, key) = (write("ca", CA), write("cert", A), write("key", A_KEY));
    let missing = directory.path().join("missing");
    let refused = |ca: &Path, certificate: &Path, key: &Path, named: &Path| {
        let options = options().ca_file(ca).client_certificate_files(certificate, key);
        let error = connect("https://sessiond.example", options).unwrap_err().to_string();
        assert!(error.contains(named.to_str().unwrap()), "{error}");
        assert!(!error.contains("BEGIN"), "{error}");
    };
    refused(&missing, &certificate, &key, &missing);
    refused(&ca, &missing, &key, &missing);
    refused(&ca, &certificate, &missing, &missing);
    let empty = write("empty", "");
    refused(&empty, &certificate, &key, &empty);
    refused(&ca, &empty, &key, &empty);
    refused(&ca, &certificate, &empty, &empty);
    let other_key = write("other", B_KEY);
    refused(&ca, &certificate, &other_key, &other_key);
}

/// Of CAs whose keys nobody has. The keys of the certificates are public. Valid until 2126.
const CA: &str = include_str!("certificates/ca.pem");
const SERVER_CERTIFICATE: &str = include_str!("certificates/cert.pem");
const SERVER_KEY: &str = include_str!("certificates/key.pem");
const CLIENT_CA: &str = include_str!("certificates/client-ca.pem");
const A: &str = include_str!("certificates/client-a.pem");
const A_KEY: &str = include_str!("certificates/client-a-key.pem");
const B: &str = include_str!("certificates/client-b.pem");
const B_KEY: &str = include_str!("certificates/client-b-key.pem");
