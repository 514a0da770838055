//! What a client says over a WebSocket: one call, by either subprotocol. No I/O, no schema.
//!
//! | | `grpc-websockets` | `edgeway.json.v1` |
//! |---|---|---|
//! | kind of its messages | binary | text |
//! | the first | `name: value` CRLF, as often as wanted | `{"headers":{"name":"value"},"timeoutMs":n}`, both optional |
//! | then | 0x00 and bytes of frames, cut anywhere | one JSON message each |
//! | the end of the request | 0x01 | no byte |
//!
//! The first is that of `@improbable-eng/grpc-web`, which exists in browsers as it is; the second needs no library.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::grpc::{GRPC_TIMEOUT, timeout};

/// How a call is written over a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subprotocol {
    /// Protobuf in frames.
    Frames,
    /// JSON.
    Json,
}

/// A message as the WebSocket brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Text, which is UTF-8.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

/// What a message means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The call begins with these headers, `grpc-timeout` among them where the client named a timeout.
    Head(HeaderMap),
    /// Bytes of frames, or one JSON message.
    Message(Bytes),
    /// The request has ended.
    HalfClose,
}

/// What the client said wrong. Nothing may be taken after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Text for bytes, or bytes for text.
    #[error("expected {expected} messages ({name}), found a {found} one", name = .subprotocol.name())]
    Kind {
        /// What is spoken.
        subprotocol: Subprotocol,
        /// The kind that it has.
        expected: &'static str,
        /// The kind that came.
        found: &'static str,
    },
    /// A first message that is no head of a call.
    #[error("first message: {0}")]
    Head(String),
    /// A later message that has no meaning.
    #[error("{0}")]
    Message(String),
}

/// Reads what a client says, message by message.
#[derive(Debug)]
pub struct Intake {
    subprotocol: Subprotocol,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    First,
    Open,
    Ended,
}

impl Subprotocol {
    /// The value of `Sec-WebSocket-Protocol`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frames => "grpc-websockets",
            Self::Json => "edgeway.json.v1",
        }
    }

    /// The subprotocol of a name, which is compared with its case (RFC 6455 section 11.5).
    pub fn named(name: &[u8]) -> Option<Self> {
        [Self::Frames, Self::Json].into_iter().find(|known| known.name().as_bytes() == name)
    }
}

impl Intake {
    /// Before the first message.
    pub fn new(subprotocol: Subprotocol) -> Self {
        Self { subprotocol, stage: Stage::First }
    }

    /// Takes the next message.
    ///
    /// # Errors
    /// A message that means nothing in its place.
    pub fn take(&mut self, said: Said) -> Result<Event, Fault> {
        let subprotocol = self.subprotocol;
        let fault = |expected, found| Fault::Kind { subprotocol, expected, found };
        let event = match (subprotocol, said) {
            (Subprotocol::Frames, Said::Binary(bytes)) => self.binary(bytes),
            (Subprotocol::Json, Said::Text(text)) => self.text(text),
            (Subprotocol::Frames, Said::Text(_)) => Err(fault("binary", "text")),
            (Subprotocol::Json, Said::Binary(_)) => Err(fault("text", "binary")),
        }?;
        self.stage = if event == Event::HalfClose { Stage::Ended } else { Stage::Open };
        Ok(event)
    }

    fn binary(&self, mut bytes: Bytes) -> Result<Event, Fault> {
        if self.stage == Stage::First {
            return block(&bytes).map(Event::Head).map_err(Fault::Head);
        }
        self.goes_on()?;
        match bytes.first() {
            Some(0) => {
                bytes.advance(1);
                Ok(Event::Message(bytes))
            }
            Some(1) if bytes.len() == 1 => Ok(Event::HalfClose),
            Some(1) => Err(Fault::Message(format!(
                "expected nothing behind the byte 0x01 that ends the request, found {} bytes",
                bytes.len() - 1
            ))),
            Some(byte) => Err(Fault::Message(format!(
                "expected 0x00 before frames or 0x01 to end the request, found {byte:#04x}"
            ))),
            None => Err(Fault::Message(
                "expected 0x00 before frames or 0x01 to end the request, found an empty message".into(),
            )),
        }
    }

    fn text(&self, text: Bytes) -> Result<Event, Fault> {
        if self.stage == Stage::First {
            return object(&text).map(Event::Head).map_err(Fault::Head);
        }
        self.goes_on()?;
        Ok(if text.is_empty() { Event::HalfClose } else { Event::Message(text) })
    }

    fn goes_on(&self) -> Result<(), Fault> {
        match self.stage {
            Stage::First | Stage::Open => Ok(()),
            Stage::Ended => Err(Fault::Message("expected nothing after the end of the request".into())),
        }
    }
}

/// The lines of a head.
fn block(bytes: &[u8]) -> Result<HeaderMap, String> {
    bounded(bytes.len())?;
    let mut headers = HeaderMap::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let at = |what: String| format!("line {}: {what}", index + 1);
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            return Err(at(format!("expected name: value, found {}", excerpt(line))));
        };
        append(&mut headers, name.trim_ascii_end(), value.trim_ascii()).map_err(at)?;
    }
    Ok(headers)
}

/// The first message as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "an object of headers and timeoutMs"
)]
struct Object {
    headers: BTreeMap<String, Values>,
    timeout_ms: Option<u64>,
}

/// What a header has.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings as the value of a header")]
enum Values {
    One(String),
    Several(Vec<String>),
}

fn object(text: &[u8]) -> Result<HeaderMap, String> {
    bounded(text.len())?;
    let wanted = |why: &dyn std::fmt::Display| {
        format!("expected {{\"headers\":{{...}},\"timeoutMs\":...}}, both optional: {why}")
    };
    // serde takes an array for an object whose fields stand in their order.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(wanted(&format_args!("found {}", excerpt(text))));
    }
    let object: Object = serde_json::from_slice(text).map_err(|error| wanted(&error))?;
    let mut headers = HeaderMap::new();
    for (name, values) in &object.headers {
        let values = match values {
            Values::One(value) => std::slice::from_ref(value),
            Values::Several(values) => values,
        };
        for value in values {
            append(&mut headers, name.as_bytes(), value.as_bytes())?;
        }
    }
    if let Some(milliseconds) = object.timeout_ms {
        let timeout = timeout::format(std::time::Duration::from_millis(milliseconds));
        headers.insert(GRPC_TIMEOUT, timeout);
    }
    Ok(headers)
}

fn append(headers: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<(), String> {
    let parsed = HeaderName::from_bytes(name)
        .map_err(|_| format!("expected the name of a header, found {}", excerpt(name)))?;
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| format!("expected a value without control characters for {parsed}"))?;
    if headers.len() >= MOST_HEADERS {
        return Err(format!("expected at most {MOST_HEADERS} headers"));
    }
    headers.append(parsed, value);
    Ok(())
}

fn bounded(length: usize) -> Result<(), String> {
    if length <= MOST_HEAD {
        return Ok(());
    }
    Err(format!("{length} bytes of headers are over the limit of {MOST_HEAD} bytes"))
}

fn excerpt(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(32).copied().collect::<Vec<u8>>();
    format!("\"{}\"", shown.escape_ascii())
}

/// As many bytes as a head of HTTP may have.
const MOST_HEAD: usize = 16 << 10;

/// As many headers as a head of HTTP may have.
const MOST_HEADERS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binary(bytes: &[u8]) -> Said {
        Said::Binary(Bytes::copy_from_slice(bytes))
    }

    fn text(text: &str) -> Said {
        Said::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// What becomes of a first message: its headers as lines, or the fault.
    fn check(subprotocol: Subprotocol, said: Said, expect: Result<&[&str], &str>) {
        let shown = format!("{said:?}");
        match (Intake::new(subprotocol).take(said), expect) {
            (Ok(Event::Head(headers)), Ok(expect)) => {
                let lines: Vec<_> = headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                    .collect();
                assert_eq!(lines, expect, "{shown}");
            }
            (Err(fault), Err(expect)) => {
                assert!(fault.to_string().contains(expect), "{shown}: {fault}");
            }
            (found, expect) => panic!("{shown}: {found:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn heads_in_lines() {
        let check = |bytes: &[u8], expect| check(Subprotocol::Frames, binary(bytes), expect);
        check(b"", Ok(&[]));
        check(b"Content-Type: x\r\nX-A: b c \r\n", Ok(&["content-type: x", "x-a: b c"]));
        check(b"x-a:1\nx-a:2", Ok(&["x-a: 1", "x-a: 2"]));
        check(b"x-a:", Ok(&["x-a: "]));
        check(b"x-a: b:c\r\n\r\n", Ok(&["x-a: b:c"]));
        check(b"x-a", Err("line 1: expected name: value, found \"x-a\""));
        check(b"x: 1\r\n:path: /", Err("line 2: expected the name of a header"));
        check(b"x y: 1", Err("expected the name of a header, found \"x y\""));
        check(b"x: a\x01b", Err("without control characters for x"));
        check("x: 1\r\n".repeat(64).as_bytes(), Ok(&["x: 1"; 64]));
        check("x: 1\r\n".repeat(65).as_bytes(), Err("at most 64 headers"));
        let long = |bytes: usize| format!("x: {}", "v".repeat(bytes - 3)).into_bytes();
        assert!(Intake::new(Subprotocol::Frames).take(binary(&long(16 << 10))).is_ok());
        check(&long((16 << 10) + 1), Err("over the limit of 16384 bytes"));
    }

    #[test]
    fn heads_in_json() {
        let check = |json, expect| check(Subprotocol::Json, text(json), expect);
        check("{}", Ok(&[]));
        check(r#"{"headers":{"X-A":"b","x-c":["1","2"]}}"#, Ok(&["x-a: b", "x-c: 1", "x-c: 2"]));
        check(r#"{"timeoutMs":1500}"#, Ok(&["grpc-timeout: 1500m"]));
        check(r#"{"timeoutMs":0,"headers":{}}"#, Ok(&["grpc-timeout: 0n"]));
        for bad in ["", "[]", "null", "{", r#"{"header":{}}"#, r#"{"timeoutMs":-1}"#, r#"{"timeoutMs":"1s"}"#]
        {
            check(bad, Err("expected {\"headers\":{...},\"timeoutMs\":...}"));
        }
        check(r#"{"headers":{"a":1}}"#, Err("a string or an array of strings"));
        check(r#"{"headers":{"a b":"1"}}"#, Err("expected the name of a header"));
        check(r#"{"headers":{"a":"\n"}}"#, Err("without control characters for a"));
    }

    #[test]
    fn frames_and_their_end() {
        for (message, expect) in [
            (&b"\0"[..], Ok(Event::Message(Bytes::new()))),
            (b"\0\0\0\0\0\x01x", Ok(Event::Message(Bytes::from_static(b"\0\0\0\0\x01x")))),
            (b"\x01", Ok(Event::HalfClose)),
            (b"\x01x", Err("found 1 bytes")),
            (b"\x02", Err("found 0x02")),
            (b"", Err("found an empty message")),
        ] {
            let mut intake = Intake::new(Subprotocol::Frames);
            intake.take(binary(b"")).unwrap();
            match (intake.take(binary(message)), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect),
                (Err(fault), Err(expect)) => assert!(fault.to_string().contains(expect), "{fault}"),
                (found, _) => panic!("{found:?}"),
            }
        }
    }

    #[test]
    fn nothing_follows_the_end() {
        for (subprotocol, said) in [
            (Subprotocol::Frames, [b"".as_slice(), b"\x01", b"\0"].map(binary)),
            (Subprotocol::Json, ["{}", "", "{}"].map(text)),
        ] {
            let mut intake = Intake::new(subprotocol);
            let [head, end, more] = said;
            intake.take(head).unwrap();
            assert_eq!(intake.take(end), Ok(Event::HalfClose));
            assert!(matches!(intake.take(more), Err(Fault::Message(_))));
        }
    }

    #[test]
    fn the_other_kind_is_refused() {
        let fault = Intake::new(Subprotocol::Frames).take(text("{}")).unwrap_err();
        assert_eq!(fault.to_string(), "expected binary messages (grpc-websockets), found a text one");
        let fault = Intake::new(Subprotocol::Json).take(binary(b"")).unwrap_err();
        assert_eq!(fault.to_string(), "expected text messages (edgeway.json.v1), found a binary one");
    }

    proptest! {
        #[test]
        fn any_messages_are_read_without_panic(
            json in any::<bool>(),
            messages in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..80)), 0..8),
        ) {
            let mut intake = Intake::new(if json { Subprotocol::Json } else { Subprotocol::Frames });
            for (text, bytes) in messages {
                let bytes = Bytes::from(bytes);
                if intake.take(if text { Said::Text(bytes) } else { Said::Binary(bytes) }).is_err() {
                    break;
                }
            }
        }
    }
}
