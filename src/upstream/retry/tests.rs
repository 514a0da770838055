//! The decision, attempt by attempt.

use super::*;
use crate::config::{Codes, RetryThrottling};

fn policy(idempotent: bool) -> AttemptPolicy {
    let retry = RetryPolicy {
        max_attempts: 4,
        initial_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_millis(350),
        backoff_multiplier: 2.0,
        retryable: Codes::default().with(Code::Unavailable),
        per_attempt_recv_timeout: Some(Duration::from_secs(1)),
    };
    AttemptPolicy { again: Some(Again::Retry(retry)), idempotent, ..AttemptPolicy::default() }
}

fn throttle(max_tokens: u32) -> Throttle {
    Throttle::new(RetryThrottling { max_tokens, token_ratio_milli: 100 })
}

fn failure(class: Class) -> Failure {
    Failure { class, pushback: Pushback::None, left: None }
}

fn unavailable() -> Failure {
    failure(Class::Status(Code::Unavailable))
}

fn pushed(pushback: Pushback) -> Failure {
    Failure { pushback, ..unavailable() }
}

fn status(millis: u64) -> Next {
    Next::Retry(Duration::from_millis(millis), RetryCause::Status)
}

/// What follows each failure of one call, with no jitter (`random` 0.5 is a factor of 1).
#[track_caller]
fn check(policy: &AttemptPolicy, failures: &[Failure], expect: &[Next]) {
    let (throttle, mut history) = (throttle(1000), History::default());
    let found: Vec<_> =
        failures.iter().map(|failure| history.next(*failure, policy, &throttle, 0.5)).collect();
    assert_eq!(found, expect);
}

#[test]
fn delays_grow_to_the_longest_and_attempts_end() {
    check(
        &policy(false),
        &[unavailable(); 4],
        &[status(100), status(200), status(350), Next::Stop(Stop::Exhausted)],
    );
}

#[test]
fn delays_are_jittered_by_a_fifth() {
    let AttemptPolicy { again: Some(Again::Retry(retry)), .. } = policy(false) else { unreachable!() };
    let mut rng = fastrand::Rng::with_seed(7);
    for (grown, exact) in [(0, 0.1), (1, 0.2), (2, 0.35), (60, 0.35), (u32::MAX, 0.35)] {
        let delays: Vec<_> = (0..1000).map(|_| backoff(&retry, grown, rng.f64()).as_secs_f64()).collect();
        assert!(delays.iter().all(|delay| (exact * 0.8..exact * 1.2).contains(delay)), "{grown}");
        let (least, most) =
            (delays.iter().copied().fold(1.0, f64::min), delays.into_iter().fold(0.0, f64::max));
        assert!(least < exact * 0.81 && most > exact * 1.19, "{grown}: {least} to {most}");
    }
}

#[test]
fn only_listed_codes_are_tried_again() {
    for code in (0..=16).map(Code::from).filter(|code| *code != Code::Unavailable) {
        check(&policy(true), &[failure(Class::Status(code))], &[Next::Stop(Stop::Unwanted)]);
    }
    check(&policy(true), &[failure(Class::Final)], &[Next::Stop(Stop::Unwanted)]);
    check(&AttemptPolicy::default(), &[unavailable()], &[Next::Stop(Stop::Unwanted)]);
}

/// The cases of grpc-go's `TestRetryStreaming`.
#[test]
fn a_backend_says_when() {
    let after = |millis| pushed(Pushback::After(Duration::from_millis(millis)));
    check(
        &policy(false),
        &[unavailable(), after(1500), unavailable(), after(0)],
        &[status(100), status(1500), status(100), Next::Stop(Stop::Exhausted)],
    );
    check(&policy(false), &[pushed(Pushback::Never)], &[Next::Stop(Stop::Pushback)]);
    check(&policy(false), &[after(0), after(0)], &[status(0), status(0)]);
    // A code that is not listed is not tried again, whatever the time.
    let other = Failure { class: Class::Status(Code::Internal), ..after(1) };
    check(&policy(false), &[other], &[Next::Stop(Stop::Unwanted)]);
}

#[test]
fn what_a_backend_may_have_run_is_tried_again_only_where_that_does_no_harm() {
    let late = failure(Class::Late);
    let lost = failure(Class::Lost);
    let broken = failure(Class::Broken(Code::Unavailable));
    for (failure, cause) in [(late, RetryCause::Late), (lost, RetryCause::Lost), (broken, RetryCause::Broken)]
    {
        check(&policy(true), &[failure], &[Next::Retry(Duration::from_millis(100), cause)]);
        check(&policy(false), &[failure], &[Next::Stop(Stop::MayHaveRun)]);
    }
}

#[test]
fn what_was_never_sent_is_tried_again_five_times() {
    let never_sent = failure(Class::NeverSent);
    let rest = |millis| Next::Transparent(Duration::from_millis(millis));
    let mut expect = vec![rest(0), rest(10), rest(20), rest(40), rest(80)];
    expect.push(Next::Stop(Stop::Unwanted));
    check(&AttemptPolicy::default(), &[never_sent; 6], &expect);
    expect.pop();
    expect.push(Next::Retry(Duration::from_millis(100), RetryCause::NotSent));
    check(&policy(false), &[never_sent; 6], &expect);
}

#[test]
fn what_was_refused_is_tried_again_once_and_then_by_the_policy() {
    let refused = failure(Class::Unprocessed);
    let at_once = Next::Transparent(Duration::ZERO);
    check(&AttemptPolicy::default(), &[refused; 2], &[at_once, Next::Stop(Stop::Unwanted)]);
    let retry = |millis| Next::Retry(Duration::from_millis(millis), RetryCause::Refused);
    check(&policy(false), &[refused; 3], &[at_once, retry(100), retry(200)]);
}

#[test]
fn a_call_that_found_nobody_is_tried_again_by_the_policy_alone() {
    let nobody = failure(Class::NotPicked);
    check(&AttemptPolicy::default(), &[nobody], &[Next::Stop(Stop::Unwanted)]);
    check(&policy(false), &[nobody], &[Next::Retry(Duration::from_millis(100), RetryCause::NotSent)]);
}

#[test]
fn nothing_is_tried_again_after_the_deadline() {
    let left = |millis, failure| Failure { left: Some(Duration::from_millis(millis)), ..failure };
    check(&policy(false), &[left(100, unavailable())], &[Next::Stop(Stop::TooLate)]);
    check(&policy(false), &[left(101, unavailable())], &[status(100)]);
    let pushback = pushed(Pushback::After(Duration::from_secs(3)));
    check(&policy(false), &[left(2999, pushback)], &[Next::Stop(Stop::TooLate)]);
    check(&policy(false), &[left(0, failure(Class::Unprocessed))], &[Next::Stop(Stop::TooLate)]);
}

/// What takes a token: a listed code, whatever comes of it, and a backend that does not want to be asked again.
#[test]
fn the_throttle_counts_what_grpc_go_counts() {
    let cases = [
        (unavailable(), 1),
        (pushed(Pushback::Never), 1),
        (Failure { class: Class::Status(Code::NotFound), ..pushed(Pushback::Never) }, 1),
        (failure(Class::Lost), 1),
        (failure(Class::NotPicked), 1),
        (failure(Class::Status(Code::NotFound)), 0),
        (failure(Class::Broken(Code::Internal)), 0),
        (failure(Class::NeverSent), 0),
        (failure(Class::Unprocessed), 0),
        (failure(Class::Final), 0),
    ];
    for (failure, tokens) in cases {
        let throttle = throttle(4);
        for before in 0..2 {
            assert_eq!(throttle.is_open(), before * tokens < 2, "{failure:?}");
            History::default().next(failure, &policy(false), &throttle, 0.5);
        }
        assert_eq!(throttle.is_open(), 2 * tokens < 2, "{failure:?}");
    }
    let throttle = throttle(4);
    let next = || History::default().next(unavailable(), &policy(false), &throttle, 0.5);
    assert_eq!([next(), next()], [status(100), Next::Stop(Stop::Throttled)]);
}

#[test]
fn the_last_attempt_may_take_all_the_time_there_is() {
    let (throttle, mut history) = (throttle(1000), History::default());
    let limit = Some(Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(history.patience(&policy(true), &throttle), limit);
        assert_eq!(history.patience(&policy(false), &throttle), None, "nothing could follow");
        history.next(failure(Class::Late), &policy(true), &throttle, 0.5);
    }
    assert_eq!((history.retries(), history.patience(&policy(true), &throttle)), (3, None));
    assert_eq!(History::default().patience(&policy(true), &self::throttle(1)), limit);
}
