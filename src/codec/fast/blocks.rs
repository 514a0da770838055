//! Wire bytes at the end of a buffer, with lengths that are known only behind their content.

use bytes::{BufMut, BytesMut};

/// What is written so far.
pub(super) struct Blocks<'o> {
    out: &'o mut BytesMut,
}

/// A length-delimited field that is being written: where its length goes.
#[must_use]
pub(super) struct Block(usize);

impl<'o> Blocks<'o> {
    pub(super) fn new(out: &'o mut BytesMut) -> Self {
        Self { out }
    }

    #[inline]
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.put_u8(low_byte(value) | 0x80);
            value >>= 7;
        }
        self.out.put_u8(low_byte(value));
    }

    /// The key of a field; the bodies below follow it.
    #[inline]
    pub(super) fn key(&mut self, key: u32) {
        self.varint(u64::from(key));
    }

    #[inline]
    pub(super) fn fixed32(&mut self, value: u32) {
        self.out.put_u32_le(value);
    }

    #[inline]
    pub(super) fn fixed64(&mut self, value: u64) {
        self.out.put_u64_le(value);
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.out.extend_from_slice(bytes);
    }

    /// Bytes inside a block.
    #[inline]
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Opens a block with room for a length of one byte, which is right for most messages.
    #[inline]
    pub(super) fn open(&mut self) -> Block {
        self.out.put_u8(0);
        Block(self.out.len())
    }

    /// Closes a block: a longer length moves the content.
    #[inline]
    pub(super) fn close(&mut self, Block(start): Block) {
        let length = self.out.len() - start;
        match u8::try_from(length) {
            Ok(length) if length < 0x80 => {
                if let Some(place) = self.out.get_mut(start - 1) {
                    *place = length;
                }
            }
            _ => self.close_long(start, length),
        }
    }

    fn close_long(&mut self, start: usize, length: usize) {
        let mut digits = [0; 10];
        let (mut rest, mut count) = (length, 0);
        for digit in &mut digits {
            *digit = low_byte(u64::try_from(rest).unwrap_or(u64::MAX));
            rest >>= 7;
            count += 1;
            if rest == 0 {
                break;
            }
            *digit |= 0x80;
        }
        let end = self.out.len();
        self.out.put_bytes(0, count - 1);
        self.out.copy_within(start..end, start + count - 1);
        for (place, digit) in self.out.iter_mut().skip(start - 1).zip(digits.iter().take(count)) {
            *place = *digit;
        }
    }

    /// Whether nothing was written since the block was opened.
    pub(super) fn is_empty(&self, block: &Block) -> bool {
        self.out.len() == block.0
    }

    /// What was written behind that many bytes.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.out.get(start..).unwrap_or_default()
    }

    /// Room of `length` bytes to be filled by `fill`, which tells how many it took.
    pub(super) fn fill<E>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let start = self.out.len();
        self.out.put_bytes(0, length);
        let filled = fill(self.out.get_mut(start..).unwrap_or_default());
        self.out.truncate(start + filled.as_ref().copied().unwrap_or(0).min(length));
        filled.map(drop)
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.out.truncate(length);
    }
}

/// The lowest seven or eight bits.
#[inline]
fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_are_patched_in() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000, 2_097_151, 2_097_152] {
            let content: Vec<u8> = (0..length).map(|at: usize| low_byte(at as u64)).collect();
            let (mut patched, mut known) = (BytesMut::from("before"), BytesMut::from("before"));
            let mut blocks = Blocks::new(&mut patched);
            let block = blocks.open();
            assert!(blocks.is_empty(&block));
            blocks.raw(&content);
            assert_eq!(blocks.since(block.0), content);
            blocks.close(block);
            Blocks::new(&mut known).bytes(&content);
            assert!(patched == known, "{length} bytes");
        }
    }

    #[test]
    fn varints_are_those_of_prost() {
        for value in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1]).chain([u64::MAX]) {
            let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
            Blocks::new(&mut ours).varint(value);
            prost::encoding::encode_varint(value, &mut theirs);
            assert_eq!(ours, theirs);
        }
    }
}
