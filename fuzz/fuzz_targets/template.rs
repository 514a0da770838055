//! Any text is a path template that answers paths of its own shape, or none with the place of the fault.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| edgeway_fuzz::route::template(input));
