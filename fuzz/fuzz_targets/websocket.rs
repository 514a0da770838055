//! Any messages of a WebSocket are read or refused, and nothing of them is lost.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| edgeway_fuzz::websocket::holds(input));
