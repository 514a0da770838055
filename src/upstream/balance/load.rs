//! How busy an endpoint is.

/// What an endpoint has in flight, over all workers, and when this worker last chose it.
///
/// Calls and streams are counted apart. A stream that waits for events costs its server next to nothing: counted like a
/// call, a thousand of them would keep every unary call away from their endpoint, while the server is idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream) struct Load {
    /// Unary calls whose answer has not ended.
    pub(in crate::upstream) unary: usize,
    /// Streams, of either side, that have not ended.
    pub(in crate::upstream) streams: usize,
    /// The place in time of the last choice that fell on it. Of equals the one chosen longer ago is taken, which keeps
    /// the shares of idle endpoints even where chance alone would scatter them.
    pub(in crate::upstream) chosen: u64,
}

impl Load {
    /// Whatever is in flight.
    pub(super) fn calls(self) -> usize {
        self.unary + self.streams
    }

    /// To compare by, for a unary call or for a stream.
    pub(super) fn by_calls(self, stream: bool) -> (usize, u64) {
        (self.weighed(stream), self.chosen)
    }

    /// The load that one more call would make.
    pub(super) fn with_one_more(self, stream: bool) -> f64 {
        (self.weighed(stream) + CALL) as f64
    }

    fn weighed(self, stream: bool) -> usize {
        if stream { self.streams * CALL } else { self.unary * CALL + self.streams }
    }
}

/// A call weighs as much as sixteen streams do, to another call.
const CALL: usize = 16;
