//! The keys of `rest`.

use super::{Place, SWITCH, key, place};

pub(in crate::config) static REST: Place = place(
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

pub(in crate::config) static PRINT_OPTIONS: Place = place(
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

pub(in crate::config) static STREAMING: Place = place(
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
