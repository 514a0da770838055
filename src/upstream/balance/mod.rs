//! Which endpoint a call goes to.
//!
//! | policy | first choice | goes by |
//! |---|---|---|
//! | `least_request` | of a few random endpoints the one with the least in flight (gRFC A48) | weight, slow start |
//! | `round_robin` | the next in turn, from a random start | slow start |
//! | `weighted_round_robin` | the next in turn, more often by weight (gRFC A58) | load reports or weight, slow start |
//! | `ring_hash` | the owner of the call's hash (gRFC A42) | weight |
//! | `pick_first` | the first that can be reached (gRFC A62) | the order of the list, else of addresses |
//! | `random` | any | |
//!
//! An endpoint that has no place for a stream is passed over, and so is one where the call has been, while there are
//! others. Before a policy is asked, [`tiers`] says among whom: by priority, zone and ejection. Before that, [`subset`]
//! may leave some endpoints out for good, and a session's cookie ([`affinity`]) may name the one.
//!
//! What depends on the set of endpoints is worked out with the snapshot, and a choice only reads it.

mod affinity;
mod least_request;
mod load;
mod owners;
mod picker;
mod ring;
mod slow_start;
mod stride;
mod subset;
mod tiers;
mod traits;

use std::sync::{Arc, atomic::AtomicUsize};

use tokio::time::{Duration, Instant};

pub(super) use affinity::{Sessions, Token};
pub(super) use load::Load;
pub(crate) use ring::request_hash;
pub(super) use subset::subset;
pub(super) use traits::Traits;

use self::{
    owners::{Owners, Rings},
    picker::{Candidate, Draw, Picker},
    ring::Node,
    tiers::{Listed, Standing, Tier},
};
use super::{cluster::Cluster, endpoint::Endpoint};
use crate::config::{LoadBalancing, SlowStart, WeightedRoundRobin};

/// One worker's way of choosing for one cluster: what does not change with the endpoints.
#[derive(Debug)]
pub(super) struct Balancer {
    policy: LoadBalancing,
    slow_start: Option<SlowStart>,
    zone: Option<String>,
    panic_threshold: u8,
    seed: u64,
    sessions: Option<Arc<Sessions>>,
    rings: Rings,
    /// Turns by tier, kept over snapshots: a round that a new one cuts short is not begun again.
    turns: [AtomicUsize; TIERS],
}

/// An endpoint of which a worker knows whether it can be reached.
pub(super) struct Reachable<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// Whether there is a connection.
    pub(super) ready: bool,
    /// Whether one is being made, without a failure so far.
    pub(super) pending: bool,
}

/// Choices among endpoints, compiled.
#[derive(Debug, Default)]
pub(super) struct Choices {
    tiers: Box<[Compiled]>,
    /// After what time other weights will hold.
    hold: Option<Duration>,
}

#[derive(Debug)]
struct Compiled {
    start: usize,
    count: usize,
    below: u32,
    picker: Picker,
}

/// What a call says of the endpoint it is looking for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Call {
    /// For policies that hash; `None` for any.
    pub(super) hash: Option<u64>,
    /// Whether it is a stream, of either side.
    pub(super) stream: bool,
}

impl Balancer {
    pub(super) fn new(cluster: &Cluster) -> Self {
        let config = cluster.config();
        Self {
            policy: config.load_balancing.clone(),
            slow_start: config.slow_start.clone(),
            zone: config.locality.as_ref().map(|locality| locality.zone.clone()),
            panic_threshold: config.panic_threshold,
            seed: cluster.seed(),
            sessions: cluster.sessions().cloned(),
            rings: Rings::default(),
            // A random start, or the first calls of every gateway would meet on the first endpoint.
            turns: std::array::from_fn(|_| AtomicUsize::new(fastrand::usize(..1 << 16))),
        }
    }

    /// Choices among `endpoints`, and the order in which these are to be numbered: those that calls may use, by tier.
    pub(super) fn compile(&self, endpoints: &[Reachable<'_>], now: Instant) -> (Choices, Vec<usize>) {
        let members: Vec<_> = endpoints.iter().map(|reachable| reachable.endpoint.member()).collect();
        let listed: Vec<_> = endpoints
            .iter()
            .zip(&members)
            .map(|(reachable, member)| Listed {
                priority: member.priority,
                zone: member.zone.as_deref(),
                standing: reachable.standing(),
            })
            .collect();
        let mut order = Vec::new();
        let mut hold = None;
        let tiers = tiers::tiers(&listed, self.panic_threshold, self.zone.as_deref())
            .into_iter()
            .map(|Tier { members, listed, below }| {
                let at = |place: &usize| endpoints.get(*place).map(|reachable| reachable.endpoint);
                let candidates: Vec<_> =
                    members.iter().filter_map(at).map(|endpoint| self.candidate(endpoint, now)).collect();
                hold = hold.min_some(self.hold(&candidates));
                let picker = Picker::new(&self.policy, &candidates, |config| {
                    let ring = self.rings.ring(config, listed.iter().filter_map(at).map(node).collect());
                    Owners::new(config, ring, listed.iter().map(|place| members.binary_search(place).is_ok()))
                });
                let start = order.len();
                order.extend(members);
                Compiled { start, count: candidates.len(), below, picker }
            })
            .collect();
        (Choices { tiers, hold }, order)
    }

    /// How load reports become weights, where the policy goes by those that come with answers.
    pub(super) fn reports(&self) -> Option<&WeightedRoundRobin> {
        match &self.policy {
            LoadBalancing::WeightedRoundRobin(config) if !config.enable_oob_load_report => Some(config),
            _ => None,
        }
    }

    /// How cookies name endpoints, where they do.
    pub(super) fn sessions(&self) -> Option<&Sessions> {
        self.sessions.as_deref()
    }

    fn candidate(&self, endpoint: &Endpoint, now: Instant) -> Candidate {
        let member = endpoint.member();
        let traits = endpoint.traits();
        Candidate {
            rank: match &self.policy {
                // The seed is the process's own: all workers shuffle alike.
                LoadBalancing::PickFirst { shuffle: true } => {
                    ring::xxh64(endpoint.address().to_string().as_bytes(), self.seed)
                }
                LoadBalancing::PickFirst { shuffle: false } => u64::from(member.place),
                _ => 0,
            },
            weight: member.weight,
            reported: match &self.policy {
                LoadBalancing::WeightedRoundRobin(config) => traits.reported.weight(config, now),
                _ => 0.0,
            },
            warmth: self.slow_start.as_ref().map_or(1.0, |config| traits.warmth.factor(config, now)),
        }
    }

    /// How long the weights of `candidates` may stand.
    fn hold(&self, candidates: &[Candidate]) -> Option<Duration> {
        let warming = candidates.iter().any(|candidate| candidate.warmth < 1.0);
        let warming = self.slow_start.as_ref().filter(|_| warming).map(slow_start::step);
        let reported = match &self.policy {
            LoadBalancing::WeightedRoundRobin(config) if candidates.len() > 1 => {
                Some(config.weight_update_period)
            }
            _ => None,
        };
        warming.min_some(reported)
    }
}

impl Reachable<'_> {
    fn standing(&self) -> Standing {
        if !self.endpoint.is_healthy() {
            Standing::Down
        } else if self.ready {
            if self.endpoint.is_ejected() { Standing::Ejected } else { Standing::Usable }
        } else if self.pending && !self.endpoint.is_ejected() {
            Standing::Pending
        } else {
            Standing::Down
        }
    }
}

impl Choices {
    pub(super) fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    /// After what time they should be compiled anew; `None` when only a change calls for it.
    pub(super) fn hold(&self) -> Option<Duration> {
        self.hold
    }

    /// What `take` gives of the first endpoint that it takes, by its number.
    pub(super) fn find<T>(
        &self,
        balancer: &Balancer,
        call: Call,
        load: impl Fn(usize) -> Load,
        mut take: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        let mut look = |(index, tier): (usize, &Compiled)| {
            let turn = balancer.turns.get(index).or(balancer.turns.last())?;
            let draw = Draw { turn, hash: call.hash, stream: call.stream };
            let load = |index: usize| load(tier.start + index);
            tier.picker.find(tier.count, draw, load, |index| take(tier.start + index))
        };
        if let [only] = &*self.tiers {
            return look((0, only));
        }
        // One key goes to one tier, as long as their parts stay.
        let part = call
            .hash
            .map_or_else(|| fastrand::u32(..tiers::ALL), |hash| (hash % u64::from(tiers::ALL)) as u32);
        let drawn = self.tiers.iter().position(|tier| part < tier.below)?;
        let tiers = || self.tiers.iter().enumerate();
        // Better an endpoint that another should come before than none.
        tiers().skip(drawn).take(1).chain(tiers().filter(|(index, _)| *index != drawn)).find_map(look)
    }
}

/// An endpoint as a ring sees it.
fn node(endpoint: &Endpoint) -> Node {
    let member = endpoint.member();
    let address = || endpoint.address().to_string().into();
    Node { key: member.hash_key.as_deref().map_or_else(address, Into::into), weight: member.weight }
}

trait MinSome {
    fn min_some(self, other: Self) -> Self;
}

impl MinSome for Option<Duration> {
    /// The lesser of those that there are.
    fn min_some(self, other: Self) -> Self {
        [self, other].into_iter().flatten().min()
    }
}

/// More tiers than this share the turns of the last.
const TIERS: usize = 8;

#[cfg(test)]
mod tests;
