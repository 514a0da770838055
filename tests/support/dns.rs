//! A DNS server whose answers the test changes while it runs.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use hickory_proto::{
    op::{Message, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::watch,
    task::JoinHandle,
};

/// The server; it stops answering when it is dropped.
pub struct Dns {
    /// Where it answers, over UDP and TCP alike.
    pub address: SocketAddr,
    served: Arc<Served>,
    tasks: [JoinHandle<()>; 2],
}

/// What the server says: about any name, where it is no zone.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These addresses, with a TTL that nobody could wait for.
    Addresses(Vec<Ipv4Addr>),
    /// These addresses by TCP; by UDP that the answer is too long for it.
    OnlyByTcp(Vec<Ipv4Addr>),
    /// No such name.
    NxDomain,
    /// That it cannot say.
    ServFail,
    /// The name exists and has no address.
    Empty,
    /// Nothing at all.
    Silence,
    /// These records, each for its own name and type.
    Zone(Zone),
}

/// Records, by name and type. A name that has none does not exist.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: Vec<Record>,
    /// Whether the addresses of an SRV record's host come with it.
    glue: bool,
    /// The type that the server cannot say anything of.
    failing: Option<RecordType>,
    /// Whether UDP is too short for it.
    only_by_tcp: bool,
}

impl Zone {
    /// With one more record, `name` in full with its last dot.
    #[must_use]
    pub fn with(mut self, name: &str, ttl: u32, data: RData) -> Self {
        self.records.push(Record::from_rdata(Name::from_ascii(name).expect("a name"), ttl, data));
        self
    }

    /// With the addresses of hosts beside their SRV records.
    #[must_use]
    pub fn with_glue(mut self) -> Self {
        self.glue = true;
        self
    }

    /// Saying SERVFAIL to every question for records of this type.
    #[must_use]
    pub fn failing(mut self, kind: RecordType) -> Self {
        self.failing = Some(kind);
        self
    }

    /// Saying by UDP that the answer is too long for it.
    #[must_use]
    pub fn only_by_tcp(mut self) -> Self {
        self.only_by_tcp = true;
        self
    }

    fn fill(&self, message: &mut Message, query: &Query, by_udp: bool) {
        if self.failing == Some(query.query_type()) {
            message.metadata.response_code = ResponseCode::ServFail;
            return;
        }
        if self.of(query.name()).next().is_none() {
            message.metadata.response_code = ResponseCode::NXDomain;
            return;
        }
        if self.only_by_tcp && by_udp {
            message.metadata.truncation = true;
            return;
        }
        for record in self.of(query.name()).filter(|record| record.record_type() == query.query_type()) {
            if let RData::SRV(srv) = &record.data
                && self.glue
            {
                message.add_additionals(self.of(&srv.target).cloned());
            }
            message.add_answer(record.clone());
        }
    }

    fn of(&self, name: &Name) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.name == *name)
    }
}

struct Served {
    answer: watch::Sender<Answer>,
    asked: AtomicUsize,
}

impl Dns {
    pub async fn start(answer: Answer) -> Self {
        let served = Arc::new(Served { answer: watch::Sender::new(answer), asked: AtomicUsize::new(0) });
        // The TCP port of the same number may be taken: then another pair is tried.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a UDP port is free");
            let address = udp.local_addr().expect("a bound socket has an address");
            if let Ok(tcp) = TcpListener::bind(address).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("a bound socket has an address");
        let tasks = [
            tokio::spawn(serve_udp(udp, Arc::clone(&served))),
            tokio::spawn(serve_tcp(tcp, Arc::clone(&served))),
        ];
        Self { address, served, tasks }
    }

    /// Answers so from here on.
    pub fn set(&self, answer: Answer) {
        self.served.answer.send_replace(answer);
    }

    /// Questions for IPv4 addresses that came since the start, answered or not.
    pub fn asked(&self) -> usize {
        self.served.asked.load(Relaxed)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn serve_udp(socket: UdpSocket, served: Arc<Served>) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        if let Some(answer) = buffer.get(..length).and_then(|question| served.answer(question, true)) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, served: Arc<Served>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_stream(stream, Arc::clone(&served)));
    }
}

/// Messages with two bytes of length before each (RFC 1035 section 4.2.2).
async fn serve_stream(mut stream: TcpStream, served: Arc<Served>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        if let Some(answer) = served.answer(&question, false) {
            let length = u16::try_from(answer.len()).expect("an answer is short");
            let _ = stream.write_u16(length).await;
            let _ = stream.write_all(&answer).await;
        }
    }
}

impl Served {
    fn answer(&self, question: &[u8], by_udp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let for_v4 = query.query_type() == RecordType::A;
        if for_v4 {
            self.asked.fetch_add(1, Relaxed);
        }
        let mut message = Message::response(question.metadata.id, OpCode::Query);
        message.metadata.authoritative = true;
        message.metadata.recursion_available = true;
        let addresses = match self.answer.borrow().clone() {
            Answer::Addresses(addresses) => addresses,
            Answer::OnlyByTcp(_) if by_udp => {
                message.metadata.truncation = true;
                Vec::new()
            }
            Answer::OnlyByTcp(addresses) => addresses,
            Answer::NxDomain => {
                message.metadata.response_code = ResponseCode::NXDomain;
                Vec::new()
            }
            Answer::ServFail => {
                message.metadata.response_code = ResponseCode::ServFail;
                Vec::new()
            }
            Answer::Empty => Vec::new(),
            Answer::Silence => return None,
            Answer::Zone(zone) => {
                zone.fill(&mut message, &query, by_udp);
                Vec::new()
            }
        };
        if for_v4 {
            for address in addresses {
                let data = RData::A(A(address));
                message.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
            }
        }
        message.add_query(query);
        message.to_vec().ok()
    }
}

/// An hour: whoever waits for it has not obeyed `dns_refresh_rate`.
const TTL: u32 = 3600;
