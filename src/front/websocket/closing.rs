//! How a WebSocket ends.
//!
//! | code | after |
//! |---|---|
//! | 1000 | a status, whatever it says |
//! | 1001 | the gateway shuts down |
//! | 1002 | bytes that are no WebSocket, or messages that are none of the subprotocol |
//! | 1003 | text for bytes, or bytes for text |
//! | 1007 | text that is not UTF-8 |
//! | 1008 | no first message in time |
//! | 1009 | a message over the limit |
//! | 1011 | an answer that broke off inside a message |
//!
//! A socket that is closed with bytes unread resets the connection, and the client loses what it had yet to read: so
//! the close frame is followed by reading, to the client's own close frame or the end, for a few seconds.

use std::{borrow::Cow, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tonic::Code;

use super::intake::Fault;
use crate::call::{CallError, reason};

/// A close code and the reason beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    code: CloseCode,
    reason: Cow<'static, str>,
}

/// What a client did wrong: the status that it is told, and what the socket closes with.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) closing: Closing,
    pub(super) error: CallError,
}

impl Closing {
    /// After a status.
    pub(super) fn done() -> Self {
        Self { code: CloseCode::Normal, reason: "".into() }
    }

    /// At the end of the gateway.
    pub(super) fn away() -> Self {
        Self { code: CloseCode::Away, reason: "the gateway is shutting down".into() }
    }

    /// Where no status can be told.
    pub(super) fn torn() -> Self {
        Self { code: CloseCode::Error, reason: "the answer broke off inside a message".into() }
    }

    fn new(code: CloseCode, reason: String) -> Self {
        // A close frame has room for 123 bytes.
        let cut =
            reason.char_indices().map(|(at, _)| at).take_while(|at| *at <= 120).last().unwrap_or_default();
        let reason =
            if reason.len() <= 123 { reason } else { reason.get(..cut).unwrap_or_default().to_owned() };
        Self { code, reason: reason.into() }
    }
}

impl Wrong {
    /// What an error of the WebSocket itself says of the client; `None` for one that is gone.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let (close, code, why) = match error {
            Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
                let why = format!("a message is over the limit of {max_size} bytes (max_request_bytes)");
                (CloseCode::Size, Code::ResourceExhausted, why)
            }
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
            Error::Protocol(error) => (CloseCode::Protocol, Code::Internal, error.to_string()),
            Error::Utf8(_) => (CloseCode::Invalid, Code::InvalidArgument, "expected text in UTF-8".into()),
            _ => return None,
        };
        let reason = if close == CloseCode::Size { reason::MESSAGE_TOO_LARGE } else { reason::BAD_REQUEST };
        Some(Self { error: CallError::refused(code, reason, why.clone()), closing: Closing::new(close, why) })
    }

    /// A client that connected and said nothing.
    pub(super) fn silent(patience: Duration) -> Self {
        let why = format!("the first message did not come within {patience:?}");
        Self {
            error: CallError::refused(Code::DeadlineExceeded, reason::NOT_EXECUTED, why.clone()),
            closing: Closing::new(CloseCode::Policy, why),
        }
    }
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        let close = match &fault {
            Fault::Kind { .. } => CloseCode::Unsupported,
            Fault::Head(_) | Fault::Message(_) => CloseCode::Protocol,
        };
        let why = fault.to_string();
        let error = CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, why.clone());
        Self { error, closing: Closing::new(close, why) }
    }
}

/// Closes a socket, and waits until the client has it too.
pub(super) async fn close<S>(mut socket: WebSocketStream<S>, closing: Closing)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Closing { code, reason } = closing;
    let reason: &str = &reason;
    let frame = CloseFrame { code, reason: reason.into() };
    let handshake = async {
        socket.send(Message::Close(Some(frame))).await?;
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
        Ok::<_, Error>(())
    };
    if matches!(tokio::time::timeout(PATIENCE, handshake).await, Ok(Ok(()))) {
        end(socket).await;
    }
}

/// Answers the close frame of a client, if it sent one and is there to read it.
pub(super) async fn answer<S>(mut socket: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let read = async { while socket.next().await.is_some_and(|message| message.is_ok()) {} };
    if tokio::time::timeout(PATIENCE, read).await.is_ok() {
        end(socket).await;
    }
}

/// Ends the transport: no more is written, and what the client still sent is read past, within bounds.
async fn end<S>(mut socket: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let transport = socket.get_mut();
    let drained = async {
        transport.shutdown().await?;
        let mut past = vec![0; 4 << 10];
        let mut left = MOST_PAST;
        while left > 0 {
            match transport.read(&mut past).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(PATIENCE, drained).await;
}

/// How long a client may take to close its side.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that are read past for a client that still sends.
const MOST_PAST: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_a_control_frame() {
        for (text, bytes) in [("x".repeat(123), 123), ("x".repeat(124), 120), ("ż".repeat(100), 120)] {
            assert_eq!(Closing::new(CloseCode::Protocol, text).reason.len(), bytes);
        }
    }
}
