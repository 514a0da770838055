//! The `process_*` values every Prometheus client has, read from `/proc` at each scrape.
//!
//! Formats: `proc(5)`. Without a `/proc`, or where it is hidden, the values are left out.

use std::fs;

/// What the kernel says of this process. `None`: it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    /// Unix time.
    pub(super) start_seconds: Option<f64>,
}

impl Process {
    /// Reads the values of this moment.
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").ok().and_then(|text| Stat::parse(&text));
        let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_seconds(&text));
        let ticks = as_f64(rustix::param::clock_ticks_per_second());
        let page = u64::try_from(rustix::param::page_size()).unwrap_or_default();
        // One of the entries is the directory that is being read.
        let fds = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1));
        Self {
            cpu_seconds: stat.map(|stat| as_f64(stat.cpu_ticks) / ticks),
            resident_bytes: stat.map(|stat| stat.resident_pages.saturating_mul(page)),
            open_fds: fds.and_then(|count| u64::try_from(count).ok()),
            start_seconds: stat.zip(boot).map(|(stat, boot)| as_f64(boot) + as_f64(stat.start_ticks) / ticks),
        }
    }
}

/// The fields of `/proc/self/stat` that are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    /// User and system time, fields 14 and 15.
    cpu_ticks: u64,
    /// Ticks between boot and start, field 22.
    start_ticks: u64,
    /// Field 24.
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // Field 2 is the name in parentheses; it may hold blanks and parentheses itself.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            start_ticks: field(22)?,
            resident_pages: field(24)?,
        })
    }
}

/// Unix time of the boot, from `/proc/stat`.
fn boot_seconds(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn as_f64(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ticks and seconds stay far below 2^53")]
    let float = n as f64;
    float
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses() {
        let text = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 900 10000 77 184";
        assert_eq!(Stat::parse(text), Some(Stat { cpu_ticks: 300, start_ticks: 900, resident_pages: 77 }));
        assert_eq!(Stat::parse("42 (a) S 1 2"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn boot_time_is_a_line_among_others() {
        assert_eq!(boot_seconds("cpu 1 2 3\nbtime 1700000000\nprocesses 5\n"), Some(1_700_000_000));
        assert_eq!(boot_seconds("cpu 1 2 3\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_them_all() {
        let process = Process::read();
        let age = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs_f64()
            - process.start_seconds.expect("a start time");
        assert!((-2.0..86_400.0).contains(&age), "started {age} s ago");
        assert!(process.resident_bytes.expect("memory") > 100_000);
        assert!(process.open_fds.expect("descriptors") >= 3);
        assert!(process.cpu_seconds.expect("time") >= 0.0);
    }
}
