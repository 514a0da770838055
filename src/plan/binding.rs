//! What a REST route binds where.

use std::sync::Arc;

use prost_reflect::FieldDescriptor;

use super::MethodPlan;
use crate::{
    codec::{FieldPath, PathError, RawBody, UpdateMask},
    route::Template,
    schema::{Body, HttpRule, Method},
};

/// A route's method and the fields that path, body and reply fill.
#[derive(Clone, Debug)]
pub struct Binding {
    /// What is called.
    pub method: Arc<MethodPlan>,
    /// The field of each variable of the template, in its order.
    pub captures: Vec<FieldPath>,
    /// What the request body becomes.
    pub body: BodyBinding,
    /// The mask that a PATCH without one gets.
    pub update_mask: Option<UpdateMask>,
    /// The field of the reply that is the whole response body.
    pub response_body: Option<FieldDescriptor>,
    /// Whether what [`body`](Self::body) names is a `google.api.HttpBody`: the request body as it is, not JSON.
    pub raw_request: bool,
    /// The same for the response: [`response_body`](Self::response_body), or the whole reply.
    pub raw_response: bool,
    /// Who wrote its rule.
    pub source: RuleSource,
    /// Where: a proto file, or a place in the configuration.
    pub place: String,
}

/// Where the rule of a route was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleSource {
    /// In the proto file.
    Annotation,
    /// In the configuration.
    Config,
    /// Nowhere: `POST /pkg.Service/Method` by `rest.auto_mapping`.
    Automatic,
}

/// What a request body becomes.
#[derive(Clone, Debug)]
pub enum BodyBinding {
    /// Nothing: fields come from path and query.
    None,
    /// The message; there are no query parameters.
    All,
    /// One field of the message.
    Field {
        /// The field.
        field: FieldDescriptor,
        /// The same, to be compared with query keys.
        path: FieldPath,
    },
}

/// Why a rule cannot become a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// A variable of the template that names no field, or one that plain text cannot fill.
    #[error("variable {{{variable}}}: {source}")]
    Variable {
        /// The variable as written.
        variable: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// A variable that would be a list.
    #[error("variable {{{0}}}: expected a field that holds one value, found a repeated field")]
    Repeated(String),
    /// Two variables for one field, or for a field and a part of it.
    #[error("variables {{{0}}} and {{{1}}} bind the same field")]
    Overlap(String, String),
    /// `body` or `response_body` that names no field.
    #[error("expected a field of {message}, found `{field}`")]
    NoField {
        /// The message's full name.
        message: String,
        /// The name as written.
        field: String,
    },
}

impl RuleSource {
    /// One word for tables and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Config => "config",
            Self::Automatic => "auto",
        }
    }
}

impl Binding {
    /// Resolves a rule against the messages of its method.
    ///
    /// # Errors
    /// The first part of the rule that fits no field.
    pub(super) fn resolve(
        method: &Arc<MethodPlan>,
        rule: &HttpRule,
        template: &Template,
        (source, place): (RuleSource, String),
    ) -> Result<Self, BindingError> {
        let Method { input, output, .. } = &*method.method;
        let mut captures: Vec<FieldPath> = Vec::new();
        for variable in template.variables() {
            let text = variable.field_path().join(".");
            let wrong = |source| BindingError::Variable { variable: text.clone(), source };
            let path = FieldPath::resolve(input, &text).map_err(wrong)?;
            path.check_text().map_err(wrong)?;
            if path.is_repeated() {
                return Err(BindingError::Repeated(text));
            }
            if let Some(first) = captures.iter().find(|first| first.overlaps(&path)) {
                return Err(BindingError::Overlap(first.to_string(), text));
            }
            captures.push(path);
        }
        let field = |message: &prost_reflect::MessageDescriptor, name: &str| {
            let field = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name));
            field.ok_or_else(|| BindingError::NoField {
                message: message.full_name().into(),
                field: name.into(),
            })
        };
        let body = match &rule.body {
            Body::None => BodyBinding::None,
            Body::All => BodyBinding::All,
            Body::Field(name) => {
                let wrong = |source| BindingError::Variable { variable: name.clone(), source };
                BodyBinding::Field {
                    field: field(input, name)?,
                    path: FieldPath::resolve(input, name).map_err(wrong)?,
                }
            }
        };
        let response_body = rule.response_body.as_deref().map(|name| field(output, name)).transpose()?;
        let update_mask = match &body {
            BodyBinding::Field { field, .. }
                if method.rest.fill_update_mask && rule.verb.as_str() == "PATCH" =>
            {
                UpdateMask::of(input, field)
            }
            _ => None,
        };
        let raw_request = match &body {
            BodyBinding::None => false,
            BodyBinding::All => input.full_name() == RawBody::NAME,
            BodyBinding::Field { field, .. } => is_raw(field),
        };
        let raw_response = response_body.as_ref().map_or_else(|| output.full_name() == RawBody::NAME, is_raw);
        Ok(Self {
            method: Arc::clone(method),
            captures,
            body,
            update_mask,
            response_body,
            raw_request,
            raw_response,
            source,
            place,
        })
    }
}

/// Whether a field holds one `google.api.HttpBody`.
fn is_raw(field: &FieldDescriptor) -> bool {
    let kind = field.kind();
    !field.is_list() && kind.as_message().is_some_and(|message| message.full_name() == RawBody::NAME)
}
