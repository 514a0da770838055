//! Any text is answered: with wire bytes that decode and print, or with an error and an untouched buffer.
#![no_main]

use bytes::BytesMut;
use edgeway_fuzz::Input;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(input) = Input::new(input) else { return };
    let mut wire = BytesMut::new();
    match input.codec.to_wire(input.data, &input.read, &mut wire) {
        Ok(()) => {
            let mut json = BytesMut::new();
            if input.codec.to_json(wire.freeze(), &input.write, &mut json).is_ok() {
                let again = input.codec.to_wire(&json, &input.read, &mut BytesMut::new());
                // Printed defaults are more values than were read.
                assert!(again.is_ok() || input.write.always_print_primitive_fields, "{again:?}");
            }
        }
        Err(error) => assert!(wire.is_empty() && !error.to_string().is_empty()),
    }
});
