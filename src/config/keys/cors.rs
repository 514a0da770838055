//! The keys of `cors`.

use super::{Place, SWITCH, key, place};

pub(in crate::config) static CORS: Place = place(
    "cors",
    &[
        key(
            "allow_origins",
            "list of origins",
            "-",
            "The origins whose pages may call: `https://shop.example.com`, with a star for the port \
             (`http://localhost:*`) or for the names below a domain (`https://*.example.com`), or `*` alone for every \
             origin. At least one. `null` is never among them.",
        ),
        key(
            "allow_credentials",
            SWITCH,
            "`false`",
            "Whether pages may send cookies and client certificates of their visitors. Not with the origin `*`.",
        ),
        key(
            "allow_headers",
            "list of headers",
            "all",
            "The headers that pages may send. Those of the protocols and `Authorization` are always among them.",
        ),
        key(
            "expose_headers",
            "list of headers",
            "`[]`",
            "Headers that pages may read. Those that a reply has, and the status of gRPC, are exposed without being \
             listed.",
        ),
        key(
            "max_age",
            "duration",
            "`2h`",
            "How long a browser may keep the answer to a preflight. Chrome keeps none longer than 2 h.",
        ),
        key(
            "allow_private_network",
            SWITCH,
            "`false`",
            "Whether pages of public sites may call a gateway in a private network.",
        ),
    ],
    &[],
);
