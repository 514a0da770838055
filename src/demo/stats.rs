//! What a backend has seen: counters of calls, messages and bytes, by method.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prost::Message;
use prost_types::FileDescriptorSet;

use super::FILE_DESCRIPTOR_SET;
use super::proto::ecommerce::v1::CallStats;

/// The counters of one backend.
///
/// The methods are known beforehand, so callers that invent names cannot make this grow.
#[derive(Debug)]
pub(super) struct Stats {
    methods: BTreeMap<String, Arc<Counters>>,
}

/// The counters of one method. Relaxed: each stands for itself, and a call's own counts are ordered by the
/// messages that its caller sees.
#[derive(Debug, Default)]
pub(super) struct Counters {
    started: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
    messages_sent: AtomicU64,
    bytes_sent: AtomicU64,
    messages_received: AtomicU64,
    bytes_received: AtomicU64,
}

/// A call that is counted: as finished when told so, as cancelled when dropped before.
#[derive(Debug)]
pub(super) struct CountedCall {
    counters: Arc<Counters>,
    finished: bool,
}

impl Stats {
    /// Counters at zero for each method of `ecommerce.v1` but `Stats`: who asks must not change the answer.
    pub(super) fn new() -> Self {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build wrote a descriptor set");
        let methods = set
            .file
            .iter()
            .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
            .flat_map(|(package, service)| {
                service
                    .method
                    .iter()
                    .map(move |method| format!("{package}.{}/{}", service.name(), method.name()))
            })
            .filter(|method| method != "ecommerce.v1.DiagnosticsService/Stats")
            .map(|method| (method, Arc::default()))
            .collect();
        Self { methods }
    }

    /// Counts the start of a call of `path` (`/package.Service/Method`); none when it is no method that counts.
    pub(super) fn start(&self, path: &str) -> Option<CountedCall> {
        let counters = Arc::clone(self.methods.get(path.strip_prefix('/')?)?);
        counters.started.fetch_add(1, Relaxed);
        Some(CountedCall { counters, finished: false })
    }

    /// The methods that were called, by full name.
    pub(super) fn methods(&self) -> BTreeMap<String, CallStats> {
        self.methods
            .iter()
            .map(|(method, counters)| (method.clone(), counters.read()))
            .filter(|(_, stats)| stats.started > 0)
            .collect()
    }
}

impl Counters {
    fn read(&self) -> CallStats {
        CallStats {
            started: self.started.load(Relaxed),
            finished: self.finished.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            messages_sent: self.messages_sent.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            messages_received: self.messages_received.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
        }
    }

    pub(super) fn sent(&self, messages: u64, bytes: u64) {
        self.messages_sent.fetch_add(messages, Relaxed);
        self.bytes_sent.fetch_add(bytes, Relaxed);
    }

    pub(super) fn received(&self, messages: u64, bytes: u64) {
        self.messages_received.fetch_add(messages, Relaxed);
        self.bytes_received.fetch_add(bytes, Relaxed);
    }
}

impl CountedCall {
    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// The backend has brought the call to its status. Telling it again changes nothing.
    pub(super) fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            self.counters.finished.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        if !self.finished {
            self.counters.cancelled.fetch_add(1, Relaxed);
        }
    }
}

/// The sum of the counters of `methods`.
pub(super) fn total<'a>(methods: impl IntoIterator<Item = &'a CallStats>) -> CallStats {
    methods.into_iter().fold(CallStats::default(), |sum, stats| CallStats {
        started: sum.started + stats.started,
        finished: sum.finished + stats.finished,
        cancelled: sum.cancelled + stats.cancelled,
        messages_sent: sum.messages_sent + stats.messages_sent,
        bytes_sent: sum.bytes_sent + stats.bytes_sent,
        messages_received: sum.messages_received + stats.messages_received,
        bytes_received: sum.bytes_received + stats.bytes_received,
    })
}
