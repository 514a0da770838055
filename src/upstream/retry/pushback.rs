//! What a backend says of trying again.

use std::time::Duration;

use http::HeaderMap;

use crate::grpc::GRPC_RETRY_PUSHBACK_MS;

/// `grpc-retry-pushback-ms` of an answer (gRFC A6, "Pushback").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream) enum Pushback {
    /// Nothing.
    #[default]
    None,
    /// After exactly this time.
    After(Duration),
    /// Not at all.
    Never,
}

impl Pushback {
    /// One number that is not negative is a time; everything else, two numbers too, is a refusal (grpc-go reads it so).
    pub(in crate::upstream) fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(GRPC_RETRY_PUSHBACK_MS).iter();
        let Some(first) = values.next() else { return Self::None };
        let number =
            || first.to_str().ok()?.parse::<i32>().ok().and_then(|number| u64::try_from(number).ok());
        match number() {
            Some(millis) if values.next().is_none() => Self::After(Duration::from_millis(millis)),
            _ => Self::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expect: Pushback) {
        let values = values.iter().map(|value| (GRPC_RETRY_PUSHBACK_MS, value.parse().unwrap()));
        assert_eq!(Pushback::read(&values.collect()), expect);
    }

    #[test]
    fn the_table() {
        let after = |millis| Pushback::After(Duration::from_millis(millis));
        check(&[], Pushback::None);
        check(&["0"], after(0));
        check(&["200"], after(200));
        check(&["2147483647"], after(2_147_483_647));
        check(&["2147483648"], Pushback::Never);
        check(&["-1"], Pushback::Never);
        check(&["xxx"], Pushback::Never);
        check(&["1.5"], Pushback::Never);
        check(&[""], Pushback::Never);
        check(&["\u{e9}"], Pushback::Never);
        check(&["100", "10"], Pushback::Never);
    }
}
