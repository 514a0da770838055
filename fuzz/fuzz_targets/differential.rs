//! Both codecs on the same input, taken for JSON and for wire bytes.
#![no_main]

use edgeway_fuzz::Input;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(input) = Input::new(input) {
        input.json_agrees();
        input.wire_agrees();
    }
});
