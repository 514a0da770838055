//! Which services exist: descriptors, where they come from, and their HTTP rules.
