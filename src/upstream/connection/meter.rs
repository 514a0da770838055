//! Reads along what a peer sends: frame headers, and nothing of what they hold.
//!
//! `h2` keeps to itself when a peer was last heard, and of what. Here nine bytes of each frame are looked at as they
//! pass, without a clock, a lock or a copy:
//!
//! | seen | told to |
//! |---|---|
//! | any bytes | [`Meter::bytes`]: the peer lives |
//! | HEADERS, DATA | [`Meter::answers`]: to a gRPC server this is what excuses a client's pings (gRFC A8) |
//! | the id of those | [`Meter::seen`]: the peer has read the head of every stream up to it |
//! | acknowledged SETTINGS | [`Meter::settled`]: the peer has read all that was sent before them |
//! | frames that carry no call | a flood of them ends the connection |

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A transport whose reads are counted.
#[derive(Debug)]
pub(super) struct Metered<T> {
    transport: T,
    meter: Arc<Meter>,
    scan: Scan,
    flood: Flood,
}

/// What a peer has been heard of. One task writes it, so that plain loads and stores do.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    answers: AtomicU64,
    seen: AtomicU32,
    settled: AtomicU32,
    window: AtomicU32,
    first: AtomicU32,
    alert: OnceLock<rustls::Error>,
}

/// Where in the sequence of frames the next byte stands.
#[derive(Debug, Default)]
struct Scan {
    head: [u8; FRAME_HEAD],
    /// How much of `head` is there.
    have: usize,
    /// How much of the payload is yet to come.
    payload: usize,
}

/// Frames of the present window of time that carry no call.
#[derive(Debug, Default)]
struct Flood {
    window: u32,
    /// PING and SETTINGS, each of which has to be answered.
    asks: u64,
    /// The others: WINDOW_UPDATE, RST_STREAM, PRIORITY, and what nobody knows.
    others: u64,
    written: u64,
}

impl Meter {
    /// Grows with every read that brought something.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// HEADERS and DATA frames received.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Relaxed)
    }

    /// The highest stream that a part of an answer has come on.
    pub(super) fn seen(&self) -> u32 {
        self.seen.load(Relaxed)
    }

    /// SETTINGS that the peer has acknowledged.
    pub(super) fn settled(&self) -> u32 {
        self.settled.load(Relaxed)
    }

    /// A window of time is over: what is a flood is counted anew.
    pub(super) fn turn(&self) {
        self.window.store(self.window.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Whether what came first was a record of TLS.
    pub(super) fn is_tls(&self) -> bool {
        // An alert or a handshake, then the major version.
        matches!(self.first.load(Relaxed).to_be_bytes(), [0x15 | 0x16, 0x03, ..])
    }

    /// Whether what came first was an answer of HTTP/1.
    pub(super) fn is_http1(&self) -> bool {
        &self.first.load(Relaxed).to_be_bytes() == b"HTTP"
    }

    /// What TLS made of what was read; `h2` keeps no more than the text of it.
    pub(super) fn alert(&self) -> Option<&rustls::Error> {
        self.alert.get()
    }

    fn add(counter: &AtomicU64, more: u64) {
        counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
    }
}

impl<T> Metered<T> {
    pub(super) fn new(transport: T) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        let scan = Scan::default();
        (Self { transport, meter: Arc::clone(&meter), scan, flood: Flood::default() }, meter)
    }

    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.meter.bytes() == 0 {
            let mut first = [0; 4];
            first.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
            self.meter.first.store(u32::from_be_bytes(first), Relaxed);
        }
        Meter::add(&self.meter.bytes, bytes.len() as u64);
        let window = self.meter.window.load(Relaxed);
        if self.flood.window != window {
            self.flood = Flood { window, ..Flood::default() };
        }
        while let Some(head) = self.scan.next(&mut bytes) {
            self.frame(head)?;
        }
        Ok(())
    }

    fn frame(&mut self, head: [u8; FRAME_HEAD]) -> io::Result<()> {
        let [_, _, _, kind, flags, id @ ..] = head;
        match kind {
            DATA | HEADERS => {
                Meter::add(&self.meter.answers, 1);
                let id = u32::from_be_bytes(id) & !RESERVED;
                if id > self.meter.seen.load(Relaxed) {
                    self.meter.seen.store(id, Relaxed);
                }
                return Ok(());
            }
            SETTINGS | PING if flags & ACK != 0 => {
                if kind == SETTINGS {
                    self.meter.settled.store(self.meter.settled.load(Relaxed).wrapping_add(1), Relaxed);
                }
                return Ok(());
            }
            SETTINGS | PING => self.flood.asks += 1,
            _ => self.flood.others += 1,
        }
        self.flood.check()
    }
}

impl Scan {
    /// The head of the next frame that begins in `bytes`, whole; `bytes` is left at what follows it.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<[u8; FRAME_HEAD]> {
        let skip = self.payload.min(bytes.len());
        self.payload -= skip;
        *bytes = bytes.get(skip..)?;
        let missing = self.head.get_mut(self.have..)?;
        let take = missing.len().min(bytes.len());
        let (taken, rest) = bytes.split_at(take);
        missing.get_mut(..take)?.copy_from_slice(taken);
        *bytes = rest;
        self.have += take;
        if self.have < FRAME_HEAD {
            return None;
        }
        self.have = 0;
        let [a, b, c, ..] = self.head;
        self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(self.head)
    }
}

impl Flood {
    /// A peer may send more the more it is sent: each credit and each probe of bandwidth follows DATA of ours.
    ///
    /// PINGs that are answered count as sent as well; 17 bytes of answer must not pay for the next question.
    fn check(&self) -> io::Result<()> {
        let (what, is_flood) = if self.asks > UNASKED + self.written / 32 {
            ("PING and SETTINGS", true)
        } else {
            ("frames that belong to no call", self.others > UNASKED + self.written / 4)
        };
        if is_flood {
            return Err(io::Error::other(format!("the backend sent more than {UNASKED} {what} at a time")));
        }
        Ok(())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Err(error) = ready!(Pin::new(&mut self.transport).poll_read(cx, buffer)) {
            if let Some(alert) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
                let _ = self.meter.alert.set(alert.clone());
            }
            return Poll::Ready(Err(error));
        }
        Poll::Ready(self.take(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.transport).poll_write(cx, bytes))?;
        self.flood.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.transport).poll_write_vectored(cx, slices))?;
        self.flood.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const RESERVED: u32 = 1 << 31;

/// Frames without a call that a peer may send at a time and unasked; Envoy ends a connection at as many that it has to
/// answer.
const UNASKED: u64 = 10_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, id: u32, payload: usize) -> Vec<u8> {
        let mut frame = u32::try_from(payload).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(id.to_be_bytes());
        // As if they were frames themselves.
        frame.extend(std::iter::repeat_n(1, payload));
        frame
    }

    fn read(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> (u64, u64, u32, u32) {
        let (mut metered, meter) = Metered::new(());
        let mut rest = bytes;
        for cut in cuts {
            let (taken, left) = rest.split_at(cut.min(rest.len()));
            metered.take(taken).unwrap();
            rest = left;
        }
        metered.take(rest).unwrap();
        (meter.bytes(), meter.answers(), meter.seen(), meter.settled())
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(cuts in prop::collection::vec(0usize..20, 0..60)) {
            let frames = [
                frame(SETTINGS, 0, 0, 18),
                frame(SETTINGS, ACK, 0, 0),
                frame(HEADERS, 4, 7, 40),
                frame(DATA, 0, 7, 300),
                frame(PING, ACK, 0, 8),
                frame(DATA, 1, RESERVED | 5, 0),
                frame(8, 0, 9, 4),
            ]
            .concat();
            prop_assert_eq!(read(&frames, cuts), (frames.len() as u64, 3, 7, 1));
        }
    }

    #[test]
    fn a_flood_is_more_than_a_window_of_time_holds() {
        for (kind, per) in [(PING, 32), (SETTINGS, 32), (3, 4), (8, 4), (0xfa, 4)] {
            let (mut metered, meter) = Metered::new(());
            let one = frame(kind, 0, 0, 0);
            let most = usize::try_from(UNASKED).unwrap();
            metered.take(&one.repeat(most)).unwrap();
            assert!(metered.take(&one).is_err(), "{kind}");
            meter.turn();
            metered.take(&one.repeat(most)).unwrap();
            metered.flood.written = per;
            metered.take(&one).unwrap();
            assert!(metered.take(&one).is_err(), "{kind}");
        }
    }

    #[test]
    fn answers_are_no_flood() {
        let (mut metered, _) = Metered::new(());
        metered.take(&frame(DATA, 0, 1, 5).repeat(100_000)).unwrap();
    }

    #[test]
    fn other_protocols_are_told_apart() {
        let check = |bytes: &[u8], tls, http1| {
            let (mut metered, meter) = Metered::new(());
            metered.take(bytes).unwrap();
            assert_eq!((meter.is_tls(), meter.is_http1()), (tls, http1));
        };
        check(&[0x15, 3, 3, 0, 2, 2, 70, 0, 0], true, false);
        check(b"HTTP/1.1 400 Bad Request\r\n", false, true);
        check(&frame(SETTINGS, 0, 0, 0), false, false);
    }
}
