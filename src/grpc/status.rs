//! A call's status in HTTP headers and trailers.
//!
//! `tonic::Status::from_header_map` is never called on a peer's headers: base64 that does not decode panics it. What
//! comes in is made sound once, here, by [`normalize`]; past it every header map with a status has exactly one, valid.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};
use tonic::{Code, Status};

use super::{GRPC_MESSAGE, GRPC_STATUS, GRPC_STATUS_DETAILS, code};

/// `-bin` metadata: written without padding, read with or without (grpc `doc/PROTOCOL-HTTP2.md`).
pub const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Makes a backend's trailers carry exactly one valid status, and says which.
///
/// | found | left |
/// |---|---|
/// | one `grpc-status` of 0..=16 | as it is |
/// | none | `None`, the caller knows what an end without status means |
/// | several, or no canonical number | 2 UNKNOWN with a message that shows what was found |
/// | `grpc-status-details-bin` that is not base64, or twice | removed |
/// | `grpc-message` twice | the first |
pub fn normalize(headers: &mut HeaderMap) -> Option<Code> {
    let mut values = headers.get_all(GRPC_STATUS).iter();
    let first = values.next()?;
    let parsed = if values.next().is_none() { code::parse(first.as_bytes()) } else { None };
    let Some(code) = parsed else {
        let excerpt = |value: &HeaderValue| value.as_bytes().iter().take(32).copied().collect::<Vec<u8>>();
        let found = headers.get_all(GRPC_STATUS).iter().take(4).map(excerpt);
        let found: Vec<_> = found.map(|value| value.escape_ascii().to_string()).collect();
        let message =
            format!("expected one grpc-status from 0 to 16, the backend sent {}", found.join(" and "));
        write(&Status::unknown(message), headers);
        return Some(Code::Unknown);
    };
    // As the trailers of most calls are: there is nothing else to make sound.
    if headers.len() == 1 {
        return Some(code);
    }
    keep_first(headers, &GRPC_MESSAGE);
    let mut details = headers.get_all(GRPC_STATUS_DETAILS).iter();
    if let Some(value) = details.next() {
        let sound = details.next().is_none() && BASE64.decode(value.as_bytes()).is_ok();
        if !sound {
            headers.remove(GRPC_STATUS_DETAILS);
        }
    }
    Some(code)
}

/// The code of the status that [`normalize`] or [`write`] left behind.
pub fn code(headers: &HeaderMap) -> Option<Code> {
    code::parse(headers.get(GRPC_STATUS)?.as_bytes())
}

/// Reads the status out of a header map that [`normalize`] or [`write`] left behind.
///
/// The other headers stay where they are: metadata travels as headers, not inside `Status`.
pub fn read(headers: &HeaderMap) -> Option<Status> {
    let code = code(headers)?;
    let message = headers.get(GRPC_MESSAGE).map_or_else(String::new, decode_message);
    let details = headers.get(GRPC_STATUS_DETAILS).and_then(|value| BASE64.decode(value.as_bytes()).ok());
    Some(Status::with_details(code, message, Bytes::from(details.unwrap_or_default())))
}

/// As [`read`], where a header map that has none cannot be.
pub fn read_or_unknown(headers: &HeaderMap) -> Status {
    read(headers).unwrap_or_else(|| Status::unknown("the answer ended without a status"))
}

/// Writes a status, in place of any that was there.
pub fn write(status: &Status, headers: &mut HeaderMap) {
    headers.insert(GRPC_STATUS, HeaderValue::from(status.code() as u16));
    headers.remove(GRPC_MESSAGE);
    headers.remove(GRPC_STATUS_DETAILS);
    if !status.message().is_empty() {
        headers.insert(GRPC_MESSAGE, encode_message(status.message()));
    }
    if !status.details().is_empty() {
        let value = BASE64.encode(status.details());
        headers.insert(
            GRPC_STATUS_DETAILS,
            HeaderValue::try_from(value).expect("base64 is a valid header value"),
        );
    }
}

/// Removes what only carries a call's outcome, leaving metadata.
pub fn remove(headers: &mut HeaderMap) {
    headers.remove(GRPC_STATUS);
    headers.remove(GRPC_MESSAGE);
    headers.remove(GRPC_STATUS_DETAILS);
}

/// Percent-encodes a message for `grpc-message`: bytes outside 0x20..=0x7e and `%`.
pub fn encode_message(message: &str) -> HeaderValue {
    const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');
    let encoded = percent_encode(message.as_bytes(), ESCAPED).to_string();
    HeaderValue::try_from(encoded).expect("percent-encoding leaves visible ASCII and spaces")
}

/// Undoes [`encode_message`]; a malformed escape stays as it is and bad UTF-8 becomes U+FFFD, as the spec asks.
fn decode_message(value: &HeaderValue) -> String {
    percent_decode(value.as_bytes()).decode_utf8_lossy().into_owned()
}

fn keep_first(headers: &mut HeaderMap, name: &http::HeaderName) {
    if headers.get_all(name).iter().nth(1).is_some()
        && let Some(first) = headers.get(name).cloned()
    {
        headers.insert(name, first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn one_valid_status_is_left_whatever_came() {
        for (found, expect) in [
            (vec![("grpc-status", "0")], Some(Code::Ok)),
            (vec![("grpc-status", "16")], Some(Code::Unauthenticated)),
            (vec![("grpc-status", "05")], Some(Code::Unknown)),
            (vec![("grpc-status", "-1")], Some(Code::Unknown)),
            (vec![("grpc-status", "99")], Some(Code::Unknown)),
            (vec![("grpc-status", "0"), ("grpc-status", "5")], Some(Code::Unknown)),
            (vec![("x-other", "0")], None),
        ] {
            let mut map = headers(&found);
            assert_eq!(normalize(&mut map), expect, "{found:?}");
            assert_eq!(read(&map).map(|status| status.code()), expect, "{found:?}");
            assert!(map.get_all(GRPC_STATUS).iter().count() <= 1, "{found:?}");
        }
    }

    #[test]
    fn junk_is_shown_in_part() {
        let mut map = headers(&[("grpc-status", &"9".repeat(60_000))]);
        normalize(&mut map);
        assert!(read(&map).unwrap().message().len() < 200);
    }

    #[test]
    fn details_that_do_not_decode_are_dropped_and_the_rest_kept() {
        for junk in ["!!!", "AA=A", "AAAA,BBBB", "A"] {
            let mut map =
                headers(&[("grpc-status", "3"), ("grpc-message", "no"), ("grpc-status-details-bin", junk)]);
            assert_eq!(normalize(&mut map), Some(Code::InvalidArgument));
            let status = read(&map).unwrap();
            assert_eq!((status.message(), status.details().len()), ("no", 0), "{junk}");
        }
        for sound in ["CAMSAm5v", "AA==", "AA"] {
            let mut map = headers(&[("grpc-status", "3"), ("grpc-status-details-bin", sound)]);
            normalize(&mut map);
            assert!(!read(&map).unwrap().details().is_empty(), "{sound}");
        }
    }

    #[test]
    fn messages_survive_a_round_trip() {
        for message in ["plain", "100 %", "a\r\nset-cookie: x", "zażółć", "", "tab\there\u{7f}"] {
            let mut map = HeaderMap::new();
            write(&Status::with_details(Code::NotFound, message, Bytes::from_static(b"\x08\x05")), &mut map);
            let back = read(&map).unwrap();
            assert_eq!((back.message(), back.details()), (message, b"\x08\x05".as_slice()));
            for value in map.values() {
                assert!(value.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte)), "{value:?}");
            }
        }
    }
}
