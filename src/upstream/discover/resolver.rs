//! The DNS client. Names are resolved by hickory only: it says the TTL, knows SRV, asks by TCP what UDP cut short, and
//! blocks no thread.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts},
    lookup::Lookup,
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::RecordType},
};

use super::poll::Miss;

/// Asks one DNS server, or those of the system.
#[derive(Debug)]
pub(super) struct Resolver {
    server: Option<SocketAddr>,
    /// `None` before the first question and after a failure: `/etc/resolv.conf` may have been the reason.
    client: Option<TokioResolver>,
}

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) ips: Vec<IpAddr>,
    pub(super) ttl: Duration,
    /// The name that has them: the one that was asked for, or one that `search` of `/etc/resolv.conf` made of it.
    pub(super) name: String,
}

impl Resolver {
    pub(super) fn new(server: Option<SocketAddr>) -> Self {
        Self { server, client: None }
    }

    /// Both kinds of addresses; one that fails where the other succeeds is left out.
    pub(super) async fn addresses(&mut self, host: &str) -> Result<Addresses, Miss> {
        let answer = self.client()?.lookup_ip(host).await;
        let answer = answer.map_err(|error| self.miss(host, &error))?;
        let lookup = answer.as_lookup();
        let (ttl, name) = (ttl(lookup), lookup.query().name().to_ascii());
        let mut ips: Vec<IpAddr> = answer.iter().collect();
        ips.sort_unstable();
        ips.dedup();
        if ips.is_empty() {
            return Err(Miss::Absent(format!("{host} has no address record")));
        }
        Ok(Addresses { ips, ttl, name })
    }

    /// The records of one type.
    pub(super) async fn records(&mut self, name: &str, kind: RecordType) -> Result<Lookup, Miss> {
        let answer = self.client()?.lookup(name, kind).await;
        answer.map_err(|error| self.miss(name, &error))
    }

    /// How many other names are asked for first because `name` does not end in a dot.
    pub(super) fn detour(&mut self, name: &str) -> Option<usize> {
        let (config, options) = match self.server {
            Some(_) => return None,
            None => hickory_resolver::system_conf::read_system_conf().ok()?,
        };
        let dots = name.matches('.').count();
        // A short name is meant to be completed.
        let detour = dots > 1 && !name.ends_with('.') && dots < options.ndots;
        let searched = config.search().len() + usize::from(config.domain().is_some());
        (detour && searched > 0).then_some(searched)
    }

    fn client(&mut self) -> Result<&TokioResolver, Miss> {
        let client = match self.client.take() {
            Some(client) => client,
            None => build(self.server).map_err(|error| Miss::Failed(error.to_string()))?,
        };
        Ok(self.client.insert(client))
    }

    fn miss(&mut self, name: &str, error: &NetError) -> Miss {
        let miss = explain(name, error);
        if matches!(miss, Miss::Failed(_)) {
            self.client = None;
        }
        miss
    }
}

/// How long an answer says that it holds.
pub(super) fn ttl(lookup: &Lookup) -> Duration {
    let least = lookup.answers().iter().map(|record| record.ttl).min();
    Duration::from_secs(least.unwrap_or_default().into())
}

fn explain(name: &str, error: &NetError) -> Miss {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Miss::Absent(format!("there is no name {name} (NXDOMAIN)")),
            ResponseCode::NoError => Miss::Absent(format!("{name} has no such record")),
            code => Miss::Failed(format!("the DNS server could not answer for {name} ({code})")),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => {
            Miss::Failed(format!("the DNS server could not answer for {name} ({code})"))
        }
        NetError::Timeout => Miss::Failed(format!("no DNS server answered for {name} in time")),
        other => Miss::Failed(format!("cannot look {name} up: {other}")),
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
