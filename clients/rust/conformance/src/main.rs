//! The conformance runner: a process with two listeners, one that makes the calls that the driver asks
//! for, and one with an application that uses the middleware as a user would.

mod app;
mod calls;

use std::net::SocketAddr;

use axum::Router;
use serde_json::json;
use sessiond_client::{ConnectOptions, connect};
use tokio::io::{AsyncReadExt, stdin};
use tokio::net::TcpListener;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let url = std::env::var("SESSIOND_URL").map_err(|_| "SESSIOND_URL must be set")?;
    let client = connect(&url, ConnectOptions::default())?;
    let calls = serve(calls::router(url)?).await?;
    let app = serve(app::router(client)).await?;
    println!("{}", json!({"calls": {"rust-tonic": calls}, "apps": {"axum": app}}));
    stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

/// Serves on a free port until the process ends. Returns the URL.
async fn serve(router: Router) -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(format!("http://{address}"))
}
