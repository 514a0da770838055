//! A policy made ready for the endpoints that there are.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{
    least_request::LeastRequest,
    load::Load,
    owners::Owners,
    stride::{self, Stride},
};
use crate::config::{LoadBalancing, RingHash};

/// What a policy goes by, of one endpoint.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its place in the order of `pick_first`; those of one rank stand in that of addresses.
    pub(super) rank: u64,
    /// What discovery says; above zero.
    pub(super) weight: u32,
    /// By the load reports of the endpoint itself; zero without any.
    pub(super) reported: f64,
    /// What of its weight counts while it is new; above zero, at most one.
    pub(super) warmth: f64,
}

/// Chooses among some endpoints. Nothing is worked out anew for a call.
#[derive(Debug)]
pub(super) enum Picker {
    LeastRequest(LeastRequest),
    Turns,
    Stride(Stride),
    Owners(Owners),
    /// The candidates by rank.
    First(Box<[usize]>),
    Random,
}

/// What a single choice goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw<'a> {
    /// Counts the turns of a worker.
    pub(super) turn: &'a AtomicUsize,
    pub(super) hash: Option<u64>,
    pub(super) stream: bool,
}

impl Picker {
    /// `owners` is asked by a policy that hashes: it goes by more endpoints than those that are there.
    pub(super) fn new(
        policy: &LoadBalancing,
        candidates: &[Candidate],
        owners: impl FnOnce(&RingHash) -> Owners,
    ) -> Self {
        let warm = |weight: f64, candidate: &Candidate| weight * candidate.warmth;
        let weights = |weight: fn(&Candidate) -> f64| {
            candidates.iter().map(|candidate| warm(weight(candidate), candidate)).collect::<Vec<_>>()
        };
        let turns = |weights: &[f64]| Stride::new(weights).map_or(Self::Turns, Self::Stride);
        match policy {
            LoadBalancing::LeastRequest { choice_count } => Self::LeastRequest(LeastRequest::new(
                *choice_count,
                &weights(|candidate| f64::from(candidate.weight)),
            )),
            // As in gRPC, weights of discovery say nothing to it.
            LoadBalancing::RoundRobin => turns(&weights(|_| 1.0)),
            LoadBalancing::WeightedRoundRobin(_) => turns(&reported_weights(candidates)),
            LoadBalancing::RingHash(config) => Self::Owners(owners(config)),
            LoadBalancing::PickFirst { .. } => {
                let mut order: Box<[_]> = (0..candidates.len()).collect();
                order.sort_by_key(|index| candidates.get(*index).map(|candidate| candidate.rank));
                Self::First(order)
            }
            LoadBalancing::Random => Self::Random,
        }
    }

    /// What `take` gives of the first of `count` endpoints that it takes: the one chosen, then the others in turn.
    pub(super) fn find<T>(
        &self,
        count: usize,
        draw: Draw<'_>,
        load: impl Fn(usize) -> Load,
        take: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        let first = match self {
            _ if count < 2 => 0,
            Self::LeastRequest(policy) => policy.choose(count, draw.stream, load),
            Self::Turns => draw.turn.fetch_add(1, Relaxed) % count,
            Self::Stride(stride) => stride.next(draw.turn),
            Self::Owners(owners) => {
                return owners.find(draw.hash.unwrap_or_else(|| fastrand::u64(..)), load, take);
            }
            Self::First(order) => return order.iter().copied().find_map(take),
            Self::Random => fastrand::usize(..count),
        };
        (first..count).chain(0..first).find_map(take)
    }
}

/// What the endpoints report, or discovery's weights while none reports. One that does not report counts as the mean of
/// those that do, and one that alone reports as everyone (gRFC A58).
fn reported_weights(candidates: &[Candidate]) -> Vec<f64> {
    let reported: Vec<f64> = candidates.iter().map(|candidate| candidate.reported).collect();
    let mean = stride::mean(&reported);
    let none = reported.iter().all(|weight| *weight <= 0.0);
    let weight = |candidate: &Candidate| match mean {
        Some(mean) if candidate.reported <= 0.0 => mean,
        Some(_) => candidate.reported,
        None if none => f64::from(candidate.weight),
        None => 1.0,
    };
    candidates.iter().map(|candidate| weight(candidate) * candidate.warmth).collect()
}
