//! How a call ends: the last envelope of a stream, and the trailers of a unary reply.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, header};
use prost_reflect::DescriptorPool;
use serde_json::Value;
use tonic::{Code, Status};

use super::error;
use crate::grpc::frame;

/// The envelope that ends a stream, of its status and its trailers.
pub(super) fn envelope(pool: &DescriptorPool, status: &Status, trailers: &HeaderMap) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    let written: Result<(), std::convert::Infallible> = frame::put_flagged(&mut out, END_OF_STREAM, |out| {
        out.extend_from_slice(b"{");
        if status.code() != Code::Ok {
            out.extend_from_slice(b"\"error\":");
            error::write(pool, status, out);
        }
        metadata(trailers, status.code() != Code::Ok, out);
        out.extend_from_slice(b"}");
        Ok(())
    });
    written.unwrap_or_else(|never| match never {});
    out.freeze()
}

fn metadata(trailers: &HeaderMap, follows: bool, out: &mut BytesMut) {
    let mut first = true;
    for name in trailers.keys().filter(|name| is_metadata(name)) {
        let values = trailers.get_all(name).iter();
        // A JSON string is text; a value with other bytes could not be read, and gRPC has none.
        let values: Vec<Value> = values.filter_map(|value| value.to_str().ok().map(Value::from)).collect();
        let start: &[u8] = match (first, follows) {
            (true, true) => b",\"metadata\":{",
            (true, false) => b"\"metadata\":{",
            (false, _) => b",",
        };
        out.extend_from_slice(start);
        first = false;
        out.extend_from_slice(format!("\"{name}\":{}", Value::from(values)).as_bytes());
    }
    if !first {
        out.extend_from_slice(b"}");
    }
}

/// Makes trailers the headers of a unary reply, whose status stands in front of its message.
pub(super) fn prefixed(trailers: HeaderMap, headers: &mut HeaderMap) {
    let mut name: Option<HeaderName> = None;
    for (next, value) in trailers {
        // Each name is given once, with the first of its values.
        if let Some(next) = next {
            name = is_metadata(&next).then(|| format!("trailer-{next}").parse().ok()).flatten();
        }
        if let Some(name) = &name {
            headers.append(name, value);
        }
    }
}

/// Whether a trailer is a word of the application's.
fn is_metadata(name: &HeaderName) -> bool {
    !name.as_str().starts_with("grpc-") && name != header::CONTENT_TYPE
}

/// The flag of the last envelope.
const END_OF_STREAM: u8 = 0x02;

#[cfg(test)]
mod tests {
    use super::*;

    fn trailers() -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.append("X-Tag", "a".parse().unwrap());
        trailers.append("X-Tag", "\"b\"".parse().unwrap());
        trailers.append("x-bin", "AQI".parse().unwrap());
        trailers
    }

    fn check(status: &Status, trailers: &HeaderMap, expect: &str) {
        let envelope = envelope(&crate::schema::builtin(), status, trailers);
        let (head, json) = envelope.split_at(frame::HEADER_LEN);
        assert_eq!(head, [2, 0, 0, 0, u8::try_from(expect.len()).unwrap()]);
        assert_eq!(std::str::from_utf8(json).unwrap(), expect);
    }

    #[test]
    fn status_and_trailers() {
        check(&Status::ok(""), &HeaderMap::new(), "{}");
        let metadata = r#""metadata":{"x-tag":["a","\"b\""],"x-bin":["AQI"]}"#;
        check(&Status::ok(""), &trailers(), &format!("{{{metadata}}}"));
        let error = r#""error":{"code":"aborted","message":"m"}"#;
        check(&Status::aborted("m"), &HeaderMap::new(), &format!("{{{error}}}"));
        check(&Status::aborted("m"), &trailers(), &format!("{{{error},{metadata}}}"));
    }

    #[test]
    fn trailers_of_a_unary_reply_are_headers() {
        let mut headers = HeaderMap::new();
        prefixed(trailers(), &mut headers);
        let tags: Vec<_> = headers.get_all("trailer-x-tag").iter().collect();
        assert_eq!(tags, ["a", "\"b\""]);
        assert_eq!(headers.get("trailer-x-bin").unwrap(), "AQI");
        assert_eq!(headers.len(), 3);
    }
}
