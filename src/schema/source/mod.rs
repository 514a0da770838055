//! Where descriptor sets come from. The one part of the room that does I/O.

mod protos;
mod protoset;
mod reflection;

pub use protos::{ProtosError, compile};
pub use protoset::{ProtosetError, read};
pub use reflection::{Fetched, Reflection, ReflectionError, TIMEOUT, Unresolved, Version};
