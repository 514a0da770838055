//! The problems found so far, with the source they were found in.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::report::{Diagnostic, Origin, Report, Severity};
use crate::config::value::Invalid;

/// A piece of one line of the file, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Span {
    /// From 1.
    pub(super) line: usize,
    /// From 1.
    pub(super) column: usize,
    /// Zero where the place lies between characters.
    pub(super) width: usize,
}

/// Gathers problems, so that the operator sees all of them at once.
#[derive(Debug, Default)]
pub(super) struct Problems {
    file: PathBuf,
    lines: Vec<Arc<str>>,
    errors: Vec<Diagnostic>,
    /// Errors past [`MOST_KEPT`], which are counted alone.
    unkept: usize,
    warnings: Vec<Diagnostic>,
}

impl Problems {
    /// From here on spans are places in this file.
    pub(super) fn read_from(&mut self, file: PathBuf, source: &str) {
        self.file = file;
        self.lines = source.lines().map(Arc::from).collect();
    }

    pub(super) fn origin(&self, span: Span) -> Origin {
        let text = self.lines.get(span.line.saturating_sub(1)).cloned().unwrap_or_else(|| Arc::from(""));
        Origin::Place {
            file: self.file.clone(),
            line: span.line,
            column: span.column,
            width: span.width,
            text,
        }
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        let origin = self.origin(span);
        self.push(Diagnostic { severity: Severity::Error, message: message.into(), origin, help });
    }

    /// `name` says what the value is for.
    pub(super) fn invalid(&mut self, origin: Origin, name: &str, invalid: Invalid) {
        let message = format!("{name}: {}", invalid.message);
        self.push(Diagnostic { severity: Severity::Error, message, origin, help: invalid.help });
    }

    pub(super) fn warning(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        let origin = self.origin(span);
        if self.warnings.len() < Report::LIMIT {
            self.warnings.push(Diagnostic {
                severity: Severity::Warning,
                message: message.into(),
                origin,
                help,
            });
        }
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.errors.len() < MOST_KEPT {
            self.errors.push(diagnostic);
        } else {
            self.unkept += 1;
        }
    }

    /// The warnings, if there is no error.
    pub(super) fn finish(self) -> Result<Vec<Diagnostic>, Report> {
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(Report::new(self.errors, self.unkept)) }
    }
}

/// Far more than a report shows, so that what it shows is the top of the file even where a later block was
/// read first.
const MOST_KEPT: usize = 10_000;
