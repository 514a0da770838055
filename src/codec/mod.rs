//! JSON to and from protobuf messages.
