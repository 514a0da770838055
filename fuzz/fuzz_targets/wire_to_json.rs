//! Any bytes are answered: with JSON that reads back, or with an error and an untouched buffer.
#![no_main]

use bytes::BytesMut;
use edgeway::codec::ReadOptions;
use edgeway_fuzz::Input;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(input) = Input::new(input) else { return };
    let mut json = BytesMut::new();
    match input.codec.to_json(input.data, &input.write, &mut json) {
        Ok(()) => {
            assert!(std::str::from_utf8(&json).is_ok() && json.len() <= input.write.max_bytes);
            let _ = input.codec.to_wire(&json, &ReadOptions::default(), &mut BytesMut::new());
        }
        Err(error) => assert!(json.is_empty() && !error.to_string().is_empty()),
    }
});
