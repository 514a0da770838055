//! What happened to a call, written down as it happens for the line of the access log.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tonic::Code;

use super::{CallError, DeadlineSource, Kind, Via};

/// Shared by the door, which opens it and writes the line, and the policies, which know the outcome.
#[derive(Debug, Default)]
pub struct Journal {
    bytes_in: AtomicU64,
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    attempts: AtomicU32,
    outcome: Mutex<Outcome>,
}

/// How a call went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// `/package.Service/Method`, once it is known.
    pub path: String,
    /// Who sends how many messages.
    pub kind: Option<Kind>,
    /// The REST template that matched.
    pub route: String,
    /// The time that the call had, and who set it.
    pub deadline: Option<(Duration, DeadlineSource)>,
    /// The status, once there is one.
    pub code: Option<Code>,
    /// Its message.
    pub message: String,
    /// What went wrong on the way, in Envoy's long names of response flags.
    pub flags: Vec<&'static str>,
    /// The reason that Edgeway gave, where it ended the call itself.
    pub reason: &'static str,
    /// Which way it went, once a backend answered.
    pub via: Option<Via>,
}

impl Journal {
    /// Bytes of the request body came from the client.
    pub fn read(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes of the request body that came.
    pub fn bytes(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// Messages came from the client.
    pub fn received(&self, messages: u64) {
        self.messages_in.fetch_add(messages, Relaxed);
    }

    /// Messages came from the backend.
    pub fn sent(&self, messages: u64) {
        self.messages_out.fetch_add(messages, Relaxed);
    }

    /// Messages from the client and from the backend.
    pub fn messages(&self) -> (u64, u64) {
        (self.messages_in.load(Relaxed), self.messages_out.load(Relaxed))
    }

    /// The method is known.
    pub fn called(&self, path: &str, kind: Kind) {
        let mut outcome = self.outcome.lock();
        path.clone_into(&mut outcome.path);
        outcome.kind = Some(kind);
    }

    /// A REST route matched.
    pub fn matched(&self, template: &str) {
        template.clone_into(&mut self.outcome.lock().route);
    }

    /// The deadline is known.
    pub fn due(&self, within: Duration, source: DeadlineSource) {
        self.outcome.lock().deadline = Some((within, source));
    }

    /// A backend answered.
    pub fn went(&self, via: Via) {
        self.outcome.lock().via = Some(via);
    }

    /// The call was sent to a backend.
    pub fn tried(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    /// How often.
    pub fn attempts(&self) -> u32 {
        self.attempts.load(Relaxed)
    }

    /// Something of note happened on the way, which does not end the call.
    pub fn flagged(&self, flag: &'static str) {
        let mut outcome = self.outcome.lock();
        if !outcome.flags.contains(&flag) {
            outcome.flags.push(flag);
        }
    }

    /// The call ended with a backend's status; only the first one counts.
    pub fn ended(&self, code: Code, message: &str) {
        self.close(code, message, "");
    }

    /// Edgeway ended the call; only the first status counts.
    pub fn ended_by(&self, error: &CallError) {
        let first = self.close(error.status().code(), error.status().message(), error.reason().unwrap_or(""));
        if first && !error.flag().is_empty() {
            self.flagged(error.flag());
        }
    }

    fn close(&self, code: Code, message: &str, reason: &'static str) -> bool {
        let mut outcome = self.outcome.lock();
        if outcome.code.is_some() {
            return false;
        }
        outcome.code = Some(code);
        message.clone_into(&mut outcome.message);
        outcome.reason = reason;
        true
    }

    /// How it went so far.
    pub fn outcome(&self) -> Outcome {
        self.outcome.lock().clone()
    }
}
