//! The keys of `clusters` that are about which endpoint a call goes to.

use super::{Place, SWITCH, key, lenient, place};

pub(in crate::config) static SLOW_START: Place = place(
    "clusters.NAME.slow_start",
    &[
        key("window", "duration", "`30s`", "How long it takes to the full weight."),
        key(
            "min_weight_percent",
            "percentage",
            "`10`",
            "What a new endpoint begins with, in percent of its full weight; 1 at least.",
        ),
        key(
            "aggression",
            "number",
            "`1`",
            "1 for growth in a straight line, more for faster growth at the start.",
        ),
    ],
    &[],
);

pub(in crate::config) static LOCALITY: Place = place(
    "clusters.NAME.locality",
    &[key(
        "zone",
        "text",
        "-",
        "The zone of this gateway. Endpoints of it come first while they are enough.",
    )],
    &[],
);

pub(in crate::config) static SESSION_AFFINITY: Place = place(
    "clusters.NAME.session_affinity",
    &[
        key("cookie", "name of a cookie", "-", "The cookie. It does not tell the address of the endpoint."),
        key("path", "path of a URL", "`/`", "Its `Path`."),
        key("ttl", "duration, `none`", "`none`", "How long a browser keeps it; `none` for the session."),
        key(
            "secret",
            "text",
            "a random one per process",
            "What cookies are signed with, 16 characters or more, the same on all replicas of the gateway.",
        ),
    ],
    &[],
);

pub(in crate::config) static LEAST_REQUEST: Place = lenient(
    "clusters.NAME.service_config.loadBalancingConfig[].least_request",
    &[key(
        "choiceCount",
        "number",
        "`2`",
        "Of how many endpoints, chosen at random, the least loaded is taken; 2 at least, more than 10 count as 10.",
    )],
);

pub(in crate::config) static WEIGHTED_ROUND_ROBIN: Place = lenient(
    "clusters.NAME.service_config.loadBalancingConfig[].weighted_round_robin",
    &[
        key(
            "enableOobLoadReport",
            SWITCH,
            "`false`",
            "Whether a stream per endpoint reports its load, rather than the trailers of calls.",
        ),
        key("oobReportingPeriod", "seconds", "`10s`", "How often such a stream is to report."),
        key(
            "blackoutPeriod",
            "seconds",
            "`10s`",
            "How long an endpoint must have reported before its weight counts.",
        ),
        key(
            "weightExpirationPeriod",
            "seconds",
            "`180s`",
            "After how long without a report a weight no longer counts.",
        ),
        key(
            "weightUpdatePeriod",
            "seconds",
            "`1s`",
            "How often weights are worked out again; less than `0.1s` counts as that.",
        ),
        key(
            "errorUtilizationPenalty",
            "number",
            "`1.0`",
            "How much the errors of an endpoint weigh beside its utilization.",
        ),
    ],
);

pub(in crate::config) static RING_HASH: Place = lenient(
    "clusters.NAME.service_config.loadBalancingConfig[].ring_hash",
    &[
        key(
            "minRingSize",
            "number",
            "`1024`",
            "The least number of entries of the ring; more than 4096 count as 4096.",
        ),
        key("maxRingSize", "number", "`4096`", "The most; more than 4096 count as 4096."),
        key(
            "requestHashHeader",
            "name of a header",
            "-",
            "The header whose value is hashed (gRFC A76). Calls without it, and all without this key, go anywhere.",
        ),
    ],
);

pub(in crate::config) static PICK_FIRST: Place = lenient(
    "clusters.NAME.service_config.loadBalancingConfig[].pick_first",
    &[key("shuffleAddressList", SWITCH, "`false`", "Whether the order of the addresses is shuffled first.")],
);

/// Policies that have no keys, and so no section of the reference page.
pub(in crate::config) static ROUND_ROBIN: Place = lenient("round_robin", &[]);

pub(in crate::config) static RANDOM: Place = lenient("random", &[]);
