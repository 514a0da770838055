//! Endpoints by DNS name.
//!
//! gRPC's own resolver looks a name up once and again only after a disconnect: pods that join later get no traffic.
//! Here the name is looked up every `dns_refresh_rate`, whatever the TTL says (Docker's says 600 s while replicas come
//! and go), and at once after a failed connect. A failed or empty answer never removes endpoints that work.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use tokio::time::Instant;

use crate::{config::Address, upstream::cluster::Cluster};

pub(super) async fn run(cluster: &Cluster, server: Option<SocketAddr>, host: &str, port: u16) {
    let refresh = cluster.config().dns_refresh_rate;
    let mut resolver = None;
    loop {
        let looked_up = Instant::now();
        // Built anew after a failure: `/etc/resolv.conf` may have been the reason.
        let answer = match &resolver {
            Some(resolver) => look_up(resolver, host).await,
            None => match build(server) {
                Ok(built) => look_up(resolver.insert(built), host).await,
                Err(error) => Err(error),
            },
        };
        match answer {
            Ok(addresses) if addresses.is_empty() => {
                cluster.resolve_failed(format!("{host} has no address record"))
            }
            Ok(addresses) => {
                cluster.resolved(addresses.into_iter().map(|ip| Address::Tcp(SocketAddr::new(ip, port))))
            }
            Err(error) => {
                resolver = None;
                cluster.resolve_failed(error.to_string());
            }
        }
        // The jitter keeps replicas of the gateway from asking in step.
        let next = looked_up + refresh.mul_f64(0.9 + 0.2 * fastrand::f64());
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = cluster.resolve_now() => tokio::time::sleep_until(next.min(looked_up + SOONEST)).await,
        }
    }
}

fn build(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let provider = TokioRuntimeProvider::default();
    let mut builder = match server {
        None => TokioResolver::builder(provider)?,
        Some(server) => {
            let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut name_server.connections {
                connection.port = server.port();
            }
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
            TokioResolver::builder_with_config(config, provider)
        }
    };
    tune(builder.options_mut());
    builder.build()
}

fn tune(options: &mut ResolverOpts) {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Every look-up is meant to see the present; a cache would answer with the past until its TTL is over.
    options.cache_size = 0;
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
}

async fn look_up(resolver: &TokioResolver, host: &str) -> Result<BTreeSet<IpAddr>, NetError> {
    Ok(resolver.lookup_ip(host).await?.iter().collect())
}

/// Between a look-up and the next that a failed connect asks for.
const SOONEST: Duration = Duration::from_secs(1);
