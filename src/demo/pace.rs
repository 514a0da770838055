//! Streams of messages of a size at a pace.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use super::proto::ecommerce::v1::{StreamMessage, StreamRequest};
use super::violations::Violations;

/// What a stream sends, checked.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    count: u32,
    payload: Bytes,
    interval: Duration,
    separate_frames: bool,
}

impl Pace {
    /// Reads `request`. `prefix` stands before its fields in `violations`: empty, or a path that ends in a dot.
    pub(super) fn new(prefix: &str, request: &StreamRequest, violations: &mut Violations) -> Self {
        let mut size = usize::try_from(request.size).unwrap_or(usize::MAX);
        if size > MAX_PAYLOAD {
            violations
                .add(format!("{prefix}size"), format!("expected at most {MAX_PAYLOAD} bytes, found {size}"));
            size = 0;
        }
        Self {
            count: request.count,
            payload: Bytes::from(vec![b'e'; size]),
            interval: violations.duration(&format!("{prefix}interval"), request.interval.as_ref()),
            separate_frames: request.separate_frames,
        }
    }

    /// Sends the messages as they are asked for; none is made before.
    pub(super) fn messages(self) -> impl Stream<Item = StreamMessage> + Send + 'static {
        stream::unfold((self, 0), |(pace, index)| async move {
            if index == pace.count {
                return None;
            }
            if index > 0 {
                if !pace.interval.is_zero() {
                    tokio::time::sleep(pace.interval).await;
                } else if pace.separate_frames {
                    // tonic gathers messages into one DATA frame for as long as the next is ready at once.
                    tokio::task::yield_now().await;
                }
            }
            let message = StreamMessage { index, payload: pace.payload.clone() };
            Some((message, (pace, index + 1)))
        })
    }
}

/// The largest payload of one message: four times what a gateway lets through by default.
const MAX_PAYLOAD: usize = 64 << 20;
