//! Both codecs on the same input, taken for JSON and for wire bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| edgeway_fuzz::codec::differential(input));
