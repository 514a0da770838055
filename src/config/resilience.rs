//! When an endpoint is left out, and how much may be under way. Envoy's words, gRPC's meaning.

use std::time::Duration;

/// How endpoints are asked whether they serve, by `grpc.health.v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `Check` every interval, or one `Watch` stream per endpoint.
    pub mode: HealthMode,
    /// Between two checks, +-10 %; above zero.
    pub interval: Duration,
    /// Between two checks of an endpoint that has just failed one; above zero.
    pub unhealthy_interval: Duration,
    /// How long a check may take; above zero.
    pub timeout: Duration,
    /// Checks in a row that must fail; `NOT_SERVING` counts at once.
    pub unhealthy_threshold: u32,
    /// Checks in a row that must succeed before an endpoint is used again.
    pub healthy_threshold: u32,
    /// The service that is asked for; empty for the server as a whole.
    pub service_name: String,
}

/// By which method of `grpc.health.v1.Health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthMode {
    /// `Check`, again and again.
    Check,
    /// `Watch`, once (gRFC A17).
    Watch,
}

/// When an endpoint is left out because calls on it fail (gRFC A50 and Envoy's consecutive failures).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Failures in a row; `None` for any number.
    pub consecutive_failures: Option<u32>,
    /// How often success rates and failure percentages are compared.
    pub interval: Duration,
    /// How long the first ejection lasts.
    pub base_ejection_time: Duration,
    /// How long any may last; at least the base.
    pub max_ejection_time: Duration,
    /// How much of the endpoints may be out, in percent; one always may.
    pub max_ejection_percent: u8,
    /// Comparing success rates; `None` for not.
    pub success_rate: Option<SuccessRateEjection>,
    /// Comparing failures to a fixed percentage; `None` for not.
    pub failure_percentage: Option<FailurePercentageEjection>,
    /// Whether a health check that succeeds ends an ejection.
    pub successful_health_check_ends_ejection: bool,
}

/// `success_rate_ejection` of gRFC A50.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuccessRateEjection {
    /// How many thousandths of a standard deviation below the mean are too few.
    pub stdev_factor: u32,
    /// The chance of being ejected, in percent.
    pub enforcement_percentage: u8,
    /// How many endpoints must have enough calls.
    pub minimum_hosts: usize,
    /// How many calls are enough, per interval.
    pub request_volume: u64,
}

/// `failure_percentage_ejection` of gRFC A50.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailurePercentageEjection {
    /// More failures than this percentage are too many.
    pub threshold: u8,
    /// The chance of being ejected, in percent.
    pub enforcement_percentage: u8,
    /// How many endpoints must have enough calls.
    pub minimum_hosts: usize,
    /// How many calls are enough, per interval.
    pub request_volume: u64,
}

/// How much of a cluster may be under way, over all workers; more fails at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitBreakers {
    /// Connections; beyond one for each worker and endpoint, no further one is opened.
    pub max_connections: usize,
    /// Calls at backends.
    pub max_requests: usize,
    /// Calls that wait for a connection or a stream.
    pub max_pending_requests: usize,
    /// Retries and hedges at backends: the larger of this and `retry_budget_percent`.
    pub max_retries: usize,
    /// Retries and hedges at backends, in percent of all calls.
    pub retry_budget_percent: u8,
    /// How long a call waits for a stream on a full cluster.
    pub queue_timeout: Duration,
}

/// A limit of unary calls in flight that follows latency (Gradient2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptiveConcurrency {
    /// Where it begins.
    pub initial_limit: usize,
    /// The least.
    pub min_limit: usize,
    /// The most.
    pub max_limit: usize,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            mode: HealthMode::Check,
            interval: Duration::from_secs(10),
            unhealthy_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            unhealthy_threshold: 2,
            healthy_threshold: 2,
            service_name: String::new(),
        }
    }
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_failures: Some(5),
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_percent: 50,
            success_rate: Some(SuccessRateEjection::default()),
            failure_percentage: Some(FailurePercentageEjection::default()),
            successful_health_check_ends_ejection: true,
        }
    }
}

impl Default for SuccessRateEjection {
    fn default() -> Self {
        Self { stdev_factor: 1900, enforcement_percentage: 100, minimum_hosts: 5, request_volume: 100 }
    }
}

impl Default for FailurePercentageEjection {
    fn default() -> Self {
        Self { threshold: 85, enforcement_percentage: 100, minimum_hosts: 5, request_volume: 50 }
    }
}

impl Default for CircuitBreakers {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_requests: 1024,
            max_pending_requests: 256,
            max_retries: 3,
            retry_budget_percent: 20,
            queue_timeout: Duration::from_secs(1),
        }
    }
}

impl Default for AdaptiveConcurrency {
    fn default() -> Self {
        Self { initial_limit: 20, min_limit: 20, max_limit: 200 }
    }
}
