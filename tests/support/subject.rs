//! The gateway that a scenario is about: Edgeway, or Envoy with a configuration that means the same.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    envoy::Envoy,
    gateway::{Gateway, Metrics, eventually},
    namespace::Namespace,
    scripted::Scripted,
    verdict::Verdict,
};

/// Which gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Edgeway,
    Envoy,
}

/// What a scenario wants of it, in words of both.
#[derive(Clone, Debug)]
pub struct Setup {
    pub target: Target,
    /// `round_robin` or `least_request`.
    pub policy: &'static str,
    pub connect_timeout: Duration,
    /// Checks every so often; a failed one or `NOT_SERVING` takes an endpoint out.
    pub health_interval: Option<Duration>,
    /// Ejects after failures in a row.
    pub outlier: Option<Outlier>,
    /// Tries `GetOrder` again, so many times in all, when it is `UNAVAILABLE`.
    pub attempts: Option<u32>,
    /// Whether retries have Envoy's usual budget. Those of what never ran count in it, which in Edgeway have none; so it
    /// is only for scenarios that are about it.
    pub budget: bool,
    pub workers: usize,
    /// More keys of the cluster, for Edgeway alone.
    pub cluster: String,
    /// More of `service_config`, for Edgeway alone, each with a comma before it.
    pub service_config: String,
    /// More keys of the file, for Edgeway alone.
    pub more: String,
    /// Where it runs and listens, for Edgeway alone; the machine itself and its loopback without.
    pub inside: Option<Arc<Namespace>>,
}

/// Where the endpoints are.
#[derive(Clone, Debug)]
pub enum Target {
    List(Vec<SocketAddr>),
    /// A name at a DNS server, with a port; looked up every so often.
    Dns {
        server: SocketAddr,
        port: u16,
        refresh: Duration,
    },
}

/// When failures in a row eject.
#[derive(Clone, Copy, Debug)]
pub struct Outlier {
    pub failures: u32,
    pub base: Duration,
    pub percent: u32,
}

/// A running gateway.
pub struct Subject {
    inner: Inner,
    backends: usize,
    workers: usize,
}

enum Inner {
    Edgeway(Gateway),
    Envoy(Envoy),
}

impl Setup {
    /// Before these addresses, with round robin and nothing else.
    pub fn new(addresses: &[SocketAddr]) -> Self {
        Self {
            target: Target::List(addresses.to_vec()),
            policy: "round_robin",
            connect_timeout: Duration::from_secs(2),
            health_interval: None,
            outlier: None,
            attempts: None,
            budget: false,
            workers: 1,
            cluster: String::new(),
            service_config: String::new(),
            more: String::new(),
            inside: None,
        }
    }

    /// Before a scripted backend.
    pub fn before(backend: &Scripted) -> Self {
        Self::new(&backend.addresses)
    }

    fn cluster_of_edgeway(&self) -> String {
        let target = match &self.target {
            Target::List(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                format!("ipv4:{}", addresses.join(","))
            }
            Target::Dns { server, port, .. } => format!("dns://{server}/{NAME}:{port}"),
        };
        let mut lines = vec![
            format!("target: \"{target}\""),
            format!("connect_timeout: {}ms", self.connect_timeout.as_millis()),
            "descriptors: { reflection: never, protosets: [PROTOSET] }".to_owned(),
        ];
        if let Target::Dns { refresh, .. } = &self.target {
            lines.push(format!("dns_refresh_rate: {}ms", refresh.as_millis()));
        }
        if let Some(interval) = self.health_interval {
            let interval = interval.as_millis();
            lines.push(format!(
                "health_checks: [{{ interval: {interval}ms, unhealthy_interval: {interval}ms, timeout: 500ms, \
                 grpc_health_check: {{}} }}]"
            ));
        }
        lines.push(match self.outlier {
            Some(Outlier { failures, base, percent }) => format!(
                "outlier_detection: {{ consecutive_gateway_failure: {failures}, base_ejection_time: {}ms, \
                 max_ejection_percent: {percent} }}",
                base.as_millis()
            ),
            // As Envoy without the block.
            None => "outlier_detection: none".to_owned(),
        });
        let again = self.attempts.map_or(String::new(), |attempts| {
            format!(
                ", methodConfig: [{{ name: [{{ service: ecommerce.v1.OrderService, method: GetOrder }}], retryPolicy: \
                 {{ maxAttempts: {attempts}, initialBackoff: 0.025s, maxBackoff: 0.25s, backoffMultiplier: 2, \
                 retryableStatusCodes: [UNAVAILABLE] }} }}]"
            )
        });
        let (policy, more) = (self.policy, &self.service_config);
        lines.push(format!("service_config: {{ loadBalancingConfig: [{{ {policy}: {{}} }}]{again}{more} }}"));
        lines.extend(self.cluster.lines().map(str::to_owned));
        format!("demo:\n    {}", lines.join("\n    "))
    }
}

impl Subject {
    /// Starts it and waits until every worker is connected to every endpoint that there is.
    pub async fn start(which: Which, setup: &Setup) -> Self {
        let subject = Self::launch(which, setup);
        subject.connected(subject.backends).await;
        subject
    }

    /// Starts it.
    pub fn launch(which: Which, setup: &Setup) -> Self {
        let backends = match &setup.target {
            Target::List(addresses) => addresses.len(),
            Target::Dns { .. } => 0,
        };
        let inner = match which {
            Which::Envoy => Inner::Envoy(tokio::task::block_in_place(|| Envoy::start(setup))),
            Which::Edgeway => {
                let more = format!("runtime: {{ worker_threads: {} }}\n{}", setup.workers, setup.more);
                let clusters = setup.cluster_of_edgeway();
                Inner::Edgeway(tokio::task::block_in_place(|| match &setup.inside {
                    None => Gateway::start(&clusters, &more),
                    Some(namespace) => {
                        let host = namespace.inside.to_string();
                        Gateway::start_at(&host, &clusters, &more, namespace.command())
                    }
                }))
            }
        };
        Self { inner, backends, workers: setup.workers }
    }

    /// Where clients call.
    pub fn address(&self) -> &str {
        match &self.inner {
            Inner::Edgeway(gateway) => gateway.address(),
            Inner::Envoy(envoy) => &envoy.address,
        }
    }

    /// Waits until so many endpoints are connected to, or with Envoy, which connects when it has to, known.
    pub async fn connected(&self, backends: usize) {
        match &self.inner {
            Inner::Edgeway(gateway) => gateway.connected((backends * self.workers) as u64).await,
            Inner::Envoy(envoy) => envoy.knows(backends).await,
        }
    }

    /// Edgeway's own side.
    pub fn edgeway(&self) -> Option<&Gateway> {
        match &self.inner {
            Inner::Edgeway(gateway) => Some(gateway),
            Inner::Envoy(_) => None,
        }
    }

    /// Waits for Edgeway's end, at most `patience`; whether it ended well.
    pub fn wait(&mut self, patience: Duration) -> Option<bool> {
        match &mut self.inner {
            Inner::Edgeway(gateway) => gateway.program.wait(patience),
            Inner::Envoy(_) => None,
        }
    }

    /// A scrape of Edgeway.
    pub async fn metrics(&self) -> Option<Metrics> {
        match &self.inner {
            Inner::Edgeway(gateway) => Some(gateway.metrics().await),
            Inner::Envoy(_) => None,
        }
    }

    /// What it holds in memory, in bytes.
    pub fn resident(&self) -> u64 {
        match &self.inner {
            Inner::Edgeway(gateway) => gateway.resident(),
            Inner::Envoy(envoy) => envoy.resident(),
        }
    }

    /// CPU time that it has used.
    pub fn cpu(&self) -> Duration {
        let pid = match &self.inner {
            Inner::Edgeway(gateway) => gateway.program.pid(),
            Inner::Envoy(envoy) => envoy.pid(),
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the gateway runs");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = |at| fields.split_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok());
        // User and system time, in hundredths of a second as the kernel tells all programs.
        let ticks = ticks(11).expect("utime") + ticks(12).expect("stime");
        Duration::from_millis(ticks * 10)
    }

    /// Checks that nothing of the calls that were is left: streams, places on connections, waiting calls, tasks.
    pub async fn settles(&self, verdict: &mut Verdict) {
        let leak = settled(async || match &self.inner {
            Inner::Edgeway(gateway) => leaks(&gateway.metrics().await),
            Inner::Envoy(envoy) => envoy.leaks().await,
        });
        let leak = leak.await;
        verdict.expect(leak.is_empty(), format_args!("left behind: {leak}"));
        if let Inner::Edgeway(gateway) = &self.inner {
            let log = gateway.program.log();
            verdict.expect(!log.contains("panicked"), format_args!("it panicked: {log}"));
        }
    }
}

/// Asks until nothing is left, 5 s at most; what is left then.
async fn settled(ask: impl AsyncFn() -> String) -> String {
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    loop {
        let left = ask().await;
        if left.is_empty() || tokio::time::Instant::now() >= until {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn leaks(metrics: &Metrics) -> String {
    let gauges: [(&str, &[(&str, &str)]); 3] = [
        ("edgeway_endpoint_in_flight", &[]),
        ("edgeway_streams_active", &[]),
        ("edgeway_upstream_connections", &[("state", "draining")]),
    ];
    let left = gauges.iter().filter_map(|(name, labels)| {
        let value = metrics.sum(name, labels);
        (value != 0.0).then(|| format!("{name} {value}"))
    });
    // Connections and endpoints have tasks of their own, a few each; a call has none once it has ended.
    let lasting =
        ["edgeway_upstream_connections", "edgeway_downstream_connections", "edgeway_cluster_endpoints"];
    let lasting: f64 = lasting.iter().map(|name| metrics.sum(name, &[])).sum();
    let (tasks, explained) = (metrics.sum("edgeway_worker_tasks", &[]), 32.0 + 6.0 * lasting);
    let of_calls = (tasks > explained).then(|| format!("{tasks} tasks, of which {explained} are explained"));
    left.chain(of_calls).collect::<Vec<_>>().join(", ")
}

/// Waits until the backend has no stream open.
pub async fn idle(backend: &Scripted) {
    eventually("the backend has no open stream", Duration::from_secs(5), async || {
        match backend.ledger().look(|seen| seen.open) {
            0 => Ok(()),
            open => Err(open.to_string()),
        }
    })
    .await;
}

/// What the DNS servers of these tests are asked for.
pub const NAME: &str = "backends.test";
