//! What can be wrong with a schema: faults refuse it, problems leave the rest standing.

use super::rules::RuleFault;
use super::set::SetError;

/// Why no schema could be built. Holds every fault that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// The faults, in the order of the sources.
    pub faults: Vec<Fault>,
}

/// One reason to refuse a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A source is no descriptor set.
    #[error("{origin}: {error}")]
    NotASet {
        /// The source.
        origin: String,
        /// The fault on the wire.
        error: SetError,
    },
    /// The sources are larger than a gateway should take from a backend.
    #[error("descriptor sets are {found} {unit} together, limit is {limit}")]
    TooLarge {
        /// What was counted: `bytes` or `files`.
        unit: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A file written in an edition that cannot be read.
    #[error(
        "{file} of {origin} is written in edition {edition}, which is not supported: expected proto2, proto3, \
         edition 2023 or edition 2024"
    )]
    Edition {
        /// The file.
        file: String,
        /// Its source.
        origin: String,
        /// Its edition.
        edition: String,
    },
    /// A feature of an edition that cannot be read, or not together with others.
    #[error("{file} of {origin}: {element} has {feature}, which is not supported: {way_out}")]
    Feature {
        /// The file.
        file: String,
        /// Its source.
        origin: String,
        /// The full name of what has the feature.
        element: String,
        /// The feature.
        feature: String,
        /// What to do.
        way_out: &'static str,
    },
    /// A file with a `syntax` that no protoc writes.
    #[error("{file} of {origin} has syntax {syntax:?}, expected proto2, proto3 or editions")]
    Syntax {
        /// The file.
        file: String,
        /// Its source.
        origin: String,
        /// What it says.
        syntax: String,
    },
    /// An import that no source has.
    #[error("{file} imports {import}, which is in none of the sources: compile with --include_imports")]
    MissingImport {
        /// The file that imports.
        file: String,
        /// What it imports.
        import: String,
    },
    /// Files that import each other.
    #[error("files import each other: {}", .0.join(" -> "))]
    ImportCycle(
        /// The files of the cycle, the first again at the end.
        Vec<String>,
    ),
    /// A file that is wrong in itself or clashes with another.
    #[error("{file} of {origin}: {error}")]
    Invalid {
        /// The file, with line and column where known.
        file: String,
        /// Its source.
        origin: String,
        /// What the descriptor pool says.
        error: String,
    },
    /// A name or an enum beyond all use.
    #[error("{file} of {origin}: {what} is {found} long, limit is {limit}")]
    Oversized {
        /// The file.
        file: String,
        /// Its source.
        origin: String,
        /// What was measured.
        what: String,
        /// How large it is.
        found: usize,
        /// How large it may be.
        limit: usize,
    },
}

/// Something wrong that leaves the rest of a schema usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A fault in the `google.api.http` rule of a method.
    #[error("{selector} ({file}): {fault}")]
    Rule {
        /// `package.Service.Method`.
        selector: String,
        /// The file that defines it.
        file: String,
        /// What is wrong, and what became of the rule.
        fault: RuleFault,
    },
    /// No service is left to offer.
    #[error("the schema exposes no service")]
    NoService,
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}
