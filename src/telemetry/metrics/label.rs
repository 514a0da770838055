//! Label values that are enums, and values kept one per enum value.
//!
//! A label comes from a descriptor, the configuration or an enum, never from a request: whoever can send
//! requests must not be able to make series.

use std::marker::PhantomData;

/// The closed set of values of one label.
pub trait Label: Copy + 'static {
    /// Every value, in the order of [`Label::index`].
    const ALL: &'static [Self];

    /// The text of the label.
    fn label(self) -> &'static str;

    /// The place in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! label {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$value_meta:meta])* $value:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_meta])* $value,)+
        }

        impl $crate::telemetry::metrics::Label for $name {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn label(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

pub(super) use label;

label! {
    /// Who ended a call before its status came: `by` of `edgeway_cancelled_total`.
    pub enum CancelledBy {
        /// The caller left.
        Client => "client",
        /// The deadline passed.
        Deadline => "deadline",
        /// The gateway reached the hard cap of its shutdown.
        Shutdown => "shutdown",
    }
}

label! {
    /// `state` of `edgeway_cluster_endpoints`.
    pub enum EndpointState {
        /// May be picked.
        Healthy => "healthy",
        /// Cannot be connected to, or fails its health checks.
        Unhealthy => "unhealthy",
        /// Taken out for its errors.
        Ejected => "ejected",
        /// Left the resolver's answer, finishes its calls.
        Draining => "draining",
    }
}

label! {
    /// `state` of `edgeway_upstream_connections`.
    pub enum ConnectionState {
        /// Transport or HTTP/2 set-up is under way.
        Connecting => "connecting",
        /// Takes new streams.
        Ready => "ready",
        /// Got or sent GOAWAY, finishes its streams.
        Draining => "draining",
    }
}

label! {
    /// `result` of `edgeway_upstream_connects_total`.
    pub enum ConnectResult {
        /// The connection came up.
        Success => "success",
        /// The peer answered that nobody listens.
        Refused => "refused",
        /// `connect_timeout` passed.
        Timeout => "timeout",
        /// The transport came up and could not be secured.
        Tls => "tls",
        /// Anything else: unreachable, reset, not HTTP/2.
        Error => "error",
    }
}

label! {
    /// `reason` of `edgeway_transparent_retries_total`.
    pub enum RetryReason {
        /// The request never left the gateway: the connection ended before it was sent.
        NotSent => "not_sent",
        /// The backend reset the stream with `REFUSED_STREAM`.
        RefusedStream => "refused_stream",
        /// The stream stood above the last id of a GOAWAY.
        Goaway => "goaway",
        /// One endpoint did not know a method that the schema has.
        Unimplemented => "unimplemented",
    }
}

label! {
    /// `reason` of `edgeway_retries_total`: what became of the attempt before.
    pub enum RetryCause {
        /// The backend answered a status that the policy lists.
        Status => "status",
        /// The backend reset the stream, or answered in something other than gRPC.
        Broken => "broken",
        /// The connection was lost after the call was sent.
        Lost => "lost",
        /// No message came within `perAttemptRecvTimeout`.
        Late => "timeout",
        /// The backend refused it unprocessed, again.
        Refused => "refused",
        /// No endpoint could be reached.
        NotSent => "not_sent",
    }
}

label! {
    /// `result` of `edgeway_hedges_total`.
    pub enum HedgeResult {
        /// Its answer was the call's.
        Won => "won",
        /// Another attempt's was.
        Lost => "lost",
    }
}

label! {
    /// `result` of `edgeway_descriptor_reloads_total`.
    pub enum ReloadResult {
        /// A schema that differs from the one in use.
        Changed => "changed",
        /// The same schema again.
        Unchanged => "unchanged",
        /// No schema; the last good one stays.
        Failed => "failed",
    }
}

label! {
    /// `where` of `edgeway_deadline_exceeded_total`: what a call waited for when its deadline passed.
    pub enum DeadlineIn {
        /// A stream on a connection that is full.
        Queue => "queue",
        /// A connection.
        Connect => "connect",
        /// The answer of the backend.
        Upstream => "upstream",
        /// The rest of an answer that had begun.
        Stream => "stream",
    }
}

label! {
    /// `result` of `edgeway_discovery_total`.
    pub enum DiscoveryResult {
        /// At least one endpoint.
        Found => "found",
        /// None, from a source that may say so.
        Empty => "empty",
        /// No answer; the last good one stays.
        Failed => "failed",
    }
}

label! {
    /// `result` of `edgeway_mirrored_calls_total`.
    pub enum MirrorResult {
        /// Answered with OK.
        Ok => "ok",
        /// Answered with another status, or not at all.
        Failed => "failed",
        /// Not sent: as many as may be were on their way.
        Dropped => "dropped",
        /// Not sent: the request was too large to be kept for a copy.
        TooLarge => "too_large",
    }
}

/// One `T` for each value of the label `L`.
#[derive(Debug)]
pub(super) struct By<L, T> {
    slots: Box<[T]>,
    label: PhantomData<fn(L) -> L>,
}

impl<L: Label, T> By<L, T> {
    pub(super) fn at(&self, label: L) -> &T {
        #[expect(clippy::indexing_slicing, reason = "one slot per value, an index is a place in ALL")]
        &self.slots[label.index()]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        L::ALL.iter().map(|label| label.label()).zip(&self.slots)
    }
}

impl<L: Label, T: Default> Default for By<L, T> {
    fn default() -> Self {
        Self { slots: L::ALL.iter().map(|_| T::default()).collect(), label: PhantomData }
    }
}
