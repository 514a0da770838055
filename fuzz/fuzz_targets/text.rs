//! Base64 in pieces is the base64 of the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| edgeway_fuzz::wire::text(input));
