//! The backend over loopback, by the clients that its protos generate.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use crate::demo::proto::ecommerce::v1::diagnostics_service_client::DiagnosticsServiceClient;
use crate::demo::proto::ecommerce::v1::order_service_client::OrderServiceClient;
use crate::demo::proto::ecommerce::v1::{CallStats, StatsRequest};
use crate::demo::{BackendError, BackendOptions, serve};

mod descriptors;
mod diagnostics;
mod discovery;
mod lifecycle;
mod orders;
mod web;

/// A backend that runs, and a connection to it.
struct Backend {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), BackendError>>,
    channel: Channel,
}

impl Backend {
    async fn start() -> Self {
        Self::start_with(BackendOptions { name: "one".to_owned(), reflection: true }).await
    }

    async fn start_with(options: BackendOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, options, async {
            stopped.await.ok();
        }));
        let channel = connect(address).await;
        Self { address, stop, task, channel }
    }

    fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel.clone())
    }

    fn diagnostics(&self) -> DiagnosticsServiceClient<Channel> {
        DiagnosticsServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    /// The counters of a method once `reached` holds, which has to be soon.
    async fn stats(&self, method: &str, reached: impl Fn(&CallStats) -> bool) -> CallStats {
        let mut client = self.diagnostics();
        let mut last = CallStats::default();
        let wait = async {
            loop {
                let stats = client.stats(StatsRequest {}).await.unwrap().into_inner();
                last = stats.methods.get(&format!("ecommerce.v1.{method}")).copied().unwrap_or_default();
                if reached(&last) {
                    return;
                }
            }
        };
        let in_time = timeout(Duration::from_secs(5), wait).await.is_ok();
        assert!(in_time, "{method} stays at {last:?}");
        last
    }
}

async fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        // With less, h2 takes a fast stream of tiny frames for an attack and closes the connection.
        .initial_connection_window_size(64 << 20)
        .connect()
        .await
        .unwrap()
}

/// The fields that the `BadRequest` of a status names.
fn fields(status: &Status) -> Vec<String> {
    let bad_request = status.get_details_bad_request().expect("a BadRequest");
    bad_request.field_violations.into_iter().map(|violation| violation.field).collect()
}
