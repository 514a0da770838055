//! The `edgeway` binary. Everything it does stands in the library; this is the door.

fn main() {}
