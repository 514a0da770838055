//! What the operator wrote, checked and turned into plain values.
