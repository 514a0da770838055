//! `FileDescriptorSet` files, as `protoc --descriptor_set_out` and `buf build -o` write them.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::schema::build::MAX_BYTES;
use crate::schema::set::{self, DescriptorSet, SetError};

/// Why a file is not taken as a descriptor set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtosetError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than a schema may be.
    #[error("{} is larger than {MAX_BYTES} bytes, the limit of a schema", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no descriptor set: {found}; {COMPILE}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: &'static str,
    },
    /// The file is a descriptor set that was cut off or damaged.
    #[error("{} is no whole descriptor set, perhaps truncated; {COMPILE}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault on the wire.
        #[source]
        source: SetError,
    },
}

/// Reads the descriptor set at `path`. Blocks: call it from the control side only.
///
/// # Errors
/// A [`ProtosetError`] that says what the file looks like instead.
pub fn read(path: &Path) -> Result<DescriptorSet, ProtosetError> {
    let failed = |source| ProtosetError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    // One byte more than allowed: enough to know, whatever the file's metadata says.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_BYTES {
        return Err(ProtosetError::TooLarge { path: path.to_owned() });
    }
    let other = |found| ProtosetError::Other { path: path.to_owned(), found };
    if bytes.is_empty() {
        return Err(other("it is empty"));
    }
    let set = DescriptorSet::new(path.display().to_string(), bytes);
    match set::files(&set.bytes) {
        Ok(files) if files.is_empty() => Err(other("it holds no file")),
        Ok(_) => Ok(set),
        Err(source) => Err(match looks_like(&set.bytes) {
            Some(found) => other(found),
            None => ProtosetError::Damaged { path: path.to_owned(), source },
        }),
    }
}

/// What bytes that are no descriptor set are, where it shows.
fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Some("it is compressed with gzip");
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains('\0')
    {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with(['{', '[']) {
            return Some("it looks like JSON");
        }
        let words = ["syntax", "edition", "package", "import", "message", "service", "//", "/*", "option"];
        if words.iter().any(|word| text.starts_with(word)) {
            return Some("it looks like proto source");
        }
    }
    // A lone FileDescriptorProto has its name where a set has its first file.
    let file = set::file(bytes.to_vec().into(), 0).ok()?;
    file.name.ends_with(".proto").then_some("it is a single FileDescriptorProto")
}

const COMPILE: &str =
    "write one with `buf build -o FILE` or `protoc --include_imports --descriptor_set_out=FILE`";

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io::Write;
    use std::path::Path;

    use prost::Message;
    use prost_types::{FileDescriptorProto, FileDescriptorSet};

    use super::{MAX_BYTES, read};

    fn set() -> Vec<u8> {
        let file = |name: &str| FileDescriptorProto {
            name: Some(name.to_owned()),
            syntax: Some("proto3".to_owned()),
            ..Default::default()
        };
        FileDescriptorSet { file: vec![file("shop/a.proto"), file("shop/b.proto")] }.encode_to_vec()
    }

    fn check(bytes: &[u8], want: &str) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let shown = match read(file.path()) {
            Ok(set) => format!("{} bytes", set.bytes.len()),
            Err(error) => error.to_string(),
        };
        assert!(shown.contains(want), "{shown:?} should contain {want:?}");
    }

    #[test]
    fn a_set_is_taken_and_what_is_none_is_named() {
        let set = set();
        let lone = FileDescriptorSet::decode(set.as_slice()).unwrap().file[0].encode_to_vec();
        check(&set, &format!("{} bytes", set.len()));
        check(&set[..set.len() - 3], "perhaps truncated");
        check(b"", "it is empty");
        check(
            b"syntax = \"proto3\";\nmessage A {}\n",
            "it looks like proto source; write one with `buf build -o",
        );
        check(b"\n// Orders.\nsyntax = \"proto3\";", "it looks like proto source");
        check(b"{\"file\":[]}", "it looks like JSON");
        check(&[0x1f, 0x8b, 8, 0, 0], "compressed with gzip");
        check(&lone, "single FileDescriptorProto");
        check(&[0xff; 40], "perhaps truncated");
        check(&[0x10, 0x01], "it holds no file");
    }

    #[test]
    fn size_and_absence_are_told() {
        let error = read(Path::new("/nowhere/set.binpb")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/set.binpb");
        assert!(error.source().is_some());
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(u64::try_from(MAX_BYTES).unwrap() + 1).unwrap();
        assert!(read(file.path()).unwrap_err().to_string().contains("is larger than 16777216 bytes"));
    }
}
