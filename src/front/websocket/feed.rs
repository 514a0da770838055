//! Frames from a WebSocket to the body of a call.
//!
//! One buffer of a bounded size, so that a backend that does not read stops its client: no further message is taken
//! from the socket while it is full. It ends by a word and never by being dropped, since a client that vanished has not
//! ended its request.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use parking_lot::Mutex;

use crate::call::CallError;

/// Where frames go in. Dropped before the end was said, it breaks the body off.
#[derive(Debug)]
pub(super) struct Feed(Arc<Mutex<State>>);

/// Where frames come out.
#[derive(Debug)]
pub(super) struct Fed(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    frames: BytesMut,
    end: Option<Result<(), CallError>>,
    /// Nobody reads any more: a backend may answer before it has read its request.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Both ends.
pub(super) fn feed() -> (Feed, Fed) {
    let state = Arc::new(Mutex::new(State::default()));
    (Feed(Arc::clone(&state)), Fed(state))
}

impl Feed {
    /// Waits until a further message may come.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.abandoned || state.frames.len() < MOST {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Adds what `write` writes.
    ///
    /// # Errors
    /// Those of `write`.
    pub(super) fn put<E>(&self, write: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> Result<(), E> {
        let mut state = self.0.lock();
        let written = write(&mut state.frames);
        if state.abandoned {
            state.frames.clear();
        }
        state.wake_reader();
        written
    }

    /// Ends the body.
    pub(super) fn end(&self, end: Result<(), CallError>) {
        let mut state = self.0.lock();
        state.end.get_or_insert(end);
        state.wake_reader();
    }

    /// Whether nobody reads any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.0.lock().abandoned
    }
}

impl State {
    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end(Err(CallError::client_gone()));
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.abandoned = true;
        state.frames = BytesMut::new();
        state.wake_writer();
    }
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let mut state = self.0.lock();
        // What came before an error goes first.
        if !state.frames.is_empty() {
            let frames = state.frames.split().freeze();
            state.wake_writer();
            return Poll::Ready(Some(Ok(Frame::data(frames))));
        }
        match &mut state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(end @ Err(_)) => {
                let end = std::mem::replace(end, Ok(()));
                Poll::Ready(end.err().map(Err))
            }
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// What waits for a backend besides the last message: one stream window.
const MOST: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::poll_fn};

    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;

    fn put(feed: &Feed, bytes: &[u8]) {
        let written: Result<(), Infallible> = feed.put(|out| {
            out.extend_from_slice(bytes);
            Ok(())
        });
        written.unwrap();
    }

    fn has_room(feed: &Feed) -> bool {
        poll_fn(|cx| feed.poll_room(cx)).now_or_never().is_some()
    }

    #[tokio::test]
    async fn it_is_full_at_its_bound_until_it_is_read() {
        let (feed, mut fed) = feed();
        put(&feed, &vec![0; MOST - 1]);
        assert!(has_room(&feed));
        put(&feed, &[0]);
        assert!(!has_room(&feed));
        let frame = fed.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap().len(), MOST);
        assert!(has_room(&feed));
    }

    #[tokio::test]
    async fn what_is_dropped_without_an_end_broke_off() {
        let (feed, mut fed) = feed();
        put(&feed, b"x");
        drop(feed);
        assert_eq!(fed.frame().await.unwrap().unwrap().into_data().unwrap(), "x");
        assert!(fed.frame().await.unwrap().is_err());
        assert!(fed.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_end_is_an_end() {
        let (feed, mut fed) = feed();
        feed.end(Ok(()));
        drop(feed);
        assert!(fed.frame().await.is_none());
    }

    #[test]
    fn nobody_waits_for_one_who_reads_no_more() {
        let (feed, fed) = feed();
        put(&feed, &vec![0; MOST]);
        assert!(!has_room(&feed));
        drop(fed);
        assert!(has_room(&feed) && feed.is_abandoned());
    }
}
