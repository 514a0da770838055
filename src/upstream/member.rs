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
    /// Its name on a hash ring where that is not the address (gRFC A76).
    pub(super) hash_key: Option<Arc<str>>,
}

impl From<Address> for Member {
    fn from(address: Address) -> Self {
        Self { address, weight: 1, priority: 0, zone: None, hash_key: None }
    }
}
