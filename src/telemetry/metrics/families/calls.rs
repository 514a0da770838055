//! Calls by method under the names of go-grpc-prometheus, and what belongs beside them.
//!
//! Towards callers the gateway is a server and counts as one. Of its own calls to backends these families show what
//! `grpc_client_attempt_*` shows, in the words that dashboards made for go-grpc-prometheus look for.

use std::fmt;
use std::sync::Arc;

use prometheus_client::registry::Unit;

use super::page::Page;
use crate::telemetry::metrics::code::{CODES, NAMES};
use crate::telemetry::metrics::method::{HANDLING_BOUNDS, MessageMetrics, MethodMetrics};
use crate::telemetry::metrics::value::Distribution;

pub(super) fn encode(page: &mut Page<'_>, methods: &[Arc<MethodMetrics>]) -> fmt::Result {
    let served = |method: &MethodMetrics| Handled {
        started: method.server.started.value(),
        by_code: std::array::from_fn(|code| method.server.handled.get(code).map_or(0, |count| count.value())),
        elapsed: method.server.elapsed.snapshot(),
    };
    side(page, &SERVER, methods, served, |method| method.server.messages())?;
    side(page, &CLIENT, methods, sent, |method| &method.client)?;
    let streams = methods.iter().filter(|method| !method.times_handling());
    page.histograms(
        ["edgeway_stream_duration", "How long server and bidirectional streams were open at the front."],
        Some(&Unit::Seconds),
        streams.map(|method| (method.labels(), method.server.elapsed.snapshot())),
    )?;
    page.counters(
        ["edgeway_orphaned_rpcs", "Calls whose backend ended with OK when the caller had left already."],
        methods.iter().map(|method| {
            let [_, service, name] = method.labels();
            ([service, name], method.orphaned.value())
        }),
    )
}

/// What became of the calls of a method on one side.
struct Handled {
    started: u64,
    by_code: [u64; CODES],
    elapsed: Distribution,
}

/// All attempts of a method, wherever they went.
fn sent(method: &MethodMetrics) -> Handled {
    let mut handled =
        Handled { started: 0, by_code: [0; CODES], elapsed: Distribution::empty(HANDLING_BOUNDS) };
    for (_, target) in method.targets.iter() {
        handled.started += target.started.value();
        for (count, attempts) in handled.by_code.iter_mut().zip(&target.attempts) {
            if let Some(attempts) = attempts.get() {
                let elapsed = attempts.elapsed.snapshot();
                *count += elapsed.count();
                handled.elapsed.add(&elapsed);
            }
        }
    }
    handled
}

/// Names and help of go-grpc-prometheus for one side.
struct Side {
    started: [&'static str; 2],
    handled: [&'static str; 2],
    received: [&'static str; 2],
    sent: [&'static str; 2],
    handling: [&'static str; 2],
}

fn side(
    page: &mut Page<'_>,
    names: &Side,
    methods: &[Arc<MethodMetrics>],
    calls: impl Fn(&MethodMetrics) -> Handled,
    messages: impl Fn(&MethodMetrics) -> &MessageMetrics,
) -> fmt::Result {
    let calls: Vec<_> = methods.iter().map(|method| (method, calls(method))).collect();
    page.counters(names.started, calls.iter().map(|(method, calls)| (method.labels(), calls.started)))?;
    let handled = calls.iter().flat_map(|(method, calls)| {
        let [kind, service, name] = method.labels();
        let codes = NAMES.iter().zip(calls.by_code);
        codes.map(move |(code, count)| ([kind, service, name, ("grpc_code", *code)], count))
    });
    page.counters(names.handled, handled)?;
    let each = |of: fn(&MessageMetrics) -> u64| {
        methods.iter().map(|method| (method.labels(), of(messages(method)))).collect::<Vec<_>>()
    };
    page.counters(names.received, each(|messages| messages.received.value()))?;
    page.counters(names.sent, each(|messages| messages.sent.value()))?;
    let timed = calls.into_iter().filter(|(method, _)| method.times_handling());
    page.histograms(
        names.handling,
        Some(&Unit::Seconds),
        timed.map(|(method, calls)| (method.labels(), calls.elapsed)),
    )
}

const SERVER: Side = Side {
    started: ["grpc_server_started", "Total number of RPCs started on the server."],
    handled: [
        "grpc_server_handled",
        "Total number of RPCs completed on the server, regardless of success or failure.",
    ],
    received: ["grpc_server_msg_received", "Total number of RPC stream messages received on the server."],
    sent: ["grpc_server_msg_sent", "Total number of gRPC stream messages sent by the server."],
    handling: [
        "grpc_server_handling",
        "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
    ],
};

const CLIENT: Side = Side {
    started: ["grpc_client_started", "Total number of RPCs started on the client."],
    handled: [
        "grpc_client_handled",
        "Total number of RPCs completed by the client, regardless of success or failure.",
    ],
    received: ["grpc_client_msg_received", "Total number of RPC stream messages received by the client."],
    sent: ["grpc_client_msg_sent", "Total number of gRPC stream messages sent by the client."],
    handling: [
        "grpc_client_handling",
        "Histogram of response latency (seconds) of the gRPC until it is finished by the application.",
    ],
};
