//! Any query is read or refused, and means the same by the tree and by its bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| edgeway_fuzz::query::holds(input));
