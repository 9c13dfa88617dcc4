//! Servers, and an application with a browser.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, Weak};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use prost::Message;
use serde_json::Value;
use sessiond_client::testing::{TestOptions, TestSessiond};
use sessiond_client::v1::{ErrorDetail, Session, ValidateResponse};
use sessiond_client::{Client, ConnectOptions, connect};
use tokio::net::{TcpListener, TcpStream};
use tonic::{Code, Status};
use tonic_types::pb::{RetryInfo, Status as RpcStatus};
use tower::ServiceExt;

/// A sessiond for all tests that run at the same time. The last one stops it.
pub async fn sessiond() -> Arc<TestSessiond> {
    static SHARED: Mutex<Weak<TestSessiond>> = Mutex::new(Weak::new());
    let start = || {
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let sessiond = TestSessiond::start_blocking(&TestOptions::default()).unwrap();
            let sessiond = Arc::new(sessiond);
            *shared = Arc::downgrade(&sessiond);
            sessiond
        })
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// A call that a scripted server has got.
#[derive(Clone)]
pub struct Call {
    pub rpc: String,
    pub headers: HeaderMap,
    message: Bytes,
}

impl Call {
    /// The request.
    pub fn message<M: Message + Default>(&self) -> M {
        M::decode(&self.message[5..]).unwrap()
    }
}

#[derive(Clone)]
pub enum Reply {
    Message(Vec<u8>),
    Status(Status),
    /// With the status in the trailers, after the headers.
    LateStatus(Status),
    Http(StatusCode, &'static str),
    Headers(Vec<(&'static str, &'static str)>),
    /// No reply at all.
    Hang,
}

/// A gRPC server that sends one reply after the other, and repeats the last one.
pub struct Scripted {
    pub url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Scripted {
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let replies: Arc<Vec<Reply>> = Arc::new(replies.into_iter().collect());
        let recorded = Arc::clone(&calls);
        let answer = move |request: Request| {
            let (calls, replies) = (Arc::clone(&recorded), Arc::clone(&replies));
            async move {
                let (parts, body) = request.into_parts();
                let message = body.collect().await.unwrap().to_bytes();
                let rpc = parts.uri.path().rsplit('/').next().unwrap().to_owned();
                let call = Call { rpc, headers: parts.headers, message };
                let number = {
                    let mut calls = calls.lock().unwrap();
                    calls.push(call);
                    calls.len()
                };
                respond(replies[number.min(replies.len()) - 1].clone()).await
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, calls }
    }

    pub fn client(&self) -> Client {
        connect(&self.url, ConnectOptions::default()).unwrap()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn respond(reply: Reply) -> Response {
    let grpc = || Response::builder().header("content-type", "application/grpc");
    match reply {
        Reply::Message(message) => {
            let trailers = HeaderMap::from_iter([status_header("0")]);
            grpc().body(with_trailers(frame(&message), trailers)).unwrap()
        }
        Reply::Status(status) => status.into_http(),
        Reply::LateStatus(status) => {
            let mut trailers = HeaderMap::new();
            status.add_header(&mut trailers).unwrap();
            grpc().body(with_trailers(Vec::new(), trailers)).unwrap()
        }
        Reply::Http(status, text) => {
            Response::builder().status(status).body(Body::from(text)).unwrap()
        }
        Reply::Headers(headers) => {
            let response = headers
                .into_iter()
                .fold(grpc(), |response, (name, value)| response.header(name, value));
            response.body(Body::empty()).unwrap()
        }
        Reply::Hang => std::future::pending().await,
    }
}

fn status_header(code: &'static str) -> (http::HeaderName, http::HeaderValue) {
    (http::HeaderName::from_static("grpc-status"), http::HeaderValue::from_static(code))
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

fn with_trailers(data: Vec<u8>, trailers: HeaderMap) -> Body {
    Body::new(Full::new(Bytes::from(data)).with_trailers(std::future::ready(Some(Ok(trailers)))))
}

/// The answer to a Validate of the user `alice`.
pub fn alice() -> Reply {
    let session = Session { actor_id: "alice".to_owned(), ..Default::default() };
    let response = ValidateResponse { session: Some(session), ..Default::default() };
    Reply::Message(response.encode_to_vec())
}

/// A status with sessiond's detail and, if there is a delay, with a RetryInfo.
pub fn failure(code: Code, reason: i32, http_status: u32, delay_ms: Option<i32>) -> Status {
    let any = |name: &str, value: Vec<u8>| prost_types::Any {
        type_url: format!("type.googleapis.com/{name}"),
        value,
    };
    let detail = ErrorDetail { reason, http_status, ..Default::default() };
    let mut details = vec![any("sessiond.v1.ErrorDetail", detail.encode_to_vec())];
    if let Some(ms) = delay_ms {
        let delay = prost_types::Duration { seconds: 0, nanos: ms * 1_000_000 };
        let info = RetryInfo { retry_delay: Some(delay) };
        details.push(any("google.rpc.RetryInfo", info.encode_to_vec()));
    }
    let status = RpcStatus { details, ..Default::default() };
    Status::with_details(code, "scripted", status.encode_to_vec().into())
}

/// A TCP server that treats each connection in this way. Returns its address.
pub async fn tcp_server<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    address
}

/// An address that nobody listens at.
pub async fn closed_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

/// An application, and a browser that keeps its cookies.
pub struct Browser {
    app: Router,
    pub cookies: BTreeMap<String, String>,
}

pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

impl Browser {
    pub fn new(app: Router) -> Self {
        Self { app, cookies: BTreeMap::new() }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send(request(Method::GET, path)).await
    }

    pub async fn post_form(&mut self, path: &str, form: &str) -> Page {
        let mut request = request(Method::POST, path).map(|_| Body::from(form.to_owned()));
        let content_type = "application/x-www-form-urlencoded; charset=utf-8";
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        self.send(request).await
    }

    pub async fn send(&mut self, mut request: Request) -> Page {
        if !self.cookies.is_empty() && !request.headers().contains_key(COOKIE) {
            let pairs: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.headers_mut().insert(COOKIE, pairs.join("; ").parse().unwrap());
        }
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let page = Page {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        };
        for header in page.set_cookies() {
            let (name, rest) = header.split_once('=').unwrap();
            match rest.split(';').next().unwrap() {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        page
    }
}

pub fn request(method: Method, path: &str) -> Request {
    http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}
