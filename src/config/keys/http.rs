//! The keys of `http`, which are the fields of `google.api.Http`.

use super::{Place, SWITCH, key, message};

pub(in crate::config) static HTTP: Place = message(
    "http",
    &[
        key(
            "rules",
            "list",
            "`[]`",
            "The rules. Of those that select a method the last one counts, and it replaces what the method's proto file says.",
        ),
        key(
            "fully_decode_reserved_expansion",
            SWITCH,
            "`false`",
            "Whether a path variable of several segments is decoded but for `%2F`, even where `rest.url_unescape_spec` \
             would keep reserved characters.",
        ),
    ],
);

pub(in crate::config) static HTTP_RULE: Place = message(
    "http.rules[]",
    &[
        key("selector", "selector", "-", "The methods that the rule is for."),
        key(
            "get",
            "path template",
            "-",
            "GET requests of this path. One of the six from here to `custom` is given.",
        ),
        key("put", "path template", "-", "PUT requests of this path."),
        key("post", "path template", "-", "POST requests of this path."),
        key("delete", "path template", "-", "DELETE requests of this path."),
        key("patch", "path template", "-", "PATCH requests of this path."),
        key("custom", "table", "-", "Requests of any other method."),
        key("body", "`*`, name of a field", "-", BODY),
        key("response_body", "name of a field", "-", RESPONSE_BODY),
        key("additional_bindings", "list", "`[]`", "Further requests that call the same methods."),
    ],
);

pub(in crate::config) static HTTP_BINDING: Place = message(
    "http.rules[].additional_bindings[]",
    &[
        key("get", "path template", "-", "As in the rule itself, and so are the others."),
        key("put", "path template", "-", "PUT requests of this path."),
        key("post", "path template", "-", "POST requests of this path."),
        key("delete", "path template", "-", "DELETE requests of this path."),
        key("patch", "path template", "-", "PATCH requests of this path."),
        key("custom", "table", "-", "Requests of any other method."),
        key("body", "`*`, name of a field", "-", BODY),
        key("response_body", "name of a field", "-", RESPONSE_BODY),
    ],
);

const BODY: &str = "What the request body is: the message, one field of it, or nothing.";

const RESPONSE_BODY: &str = "The field of the reply that is the whole response body.";

pub(in crate::config) static HTTP_CUSTOM: Place = message(
    "http.rules[].custom",
    &[
        key("kind", "HTTP method, `*`", "-", "The method, such as `HEAD`; `*` for every one."),
        key("path", "path template", "-", "The path."),
    ],
);
