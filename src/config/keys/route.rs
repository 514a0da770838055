//! The keys of `routes`.

use super::{Place, SWITCH, key, place};

pub(in crate::config) static ROUTE: Place = place(
    "routes[]",
    &[
        key("name", "text", "-", "Its name in metrics and in the mark of mirrored calls, each once."),
        key("match", "table", "every call", "The calls that it takes, unless a route above it does."),
        key("cluster", "name of a cluster", "-", "Where they go. Either this or `weighted_clusters`."),
        key(
            "weighted_clusters",
            "list",
            "-",
            "Where they go by shares. A call is dealt once, whatever attempts it takes.",
        ),
        key(
            "sticky_header",
            "header",
            "-",
            "Whose value decides among `weighted_clusters` in place of chance: who sends the same value stays on one \
             cluster, on all gateways. Calls without it are dealt by chance.",
        ),
        key(
            "hash_policy",
            "list",
            "-",
            "The headers whose values choose the endpoint in a cluster of `ring_hash`, before the one that its policy \
             names.",
        ),
        key("mirror", "table", "-", "Where copies of its unary calls go. Their answers are dropped."),
    ],
    &[],
);

pub(in crate::config) static ROUTE_MATCH: Place = place(
    "routes[].match",
    &[
        key("selector", "selector", "`*`", "The methods."),
        key(
            "hosts",
            "list of hosts",
            "`[\"*\"]`",
            "The host that the caller named, `Host` or `:authority` without its port: a name, all names below one \
             (`*.example.com`), an address, or `*`.",
        ),
        key(
            "headers",
            "table of headers and values",
            "`{}`",
            "What the metadata of the call has to be, all of it: a value, or a table of the next section. Headers that \
             do not reach backends are not seen, and those of the name `-bin` cannot be matched.",
        ),
    ],
    &[],
);

pub(in crate::config) static HEADER_MATCH: Place = place(
    "routes[].match.headers.NAME",
    &[
        key("exact", "text", "-", "The value. One of these keys is given, and `invert` beside it."),
        key("prefix", "text", "-", "What the value begins with."),
        key("suffix", "text", "-", "What the value ends with."),
        key("present", SWITCH, "-", "Whether the header is there."),
        key("regex", "regular expression", "-", "What matches the whole value."),
        key("range", "table", "-", "The whole numbers that the value may be."),
        key(
            "invert",
            SWITCH,
            "`false`",
            "Whether the value has to be another. A header that is missing has none.",
        ),
    ],
    &[],
);

pub(in crate::config) static HEADER_RANGE: Place = place(
    "routes[].match.headers.NAME.range",
    &[key("start", "number", "-", "The least."), key("end", "number", "-", "The one above the greatest.")],
    &[],
);

pub(in crate::config) static WEIGHTED_CLUSTER: Place = place(
    "routes[].weighted_clusters[]",
    &[
        key("name", "name of a cluster", "-", "Where its share of the calls goes."),
        key("weight", "number", "-", "Its share of the sum of all weights; 0 for none, a million at most."),
    ],
    &[],
);

pub(in crate::config) static HASH_POLICY: Place = place(
    "routes[].hash_policy[]",
    &[key("header", "header", "-", "Whose value is hashed; those of several headers are put together.")],
    &[],
);

pub(in crate::config) static MIRROR: Place = place(
    "routes[].mirror",
    &[
        key("cluster", "name of a cluster", "-", "Where the copies go."),
        key("fraction", "number", "`1`", "The share of the calls that is copied, from 0 to 1."),
    ],
    &[],
);
