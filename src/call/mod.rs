//! The waist: the one shape every call has between a door and the way out.

mod kind;

pub use kind::Kind;
