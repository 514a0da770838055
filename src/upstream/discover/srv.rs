//! Endpoints by the SRV records of a name (RFC 2782): each says a host, its port, a priority and a weight.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    lookup::Lookup,
    proto::rr::{RData, RecordType, rdata::SRV},
};

use super::{
    poll::{Found, LookUp, Miss},
    resolver::{self, Resolver},
};
use crate::{config::Address, upstream::member::Member};

/// A name with SRV records.
#[derive(Debug)]
pub(super) struct Services {
    resolver: Resolver,
    name: String,
    /// The addresses of every host when they were last known.
    last: BTreeMap<String, Vec<IpAddr>>,
}

impl Services {
    pub(super) fn new(server: Option<SocketAddr>, name: String) -> Self {
        Self { resolver: Resolver::new(server), name, last: BTreeMap::new() }
    }

    /// The addresses of `host`: those that came with the answer, or those of a look-up, or the last known.
    async fn addresses(
        &mut self,
        lookup: &Lookup,
        host: &str,
    ) -> Result<(Vec<IpAddr>, Option<Duration>), Miss> {
        let glue: Vec<IpAddr> = lookup
            .additionals()
            .iter()
            .filter(|record| record.name.to_ascii().eq_ignore_ascii_case(host))
            .filter_map(|record| record.data.ip_addr())
            .collect();
        if !glue.is_empty() {
            return Ok((glue, None));
        }
        match self.resolver.addresses(host).await {
            Ok(found) => Ok((found.ips, Some(found.ttl))),
            Err(Miss::Absent(_)) => Ok((Vec::new(), None)),
            Err(failed @ Miss::Failed(_)) => {
                self.last.get(host).map(|known| (known.clone(), None)).ok_or(failed)
            }
        }
    }
}

impl LookUp for Services {
    async fn look_up(&mut self) -> Result<Found, Miss> {
        let lookup =
            self.resolver.records(&self.name, RecordType::SRV).await.map_err(|miss| self.hint(miss))?;
        let records: Vec<&SRV> = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                // A root in place of a host: "decidedly not available at this domain".
                RData::SRV(srv) if !srv.target.is_root() => Some(srv),
                _ => None,
            })
            .take(MOST_RECORDS)
            .collect();
        let mut priorities: Vec<u16> = records.iter().map(|srv| srv.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();

        let (mut members, mut known, mut ttl) = (Vec::new(), BTreeMap::new(), resolver::ttl(&lookup));
        let mut failed = None;
        for srv in records {
            let host = srv.target.to_ascii();
            let ips = match self.addresses(&lookup, &host).await {
                Ok((ips, of_host)) => {
                    ttl = of_host.map_or(ttl, |of_host| ttl.min(of_host));
                    ips
                }
                // One host that nobody can resolve must not keep the others out.
                Err(miss) => {
                    failed = Some(miss);
                    continue;
                }
            };
            let priority = priorities.partition_point(|lower| *lower < srv.priority);
            members.extend(ips.iter().map(|ip| Member {
                weight: u32::from(srv.weight).max(1),
                priority: u32::try_from(priority).unwrap_or(u32::MAX),
                ..Member::from(Address::Tcp(SocketAddr::new(*ip, srv.port)))
            }));
            known.insert(host, ips);
        }
        if members.is_empty() {
            let absent = || Miss::Absent(format!("no host of {} has an address", self.name));
            return Err(failed.unwrap_or_else(absent));
        }
        self.last = known;
        Ok(Found { members, ttl })
    }
}

impl Services {
    /// Whoever left out a port by mistake gets here.
    fn hint(&self, miss: Miss) -> Miss {
        let host = self.name.splitn(3, '.').nth(2).unwrap_or(&self.name);
        match miss {
            Miss::Absent(why) => Miss::Absent(format!(
                "{why}; {} is looked up because the target has no port: if {host} has addresses only, write {host}:50051",
                self.name
            )),
            failed @ Miss::Failed(_) => failed,
        }
    }
}

/// More do not fit into an answer of DNS; each may cost a look-up.
const MOST_RECORDS: usize = 1024;
