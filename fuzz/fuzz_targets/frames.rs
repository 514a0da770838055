//! Frames in pieces are the frames of the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| edgeway_fuzz::wire::frames(input));
