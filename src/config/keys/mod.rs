//! Every key there is, by place: the one table that the reader, its errors and the reference page
//! (`docs/configuration.md`, held to it by a test) go by.

mod cluster;
mod cors;
mod http;
mod route;

pub(super) use cluster::{CLUSTER, DESCRIPTORS, PROTOS, SERVICE_CONFIG};
pub(super) use cors::CORS;
pub(super) use http::{HTTP, HTTP_BINDING, HTTP_CUSTOM, HTTP_RULE};
pub(super) use route::{
    HASH_POLICY, HEADER_MATCH, HEADER_RANGE, MIRROR, ROUTE, ROUTE_MATCH, WEIGHTED_CLUSTER,
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

/// Every place, in the order of the reference page.
#[cfg(test)]
pub(super) static PLACES: [&Place; 29] = [
    &ROOT,
    &LISTENER,
    &ADMIN,
    &CLUSTER,
    &DESCRIPTORS,
    &PROTOS,
    &SERVICE_CONFIG,
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
            "rest",
            "table",
            "-",
            "Keys of `rest` for these methods; those that concern paths hold for the whole gateway and stand \
             there alone.",
        ),
    ],
    &["rate_limits", "idempotency", "retry", "cache", "coalesce", "hedging"],
);

pub(super) static REST: Place = place(
    "rest",
    &[
        key(
            "auto_mapping",
            SWITCH,
            "`true`",
            "Whether every exposed method answers at `POST /pkg.Service/Method`, annotated or not.",
        ),
        key(
            "url_unescape_spec",
            "`all_characters_except_reserved`, `all_characters_except_slash`, `all_characters`",
            "`all_characters_except_slash`",
            "Which escapes are decoded in a capture of more than one segment. One of a single segment decodes all.",
        ),
        key(
            "trailing_slash",
            "`strict`, `ignore`, `redirect`",
            "`strict`",
            "What a slash at the end of a path is: another path, nothing, or a reason to send the client to the \
             path without it (308).",
        ),
        key(
            "merge_slashes",
            SWITCH,
            "`false`",
            "Whether `//` inside of a path is one slash rather than refused.",
        ),
        key(
            "reject_dot_segments",
            SWITCH,
            "`true`",
            "Whether a segment `.` or `..`, raw or encoded, is refused. Without it a capture can hold `..`, and a \
             backend that joins paths can be led astray.",
        ),
        key(
            "ignore_unknown_query_parameters",
            SWITCH,
            "`false`",
            "Whether a query parameter that names no field is passed over rather than refused.",
        ),
        key(
            "ignored_query_parameters",
            "list of names",
            "`[]`",
            "Query parameters that are passed over, whether they name a field or not. A star at the end stands for \
             any rest: `utm_*`.",
        ),
        key("query_param_unescape_plus", SWITCH, "`true`", "Whether `+` in a query is a space."),
        key(
            "reject_duplicate_query_parameters",
            SWITCH,
            "`true`",
            "Whether a second value for a field that holds one is refused. `false`: the last one holds.",
        ),
        key(
            "reject_binding_collisions",
            SWITCH,
            "`true`",
            "Whether it is refused that path, body and query say different things of one field or oneof. `false`: \
             the path holds before the body, and the body before the query.",
        ),
        key(
            "reject_unexpected_body",
            SWITCH,
            "`false`",
            "Whether a body that the rule does not ask for is refused rather than left unread.",
        ),
        key(
            "require_content_type",
            SWITCH,
            "`false`",
            "Whether a body without a content type is refused. `false`: it is JSON, unless it comes with an `Origin`.",
        ),
        key(
            "fill_update_mask",
            SWITCH,
            "`true`",
            "Whether a PATCH whose body is a field, and that leaves the only `FieldMask` of the request unset, has \
             it filled with what the body names.",
        ),
        key(
            "bind_every_message",
            SWITCH,
            "`false`",
            "Whether path and query bind each message of a client's stream. `false`: the first.",
        ),
        key(
            "reject_unknown_json_fields",
            SWITCH,
            "`true`",
            "Whether a key that names no field is refused. `false`: it is passed over with its value.",
        ),
        key(
            "reject_unknown_json_enums",
            SWITCH,
            "`true`",
            "Whether a name that its enum does not have is refused. `false`: the field, element or entry is passed \
             over.",
        ),
        key(
            "reject_duplicate_json_keys",
            SWITCH,
            "`true`",
            "Whether a key given twice is refused, by whichever of its names. `false`: the last one holds.",
        ),
        key(
            "case_insensitive_enum_parsing",
            SWITCH,
            "`false`",
            "Whether the names of enum values are read without regard to case.",
        ),
        key(
            "max_json_depth",
            "number",
            "`100`",
            "How deep objects and arrays may nest; 100 at most, where protobuf ends.",
        ),
        key(
            "max_json_values",
            "number",
            "`50000`",
            "How many values a JSON document may hold, objects and arrays included. It bounds what a document can \
             cost in memory: four times its size and, in the rare case that it has to be built as a tree, 2 KB for \
             each value.",
        ),
        key("print_options", "table", "-", "How messages are printed as JSON."),
        key("streaming", "table", "-", "How streams are answered."),
        key(
            "error_format",
            "`status`, `aip193`, `problem_json`",
            "`status`",
            "The body of an error: `google.rpc.Status`, the same below `error` with HTTP's number and the name of \
             the code, or problem details (RFC 9457) as `application/problem+json`.",
        ),
        key(
            "http_status",
            "table of codes and numbers",
            "`{}`",
            "The HTTP status, from 400 to 599, of codes that are to have another than the canonical one, by the name \
             of the code: `{ FAILED_PRECONDITION: 412 }`.",
        ),
    ],
    &["forward_headers", "metadata_prefix", "compression"],
);

pub(super) static PRINT_OPTIONS: Place = place(
    "rest.print_options",
    &[
        key(
            "always_print_primitive_fields",
            SWITCH,
            "`false`",
            "Whether scalar and repeated fields are printed when they hold their default.",
        ),
        key("always_print_enums_as_ints", SWITCH, "`false`", "Whether enums are printed as numbers."),
        key(
            "preserve_proto_field_names",
            SWITCH,
            "`false`",
            "Whether fields keep the names of the proto file rather than lowerCamelCase.",
        ),
        key(
            "add_whitespace",
            SWITCH,
            "`false`",
            "Whether the JSON is indented. Messages of streams never are.",
        ),
        key(
            "print_int64_as_numbers",
            SWITCH,
            "`false`",
            "Whether 64-bit integers are numbers rather than strings. JavaScript rounds them above 2^53.",
        ),
        key(
            "strip_enum_prefixes",
            SWITCH,
            "`false`",
            "Whether `ORDER_STATUS_PAID` of the enum `OrderStatus` is printed as `PAID`, where that stays unique \
             and does not begin with a digit. Both are then read.",
        ),
    ],
    &[],
);

pub(super) static STREAMING: Place = place(
    "rest.streaming",
    &[
        key(
            "default",
            "`json_array`, `ndjson`, `sse`",
            "`json_array`",
            "How a stream is answered to a client whose `Accept` names none of the formats on offer.",
        ),
        key(
            "offer",
            "list of these",
            "`[json_array, ndjson, sse]`",
            "The formats that a client may choose by `Accept`: `application/json`, `application/x-ndjson`, \
             `text/event-stream`.",
        ),
        key(
            "sse_keep_alive",
            "duration, `none`",
            "`15s`",
            "After how long a silence a stream of events gets a comment, so that nothing on the way takes it for dead.",
        ),
        key(
            "wrap_messages",
            SWITCH,
            "`false`",
            "Whether a line of NDJSON is `{\"result\": message}`, as grpc-gateway has it.",
        ),
    ],
    &[],
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
