//! When the next attempt of a hedged call is made, and when none is any more.

use tokio::time::Instant;

use crate::{
    config::HedgingPolicy,
    upstream::{
        brakes::Throttle,
        failure::{Class, Failed},
        retry::Pushback,
    },
};

/// The attempts of one call, counted.
#[derive(Debug)]
pub(super) struct Course<'a> {
    policy: &'a HedgingPolicy,
    made: u32,
    /// When the next one may be made; `None` when none may.
    due: Option<Instant>,
}

/// What a failed attempt means for the others.
///
/// | its code | the backend says | those under way | the next one |
/// |---|---|---|---|
/// | listed | nothing | go on | at once |
/// | listed | after so long | go on | then |
/// | listed | not again | go on | never |
/// | another | whatever | are cancelled | never |
///
/// Each but the last row, and a backend that says "not again", takes a token; with too few left there is no next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It may still be answered by another attempt.
    Open,
    /// The same, though no further one is made: too many fail of late.
    Throttled,
    /// It is the outcome of the call.
    Fatal,
}

impl<'a> Course<'a> {
    /// The first attempt is being made.
    pub(super) fn new(policy: &'a HedgingPolicy, now: Instant) -> Self {
        let mut course = Self { policy, made: 0, due: None };
        course.made(now);
        course
    }

    /// When the next attempt may be made.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// How many were made.
    pub(super) fn attempts(&self) -> u32 {
        self.made
    }

    /// One more is being made.
    pub(super) fn made(&mut self, now: Instant) {
        self.made += 1;
        self.due = self.is_next().then(|| now + self.policy.hedging_delay);
    }

    /// None is made any more.
    pub(super) fn stop(&mut self) {
        self.made = self.made.max(self.policy.max_attempts);
        self.due = None;
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, failed: &Failed, throttle: &Throttle, now: Instant) -> Outlook {
        if failed.class() == Class::Final {
            return Outlook::Fatal;
        }
        let is_fatal = !self.policy.non_fatal.contains(failed.code());
        let never = failed.pushback() == Pushback::Never;
        // A6: what counts is a non-fatal code, or a backend that does not want to be asked again.
        let is_open = (is_fatal && !never) || throttle.failed();
        if is_fatal {
            return Outlook::Fatal;
        }
        if !self.is_next() {
            return Outlook::Open;
        }
        if !is_open {
            self.stop();
            return Outlook::Throttled;
        }
        match failed.pushback() {
            Pushback::None => self.due = Some(now),
            Pushback::After(delay) => self.due = Some(now + delay),
            Pushback::Never => self.stop(),
        }
        Outlook::Open
    }

    fn is_next(&self) -> bool {
        self.made < self.policy.max_attempts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;
    use crate::{
        call::{Body, CallError, Response},
        config::{Codes, RetryThrottling},
    };

    const DELAY: u64 = 100;

    fn policy(max_attempts: u32) -> HedgingPolicy {
        let non_fatal = Codes::default().with(Code::Unavailable).with(Code::Internal);
        HedgingPolicy { max_attempts, hedging_delay: Duration::from_millis(DELAY), non_fatal }
    }

    fn throttle(max_tokens: u32) -> Throttle {
        Throttle::new(RetryThrottling { max_tokens, token_ratio_milli: 100 })
    }

    fn status(code: Code, pushback: Pushback) -> Failed {
        Failed::status(code, pushback, Response::new(Body::empty()))
    }

    /// The outlook after one failure of the first of three attempts, and in how many milliseconds the next is due.
    #[track_caller]
    fn check(failed: &Failed, outlook: Outlook, due: Option<u64>) {
        let (policy, now) = (policy(3), Instant::now());
        let mut course = Course::new(&policy, now);
        assert_eq!(course.due(), Some(now + Duration::from_millis(DELAY)));
        assert_eq!(course.failed(failed, &throttle(1000), now), outlook, "{failed:?}");
        if outlook != Outlook::Fatal {
            assert_eq!(course.due(), due.map(|due| now + Duration::from_millis(due)), "{failed:?}");
        }
    }

    #[test]
    fn the_table() {
        let after = |millis| Pushback::After(Duration::from_millis(millis));
        check(&status(Code::Unavailable, Pushback::None), Outlook::Open, Some(0));
        check(&status(Code::Internal, Pushback::None), Outlook::Open, Some(0));
        check(&status(Code::Unavailable, after(0)), Outlook::Open, Some(0));
        check(&status(Code::Unavailable, after(250)), Outlook::Open, Some(250));
        check(&status(Code::Unavailable, Pushback::Never), Outlook::Open, None);
        for pushback in [Pushback::None, after(250), Pushback::Never] {
            check(&status(Code::NotFound, pushback), Outlook::Fatal, None);
        }
        let error = || CallError::not_executed("orders", "gone");
        check(&Failed::new(Class::NeverSent, error()), Outlook::Open, Some(0));
        check(&Failed::new(Class::Lost, error()), Outlook::Open, Some(0));
        check(&Failed::new(Class::Final, error()), Outlook::Fatal, None);
    }

    #[test]
    fn attempts_end_at_their_number() {
        let (policy, now) = (policy(3), Instant::now());
        let mut course = Course::new(&policy, now);
        course.made(now);
        assert!(course.due().is_some());
        course.made(now);
        assert_eq!((course.due(), course.attempts()), (None, 3));
        let failed = status(Code::Unavailable, Pushback::After(Duration::ZERO));
        assert_eq!(course.failed(&failed, &throttle(1000), now), Outlook::Open);
        assert_eq!(course.due(), None);
    }

    #[test]
    fn tokens_are_taken_by_what_is_not_fatal_and_by_a_refusal() {
        let (policy, now) = (policy(2), Instant::now());
        for (code, pushback, taken) in [
            (Code::Unavailable, Pushback::None, true),
            (Code::Unavailable, Pushback::Never, true),
            (Code::NotFound, Pushback::Never, true),
            (Code::NotFound, Pushback::None, false),
            (Code::NotFound, Pushback::After(Duration::ZERO), false),
        ] {
            let throttle = throttle(1);
            let outlook = Course::new(&policy, now).failed(&status(code, pushback), &throttle, now);
            assert_eq!(throttle.is_open(), !taken, "{code:?} {pushback:?}");
            let expect = if code == Code::NotFound { Outlook::Fatal } else { Outlook::Throttled };
            assert_eq!(outlook, expect, "{code:?} {pushback:?}");
        }
    }
}
