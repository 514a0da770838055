//! One stream of load reports per endpoint (`xds.service.orca.v3.OpenRcaService`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::uri::PathAndQuery;
use prost::Message;
use tokio::time::Instant;
use tonic::{Code, Status, client::Grpc};
use tonic_prost::ProstCodec;

use super::report::OrcaLoadReport;
use crate::{
    call::Kind,
    config::WeightedRoundRobin,
    upstream::{backoff::Backoff, cluster::Cluster, direct::Direct, endpoint::Endpoint},
};

/// Asks one endpoint for reports, over one connection after the other.
pub(super) struct Watch {
    pub(super) cluster: Arc<Cluster>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) config: WeightedRoundRobin,
    /// Whether the log says already that there is nobody to ask.
    pub(super) unimplemented: Arc<AtomicBool>,
}

/// `xds.service.orca.v3.OrcaLoadReportRequest`, without the names of request costs.
#[derive(Clone, PartialEq, Message)]
struct OrcaLoadReportRequest {
    /// How often the server is to report; it may have a least interval of its own.
    #[prost(message, optional, tag = "1")]
    report_interval: Option<prost_types::Duration>,
}

/// How a stream of reports has ended.
struct Ended {
    /// Whether there was a report.
    heard: bool,
    why: Option<Status>,
}

impl Watch {
    pub(super) async fn run(self, mut direct: Direct, mut rng: fastrand::Rng) {
        loop {
            direct.connected().await;
            // A GOAWAY ends the stream at once: the new connection is asked instead.
            tokio::select! {
                () = direct.gone() => {}
                () = self.follow(&direct, &mut rng) => {}
            }
        }
    }

    /// Asks again and again over the connection that is taken. Never ends.
    async fn follow(&self, direct: &Direct, rng: &mut fastrand::Rng) {
        let mut backoff = Backoff::default();
        loop {
            let started = Instant::now();
            let ended = self.listen(direct).await;
            if let Some(why) = &ended.why {
                if why.code() == Code::Unimplemented {
                    self.says_unimplemented();
                    // The next connection may lead to a backend that has been deployed since.
                    return std::future::pending().await;
                }
                let (cluster, endpoint, code) = (self.cluster.name(), self.endpoint.address(), why.code());
                tracing::debug!(cluster, %endpoint, ?code, "the stream of load reports ended");
            }
            if ended.heard {
                backoff.reset();
            }
            // One that ends as soon as it has begun would make a busy loop.
            if !ended.heard || started.elapsed() < LASTED {
                tokio::time::sleep(backoff.fail(rng)).await;
            }
        }
    }

    /// Takes reports until there are no more.
    async fn listen(&self, direct: &Direct) -> Ended {
        let mut ended = Ended { heard: false, why: None };
        // Every stream is taken by calls.
        let Some(call) = direct.call(Kind::ServerStream, None, false) else { return ended };
        let mut client = Grpc::new(call).max_decoding_message_size(LARGEST);
        let codec = ProstCodec::<OrcaLoadReportRequest, OrcaLoadReport>::default();
        let question = OrcaLoadReportRequest {
            report_interval: prost_types::Duration::try_from(self.config.oob_reporting_period).ok(),
        };
        let path = PathAndQuery::from_static(STREAM_CORE_METRICS);
        let mut reports = match client.server_streaming(tonic::Request::new(question), path, codec).await {
            Ok(answer) => answer.into_inner(),
            Err(why) => return Ended { why: Some(why), ..ended },
        };
        loop {
            match reports.message().await {
                Ok(Some(report)) => {
                    ended.heard = true;
                    if let Some(weight) = report.weight(&self.config) {
                        self.endpoint.traits().reported.set(weight, Instant::now());
                    }
                }
                Ok(None) => return ended,
                Err(why) => return Ended { why: Some(why), ..ended },
            }
        }
    }

    fn says_unimplemented(&self) {
        if !self.unimplemented.swap(true, Relaxed) {
            tracing::error!(
                cluster = self.cluster.name(),
                endpoint = %self.endpoint.address(),
                "the backend has no xds.service.orca.v3.OpenRcaService and counts as an average one; take \
                 enableOobLoadReport out of the service config, or add the service"
            );
        }
    }
}

const STREAM_CORE_METRICS: &str = "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics";

/// The most bytes of a report: a hundred named costs and utilizations that nobody here looks at.
const LARGEST: usize = 64 << 10;

/// How long a stream must have lasted for the next one to follow at once.
const LASTED: Duration = Duration::from_secs(1);
