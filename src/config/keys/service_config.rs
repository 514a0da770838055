//! The keys of a gRPC service config (grpc/service_config/service_config.proto).

use super::{Place, SWITCH, key, lenient};

pub(in crate::config) static SERVICE_CONFIG: Place = lenient(
    "clusters.NAME.service_config",
    &[
        key(
            "loadBalancingConfig",
            "list of tables of one key",
            "`[{least_request: {}}]`",
            "The policy that spreads calls: the first of the list that is known, which are `least_request`, \
             `round_robin`, `weighted_round_robin`, `ring_hash`, `pick_first` and `random`.",
        ),
        key(
            "loadBalancingPolicy",
            "name of a policy",
            "-",
            "The same without keys of its own, for service configs of old. Passed over beside \
             `loadBalancingConfig`.",
        ),
        key("healthCheckConfig", "table", "-", "Which service is watched."),
        key("retryThrottling", "table", "-", "When calls of the cluster are no longer tried again."),
        key("methodConfig", "list", "`[]`", "What holds for some methods."),
    ],
);

pub(in crate::config) static HEALTH_CHECK_CONFIG: Place = lenient(
    "clusters.NAME.service_config.healthCheckConfig",
    &[key(
        "serviceName",
        "text",
        "-",
        "Each endpoint is watched for this service, nothing for the server as a whole. Where `health_checks` is \
         given too, it is asked for by that.",
    )],
);

pub(in crate::config) static RETRY_THROTTLING: Place = lenient(
    "clusters.NAME.service_config.retryThrottling",
    &[
        key(
            "maxTokens",
            "number",
            "-",
            "How many tokens there are, 1 to 1000. Each failure takes one, and nothing is tried again while there \
             are no more than half. Without the table: 10.",
        ),
        key(
            "tokenRatio",
            "number",
            "-",
            "How many tokens a success gives back, to three decimals. Without the table: 0.1.",
        ),
    ],
);

pub(in crate::config) static METHOD_CONFIG: Place = lenient(
    "clusters.NAME.service_config.methodConfig[]",
    &[
        key("name", "list", "-", "The methods. None is named twice in one service config."),
        key(
            "timeout",
            "seconds",
            "-",
            "The longest deadline: the smaller of this and what the caller or the policy says.",
        ),
        key(
            "waitForReady",
            SWITCH,
            "`false`",
            "Whether a call waits for an endpoint, up to its deadline, when none can be reached.",
        ),
        key(
            "maxRequestMessageBytes",
            "number",
            "-",
            "The largest message of a request: the smaller of this and the policy's.",
        ),
        key(
            "maxResponseMessageBytes",
            "number",
            "-",
            "The largest message of a response: the smaller of this and the policy's.",
        ),
        key("retryPolicy", "table", "-", "How a call that failed is tried again."),
        key(
            "hedgingPolicy",
            "table",
            "-",
            "How a call is tried several times at once, in place of `retryPolicy`.",
        ),
    ],
);

pub(in crate::config) static METHOD_NAME: Place = lenient(
    "clusters.NAME.service_config.methodConfig[].name[]",
    &[
        key("service", "full name", "-", "The service; without it, all methods that no other entry names."),
        key("method", "name", "-", "The method; without it, all of the service that no other entry names."),
    ],
);

pub(in crate::config) static RETRY_POLICY: Place = lenient(
    "clusters.NAME.service_config.methodConfig[].retryPolicy",
    &[
        key(
            "maxAttempts",
            "number",
            "-",
            "How many attempts, the first included; 2 at least, more than 5 count as 5.",
        ),
        key("initialBackoff", "seconds", "-", "Before the first retry, give or take a fifth."),
        key("maxBackoff", "seconds", "-", "The most before any."),
        key("backoffMultiplier", "number", "-", "By how much it grows from retry to retry."),
        key(
            "retryableStatusCodes",
            "list of codes",
            "-",
            "The statuses that are tried again, by number or by name. At least one.",
        ),
        key(
            "perAttemptRecvTimeout",
            "seconds",
            "-",
            "How long each attempt but the last may take to its first message.",
        ),
    ],
);

pub(in crate::config) static HEDGING_POLICY: Place = lenient(
    "clusters.NAME.service_config.methodConfig[].hedgingPolicy",
    &[
        key(
            "maxAttempts",
            "number",
            "-",
            "How many attempts, the first included; 2 at least, more than 5 count as 5.",
        ),
        key("hedgingDelay", "seconds", "`0s`", "Between attempts; `0s` for all at once."),
        key(
            "nonFatalStatusCodes",
            "list of codes",
            "`[]`",
            "The statuses after which the next attempt is made at once. Any other ends the call.",
        ),
    ],
);
