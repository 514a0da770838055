//! Descriptor sets as bytes: cut into files and read as far as merging needs.
//!
//! Sets stay bytes from their source to the descriptor pool. Extension options, `google.api.http`
//! among them, survive only the pool's raw-bytes constructors; decoding into `prost_types` drops them.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use prost::Message;

/// A serialised `google.protobuf.FileDescriptorSet` and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescriptorSet {
    /// The source, as messages name it: a file path, `reflection of orders:50051`.
    pub origin: String,
    /// The set.
    pub bytes: Bytes,
}

/// A fingerprint of a set's files, whatever their order.
///
/// Tells in one comparison whether a polled source has changed. Good within one build of the program:
/// the hash function may differ in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

/// Why bytes are no descriptor set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The bytes are not a `FileDescriptorSet` on the wire.
    #[error("expected a google.protobuf.FileDescriptorSet")]
    NotASet(#[source] prost::DecodeError),
    /// An entry of the set is not a `FileDescriptorProto`.
    #[error("file {index} of the set is not a google.protobuf.FileDescriptorProto")]
    NotAFile {
        /// Its place in the set, from 0.
        index: usize,
        /// The fault on the wire.
        #[source]
        source: prost::DecodeError,
    },
    /// An entry of the set has no name, so nothing can import it.
    #[error("file {index} of the set has no name")]
    NoName {
        /// Its place in the set, from 0.
        index: usize,
    },
}

impl DescriptorSet {
    /// A set read from `origin`.
    pub fn new(origin: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { origin: origin.into(), bytes: bytes.into() }
    }

    /// The fingerprint of its files, of the bytes as they are if they are no set.
    pub fn digest(&self) -> Digest {
        match RawSet::decode(self.bytes.clone()) {
            Ok(set) => Digest::of(set.file),
            Err(_) => Digest::of([self.bytes.clone()]),
        }
    }
}

impl Digest {
    pub(super) fn of(files: impl IntoIterator<Item = Bytes>) -> Self {
        let mut files: Vec<u64> = files.into_iter().map(|file| hash(&file)).collect();
        files.sort_unstable();
        Self(hash(&files))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One file of a set: its bytes, and what is read from them before any pool sees them.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) imports: Vec<String>,
    /// Full names of what the file defines at top level.
    pub(super) symbols: Vec<String>,
    pub(super) syntax: Syntax,
}

/// The language of a file, by its `syntax` and `edition` fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// proto2 (also by absence) or proto3.
    Known,
    /// The number of an edition, `google.protobuf.Edition`; 0 where the file leaves it out.
    Edition(i32),
    Unknown(String),
}

/// Cuts a set into files.
pub(super) fn files(bytes: &Bytes) -> Result<Vec<File>, SetError> {
    let set = RawSet::decode(bytes.clone()).map_err(SetError::NotASet)?;
    set.file.into_iter().enumerate().map(|(index, bytes)| file(bytes, index)).collect()
}

/// Reads the head of the file that stands at `index`.
pub(super) fn file(bytes: Bytes, index: usize) -> Result<File, SetError> {
    let head = FileHead::decode(bytes.clone()).map_err(|source| SetError::NotAFile { index, source })?;
    let name = head.name.unwrap_or_default();
    if name.is_empty() {
        return Err(SetError::NoName { index });
    }
    let named = head.message_type.into_iter().chain(head.enum_type).chain(head.service).chain(head.extension);
    let symbols = named.map(|symbol| match head.package.as_str() {
        "" => symbol.name,
        package => format!("{package}.{}", symbol.name),
    });
    let syntax = match (head.syntax.as_deref(), head.edition) {
        (None | Some("" | "proto2" | "proto3"), None) => Syntax::Known,
        (Some("editions") | None, edition) => Syntax::Edition(edition.unwrap_or_default()),
        (syntax, _) => Syntax::Unknown(syntax.unwrap_or_default().to_owned()),
    };
    Ok(File { name, bytes, imports: head.dependency, symbols: symbols.collect(), syntax })
}

/// The set of `files`, in the order given.
pub(super) fn encode<'f>(files: impl IntoIterator<Item = &'f File>) -> Bytes {
    let file = files.into_iter().map(|file| file.bytes.clone()).collect();
    RawSet { file }.encode_to_vec().into()
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// `google.protobuf.FileDescriptorSet` with its files left as bytes.
#[derive(Clone, PartialEq, Message)]
struct RawSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// The fields of `google.protobuf.FileDescriptorProto` that merging needs; the rest is skipped.
#[derive(Clone, PartialEq, Message)]
struct FileHead {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<Named>,
    #[prost(message, repeated, tag = "5")]
    enum_type: Vec<Named>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Named>,
    #[prost(message, repeated, tag = "7")]
    extension: Vec<Named>,
    #[prost(string, optional, tag = "12")]
    syntax: Option<String>,
    #[prost(int32, optional, tag = "14")]
    edition: Option<i32>,
}

/// Any descriptor with its name in field 1, as all of them have it.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}
