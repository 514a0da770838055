//! Every key there is, by place: the one table that the reader, its errors and the reference page
//! (`docs/configuration.md`, held to it by a test) go by.

mod balancing;
mod cluster;
mod cors;
mod http;
mod resilience;
mod rest;
mod route;
mod service_config;

pub(super) use balancing::{
    LEAST_REQUEST, LOCALITY, PICK_FIRST, RANDOM, RING_HASH, ROUND_ROBIN, SESSION_AFFINITY, SLOW_START,
    WEIGHTED_ROUND_ROBIN,
};
pub(super) use cluster::{CLUSTER, DESCRIPTORS, HTTP2, LISTED, PROTOS, TLS};
pub(super) use cors::CORS;
pub(super) use http::{HTTP, HTTP_BINDING, HTTP_CUSTOM, HTTP_RULE};
pub(super) use resilience::{
    ADAPTIVE_CONCURRENCY, CIRCUIT_BREAKERS, GRPC_HEALTH_CHECK, HEALTH_CHECK, OUTLIER_DETECTION,
};
pub(super) use rest::{PRINT_OPTIONS, REST, STREAMING};
pub(super) use route::{
    HASH_POLICY, HEADER_MATCH, HEADER_RANGE, MIRROR, ROUTE, ROUTE_MATCH, WEIGHTED_CLUSTER,
};
pub(super) use service_config::{
    HEALTH_CHECK_CONFIG, HEDGING_POLICY, METHOD_CONFIG, METHOD_NAME, RETRY_POLICY, RETRY_THROTTLING,
    SERVICE_CONFIG,
};

/// The keys of one kind of table.
#[derive(Debug)]
pub(super) struct Place {
    /// As the reference page titles it, `[]` for a list and `NAME` for a name of the operator's.
    pub(super) name: &'static str,
    /// How keys may be spelt.
    pub(super) case: Case,
    /// The keys that are acted on.
    pub(super) keys: &'static [Key],
    /// The keys that a later version acts on. Refused rather than ignored: a rate limit or an
    /// authentication rule that silently does nothing is worse than no start.
    pub(super) later: &'static [&'static str],
}

/// How keys may be spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// As they stand in the table.
    Exact,
    /// In any case, as gRPC reads a service config.
    Ignored,
    /// As they stand in the table or in lowerCamelCase, as ProtoJSON reads the fields of a message.
    Proto,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What to write.
    pub(super) kind: &'static str,
    /// What holds without it; a dash where it has to be given, or where there is nothing to default.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reference page, which a test holds to it"))]
    pub(super) default: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reference page, which a test holds to it"))]
    pub(super) meaning: &'static str,
}

const fn key(name: &'static str, kind: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, kind, default, meaning }
}

const fn place(name: &'static str, keys: &'static [Key], later: &'static [&'static str]) -> Place {
    Place { name, case: Case::Exact, keys, later }
}

/// The place of a protobuf message.
const fn message(name: &'static str, keys: &'static [Key]) -> Place {
    Place { name, case: Case::Proto, keys, later: &[] }
}

/// A place of a service config. `null` counts as not given there, as in ProtoJSON.
const fn lenient(name: &'static str, keys: &'static [Key]) -> Place {
    Place { name, case: Case::Ignored, keys, later: &[] }
}

/// Every place, in the order of the reference page.
#[cfg(test)]
pub(super) static PLACES: [&Place; 49] = [
    &ROOT,
    &LISTENER,
    &ADMIN,
    &CLUSTER,
    &DESCRIPTORS,
    &PROTOS,
    &HTTP2,
    &TLS,
    &SLOW_START,
    &LOCALITY,
    &SESSION_AFFINITY,
    &HEALTH_CHECK,
    &GRPC_HEALTH_CHECK,
    &OUTLIER_DETECTION,
    &CIRCUIT_BREAKERS,
    &ADAPTIVE_CONCURRENCY,
    &SERVICE_CONFIG,
    &LEAST_REQUEST,
    &WEIGHTED_ROUND_ROBIN,
    &RING_HASH,
    &PICK_FIRST,
    &HEALTH_CHECK_CONFIG,
    &RETRY_THROTTLING,
    &METHOD_CONFIG,
    &METHOD_NAME,
    &RETRY_POLICY,
    &HEDGING_POLICY,
    &ROUTE,
    &ROUTE_MATCH,
    &HEADER_MATCH,
    &HEADER_RANGE,
    &WEIGHTED_CLUSTER,
    &HASH_POLICY,
    &MIRROR,
    &POLICY,
    &HTTP,
    &HTTP_RULE,
    &HTTP_BINDING,
    &HTTP_CUSTOM,
    &REST,
    &PRINT_OPTIONS,
    &STREAMING,
    &CORS,
    &GRPC,
    &RUNTIME,
    &SHUTDOWN,
    &TELEMETRY,
    &LOGS,
    &ACCESS,
];

pub(super) static ROOT: Place = place(
    "the file",
    &[
        key("version", "`1`", "`1`", "The version of this format."),
        key("listen", "address", "`0.0.0.0:8080`", "Short for one listener with the name `public`."),
        key("listeners", "list", "-", "The addresses to serve on, in place of `listen`."),
        key("admin", "table", "-", "The operator's port."),
        key("clusters", "table", "-", "The gRPC backends by name: a target, or a table. At least one."),
        key(
            "routes",
            "list",
            "-",
            "Where calls go that are not to go to the cluster that lists their service.",
        ),
        key("policies", "list", "-", "Deadlines and limits by selector."),
        key("http", "table", "-", "HTTP rules of methods, in the form of `google.api.Http`."),
        key("rest", "table", "-", "How JSON requests are understood and answered."),
        key("cors", "table", "-", "Which pages of other origins may call. Without it none may."),
        key("grpc", "table", "-", "The gateway's own gRPC services."),
        key("runtime", "table", "-", "The process."),
        key("shutdown", "table", "-", "How the process ends."),
        key("telemetry", "table", "-", "What the process tells about itself."),
    ],
    &["openapi", "authentication", "authorization", "stores", "overload", "config"],
);

pub(super) static LISTENER: Place = place(
    "listeners[]",
    &[
        key("name", "text", "-", "The name in logs and metrics, each once."),
        key(
            "address",
            "address",
            "-",
            "An IP address or `localhost`, and a port. gRPC, gRPC-Web, Connect, WebSocket and REST share it; port 0 lets the system choose.",
        ),
    ],
    &[
        "tls",
        "protocols",
        "trusted_proxies",
        "max_connections",
        "max_connection_age",
        "max_connection_age_grace",
        "http2",
    ],
);

pub(super) static ADMIN: Place = place(
    "admin",
    &[key(
        "address",
        "address",
        "`127.0.0.1:9901`",
        "Where `/healthz`, `/readyz` and `/metrics` are served. It is meant for operators, not for the internet.",
    )],
    &["console", "allow_from"],
);

pub(super) static POLICY: Place = place(
    "policies[]",
    &[
        key(
            "selector",
            "selector",
            "-",
            "The methods this entry speaks of. Of all entries that match, each key is taken from the most specific.",
        ),
        key("timeout", "duration, `none`", "`15s`", "The deadline of a unary call whose caller sets none."),
        key("max_timeout", "duration", "`5m`", "The most that a caller's deadline, or `timeout`, may be."),
        key("max_request_bytes", "size", "`4MiB`", "The largest message of a request."),
        key("max_response_bytes", "size", "`16MiB`", "The largest message of a response."),
        key(
            "stream_idle_timeout",
            "duration, `none`",
            "`5m`",
            "How long a stream may go without a message in either direction.",
        ),
        key("max_stream_duration", "duration, `none`", "`1h`", "How long a stream may live."),
        key(
            "retry",
            "`allowed`, `never`",
            "`allowed`",
            "Whether a call that a backend may have run can be tried again. `never`: neither retried nor hedged, \
             whatever a service config says; what was never sent still goes to another endpoint.",
        ),
        key(
            "idempotent",
            SWITCH,
            "what the proto file says",
            "Whether a call can be run twice without harm, in place of the `idempotency_level` of its method.",
        ),
        key(
            "rest",
            "table",
            "-",
            "Keys of `rest` for these methods; those that concern paths hold for the whole gateway and stand \
             there alone.",
        ),
    ],
    &["rate_limits", "idempotency", "cache", "coalesce", "hedging"],
);

pub(super) static GRPC: Place = place(
    "grpc",
    &[
        key(
            "reflection",
            SWITCH,
            "`true`",
            "Whether server reflection, v1 and v1alpha, tells callers which services are exposed, unless a cluster exposes one of its own.",
        ),
        key(
            "health",
            SWITCH,
            "`true`",
            "Whether `grpc.health.v1.Health` tells callers which services are ready, unless a cluster exposes one of its own.",
        ),
    ],
    &[],
);

pub(super) static RUNTIME: Place = place(
    "runtime",
    &[key(
        "worker_threads",
        "number",
        "`0`",
        "Threads that carry calls. 0: one per CPU, and a cgroup's quota counts.",
    )],
    &[],
);

pub(super) static SHUTDOWN: Place = place(
    "shutdown",
    &[
        key(
            "drain_delay",
            "duration",
            "`5s`",
            "After SIGTERM: how long `/readyz` says no while calls are still taken, so that load balancers notice.",
        ),
        key("grace", "duration", "`20s`", "Then: how long calls in flight may take to finish."),
    ],
    &[],
);

pub(super) static TELEMETRY: Place = place(
    "telemetry",
    &[key("logs", "table", "-", "The log, on standard error.")],
    &["service_name", "traces", "metrics"],
);

pub(super) static LOGS: Place = place(
    "telemetry.logs",
    &[
        key(
            "level",
            "`error`, `warn`, `info`, `debug`, `trace`, `off`",
            "`info`",
            "The least important messages that are written.",
        ),
        key(
            "format",
            "`json`, `text`",
            "`text` on a terminal, else `json`",
            "One JSON object a line, or text.",
        ),
        key("access", "table", "-", "The access log."),
    ],
    &[],
);

pub(super) static ACCESS: Place = place(
    "telemetry.logs.access",
    &[key("enabled", SWITCH, "`true`", "Whether each call is one line of the log.")],
    &["sample_ok", "slow_threshold", "fields"],
);

const SWITCH: &str = "`true`, `false`";
