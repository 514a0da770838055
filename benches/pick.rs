//! What choosing an endpoint costs a call, from the look at the snapshot to giving the place back, without the network:
//! the two policies that most use, among 3, 10 and 100 endpoints, and with outlier detection watching.

use std::{future::pending, hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use edgeway::{
    config::{Address, Cluster as Config, LoadBalancing, OutlierDetection, Target},
    telemetry::Metrics,
    upstream::{Cluster, Clusters, Lanes},
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

/// A worker with a connection to each endpoint of a cluster.
struct Worker {
    /// Stands still while choices are measured.
    _runtime: Runtime,
    lanes: Lanes,
    cluster: Arc<Cluster>,
}

impl Worker {
    fn connected(endpoints: usize, configure: impl FnOnce(&mut Config)) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (lanes, cluster) = runtime.block_on(async {
            let mut addresses = Vec::new();
            for _ in 0..endpoints {
                addresses.push(Address::Tcp(backend().await));
            }
            let mut config = Config::new("bench", Target::Static(addresses));
            configure(&mut config);
            let clusters = Clusters::new([config], &Metrics::new());
            clusters.discover();
            let lanes = Lanes::start(&clusters);
            let cluster = clusters.iter().next().map(Arc::clone).expect("a cluster");
            while cluster.health().healthy < endpoints {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // The connection is counted a moment before the lane offers it.
            while !sees_all(&lanes, &cluster, endpoints) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            (lanes, cluster)
        });
        Self { _runtime: runtime, lanes, cluster }
    }

    fn call(&self) {
        let place = self.lanes.reserve(black_box(&self.cluster)).expect("a place");
        black_box(place).succeeded();
    }
}

/// Whether calls that are held at the same time get to all endpoints.
fn sees_all(lanes: &Lanes, cluster: &Cluster, endpoints: usize) -> bool {
    let _held: Vec<_> = (0..20 * endpoints).map_while(|_| lanes.reserve(cluster)).collect();
    cluster.snapshot().iter().all(|endpoint| endpoint.calls() > 0)
}

/// A backend that takes a connection and is never called.
async fn backend() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("the lane connects");
        let mut connection = h2::server::handshake(socket).await.expect("the lane speaks HTTP/2");
        let _ = connection.accept().await;
        pending::<()>().await;
    });
    address
}

fn benches(criterion: &mut Criterion) {
    let policies = [("least_request", LoadBalancing::default()), ("round_robin", LoadBalancing::RoundRobin)];
    for (name, policy) in policies {
        let mut group = criterion.benchmark_group(name);
        for (watched, outlier) in [("", None), ("_watched", Some(OutlierDetection::default()))] {
            for endpoints in [3, 10, 100] {
                let worker = Worker::connected(endpoints, |config| {
                    config.load_balancing = policy.clone();
                    config.outlier_detection = outlier.clone();
                });
                group.bench_function(format!("{endpoints}{watched}"), |bencher| {
                    bencher.iter(|| worker.call());
                });
            }
        }
        group.finish();
    }
}

criterion_group!(picks, benches);
criterion_main!(picks);
