//! When attempts fail more than they should, no further ones are made (gRFC A6, "Throttling Retry Attempts and Hedged
//! RPCs").

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::config::RetryThrottling;

/// Tokens of a cluster, in thousandths: full at first, one taken by each failure that counts, a little given back by each
/// success. With half of them or fewer left nothing is tried again.
///
/// | an attempt | tokens |
/// |---|---|
/// | failed with a retryable or non-fatal status, or the backend said not to retry | one less, not below none |
/// | succeeded | `tokenRatio` more, not above `maxTokens` |
/// | failed otherwise, or never reached a backend's code | the same |
#[derive(Debug)]
pub(in crate::upstream) struct Throttle {
    tokens: AtomicU32,
    most: u32,
    ratio: u32,
}

impl Throttle {
    pub(in crate::upstream) fn new(config: RetryThrottling) -> Self {
        let most = config.max_tokens.saturating_mul(TOKEN);
        Self { tokens: AtomicU32::new(most), most, ratio: config.token_ratio_milli }
    }

    /// An attempt failed in a way that counts; whether another may be made.
    pub(in crate::upstream) fn failed(&self) -> bool {
        let less = |tokens: u32| tokens.saturating_sub(TOKEN);
        let before = self.tokens.fetch_update(Relaxed, Relaxed, |tokens| Some(less(tokens)));
        self.suffices(less(before.unwrap_or_default()))
    }

    /// An attempt succeeded.
    pub(in crate::upstream) fn succeeded(&self) {
        // Full nearly always: then the line stays in every worker's cache.
        if self.tokens.load(Relaxed) < self.most {
            let more = |tokens: u32| tokens.saturating_add(self.ratio).min(self.most);
            let _ = self.tokens.fetch_update(Relaxed, Relaxed, |tokens| Some(more(tokens)));
        }
    }

    /// Whether another attempt may be made.
    pub(in crate::upstream) fn is_open(&self) -> bool {
        self.suffices(self.tokens.load(Relaxed))
    }

    /// The tokens that are left and the most there may be, in thousandths.
    pub(in crate::upstream) fn tokens(&self) -> (u32, u32) {
        (self.tokens.load(Relaxed), self.most)
    }

    fn suffices(&self, tokens: u32) -> bool {
        tokens > self.most / 2
    }
}

const TOKEN: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(max_tokens: u32, token_ratio_milli: u32) -> Throttle {
        Throttle::new(RetryThrottling { max_tokens, token_ratio_milli })
    }

    /// `TestRetryThrottling` of grpc-go, 10 tokens and a ratio of 0.5: tokens after each attempt, `!` where the next
    /// attempt is refused.
    #[test]
    fn tokens_are_counted_as_grpc_go_counts_them() {
        let throttle = throttle(10, 500);
        let attempts = [
            (true, 10_000),
            (false, 9000),
            (false, 8000),
            (true, 8500),
            (false, 7500),
            (false, 6500),
            (true, 7000),
            (false, 6000),
            (false, 5000),
            (false, 4000),
            (true, 4500),
            (true, 5000),
            (true, 5500),
            (true, 6000),
            (true, 6500),
            (false, 5500),
            (true, 6000),
            (false, 5000),
        ];
        for (index, (succeeds, tokens)) in attempts.into_iter().enumerate() {
            if succeeds {
                throttle.succeeded();
            } else {
                assert_eq!(throttle.failed(), tokens > 5000, "attempt {index}");
            }
            assert_eq!(throttle.tokens.load(Relaxed), tokens, "attempt {index}");
            assert_eq!(throttle.is_open(), tokens > 5000, "attempt {index}");
        }
    }

    #[test]
    fn tokens_stay_within_their_bounds() {
        let throttle = throttle(1, 1);
        assert!(!throttle.failed() && !throttle.failed());
        for _ in 0..500 {
            throttle.succeeded();
        }
        assert!(!throttle.is_open(), "half is not more than half");
        throttle.succeeded();
        assert!(throttle.is_open());
        for _ in 0..1000 {
            throttle.succeeded();
        }
        assert_eq!(throttle.tokens.load(Relaxed), 1000);
    }
}
