//! Timestamp and Duration as text (`google/protobuf/timestamp.proto`, `duration.proto`).

/// RFC 3339 in upper case with any offset and up to nine digits of a second, years 1 to 9999 in UTC,
/// as seconds and nanos. `None` for anything else; the leap second `:60` is not in the type's range.
///
/// ```text
/// YYYY-MM-DDTHH:MM:SS[.f{1,9}](Z|+HH:MM|-HH:MM)
/// ```
pub(crate) fn timestamp_from_text(text: &str) -> Option<(i64, i32)> {
    let mut text = Text(text);
    let year = text.number(4)?;
    let month = text.mark('-')?.number(2)?;
    let day = text.mark('-')?.number(2)?;
    let hour = text.mark('T')?.number(2)?;
    let minute = text.mark(':')?.number(2)?;
    let second = text.mark(':')?.number(2)?;
    let nanos = text.fraction()?;
    let offset = text.offset()?;
    let in_month = days_in_month(year, month)?;
    if year == 0
        || day == 0
        || day > in_month
        || hour > 23
        || minute > 59
        || second > 59
        || !text.0.is_empty()
    {
        return None;
    }
    let seconds = days_before(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    TIMESTAMPS.contains(&seconds).then_some((seconds, nanos))
}

/// RFC 3339 in UTC with 0, 3, 6 or 9 digits of a second.
///
/// # Errors
/// What is out of range.
pub(crate) fn timestamp_to_text(seconds: i64, nanos: i32) -> Result<String, String> {
    let Some(Moment { date: (year, month, day), time: (hour, minute, second) }) = moment(seconds) else {
        return Err(format!("of {seconds} seconds is outside of the years 1 to 9999"));
    };
    if !(0..1_000_000_000).contains(&nanos) {
        return Err(format!("of {nanos} nanos is outside of 0 to 999999999"));
    }
    Ok(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}Z", fraction(nanos)))
}

/// A second of the calendar in UTC.
pub(crate) struct Moment {
    /// Year, month and day.
    pub(crate) date: (i64, i64, i64),
    /// Hour, minute and second.
    pub(crate) time: (i64, i64, i64),
}

/// The moment of a Timestamp; `None` outside of the years 1 to 9999.
pub(crate) fn moment(seconds: i64) -> Option<Moment> {
    if !TIMESTAMPS.contains(&seconds) {
        return None;
    }
    let second = seconds.rem_euclid(DAY);
    let time = (second / 3600, second / 60 % 60, second % 60);
    Some(Moment { date: date(seconds.div_euclid(DAY)), time })
}

/// `-?` seconds, optionally up to nine more digits, `s`; within 10,000 years.
pub(crate) fn duration_from_text(text: &str) -> Option<(i64, i32)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 || digits > 12 || (digits > 1 && text.starts_with('0')) {
        return None;
    }
    let mut text = Text(text);
    let seconds = text.number(digits)?;
    let nanos = text.fraction()?;
    text.mark('s')?;
    if !text.0.is_empty() || seconds > DURATION {
        return None;
    }
    Some(if negative { (-seconds, -nanos) } else { (seconds, nanos) })
}

/// Seconds with 0, 3, 6 or 9 more digits and an `s`.
///
/// # Errors
/// What is out of range, or that the two parts differ in sign.
pub(crate) fn duration_to_text(seconds: i64, nanos: i32) -> Result<String, String> {
    if !(-DURATION..=DURATION).contains(&seconds) {
        return Err(format!("of {seconds} seconds is longer than 10000 years"));
    }
    if !(-999_999_999..=999_999_999).contains(&nanos) {
        return Err(format!("of {nanos} nanos holds a whole second in its nanos"));
    }
    if seconds.signum() * i64::from(nanos.signum()) < 0 {
        return Err(format!("has {seconds} seconds and {nanos} nanos, which differ in sign"));
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Ok(format!("{sign}{}{}s", seconds.unsigned_abs(), fraction(nanos.abs())))
}

/// The rest of a text that is read from its front.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn mark(&mut self, mark: char) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(mark)?;
        Some(self)
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        if !head.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        head.parse().ok()
    }

    /// Nanoseconds behind a point; zero without one.
    fn fraction(&mut self) -> Option<i32> {
        if self.mark('.').is_none() {
            return Some(0);
        }
        let digits = self.0.len() - self.0.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if !(1..=9).contains(&digits) {
            return None;
        }
        let value = i32::try_from(self.number(digits)?).ok()?;
        let scale = 10_i32.pow(9 - u32::try_from(digits).ok()?);
        Some(value * scale)
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.mark('Z').is_some() {
            return Some(0);
        }
        let sign = if self.mark('+').is_some() { 1 } else { self.mark('-').map(|_| -1)? };
        let hours = self.number(2)?;
        let minutes = self.mark(':')?.number(2)?;
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

fn fraction(nanos: i32) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos % 1_000_000 == 0 => format!(".{:03}", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    }
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar. Years begin in March so that the leap
/// day is the last of its year; 400 of them have 146,097 days.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - MARCH_0_TO_1970
}

/// The inverse of [`days_before`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + MARCH_0_TO_1970;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + of_era_year + i64::from(month <= 2), month, day)
}

const DAY: i64 = 86_400;

/// Days from 0000-03-01 to 1970-01-01.
const MARCH_0_TO_1970: i64 = 719_468;

/// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Whole seconds of the longest Duration, either way. The conformance suite wants a fraction on top.
const DURATION: i64 = 315_576_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamps_read_and_print_canonically() {
        for (text, canonical) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
            ("2000-02-29T12:00:00.5Z", "2000-02-29T12:00:00.500Z"),
            ("2024-01-01T05:30:00+05:30", "2024-01-01T00:00:00Z"),
            ("1969-12-31T16:00:00.000001-08:00", "1970-01-01T00:00:00.000001Z"),
        ] {
            let (seconds, nanos) = timestamp_from_text(text).expect(text);
            assert_eq!(timestamp_to_text(seconds, nanos).as_deref(), Ok(canonical));
        }
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "2024-01-01",
            "2024-01-01T00:00:00",
            "2024-01-01t00:00:00Z",
            "2024-01-01T00:00:00z",
            "2024-01-01 00:00:00Z",
            "2024-1-01T00:00:00Z",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "9999-12-31T23:59:60Z",
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.0000000001Z",
            "2024-01-01T00:00:00+0000",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00ZZ",
            "+024-01-01T00:00:00Z",
            "२०२४-01-01T00:00:00Z",
        ] {
            assert_eq!(timestamp_from_text(text), None, "{text}");
        }
    }

    #[test]
    fn durations_read_and_print_canonically() {
        for (text, canonical) in [
            ("0s", "0s"),
            ("-0s", "0s"),
            ("1.5s", "1.500s"),
            ("-0.5s", "-0.500s"),
            ("3.000001s", "3.000001s"),
            ("-315576000000s", "-315576000000s"),
            ("-315576000000.999999999s", "-315576000000.999999999s"),
            ("315576000000.999999999s", "315576000000.999999999s"),
            ("0.000000001s", "0.000000001s"),
        ] {
            let (seconds, nanos) = duration_from_text(text).expect(text);
            assert_eq!(duration_to_text(seconds, nanos).as_deref(), Ok(canonical));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "s",
            "1",
            "1.s",
            ".5s",
            "+1s",
            "1S",
            " 1s",
            "1s ",
            "01s",
            "1e9s",
            "1.0000000001s",
            "--1s",
            "315576000001s",
            "-315576000001s",
            "99999999999999999999s",
            "1h",
        ] {
            assert_eq!(duration_from_text(text), None, "{text}");
        }
    }

    #[test]
    fn out_of_range_is_not_printed() {
        assert!(timestamp_to_text(-62_135_596_801, 0).is_err());
        assert!(timestamp_to_text(253_402_300_800, 0).is_err());
        assert!(timestamp_to_text(0, 2_000_000_000).is_err());
        assert!(timestamp_to_text(0, -1).is_err());
        assert!(timestamp_to_text(i64::MIN, i32::MIN).is_err());
        assert!(duration_to_text(1, -5).is_err());
        assert!(duration_to_text(-1, 5).is_err());
        assert!(duration_to_text(315_576_000_001, 0).is_err());
        assert!(duration_to_text(0, 1_000_000_000).is_err());
        assert!(duration_to_text(i64::MIN, i32::MIN).is_err());
    }

    proptest! {
        #[test]
        fn timestamps_round_trip(seconds in TIMESTAMPS, nanos in 0..1_000_000_000_i32) {
            let text = timestamp_to_text(seconds, nanos).expect("in range");
            prop_assert_eq!(timestamp_from_text(&text), Some((seconds, nanos)));
        }

        #[test]
        fn durations_round_trip(seconds in 0..DURATION, nanos in 0..1_000_000_000_i32, negative: bool) {
            let parts = if negative { (-seconds, -nanos) } else { (seconds, nanos) };
            let text = duration_to_text(parts.0, parts.1).expect("in range");
            prop_assert_eq!(duration_from_text(&text), Some(parts));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = timestamp_from_text(&text);
            let _ = duration_from_text(&text);
        }
    }
}
