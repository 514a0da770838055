//! The table of REST routes, and what is told about it.
//!
//! | a method's rules come from | where |
//! |---|---|
//! | the last rule of `http.rules` that selects it | there is one |
//! | its annotations, `google.api.http` | there is none |
//! | `POST /pkg.Service/Method` | besides, by `rest.auto_mapping` |
//!
//! What someone wrote is registered before what is automatic, so that no written rule loses its requests to one that
//! nobody asked for.

use std::{fmt, sync::Arc};

use super::{Binding, MethodPlan, RuleSource, Warning};
use crate::{
    config::{Config, Diagnostic, Http, HttpBinding, Report, Rest, Severity, TrailingSlash, UrlUnescape},
    route::{self, Options, Table, Template, Unescape},
    schema::{Body, HttpRule, RuleFault, Verb},
};

/// Routes as they are added.
#[derive(Debug)]
pub(super) struct Routes<'a> {
    config: &'a Config,
    table: Table<Binding>,
    automatic: Vec<Arc<MethodPlan>>,
    /// What became of each rule of the configuration.
    uses: Vec<Use>,
    warnings: Vec<Warning>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It selects no method.
    Nothing,
    /// A later rule stands in its place for every method that it selects.
    Replaced,
    Used,
}

/// Checks what of the rules can be checked without a schema: the path templates.
///
/// # Errors
/// A diagnostic for each template that is none, with its place.
pub fn check_templates(http: &Http) -> Result<(), Report> {
    let bindings = http.rules.iter().flat_map(|rule| &rule.bindings);
    let faults = bindings.filter_map(|binding| Some((binding, Template::parse(&binding.template).err()?)));
    let mut diagnostics: Vec<Diagnostic> = faults
        .map(|(binding, error)| Diagnostic {
            severity: Severity::Error,
            message: error.to_string(),
            origin: binding.origin.clone(),
            help: None,
        })
        .collect();
    if diagnostics.is_empty() {
        return Ok(());
    }
    let left_out = diagnostics.len().saturating_sub(Report::LIMIT);
    diagnostics.truncate(Report::LIMIT);
    Err(Report { diagnostics, left_out })
}

impl<'a> Routes<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self {
            config,
            table: Table::with_options(options(&config.rest, &config.http)),
            automatic: Vec::new(),
            uses: vec![Use::Nothing; config.http.rules.len()],
            warnings: Vec::new(),
        }
    }

    /// Adds the written rules of a method; the automatic one follows with [`finish`](Self::finish).
    pub(super) fn add(&mut self, plan: Arc<MethodPlan>) {
        let method = Arc::clone(&plan.method);
        let mut chosen = None;
        for (rule, used) in self.config.http.rules.iter().zip(&mut self.uses).rev() {
            if !rule.selector.matches(&method.service, &method.name) {
                continue;
            }
            if chosen.is_none() {
                chosen = Some(rule);
                *used = Use::Used;
            } else if *used == Use::Nothing {
                *used = Use::Replaced;
            }
        }
        match chosen {
            Some(rule) => {
                for binding in &rule.bindings {
                    self.configured(&plan, binding);
                }
            }
            None => {
                for rule in &method.rules {
                    self.insert(&plan, rule, RuleSource::Annotation, method.file.to_string());
                }
            }
        }
        if self.config.rest.auto_mapping {
            self.automatic.push(plan);
        }
    }

    /// The table, and what is to be said of it. With `complete`, every schema is known, so that a selector that selects
    /// nothing will not do so later.
    pub(super) fn finish(mut self, complete: bool) -> (Table<Binding>, Vec<Warning>) {
        for plan in std::mem::take(&mut self.automatic) {
            let rule = HttpRule::automatic(&plan.method.path);
            let written = self.table.lookup(rule.verb.as_str(), &rule.template).is_ok_and(|found| {
                Arc::ptr_eq(&found.value.method, &plan) && found.template.as_str() == rule.template
            });
            // Someone wrote the very rule for the very method: theirs stands, and there is nothing to tell.
            if !written {
                self.insert(&plan, &rule, RuleSource::Automatic, plan.method.file.to_string());
            }
        }
        let uses = std::mem::take(&mut self.uses);
        for (rule, used) in self.config.http.rules.iter().zip(uses) {
            let what = match used {
                Use::Nothing if complete => "matches no method of any schema",
                Use::Replaced => "is replaced by later rules for every method that it matches",
                Use::Nothing | Use::Used => continue,
            };
            self.warn(&rule.origin.to_string(), format_args!("http.rules: {} {what}", rule.selector));
        }
        for shadow in self.table.shadowed() {
            self.warn(&shadow.place, &shadow);
        }
        (self.table, self.warnings)
    }

    fn configured(&mut self, plan: &Arc<MethodPlan>, binding: &HttpBinding) {
        let rule = rule_of(binding);
        if rule.body != Body::None && matches!(rule.verb.as_str(), "GET" | "HEAD" | "DELETE") {
            let (verb, template) = (rule.verb.as_str().to_owned(), rule.template.clone());
            let place = format!("{} ({})", plan.method.selector(), binding.origin);
            self.warn(&place, RuleFault::BodyOnGet { verb, template });
        }
        self.insert(plan, &rule, RuleSource::Config, binding.origin.to_string());
    }

    fn insert(&mut self, plan: &Arc<MethodPlan>, rule: &HttpRule, source: RuleSource, origin: String) {
        let automatic = if source == RuleSource::Automatic { ", automatic" } else { "" };
        let place = format!("{} ({origin}{automatic})", plan.method.selector());
        let template = match Template::parse(&rule.template) {
            Ok(template) => template,
            Err(error) => return self.warn(&place, error),
        };
        match Binding::resolve(plan, rule, &template, (source, origin)) {
            Ok(binding) => {
                let inserted = self.table.insert(rule.verb.as_str(), template, place.clone(), binding);
                if let Err(conflict) = inserted {
                    self.warn(&place, conflict);
                }
            }
            Err(error) => {
                self.warn(&place, format_args!("{} `{}`: {error}", rule.verb.as_str(), rule.template));
            }
        }
    }

    fn warn(&mut self, place: &str, message: impl fmt::Display) {
        self.warnings.push(Warning { place: place.to_owned(), message: message.to_string() });
    }
}

fn rule_of(binding: &HttpBinding) -> HttpRule {
    let verb = match binding.method.as_str() {
        "GET" => Verb::Get,
        "PUT" => Verb::Put,
        "POST" => Verb::Post,
        "DELETE" => Verb::Delete,
        "PATCH" => Verb::Patch,
        kind => Verb::Custom(kind.to_owned()),
    };
    let body = match binding.body.as_deref() {
        None => Body::None,
        Some("*") => Body::All,
        Some(field) => Body::Field(field.to_owned()),
    };
    let (template, response_body) = (binding.template.clone(), binding.response_body.clone());
    HttpRule { verb, template, body, response_body }
}

fn options(rest: &Rest, http: &Http) -> Options {
    let unescape = match rest.url_unescape_spec {
        UrlUnescape::AllCharactersExceptReserved => Unescape::ExceptReserved,
        UrlUnescape::AllCharactersExceptSlash => Unescape::ExceptSlash,
        UrlUnescape::AllCharacters => Unescape::All,
    };
    // Its absence is false, and says nothing; true says that reserved characters are decoded.
    let least =
        if http.fully_decode_reserved_expansion { Unescape::ExceptSlash } else { Unescape::ExceptReserved };
    Options {
        unescape: unescape.max(least),
        trailing_slash: match rest.trailing_slash {
            TrailingSlash::Strict => route::TrailingSlash::Strict,
            TrailingSlash::Ignore => route::TrailingSlash::Ignore,
            TrailingSlash::Redirect => route::TrailingSlash::Redirect,
        },
        merge_slashes: rest.merge_slashes,
        reject_dot_segments: rest.reject_dot_segments,
    }
}

#[cfg(test)]
mod tests;
