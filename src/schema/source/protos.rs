//! `.proto` trees, compiled in process.
//!
//! Imports are looked up in the operator's folders first, then among the built-in files, as protoc does with the files
//! that it comes with. What is compiled leaves here as bytes: the struct form would drop `google.api.http`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use protox::Compiler;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, IncludeFileResolver};

use crate::schema::builtin;
use crate::schema::set::DescriptorSet;

/// Why proto files cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtosError {
    /// A folder of `import_paths` that is none.
    #[error("the import path {} is no folder that can be read", path.display())]
    NoFolder {
        /// As it was given.
        path: PathBuf,
    },
    /// A file that is in none of the folders.
    #[error("{} is in none of the import paths {}", file.display(), Folders(folders))]
    NotFound {
        /// As it was given.
        file: PathBuf,
        /// Where it was looked for.
        folders: Vec<PathBuf>,
    },
    /// A file that does not compile: what is wrong, after `file:line:column` where that is known.
    #[error("{0}")]
    Compile(String),
}

/// Compiles `files` and all they import. Blocks: call it from the control side only.
///
/// # Errors
/// A [`ProtosError`] for the first file that does not compile.
pub fn compile(files: &[PathBuf], folders: &[PathBuf]) -> Result<DescriptorSet, ProtosError> {
    if let Some(path) = folders.iter().find(|folder| !folder_or_here(folder).is_dir()) {
        return Err(ProtosError::NoFolder { path: path.clone() });
    }
    let origin = match files {
        [file] => file.display().to_string(),
        [first, rest @ ..] => format!("{} and {} more", first.display(), rest.len()),
        [] => "no proto files".to_owned(),
    };
    // The text is the operator's, and a bug that it meets in the compiler is not worth the process.
    let compiled = catch_unwind(AssertUnwindSafe(|| encode(files, folders)));
    let panicked = |_| ProtosError::Compile(format!("{origin}: the proto compiler panicked"));
    Ok(DescriptorSet::new(origin.clone(), compiled.map_err(panicked)??))
}

fn encode(files: &[PathBuf], folders: &[PathBuf]) -> Result<Vec<u8>, ProtosError> {
    let mut resolver = ChainFileResolver::new();
    for folder in folders {
        resolver.add(IncludeFileResolver::new(folder_or_here(folder).to_owned()));
    }
    let builtin = DescriptorSetFileResolver::decode(builtin::encoded());
    resolver.add(builtin.expect("the build script wrote a descriptor set"));
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    for file in files {
        if let Err(error) = compiler.open_file(file) {
            return Err(match error.is_file_not_found() && error.file().is_none() {
                true => ProtosError::NotFound { file: file.clone(), folders: folders.to_vec() },
                false => ProtosError::Compile(placed(&error)),
            });
        }
    }
    Ok(compiler.encode_file_descriptor_set())
}

/// The error after its place. The debug form begins with that, unless it is the end of the file.
fn placed(error: &protox::Error) -> String {
    let text = format!("{error:?}");
    match error.file() {
        Some(file) if !text.starts_with(file) => format!("{file}: {text}"),
        Some(_) | None => text,
    }
}

/// The working directory by a name that can be opened.
fn folder_or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

struct Folders<'a>(&'a [PathBuf]);

impl fmt::Display for Folders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> =
            self.0.iter().map(|folder| folder_or_here(folder).display().to_string()).collect();
        f.write_str(&shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::compile;
    use crate::schema::{Schema, Verb};

    const ORDERS: &str = r#"syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
import "shop/v1/order.proto";
service Orders {
  rpc Get(GetRequest) returns (Order) { option (google.api.http) = { get: "/v1/{name=orders/*}" }; }
  rpc Ping(google.protobuf.Empty) returns (google.protobuf.Empty);
}
message GetRequest { string name = 1; }
"#;

    const ORDER: &str = "syntax = \"proto3\";\npackage shop.v1;\nmessage Order { string name = 1; }\n";

    fn tree(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("can be made");
            fs::write(path, text).expect("can be written");
        }
        folder
    }

    #[test]
    fn a_tree_compiles_and_keeps_its_annotations() {
        let folder = tree(&[("shop/v1/orders.proto", ORDERS), ("shop/v1/order.proto", ORDER)]);
        let folders = [folder.path().to_owned()];
        for file in [PathBuf::from("shop/v1/orders.proto"), folder.path().join("shop/v1/orders.proto")] {
            let set = compile(&[file], &folders).expect("it compiles");
            let schema = Schema::build(&[set], |_| true).expect("a schema");
            let method = schema.method("/shop.v1.Orders/Get").expect("the method");
            let [rule] = method.rules.as_slice() else { panic!("{:?}", method.rules) };
            assert_eq!((&rule.verb, rule.template.as_str()), (&Verb::Get, "/v1/{name=orders/*}"));
            assert_eq!(schema.methods().count(), 2);
        }
    }

    #[test]
    fn folders_come_in_their_order_and_before_what_is_built_in() {
        let other = ORDER.replace("string name = 1", "string name = 1; string vendor = 2");
        let first = tree(&[("shop/v1/order.proto", &other)]);
        let second = tree(&[("shop/v1/orders.proto", ORDERS), ("shop/v1/order.proto", ORDER)]);
        let folders = [first.path().to_owned(), second.path().to_owned()];
        let set = compile(&["shop/v1/orders.proto".into()], &folders).expect("it compiles");
        let schema = Schema::build(&[set], |_| true).expect("a schema");
        let order = schema.pool().get_message_by_name("shop.v1.Order").expect("the message");
        assert!(order.get_field_by_name("vendor").is_some());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases: &[(&str, &str, &str)] = &[
            ("message A {", "a.proto: ", "end of file"),
            ("message A { int32 }", "a.proto:2:19: ", "expected"),
            ("message A { B b = 1; }", "a.proto:2:13: ", "B"),
            ("import \"none.proto\";", "a.proto:2:1: ", "none.proto"),
            ("message A { string a = 1; string b = 1; }", "a.proto:2:", "1"),
        ];
        for (text, place, what) in cases {
            let folder = tree(&[("a.proto", &format!("syntax = \"proto3\";\n{text}\n"))]);
            let error =
                compile(&["a.proto".into()], &[folder.path().to_owned()]).expect_err(text).to_string();
            assert!(error.starts_with(place) && error.contains(what), "{text}: {error}");
        }
        let folder = tree(&[]);
        let error = compile(&["b.proto".into()], &[folder.path().to_owned()]).expect_err("no file");
        let expected = format!("b.proto is in none of the import paths {}", folder.path().display());
        assert_eq!(error.to_string(), expected);
        let nowhere = folder.path().join("nowhere");
        let error = compile(&["b.proto".into()], std::slice::from_ref(&nowhere)).expect_err("no folder");
        let expected = format!("the import path {} is no folder that can be read", nowhere.display());
        assert_eq!(error.to_string(), expected);
    }
}
