//! JSON numbers to values: the plain ones at once, the others through [`crate::codec::number`].

use super::Bail;
use crate::codec::number;

/// An integer of the type that a field has.
#[inline]
pub(super) fn integer<T: TryFrom<i64> + TryFrom<i128>>(digits: &[u8]) -> Result<T, Bail> {
    match simple(digits) {
        Some(Simple { negative, digits, fraction: 0 }) => {
            let value = digits.cast_signed();
            T::try_from(if negative { -value } else { value }).map_err(|_| Bail)
        }
        _ => number::integer(text(digits)?).map_err(|_| Bail),
    }
}

/// A `double`. Up to 15 digits and ten to the 22nd are exact in a double, so one division rounds as
/// well as any parser does.
#[inline]
pub(super) fn double(digits: &[u8]) -> Result<f64, Bail> {
    match simple(digits) {
        Some(Simple { negative, digits, fraction }) if digits < 1 << 53 => {
            let power = TENS.get(fraction).ok_or(Bail)?;
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let value = digits as f64 / power;
            Ok(if negative { -value } else { value })
        }
        _ => number::float(text(digits)?).map_err(|_| Bail),
    }
}

/// A `float`: never by way of a double, which would round twice.
#[inline]
pub(super) fn float(digits: &[u8]) -> Result<f32, Bail> {
    number::float(text(digits)?).map_err(|_| Bail)
}

/// A number without an exponent that fits an `i64` without its point.
struct Simple {
    negative: bool,
    digits: u64,
    /// Digits behind the point.
    fraction: usize,
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?` of at most 18 digits.
#[inline]
fn simple(text: &[u8]) -> Option<Simple> {
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    if text.len() > 18 || (text.len() > 1 && text.first() == Some(&b'0') && text.get(1) != Some(&b'.')) {
        return None;
    }
    let (mut digits, mut whole, mut point) = (0_u64, 0, false);
    for byte in text {
        match byte {
            b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
            b'.' if !point && whole > 0 => {
                point = true;
                continue;
            }
            _ => return None,
        }
        whole += usize::from(!point);
    }
    let fraction = text.len() - whole - usize::from(point);
    (whole > 0 && (fraction > 0) == point).then_some(Simple { negative, digits, fraction })
}

fn text(digits: &[u8]) -> Result<&str, Bail> {
    std::str::from_utf8(digits).map_err(|_| Bail)
}

/// The powers of ten that a double holds exactly, as far as [`simple`] needs them.
const TENS: [f64; 18] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) {
        let bytes = text.as_bytes();
        assert_eq!(integer::<i32>(bytes).ok(), number::integer(text).ok(), "{text}");
        assert_eq!(integer::<i64>(bytes).ok(), number::integer(text).ok(), "{text}");
        assert_eq!(integer::<u64>(bytes).ok(), number::integer(text).ok(), "{text}");
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        assert_eq!(bits(double(bytes).ok()), bits(number::float(text).ok()), "{text}");
    }

    #[test]
    fn odd_numbers_are_those_of_the_reference() {
        for text in
            ["", "-", "0", "-0", "-0.0", "00", "01", "0.", ".5", "1.", "1..2", "1.0", "1.50", "-1.5e3", "1e5"]
        {
            check(text);
        }
        check("999999999999999999");
        check("9007199254740993");
        check("0.30000000000000004");
        check("9007199254740992.5");
        check("18446744073709551615");
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_reference(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][-+]?[0-9]{1,3})?") {
            check(&text);
        }

        #[test]
        fn whole_numbers_and_prices(value: i64, cents in -1_000_000_000..1_000_000_000_i64) {
            check(&value.to_string());
            check(&format!("{}.{:02}", cents / 100, cents.unsigned_abs() % 100));
        }
    }
}
