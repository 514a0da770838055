//! A call as a GET, for methods without side effects: what browsers ask without a preflight, and caches keep.
//!
//! ```text
//! ?connect=v1&encoding=json|proto&message=TEXT[&base64=1][&compression=gzip]
//! ```
//!
//! In any order. Other parameters mean nothing; one of these given twice is refused, since a cache or a policy in front
//! may look at the other one.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{Format, bad_request, is_gzip};
use crate::{call::CallError, route};

/// What a query asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'q> {
    /// `None` for one that is not served.
    pub(super) format: Option<Format>,
    pub(super) gzip: bool,
    /// The message, still compressed.
    pub(super) message: Cow<'q, [u8]>,
}

/// Reads the query of a GET.
///
/// # Errors
/// INVALID_ARGUMENT for what is no such query, UNIMPLEMENTED for a compression other than gzip.
pub(super) fn read(query: &str) -> Result<Asked<'_>, CallError> {
    let [mut encoding, mut message, mut base64, mut compression, mut connect] = [const { None }; 5];
    for pair in route::parse_query(query, true).map_err(|error| bad_request(error.to_string()))? {
        let place = match &*pair.key {
            "encoding" => &mut encoding,
            "message" => &mut message,
            "base64" => &mut base64,
            "compression" => &mut compression,
            "connect" => &mut connect,
            _ => continue,
        };
        if place.replace(pair.value).is_some() {
            return Err(bad_request(format!(
                "query parameter {} is given twice and holds one value",
                pair.key
            )));
        }
    }
    if connect.is_some_and(|version| *version != *b"v1") {
        return Err(bad_request("expected the query parameter connect as v1"));
    }
    let compression = compression.map(|coding| http::HeaderValue::from_bytes(&coding));
    let compression = compression.transpose().map_err(|_| bad_request("expected compression as a name"))?;
    let gzip = is_gzip(compression.as_ref())?;
    let message = message.ok_or_else(|| bad_request("expected the query parameter message, found none"))?;
    let message = match base64.as_deref() {
        Some(b"1") => {
            let decoded = BASE64_URL.decode(&message);
            decoded.map_err(|error| bad_request(format!("expected message as base64url: {error}")))?.into()
        }
        _ => message,
    };
    Ok(Asked { format: encoding.and_then(|name| Format::of(&name)), gzip, message })
}

/// Written with or without padding.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;

    fn check(query: &str, expect: Result<(Option<Format>, bool, &[u8]), Code>) {
        let found = read(query).map_err(|error| error.status().code());
        let found = found.map(|asked| (asked.format, asked.gzip, asked.message.into_owned()));
        assert_eq!(found, expect.map(|(format, gzip, message)| (format, gzip, message.to_vec())), "{query}");
    }

    #[test]
    fn the_grammar() {
        let (json, proto) = (Some(Format::Json), Some(Format::Proto));
        check("connect=v1&encoding=json&message=%7B%7D", Ok((json, false, b"{}")));
        check("message=&encoding=proto&connect=v1&x=1&x=2", Ok((proto, false, b"")));
        check("encoding=proto&message=%00%ff+a", Ok((proto, false, b"\0\xff a")));
        for text in ["-_8", "-_8=", "-_8%3D"] {
            check(&format!("encoding=proto&base64=1&message={text}"), Ok((proto, false, b"\xfb\xff")));
        }
        check("encoding=json&message=e30&base64=0", Ok((json, false, b"e30")));
        check("encoding=json&message=e30&base64=1&compression=gzip", Ok((json, true, b"{}")));
        check("encoding=json&message=&compression=identity", Ok((json, false, b"")));
        check("encoding=xml&message=", Ok((None, false, b"")));
        check("message=", Ok((None, false, b"")));
    }

    #[test]
    fn what_is_none() {
        let bad = Err(Code::InvalidArgument);
        check("connect=v1&encoding=json", bad);
        check("connect=v2&encoding=json&message=", bad);
        check("encoding=json&message=a&message=b", bad);
        check("encoding=json&message=%7", bad);
        check("encoding=json&base64=1&message=+/8", bad);
        check("encoding=json&message=&compression=%0A", bad);
        check("encoding=json&message=&compression=br", Err(Code::Unimplemented));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(query in "(message=|base64=1|&|compression=|gzip|[ -~]{0,9}){0,9}") {
            let _ = read(&query);
        }
    }
}
