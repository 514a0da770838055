//! Callers by what they say of themselves, the same on every gateway.

use http::{HeaderMap, HeaderName};
use twox_hash::XxHash64;

use crate::config::header_value;

/// The hash of a header as gRPC's routes make it (gRFC A42): XXH64 of its values, joined by commas.
pub(super) fn of_header(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    header_value(headers, name).map(|value| XxHash64::oneshot(0, value.as_bytes()))
}

/// Of several headers; those that are missing do not count, and `None` is none of them.
pub(super) fn of_headers(headers: &HeaderMap, names: &[HeaderName]) -> Option<u64> {
    names.iter().filter_map(|name| of_header(headers, name)).reduce(|hash, next| hash.rotate_left(1) ^ next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_hashed_as_grpc_does() {
        let name = HeaderName::from_static;
        let mut headers = HeaderMap::from_iter([(name("user-id"), "a".parse().unwrap())]);
        // The published vectors of XXH64.
        assert_eq!(of_header(&headers, &name("user-id")), Some(0xd24e_c4f1_a98c_6e5b));
        headers.insert("user-id", "".parse().unwrap());
        assert_eq!(of_header(&headers, &name("user-id")), Some(0xef46_db37_51d8_e999));
        headers.insert("user-id", "a".parse().unwrap());
        assert_eq!(of_header(&headers, &name("x-none")), None);
        let [user, none] = [name("user-id"), name("x-none")];
        assert_eq!(of_headers(&headers, &[]), None);
        assert_eq!(of_headers(&headers, std::slice::from_ref(&none)), None);
        assert_eq!(of_headers(&headers, &[none, user.clone()]), Some(0xd24e_c4f1_a98c_6e5b));
        let twice = 0xd24e_c4f1_a98c_6e5b_u64;
        assert_eq!(of_headers(&headers, &[user.clone(), user]), Some(twice.rotate_left(1) ^ twice));
    }
}
