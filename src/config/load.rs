//! Finds the configuration and reads it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::draft::Draft;
use crate::config::flags::Flags;
use crate::config::problems::Problems;
use crate::config::report::{Diagnostic, Origin, Report};
use crate::config::substitute::Variables;
use crate::config::{Config, check, document, environment};

/// A configuration and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Valid in itself.
    pub config: Config,
    /// For people: the file, variables and flags that say something, `edgeway.yaml, EDGEWAY_LISTEN`.
    pub origin: String,
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// What the operator should know although it keeps nothing from starting.
    pub warnings: Vec<Diagnostic>,
}

/// Loads the configuration: defaults < file < environment < flags.
///
/// The file is `flags.config`, else `EDGEWAY_CONFIG`, else `edgeway.yaml` of the working directory where
/// it exists and no upstream is named by flags or environment. `env` reads one environment variable;
/// [`process_environment`](crate::config::process_environment) is the real one.
///
/// # Errors
/// Everything that is wrong, as far as it can be told in one go.
pub fn load(flags: &Flags, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Report> {
    load_in(Path::new(""), flags, env)
}

/// [`load`] with `folder` for the working directory where `edgeway.yaml` is looked for.
pub(super) fn load_in(folder: &Path, flags: &Flags, env: Variables<'_>) -> Result<Loaded, Report> {
    let mut problems = Problems::default();
    let overrides = flags.overrides().over(environment::overrides(env));
    let named = match (&flags.config, environment::config(env)) {
        (Some(file), _) => Some((file.clone(), Origin::Flag("--config".into()))),
        (None, Some(file)) => Some((file, Origin::Variable("EDGEWAY_CONFIG".into()))),
        (None, None) => {
            let file = folder.join("edgeway.yaml");
            (overrides.upstreams.is_empty() && file.is_file()).then_some((file, Origin::Nowhere))
        }
    };

    let used = RefCell::new(HashSet::new());
    let recorded = |name: &str| {
        used.borrow_mut().insert(name.to_owned());
        env(name)
    };
    let mut draft = match &named {
        None => Draft::default(),
        Some((file, named_by)) => match text_of(file, named_by) {
            Ok(text) => read(file, &text, &recorded, &mut problems),
            Err(diagnostic) => {
                problems.push(*diagnostic);
                Draft { clusters_written: true, ..Draft::default() }
            }
        },
    };

    let file = named.map(|(file, _)| file);
    let sources: Vec<String> =
        file.iter().map(|file| file.display().to_string()).chain(overrides.origins()).collect();
    overrides.apply(&mut draft, &|name| used.borrow().contains(name), &mut problems);
    let config = draft.finish(&mut problems);
    let warnings = problems.finish()?;
    Ok(Loaded { config, origin: sources.join(", "), file, warnings })
}

/// The draft that the text of `file` makes.
pub(super) fn read(file: &Path, text: &str, variables: Variables<'_>, problems: &mut Problems) -> Draft {
    problems.read_from(file.to_owned(), text);
    let folder = file.parent().unwrap_or(Path::new(""));
    match document::parse(text, variables, problems) {
        Some(root) => check::read(&root, folder, problems),
        None => Draft { clusters_written: true, ..Draft::default() },
    }
}

fn text_of(file: &Path, named_by: &Origin) -> Result<String, Box<Diagnostic>> {
    let whole = || Origin::File(file.to_owned());
    let bytes = bytes_of(file).map_err(|error| -> Box<Diagnostic> {
        let by = if *named_by == Origin::Nowhere { String::new() } else { format!(", named by {named_by}") };
        let help = format!(
            "give a file that exists and is readable{by}, or name backends by `--upstream` or `EDGEWAY_UPSTREAMS`"
        );
        Diagnostic::error(whole(), format!("cannot read the configuration file: {error}")).help(help).into()
    })?;
    if bytes.len() > LARGEST_FILE {
        let message = "expected a configuration file of at most 1MiB, found a larger one";
        return Err(Box::new(Diagnostic::error(whole(), message)));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("expected UTF-8 text, found other bytes in line {line}");
        Box::new(Diagnostic::error(whole(), message))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// At most one byte more than is allowed.
fn bytes_of(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A hundred times the full example.
const LARGEST_FILE: usize = 1 << 20;
