//! `edgeway routes`.

mod calls;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Configuration, FAILED, complain, say, survey};
use crate::{
    gateway::Survey,
    plan::{Binding, BodyBinding, Warning},
    route::Route,
};

/// The arguments of `edgeway routes`.
#[derive(Args, Debug)]
pub(super) struct Routes {
    #[command(flatten)]
    configuration: Configuration,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What the JSON holds.
#[derive(Debug, Serialize)]
struct Report {
    routes: Vec<Row>,
    calls: Vec<calls::Row>,
    warnings: Vec<Told>,
    missing: Vec<Missing>,
}

/// A route, in the order of the table's columns.
#[derive(Debug, Serialize)]
struct Row {
    method: String,
    template: String,
    selector: String,
    body: Option<String>,
    response_body: Option<String>,
    source: &'static str,
    cluster: String,
    place: String,
}

#[derive(Debug, Serialize)]
struct Told {
    place: String,
    message: String,
}

/// A cluster that did not say what it has.
#[derive(Debug, Serialize)]
struct Missing {
    cluster: String,
    reason: String,
}

impl Routes {
    /// Prints the table.
    pub(super) fn run(self) -> ExitCode {
        let survey = match survey(self.configuration) {
            Ok(survey) => survey,
            Err(code) => return code,
        };
        let report = Report::new(&survey);
        if self.json {
            match serde_json::to_string_pretty(&report) {
                Ok(json) => say(json),
                Err(error) => {
                    complain(format_args!("error: {error}"));
                    return ExitCode::from(FAILED);
                }
            }
        } else {
            report.print();
        }
        if report.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
    }
}

impl Report {
    fn new(survey: &Survey) -> Self {
        let mut routes: Vec<Row> = survey.plan.routes.routes().iter().map(row).collect();
        routes.sort_by(|a, b| (&a.template, &a.method).cmp(&(&b.template, &b.method)));
        let told =
            |warning: &Warning| Told { place: warning.place.clone(), message: warning.message.clone() };
        let missing = |(cluster, reason): &(std::sync::Arc<str>, String)| Missing {
            cluster: cluster.to_string(),
            reason: reason.clone(),
        };
        Self {
            routes,
            calls: survey.routes.iter().map(calls::Row::new).collect(),
            warnings: survey.warnings.iter().map(told).collect(),
            missing: survey.plan.missing.iter().map(missing).collect(),
        }
    }

    fn print(&self) {
        table(HEAD, self.routes.iter().map(Row::cells));
        if !self.calls.is_empty() {
            say("");
            table(calls::HEAD, self.calls.iter().map(calls::Row::cells));
        }
        for Told { place, message } in &self.warnings {
            match message.contains(place) {
                true => say(format_args!("warning: {message}")),
                false => say(format_args!("warning: {place}: {message}")),
            }
        }
        for Missing { cluster, reason } in &self.missing {
            complain(format_args!("error: the methods of cluster {cluster} are not known: {reason}"));
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        [
            self.method.clone(),
            self.template.clone(),
            self.selector.clone(),
            or_none(&self.body),
            or_none(&self.response_body),
            self.source.to_owned(),
            self.cluster.clone(),
            self.place.clone(),
        ]
    }
}

/// Prints rows in columns.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = std::iter::once(head.map(String::from)).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &rows {
        let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        say(padded.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn row(route: &Route<Binding>) -> Row {
    let binding = &route.value;
    Row {
        method: route.method.clone(),
        template: route.template.to_string(),
        selector: binding.method.method.selector(),
        body: match &binding.body {
            BodyBinding::None => None,
            BodyBinding::All => Some("*".to_owned()),
            BodyBinding::Field { field, .. } => Some(field.name().to_owned()),
        },
        response_body: binding.response_body.as_ref().map(|field| field.name().to_owned()),
        source: binding.source.as_str(),
        cluster: binding.method.target.0.name().to_owned(),
        place: binding.place.clone(),
    }
}

const HEAD: [&str; 8] = ["METHOD", "PATH", "SELECTOR", "BODY", "RESPONSE", "SOURCE", "CLUSTER", "PLACE"];
