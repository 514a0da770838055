//! Any bytes are answered.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| edgeway_fuzz::codec::print(input));
