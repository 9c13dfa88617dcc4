//! The test support itself.

use sessiond_client::testing::{TestOptions, TestSessiond};
use tonic::Code;

#[tokio::test]
async fn it_starts_with_settings_and_stops() {
    let options = TestOptions::default().cookie_secure(false);
    let mut sessiond = TestSessiond::start(options).await.unwrap();
    let (parts, ()) = http::Request::new(()).into_parts();
    let sessions = sessiond_client::axum::Sessions::new(sessiond.client());
    let form = sessions.start_login(&parts).await.unwrap();
    let names: Vec<_> = form
        .cookies
        .values()
        .map(|value| value.to_str().unwrap().split('=').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["prelogin", "csrf"]);

    let mut client = sessiond.client();
    sessiond.stop().unwrap();
    sessiond.stop().unwrap();
    let status = client.garbage_collect(sessiond_client::v1::GarbageCollectRequest {}).await;
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_failed_start_says_why() {
    let options = TestOptions::default().setting("SESSIOND_IDLE_TIMEOUT", "soon");
    let error = TestSessiond::start(options).await.unwrap_err().to_string();
    assert!(error.contains("SESSIOND_IDLE_TIMEOUT"), "{error}");

    let options = TestOptions::default().command(["/nonexistent/sessiond"]);
    let error = TestSessiond::start(options).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/sessiond cannot be started"), "{error}");
}
