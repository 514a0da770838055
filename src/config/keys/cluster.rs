//! The keys of `clusters`.

use super::{Case, Place, SWITCH, key, place};

pub(in crate::config) static CLUSTER: Place = place(
    "clusters.NAME",
    &[
        key("target", "target", "-", "Where the endpoints are."),
        key(
            "dns_refresh_rate",
            "duration",
            "`5s`",
            "How often a `dns:` target is looked up. The TTL of the answer is ignored.",
        ),
        key("connect_timeout", "duration", "`2s`", "How long a connection may take to open."),
        key(
            "required",
            SWITCH,
            "`true`",
            "Whether `/readyz` waits for a healthy endpoint and a schema of this cluster.",
        ),
        key(
            "expose",
            "list of selectors",
            "all but `grpc.*`",
            "What callers can reach. A service's full name alone means all its methods.",
        ),
        key("descriptors", "table", "-", "Where the schema comes from."),
        key("service_config", "table", "-", "A gRPC service config."),
    ],
    &[
        "respect_dns_ttl",
        "connections_per_endpoint",
        "tls",
        "http2",
        "health_checks",
        "outlier_detection",
        "circuit_breakers",
        "trip",
        "slow_start_window",
        "preserve_host",
    ],
);

pub(in crate::config) static DESCRIPTORS: Place = place(
    "clusters.NAME.descriptors",
    &[
        key(
            "reflection",
            "`auto`, `always`, `never`",
            "`auto`",
            "Whether the backend is asked (grpc.reflection.v1, then v1alpha). `auto`: asked, and its absence is no \
             failure where protosets serve; `always`: a failure keeps the cluster from being ready.",
        ),
        key("refresh_interval", "duration", "`30s`", "How often the backend is asked again."),
        key(
            "protosets",
            "list of paths",
            "`[]`",
            "Files of a `FileDescriptorSet` (`protoc --include_imports --descriptor_set_out`, `buf build -o`), \
             relative to the configuration file.",
        ),
        key("protos", "table", "-", "Proto files to compile in process."),
    ],
    &[],
);

pub(in crate::config) static PROTOS: Place = place(
    "clusters.NAME.descriptors.protos",
    &[
        key(
            "files",
            "list of paths",
            "-",
            "The files, named as `import` statements name them: relative to one of `import_paths`.",
        ),
        key(
            "import_paths",
            "list of paths",
            "the folder of the configuration file",
            "The folders that `import` statements are looked up in, in this order, relative to the configuration file. \
             What they do not have of google/api, google/rpc and google/protobuf is built in.",
        ),
    ],
    &[],
);

pub(in crate::config) static SERVICE_CONFIG: Place = Place {
    name: "clusters.NAME.service_config",
    case: Case::Ignored,
    keys: &[key(
        "loadBalancingConfig",
        "list of tables of one key",
        "`[{least_request: {}}]`",
        "The policy that spreads requests: the first of the list that is `least_request` \
         (or `least_request_experimental`) or `round_robin`.",
    )],
    later: &["healthCheckConfig", "retryThrottling", "methodConfig", "loadBalancingPolicy"],
};

/// The elements of a file of endpoints; no place of the configuration itself.
pub(in crate::config) static LISTED: Place = place(
    "endpoint",
    &[
        key(
            "address",
            "address",
            "-",
            "Where the endpoint listens: an IP address and a port, or a Unix socket.",
        ),
        key("weight", "number", "`1`", "Its share beside others of its priority, 1 to 65535."),
        key(
            "priority",
            "number",
            "`0`",
            "Higher numbers are used while lower ones are not enough, 0 to 127.",
        ),
        key("zone", "text", "-", "Where it runs."),
        key("hash_key", "text", "its address", "Its name on a hash ring."),
    ],
    &[],
);
