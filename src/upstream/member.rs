//! What discovery says of one endpoint.

use std::sync::Arc;

use crate::config::Address;

/// One endpoint as discovery lists it. Its address alone says which endpoint it is: when the rest changes, connections
/// stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) address: Address,
    /// Its share beside others of its priority; above zero.
    pub(super) weight: u32,
    /// Endpoints of a higher number are used while those of lower ones are not enough.
    pub(super) priority: u32,
    pub(super) zone: Option<Arc<str>>,
    /// Its place in a list that somebody has put in order; the same for all where nobody has.
    pub(super) place: u32,
    /// Its name on a hash ring where that is not the address (gRFC A76).
    pub(super) hash_key: Option<Arc<str>>,
}

impl From<Address> for Member {
    fn from(address: Address) -> Self {
        Self { address, weight: 1, priority: 0, zone: None, place: 0, hash_key: None }
    }
}

impl Member {
    /// Those of a list whose order says something.
    pub(super) fn in_order(listed: impl IntoIterator<Item = impl Into<Self>>) -> impl Iterator<Item = Self> {
        listed.into_iter().zip(0..).map(|(member, place)| Self { place, ..member.into() })
    }
}
