//! Any routes answer any request in one way, in whatever order they were registered.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| edgeway_fuzz::route::route(input));
