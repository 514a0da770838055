//! Descriptor sets to one pool: merge, check, order, build.
//!
//! 1. The sets are merged in the order given; the first definition of a file wins.
//! 2. The built-in files join: those that are imported, and those whose names no source has defined
//!    under another file name (a vendored copy of google/rpc, say).
//! 3. What would make the pool panic or mumble is refused by name first: editions of the future, missing
//!    imports, cycles. Files that are fine are built all the same, so that all faults are told at once.
//! 4. Files are given to the pool one by one, imports first, as bytes; those in editions as what
//!    `editions` makes of them. A panic of the pool is a fault of the file: a backend's reflection must
//!    not be able to end the task that asked for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use prost_reflect::DescriptorPool;

use super::builtin;
use super::editions::{self, Refused};
use super::problem::{BuildError, Fault};
use super::set::{self, DescriptorSet, File, Syntax};

/// The merged files in dependency order, and their pool.
pub(super) struct Built {
    pub(super) pool: DescriptorPool,
    pub(super) files: Vec<File>,
}

/// Merges and builds `sets`.
pub(super) fn build(sets: &[DescriptorSet]) -> Result<Built, BuildError> {
    let mut faults = Vec::new();
    let mut merged = merge(sets, &mut faults);
    merged.add_builtin();
    let mut bad = merged.refuse(&mut faults);
    let order = merged.order(&mut bad, &mut faults);

    let mut pool = DescriptorPool::new();
    let mut files = Vec::with_capacity(order.len());
    for name in order {
        let Some(source) = merged.files.get(&name) else { continue };
        // Faults that only follow from those of an import would bury it.
        if bad.contains(&name) || source.file.imports.iter().any(|import| bad.contains(import)) {
            bad.insert(name);
            continue;
        }
        match add(&mut pool, source) {
            Ok(()) => files.push(source.file.clone()),
            Err(fault) => {
                faults.push(fault);
                bad.insert(name);
            }
        }
    }
    if faults.is_empty() {
        refuse_oversized(&pool, &merged, &mut faults);
        refuse_map_entries(&pool, &merged, &mut faults);
        refuse_options(&pool, &merged, &mut faults);
    }
    if faults.is_empty() { Ok(Built { pool, files }) } else { Err(BuildError { faults }) }
}

struct Source {
    file: File,
    origin: String,
}

struct Merged {
    /// By name, so that the result does not depend on hashing.
    files: BTreeMap<String, Source>,
}

fn merge(sets: &[DescriptorSet], faults: &mut Vec<Fault>) -> Merged {
    let mut merged = Merged { files: BTreeMap::new() };
    let bytes: usize = sets.iter().map(|set| set.bytes.len()).sum();
    if bytes > MAX_BYTES {
        faults.push(Fault::TooLarge { unit: "bytes", found: bytes, limit: MAX_BYTES });
        return merged;
    }
    for set in sets {
        let files = match set::files(&set.bytes) {
            Ok(files) => files,
            Err(error) => {
                faults.push(Fault::NotASet { origin: set.origin.clone(), error });
                continue;
            }
        };
        for file in files {
            if !builtin::is_reserved(&file.name) {
                let source = Source { file, origin: set.origin.clone() };
                merged.files.entry(source.file.name.clone()).or_insert(source);
            }
        }
    }
    let found = merged.files.len();
    if found > MAX_FILES {
        faults.push(Fault::TooLarge { unit: "files", found, limit: MAX_FILES });
        merged.files.clear();
    }
    merged
}

impl Merged {
    fn add_builtin(&mut self) {
        let symbols = |source: &Source| source.file.symbols.clone();
        let defined: HashSet<String> = self.files.values().flat_map(symbols).collect();
        let mut imported: HashSet<&str> = HashSet::new();
        let mut clashing: HashSet<&str> = HashSet::new();
        let mut wanted: Vec<&File> = Vec::new();
        for file in self.files.values().map(|source| &source.file) {
            imported.extend(file.imports.iter().map(String::as_str));
        }
        // Each built-in file stands after what it imports: clashes spread forwards, needs backwards.
        for file in builtin::files().iter().filter(|file| !self.files.contains_key(&file.name)) {
            if file.symbols.iter().any(|symbol| defined.contains(symbol))
                || file.imports.iter().any(|import| clashing.contains(import.as_str()))
            {
                clashing.insert(&file.name);
            }
        }
        for file in builtin::files().iter().rev() {
            let name = file.name.as_str();
            let needed = imported.contains(name) || builtin::is_reserved(name) || !clashing.contains(name);
            if needed && !self.files.contains_key(name) {
                imported.extend(file.imports.iter().map(String::as_str));
                wanted.push(file);
            }
        }
        for file in wanted {
            let source = Source { file: file.clone(), origin: "the built-in set".to_owned() };
            self.files.insert(file.name.clone(), source);
        }
    }

    /// The files that must not reach the pool, each with its fault told.
    fn refuse(&self, faults: &mut Vec<Fault>) -> HashSet<String> {
        let mut bad = HashSet::new();
        for Source { file, origin } in self.files.values() {
            let (name, origin) = (file.name.clone(), origin.clone());
            match &file.syntax {
                Syntax::Known => {}
                Syntax::Edition(edition) if editions::is_supported(*edition) => {}
                Syntax::Edition(edition) => {
                    let edition = editions::name(*edition);
                    faults.push(Fault::Edition { file: name, origin, edition });
                    bad.insert(file.name.clone());
                }
                Syntax::Unknown(syntax) => {
                    faults.push(Fault::Syntax { file: name, origin, syntax: syntax.clone() });
                    bad.insert(file.name.clone());
                }
            }
            for import in &file.imports {
                if !self.files.contains_key(import) {
                    let (file, import) = (file.name.clone(), import.clone());
                    bad.insert(file.clone());
                    faults.push(Fault::MissingImport { file, import });
                }
            }
        }
        bad
    }

    /// The files with each after what it imports; those of a cycle are told and `bad`.
    fn order(&self, bad: &mut HashSet<String>, faults: &mut Vec<Fault>) -> Vec<String> {
        let mut order = Vec::with_capacity(self.files.len());
        let mut marks: HashMap<&str, Mark> = HashMap::new();
        for name in self.files.keys() {
            // The path from `name` down, each file with the number of imports already followed. Kept
            // here rather than on the stack: a chain of imports may be as long as the set.
            let mut path: Vec<(&str, usize)> = Vec::new();
            if !marks.contains_key(name.as_str()) {
                marks.insert(name, Mark::Open);
                path.push((name, 0));
            }
            while let Some((at, followed)) = path.last_mut() {
                let imports = self.files.get(*at).map(|source| source.file.imports.as_slice());
                let Some(import) = imports.unwrap_or_default().get(*followed) else {
                    marks.insert(*at, Mark::Done);
                    order.push((*at).to_owned());
                    path.pop();
                    continue;
                };
                *followed += 1;
                match marks.get(import.as_str()) {
                    Some(Mark::Done) => {}
                    Some(Mark::Open) => {
                        let cycle = path.iter().map(|(name, _)| *name).skip_while(|name| name != import);
                        let cycle: Vec<String> = cycle.chain([import.as_str()]).map(str::to_owned).collect();
                        bad.extend(cycle.iter().cloned());
                        faults.push(Fault::ImportCycle(cycle));
                    }
                    None if self.files.contains_key(import) => {
                        marks.insert(import, Mark::Open);
                        path.push((import, 0));
                    }
                    None => {}
                }
            }
        }
        order
    }
}

enum Mark {
    Open,
    Done,
}

fn add(pool: &mut DescriptorPool, source: &Source) -> Result<(), Fault> {
    let invalid = |file, error| Fault::Invalid { file, origin: source.origin.clone(), error };
    let name = source.file.name.clone();
    let bytes = source.file.bytes.clone();
    let bytes = match source.file.syntax {
        Syntax::Edition(_) => editions::lower(bytes).map_err(|refused| match refused {
            Refused::Damaged => {
                invalid(name.clone(), "expected a google.protobuf.FileDescriptorProto".to_owned())
            }
            Refused::TooDeep => invalid(
                name.clone(),
                "messages inside of messages beyond the recursion limit of 100".to_owned(),
            ),
            Refused::Feature { element, feature, way_out } => Fault::Feature {
                file: name.clone(),
                origin: source.origin.clone(),
                element,
                feature,
                way_out,
            },
        })?,
        Syntax::Known | Syntax::Unknown(_) => bytes,
    };
    match catch_unwind(AssertUnwindSafe(|| pool.decode_file_descriptor_proto(bytes))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let place = match (error.line(), error.column()) {
                (Some(line), Some(column)) => format!("{name}:{}:{}", line + 1, column + 1),
                _ => name,
            };
            // Of a decoding fault the reason stands in the source alone.
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            Err(invalid(place, format!("{error}{}", cause.unwrap_or_default())))
        }
        Err(_) => Err(invalid(name, "the descriptor library panicked on this file".to_owned())),
    }
}

/// Refuses names that no header could carry and enums that no table should hold.
fn refuse_oversized(pool: &DescriptorPool, merged: &Merged, faults: &mut Vec<Fault>) {
    let mut check = |file: &str, what: &dyn Fn() -> String, found: usize, limit: usize| {
        if found > limit {
            let origin = merged.files.get(file).map(|source| source.origin.clone()).unwrap_or_default();
            faults.push(Fault::Oversized { file: file.to_owned(), origin, what: what(), found, limit });
        }
    };
    for message in pool.all_messages() {
        let file = message.parent_file();
        check(file.name(), &|| "the name of a message".to_owned(), message.full_name().len(), MAX_NAME);
        for field in message.fields() {
            let longer = field.name().len().max(field.json_name().len());
            check(file.name(), &|| "the name of a field".to_owned(), longer, MAX_NAME);
        }
    }
    for descriptor in pool.all_enums() {
        let file = descriptor.parent_file();
        check(file.name(), &|| "the name of an enum".to_owned(), descriptor.full_name().len(), MAX_NAME);
        let values = descriptor.values();
        check(file.name(), &|| format!("enum {}", descriptor.full_name()), values.len(), MAX_ENUM_VALUES);
    }
    for service in pool.services() {
        let file = service.parent_file();
        check(file.name(), &|| "the name of a service".to_owned(), service.full_name().len(), MAX_NAME);
        for method in service.methods() {
            check(file.name(), &|| "the name of a method".to_owned(), method.full_name().len(), MAX_NAME);
        }
    }
}

/// Refuses entries of maps that are none: the pool takes their word for it, and whoever asked for the key would panic.
fn refuse_map_entries(pool: &DescriptorPool, merged: &Merged, faults: &mut Vec<Fault>) {
    use prost_reflect::Kind::{Bytes, Double, Enum, Float, Message};
    for entry in pool.all_messages().filter(prost_reflect::MessageDescriptor::is_map_entry) {
        let single = |number| entry.get_field(number).filter(|field| !field.is_list());
        let key =
            single(1).is_some_and(|key| !matches!(key.kind(), Bytes | Double | Enum(_) | Float | Message(_)));
        if !key || single(2).is_none() {
            let file = entry.parent_file().name().to_owned();
            let origin = merged.files.get(&file).map(|source| source.origin.clone()).unwrap_or_default();
            let error =
                format!("{} is the entry of a map, and has no key or no value for one", entry.full_name());
            faults.push(Fault::Invalid { file, origin, error });
        }
    }
}

/// Refuses options that are none by the `descriptor.proto` of the schema, which may be a backend's own:
/// whoever asked for them later would panic.
fn refuse_options(pool: &DescriptorPool, merged: &Merged, faults: &mut Vec<Fault>) {
    let mut check = |file: &str, name: &str, read: &dyn Fn()| {
        if catch_unwind(AssertUnwindSafe(read)).is_err() {
            let origin = merged.files.get(file).map(|source| source.origin.clone()).unwrap_or_default();
            let error =
                format!("the options of {name} do not fit the google/protobuf/descriptor.proto given");
            faults.push(Fault::Invalid { file: file.to_owned(), origin, error });
        }
    };
    for descriptor in pool.all_enums() {
        check(descriptor.parent_file().name(), descriptor.full_name(), &|| drop(descriptor.options()));
    }
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        check(method.parent_service().parent_file().name(), method.full_name(), &|| drop(method.options()));
    }
}

/// Bytes of all sets together.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// Files of all sets together.
pub(super) const MAX_FILES: usize = 2_000;

/// Bytes of a full name. A method's path has to pass header limits.
const MAX_NAME: usize = 1_024;

const MAX_ENUM_VALUES: usize = 65_536;
