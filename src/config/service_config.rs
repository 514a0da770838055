//! gRPC's service config (grpc/service_config/service_config.proto, gRFC A2, A6, A21), as calls need it.

use std::time::Duration;

use crate::grpc::Code;

/// The parts of a service config that are about methods; `loadBalancingConfig` and `healthCheckConfig` are fields of the
/// cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceConfig {
    /// `methodConfig`, in the order of the file.
    pub methods: Vec<MethodConfig>,
    /// `retryThrottling`; `None` for gRPC's usual 10 tokens and a ratio of 0.1.
    pub retry_throttling: Option<RetryThrottling>,
}

/// What holds for some methods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodConfig {
    /// Which: no name is listed twice in a service config.
    pub names: Vec<MethodName>,
    /// The longest deadline.
    pub timeout: Option<Duration>,
    /// Whether a call waits for an endpoint, up to its deadline, when none can be reached.
    pub wait_for_ready: Option<bool>,
    /// The most bytes of a request message.
    pub max_request_message_bytes: Option<u32>,
    /// The most bytes of a response message.
    pub max_response_message_bytes: Option<u32>,
    /// How a call that failed is tried again, or tried several times at once.
    pub again: Option<Again>,
}

/// A method, all of a service (`method` empty), or all there are (both empty).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MethodName {
    /// The full name.
    pub service: String,
    /// The simple name.
    pub method: String,
}

/// More than one attempt for a call (gRFC A6): one way or the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Again {
    /// One after the other failed.
    Retry(RetryPolicy),
    /// Side by side.
    Hedge(HedgingPolicy),
}

/// `retryPolicy`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The first included; 2 to 5, more count as 5.
    pub max_attempts: u32,
    /// Before the first retry, +-20 %; above zero.
    pub initial_backoff: Duration,
    /// The most; above zero.
    pub max_backoff: Duration,
    /// From retry to retry; above zero.
    pub backoff_multiplier: f64,
    /// Statuses that are tried again; at least one.
    pub retryable: Codes,
    /// How long each attempt but the last may take to its first message (gRPC's experimental `perAttemptRecvTimeout`).
    pub per_attempt_recv_timeout: Option<Duration>,
}

/// `hedgingPolicy`.
#[derive(Clone, Debug, PartialEq)]
pub struct HedgingPolicy {
    /// The first included; 2 to 5, more count as 5.
    pub max_attempts: u32,
    /// Between attempts; zero for all at once.
    pub hedging_delay: Duration,
    /// Statuses after which the next attempt is made at once; any other ends the call.
    pub non_fatal: Codes,
}

/// A set of status codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codes(u32);

/// `retryThrottling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryThrottling {
    /// Above 0, at most 1000.
    pub max_tokens: u32,
    /// What a success gives back, in thousandths of a token; above 0.
    pub token_ratio_milli: u32,
}

/// What attempts of a method's calls go by, worked out once for each method.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttemptPolicy {
    /// The longest deadline, by `methodConfig.timeout`; `None` for none of its own.
    pub timeout: Option<Duration>,
    /// How a call is tried again; `None` for not.
    pub again: Option<Again>,
    /// Whether a call waits for an endpoint when none can be reached.
    pub wait_for_ready: bool,
    /// Whether a call that a backend may have run can be sent again without harm.
    pub idempotent: bool,
    /// Whether it changes nothing, and so may be run several times at once.
    pub no_side_effects: bool,
}

impl ServiceConfig {
    /// What holds for `method` of the service with the full name `service`: the most specific name wins as a whole, as in
    /// gRPC.
    pub fn method(&self, service: &str, method: &str) -> Option<&MethodConfig> {
        let find = |service: &str, method: &str| {
            self.methods.iter().find(|config| {
                config.names.iter().any(|name| name.service == service && name.method == method)
            })
        };
        find(service, method).or_else(|| find(service, "")).or_else(|| find("", ""))
    }
}

impl Codes {
    /// With one code more.
    #[must_use]
    pub fn with(self, code: Code) -> Self {
        Self(self.0 | 1 << (code as u32))
    }

    /// Whether a code is one of them.
    pub fn contains(self, code: Code) -> bool {
        self.0 & 1 << (code as u32) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Code> for Codes {
    fn from_iter<I: IntoIterator<Item = Code>>(codes: I) -> Self {
        codes.into_iter().fold(Self::default(), Self::with)
    }
}

impl RetryPolicy {
    /// For calls that may be sent again where no service config says how: UNAVAILABLE, three attempts, 25 ms to 250 ms.
    pub fn idempotent() -> Self {
        Self {
            max_attempts: 3,
            initial_backoff: Duration::from_millis(25),
            max_backoff: Duration::from_millis(250),
            backoff_multiplier: 2.0,
            retryable: Codes::default().with(Code::Unavailable),
            per_attempt_recv_timeout: None,
        }
    }
}

impl Default for RetryThrottling {
    fn default() -> Self {
        Self { max_tokens: 10, token_ratio_milli: 100 }
    }
}
