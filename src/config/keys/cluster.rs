//! The keys of `clusters`.

use super::{Place, SWITCH, key, place};

pub(in crate::config) static CLUSTER: Place = place(
    "clusters.NAME",
    &[
        key("target", "target", "-", "Where the endpoints are."),
        key(
            "dns_refresh_rate",
            "duration",
            "`5s`",
            "How often a `dns:` target is looked up. The TTL of the answer is ignored but for `respect_dns_ttl`.",
        ),
        key(
            "respect_dns_ttl",
            SWITCH,
            "`false`",
            "Whether the TTL of an answer, within 1 s to 30 s, stands for `dns_refresh_rate`.",
        ),
        key(
            "drain_timeout",
            "duration",
            "`30s`",
            "How long calls on an endpoint that is no longer listed may go on. It gets no new ones at once.",
        ),
        key("connect_timeout", "duration", "`2s`", "How long a connection may take to open, TLS included."),
        key(
            "connections_per_endpoint",
            "number",
            "`4`",
            "The most connections of a worker to one endpoint; 10 at most. A further one is opened when all are full.",
        ),
        key(
            "max_connection_age",
            "duration, `none`",
            "`none`",
            "After how long, give or take a tenth, a connection takes no further call. It spreads the load anew \
             where one address stands for many backends.",
        ),
        key("http2", "table", "-", "How connections are kept alive."),
        key("tls", "table", "-", "How connections are secured. Without it they are plain HTTP/2."),
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
        key(
            "slow_start_window",
            "duration",
            "-",
            "Short for `slow_start` with this `window` and its other defaults.",
        ),
        key(
            "slow_start",
            "table",
            "-",
            "How a new endpoint comes to its full share. Without it, it has that at once.",
        ),
        key("locality", "table", "-", "Which endpoints come first. Without it all are alike."),
        key(
            "subset_size",
            "number",
            "all",
            "Of how many endpoints one gateway uses (gRFC A68), where gateways times endpoints are too many \
             connections.",
        ),
        key(
            "healthy_panic_threshold",
            "percentage",
            "`50`",
            "Below which share of endpoints that are not ejected ejection is ignored; 0 for never. What fails its \
             health check is never used.",
        ),
        key("session_affinity", "table", "-", "Keeps the calls of a client on one endpoint by a cookie."),
        key(
            "hash_balance_factor",
            "number",
            "-",
            "With `ring_hash`: the most load of an endpoint in percent of its fair share, 100 or more; beyond it a \
             call goes on to another one. Without it there is no such bound.",
        ),
        key("health_checks", "list of one", "`[]`", "How endpoints are asked whether they serve."),
        key(
            "outlier_detection",
            "table, `none`",
            "with its defaults",
            "When an endpoint is left out because calls on it fail. `none`: never.",
        ),
        key("circuit_breakers", "table", "-", "How much may be under way; more fails at once."),
        key(
            "adaptive_concurrency",
            "table",
            "-",
            "A limit of unary calls in flight that follows latency. Without it there is none.",
        ),
        key("service_config", "table", "-", "A gRPC service config, verbatim."),
    ],
    &["trip", "preserve_host"],
);

pub(in crate::config) static HTTP2: Place = place(
    "clusters.NAME.http2",
    &[
        key(
            "keepalive_time",
            "duration",
            "`10s`",
            "After how long without a byte a backend that owes an answer is pinged. Never oftener than gRPC servers \
             allow, and never without a call.",
        ),
        key(
            "keepalive_timeout",
            "duration",
            "`5s`",
            "How long its sign of life may take before the connection is given up.",
        ),
    ],
    &["permit_keepalive_without_calls"],
);

pub(in crate::config) static TLS: Place = place(
    "clusters.NAME.tls",
    &[
        key(
            "mode",
            "`verify`, `insecure`",
            "`verify`",
            "Whether the certificate of a backend is checked. `insecure` encrypts for whoever answers.",
        ),
        key(
            "ca_file",
            "path",
            "those of the system",
            "Certificates of the authorities that are trusted, PEM.",
        ),
        key(
            "server_name",
            "host",
            "the host of `target`",
            "The name that the certificate has to have, sent as SNI.",
        ),
        key(
            "client_cert_file",
            "path",
            "-",
            "The certificate that the gateway shows of itself, with its chain, PEM. Together with \
             `client_key_file`.",
        ),
        key("client_key_file", "path", "-", "Its key, PEM."),
    ],
    &[],
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
