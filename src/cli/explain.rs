//! `edgeway explain`.

use std::process::ExitCode;

use bytes::BytesMut;
use clap::Args;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request::Parts};
use tokio::runtime;
use tonic_types::StatusExt;

use super::{Configuration, FAILED, REFUSED, complain, say, survey};
use crate::{
    codec,
    front::{
        self, Account, Outcome, Sent, Standing,
        bind::{Explanation, Origin},
    },
    plan::MethodPlan,
};

/// The arguments of `edgeway explain`.
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The HTTP method
    method: String,
    /// The path and query, or a whole URL
    url: String,
    /// A header; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body; JSON unless a content-type is given
    #[arg(short = 'd', long = "body", value_name = "TEXT")]
    body: Option<String>,
    #[command(flatten)]
    configuration: Configuration,
}

impl Explain {
    /// Says what would become of the request; sends nothing.
    pub(super) fn run(self) -> ExitCode {
        let head = match self.head() {
            Ok(head) => head,
            Err(error) => {
                complain(format_args!("error: {error}"));
                return ExitCode::from(REFUSED);
            }
        };
        let survey = match survey(self.configuration) {
            Ok(survey) => survey,
            Err(code) => return code,
        };
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                complain(format_args!("error: cannot start a runtime: {error}"));
                return ExitCode::from(FAILED);
            }
        };
        for (cluster, reason) in &survey.plan.missing {
            complain(format_args!("warning: the methods of cluster {cluster} are not known: {reason}"));
        }
        say(format_args!("{} {}", head.method, head.uri));
        let body = self.body.unwrap_or_default().into();
        let account = runtime.block_on(front::explain(&survey.plan, &head, body));
        routes(&account);
        if let Some(sent) = &account.sent {
            clusters(sent);
        }
        outcome(&account)
    }

    fn head(&self) -> Result<Parts, String> {
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| format!("expected an HTTP method, found {:?}", self.method))?;
        let uri: Uri = self.url.parse().map_err(|error| {
            format!("expected a URL or a path that begins with `/`, found {:?}: {error}", self.url)
        })?;
        if !uri.path().starts_with('/') || uri.authority().is_some() && uri.scheme().is_none() {
            return Err(format!("expected a URL or a path that begins with `/`, found {:?}", self.url));
        }
        let host = uri.authority().map_or("localhost", |authority| authority.as_str()).to_owned();
        let mut request =
            Request::builder().method(method).uri(uri).body(()).map_err(|error| error.to_string())?;
        for text in &self.headers {
            let wrong = || format!("expected a header as `name: value`, found {text:?}");
            let (name, value) = text.split_once(':').ok_or_else(wrong)?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
            let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
            request.headers_mut().append(name, value);
        }
        let host = HeaderValue::from_str(&host).map_err(|error| error.to_string())?;
        request.headers_mut().entry(header::HOST).or_insert(host);
        if self.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
        }
        Ok(request.into_parts().0)
    }
}

/// The route, then those that match the path and do not get the request.
fn routes(account: &Account<'_>) {
    let told = |standing| match standing {
        Standing::Chosen => "route",
        Standing::OtherMethod => "not, another method",
        Standing::LessSpecific => "not, less specific",
    };
    let mut considered: Vec<_> = account.considered.iter().collect();
    considered.sort_by_key(|considered| considered.standing != Standing::Chosen);
    for considered in considered {
        let (route, binding) = (considered.route, &considered.route.value);
        say(format_args!(
            "{}: {} {} of {} ({}, {}), cluster {}",
            told(considered.standing),
            route.method,
            route.template,
            binding.method.method.selector(),
            binding.source.as_str(),
            binding.place,
            binding.method.target.0.name(),
        ));
    }
}

/// Where a route of the configuration sends the request.
fn clusters(sent: &Sent<'_>) {
    let shares = || {
        let shares = sent
            .rule
            .shares()
            .map(|(percent, destination)| format!("{} {percent}%", destination.target.0.name()));
        shares.collect::<Vec<_>>().join(", ")
    };
    let clusters = sent.certain.map_or_else(shares, |certain| certain.target.0.name().to_owned());
    say(format_args!("cluster: {clusters}, by the route {}", sent.rule.route().name));
    if let Some(mirror) = sent.rule.mirror() {
        say(format_args!("mirrored: {}% to {}", mirror.percent(), mirror.destination.target.0.name()));
    }
}

fn outcome(account: &Account<'_>) -> ExitCode {
    match &account.outcome {
        Outcome::Called(explanation) => {
            let chosen = account.considered.iter().find(|route| route.standing == Standing::Chosen);
            if let Some(chosen) = chosen {
                message(&chosen.route.value.method, explanation);
            }
            ExitCode::SUCCESS
        }
        Outcome::Answered(http, name, value) => {
            say(format_args!("answered without a call: {http}, {name}: {value}"));
            ExitCode::SUCCESS
        }
        Outcome::Refused(http, status) => {
            say(format_args!("refused: {http}, {:?}: {}", status.code(), status.message()));
            let details = status.get_error_details();
            for violation in details.bad_request().into_iter().flat_map(|bad| &bad.field_violations) {
                say(format_args!("  {}: {}", violation.field, violation.description));
            }
            ExitCode::from(FAILED)
        }
        Outcome::OtherDoor => {
            complain("error: by its content-type this is a gRPC or gRPC-Web request, which no route is for");
            ExitCode::from(FAILED)
        }
    }
}

fn message(method: &MethodPlan, explanation: &Explanation) {
    for bound in &explanation.bound {
        let origin = match bound.origin {
            Origin::Path => "the path",
            Origin::Query => "the query",
            Origin::Body => "the body",
            Origin::UpdateMask => "the keys of the body",
        };
        match bound.text.is_empty() {
            true => say(format_args!("bound: {} from {origin}", bound.field)),
            false => say(format_args!("bound: {} from {origin}: {:?}", bound.field, bound.text)),
        }
    }
    for ignored in &explanation.ignored {
        say(format_args!("ignored: {}: {}", ignored.name, ignored.why));
    }
    let (mut json, wire) = (BytesMut::new(), codec::message_to_wire(&explanation.message));
    say(format_args!("message: {}", method.method.input.full_name()));
    match method.input.to_json(wire.as_slice(), &method.write, &mut json) {
        Ok(()) => say(String::from_utf8_lossy(&json)),
        Err(error) => complain(format_args!("error: the message cannot be shown as JSON: {error}")),
    }
}
