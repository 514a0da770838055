//! Values as operators write them: durations, byte sizes, switches, choices, listen addresses.
//!
//! ```text
//! duration = 1*( number unit )          largest unit first, each at most once: 1m30s, 0.5s, 300ms
//! number   = digits [ "." digits ] | "." digits
//! unit     = "h" | "m" | "s" | "ms"
//! size     = digits [ "B" | "KiB" | "MiB" | "GiB" ]
//! address  = ( IPv4 | "[" IPv6 "]" | "localhost" ) ":" port
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::suggest::{closest, did_you_mean, one_of};

/// Why a text is not the value it should be; where the text stands is added by whoever reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// What was expected, then what was found.
    pub message: String,
    /// The way out, where there is one to tell.
    pub help: Option<String>,
}

impl Invalid {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// A duration of at least zero and at most a year.
///
/// The upper bound keeps every later sum with an instant far from overflow.
pub(super) fn duration(text: &str) -> Result<Duration, Invalid> {
    let wrong = || {
        Invalid::new(format!("expected a duration, found {}", quoted(text)))
            .help("write a number with its unit, such as `300ms`, `5s`, `1m30s` or `1h`")
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut nanos: u128 = 0;
    let mut below = u128::MAX;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (digits, after) = rest.split_at(number);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let unit = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            _ => return Err(wrong()),
        };
        if unit >= below {
            return Err(wrong());
        }
        below = unit;
        nanos = nanos.saturating_add(scaled(digits, unit).ok_or_else(wrong)?);
        rest = next;
    }
    match u64::try_from(nanos) {
        Ok(nanos) if nanos <= LONGEST_NANOS => Ok(Duration::from_nanos(nanos)),
        _ => Err(Invalid::new(format!("expected a duration of at most 8760h, found {}", quoted(text)))),
    }
}

/// A [`duration`] that is not zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, Invalid> {
    let value = duration(text)?;
    if value.is_zero() {
        return Err(Invalid::new(format!("expected a duration above zero, found {}", quoted(text))));
    }
    Ok(value)
}

/// A [`positive_duration`], or `none` for no bound at all.
pub(super) fn optional_duration(text: &str) -> Result<Option<Duration>, Invalid> {
    if text.trim() == "none" {
        return Ok(None);
    }
    positive_duration(text).map(Some).map_err(|invalid| {
        let help = invalid.help.unwrap_or_default();
        let ways =
            if help.is_empty() { "write `none` for no bound".into() } else { format!("{help}, or `none`") };
        Invalid { help: Some(ways), ..invalid }
    })
}

/// A size of one message in bytes: above zero, and at most the 2 GiB that protobuf allows a message.
pub(super) fn byte_size(text: &str) -> Result<usize, Invalid> {
    let wrong = || {
        Invalid::new(format!("expected a size in bytes, found {}", quoted(text)))
            .help("write a whole number, alone or with `KiB`, `MiB` or `GiB`, such as `4MiB`")
    };
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    if number.is_empty() {
        return Err(wrong());
    }
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match bytes {
        Some(bytes @ 1..=LARGEST_MESSAGE) => usize::try_from(bytes).map_err(|_| wrong()),
        _ => Err(Invalid::new(format!("expected a size from 1 to 2GiB, found {}", quoted(text)))),
    }
}

/// `true` or `false`, and nothing that merely looks like it: YAML versions disagree on `on` and `yes`.
pub(super) fn switch(text: &str) -> Result<bool, Invalid> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Invalid::new(format!("expected `true` or `false`, found {}", quoted(text)))),
    }
}

/// A number of worker threads; zero leaves the choice to the machine.
pub(super) fn worker_threads(text: &str) -> Result<usize, Invalid> {
    number(text, 0..=MOST_WORKERS).map_err(|wrong| wrong.help("0 means one per CPU"))
}

/// A whole number within bounds; of those up to [`MANY`] an error names the one that matters.
pub(super) fn number<T: TryFrom<u64>>(text: &str, bounds: RangeInclusive<u64>) -> Result<T, Invalid> {
    let digits = text.trim();
    let found = digits.parse().ok().filter(|number| bounds.contains(number));
    found.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
        let (least, most) = (*bounds.start(), *bounds.end());
        let small = digits.parse::<u64>().is_ok_and(|number| number < least);
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let expected = match (most >= MANY, whole && !small) {
            (false, _) => format!("from {least} to {most}"),
            (true, false) => format!("of at least {least}"),
            (true, true) => format!("of at most {most}"),
        };
        Invalid::new(format!("expected a number {expected}, found {}", quoted(text)))
    })
}

/// A share, with or without its sign: `50` or `50%`.
pub(super) fn percent(text: &str, bounds: RangeInclusive<u64>) -> Result<u8, Invalid> {
    let digits = text.trim();
    let (least, most) = (*bounds.start(), *bounds.end());
    number(digits.strip_suffix('%').unwrap_or(digits), bounds).map_err(|_| {
        Invalid::new(format!("expected a percentage from {least} to {most}, found {}", quoted(text)))
    })
}

/// A number above zero in the notation of JSON.
pub(super) fn positive_number(text: &str) -> Result<f64, Invalid> {
    match decimal(text) {
        Some(number) if number > 0.0 => Ok(number),
        _ => Err(Invalid::new(format!("expected a number above zero, found {}", quoted(text)))),
    }
}

/// A number in the notation of JSON, which knows no infinity.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// One of a few words.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Invalid> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    Err(Invalid::new(format!(
        "expected {}, found {}{}",
        one_of(&names),
        quoted(text),
        did_you_mean(closest(text, &names))
    )))
}

/// An address to listen on. Port 0 lets the system choose one.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, Invalid> {
    let trimmed = text.trim();
    if let Ok(address) = trimmed.parse() {
        return Ok(address);
    }
    let wrong = Invalid::new(format!("expected an address such as `0.0.0.0:8080`, found {}", quoted(text)));
    let Some((host, port)) = trimmed.rsplit_once(':') else {
        return Err(match trimmed.parse::<u16>() {
            Ok(port) => wrong.help(format!("write `0.0.0.0:{port}` to listen on every interface")),
            Err(_) => wrong.help("write an IP address or `localhost`, a colon and a port"),
        });
    };
    let Ok(port) = port.parse::<u16>() else {
        return Err(wrong.help("the port is a number from 0 to 65535, 0 lets the system choose"));
    };
    match host {
        "localhost" => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        "" | "*" => Err(wrong.help(format!("write `0.0.0.0:{port}` to listen on every interface"))),
        _ if host.contains("//") => Err(wrong.help("write the address alone, without a scheme")),
        _ if host.contains(':') => Err(wrong.help("an IPv6 address stands in brackets, such as `[::]:8080`")),
        _ => {
            Err(wrong
                .help("the host is an IP address of this machine or `localhost`, names are not looked up"))
        }
    }
}

/// Text from outside inside a message: in backquotes, on one line, and not without end.
pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "nothing".into();
    }
    let mut shown: String = text.chars().take(LONGEST_QUOTE).flat_map(printable).collect();
    if text.chars().nth(LONGEST_QUOTE).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The character itself, or its escape where a terminal would act on it.
fn printable(c: char) -> impl Iterator<Item = char> {
    let escape = c.is_control().then(|| c.escape_default());
    let plain = escape.is_none().then_some(c);
    escape.into_iter().flatten().chain(plain)
}

/// `digits * unit` with an optional fraction, rounded down; `None` where the digits are none.
fn scaled(digits: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || digits.len() > 30 {
        return None;
    }
    let number = |part: &str| if part.is_empty() { Some(0) } else { part.parse::<u64>().ok() };
    let fraction = fraction.get(..fraction.len().min(9))?;
    let power = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let whole = u128::from(number(whole)?) * unit;
    Some(whole + u128::from(number(fraction)?) * unit / power)
}

/// 365 days.
const LONGEST_NANOS: u64 = 8760 * 3600 * 1_000_000_000;

/// The protobuf encoding guide: a serialised message is below 2 GiB.
const LARGEST_MESSAGE: u64 = 2 << 30;

/// More threads than any machine of today has, fewer than would exhaust one by a typing error.
const MOST_WORKERS: u64 = 1024;

/// The largest `uint32`, by which configurations of Envoy say "without limit".
pub(super) const MANY: u64 = 0xffff_ffff;

/// Characters of foreign text that a message repeats.
const LONGEST_QUOTE: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("300ms", ms(300)),
            ("5s", ms(5000)),
            ("1m30s", ms(90_000)),
            ("1h", ms(3_600_000)),
            (".01s", ms(10)),
            ("0.1s", ms(100)),
            ("1.5m", ms(90_000)),
            ("0s", ms(0)),
            (" 2s ", ms(2000)),
            ("8760h", ms(8760 * 3_600_000)),
        ] {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            " ",
            "5",
            "s",
            ".",
            ".s",
            "1..5s",
            "5 s",
            "5s1m",
            "1s1s",
            "-1s",
            "5d",
            "5S",
            "1m30",
            "8761h",
            "1e3s",
            "99999999999999999999h",
            "٣s",
            "none",
        ] {
            let error = duration(text).expect_err(text);
            assert!(error.message.starts_with("expected a duration"), "{text}: {error}");
        }
        assert_eq!(optional_duration("none"), Ok(None));
        assert_eq!(optional_duration("1s"), Ok(Some(ms(1000))));
        assert_eq!(
            optional_duration("0s").map_err(|e| e.help),
            Err(Some("write `none` for no bound".into()))
        );
    }

    #[test]
    fn byte_sizes() {
        for (text, expected) in [
            ("1024", 1024),
            ("64KiB", 65_536),
            ("4MiB", 4 << 20),
            ("2GiB", 2 << 30),
            ("4 MiB", 4 << 20),
            ("1B", 1),
        ] {
            assert_eq!(byte_size(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "4MB", "4mib", "-1", "1.5MiB", "3GiB", "MiB", "18446744073709551615GiB"] {
            assert!(byte_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number::<u32>(" 7 ", 1..=7), Ok(7));
        assert_eq!(number::<u32>("4294967295", 1..=MANY), Ok(u32::MAX));
        for (text, bounds, expected) in [
            ("0", 1..=7, "expected a number from 1 to 7, found `0`"),
            ("8", 1..=7, "expected a number from 1 to 7, found `8`"),
            ("-1", 1..=MANY, "expected a number of at least 1, found `-1`"),
            ("1.0", 1..=MANY, "expected a number of at least 1, found `1.0`"),
            ("4294967296", 1..=MANY, "expected a number of at most 4294967295, found `4294967296`"),
        ] {
            assert_eq!(number::<u32>(text, bounds).map_err(|wrong| wrong.message), Err(expected.into()));
        }
        assert_eq!((percent("50", 0..=100), percent(" 0% ", 0..=100)), (Ok(50), Ok(0)));
        for text in ["101", "-1", "%", "", "0.5", "50%%"] {
            let message = percent(text, 0..=100).expect_err(text).message;
            assert!(message.starts_with("expected a percentage from 0 to 100, found "), "{message}");
        }
        for (text, expected) in [("1.6", 1.6), (".5", 0.5), ("1e-3", 0.001), ("2", 2.0)] {
            assert_eq!(positive_number(text), Ok(expected), "{text}");
        }
        for text in ["0", "-0.0", "-1", "inf", "NaN", "-inf", "1e999", "+1", "1,5", "", "x"] {
            assert!(positive_number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listen_addresses() {
        for (text, expected) in [
            ("0.0.0.0:8080", "0.0.0.0:8080"),
            ("localhost:0", "127.0.0.1:0"),
            ("[::]:8080", "[::]:8080"),
            ("127.0.0.1:9901", "127.0.0.1:9901"),
        ] {
            assert_eq!(listen_address(text).map(|a| a.to_string()), Ok(expected.into()), "{text}");
        }
        for (text, help) in [
            ("8080", "write `0.0.0.0:8080` to listen on every interface"),
            (":8080", "write `0.0.0.0:8080` to listen on every interface"),
            ("::1:8080", "an IPv6 address stands in brackets, such as `[::]:8080`"),
            (
                "gateway:8080",
                "the host is an IP address of this machine or `localhost`, names are not looked up",
            ),
            ("tcp://10.0.0.1:8080", "write the address alone, without a scheme"),
            ("0.0.0.0:70000", "the port is a number from 0 to 65535, 0 lets the system choose"),
            ("", "write an IP address or `localhost`, a colon and a port"),
        ] {
            assert_eq!(listen_address(text).map_err(|e| e.help), Err(Some(help.into())), "{text}");
        }
    }

    #[test]
    fn foreign_text_stays_on_one_line() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "`a\\nb\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), LONGEST_QUOTE + 3);
        assert_eq!(quoted(""), "nothing");
    }
}
