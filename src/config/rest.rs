//! How JSON requests are understood and answered: what the operator wrote, and what holds for one method.
//!
//! What concerns paths holds for the whole gateway, since a path is read before its method is known. All else
//! is a [`RestPolicy`], and each of its fields comes from the most specific of three places: an entry of
//! `policies`, the block `rest`, the default.

use std::time::Duration;

use http::StatusCode;

use crate::grpc::{Code, code};

/// `rest`: what holds for the gateway, and for every method that `policies` says nothing else of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Whether every exposed method answers at `POST /pkg.Service/Method`.
    pub auto_mapping: bool,
    /// Which escapes stay in a capture of more than one segment.
    pub url_unescape_spec: UrlUnescape,
    /// What a slash at the end of a path means.
    pub trailing_slash: TrailingSlash,
    /// Whether `//` inside of a path is read as one slash.
    pub merge_slashes: bool,
    /// Whether a segment `.` or `..`, raw or encoded, is refused.
    pub reject_dot_segments: bool,
    /// What it sets for every method.
    pub methods: RestRule,
}

/// Which escapes are decoded in a capture of more than one segment; one of a single segment decodes all.
/// Envoy's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrlUnescape {
    /// All but those of RFC 6570's reserved characters, as Envoy has it.
    AllCharactersExceptReserved,
    /// All but `%2F`, as google/api/http.proto has it; `fully_decode_reserved_expansion` of google.api.Http.
    #[default]
    AllCharactersExceptSlash,
    /// All.
    AllCharacters,
}

/// What a slash at the end of a path means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSlash {
    /// Another path, which no template names.
    #[default]
    Strict,
    /// Nothing.
    Ignore,
    /// The client is sent to the path without it.
    Redirect,
}

/// How the messages of a stream are put one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFormat {
    /// Elements of one JSON array.
    JsonArray,
    /// A line each.
    Ndjson,
    /// Server-sent events.
    Sse,
}

/// The shape of an error's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorFormat {
    /// `google.rpc.Status`.
    Status,
    /// The same below `error`, with HTTP's number and the code's name (AIP-193).
    Aip193,
    /// Problem details (RFC 9457).
    ProblemJson,
}

/// The name of a query parameter, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterName {
    /// This one.
    Exact(String),
    /// All that begin so, written with a star at the end.
    Prefix(String),
}

/// Declares what holds for a method, and the twin of it that says which parts of it an operator wrote.
macro_rules! settings {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $default:expr,)+) => {
        /// How JSON requests of one method are understood and answered.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct RestPolicy {
            $($(#[$doc])+ pub $name: $type,)+
        }

        /// What one place of the configuration sets of a [`RestPolicy`].
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct RestRule {
            $(#[doc = concat!("Sets [`RestPolicy::", stringify!($name), "`].")] pub $name: Option<$type>,)+
        }

        impl Default for RestPolicy {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl RestRule {
            /// Sets in `policy` what was written.
            pub(super) fn apply(&self, policy: &mut RestPolicy) {
                $(if let Some(value) = &self.$name { policy.$name.clone_from(value); })+
            }
        }
    };
}

settings! {
    /// Whether a query parameter that names no field is passed over.
    ignore_unknown_query_parameters: bool = false,
    /// Query parameters that are passed over, whether or not they name a field.
    ignored_query_parameters: Vec<ParameterName> = Vec::new(),
    /// Whether `+` in a query is a space.
    query_param_unescape_plus: bool = true,
    /// Whether a query parameter of one value that is given twice is refused; else the last holds.
    reject_duplicate_query_parameters: bool = true,
    /// Whether it is refused that path, body and query name one field; else the path holds before the body,
    /// and the body before the query.
    reject_binding_collisions: bool = true,
    /// Whether a body that no rule asks for is refused; else it is not read.
    reject_unexpected_body: bool = false,
    /// Whether a body without a content type is refused; else it is read as JSON, unless a browser sent it.
    require_content_type: bool = false,
    /// Whether a PATCH without an update mask gets one from the keys of its body.
    fill_update_mask: bool = true,
    /// Whether path and query bind every message of a client's stream; else the first.
    bind_every_message: bool = false,
    /// Whether a key of a JSON object that names no field is refused; else it is passed over.
    reject_unknown_json_fields: bool = true,
    /// Whether a name that its enum does not have is refused; else the value is passed over.
    reject_unknown_json_enums: bool = true,
    /// Whether a key given twice is refused; else the last holds.
    reject_duplicate_json_keys: bool = true,
    /// Whether the names of enum values are read without regard to case.
    case_insensitive_enum_parsing: bool = false,
    /// How deep objects and arrays may nest, at most 100.
    max_json_depth: usize = 100,
    /// How many values a JSON document may hold, objects and arrays included.
    max_json_values: usize = 50_000,
    /// Whether scalar and repeated fields are printed when they hold their default.
    always_print_primitive_fields: bool = false,
    /// Whether enums are printed as numbers.
    always_print_enums_as_ints: bool = false,
    /// Whether fields keep the names of the proto file.
    preserve_proto_field_names: bool = false,
    /// Whether the JSON is indented.
    add_whitespace: bool = false,
    /// Whether 64-bit integers are printed as numbers rather than strings.
    print_int64_as_numbers: bool = false,
    /// Whether the names of enum values are printed and read without the name of their enum before them.
    strip_enum_prefixes: bool = false,
    /// How a stream is answered to a client that names no format.
    stream_format: StreamFormat = StreamFormat::JsonArray,
    /// The formats that a client may choose by `Accept`.
    offered_stream_formats: Vec<StreamFormat> =
        vec![StreamFormat::JsonArray, StreamFormat::Ndjson, StreamFormat::Sse],
    /// After how long a silence a stream of events gets a comment; `None` for never.
    sse_keep_alive: Option<Duration> = Some(Duration::from_secs(15)),
    /// Whether a line of NDJSON holds its message under `result`.
    wrap_messages: bool = false,
    /// The shape of an error's body.
    error_format: ErrorFormat = ErrorFormat::Status,
    /// The HTTP status of codes that are to have another than the canonical one.
    http_status: Vec<(Code, StatusCode)> = Vec::new(),
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            auto_mapping: true,
            url_unescape_spec: UrlUnescape::default(),
            trailing_slash: TrailingSlash::default(),
            merge_slashes: false,
            reject_dot_segments: true,
            methods: RestRule::default(),
        }
    }
}

impl RestPolicy {
    /// The HTTP status of a reply that carries `code`.
    pub fn http_status_of(&self, code: Code) -> StatusCode {
        let written = self.http_status.iter().find(|(of, _)| *of == code);
        written.map_or_else(|| code::to_http(code), |(_, status)| *status)
    }
}

impl ParameterName {
    /// Whether the parameter `name` is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}
