//! The server under test, as the runner starts it: a gateway with a reference server behind it.
//!
//! ```text
//! runner --ServerCompatRequest--> this --ServerCompatRequest{gRPC, HTTP/2}--> reference server
//!        <-ServerCompatResponse--      <-ServerCompatResponse--
//! ```
//!
//! Each message stands behind its length as four bytes, on standard input and output
//! (`connectrpc/conformance/v1/server_compat.proto`). The runner ends it with SIGTERM.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use prost::Message;
use tokio::signal::unix::{SignalKind, signal};

use crate::program::Program;

/// Serves until SIGTERM, with the program `backend` of the folder `peers` behind the gateway.
pub(crate) fn run(peers: &Path, backend: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Caught from here on, so that no child outlives this process.
        let mut stop = signal(SignalKind::terminate())?;
        let request: Request = read(&mut io::stdin().lock())?;
        let (_backend, upstream) = Backend::start(&peers.join(backend), request.message_receive_limit)?;
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("edgeway.yaml");
        let descriptors = peers.join("conformance.binpb");
        fs::write(&config, configuration(&upstream, &descriptors, request.message_receive_limit))?;
        let config = config.to_str().ok_or_else(|| io::Error::other("the temporary folder is not text"))?;
        let gateway = Program::start(&["run", "--config", config]);
        let (host, port) = gateway.address.rsplit_once(':').unwrap_or_default();
        let port = port.parse().map_err(io::Error::other)?;
        write(&mut io::stdout().lock(), &Response { host: host.into(), port, pem_cert: Vec::new() })?;
        stop.recv().await;
        // What the gateway said belongs to a case that failed; the runner shows it in that case.
        eprint!("{}", gateway.log());
        Ok(())
    })
}

/// `timeout: none`, since the suite fails a timeout that arrives at the backend and was not the client's.
fn configuration(upstream: &str, descriptors: &Path, limit: u32) -> String {
    format!(
        "listen: 127.0.0.1:0
admin: {{ address: 127.0.0.1:0 }}
runtime: {{ worker_threads: 1 }}
clusters:
  backend:
    target: ipv4:{upstream}
    descriptors: {{ protosets: ['{}'], reflection: never }}
policies:
  - selector: '*'
    timeout: none
    max_request_bytes: {limit}
",
        descriptors.display()
    )
}

/// A reference server, killed when it is dropped.
struct Backend(Child);

impl Backend {
    /// Starts it for gRPC; where it listens.
    fn start(program: &Path, limit: u32) -> io::Result<(Self, String)> {
        let child = Command::new(program)
            .args(["-bind", "127.0.0.1", "-port", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
        let mut backend = Self(child);
        let request = Request {
            protocol: GRPC,
            http_version: HTTP_2,
            message_receive_limit: limit,
            ..Request::default()
        };
        if let Some(mut stdin) = backend.0.stdin.take() {
            write(&mut stdin, &request)?;
        }
        let stdout = backend.0.stdout.as_mut().ok_or_else(|| io::Error::other("standard output is piped"))?;
        let answer: Response = read(stdout)?;
        let address = format!("{}:{}", answer.host, answer.port);
        Ok((backend, address))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read<M: Message + Default>(input: &mut impl Read) -> io::Result<M> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length.min(MOST)];
    input.read_exact(&mut bytes)?;
    M::decode(&*bytes).map_err(io::Error::other)
}

fn write(output: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let bytes = message.encode_to_vec();
    output.write_all(&u32::try_from(bytes.len()).map_err(io::Error::other)?.to_be_bytes())?;
    output.write_all(&bytes)?;
    output.flush()
}

/// `connectrpc.conformance.v1.ServerCompatRequest`, without TLS.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(int32, tag = "1")]
    protocol: i32,
    #[prost(int32, tag = "2")]
    http_version: i32,
    #[prost(bool, tag = "4")]
    use_tls: bool,
    #[prost(uint32, tag = "6")]
    message_receive_limit: u32,
}

/// `connectrpc.conformance.v1.ServerCompatResponse`.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(uint32, tag = "2")]
    port: u32,
    #[prost(bytes = "vec", tag = "3")]
    pem_cert: Vec<u8>,
}

/// `connectrpc.conformance.v1.Protocol`, `HTTPVersion`.
const GRPC: i32 = 2;
const HTTP_2: i32 = 2;

/// No message here is nearly as long.
const MOST: usize = 1 << 20;
