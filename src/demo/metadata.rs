//! gRPC metadata as messages, and back.

use tonic::metadata::{
    AsciiMetadataKey, AsciiMetadataValue, BinaryMetadataKey, BinaryMetadataValue, KeyAndValueRef, MetadataMap,
};

use super::proto::ecommerce::v1::MetadataEntry;
use super::violations::Violations;

/// The entries of `metadata`. A text value that is not UTF-8 is shown with replacement characters; a binary one
/// that is not base64 is shown as it came.
pub(super) fn entries(metadata: &MetadataMap) -> Vec<MetadataEntry> {
    metadata
        .iter()
        .map(|entry| match entry {
            KeyAndValueRef::Ascii(key, value) => MetadataEntry {
                key: key.as_str().to_owned(),
                value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
                ..MetadataEntry::default()
            },
            KeyAndValueRef::Binary(key, value) => MetadataEntry {
                key: key.as_str().to_owned(),
                binary_value: value.to_bytes().unwrap_or_else(|_| value.as_encoded_bytes().to_vec().into()),
                ..MetadataEntry::default()
            },
        })
        .collect()
}

/// The metadata that `entries`, the field `field` of a request, describe. What cannot be sent is noted in
/// `violations` and left out.
pub(super) fn metadata(field: &str, entries: &[MetadataEntry], violations: &mut Violations) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Err(description) = append(&mut metadata, entry) {
            violations.add(format!("{field}[{index}]"), description);
        }
    }
    metadata
}

fn append(metadata: &mut MetadataMap, entry: &MetadataEntry) -> Result<(), String> {
    let key = entry.key.as_str();
    if key.starts_with("grpc-") || RESERVED.contains(&key) {
        return Err(format!("expected a key that the protocol does not use, found `{key}`"));
    }
    let bad_key = || format!("expected a key of a-z, 0-9, `-`, `_` and `.`, found `{key}`");
    if key.ends_with("-bin") {
        let key = BinaryMetadataKey::from_bytes(key.as_bytes()).map_err(|_| bad_key())?;
        metadata.append_bin(key, BinaryMetadataValue::from_bytes(&entry.binary_value));
    } else {
        let value = AsciiMetadataValue::try_from(entry.value.as_str())
            .map_err(|_| "expected a value of printable ASCII, found something else".to_owned())?;
        let key = AsciiMetadataKey::from_bytes(key.as_bytes()).map_err(|_| bad_key())?;
        metadata.append(key, value);
    }
    Ok(())
}

/// Headers that HTTP/2 and gRPC set themselves or forbid.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
