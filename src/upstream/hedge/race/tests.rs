//! Scripted attempts on a paused clock.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use tonic::Code;

use self::Outcome::{Answers, Ends, Fails, FindsNoPlace, PushesBack, Refuses};
use super::*;
use crate::{
    call::{Body, CallError},
    config::{self, Address, Codes, HedgingPolicy, RetryThrottling, Target},
    telemetry::Metrics,
    upstream::{Clusters, failure::Class, retry::Pushback},
};

/// What comes of an attempt, and so many milliseconds after it was made.
type Fate = (u64, Outcome);

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Answers,
    /// UNAVAILABLE, which does not end the call.
    Fails,
    PushesBack(u64),
    Refuses,
    /// NOT_FOUND, which does.
    Ends,
    FindsNoPlace,
}

/// What was seen of a call.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// When its attempts were made.
    made: Vec<u64>,
    /// Which of them were cancelled.
    cancelled: Vec<u32>,
    /// When it ended, and with which code; `None` when no attempt was there.
    end: Option<(u64, Code)>,
}

struct Test {
    policy: HedgingPolicy,
    throttle: Throttle,
    deadline: Option<u64>,
    /// How many attempts the budget has.
    places: u32,
    /// Until when each attempt waits for its place.
    waits: u64,
}

impl Default for Test {
    fn default() -> Self {
        let non_fatal = Codes::default().with(Code::Unavailable);
        Self {
            policy: HedgingPolicy { max_attempts: 3, hedging_delay: Duration::from_millis(100), non_fatal },
            throttle: Throttle::new(RetryThrottling { max_tokens: 1000, token_ratio_milli: 100 }),
            deadline: None,
            places: 5,
            waits: 0,
        }
    }
}

/// Says that its attempt was cancelled, unless it came to an end.
struct Cancelled<'a>(u32, &'a RefCell<Vec<u32>>, bool);

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if !self.2 {
            self.1.borrow_mut().push(self.0);
        }
    }
}

impl Test {
    async fn run(&self, fates: &[Fate]) -> Seen {
        let metrics = Metrics::new();
        let config = config::Cluster::new("orders", Target::Static(Vec::new()));
        let clusters = Clusters::new([config], &metrics);
        let cluster = clusters.iter().next().unwrap();
        cluster.roster().resolved([Address::Tcp(([127, 0, 0, 1], 1).into())]);
        let endpoint = &cluster.snapshot()[0];
        let start = Instant::now();
        let millis = || u64::try_from(start.elapsed().as_millis()).unwrap();
        let (made, cancelled, placed) = (RefCell::new(Vec::new()), RefCell::default(), Cell::new(0));
        let rules = Rules {
            throttle: &self.throttle,
            deadline: self.deadline.map(|deadline| start + Duration::from_millis(deadline)),
            waits: || millis() < placed.get(),
            throttled: &|| cluster.metrics().throttled(),
        };
        let end = run(Course::new(&self.policy, start), rules, |before| {
            let (after, outcome) = *fates.get(before as usize)?;
            if before >= self.places {
                return None;
            }
            made.borrow_mut().push(millis());
            placed.set(millis() + self.waits);
            let cancelled = Cancelled(before, &cancelled, false);
            let waits = Duration::from_millis(self.waits);
            Some(async move {
                let mut cancelled = cancelled;
                tokio::time::sleep(waits).await;
                tokio::time::sleep(Duration::from_millis(after)).await;
                cancelled.2 = true;
                let status =
                    |code, pushback| Err(Failed::status(code, pushback, Response::new(Body::empty())));
                let answer = match outcome {
                    Answers => Ok(Response::new(Body::empty())),
                    Fails => status(Code::Unavailable, Pushback::None),
                    PushesBack(millis) => {
                        status(Code::Unavailable, Pushback::After(Duration::from_millis(millis)))
                    }
                    Refuses => status(Code::Unavailable, Pushback::Never),
                    Ends => status(Code::NotFound, Pushback::None),
                    FindsNoPlace => Err(Failed::new(Class::Final, CallError::overloaded("orders", "full"))),
                };
                let placed = !matches!(outcome, FindsNoPlace);
                let hedge = (before > 0).then(|| Hedge::new(cluster));
                End { endpoint: placed.then(|| Arc::clone(endpoint)), hedge, answer }
            })
        })
        .await;
        let code = |end: &End| end.answer.as_ref().map_or_else(Failed::code, |_| Code::Ok);
        let end = end.map(|end| (millis(), code(&end)));
        Seen { made: made.into_inner(), cancelled: cancelled.into_inner(), end }
    }

    #[track_caller]
    fn check(
        &self,
        fates: &[Fate],
        made: &[u64],
        cancelled: &[u32],
        end: (u64, Code),
    ) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let mut seen = self.run(fates).await;
            seen.cancelled.sort_unstable();
            let expect = Seen { made: made.to_vec(), cancelled: cancelled.to_vec(), end: Some(end) };
            assert_eq!(seen, expect, "{place}: {fates:?}");
        }
    }
}

const LONG: u64 = 100_000;

#[tokio::test(start_paused = true)]
async fn the_next_is_made_after_the_delay_and_the_first_answer_wins() {
    let test = Test::default();
    test.check(&[(50, Answers)], &[0], &[], (50, Code::Ok)).await;
    test.check(&[(LONG, Answers), (50, Answers)], &[0, 100], &[0], (150, Code::Ok)).await;
    test.check(&[(120, Answers), (50, Answers)], &[0, 100], &[1], (120, Code::Ok)).await;
    let fates = [(LONG, Answers), (LONG, Answers), (7, Answers)];
    test.check(&fates, &[0, 100, 200], &[0, 1], (207, Code::Ok)).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_delay_all_are_made_at_once() {
    let mut test = Test::default();
    test.policy.hedging_delay = Duration::ZERO;
    test.policy.max_attempts = 5;
    let fates = [(50, Answers), (40, Answers), (30, Answers), (20, Answers), (10, Answers)];
    test.check(&fates, &[0; 5], &[0, 1, 2, 3], (10, Code::Ok)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_fatal_makes_the_next_at_once() {
    let test = Test::default();
    test.check(&[(30, Fails), (30, Answers)], &[0, 30], &[], (60, Code::Ok)).await;
    // From then on the delay is counted anew.
    let fates = [(30, Fails), (LONG, Answers), (5, Answers)];
    test.check(&fates, &[0, 30, 130], &[1], (135, Code::Ok)).await;
    test.check(&[(10, Fails); 3], &[0, 10, 20], &[], (30, Code::Unavailable)).await;
}

#[tokio::test(start_paused = true)]
async fn a_fatal_failure_ends_the_call_and_cancels_the_others() {
    let test = Test::default();
    let fates = [(LONG, Answers), (20, Ends)];
    test.check(&fates, &[0, 100], &[0], (120, Code::NotFound)).await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_says_when_the_next_is_made_or_that_none_is() {
    let test = Test::default();
    test.check(&[(10, PushesBack(500)), (5, Answers)], &[0, 510], &[], (515, Code::Ok)).await;
    test.check(&[(10, PushesBack(0)), (5, Answers)], &[0, 10], &[], (15, Code::Ok)).await;
    test.check(&[(10, Refuses)], &[0], &[], (10, Code::Unavailable)).await;
    // The first goes on, and the third is not made.
    test.check(&[(300, Answers), (10, Refuses)], &[0, 100], &[], (300, Code::Ok)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_waited_for_beyond_the_deadline() {
    let test = Test { deadline: Some(500), ..Test::default() };
    test.check(&[(10, PushesBack(600))], &[0], &[], (10, Code::Unavailable)).await;
    test.check(&[(10, PushesBack(400)), (5, Answers)], &[0, 410], &[], (415, Code::Ok)).await;
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_made_without_tokens() {
    let throttle = || Throttle::new(RetryThrottling { max_tokens: 3, token_ratio_milli: 100 });
    let test = Test { throttle: throttle(), ..Test::default() };
    // Two of three tokens are more than half, one is not.
    test.check(&[(10, Fails); 3], &[0, 10], &[], (20, Code::Unavailable)).await;
    test.check(&[(10, Fails); 3], &[0], &[], (10, Code::Unavailable)).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_budget_refuses_is_not_made_and_ends_nothing() {
    let test = Test { places: 1, ..Test::default() };
    test.check(&[(300, Answers), (1, Answers)], &[0], &[], (300, Code::Ok)).await;
    test.check(&[(10, Fails), (1, Answers)], &[0], &[], (10, Code::Unavailable)).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_finds_no_place_ends_nothing() {
    let test = Test::default();
    test.check(&[(300, Answers), (1, FindsNoPlace)], &[0, 100], &[], (300, Code::Ok)).await;
    test.check(&[(150, Ends), (1, FindsNoPlace)], &[0, 100], &[], (150, Code::NotFound)).await;
    test.check(&[(10, FindsNoPlace)], &[0], &[], (10, Code::Unavailable)).await;
}

#[tokio::test(start_paused = true)]
async fn none_is_made_beside_one_that_waits_for_its_place() {
    let test = Test { waits: 300, ..Test::default() };
    test.check(&[(10, Answers), (10, Answers)], &[0, 300], &[1], (310, Code::Ok)).await;
}
