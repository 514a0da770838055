//! The access log: one line a call, written at its end.
//!
//! A door that sees its call end builds a [`Record`] if the log is [enabled](AccessLog::enabled) and hands it
//! over. Formatting and writing happen on a thread of their own; a full queue drops the record and counts it.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Format;
use super::lines::{self, Flush, Lines};
use super::metrics::Counter;

mod render;
mod text;

pub use text::Text;

/// Where the calls are written. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct AccessLog {
    lines: Option<Lines<Box<Record>>>,
}

impl AccessLog {
    /// A log that takes nothing and costs nothing.
    pub fn disabled() -> Self {
        Self { lines: None }
    }

    pub(super) fn open(
        format: Format,
        out: impl Write + Send + 'static,
        dropped: Arc<Counter>,
    ) -> io::Result<(Self, Flush)> {
        let render = move |record: Box<Record>, batch: &mut Vec<u8>| match format {
            Format::Json => render::json(&record, batch),
            Format::Text => render::text(&record, batch),
        };
        let (lines, flush) = lines::spawn("edgeway-access", out, render, dropped)?;
        Ok((Self { lines: Some(lines) }, flush))
    }

    /// Whether a record would be written; ask before building one.
    pub fn enabled(&self) -> bool {
        self.lines.is_some()
    }

    /// Queues the line of one call, boxed so that the queue is a few kilobytes while it is empty. Never waits.
    pub fn write(&self, record: Box<Record>) {
        if let Some(lines) = &self.lines {
            lines.send(record);
        }
    }
}

/// What is said of one call. Empty where it does not apply: a request that found no route has no method.
#[derive(Clone, Debug)]
pub struct Record {
    /// The end of the call.
    pub ts: SystemTime,
    /// The door: `rest`, `grpc`, `grpc-web`, `grpc-web-text`, `connect`, `websocket`.
    pub protocol: &'static str,
    /// The listener's name in the configuration.
    pub listener: Text,
    /// `GET`.
    pub http_method: Text,
    /// The raw path, without the query: queries hold what should not be logged.
    pub path: Text,
    /// The template that matched, `/v1/orders/{order_id}`.
    pub http_route: Text,
    /// The HTTP status the caller saw.
    pub http_status: u16,
    /// `unary`, `client_stream`, `server_stream`, `bidi_stream`.
    pub grpc_type: &'static str,
    /// `shop.v1.Orders`.
    pub grpc_service: Text,
    /// `Get`.
    pub grpc_method: Text,
    /// The status code of the call as a number; written by name.
    pub grpc_code: usize,
    /// The status message of the call.
    pub grpc_message: Text,
    /// The `reason` of the ErrorInfo, where Edgeway ended the call itself.
    pub reason: &'static str,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// The deadline the call ran under.
    pub deadline: Option<Duration>,
    /// Who set the deadline: `client`, `policy` or `service_config`.
    pub deadline_source: &'static str,
    /// How often the call was sent to a backend.
    pub attempts: u32,
    /// The cluster's name in the configuration.
    pub cluster: Text,
    /// The address of the last attempt.
    pub endpoint: Text,
    /// Body bytes that came from the caller.
    pub request_bytes: u64,
    /// Body bytes that went to the caller.
    pub response_bytes: u64,
    /// Messages that came from the caller.
    pub messages_in: u64,
    /// Messages that went to the caller.
    pub messages_out: u64,
    /// The caller's address.
    pub client_ip: Option<IpAddr>,
    /// The `user-agent` header.
    pub user_agent: Text,
    /// The `x-request-id` of the call.
    pub request_id: Text,
    /// What went wrong on the way, in Envoy's long names (`UpstreamConnectionFailure`).
    pub flags: Vec<&'static str>,
}

impl Default for Record {
    /// A record of nothing, at the Unix epoch, to be filled with `..Record::default()`.
    fn default() -> Self {
        Self {
            ts: SystemTime::UNIX_EPOCH,
            protocol: "",
            listener: Text::default(),
            http_method: Text::default(),
            path: Text::default(),
            http_route: Text::default(),
            http_status: 0,
            grpc_type: "",
            grpc_service: Text::default(),
            grpc_method: Text::default(),
            grpc_code: 0,
            grpc_message: Text::default(),
            reason: "",
            duration: Duration::ZERO,
            deadline: None,
            deadline_source: "",
            attempts: 0,
            cluster: Text::default(),
            endpoint: Text::default(),
            request_bytes: 0,
            response_bytes: 0,
            messages_in: 0,
            messages_out: 0,
            client_ip: None,
            user_agent: Text::default(),
            request_id: Text::default(),
            flags: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
