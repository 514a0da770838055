//! The trailer frame.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, header};

/// A block of trailers as the last frame of a body.
///
/// Lower-case names, CRLF after every line and none after the last but that; visible ASCII only, since clients throw on
/// anything else. A value with other bytes is left out: it could not be read, and must not end the line early.
pub(in crate::front) fn frame(trailers: &HeaderMap) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_slice(&[FLAG, 0, 0, 0, 0]);
    for (name, value) in trailers {
        let value = value.as_bytes();
        let readable = value.iter().all(|byte| (0x20..0x7f).contains(byte));
        if readable && *name != header::CONTENT_TYPE {
            out.put_slice(name.as_str().as_bytes());
            out.put_slice(b":");
            out.put_slice(value);
            out.put_slice(b"\r\n");
        }
    }
    let length = u32::try_from(out.len() - HEADER).unwrap_or(u32::MAX);
    if let Some((_, rest)) = out.split_first_mut()
        && let Some(field) = rest.first_chunk_mut::<4>()
    {
        *field = length.to_be_bytes();
    }
    out.freeze()
}

const FLAG: u8 = 0x80;
const HEADER: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_as_clients_parse_it() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "5".parse().unwrap());
        trailers.append("X-Tag", "a".parse().unwrap());
        trailers.append("X-Tag", "b".parse().unwrap());
        trailers.insert("x-bytes", http::HeaderValue::from_bytes(b"\xff").unwrap());
        let block = b"grpc-status:5\r\nx-tag:a\r\nx-tag:b\r\n";
        let mut expect = vec![0x80, 0, 0, 0, block.len() as u8];
        expect.extend_from_slice(block);
        assert_eq!(frame(&trailers), expect);
    }
}
