//! HTTP rules of methods, from the `google.api.http` annotation (google/api/http.proto).
//!
//! A rule with `additional_bindings` is flattened into one [`HttpRule`] per binding. Path templates stay
//! text here; they are parsed where routes are built.

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor, ReflectMessage, Value,
};

/// One HTTP binding of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// The HTTP method.
    pub verb: Verb,
    /// The path template as written.
    pub template: String,
    /// What the request body becomes.
    pub body: Body,
    /// The field of the reply that becomes the whole response body.
    pub response_body: Option<String>,
}

/// The `pattern` of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `get`
    Get,
    /// `put`
    Put,
    /// `post`
    Post,
    /// `delete`
    Delete,
    /// `patch`
    Patch,
    /// `custom`: any other method by its name, or `*` for every method.
    Custom(String),
}

/// The `body` of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// No body; fields that the path does not bind come from the query.
    None,
    /// `*`: the body is the message.
    All,
    /// The body is this field of the request, a name of the top level.
    Field(String),
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleFault {
    /// The annotation is not a `google.api.HttpRule`.
    #[error("google.api.http is not a google.api.HttpRule in this schema, the annotation is ignored")]
    NotARule,
    /// A rule or additional binding without a path.
    #[error(
        "expected one of get, put, post, delete, patch or custom with a path, found none; the binding is ignored"
    )]
    NoPattern,
    /// `custom` with a kind that is no HTTP method.
    #[error("expected an HTTP method or `*` as custom kind, found {0:?}; the binding is ignored")]
    BadKind(String),
    /// Bindings inside an additional binding.
    #[error("additional_bindings inside `{0}`, itself an additional binding, are not allowed and ignored")]
    NestedBindings(String),
    /// `body` that names no field of the request.
    #[error("`{template}`: body `{field}` is no field of {message}; the binding is ignored")]
    UnknownBody {
        /// The path template of the binding.
        template: String,
        /// What it says.
        field: String,
        /// The request message.
        message: String,
    },
    /// `response_body` that names no field of the reply.
    #[error("`{template}`: response_body `{field}` is no field of {message}; the binding is ignored")]
    UnknownResponseBody {
        /// The path template of the binding.
        template: String,
        /// What it says.
        field: String,
        /// The reply message.
        message: String,
    },
    /// A body on a method that has none by RFC 9110. The binding stands.
    #[error("{verb} `{template}` has a body, which many clients and proxies drop")]
    BodyOnGet {
        /// GET, HEAD or DELETE.
        verb: String,
        /// The path template of the binding.
        template: String,
    },
}

impl HttpRule {
    /// The rule that a method has without any annotation: `POST /pkg.Service/Method`, body `*`.
    pub fn automatic(path: &str) -> Self {
        Self { verb: Verb::Post, template: path.to_owned(), body: Body::All, response_body: None }
    }
}

impl Verb {
    /// The HTTP method as it stands in a request line; `*` for every method.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Custom(kind) => kind,
        }
    }
}

/// The `google.api.http` extension of a pool, if one of its files defines it.
pub(super) fn extension(pool: &DescriptorPool) -> Option<ExtensionDescriptor> {
    pool.get_extension_by_name("google.api.http")
}

/// The bindings of `method` and what is wrong with its rule.
pub(super) fn annotated(
    method: &MethodDescriptor,
    extension: Option<&ExtensionDescriptor>,
) -> (Vec<HttpRule>, Vec<RuleFault>) {
    let mut found = Flattened { method, rules: Vec::new(), faults: Vec::new() };
    let options = method.options();
    let carries = |extension: &&ExtensionDescriptor| {
        extension.containing_message() == options.descriptor() && options.has_extension(extension)
    };
    if let Some(extension) = extension.filter(carries) {
        match &*options.get_extension(extension) {
            Value::Message(rule) if rule.descriptor().full_name() == "google.api.HttpRule" => {
                found.rule(rule)
            }
            _ => found.faults.push(RuleFault::NotARule),
        }
    }
    (found.rules, found.faults)
}

struct Flattened<'m> {
    method: &'m MethodDescriptor,
    rules: Vec<HttpRule>,
    faults: Vec<RuleFault>,
}

impl Flattened<'_> {
    fn rule(&mut self, rule: &DynamicMessage) {
        self.binding(rule);
        for binding in messages(rule, "additional_bindings") {
            if !messages(&binding, "additional_bindings").is_empty() {
                let template = pattern(&binding).map(|(_, template)| template).unwrap_or_default();
                self.faults.push(RuleFault::NestedBindings(template));
            }
            self.binding(&binding);
        }
    }

    fn binding(&mut self, rule: &DynamicMessage) {
        match self.checked(rule) {
            Ok(rule) => self.rules.push(rule),
            Err(fault) => self.faults.push(fault),
        }
    }

    fn checked(&mut self, rule: &DynamicMessage) -> Result<HttpRule, RuleFault> {
        let (verb, template) =
            pattern(rule).filter(|(_, template)| !template.is_empty()).ok_or(RuleFault::NoPattern)?;
        if let Verb::Custom(kind) = &verb
            && http::Method::from_bytes(kind.as_bytes()).is_err()
        {
            return Err(RuleFault::BadKind(kind.clone()));
        }
        let body = match text(rule, "body") {
            None => Body::None,
            Some(star) if star == "*" => Body::All,
            Some(field) => {
                let input = self.method.input();
                if input.get_field_by_name(&field).is_none() {
                    let message = input.full_name().to_owned();
                    return Err(RuleFault::UnknownBody { template, field, message });
                }
                Body::Field(field)
            }
        };
        let response_body = text(rule, "response_body");
        if let Some(field) = &response_body {
            let output = self.method.output();
            if output.get_field_by_name(field).is_none() {
                let (field, message) = (field.clone(), output.full_name().to_owned());
                return Err(RuleFault::UnknownResponseBody { template, field, message });
            }
        }
        if body != Body::None && matches!(verb.as_str(), "GET" | "HEAD" | "DELETE") {
            let fault = RuleFault::BodyOnGet { verb: verb.as_str().to_owned(), template: template.clone() };
            self.faults.push(fault);
        }
        Ok(HttpRule { verb, template, body, response_body })
    }
}

fn pattern(rule: &DynamicMessage) -> Option<(Verb, String)> {
    let plain = [
        ("get", Verb::Get),
        ("put", Verb::Put),
        ("post", Verb::Post),
        ("delete", Verb::Delete),
        ("patch", Verb::Patch),
    ];
    plain.into_iter().find_map(|(field, verb)| Some((verb, text(rule, field)?))).or_else(|| {
        if !rule.has_field_by_name("custom") {
            return None;
        }
        let custom = rule.get_field_by_name("custom")?;
        let custom = custom.as_message()?;
        Some((Verb::Custom(text(custom, "kind").unwrap_or_default()), text(custom, "path")?))
    })
}

/// A string field that is set and not empty.
fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    let value = message.get_field_by_name(field)?;
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn messages(message: &DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let Some(value) = message.get_field_by_name(field) else { return Vec::new() };
    value.as_list().unwrap_or_default().iter().filter_map(|item| item.as_message().cloned()).collect()
}
