//! A call's way out without the network.

use std::sync::Arc;

use tonic::Code;

use super::{
    cluster::Cluster,
    lane::{Lane, Lanes, Pick},
    permit::Permit,
    snapshot::Wish,
};

/// A place for one call, which counts as load until it is dropped.
///
/// What calls get from [`super::Outbound`] and give back unseen. It is public for `benches/pick.rs`, which measures what
/// balancing and ejection cost a call.
#[derive(Debug)]
pub struct Reservation(Permit);

impl Lanes {
    /// A place on the endpoint of `cluster` that its policy names first; `None` while there is none.
    pub fn reserve(&self, cluster: &Cluster) -> Option<Reservation> {
        let lane: &Arc<Lane> = self.lane(cluster)?;
        match lane.pick(Wish::default(), false) {
            Pick::Taken(permit) => Some(Reservation(permit)),
            Pick::Full(_) | Pick::Wait(_) | Pick::Down => None,
        }
    }
}

impl Reservation {
    /// Gives it back, as after a call that went well.
    pub fn succeeded(self) {
        self.0.trial().ended(Code::Ok);
    }
}
