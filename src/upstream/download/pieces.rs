//! Received bytes that wait to be taken.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::call::Chunks;

/// Bytes in order, small chunks put together.
///
/// A chunk from `h2` is a slice of its read buffer and keeps all of that alive: a thousand 20-byte messages left as
/// they came could hold sixteen megabytes. Large chunks are kept as they are, without a copy.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    closed: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        if chunk.len() < SMALL {
            self.tail.extend_from_slice(&chunk);
        } else {
            self.close();
            self.closed.push_back(chunk);
        }
    }

    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// The chunks held, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.closed.iter().map(AsRef::as_ref).chain([self.tail.as_ref()])
    }

    /// The next bytes, as many as lie together.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let piece = match self.closed.pop_front() {
            Some(piece) => piece,
            None if self.tail.is_empty() => return None,
            None => self.tail.split().freeze(),
        };
        self.bytes -= piece.len();
        Some(piece)
    }

    pub(super) fn into_chunks(mut self) -> Chunks {
        self.close();
        Chunks::new(self.closed.into())
    }

    fn close(&mut self) {
        if !self.tail.is_empty() {
            self.closed.push_back(self.tail.split().freeze());
        }
    }
}

/// Below this a copy is cheaper than the buffer it would keep.
const SMALL: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_out_in_order(sizes in prop::collection::vec(1usize..9000, 0..20), takes in prop::collection::vec(any::<bool>(), 20)) {
            let (mut pieces, mut given, mut taken, mut next) = (Pieces::default(), Vec::new(), Vec::new(), 0u8);
            for (size, take) in sizes.into_iter().zip(takes) {
                let chunk: Vec<u8> = (0..size).map(|_| { next = next.wrapping_add(1); next }).collect();
                given.extend_from_slice(&chunk);
                pieces.push(chunk.into());
                if take && let Some(piece) = pieces.take() {
                    taken.extend_from_slice(&piece);
                }
                prop_assert_eq!(pieces.len(), given.len() - taken.len());
            }
            taken.extend_from_slice(&pieces.into_chunks().join());
            prop_assert_eq!(taken, given);
        }
    }
}
