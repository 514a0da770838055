//! A client's calls stay on one endpoint, by a cookie (gRFC A55).
//!
//! The cookie holds the HMAC-SHA256 of the endpoint's address. Unlike an address it tells a client nothing of the network
//! behind the gateway, and cannot be made up: it is looked up among those of the endpoints that there are.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use crate::config::{Address, SessionAffinity};

/// What stands for an endpoint in a cookie.
///
/// Compared like any other bytes: who finds one out has the choice of an endpoint that he might have been given anyway.
pub(in crate::upstream) type Token = [u8; 32];

/// Makes and reads the cookies of one cluster.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Sessions {
    name: Box<str>,
    attributes: Box<str>,
    key: hmac::Key,
}

impl Sessions {
    pub(in crate::upstream) fn new(config: &SessionAffinity) -> Self {
        let secret = config.secret.as_ref().map_or_else(random, |secret| secret.as_bytes().to_vec());
        let max_age = config.ttl.map_or_else(String::new, |ttl| format!("; Max-Age={}", ttl.as_secs()));
        Self {
            name: config.cookie.as_str().into(),
            // No script has any use for it. Where the page may stand is left to the browser's default, `Lax`.
            attributes: format!("; Path={}{max_age}; HttpOnly", config.path).into(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        }
    }

    pub(in crate::upstream) fn token(&self, address: &Address) -> Token {
        let tag = hmac::sign(&self.key, address.to_string().as_bytes());
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// The endpoint that the client's cookie names. The cookie is taken out: it is between the client and the gateway.
    pub(in crate::upstream) fn take(&self, headers: &mut HeaderMap) -> Option<Token> {
        let mut token = None;
        let mut others: Vec<&[u8]> = Vec::new();
        let mut found = false;
        for pair in
            headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(is_semicolon))
        {
            match self.value(pair.trim_ascii()) {
                Some(value) => {
                    found = true;
                    // Of several the first is for the longest path (RFC 6265 section 5.4).
                    token = token.or_else(|| decode(value));
                }
                None => others.push(pair.trim_ascii()),
            }
        }
        if !found {
            return None;
        }
        match HeaderValue::from_bytes(&others.join(&b"; "[..])) {
            Ok(left) if !left.is_empty() => headers.insert(header::COOKIE, left),
            _ => headers.remove(header::COOKIE),
        };
        token
    }

    /// What tells the client to come back to the endpoint of `token`; `None` where the configured words make no header.
    pub(in crate::upstream) fn cookie(&self, token: &Token) -> Option<HeaderValue> {
        let value = URL_SAFE_NO_PAD.encode(token);
        HeaderValue::from_str(&format!("{}={value}{}", self.name, self.attributes)).ok()
    }

    fn value<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")
    }
}

fn decode(value: &[u8]) -> Option<Token> {
    // One more than there should be, so that a longer value is not taken for its beginning.
    let mut bytes = [0; 33];
    let length = URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).ok()?;
    let (token, _) = bytes.split_first_chunk()?;
    (length == token.len()).then_some(*token)
}

fn random() -> Vec<u8> {
    let mut secret = vec![0; 32];
    SystemRandom::new().fill(&mut secret).expect("the system has randomness");
    secret
}

fn is_semicolon(byte: &u8) -> bool {
    *byte == b';'
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sessions(secret: Option<&str>) -> Sessions {
        Sessions::new(&SessionAffinity {
            cookie: "edgeway".into(),
            path: "/shop".into(),
            ttl: Some(Duration::from_secs(3600)),
            secret: secret.map(Into::into),
        })
    }

    fn address(port: u16) -> Address {
        Address::Tcp(([10, 0, 0, 7], port).into())
    }

    #[test]
    fn a_cookie_names_its_endpoint_to_all_who_share_the_secret() {
        let (one, other) = (sessions(Some("s3cret")), sessions(Some("s3cret")));
        let cookie = one.cookie(&one.token(&address(1))).unwrap();
        let text = cookie.to_str().unwrap();
        let (pair, attributes) = text.split_once(';').unwrap();
        assert_eq!(attributes, " Path=/shop; Max-Age=3600; HttpOnly");
        assert!(!text.contains("10.0.0.7"));
        let mut headers = HeaderMap::from_iter([(header::COOKIE, pair.parse().unwrap())]);
        assert_eq!(other.take(&mut headers), Some(other.token(&address(1))));
        assert_ne!(one.token(&address(1)), one.token(&address(2)));
        assert_ne!(one.token(&address(1)), sessions(Some("other")).token(&address(1)));
        assert_ne!(sessions(None).token(&address(1)), sessions(None).token(&address(1)), "one per process");
    }

    #[test]
    fn only_the_own_cookie_is_taken_out() {
        let sessions = sessions(Some("s3cret"));
        let token = sessions.token(&address(1));
        let own = format!("edgeway={}", URL_SAFE_NO_PAD.encode(token));
        let cases: &[(&[&str], Option<Token>, Option<&str>)] = &[
            (&[], None, None),
            (&["a=1; b=2"], None, Some("a=1; b=2")),
            (&["edgeway2=x; xedgeway=y"], None, Some("edgeway2=x; xedgeway=y")),
            (&[&own], Some(token), None),
            (&[&format!("a=1; {own};b=2")], Some(token), Some("a=1; b=2")),
            (&["a=1", &own, "b=2"], Some(token), Some("a=1; b=2")),
            (&[&format!("{own}; edgeway=old")], Some(token), None),
            (&["edgeway=; a=1"], None, Some("a=1")),
            (&["edgeway=not base64!"], None, None),
            (&[&format!("{own}A")], None, None),
            (&[&format!("{own}AAAA")], None, None),
            (&[own.get(..own.len() - 2).unwrap()], None, None),
        ];
        for (lines, expect, left) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            assert_eq!(sessions.take(&mut headers), *expect, "{lines:?}");
            let kept: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
            assert_eq!(kept, left.iter().collect::<Vec<_>>(), "{lines:?}");
        }
    }
}
