//! Endpoints by the A and AAAA records of a name.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::rr::RecordType;

use super::{
    pin::Pin,
    poll::{Found, LookUp, Miss},
    resolver::{Addresses, Resolver},
};
use crate::{
    config::{Address, LoadBalancing},
    upstream::cluster::Cluster,
};

/// A name whose addresses all listen on one port.
#[derive(Debug)]
pub(super) struct Name {
    resolver: Resolver,
    cluster: String,
    host: String,
    port: u16,
    last: Vec<IpAddr>,
    /// `None` where one endpoint at a time is what is wanted.
    pin: Option<Pin>,
    hinted: bool,
}

impl Name {
    pub(super) fn new(cluster: &Cluster, server: Option<SocketAddr>, host: String, port: u16) -> Self {
        let balanced = !matches!(cluster.config().load_balancing, LoadBalancing::PickFirst { .. });
        Self {
            resolver: Resolver::new(server),
            cluster: cluster.name().to_owned(),
            host,
            port,
            last: Vec::new(),
            pin: balanced.then(Pin::default),
            hinted: false,
        }
    }

    /// A look-up succeeds when one of its two questions did. When all addresses of a kind are gone, it asks whether they
    /// are, or whether that question merely failed.
    async fn confirm(&mut self, found: &mut Addresses) {
        for (kind, is_kind) in [
            (RecordType::A, IpAddr::is_ipv4 as fn(&IpAddr) -> bool),
            (RecordType::AAAA, IpAddr::is_ipv6 as fn(&IpAddr) -> bool),
        ] {
            let before: Vec<IpAddr> = self.last.iter().copied().filter(is_kind).collect();
            if before.is_empty() || found.ips.iter().any(is_kind) {
                continue;
            }
            match self.resolver.records(&found.name, kind).await {
                Ok(lookup) => {
                    found.ips.extend(lookup.answers().iter().filter_map(|record| record.data.ip_addr()));
                }
                Err(Miss::Failed(_)) => found.ips.extend(before),
                Err(Miss::Absent(_)) => {}
            }
        }
    }

    fn tell(&mut self) {
        if let Some(address) = self.pin.as_mut().and_then(|pin| pin.seen(&self.last)) {
            tracing::warn!(
                cluster = self.cluster,
                "{} has had the one address {address} at every look-up, which looks like one virtual IP: it pins each \
                 connection to one backend, and new backends get no calls. Name a headless Service (clusterIP: None), \
                 whose name has the address of every pod, or let connections end by max_connection_age",
                self.host,
            );
        }
        if !std::mem::replace(&mut self.hinted, true)
            && let Some(names) = self.resolver.detour(&self.host)
        {
            tracing::info!(
                cluster = self.cluster,
                "{host} is looked up below {names} search domains first (/etc/resolv.conf); if it is complete, end it \
                 with a dot: {host}.:{port}",
                host = self.host,
                port = self.port,
            );
        }
    }
}

impl LookUp for Name {
    async fn look_up(&mut self) -> Result<Found, Miss> {
        let mut found = self.resolver.addresses(&self.host).await?;
        self.confirm(&mut found).await;
        self.last.clone_from(&found.ips);
        self.tell();
        let members = found.ips.iter().map(|ip| Address::Tcp(SocketAddr::new(*ip, self.port)).into());
        Ok(Found { members: members.collect(), ttl: found.ttl })
    }
}
