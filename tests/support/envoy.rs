//! Envoy beside Edgeway, with a configuration that means the same.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    gateway::eventually,
    http,
    subject::{NAME, Outlier, Setup, Target},
};

/// A running Envoy, killed when it is dropped.
pub struct Envoy {
    /// Where clients call.
    pub address: String,
    admin: String,
    child: Child,
    _folder: TempDir,
}

impl Envoy {
    /// The program that `EDGEWAY_ENVOY` names.
    pub fn binary() -> Option<PathBuf> {
        std::env::var_os("EDGEWAY_ENVOY").map(PathBuf::from).filter(|path| path.exists())
    }

    /// Starts it.
    pub fn start(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (port, admin) = (free_port(), free_port());
        let file = folder.path().join("envoy.json");
        fs::write(&file, configuration(setup, port, admin).to_string()).expect("the folder can be written");
        let log = fs::File::create(folder.path().join("log")).expect("the folder can be written");
        let child = Command::new(Self::binary().expect("the caller has looked"))
            .args([
                "--concurrency",
                &setup.workers.to_string(),
                "-l",
                "warning",
                "--use-dynamic-base-id",
                "-c",
            ])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Envoy can be started");
        let (address, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{admin}"));
        let envoy = Self { address, admin, child, _folder: folder };
        for _ in 0..500 {
            let listens = |address: &str| std::net::TcpStream::connect(address).is_ok();
            if listens(&envoy.admin) && listens(&envoy.address) {
                return envoy;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = fs::read_to_string(envoy._folder.path().join("log")).unwrap_or_default();
        panic!("Envoy does not listen; it wrote:\n{log}");
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it knows so many endpoints that are well.
    pub async fn knows(&self, backends: usize) {
        eventually("Envoy knows the endpoints", Duration::from_secs(20), async || {
            let found = self.statistic("cluster.demo.membership_healthy").await;
            if found == backends as u64 { Ok(()) } else { Err(format!("{found} endpoints")) }
        })
        .await;
    }

    /// What it holds in memory, in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Envoy runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") << 10
    }

    /// Requests that it has not finished, as text; empty for none.
    pub async fn leaks(&self) -> String {
        match self.statistic("cluster.demo.upstream_rq_active").await {
            0 => String::new(),
            left => format!("upstream_rq_active {left}"),
        }
    }

    async fn statistic(&self, name: &str) -> u64 {
        let reply = http::get(&self.admin, &format!("/stats?filter=^{name}$")).await.text();
        reply.trim().rsplit(": ").next().and_then(|value| value.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a listener has an address").port()
}

fn configuration(setup: &Setup, port: u16, admin: u16) -> Value {
    let never_ran = "connect-failure,refused-stream,reset-before-request";
    let retry = |on: &str, attempts: u32| {
        json!({
            "retry_on": on,
            "num_retries": attempts - 1,
            "retry_back_off": { "base_interval": "0.025s", "max_interval": "0.25s" },
            "retry_host_predicate": [{
                "name": "previous_hosts",
                "typed_config": { "@type": type_of("extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate") }
            }],
            "host_selection_retry_max_attempts": 3
        })
    };
    let route = |matches: Value, retry: Value| {
        json!({
            "match": matches,
            "route": {
                "cluster": "demo",
                // As for Edgeway the deadline is the client's, and bounds the whole call.
                "timeout": "0s",
                "max_stream_duration": { "grpc_timeout_header_max": "300s" },
                "retry_policy": retry
            }
        })
    };
    let get = setup.attempts.map(|attempts| {
        let on = format!("{never_ran},unavailable,reset");
        route(json!({ "path": "/ecommerce.v1.OrderService/GetOrder" }), retry(&on, attempts))
    });
    let rest = route(json!({ "prefix": "/" }), retry(never_ran, 2));
    let routes: Vec<Value> = get.into_iter().chain([rest]).collect();
    let filter =
        |name: &str, proto: &str| json!({ "name": name, "typed_config": { "@type": type_of(proto) } });
    json!({
        "admin": { "address": address("127.0.0.1", admin) },
        "static_resources": {
            "listeners": [{
                "name": "public",
                "address": address("127.0.0.1", port),
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": type_of(
                            "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
                        ),
                        "stat_prefix": "public",
                        "codec_type": "AUTO",
                        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
                        "http_filters": [
                            filter("envoy.filters.http.grpc_web", "extensions.filters.http.grpc_web.v3.GrpcWeb"),
                            filter("envoy.filters.http.router", "extensions.filters.http.router.v3.Router"),
                        ]
                    }
                }] }]
            }],
            "clusters": [cluster(setup)]
        }
    })
}

fn cluster(setup: &Setup) -> Value {
    let endpoint = |host: &str, port: u16| json!({ "endpoint": { "address": address(host, port) } });
    let endpoints: Vec<Value> = match &setup.target {
        Target::List(addresses) => {
            addresses.iter().map(|address| endpoint(&address.ip().to_string(), address.port())).collect()
        }
        Target::Dns { port, .. } => vec![endpoint(NAME, *port)],
    };
    let mut cluster = json!({
        "name": "demo",
        "connect_timeout": seconds(setup.connect_timeout),
        "lb_policy": setup.policy.to_uppercase(),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": type_of("extensions.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": { "http2_protocol_options": {
                    "connection_keepalive": { "interval": "10s", "timeout": "5s" }
                } }
            }
        },
        "circuit_breakers": { "thresholds": [{
            "max_requests": 4096,
            "retry_budget": {
                "budget_percent": { "value": 20.0 },
                "min_retry_concurrency": if setup.budget { 3 } else { 1000 }
            }
        }] },
        "load_assignment": { "cluster_name": "demo", "endpoints": [{ "lb_endpoints": endpoints }] }
    });
    let mut put = |key: &str, value: Value| {
        cluster.as_object_mut().expect("an object").insert(key.to_owned(), value);
    };
    match &setup.target {
        Target::List(_) => put("type", json!("STATIC")),
        Target::Dns { server, refresh, .. } => {
            put("type", json!("STRICT_DNS"));
            put("dns_refresh_rate", seconds(*refresh));
            put("dns_lookup_family", json!("V4_ONLY"));
            put(
                "typed_dns_resolver_config",
                json!({
                    "name": "envoy.network.dns_resolver.cares",
                    "typed_config": {
                        "@type": type_of("extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"),
                        "resolvers": [address(&server.ip().to_string(), server.port())],
                        "dns_resolver_options": { "no_default_search_domain": true }
                    }
                }),
            );
        }
    }
    if let Some(interval) = setup.health_interval {
        let interval = seconds(interval);
        put(
            "health_checks",
            json!([{
                "interval": interval, "unhealthy_interval": interval, "no_traffic_interval": interval,
                "timeout": "0.5s", "unhealthy_threshold": 2, "healthy_threshold": 2, "grpc_health_check": {}
            }]),
        );
    }
    if let Some(Outlier { failures, base, percent }) = setup.outlier {
        put(
            "outlier_detection",
            json!({
                "consecutive_5xx": failures, "interval": "1s", "base_ejection_time": seconds(base),
                "max_ejection_percent": percent
            }),
        );
    }
    cluster
}

fn address(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}

fn seconds(duration: Duration) -> Value {
    json!(format!("{}s", duration.as_secs_f64()))
}

fn type_of(proto: &str) -> String {
    format!("type.googleapis.com/envoy.{proto}")
}
