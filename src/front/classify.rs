//! Which door a request knocks at.

use axum::extract::Request;
use http::{HeaderMap, header};

use super::{
    connect::{self, Shape},
    grpc_web::{Codec, Encoding, Format},
    websocket,
};

/// A protocol that clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Grpc,
    GrpcWeb(Format),
    Connect(Shape),
    WebSocket,
    Rest,
}

/// Told by the content type first: media types are compared without case and without parameters (RFC 9110 section
/// 8.3.1), since some middleboxes add a charset to whatever they see. A unary call of Connect has the content type of
/// its message only, and says in another place that it is one; a handshake has none.
pub(super) fn classify(request: &Request) -> Door {
    if websocket::asked(request) {
        return Door::WebSocket;
    }
    match by_content_type(request) {
        Door::Rest if connect::is_unary(request) => Door::Connect(Shape::Unary),
        door => door,
    }
}

fn by_content_type(request: &Request) -> Door {
    let media_type = media_type(request.headers(), &header::CONTENT_TYPE);
    if strip_prefix(media_type, b"application/connect+").is_some() {
        return Door::Connect(Shape::Stream);
    }
    let Some(rest) = strip_prefix(media_type, b"application/grpc") else { return Door::Rest };
    match rest {
        [] | [b'+', ..] => Door::Grpc,
        _ => match strip_prefix(rest, b"-web") {
            Some(rest) => grpc_web(rest, request.headers()),
            None => Door::Rest,
        },
    }
}

fn grpc_web(rest: &[u8], headers: &HeaderMap) -> Door {
    let (request, subtype) = match strip_prefix(rest, b"-text") {
        Some(subtype) => (Encoding::Text, subtype),
        None => (Encoding::Binary, rest),
    };
    let codec = match subtype {
        [] => Codec::Proto,
        named if named.eq_ignore_ascii_case(b"+proto") => Codec::Proto,
        named if named.eq_ignore_ascii_case(b"+json") => Codec::Json,
        _ => Codec::Other,
    };
    let response = answer_encoding(headers, request);
    match subtype.first() {
        None | Some(b'+') => Door::GrpcWeb(Format { request, response, codec }),
        Some(_) => Door::Rest,
    }
}

/// `Accept` names the encoding of the answer; a client that names none reads what it writes.
fn answer_encoding(headers: &HeaderMap, request: Encoding) -> Encoding {
    let mut named = None;
    for value in headers.get_all(header::ACCEPT) {
        for part in value.as_bytes().split(|byte| *byte == b',') {
            let part = part.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            match strip_prefix(part, b"application/grpc-web") {
                Some(rest) if strip_prefix(rest, b"-text").is_some() => return Encoding::Text,
                Some(_) => named = Some(Encoding::Binary),
                None => {}
            }
        }
    }
    named.unwrap_or(request)
}

/// The media type of a header without its parameters; empty when there is none.
pub(super) fn media_type<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> &'h [u8] {
    let value = headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// The charset of a request's content type, if it is another than UTF-8, which JSON is written in (RFC 8259 section
/// 8.1). Some clients name it all the same, in any case and in quotes.
pub(super) fn foreign_charset(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let charsets = value.split(|byte| *byte == b';').skip(1).filter_map(|parameter| {
        let (name, value) = parameter.trim_ascii().split_at_checked(b"charset=".len())?;
        name.eq_ignore_ascii_case(b"charset=").then(|| {
            let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            inner.unwrap_or(value)
        })
    });
    let utf8 = [b"utf-8".as_slice(), b"utf8"];
    charsets.into_iter().find(|charset| !utf8.iter().any(|name| charset.eq_ignore_ascii_case(name)))
}

pub(super) fn strip_prefix<'b>(bytes: &'b [u8], prefix: &[u8]) -> Option<&'b [u8]> {
    let (start, rest) = bytes.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn check(content_type: &str, accept: Option<&str>, expect: Door) {
        let mut request = Request::builder();
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(classify(&request), expect, "{content_type:?} accept {accept:?}");
    }

    #[test]
    fn json_is_in_utf8_whatever_it_says() {
        for (content_type, foreign) in [
            ("application/json", None),
            ("application/json; charset=utf-8", None),
            ("application/json;CHARSET=\"UTF-8\"; x=y", None),
            ("application/json; charset=utf8", None),
            ("application/json; x=charset", None),
            ("application/json; charset=latin1", Some("latin1")),
            ("application/json; charset=\"utf-16\"", Some("utf-16")),
            ("application/json; charset=utf-8; charset=utf-16", Some("utf-16")),
            ("application/json; charset=", Some("")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", content_type.parse().unwrap());
            assert_eq!(foreign_charset(&headers), foreign.map(str::as_bytes), "{content_type}");
        }
        assert_eq!(foreign_charset(&HeaderMap::new()), None);
    }

    #[test]
    fn a_unary_call_of_connect_says_so() {
        let check = |method: &str, uri: &str, headers: &[(&str, &str)], expect| {
            let request = Request::builder().method(method).uri(uri);
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let request = request.body(Body::empty()).unwrap();
            assert_eq!(classify(&request), expect, "{method} {uri} {headers:?}");
        };
        let version = ("connect-protocol-version", "1");
        let unary = Door::Connect(Shape::Unary);
        check("POST", "/a.B/C", &[version, ("content-type", "application/json")], unary);
        check("DELETE", "/a.B/C", &[version], unary);
        check("GET", "/a.B/C?message=%7B%7D&connect=v1", &[], unary);
        check("GET", "/a.B/C?connect=v10&xconnect=v1", &[], Door::Rest);
        check("OPTIONS", "/a.B/C?connect=v1", &[], Door::Rest);
        check("POST", "/a.B/C", &[version, ("content-type", "application/grpc")], Door::Grpc);
        let stream = ("content-type", "application/connect+proto");
        check("POST", "/a.B/C", &[version, stream], Door::Connect(Shape::Stream));
    }

    #[test]
    fn the_content_type_decides() {
        use Encoding::{Binary, Text};
        let format = |request, response, codec| Door::GrpcWeb(Format { request, response, codec });
        let web = |request, response, proto: bool| {
            format(request, response, if proto { Codec::Proto } else { Codec::Json })
        };
        for rest in [
            "",
            "application/json",
            "text/plain",
            "application/grpcx",
            "application/grpc-webx",
            "application/connect",
            "application/proto",
        ] {
            check(rest, None, Door::Rest);
        }
        for stream in ["application/connect+proto", "Application/Connect+JSON; charset=utf-8"] {
            check(stream, None, Door::Connect(Shape::Stream));
        }
        for grpc in [
            "application/grpc",
            "application/grpc+proto",
            "Application/GRPC; charset=utf-8",
            "application/grpc+json",
        ] {
            check(grpc, None, Door::Grpc);
        }
        check("application/grpc-web", None, web(Binary, Binary, true));
        check("APPLICATION/grpc-web+PROTO;charset=utf-8", Some("*/*"), web(Binary, Binary, true));
        check("application/grpc-web+json", None, web(Binary, Binary, false));
        check("application/grpc-web-text", None, web(Text, Text, true));
        check("application/grpc-web-text+proto", Some("*/*"), web(Text, Text, true));
        check("application/grpc-web-text", Some("application/grpc-web-text, */*"), web(Text, Text, true));
        check("application/grpc-web", Some("application/grpc-web-text"), web(Binary, Text, true));
        check("application/grpc-web-text", Some("application/grpc-web+proto"), web(Text, Binary, true));
    }
}
