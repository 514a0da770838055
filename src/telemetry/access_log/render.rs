//! The two forms of a line.
//!
//! What came from a request is escaped in both: a line never holds a control character, so nobody who sends
//! requests can forge a line or talk to the terminal that shows it.

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::ser::Formatter;

use super::{Record, Text};
use crate::telemetry::metrics::code;

/// Appends the record as one JSON object and a newline.
pub(super) fn json(record: &Record, batch: &mut Vec<u8>) {
    let start = batch.len();
    let line = JsonLine {
        ts: utc_millis(record.ts),
        level: if SERVER_ERRORS.contains(&code::name(record.grpc_code)) { "warn" } else { "info" },
        msg: "rpc",
        protocol: record.protocol,
        listener: &record.listener,
        http_method: &record.http_method,
        path: &record.path,
        http_route: &record.http_route,
        http_status: record.http_status,
        grpc_type: record.grpc_type,
        grpc_service: &record.grpc_service,
        grpc_method: &record.grpc_method,
        grpc_code: code::name(record.grpc_code),
        grpc_message: &record.grpc_message,
        reason: record.reason,
        duration_ms: millis(record.duration),
        deadline_ms: record.deadline.map(millis),
        deadline_source: record.deadline_source,
        attempts: record.attempts,
        cluster: &record.cluster,
        endpoint: &record.endpoint,
        request_bytes: record.request_bytes,
        response_bytes: record.response_bytes,
        messages_in: record.messages_in,
        messages_out: record.messages_out,
        client_ip: record.client_ip,
        user_agent: &record.user_agent,
        request_id: &record.request_id,
        flags: &record.flags,
    };
    let mut serializer = serde_json::Serializer::with_formatter(&mut *batch, PlainAscii);
    match line.serialize(&mut serializer) {
        Ok(()) => batch.push(b'\n'),
        // Neither the types above nor a Vec can fail; half a line would spoil the next one.
        Err(_) => batch.truncate(start),
    }
}

/// Appends the record as one line for people:
/// `01:23:45.678 GET /v1/orders/42 -> shop.v1.Orders/Get 200 OK 12ms orders@10.0.0.4:50051`, and where there
/// is something to say the status message, the flags and `[req ID]`.
pub(super) fn text(record: &Record, batch: &mut Vec<u8>) {
    let start = batch.len();
    match try_text(record, batch) {
        Ok(()) => batch.push(b'\n'),
        Err(_) => batch.truncate(start),
    }
}

fn try_text(record: &Record, batch: &mut Vec<u8>) -> io::Result<()> {
    let shown = |text: &Text| text.as_str().escape_debug().to_string();
    let stamp = utc_millis(record.ts);
    // `2026-11-21T01:23:45.678Z`: at a terminal the day is known.
    let time = stamp.get(11..23).unwrap_or(&stamp);
    write!(batch, "{time} {} {}", shown(&record.http_method), shown(&record.path))?;
    if !record.grpc_service.is_empty() {
        write!(batch, " -> {}/{}", shown(&record.grpc_service), shown(&record.grpc_method))?;
    }
    write!(
        batch,
        " {} {} {}",
        record.http_status,
        code::name(record.grpc_code),
        short_duration(record.duration)
    )?;
    if !record.cluster.is_empty() {
        write!(batch, " {}", shown(&record.cluster))?;
        if !record.endpoint.is_empty() {
            write!(batch, "@{}", shown(&record.endpoint))?;
        }
    }
    if !record.grpc_message.is_empty() {
        write!(batch, " \"{}\"", shown(&record.grpc_message))?;
    }
    if !record.flags.is_empty() {
        write!(batch, " {}", record.flags.join(","))?;
    }
    if !record.request_id.is_empty() {
        write!(batch, " [req {}]", shown(&record.request_id))?;
    }
    Ok(())
}

/// The keys of a line, all of them in every line, in this order.
#[derive(Serialize)]
struct JsonLine<'a> {
    ts: String,
    level: &'static str,
    msg: &'static str,
    protocol: &'static str,
    listener: &'a Text,
    http_method: &'a Text,
    path: &'a Text,
    http_route: &'a Text,
    http_status: u16,
    grpc_type: &'static str,
    grpc_service: &'a Text,
    grpc_method: &'a Text,
    grpc_code: &'static str,
    grpc_message: &'a Text,
    reason: &'static str,
    duration_ms: f64,
    deadline_ms: Option<f64>,
    deadline_source: &'static str,
    attempts: u32,
    cluster: &'a Text,
    endpoint: &'a Text,
    request_bytes: u64,
    response_bytes: u64,
    messages_in: u64,
    messages_out: u64,
    client_ip: Option<IpAddr>,
    user_agent: &'a Text,
    request_id: &'a Text,
    flags: &'a [&'static str],
}

/// Compact JSON that escapes DEL and the C1 controls as well; JSON itself asks for those below U+0020 only.
struct PlainAscii;

impl Formatter for PlainAscii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, control)) = rest.char_indices().find(|(_, char)| char.is_control()) {
            let (plain, tail) = rest.split_at(at);
            write!(writer, "{plain}\\u{:04x}", u32::from(control))?;
            rest = tail.get(control.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// RFC 3339 in UTC with milliseconds. Clocks before 1970 or after 9999, which it has no words for, are shown
/// as 1970.
fn utc_millis(at: SystemTime) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(24);
    let in_range = at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() < YEAR_10000);
    let at = if in_range { at } else { SystemTime::UNIX_EPOCH };
    match write!(text, "{}", humantime::format_rfc3339_millis(at)) {
        Ok(()) => text,
        Err(_) => String::new(),
    }
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> f64 {
    let micros = u32::try_from(duration.as_micros()).map_or(duration.as_secs_f64() * 1e6, f64::from);
    micros.round() / 1e3
}

/// Three digits are enough for a reader: `0.4ms`, `12ms`, `3.2s`, `1234s`.
fn short_duration(duration: Duration) -> String {
    match duration.as_millis() {
        0..=9 => format!("{:.1}ms", duration.as_secs_f64() * 1e3),
        10..=999 => format!("{}ms", duration.as_millis()),
        1_000..=99_999 => format!("{:.1}s", duration.as_secs_f64()),
        _ => format!("{}s", duration.as_secs()),
    }
}

/// The codes that say something is wrong on this side, as OpenTelemetry has them for servers.
const SERVER_ERRORS: [&str; 6] =
    ["Unknown", "DeadlineExceeded", "Unimplemented", "Internal", "Unavailable", "DataLoss"];

/// 10000-01-01 in Unix seconds.
const YEAR_10000: u64 = 253_402_300_800;
