//! Numbers from their digits, without a detour through `f64`.
//!
//! An integer field takes `5`, `5.0`, `50e-1` and each of them in quotes, exactly or not at all:
//! a value that does not fit is refused, never rounded or clamped.

use crate::codec::scan::is_number;

/// Why digits are no value of the wanted type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Not a JSON number, or not a whole one.
    Form,
    /// Beyond the type.
    Range,
}

/// A whole number that fits `T`.
pub(crate) fn integer<T: TryFrom<i128>>(text: &str) -> Result<T, Misfit> {
    if !is_number(text) {
        return Err(Misfit::Form);
    }
    T::try_from(whole(text)?).map_err(|_| Misfit::Range)
}

/// A `float` or `double`: a finite JSON number, or one of the three names in that spelling.
pub(crate) fn float<T: Float>(text: &str) -> Result<T, Misfit> {
    match text {
        "NaN" => return Ok(T::NAN),
        "Infinity" => return Ok(T::INFINITY),
        "-Infinity" => return Ok(T::NEG_INFINITY),
        _ => {}
    }
    if !is_number(text) {
        return Err(Misfit::Form);
    }
    match text.parse::<T>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(Misfit::Range),
        Err(_) => Err(Misfit::Form),
    }
}

/// What `f32` and `f64` share here.
pub(crate) trait Float: std::str::FromStr {
    const NAN: Self;
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    fn is_finite(&self) -> bool;
}

impl Float for f32 {
    const NAN: Self = Self::NAN;
    const INFINITY: Self = Self::INFINITY;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    fn is_finite(&self) -> bool {
        Self::is_finite(*self)
    }
}

impl Float for f64 {
    const NAN: Self = Self::NAN;
    const INFINITY: Self = Self::INFINITY;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    fn is_finite(&self) -> bool {
        Self::is_finite(*self)
    }
}

/// The value of a JSON number if it has no fraction, in time linear in its length.
fn whole(text: &str) -> Result<i128, Misfit> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));

    // The digits without the zeros at both ends, and the power of ten that belongs to them.
    let after = after.trim_end_matches('0');
    let digits = || before.bytes().chain(after.bytes()).skip_while(|digit| *digit == b'0');
    let count = digits().count();
    if count == 0 {
        return Ok(0);
    }
    let zeros = if after.is_empty() { before.len() - before.trim_end_matches('0').len() } else { 0 };
    let scale = power(exponent).saturating_add(size(zeros)).saturating_sub(size(after.len()));
    if scale < 0 {
        return Err(Misfit::Form);
    }
    // u64::MAX has 20 digits.
    if size(count - zeros).saturating_add(scale) > 20 {
        return Err(Misfit::Range);
    }
    let mut value =
        digits().take(count - zeros).fold(0, |value, digit| value * 10 + i128::from(digit - b'0'));
    for _ in 0..scale {
        value *= 10;
    }
    Ok(if negative { -value } else { value })
}

/// An exponent, saturated: beyond an `i64` all are the same.
fn power(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = digits.bytes().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0')))
    });
    if negative { -value } else { value }
}

fn size(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<T: TryFrom<i128> + PartialEq + Copy + std::fmt::Debug>(text: &str, wanted: Result<T, Misfit>) {
        assert_eq!(integer::<T>(text), wanted, "{text}");
    }

    #[test]
    fn integers_are_exact_or_refused() {
        check("0", Ok(0_i32));
        check("-0", Ok(0_u32));
        check("-0.00e7", Ok(0_i32));
        check("0e999999999999999999999", Ok(0_i32));
        check("1.0", Ok(1_i32));
        check("1e5", Ok(100_000_i32));
        check("1E+5", Ok(100_000_i32));
        check("120e-1", Ok(12_i32));
        check("1.50e1", Ok(15_i32));
        check("100.5e1", Ok(1005_i32));
        check("1.5", Err::<i32, _>(Misfit::Form));
        check("1e-1", Err::<i32, _>(Misfit::Form));
        check("1e-99999999999999999999", Err::<i32, _>(Misfit::Form));
        check("2147483648", Err::<i32, _>(Misfit::Range));
        check("-2147483648", Ok(i32::MIN));
        check("9223372036854775808", Err::<i64, _>(Misfit::Range));
        check("-9223372036854775808", Ok(i64::MIN));
        check("-9223372036854775809", Err::<i64, _>(Misfit::Range));
        check("9.223372036854775807e18", Ok(i64::MAX));
        check("18446744073709551615", Ok(u64::MAX));
        check("18446744073709551616", Err::<u64, _>(Misfit::Range));
        check("1e19", Ok(10_000_000_000_000_000_000_u64));
        check("1e20", Err::<u64, _>(Misfit::Range));
        check("-1", Err::<u64, _>(Misfit::Range));
        check("1e99999999999999999999", Err::<i64, _>(Misfit::Range));
    }

    #[test]
    fn what_is_no_json_number_is_refused() {
        for text in
            ["", "+5", "007", " 1", "1 ", "0x1", "1.", ".5", "1e", "--1", "1_0", "nan", "Infinity", "१"]
        {
            check(text, Err::<i64, _>(Misfit::Form));
        }
    }

    #[test]
    fn floats_know_three_names_and_no_overflow() {
        assert_eq!(float::<f32>("3.4028235e38"), Ok(f32::MAX));
        assert_eq!(float::<f32>("3.5e38"), Err(Misfit::Range));
        assert_eq!(float::<f64>("1e400"), Err(Misfit::Range));
        assert_eq!(float::<f64>("1e-400"), Ok(0.0));
        assert_eq!(float::<f64>("-Infinity"), Ok(f64::NEG_INFINITY));
        assert!(float::<f64>("NaN").is_ok_and(f64::is_nan));
        assert!(float::<f64>("-0.0").is_ok_and(|zero| zero == 0.0 && zero.is_sign_negative()));
        for text in ["nan", "inf", "infinity", "+Infinity", "INFINITY", "1.", "+1", "1f"] {
            assert_eq!(float::<f64>(text), Err(Misfit::Form), "{text}");
        }
    }

    #[test]
    fn a_megabyte_of_digits_costs_one_pass() {
        let digits = "1".repeat(1 << 20);
        assert_eq!(integer::<i64>(&digits), Err(Misfit::Range));
        assert_eq!(float::<f64>(&digits), Err(Misfit::Range));
    }

    proptest! {
        #[test]
        fn every_i64_reads_back(value: i64, zeros in 0_usize..30) {
            prop_assert_eq!(integer::<i64>(&value.to_string()), Ok(value));
            let scaled = format!("{value}{}e-{zeros}", "0".repeat(zeros));
            prop_assert_eq!(integer::<i64>(&scaled), Ok(value));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE]{0,40}") {
            let _ = integer::<i32>(&text);
            let _ = float::<f32>(&text);
        }
    }
}
