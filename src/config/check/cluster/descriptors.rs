//! `clusters.NAME.descriptors`.

use std::path::{Path, PathBuf};

use crate::config::check::cluster::path;
use crate::config::document::Entry;
use crate::config::keys::PROTOS;
use crate::config::problems::Problems;
use crate::config::table::{Table, list, read as read_value};
use crate::config::value::{choice, positive_duration};
use crate::config::{Descriptors, Reflection};

pub(super) fn read(table: &Table<'_>, folder: &Path, descriptors: &mut Descriptors, problems: &mut Problems) {
    let choices = [("auto", Reflection::Auto), ("always", Reflection::Always), ("never", Reflection::Never)];
    table.set("reflection", &mut descriptors.reflection, problems, |text| choice(text, &choices));
    table.set("refresh_interval", &mut descriptors.refresh_interval, problems, positive_duration);
    if let Some(entry) = table.entry("protosets") {
        descriptors.protosets = paths(entry, "protosets", folder, problems);
    }
    let Some(table) = table.table("protos", &PROTOS, problems) else { return };
    let span = table.span();
    if let Some(entry) = table.entry("files") {
        // Named as `import` names them: relative to an import path, which is not known to be the folder.
        descriptors.protos.files = paths(entry, "files", Path::new(""), problems);
    }
    if let Some(entry) = table.entry("import_paths") {
        descriptors.protos.import_paths = paths(entry, "import_paths", folder, problems);
    }
    if table.entry("files").is_none() {
        let help = "add `files` (list of paths), such as `files: [shop/v1/orders.proto]`";
        problems.error(span, "protos: expected the key `files`, found none", Some(help.into()));
    }
    if descriptors.protos.import_paths.is_empty() {
        descriptors.protos.import_paths = vec![folder.to_owned()];
    }
}

fn paths(entry: &Entry, name: &'static str, folder: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    let elements = list(&entry.value, name, problems);
    let read = |element| read_value(element, name, problems, |text| path(text, folder));
    elements.iter().map(|element| &**element).filter_map(read).collect()
}
