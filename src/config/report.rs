//! What is wrong with a configuration, shown the way rustc shows it.
//!
//! ```text
//! error: unknown key `conect_timeout`, did you mean `connect_timeout`?
//!  --> edgeway.yaml:4:5
//!   |
//! 4 |     conect_timeout: 2s
//!   |     ^^^^^^^^^^^^^^
//!   = help: expected `target`, `dns_refresh_rate` or `connect_timeout`
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that is wrong with a configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// At least one, at most [`Report::LIMIT`].
    pub diagnostics: Vec<Diagnostic>,
    /// How many more were found and left out.
    pub left_out: usize,
}

/// One thing to tell the operator about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it keeps the gateway from starting.
    pub severity: Severity,
    /// What was expected and what was found, in one line.
    pub message: String,
    /// Where.
    pub origin: Origin,
    /// The way out, where there is one to tell.
    pub help: Option<String>,
}

/// Whether a diagnostic keeps the gateway from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the value is missing, or a default.
    Nowhere,
    /// In a file as a whole.
    File(PathBuf),
    /// At a place in a file.
    Place {
        /// The file, as it was named.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// How many characters of that line are meant.
        width: usize,
        /// The text of that line, shared by all places on it.
        text: Arc<str>,
    },
    /// In an environment variable.
    Variable(String),
    /// In a command line flag, with its dashes.
    Flag(String),
}

impl Report {
    /// More would not be read.
    pub const LIMIT: usize = 100;

    /// With `unkept` problems beside those given.
    pub(super) fn new(mut diagnostics: Vec<Diagnostic>, unkept: usize) -> Self {
        let left_out = diagnostics.len().saturating_sub(Self::LIMIT).saturating_add(unkept);
        diagnostics.sort_by_key(|diagnostic| diagnostic.origin.rank());
        diagnostics.truncate(Self::LIMIT);
        Self { diagnostics, left_out }
    }
}

impl Diagnostic {
    pub(super) fn error(origin: Origin, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), origin, help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(file) | Origin::Place { file, .. } => Some(file),
            Origin::Nowhere | Origin::Variable(_) | Origin::Flag(_) => None,
        }
    }
}

impl Origin {
    /// Files in the order of their lines, then the environment, then flags, then what is missing.
    fn rank(&self) -> (u8, usize, usize) {
        match self {
            Self::File(_) => (0, 0, 0),
            Self::Place { line, column, .. } => (1, *line, *column),
            Self::Variable(_) => (2, 0, 0),
            Self::Flag(_) => (3, 0, 0),
            Self::Nowhere => (4, 0, 0),
        }
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            diagnostic.fmt(f)?;
        }
        if self.left_out > 0 {
            write!(f, "\n\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)?;
        let mut margin = String::new();
        match &self.origin {
            Origin::Nowhere => {}
            Origin::Place { line, column, width, text, .. } => {
                margin = " ".repeat(line.to_string().len());
                let (shown, indent, width) = crop(text, column.saturating_sub(1), *width);
                let caret = format!("{}{}", " ".repeat(indent), "^".repeat(width));
                write!(f, "\n{margin}--> {}\n{margin} |\n{line} | {shown}\n{margin} | {caret}", self.origin)?;
            }
            Origin::File(_) | Origin::Variable(_) | Origin::Flag(_) => write!(f, "\n --> {}", self.origin)?,
        }
        if let Some(help) = &self.help {
            write!(f, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("the defaults"),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Place { file, line, column, .. } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// The part of a line that is worth showing, with the indent and width of the carets below it.
/// Characters that a terminal would act on show as spaces, so that the carets stay below their text.
fn crop(text: &str, start: usize, width: usize) -> (String, usize, usize) {
    let from = if start.saturating_add(width) <= WIDEST { 0 } else { start.saturating_sub(WIDEST / 4) };
    let shown: String =
        text.chars().skip(from).take(WIDEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let indent = start - from;
    let room = shown.chars().count().saturating_sub(indent);
    (shown.trim_end().to_owned(), indent, width.clamp(1, room.max(1)))
}

/// Characters of a source line that are shown.
const WIDEST: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: usize, column: usize, width: usize, text: &str) -> Origin {
        Origin::Place { file: "edgeway.yaml".into(), line, column, width, text: text.into() }
    }

    #[test]
    fn rendering() {
        let report = Report::new(
            vec![
                Diagnostic::error(Origin::Nowhere, "no clusters").help("give one"),
                Diagnostic::error(Origin::Flag("--listen".into()), "wrong"),
                Diagnostic::error(place(12, 5, 3, "    foo:\tbar"), "unknown key `foo`")
                    .help("expected `bar`"),
                Diagnostic::error(place(2, 1, 0, ""), "empty"),
            ],
            0,
        );
        let expected = "\
error: empty
 --> edgeway.yaml:2:1
  |
2 |\x20
  | ^

error: unknown key `foo`
  --> edgeway.yaml:12:5
   |
12 |     foo: bar
   |     ^^^
   = help: expected `bar`

error: wrong
 --> flag --listen

error: no clusters
 = help: give one";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn long_lines_and_reports_are_cut() {
        let line = format!("{}target{}", "x".repeat(1000), "y".repeat(1000));
        let shown = Diagnostic::error(place(1, 1001, 6, &line), "wrong").to_string();
        let lines: Vec<&str> = shown.lines().collect();
        let [_, _, _, text, carets] = lines.as_slice() else { panic!("{shown}") };
        let column = carets.find('^').expect("carets");
        assert_eq!(text.get(column..column + 6), Some("target"));
        assert_eq!(carets.trim_start_matches(['|', ' ']), "^^^^^^");

        let many = Report::new(vec![Diagnostic::error(Origin::Nowhere, "wrong"); 130], 3);
        assert_eq!(many.diagnostics.len(), Report::LIMIT);
        assert!(many.to_string().ends_with("\n\nand 33 more"));
    }
}
