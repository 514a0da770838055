//! `routes`: which cluster calls go to, where that is not the one that lists their service.

use http::HeaderName;

use crate::config::report::Origin;
use crate::config::{HeaderMatch, HostPattern, Selector};

/// One route. Of those that match a call the first in the order of the file takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRoute {
    /// Its name in logs, metrics and the mark of its mirrored calls; unique.
    pub name: String,
    /// The methods that it may take.
    pub selector: Selector,
    /// The hosts that its callers name; empty for all.
    pub hosts: Vec<HostPattern>,
    /// What the metadata of a call has to be, all of it.
    pub headers: Vec<HeaderMatch>,
    /// Where its calls go: at least one cluster, and not all of weight zero.
    pub clusters: Vec<WeightedCluster>,
    /// Whose value decides among the clusters in place of chance, so that a caller stays where it is.
    pub sticky_header: Option<HeaderName>,
    /// Whose values `ring_hash` goes by, before the header that its policy names.
    pub hash_policy: Vec<HeaderName>,
    /// Where copies go.
    pub mirror: Option<Mirror>,
    /// Where it was written.
    pub origin: Origin,
}

/// A cluster and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedCluster {
    /// The cluster's name.
    pub name: String,
    /// In proportion to the sum over the route.
    pub weight: u32,
}

/// Copies of unary calls for a cluster whose answers nobody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The cluster's name.
    pub cluster: String,
    /// How many of a million calls are copied.
    pub per_million: u32,
}
