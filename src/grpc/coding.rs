//! How messages are compressed, by the words of `grpc-encoding` (grpc `doc/compression.md`).

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::ZlibDecoder;
use http::{HeaderMap, HeaderName};

use super::{
    GRPC_ENCODING,
    gzip::{self, GzipError},
};

/// A compression of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
    /// zlib, RFC 1950.
    Deflate,
    /// One that cannot be undone here.
    Unknown,
}

/// Why a message could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// A message is marked as compressed, and by nothing that is known.
    #[error(
        "expected a message compressed by gzip or deflate, found one of another grpc-encoding or of none"
    )]
    Unknown,
    /// It is damaged.
    #[error("expected a message compressed as grpc-encoding says, found bytes that do not inflate")]
    Malformed,
    /// More than is allowed.
    #[error("more than {limit} bytes when inflated")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
}

impl Coding {
    /// What `grpc-encoding` says.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(GRPC_ENCODING).map(|value| value.as_bytes().trim_ascii()) {
            None => Self::Identity,
            Some(name) if name.eq_ignore_ascii_case(b"identity") => Self::Identity,
            Some(name) if name.eq_ignore_ascii_case(b"gzip") => Self::Gzip,
            Some(name) if name.eq_ignore_ascii_case(b"deflate") => Self::Deflate,
            Some(_) => Self::Unknown,
        }
    }

    /// Undoes it, to `limit` bytes at most.
    ///
    /// # Errors
    /// Bytes that do not inflate, or to too many.
    pub fn inflate(self, bytes: &[u8], limit: usize) -> Result<Bytes, CodingError> {
        match self {
            Self::Identity | Self::Unknown => Err(CodingError::Unknown),
            Self::Gzip => gzip::inflate(bytes, limit).map_err(|error| match error {
                GzipError::Malformed => CodingError::Malformed,
                GzipError::TooLarge { limit } => CodingError::TooLarge { limit },
            }),
            Self::Deflate => {
                let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
                let mut out = Vec::with_capacity(bytes.len().saturating_mul(4).min(limit));
                let read = ZlibDecoder::new(bytes).take(most).read_to_end(&mut out);
                match read {
                    Err(_) => Err(CodingError::Malformed),
                    Ok(_) if out.len() > limit => Err(CodingError::TooLarge { limit }),
                    Ok(_) => Ok(out.into()),
                }
            }
        }
    }
}

/// Whether a header that lists codings has the one that `headers` name as `grpc-encoding`.
pub fn lists(accepted: &[Bytes], headers: &HeaderMap) -> bool {
    let Some(coding) = headers.get(GRPC_ENCODING) else { return false };
    let coding = coding.as_bytes().trim_ascii();
    let mut names = accepted.iter().flat_map(|value| value.split(|byte| *byte == b','));
    names.any(|name| name.trim_ascii().eq_ignore_ascii_case(coding))
}

/// The values of a header, kept for later.
pub fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<Bytes> {
    headers.get_all(name).iter().map(|value| Bytes::copy_from_slice(value.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::BytesMut;
    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        gzip::deflate(bytes, &mut out);
        out.to_vec()
    }

    #[test]
    fn inflates_within_its_limit() {
        for (coding, packed) in [(Coding::Gzip, gzip(b"0123456789")), (Coding::Deflate, zlib(b"0123456789"))]
        {
            for (limit, expect) in [
                (11, Ok("0123456789".into())),
                (10, Ok("0123456789".into())),
                (9, Err(CodingError::TooLarge { limit: 9 })),
            ] {
                assert_eq!(coding.inflate(&packed, limit), expect, "{coding:?}");
            }
            let half = packed.get(..packed.len() / 2).unwrap();
            assert_eq!(coding.inflate(half, 100), Err(CodingError::Malformed), "{coding:?}");
            assert_eq!(coding.inflate(b"neither of them", 100), Err(CodingError::Malformed), "{coding:?}");
        }
        assert_eq!(Coding::Unknown.inflate(b"", 9), Err(CodingError::Unknown));
        assert_eq!(Coding::Identity.inflate(b"", 9), Err(CodingError::Unknown));
    }

    #[test]
    fn names_are_compared_without_case() {
        let mut headers = HeaderMap::new();
        assert_eq!(Coding::of(&headers), Coding::Identity);
        for (name, expect) in [
            ("GZIP", Coding::Gzip),
            ("deflate", Coding::Deflate),
            ("identity", Coding::Identity),
            ("zstd", Coding::Unknown),
        ] {
            headers.insert(GRPC_ENCODING, name.parse().unwrap());
            assert_eq!(Coding::of(&headers), expect, "{name}");
            for (accepted, listed) in
                [("identity, gzip,Deflate", name != "zstd"), ("gzip2", false), ("", false)]
            {
                assert_eq!(lists(&[accepted.into()], &headers), listed, "{name} of {accepted}");
            }
        }
    }
}
