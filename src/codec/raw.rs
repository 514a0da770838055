//! `google.api.HttpBody`: the message that stands for a body as it is (google/api/httpbody.proto).
//!
//! Read and written on the wire: it has three fields, and its data may be large. `extensions` is not read, since HTTP
//! has no place for it.

use bytes::{Buf, Bytes, BytesMut};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, message, skip_field},
};

/// A body of any media type.
#[derive(Clone, PartialEq, Message)]
pub struct RawBody {
    /// The value of `Content-Type`.
    #[prost(string, tag = "1")]
    pub content_type: String,
    /// The bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

impl RawBody {
    /// The full name of the message.
    pub const NAME: &str = "google.api.HttpBody";

    /// Reads the message in `wire`, or the field of that number in it; one that is not set is empty. The data is a part
    /// of `wire`, not a copy.
    ///
    /// # Errors
    /// Bytes that are not the message.
    pub fn read(mut wire: Bytes, field: Option<u32>) -> Result<Self, DecodeError> {
        let Some(number) = field else { return Self::decode(wire) };
        let mut body = Self::default();
        while wire.has_remaining() {
            let (tag, wire_type) = decode_key(&mut wire)?;
            if tag == number {
                // A message that comes twice is one, put together.
                message::merge(wire_type, &mut body, &mut wire, DecodeContext::default())?;
            } else {
                skip_field(wire_type, tag, &mut wire, DecodeContext::default())?;
            }
        }
        Ok(body)
    }

    /// Appends the message to `out`, as a whole or as the field of that number.
    pub fn write(&self, field: Option<u32>, out: &mut BytesMut) {
        let length = self.encoded_len();
        out.reserve(length + FIELD);
        if let Some(number) = field {
            encode_key(number, WireType::LengthDelimited, out);
            encode_varint(length as u64, out);
        }
        self.encode_raw(out);
    }
}

/// The most that a field's key and length have: five bytes and ten.
const FIELD: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> RawBody {
        RawBody { content_type: "text/csv".into(), data: Bytes::from_static(b"a,b") }
    }

    #[test]
    fn written_is_read() {
        for field in [None, Some(1), Some(2), Some(536_870_911)] {
            for body in [body(), RawBody::default()] {
                let mut out = BytesMut::from(b"".as_slice());
                body.write(field, &mut out);
                assert_eq!(RawBody::read(out.freeze(), field).unwrap(), body, "{field:?}");
            }
        }
    }

    #[test]
    fn what_stands_beside_it_is_passed_over() {
        // 1: "x", 3: an Any in `extensions`, then the body as 2, in two parts.
        let mut wire = BytesMut::from(b"\x0a\x01x\x1a\x02\x0a\x00".as_slice());
        RawBody { data: Bytes::new(), ..body() }.write(Some(2), &mut wire);
        RawBody { content_type: String::new(), ..body() }.write(Some(2), &mut wire);
        assert_eq!(RawBody::read(wire.clone().freeze(), Some(2)).unwrap(), body());
        assert_eq!(RawBody::read(wire.freeze(), Some(4)).unwrap(), RawBody::default());
        let with_extensions = Bytes::from_static(b"\x12\x03a,b\x1a\x02\x0a\x00\x0a\x08text/csv");
        assert_eq!(RawBody::read(with_extensions, None).unwrap(), body());
    }

    #[test]
    fn the_data_is_no_copy() {
        let mut out = BytesMut::new();
        body().write(Some(2), &mut out);
        let wire = out.freeze();
        let read = RawBody::read(wire.clone(), Some(2)).unwrap();
        assert!(wire.as_ptr_range().contains(&read.data.as_ptr()));
    }

    #[test]
    fn damaged_bytes_are_errors() {
        let whole =
            [&b"\x12\x05a"[..], b"\x0a\x01\xff", b"\x08\x01", b"\xff\xff\xff\xff\xff\xff", b"\x0b\x0b"];
        let field = [&b"\x12\x05a"[..], b"\x10\x01", b"\x12\x02\x08\x01", b"\x0b\x0b", b"\x0a\x05"];
        for (field, wires) in [(None, whole), (Some(2), field)] {
            for wire in wires {
                let read = RawBody::read(Bytes::from_static(wire), field);
                assert!(read.is_err(), "{wire:?} {field:?} {read:?}");
            }
        }
    }
}
