//! A backend that writes HTTP/2 frame by frame, right or wrong.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufWriter},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// The backend; dropped, its connections are cut.
pub struct Raw {
    /// Where it listens.
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// One connection, after the preface and SETTINGS.
pub struct Connection {
    socket: BufWriter<TcpStream>,
    /// What was read and is no whole frame yet.
    read: BytesMut,
    /// What may be sent on a new stream, on the connection, and on each stream that there is.
    initial: i64,
    window: i64,
    windows: HashMap<u32, i64>,
    /// Requests that came while something was sent.
    waiting: Vec<u32>,
}

/// A frame as it stands on the wire.
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Raw {
    /// Listens, and does this with each connection; it is closed when that ends.
    pub async fn start<F, D>(deed: D) -> Self
    where
        D: Fn(Connection) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let (accepted, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (count, gone) = (Arc::clone(&accepted), Arc::clone(&ended));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Relaxed);
                let _ = socket.set_nodelay(true);
                let begun = Connection::begin(BufWriter::with_capacity(64 << 10, socket));
                let begun = tokio::time::timeout(std::time::Duration::from_secs(5), begun).await;
                if let Ok(Ok(connection)) = begun {
                    let (deed, gone) = (deed(connection), Arc::clone(&gone));
                    connections.spawn(async move {
                        let _ = deed.await;
                        gone.fetch_add(1, Relaxed);
                    });
                }
            }
        });
        Self { address, accepted, ended, task }
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Relaxed)
    }

    /// Connections that have ended.
    pub fn ended(&self) -> usize {
        self.ended.load(Relaxed)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    async fn begin(mut socket: BufWriter<TcpStream>) -> io::Result<Self> {
        let mut preface = [0; 24];
        socket.read_exact(&mut preface).await?;
        let window = 65_535;
        let (read, windows) = (BytesMut::new(), HashMap::new());
        let mut connection = Self { socket, read, initial: window, window, windows, waiting: Vec::new() };
        connection.frame(SETTINGS, 0, 0, &[]).await?;
        connection.socket.flush().await?;
        Ok(connection)
    }

    /// Waits for the next request that has come to its end: the id of its stream.
    pub async fn request(&mut self) -> io::Result<u32> {
        loop {
            if !self.waiting.is_empty() {
                return Ok(self.waiting.remove(0));
            }
            self.take().await?;
        }
    }

    /// A request that has come to its end, if there is one that was read with other frames.
    pub fn next_request(&mut self) -> Option<u32> {
        if self.waiting.is_empty() { None } else { Some(self.waiting.remove(0)) }
    }

    /// Writes out what was written so far.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.socket.flush().await
    }

    /// Writes a head or trailers, in a form that no table is needed for.
    pub async fn head(&mut self, stream: u32, headers: &[(&str, &str)], last: bool) -> io::Result<()> {
        let mut block = Vec::new();
        if !last {
            // `:status: 200` of the static table.
            block.push(0x88);
        }
        for (name, value) in headers {
            block.extend(literal(name, value));
        }
        self.frame(HEADERS, END_HEADERS | u8::from(last), stream, &block).await
    }

    /// Writes a head of this block, cut into frames of so many bytes.
    pub async fn block(&mut self, stream: u32, block: &[u8], size: usize) -> io::Result<()> {
        let mut pieces = block.chunks(size).peekable();
        let mut kind = HEADERS;
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            self.frame(kind, flags, stream, piece).await?;
            kind = CONTINUATION;
        }
        Ok(())
    }

    /// Writes one DATA frame as soon as its windows allow it, padded where `pad` is not zero.
    pub async fn data(&mut self, stream: u32, bytes: &[u8], pad: u8) -> io::Result<()> {
        let mut payload = Vec::with_capacity(bytes.len() + 256);
        if pad > 0 {
            payload.push(pad);
        }
        payload.extend_from_slice(bytes);
        payload.resize(payload.len() + usize::from(pad), 0);
        let length = i64::try_from(payload.len()).expect("a frame is short");
        while self.room(stream) < length {
            self.take().await?;
        }
        self.spend(stream, length);
        self.frame(DATA, if pad > 0 { PADDED } else { 0 }, stream, &payload).await
    }

    /// Writes so many DATA frames of these bytes as the windows allow.
    pub async fn fill(&mut self, stream: u32, bytes: &[u8]) -> io::Result<usize> {
        let length = i64::try_from(bytes.len()).expect("a frame is short");
        let mut sent = 0;
        while self.room(stream) >= length {
            self.spend(stream, length);
            self.frame(DATA, 0, stream, bytes).await?;
            sent += 1;
        }
        Ok(sent)
    }

    /// Writes a frame, whatever it says.
    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.socket.write_all(&head).await?;
        self.socket.write_all(payload).await
    }

    /// Reads a frame and does what it asks for; what was written goes out first.
    pub async fn take(&mut self) -> io::Result<Frame> {
        self.socket.flush().await?;
        let frame = self.next().await?;
        self.obey(&frame).await?;
        Ok(frame)
    }

    /// Reads a frame. Dropped before its time, it loses nothing.
    pub async fn next(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.parse() {
                return Ok(frame);
            }
            if self.socket.get_mut().read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn parse(&mut self) -> Option<Frame> {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *self.read.first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).expect("a u32 is a usize here");
        if self.read.len() < 9 + length {
            return None;
        }
        self.read.advance(9);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        Some(Frame { kind, flags, stream, payload: self.read.split_to(length).to_vec() })
    }

    /// Does what a frame asks for.
    pub async fn obey(&mut self, frame: &Frame) -> io::Result<()> {
        let Frame { kind, flags, stream, ref payload } = *frame;
        let number = |bytes: &[u8]| bytes.iter().fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
        match kind {
            DATA | HEADERS => {
                self.windows.entry(stream).or_insert(self.initial);
                if kind == DATA && !payload.is_empty() {
                    let length = u32::try_from(payload.len()).expect("a frame is short");
                    self.frame(WINDOW_UPDATE, 0, 0, &length.to_be_bytes()).await?;
                }
                if flags & END_STREAM != 0 {
                    self.waiting.push(stream);
                }
            }
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks(6) {
                    let (id, value) = setting.split_at(2);
                    if number(id) == INITIAL_WINDOW_SIZE {
                        let more = number(value) - self.initial;
                        self.initial += more;
                        self.windows.values_mut().for_each(|window| *window += more);
                    }
                }
                self.frame(SETTINGS, ACK, 0, &[]).await?;
            }
            PING if flags & ACK == 0 => self.frame(PING, ACK, 0, payload).await?,
            WINDOW_UPDATE if stream == 0 => self.window += number(payload),
            WINDOW_UPDATE => *self.windows.entry(stream).or_insert(self.initial) += number(payload),
            _ => {}
        }
        Ok(())
    }

    fn room(&self, stream: u32) -> i64 {
        self.window.min(self.windows.get(&stream).copied().unwrap_or(self.initial))
    }

    fn spend(&mut self, stream: u32, length: i64) {
        self.window -= length;
        *self.windows.entry(stream).or_insert(self.initial) -= length;
    }
}

/// A header as a literal with a new name, which is not indexed (RFC 7541 section 6.2.2).
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        // An integer with a prefix of 7 bits (section 5.1).
        let mut left = text.len();
        if left < 127 {
            bytes.push(left as u8);
        } else {
            bytes.push(127);
            left -= 127;
            while left >= 128 {
                bytes.push((left % 128) as u8 | 128);
                left /= 128;
            }
            bytes.push(left as u8);
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

const INITIAL_WINDOW_SIZE: i64 = 4;
