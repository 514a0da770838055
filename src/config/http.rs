//! `http`: HTTP rules of methods, `google.api.Http` verbatim (google/api/http.proto).

use crate::config::report::Origin;
use crate::config::selector::Selector;

/// The rules of the file. They stand for what the proto files say, which often are not the operator's to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// Whether captures of several segments are decoded but for `%2F`, even where `rest.url_unescape_spec` would keep
    /// reserved characters.
    pub fully_decode_reserved_expansion: bool,
    /// In the order of the file. Of those that select a method the last one counts, as google/api/http.proto has it.
    pub rules: Vec<HttpRule>,
}

/// One rule: the HTTP requests that call the methods of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// The methods.
    pub selector: Selector,
    /// Where the selector was written.
    pub origin: Origin,
    /// The rule itself and its `additional_bindings`; at least one.
    pub bindings: Vec<HttpBinding>,
}

/// One kind of HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpBinding {
    /// The HTTP method, `*` for every one.
    pub method: String,
    /// The path template, as written.
    pub template: String,
    /// What the request body is: the message (`*`), a field, or nothing.
    pub body: Option<String>,
    /// The field of the reply that is the whole response body.
    pub response_body: Option<String>,
    /// Where the template was written.
    pub origin: Origin,
}
