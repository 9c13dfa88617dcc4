//! Reads the beginning of a body without taking it from the handler.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

/// Reads a body whole, and replaces it by one with the same bytes. Returns `None` if it is larger than
/// the limit or breaks off.
pub(super) async fn read(body: &mut Body, limit: usize) -> Option<Bytes> {
    let mut rest = std::mem::take(body);
    let mut start = Vec::new();
    let mut failure = None;
    while start.len() <= limit && failure.is_none() {
        match rest.frame().await {
            Some(Ok(frame)) => start.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            Some(Err(error)) => failure = Some(error),
            None => {
                let bytes = Bytes::from(start);
                *body = Body::from(bytes.clone());
                return Some(bytes);
            }
        }
    }
    *body = Body::new(Joined { start: Some(start.into()), failure, rest });
    None
}

/// The bytes that have been read, then what came of reading on.
struct Joined {
    start: Option<Bytes>,
    failure: Option<axum::Error>,
    rest: Body,
}

impl http_body::Body for Joined {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Some(Ok(Frame::data(start))));
        }
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
