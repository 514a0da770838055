//! The keys of `clusters` that are about when an endpoint is left out, and how much may be under way.

use super::{Place, SWITCH, key, place};

pub(in crate::config) static HEALTH_CHECK: Place = place(
    "clusters.NAME.health_checks[]",
    &[
        key(
            "mode",
            "`check`, `watch`",
            "`check`",
            "By which method of `grpc.health.v1.Health`: `Check` again and again, or one `Watch` for each endpoint.",
        ),
        key("interval", "duration", "`10s`", "Between two checks, give or take a tenth."),
        key(
            "unhealthy_interval",
            "duration",
            "`1s`",
            "Between two checks of an endpoint that has just failed one.",
        ),
        key("timeout", "duration", "`1s`", "How long a check may take."),
        key(
            "unhealthy_threshold",
            "number",
            "`2`",
            "How many checks in a row must fail. `NOT_SERVING` counts at once.",
        ),
        key(
            "healthy_threshold",
            "number",
            "`2`",
            "How many in a row must succeed before an endpoint is used again.",
        ),
        key("grpc_health_check", "table", "-", "What is asked for."),
    ],
    &[],
);

pub(in crate::config) static GRPC_HEALTH_CHECK: Place = place(
    "clusters.NAME.health_checks[].grpc_health_check",
    &[key(
        "service_name",
        "text",
        "`healthCheckConfig.serviceName` of the service config, else nothing",
        "The service; nothing for the server as a whole.",
    )],
    &[],
);

pub(in crate::config) static OUTLIER_DETECTION: Place = place(
    "clusters.NAME.outlier_detection",
    &[
        key(
            "consecutive_gateway_failure",
            "number",
            "`5`",
            "How many calls in a row must fail; 0 for any number. Failures are lost connections and the statuses \
             UNAVAILABLE, INTERNAL, UNKNOWN and DATA_LOSS, never what a caller got wrong.",
        ),
        key("interval", "duration", "`10s`", "How often success rates and failure percentages are compared."),
        key(
            "base_ejection_time",
            "duration",
            "`30s`",
            "How long the first ejection lasts, the second twice as long, and so on.",
        ),
        key(
            "max_ejection_time",
            "duration",
            "`5m`, or `base_ejection_time` if that is more",
            "How long any may last.",
        ),
        key(
            "max_ejection_percent",
            "percentage",
            "`50`",
            "How much of the endpoints may be out at once. One always may.",
        ),
        key(
            "enforcing_success_rate",
            "percentage",
            "`100`",
            "The chance that an endpoint is ejected whose rate of successes is far below that of the others; 0 \
             switches this off.",
        ),
        key(
            "success_rate_stdev_factor",
            "number",
            "`1900`",
            "How far below the mean is too far, in thousandths of a standard deviation.",
        ),
        key(
            "success_rate_minimum_hosts",
            "number",
            "`5`",
            "How many endpoints must have calls enough to be compared.",
        ),
        key("success_rate_request_volume", "number", "`100`", "How many calls are enough, per interval."),
        key(
            "enforcing_failure_percentage",
            "percentage",
            "`100`",
            "The chance that an endpoint is ejected of whose calls more than `failure_percentage_threshold` fail; 0 \
             switches this off.",
        ),
        key(
            "failure_percentage_threshold",
            "percentage",
            "`85`",
            "More failures than this share are too many.",
        ),
        key(
            "failure_percentage_minimum_hosts",
            "number",
            "`5`",
            "How many endpoints must have calls enough.",
        ),
        key(
            "failure_percentage_request_volume",
            "number",
            "`50`",
            "How many calls are enough, per interval.",
        ),
        key(
            "successful_active_health_check_uneject_host",
            SWITCH,
            "`true`",
            "Whether a health check that succeeds ends an ejection.",
        ),
    ],
    &[],
);

pub(in crate::config) static CIRCUIT_BREAKERS: Place = place(
    "clusters.NAME.circuit_breakers",
    &[
        key(
            "max_connections",
            "number",
            "`1024`",
            "Connections; beyond one for each worker and endpoint, no further one is opened.",
        ),
        key(
            "max_requests",
            "number",
            "`1024`",
            "Calls at backends; a stream is one for as long as it is open.",
        ),
        key(
            "max_pending_requests",
            "number",
            "`256`",
            "Calls that wait for a connection or a stream; 0 for none.",
        ),
        key(
            "max_retries",
            "number",
            "`3`",
            "Retries and hedges at backends: this many, or `retry_budget_percent`, whichever is more.",
        ),
        key(
            "retry_budget_percent",
            "percentage",
            "`20`",
            "Retries and hedges at backends, in percent of all calls under way.",
        ),
        key(
            "queue_timeout",
            "duration",
            "`1s`",
            "How long a call waits for a stream where all connections are full.",
        ),
    ],
    &[],
);

pub(in crate::config) static ADAPTIVE_CONCURRENCY: Place = place(
    "clusters.NAME.adaptive_concurrency",
    &[
        key("initial_limit", "number", "`20`, or the nearest within the other two", "Where it begins."),
        key("min_limit", "number", "`20`, or `max_limit` if that is less", "The least."),
        key("max_limit", "number", "`200`, or `min_limit` if that is more", "The most."),
    ],
    &[],
);
