//! How the messages of a stream are put one after another, and which way a client reads them.
//!
//! | format | media types | message | end | an error after the first message |
//! |---|---|---|---|---|
//! | JSON array | `application/json` | `[` m `,` m | `]`, or `[]` | `,{"error":Status}` and an aborted transport, never a `]` |
//! | NDJSON | `application/x-ndjson`, `application/ndjson`, `application/jsonl` | m LF | nothing | `{"error":Status}` LF |
//! | the same, wrapped | | `{"result":`m`}` LF | nothing | `{"error":Status}` LF |
//! | events | `text/event-stream` | `id: ` n LF `data: ` m LF LF | nothing | `event: error` LF `data: ` Status LF LF |
//!
//! An event's id counts messages from 1, so that the last one is how many a client has seen.

use bytes::BytesMut;
use http::{HeaderMap, header};

use crate::{
    call::CallError,
    config::{RestPolicy, StreamFormat},
};

/// The format that a client prefers among those that its method offers.
///
/// The weight of a format is that of the most specific range of `Accept` that covers it (RFC 9110 section 12.5.1). Of
/// several with the same weight one that is named stands before one that a wildcard covers, then the one that is named
/// first, then the default. A client that takes none of them gets the default: what it could do with a 406 it can do
/// with that.
pub(super) fn choose(headers: &HeaderMap, rest: &RestPolicy) -> StreamFormat {
    let ranges = ranges(headers);
    let default = rest.stream_format;
    let offered = rest.offered_stream_formats.iter().copied().filter(|format| *format != default);
    let mut best = (default, Rank::of(&ranges, default));
    for format in offered {
        let rank = Rank::of(&ranges, format);
        if rank.is_before(&best.1) {
            best = (format, rank);
        }
    }
    best.0
}

/// One media range of `Accept`.
#[derive(Debug)]
struct Range<'h> {
    name: &'h [u8],
    /// In thousandths.
    weight: u16,
}

/// How much a client wants a format.
#[derive(Clone, Copy, Debug, Default)]
struct Rank {
    weight: u16,
    /// Its place among the ranges, if one names it.
    named: Option<usize>,
}

impl Rank {
    fn of(ranges: &[Range<'_>], format: StreamFormat) -> Self {
        let names = media_types(format);
        let find =
            |name: &str| ranges.iter().position(|range| range.name.eq_ignore_ascii_case(name.as_bytes()));
        let named = names.iter().filter_map(|name| find(name)).min();
        let covered = named.or_else(|| {
            let kind = names.first().and_then(|name| name.split_once('/')).map_or("", |(kind, _)| kind);
            find(&format!("{kind}/*")).or_else(|| find("*/*"))
        });
        let weight = covered.and_then(|index| ranges.get(index)).map_or(0, |range| range.weight);
        Self { weight, named }
    }

    /// Whether it wins against one that would win by default.
    fn is_before(&self, other: &Self) -> bool {
        if self.weight != other.weight {
            return self.weight > other.weight;
        }
        match (self.named, other.named) {
            (Some(this), Some(other)) => self.weight > 0 && this < other,
            (Some(_), None) => self.weight > 0,
            (None, _) => false,
        }
    }
}

fn ranges(headers: &HeaderMap) -> Vec<Range<'_>> {
    let values = headers.get_all(header::ACCEPT).iter();
    let parts = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    parts
        .map(|part| {
            let mut parts = part.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|parameter| match parameter {
                [b'q' | b'Q', b'=', digits @ ..] => Some(weight(digits)),
                _ => None,
            });
            Range { name, weight: weight.unwrap_or(MOST) }
        })
        .collect()
}

/// `qvalue` of RFC 9110 section 12.4.2 in thousandths; what is none weighs as if nothing had been said.
fn weight(text: &[u8]) -> u16 {
    match text {
        b"0" => 0,
        [b'0', b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().zip([100, 10, 1]).map(|(digit, unit)| u16::from(digit - b'0') * unit).sum()
        }
        _ => MOST,
    }
}

fn media_types(format: StreamFormat) -> &'static [&'static str] {
    match format {
        StreamFormat::JsonArray => &["application/json"],
        StreamFormat::Ndjson => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
        StreamFormat::Sse => &["text/event-stream"],
    }
}

/// Writes what stands around messages.
#[derive(Debug)]
pub(super) struct Framing {
    format: StreamFormat,
    wrap: bool,
    written: u64,
}

impl Framing {
    pub(super) fn new(format: StreamFormat, rest: &RestPolicy) -> Self {
        Self { format, wrap: rest.wrap_messages, written: 0 }
    }

    pub(super) fn content_type(&self) -> &'static str {
        media_types(self.format).first().copied().unwrap_or_default()
    }

    /// Appends a message that `write` writes as one line of JSON.
    ///
    /// # Errors
    /// Those of `write`; `out` is then as before.
    pub(super) fn message(
        &mut self,
        out: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let start = out.len();
        let wrap = self.wrap && self.format == StreamFormat::Ndjson;
        match self.format {
            StreamFormat::JsonArray => self.separate(out),
            StreamFormat::Ndjson if wrap => out.extend_from_slice(b"{\"result\":"),
            StreamFormat::Ndjson => {}
            StreamFormat::Sse => {
                out.extend_from_slice(b"id: ");
                out.extend_from_slice(itoa::Buffer::new().format(self.written + 1).as_bytes());
                out.extend_from_slice(b"\n");
            }
        }
        let written = if self.format == StreamFormat::Sse { data(out, write) } else { write(out) };
        if let Err(error) = written {
            out.truncate(start);
            return Err(error);
        }
        match self.format {
            StreamFormat::JsonArray => {}
            StreamFormat::Ndjson if wrap => out.extend_from_slice(b"}\n"),
            StreamFormat::Ndjson | StreamFormat::Sse => out.extend_from_slice(b"\n"),
        }
        self.written += 1;
        Ok(())
    }

    /// Appends what follows the last message of a stream that ended well.
    pub(super) fn end(&self, out: &mut BytesMut) {
        if self.format == StreamFormat::JsonArray {
            out.extend_from_slice(if self.written == 0 { b"[]" } else { b"]" });
        }
    }

    /// Appends the error that ended the stream; whether the transport has to break, since readers of the format would
    /// not see from the text alone that something is missing.
    pub(super) fn error(&self, status: &[u8], out: &mut BytesMut) -> bool {
        if self.format == StreamFormat::Sse {
            out.extend_from_slice(b"event: error\n");
            let _ = data(out, |out| {
                out.extend_from_slice(status);
                Ok(())
            });
            out.extend_from_slice(b"\n");
            return false;
        }
        let array = self.format == StreamFormat::JsonArray;
        if array {
            self.separate(out);
        }
        out.extend_from_slice(b"{\"error\":");
        out.extend_from_slice(status);
        out.extend_from_slice(if array { b"}" } else { b"}\n" });
        array
    }

    fn separate(&self, out: &mut BytesMut) {
        out.extend_from_slice(if self.written == 0 { b"[" } else { b"," });
    }
}

/// Appends `data:` lines: a line break inside of an event's data would end the line, and two of them the event.
fn data(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), CallError>,
) -> Result<(), CallError> {
    const DATA: &[u8] = b"data: ";
    out.extend_from_slice(DATA);
    let start = out.len();
    write(out)?;
    if out.iter().skip(start).any(|byte| matches!(byte, b'\n' | b'\r')) {
        let text = out.split_off(start);
        let mut rest = &text[..];
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, after) = rest.split_at(end);
            out.extend_from_slice(line);
            out.extend_from_slice(b"\n");
            out.extend_from_slice(DATA);
            rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(b"\n");
    Ok(())
}

/// The weight of what is wanted most.
const MOST: u16 = 1000;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check_choice(accept: &[&str], rest: &RestPolicy, expect: StreamFormat) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(choose(&headers, rest), expect, "{accept:?}");
    }

    #[test]
    fn the_client_chooses() {
        use StreamFormat::{JsonArray, Ndjson, Sse};
        let check = |accept: &[&str], expect| check_choice(accept, &RestPolicy::default(), expect);
        check(&[], JsonArray);
        check(&["*/*"], JsonArray);
        check(&["application/json"], JsonArray);
        check(&["APPLICATION/X-NDJSON"], Ndjson);
        check(&["application/ndjson"], Ndjson);
        check(&["application/jsonl"], Ndjson);
        check(&["text/event-stream"], Sse);
        // The one that is named first, where nothing is said of their weights.
        check(&["application/json, application/x-ndjson"], JsonArray);
        check(&["application/x-ndjson, application/json"], Ndjson);
        check(&["text/event-stream", "application/json"], Sse);
        // One that is named before one that is covered.
        check(&["text/event-stream, */*"], Sse);
        check(&["*/*, text/event-stream"], Sse);
        check(&["application/*, text/event-stream"], Sse);
        check(&["text/*"], Sse);
        check(&["application/*"], JsonArray);
        // By weight.
        check(&["application/json;q=0.4, text/event-stream;q=0.5, application/x-ndjson; Q=0.45"], Sse);
        check(&["*/*, text/event-stream;q=0.9"], JsonArray);
        check(&["text/event-stream;charset=utf-8;q=0.9, application/json;q=0.8"], Sse);
        check(&["application/json;q=0, */*"], Ndjson);
        check(&["application/json;q=0, application/x-ndjson;q=0.001"], Ndjson);
        check(&["application/*;q=0.1, */*;q=0.9"], Sse);
        check(&["text/event-stream;q=x"], Sse);
        check(&["text/event-stream;q=1.5, application/json;q=0.9"], Sse);
        // Nothing of it is offered.
        check(&["text/html, image/*;q=0.8"], JsonArray);
        check(&["application/x-ndjson;q=0"], JsonArray);
        check(&[",;,=, ;q"], JsonArray);
    }

    #[test]
    fn the_operator_offers() {
        use StreamFormat::{JsonArray, Ndjson, Sse};
        let lines = RestPolicy {
            stream_format: Ndjson,
            offered_stream_formats: vec![Ndjson, JsonArray],
            ..RestPolicy::default()
        };
        check_choice(&[], &lines, Ndjson);
        check_choice(&["*/*"], &lines, Ndjson);
        check_choice(&["application/*"], &lines, Ndjson);
        check_choice(&["application/json"], &lines, JsonArray);
        check_choice(&["text/event-stream"], &lines, Ndjson);
        check_choice(&["text/event-stream, application/json;q=0.1"], &lines, JsonArray);
        let only = RestPolicy { stream_format: Sse, offered_stream_formats: vec![Sse], ..lines };
        check_choice(&["application/json"], &only, Sse);
    }

    /// What a stream of two messages is, and one that breaks off after these.
    #[track_caller]
    fn check_framing(format: StreamFormat, wrap: bool, none: &str, two: &str, end: &str, error: &str) {
        let rest = RestPolicy { wrap_messages: wrap, ..RestPolicy::default() };
        let mut framing = Framing::new(format, &rest);
        let mut out = BytesMut::new();
        framing.end(&mut out);
        assert_eq!(out, none, "{format:?}");
        out.clear();
        for message in ["{}", "{\"a\":1}"] {
            let refused = framing.message(&mut out, |out| {
                out.extend_from_slice(b"{\"half\":");
                Err(CallError::client_gone())
            });
            assert!(refused.is_err());
            framing
                .message(&mut out, |out| {
                    out.extend_from_slice(message.as_bytes());
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(out, two, "{format:?}");
        let whole = out.len();
        framing.end(&mut out);
        assert_eq!(out.split_off(whole), end, "{format:?}");
        let breaks = framing.error(b"{\"code\":5}", &mut out);
        assert_eq!(out.split_off(whole), error, "{format:?}");
        assert_eq!(breaks, format == StreamFormat::JsonArray);
    }

    #[test]
    fn framings() {
        check_framing(StreamFormat::JsonArray, true, "[]", "[{},{\"a\":1}", "]", ",{\"error\":{\"code\":5}}");
        check_framing(StreamFormat::Ndjson, false, "", "{}\n{\"a\":1}\n", "", "{\"error\":{\"code\":5}}\n");
        let wrapped = "{\"result\":{}}\n{\"result\":{\"a\":1}}\n";
        check_framing(StreamFormat::Ndjson, true, "", wrapped, "", "{\"error\":{\"code\":5}}\n");
        let events = "id: 1\ndata: {}\n\nid: 2\ndata: {\"a\":1}\n\n";
        check_framing(StreamFormat::Sse, true, "", events, "", "event: error\ndata: {\"code\":5}\n\n");
    }

    #[test]
    fn data_of_many_lines_is_one_event() {
        for (text, expect) in [
            ("", "data: \n"),
            ("a", "data: a\n"),
            ("a\nb", "data: a\ndata: b\n"),
            ("a\r\nb\rc\n\nd\n", "data: a\ndata: b\ndata: c\ndata: \ndata: d\ndata: \n"),
        ] {
            let mut out = BytesMut::new();
            data(&mut out, |out| {
                out.extend_from_slice(text.as_bytes());
                Ok(())
            })
            .unwrap();
            assert_eq!(out, expect, "{text:?}");
        }
    }
}
