//! However a text comes in pieces, its values are the same, and within their bounds.
#![no_main]

use bytes::Bytes;
use edgeway::codec::{ElementError, Elements, Layout};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((switches, text)) = input.split_first() else { return };
    let layout = if switches & 1 == 0 { Layout::ArrayOrSequence } else { Layout::Sequence };
    let size = usize::from(switches >> 1).max(1);
    let whole = cut(layout, text, text.len().max(1));
    let (pieces, end) = cut(layout, text, size);
    assert!(pieces.iter().all(|value| !value.is_empty() && value.len() <= MAX_BYTES));
    match (&whole.1, &end) {
        // Both bounds crossed: which is noticed first depends on the cut.
        (Err(ElementError::TooDeep { .. }), Err(ElementError::TooLarge { .. })) => {}
        (expected, found) => assert_eq!(found, expected),
    }
    assert_eq!(pieces, whole.0);
});

fn cut(layout: Layout, text: &[u8], size: usize) -> (Vec<Bytes>, Result<(), ElementError>) {
    let mut elements = Elements::new(layout, MAX_BYTES, 8);
    let mut found = Vec::new();
    for piece in text.chunks(size) {
        elements.push(Bytes::copy_from_slice(piece));
        loop {
            match elements.next_element() {
                Ok(Some(value)) => found.push(value),
                Ok(None) => break,
                Err(error) => return (found, Err(error)),
            }
        }
    }
    let end = elements.finish().map(|last| found.extend(last));
    (found, end)
}

const MAX_BYTES: usize = 256;
