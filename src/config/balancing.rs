//! Which endpoint a call goes to.

use std::fmt;
use std::time::Duration;

use http::HeaderName;

/// Which endpoint a call goes to: a policy of gRPC's `loadBalancingConfig`.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadBalancing {
    /// The least loaded of `choice_count` chosen at random (gRFC A48).
    LeastRequest {
        /// 2 to 10.
        choice_count: usize,
    },
    /// One after the other.
    RoundRobin,
    /// In proportion to weights.
    WeightedRoundRobin(WeightedRoundRobin),
    /// By the hash of a header (gRFC A42 and A76).
    RingHash(RingHash),
    /// All to the first that can be reached (gRFC A62).
    PickFirst {
        /// Whether the order of the addresses is shuffled first.
        shuffle: bool,
    },
    /// Any.
    Random,
}

/// Weighted round robin: static weights of discovery, or those that backends report (gRFC A58).
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedRoundRobin {
    /// Whether a stream per endpoint reports its load, rather than the trailers of calls.
    pub enable_oob_load_report: bool,
    /// How often such a stream is to report.
    pub oob_reporting_period: Duration,
    /// How long an endpoint must have reported before its weight counts.
    pub blackout_period: Duration,
    /// After how long without a report a weight no longer counts.
    pub weight_expiration_period: Duration,
    /// How often weights are worked out again; at least 100 ms.
    pub weight_update_period: Duration,
    /// How much errors weigh beside utilization; not negative.
    pub error_utilization_penalty: f64,
}

/// Ring hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingHash {
    /// The least number of entries of the ring; 1 to `max_ring_size`.
    pub min_ring_size: usize,
    /// The most; at most 4096, gRPC's own cap on clients.
    pub max_ring_size: usize,
    /// Whose value is hashed (gRFC A76); `None` for a random hash.
    pub request_hash_header: Option<HeaderName>,
    /// The most load of an endpoint in percent of its fair share before a call goes on to another, at least 100;
    /// `None` for any. Envoy's `hash_balance_factor`.
    pub hash_balance_factor: Option<u32>,
}

/// How the weight of a new endpoint grows (Envoy's slow start).
#[derive(Clone, Debug, PartialEq)]
pub struct SlowStart {
    /// How long it takes to the full weight; above zero.
    pub window: Duration,
    /// What it begins with, in percent of the full weight; 1 to 100.
    pub min_weight_percent: u8,
    /// 1 for linear growth, more for faster growth at the start; above zero.
    pub aggression: f64,
}

/// Which endpoints come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locality {
    /// The zone of this gateway; endpoints of it come first while they are enough.
    pub zone: String,
}

/// A client's calls stay on one endpoint by a cookie that names it opaquely (gRFC A55).
#[derive(Clone, PartialEq, Eq)]
pub struct SessionAffinity {
    /// The name of the cookie.
    pub cookie: String,
    /// Its `Path`.
    pub path: String,
    /// How long a browser keeps it; `None` for the session.
    pub ttl: Option<Duration>,
    /// What cookies are signed with, the same on all replicas of the gateway; `None` for a random one per process.
    pub secret: Option<String>,
}

/// Without the secret, which no log is to show.
impl fmt::Debug for SessionAffinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.secret.as_ref().map(|_| "..");
        let mut shown = f.debug_struct("SessionAffinity");
        shown.field("cookie", &self.cookie).field("path", &self.path).field("ttl", &self.ttl);
        shown.field("secret", &secret).finish()
    }
}

impl Default for LoadBalancing {
    fn default() -> Self {
        Self::LeastRequest { choice_count: 2 }
    }
}

impl Default for WeightedRoundRobin {
    fn default() -> Self {
        Self {
            enable_oob_load_report: false,
            oob_reporting_period: Duration::from_secs(10),
            blackout_period: Duration::from_secs(10),
            weight_expiration_period: Duration::from_secs(180),
            weight_update_period: Duration::from_secs(1),
            error_utilization_penalty: 1.0,
        }
    }
}

impl Default for RingHash {
    fn default() -> Self {
        Self {
            min_ring_size: 1024,
            max_ring_size: 4096,
            request_hash_header: None,
            hash_balance_factor: None,
        }
    }
}

impl Default for SlowStart {
    fn default() -> Self {
        Self { window: Duration::from_secs(30), min_weight_percent: 10, aggression: 1.0 }
    }
}
