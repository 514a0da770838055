//! What the gateway measures and says: metrics, access log, process log. Knows no other room.
//!
//! | said | where | by |
//! |---|---|---|
//! | metrics | `/metrics` of the admin port | [`Metrics`], one clone per owner, handles resolved once |
//! | access log | stdout, one line a call | [`AccessLog`], written by a thread of its own |
//! | process log | stderr, `tracing` events | [`init`], the only place that installs a subscriber |
//!
//! Nothing here can hold up a call: counters are relaxed atomics, lines go through bounded queues, and what
//! does not fit is dropped and counted in `edgeway_log_dropped_total`. A reader that stopped reading stdout
//! or stderr therefore costs lines, never latency.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub mod access_log;
mod error_chain;
mod lines;
pub mod metrics;

pub use access_log::AccessLog;
pub use error_chain::ErrorChain;
pub use metrics::Metrics;

use lines::{Flush, Lines};

/// How and how much to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A level (`info`) or a list of directives (`info,h2=warn`), see [`parse_filter`].
    pub level: String,
    /// The form of both logs.
    pub format: Format,
    /// Whether each call is written to stdout at its end.
    pub access: bool,
}

impl Default for Settings {
    /// What a terminal wants: `info`, text, access log on.
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Text, access: true }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, for collectors.
    Json,
    /// One short line, for people.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of the filter names no known level.
    #[error(
        "expected a log level (off, error, warn, info, debug, trace) or target=level, found `{directive}`; \
         write for example `info` or `info,h2=warn`"
    )]
    Level {
        /// The part that was refused, as written.
        directive: String,
    },
    /// The filter does not follow the directive grammar.
    #[error("expected a log filter like `info,h2=warn`, found `{filter}`")]
    Filter {
        /// The whole filter, as written.
        filter: String,
        /// What `tracing-subscriber` says about it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// A writer thread could not be started.
    #[error("cannot start the log writer thread")]
    Thread(#[source] io::Error),
    /// Another subscriber is installed in this process.
    #[error("a tracing subscriber is already installed, call telemetry::init once per process")]
    Installed(#[source] tracing_subscriber::util::TryInitError),
}

/// Keeps the writer threads; dropping it writes what is queued, waiting two seconds per log at most.
///
/// Hold it until the end of `main`: lines after its drop are lost, and `std::process::exit` skips it.
#[derive(Debug)]
pub struct Guard {
    access_log: AccessLog,
    _access: Option<Flush>,
    _process: Flush,
}

impl Guard {
    /// The access log; a disabled one when [`Settings::access`] is off.
    pub fn access_log(&self) -> AccessLog {
        self.access_log.clone()
    }
}

/// Installs the process log on stderr and opens the access log on stdout.
///
/// # Errors
/// A filter that does not parse, a thread that does not start, a subscriber that is there before.
pub fn init(settings: &Settings, metrics: &Metrics) -> Result<Guard, Error> {
    let filter = parse_filter(&settings.level)?;
    let dropped = metrics.log_dropped();
    let append = |line: Vec<u8>, batch: &mut Vec<u8>| batch.extend_from_slice(&line);
    let (process, process_flush) =
        lines::spawn("edgeway-log", io::stderr(), append, dropped).map_err(Error::Thread)?;
    let (access_log, access_flush) = if settings.access {
        let (log, flush) =
            AccessLog::open(settings.format, io::stdout(), metrics.log_dropped()).map_err(Error::Thread)?;
        (log, Some(flush))
    } else {
        (AccessLog::disabled(), None)
    };

    let layer = tracing_subscriber::fmt::layer()
        .with_timer(UtcMillis)
        .with_ansi(settings.format == Format::Text && io::stderr().is_terminal())
        .with_writer(move || LineWriter(process.clone()));
    let registry = tracing_subscriber::registry().with(filter);
    match settings.format {
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Format::Text => registry.with(layer).try_init(),
    }
    .map_err(Error::Installed)?;
    Ok(Guard { access_log, _access: access_flush, _process: process_flush })
}

/// Parses a log filter: comma-separated levels and `target=level` directives.
///
/// `tracing-subscriber` takes a bare word that is no level for a target and logs nothing else, so that
/// `level: verbose` would silence the gateway. Here it is an error.
///
/// # Errors
/// [`Error::Level`] for a bare word that is no level, [`Error::Filter`] for the rest of the grammar.
pub fn parse_filter(filter: &str) -> Result<EnvFilter, Error> {
    // Span directives (`target[span{field=value}]=level`) hold commas and `=` of their own; a filter with
    // brackets is left to the parser below as it is.
    let directives: Vec<&str> =
        if filter.contains('[') { vec![filter] } else { filter.split(',').map(str::trim).collect() };
    if !filter.contains('[') {
        for directive in &directives {
            let level = directive.split_once('=').map_or(*directive, |(_, level)| level);
            if level.is_empty() || level.parse::<LevelFilter>().is_err() {
                return Err(Error::Level { directive: (*directive).to_owned() });
            }
        }
    }
    EnvFilter::builder()
        .parse(directives.join(","))
        .map_err(|source| Error::Filter { filter: filter.to_owned(), source })
}

/// Hands each formatted event to the writer thread; the formatter writes an event in one piece.
struct LineWriter(Lines<Vec<u8>>);

impl io::Write for LineWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.send(one_line(event));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Spells out line breaks inside an event: a message that quotes a backend must not be able to forge a line.
/// (The formatter escapes terminal sequences, and in JSON everything.)
fn one_line(event: &[u8]) -> Vec<u8> {
    let body = event.strip_suffix(b"\n").unwrap_or(event);
    let mut line = Vec::with_capacity(event.len());
    for byte in body {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

/// RFC 3339 in UTC with milliseconds, the same stamp as in the access log.
struct UtcMillis;

impl FormatTime for UtcMillis {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", humantime::format_rfc3339_millis(std::time::SystemTime::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_parse() {
        for filter in
            ["info", "WARN", "off", "info,h2=warn", "edgeway=debug, h2=warn", "info,edgeway[call]=trace"]
        {
            assert!(parse_filter(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn an_event_is_one_line() {
        assert_eq!(one_line(b"a\r\nb\nc\n"), b"a\\r\\nb\\nc\n");
        assert_eq!(one_line(b"a"), b"a\n");
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for (filter, named) in [
            ("verbose", "`verbose`"),
            ("", "``"),
            ("info,h2", "`h2`"),
            ("edgeway=loud", "`edgeway=loud`"),
            ("info,h2=", "`h2=`"),
        ] {
            let error = parse_filter(filter).expect_err(filter).to_string();
            assert!(error.contains(named) && error.contains("info,h2=warn"), "{filter}: {error}");
        }
        assert!(matches!(parse_filter("edgeway[call=trace"), Err(Error::Filter { .. })));
    }
}
