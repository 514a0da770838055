//! The way to ask one endpoint.

use std::future::Future;

use futures_core::Stream;
use futures_util::stream;
use tokio::time::Instant;
use tonic::Streaming;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use super::Finding;
use crate::{call::Kind, config::HealthCheck, upstream::direct::Direct};

/// The way to ask one endpoint, over one connection at a time.
pub(super) trait Line: Send {
    /// Waits for a connection and takes it.
    fn connected(&mut self) -> impl Future<Output = ()> + Send;

    /// Waits until the connection that was taken takes no further call.
    fn gone(&self) -> impl Future<Output = ()> + Send;

    /// Whether any connection to the endpoint is left.
    fn is_connected(&self) -> bool;

    /// Asks once; answers within the timeout of the configuration.
    fn check(&self) -> impl Future<Output = Finding> + Send;

    /// Asks for all that will be; the last finding says why there are no more.
    fn watch(&self) -> impl Stream<Item = Finding> + Send;
}

/// That of an endpoint over the network.
pub(super) struct DataLine {
    direct: Direct,
    config: HealthCheck,
}

impl DataLine {
    pub(super) fn new(direct: Direct, config: HealthCheck) -> Self {
        Self { direct, config }
    }

    fn question(&self) -> HealthCheckRequest {
        HealthCheckRequest { service: self.config.service_name.clone() }
    }

    async fn open(&self) -> Result<Streaming<HealthCheckResponse>, Finding> {
        let call = self.direct.call(Kind::ServerStream, None, false).ok_or(Finding::Busy)?;
        let answer = HealthClient::new(call).watch(self.question()).await;
        answer.map(tonic::Response::into_inner).map_err(|status| Finding::of_watch(&status))
    }
}

impl Line for DataLine {
    async fn connected(&mut self) {
        self.direct.connected().await;
    }

    async fn gone(&self) {
        self.direct.gone().await;
    }

    fn is_connected(&self) -> bool {
        self.direct.is_connected()
    }

    async fn check(&self) -> Finding {
        let deadline = Instant::now() + self.config.timeout;
        let Some(call) = self.direct.call(Kind::Unary, Some(deadline), true) else { return Finding::Busy };
        let mut client = HealthClient::new(call);
        match tokio::time::timeout_at(deadline, client.check(self.question())).await {
            Ok(Ok(answer)) => Finding::of(answer.into_inner().status()),
            Ok(Err(status)) if status.code() == tonic::Code::DeadlineExceeded => Finding::TimedOut,
            Ok(Err(status)) => Finding::of_check(&status),
            Err(_) => Finding::TimedOut,
        }
    }

    fn watch(&self) -> impl Stream<Item = Finding> + Send {
        stream::unfold(Watching::Unasked, async |state| {
            let mut stream = match state {
                Watching::Unasked => match self.open().await {
                    Ok(stream) => stream,
                    Err(finding) => return Some((finding, Watching::Over)),
                },
                Watching::Asked(stream) => stream,
                Watching::Over => return None,
            };
            Some(match stream.message().await {
                Ok(Some(answer)) => (Finding::of(answer.status()), Watching::Asked(stream)),
                Ok(None) => (Finding::Failed("it ended the watch".into()), Watching::Over),
                Err(status) => (Finding::of_watch(&status), Watching::Over),
            })
        })
    }
}

#[expect(clippy::large_enum_variant, reason = "one at a time per endpoint")]
enum Watching {
    Unasked,
    Asked(Streaming<HealthCheckResponse>),
    Over,
}
