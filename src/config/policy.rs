//! Deadlines and limits: what the operator wrote by selector, and what holds for one method.

use std::time::Duration;

use crate::config::rest::{RestPolicy, RestRule};
use crate::config::selector::Selector;

/// What holds for one method after every entry that matches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The deadline of a unary call whose caller sets none, never above `max_timeout`; `None` where the
    /// operator wrote `none`, and no deadline is to be invented.
    pub timeout: Option<Duration>,
    /// The most that a caller's deadline may be.
    pub max_timeout: Duration,
    /// The largest message of a request, in bytes without its frame header.
    pub max_request_bytes: usize,
    /// The largest message of a response, in bytes without its frame header.
    pub max_response_bytes: usize,
    /// How long a stream may go without a message in either direction; `None` is without bound.
    pub stream_idle_timeout: Option<Duration>,
    /// How long a stream may live; `None` is without bound.
    pub max_stream_duration: Option<Duration>,
    /// Whether a call that failed may be tried again.
    pub retry: Retry,
    /// Whether a call can be sent twice without harm; `None` where the method's own options say it.
    pub idempotent: Option<bool>,
}

/// Whether a call that a backend may have run can be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// As the service config says, or the method's idempotency.
    #[default]
    Allowed,
    /// Neither retried nor hedged, whatever they say. What was never sent still goes to another endpoint.
    Never,
}

/// One entry of `policies`: what it sets for the methods of its selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// The methods it speaks of.
    pub selector: Selector,
    /// Sets [`Policy::timeout`], to `Some(None)` by the word `none`.
    pub timeout: Option<Option<Duration>>,
    /// Sets [`Policy::max_timeout`].
    pub max_timeout: Option<Duration>,
    /// Sets [`Policy::max_request_bytes`].
    pub max_request_bytes: Option<usize>,
    /// Sets [`Policy::max_response_bytes`].
    pub max_response_bytes: Option<usize>,
    /// Sets [`Policy::stream_idle_timeout`], to `Some(None)` by the word `none`.
    pub stream_idle_timeout: Option<Option<Duration>>,
    /// Sets [`Policy::max_stream_duration`], to `Some(None)` by the word `none`.
    pub max_stream_duration: Option<Option<Duration>>,
    /// Sets [`Policy::retry`].
    pub retry: Option<Retry>,
    /// Sets [`Policy::idempotent`].
    pub idempotent: Option<bool>,
    /// Sets parts of the [`RestPolicy`].
    pub rest: RestRule,
}

/// The entries of `policies`, the most specific last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    rules: Vec<PolicyRule>,
}

impl Policies {
    /// From entries in any order.
    pub fn new(mut rules: Vec<PolicyRule>) -> Self {
        rules.sort_by(|a, b| a.selector.cmp(&b.selector));
        Self { rules }
    }

    /// The entries, the most specific last.
    pub fn rules(&self) -> &[PolicyRule] {
        &self.rules
    }

    /// What holds for `method` of the service with the full name `service`: each field from the most
    /// specific entry that sets it.
    pub fn resolve(&self, service: &str, method: &str) -> Policy {
        let mut policy = Policy::default();
        for rule in self.rules.iter().filter(|rule| rule.selector.matches(service, method)) {
            rule.apply(&mut policy);
        }
        policy.timeout = policy.timeout.map(|timeout| timeout.min(policy.max_timeout));
        policy
    }

    /// Sets in `policy` what the entries say of REST, as [`resolve`](Self::resolve).
    pub(super) fn resolve_rest(&self, service: &str, method: &str, policy: &mut RestPolicy) {
        for rule in self.rules.iter().filter(|rule| rule.selector.matches(service, method)) {
            rule.rest.apply(policy);
        }
    }
}

impl PolicyRule {
    /// An entry that sets nothing.
    pub fn new(selector: Selector) -> Self {
        Self {
            selector,
            timeout: None,
            max_timeout: None,
            max_request_bytes: None,
            max_response_bytes: None,
            stream_idle_timeout: None,
            max_stream_duration: None,
            retry: None,
            idempotent: None,
            rest: RestRule::default(),
        }
    }

    fn apply(&self, policy: &mut Policy) {
        fn set<T: Copy>(value: Option<T>, place: &mut T) {
            *place = value.unwrap_or(*place);
        }
        set(self.timeout, &mut policy.timeout);
        set(self.max_timeout, &mut policy.max_timeout);
        set(self.max_request_bytes, &mut policy.max_request_bytes);
        set(self.max_response_bytes, &mut policy.max_response_bytes);
        set(self.stream_idle_timeout, &mut policy.stream_idle_timeout);
        set(self.max_stream_duration, &mut policy.max_stream_duration);
        set(self.retry, &mut policy.retry);
        set(self.idempotent.map(Some), &mut policy.idempotent);
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(15)),
            max_timeout: Duration::from_secs(300),
            max_request_bytes: 4 << 20,
            max_response_bytes: 16 << 20,
            stream_idle_timeout: Some(Duration::from_secs(300)),
            max_stream_duration: Some(Duration::from_secs(3600)),
            retry: Retry::Allowed,
            idempotent: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(
        selector: &str,
        timeout: Option<Option<u64>>,
        max: Option<u64>,
        bytes: Option<usize>,
    ) -> PolicyRule {
        PolicyRule {
            timeout: timeout.map(|seconds| seconds.map(Duration::from_secs)),
            max_timeout: max.map(Duration::from_secs),
            max_request_bytes: bytes,
            ..PolicyRule::new(selector.parse().expect(selector))
        }
    }

    #[test]
    fn the_most_specific_wins_field_by_field() {
        let policies = Policies::new(vec![
            rule("shop.v1.Orders.Get", Some(Some(2)), None, None),
            rule("*", Some(Some(15)), Some(60), Some(1)),
            rule("shop.v1.Orders.*", Some(None), None, Some(2)),
            rule("shop.*", Some(Some(600)), None, None),
        ]);
        for (service, method, timeout, bytes) in [
            ("other.Service", "Get", Some(15), 1),
            ("shop.v1.Catalog", "Get", Some(60), 1),
            ("shop.v1.Orders", "List", None, 2),
            ("shop.v1.Orders", "Get", Some(2), 2),
        ] {
            let policy = policies.resolve(service, method);
            assert_eq!(policy.timeout, timeout.map(Duration::from_secs), "{service} {method}");
            assert_eq!(policy.max_request_bytes, bytes, "{service} {method}");
            assert_eq!(policy.max_timeout, Duration::from_secs(60), "{service} {method}");
            assert_eq!(policy.max_response_bytes, Policy::default().max_response_bytes);
        }
        assert_eq!(Policies::default().resolve("a.B", "C"), Policy::default());
    }

    #[test]
    fn what_may_be_tried_again_is_said_by_selector() {
        let rule = |selector: &str, retry, idempotent| PolicyRule {
            retry,
            idempotent,
            ..PolicyRule::new(selector.parse().expect(selector))
        };
        let policies = Policies::new(vec![
            rule("shop.*", Some(Retry::Never), None),
            rule("shop.v1.Orders.*", None, Some(false)),
            rule("shop.v1.Orders.Put", Some(Retry::Allowed), Some(true)),
        ]);
        for (service, method, retry, idempotent) in [
            ("other.Service", "Get", Retry::Allowed, None),
            ("shop.v1.Catalog", "Get", Retry::Never, None),
            ("shop.v1.Orders", "Get", Retry::Never, Some(false)),
            ("shop.v1.Orders", "Put", Retry::Allowed, Some(true)),
        ] {
            let policy = policies.resolve(service, method);
            assert_eq!((policy.retry, policy.idempotent), (retry, idempotent), "{service} {method}");
        }
    }
}
