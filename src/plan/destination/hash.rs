//! Callers by what they say of themselves, the same on every gateway.

use http::{HeaderMap, HeaderName};

use crate::upstream::request_hash;

/// The hash of several headers as gRPC's routes put it together (gRFC A42); those that are missing do not count, and `None` is none of them.
pub(super) fn of_headers(headers: &HeaderMap, names: &[HeaderName]) -> Option<u64> {
    names
        .iter()
        .filter_map(|name| request_hash(name, headers))
        .reduce(|hash, next| hash.rotate_left(1) ^ next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_hashed_as_grpc_does() {
        let name = HeaderName::from_static;
        let headers = HeaderMap::from_iter([(name("user-id"), "a".parse().unwrap())]);
        // The published vector of XXH64.
        assert_eq!(request_hash(&name("user-id"), &headers), Some(0xd24e_c4f1_a98c_6e5b));
        let [user, none] = [name("user-id"), name("x-none")];
        assert_eq!(of_headers(&headers, &[]), None);
        assert_eq!(of_headers(&headers, std::slice::from_ref(&none)), None);
        assert_eq!(of_headers(&headers, &[none, user.clone()]), Some(0xd24e_c4f1_a98c_6e5b));
        let twice = 0xd24e_c4f1_a98c_6e5b_u64;
        assert_eq!(of_headers(&headers, &[user.clone(), user]), Some(twice.rotate_left(1) ^ twice));
    }
}
