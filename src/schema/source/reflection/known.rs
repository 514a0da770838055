//! The files a server has given so far, and what is still missing.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::schema::builtin;
use crate::schema::set::File;

/// What has come so far.
#[derive(Default)]
pub(super) struct Known {
    pub(super) files: BTreeMap<String, File>,
    pub(super) bytes: usize,
    /// Full name to the file that defines it.
    pub(super) symbols: HashMap<String, String>,
    /// Imports of `files`, some of them still to be asked for.
    ahead: Vec<String>,
    /// Services without an answer, and why.
    pub(super) unanswered: HashMap<String, String>,
    /// Files that the server does not give, and why.
    pub(super) absent: HashMap<String, String>,
}

impl Known {
    /// Adds a file unless one of its name is there.
    pub(super) fn insert(&mut self, file: File) {
        if self.files.contains_key(&file.name) {
            return;
        }
        self.bytes = self.bytes.saturating_add(file.bytes.len());
        self.symbols.extend(file.symbols.iter().map(|symbol| (symbol.clone(), file.name.clone())));
        self.ahead.extend(file.imports.iter().cloned());
        self.files.insert(file.name.clone(), file);
    }

    /// An import that was not asked for. Built-in files are not: the schema has them.
    pub(super) fn next_import(&mut self) -> Option<String> {
        while let Some(import) = self.ahead.pop() {
            let here = self.files.contains_key(&import) || self.absent.contains_key(&import);
            if !here && builtin::file(&import).is_none() {
                return Some(import);
            }
        }
        None
    }

    /// The file of `service` and all it imports, or what is missing.
    pub(super) fn closure(&self, service: &str) -> Result<HashSet<&str>, String> {
        let Some(root) = self.symbols.get(service) else {
            return Err(match self.unanswered.get(service) {
                Some(said) => format!("has no file for it ({said})"),
                None => "the file it answers with does not define it".to_owned(),
            });
        };
        let mut files = HashSet::new();
        let mut ahead = vec![root.as_str()];
        while let Some(name) = ahead.pop() {
            let Some(file) = self.files.get(name) else { continue };
            if !files.insert(name) {
                continue;
            }
            for import in &file.imports {
                if let Some(said) = self.absent.get(import) {
                    return Err(format!("{name} imports {import}, which the server does not give ({said})"));
                }
                ahead.push(import);
            }
        }
        Ok(files)
    }
}
