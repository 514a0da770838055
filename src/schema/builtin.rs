//! The descriptors that every schema has: the well-known types, google/api and google/rpc.
//!
//! Files that sources forget to include are filled in from here. The well-known types with a JSON form
//! of their own are always taken from here, so that no backend can redefine what a Timestamp means.

use std::sync::LazyLock;

use bytes::Bytes;
use prost_reflect::DescriptorPool;

use super::set::{self, File};

/// The built-in types alone: they resolve the details of errors that concern no method.
pub fn pool() -> DescriptorPool {
    DescriptorPool::decode(encoded()).expect("the build script wrote a complete descriptor set")
}

/// The files as one `FileDescriptorSet`.
pub(super) fn encoded() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/google.binpb"))
}

/// The files, each after what it imports.
pub(super) fn files() -> &'static [File] {
    &FILES
}

/// The file of that name.
pub(super) fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

/// Whether only the definition of this room counts.
///
/// `descriptor.proto` may come from a source: options of a newer protoc extend messages of its own.
pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with("google/protobuf/") && name != DESCRIPTOR && file(name).is_some()
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    set::files(&Bytes::from_static(encoded())).expect("the build script wrote a descriptor set")
});

const DESCRIPTOR: &str = "google/protobuf/descriptor.proto";

#[cfg(test)]
mod tests {
    use super::{file, is_reserved};

    #[test]
    fn the_set_has_what_rules_and_errors_need() {
        let names = [
            "google/api/annotations.proto",
            "google/api/http.proto",
            "google/api/httpbody.proto",
            "google/rpc/code.proto",
            "google/rpc/error_details.proto",
            "google/rpc/status.proto",
            "google/protobuf/any.proto",
            "google/protobuf/descriptor.proto",
            "google/protobuf/duration.proto",
            "google/protobuf/empty.proto",
            "google/protobuf/field_mask.proto",
            "google/protobuf/struct.proto",
            "google/protobuf/timestamp.proto",
            "google/protobuf/wrappers.proto",
        ];
        for name in names {
            assert!(file(name).is_some(), "{name}");
        }
        assert!(is_reserved("google/protobuf/any.proto"));
        assert!(!is_reserved("google/protobuf/descriptor.proto"));
        assert!(!is_reserved("google/rpc/status.proto"));
    }
}
