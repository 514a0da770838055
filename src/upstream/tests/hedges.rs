//! Attempts side by side, as backends see them.

use std::sync::atomic::Ordering::SeqCst;

use super::{
    script::{Say, Script, code},
    *,
};
use crate::config::{Again, AttemptPolicy, Codes, HedgingPolicy, OutlierDetection, RetryThrottling};

fn policy(max_attempts: u32, delay: Duration) -> Arc<AttemptPolicy> {
    let non_fatal = Codes::default().with(Code::Unavailable);
    let hedge = HedgingPolicy { max_attempts, hedging_delay: delay, non_fatal };
    Arc::new(AttemptPolicy {
        again: Some(Again::Hedge(hedge)),
        idempotent: true,
        no_side_effects: true,
        ..AttemptPolicy::default()
    })
}

/// Three attempts a moment apart, to backends that are all connected.
async fn way(scripts: &[&Script], delay: Duration, configure: impl FnOnce(&mut config::Cluster)) -> Way {
    let addresses: Vec<_> = scripts.iter().map(|script| script.address).collect();
    let mut way = Way::with(&addresses, Kind::Unary, |cluster| {
        let throttling = RetryThrottling { max_tokens: 1000, token_ratio_milli: 1 };
        cluster.service_config.retry_throttling = Some(throttling);
        configure(cluster);
    });
    way.context.attempts = policy(3, delay);
    way.connected().await;
    way
}

fn request() -> Body {
    Body::full(frame::encode(b"request"))
}

const MOMENT: Duration = Duration::from_millis(20);

async fn until(what: impl Fn() -> bool) {
    within(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

fn hedges(way: &Way, result: &str) -> u64 {
    let page = way.metrics.encode();
    let line = format!("edgeway_hedges_total{{cluster=\"orders\",result=\"{result}\"}} ");
    page.lines().find_map(|found| found.strip_prefix(&line)).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_first_answer_wins_and_the_others_are_cancelled() {
    let slow = [Script::start(|_| Say::Nothing).await, Script::start(|_| Say::Nothing).await];
    let quick = Script::start(|_| Say::Message).await;
    let way = way(&[&slow[0], &slow[1], &quick], MOMENT, |_| {}).await;
    for call in 1..=10 {
        let answer = within(way.call(request())).await.unwrap();
        let via = way.via();
        assert_eq!(via.endpoint, Address::Tcp(quick.address));
        assert_eq!(quick.calls(), call, "each attempt goes where none has been");
        let sent = u32::try_from(slow[0].calls() + slow[1].calls() + quick.calls()).unwrap();
        assert!(via.attempts <= 3 && sent >= via.attempts);
        assert_eq!(code(Ok(answer)).await, 0);
        until(|| slow.iter().all(|slow| slow.cancelled.load(SeqCst) == slow.calls())).await;
    }
    until(|| way.in_flight() == 0).await;
    let sent = (slow[0].calls() + slow[1].calls() + quick.calls()) as u64;
    assert_eq!(hedges(&way, "won") + hedges(&way, "lost"), sent - 10);
    assert!(hedges(&way, "won") > 0, "the quick one cannot have been the first of all ten");
}

#[tokio::test]
async fn backends_are_told_how_many_there_were_before() {
    let script = Script::start(|call| if call == 2 { Say::Message } else { Say::Nothing }).await;
    let way = way(&[&script], MOMENT, |_| {}).await;
    assert_eq!(code(within(way.call(request())).await).await, 0);
    assert_eq!(way.sum("grpc_client_call_hedges_sum"), 2.0);
    let seen = script.seen.lock();
    let previous: Vec<_> = seen.iter().map(|seen| seen.previous.as_deref()).collect();
    assert_eq!(previous, [None, Some("1"), Some("2")]);
    assert!(seen.iter().all(|seen| seen.body == frame::encode(b"request")));
}

#[tokio::test]
async fn all_that_fail_are_one_failure() {
    let script = Script::start(|_| Say::Only(14)).await;
    let way = way(&[&script], Duration::from_secs(60), |_| {}).await;
    let answer = within(way.call(request())).await.unwrap();
    assert_eq!(way.via().attempts, 3);
    assert_eq!((code(Ok(answer)).await, script.calls()), (14, 3));
}

#[tokio::test]
async fn a_fatal_status_cancels_the_others() {
    let slow = Script::start(|_| Say::Nothing).await;
    let way_to = async |says: &'static [Say]| {
        let other = Script::start(|call| says[call.min(says.len() - 1)]).await;
        (way(&[&slow, &other], Duration::ZERO, |_| {}).await, other)
    };
    let (way, other) = way_to(&[Say::Only(5)]).await;
    assert_eq!(code(within(way.call(request())).await).await, 5);
    assert!(other.calls() >= 1);
    until(|| slow.calls() == slow.cancelled.load(SeqCst) && way.in_flight() == 0).await;
}

#[tokio::test]
async fn a_backend_that_pushes_back_is_heard() {
    let started = Instant::now();
    let script = Script::start(|call| match call {
        0 => Say::Pushback(14, &["200"]),
        _ => Say::Message,
    })
    .await;
    let patient = way(&[&script], Duration::ZERO, |_| {}).await;
    let mut once = patient.context.clone();
    once.attempts = policy(2, Duration::from_secs(60));
    let patient = Way { context: once, ..patient };
    assert_eq!(code(within(patient.call(request())).await).await, 0);
    assert!(started.elapsed() >= Duration::from_millis(200));
    let script = Script::start(|_| Say::Pushback(14, &["-1"])).await;
    let way = way(&[&script], Duration::from_secs(60), |_| {}).await;
    assert_eq!((code(within(way.call(request())).await).await, script.calls()), (14, 1));
}

#[tokio::test]
async fn without_tokens_a_call_goes_out_once() {
    let script = Script::start(|_| Say::Only(14)).await;
    let way = way(&[&script], Duration::from_secs(60), |cluster| {
        cluster.service_config.retry_throttling =
            Some(RetryThrottling { max_tokens: 4, token_ratio_milli: 1 });
    })
    .await;
    for _ in 0..20 {
        assert_eq!(code(within(way.call(request())).await).await, 14);
    }
    // The first takes two of four tokens and more by its second attempt; every further call is one attempt.
    assert_eq!(script.calls(), 21);
}

#[tokio::test]
async fn hedges_are_within_the_budget_of_retries() {
    let script = Script::start(|call| if call < 2 { Say::Nothing } else { Say::Message }).await;
    let way = way(&[&script], Duration::ZERO, |cluster| cluster.circuit_breakers.max_retries = 1).await;
    let mut call = Box::pin(way.call(request()));
    tokio::select! {
        _ = &mut call => panic!("neither attempt is answered"),
        () = until(|| script.calls() == 2) => {}
    }
    // The place is taken, so the other call goes out once.
    assert_eq!(code(within(way.call(request())).await).await, 0);
    assert_eq!(script.calls(), 3);
    drop(call);
    until(|| script.cancelled.load(SeqCst) == 2 && way.in_flight() == 0).await;
    assert_eq!(code(within(way.call(request())).await).await, 0);
    assert_eq!(hedges(&way, "won") + hedges(&way, "lost"), 2, "one of the first call, one of the last");
}

#[tokio::test]
async fn losers_are_not_held_against_their_endpoints() {
    let slow = Script::start(|_| Say::Nothing).await;
    let quick = Script::start(|_| Say::Message).await;
    let way = way(&[&slow, &quick], Duration::ZERO, |cluster| {
        let detection = OutlierDetection { consecutive_failures: Some(1), ..OutlierDetection::default() };
        cluster.outlier_detection = Some(detection);
    })
    .await;
    for _ in 0..20 {
        assert_eq!(code(within(way.call(request())).await).await, 0);
    }
    until(|| way.in_flight() == 0).await;
    assert!(way.cluster.snapshot().iter().all(|endpoint| !endpoint.is_ejected()));
    assert!(slow.calls() > 0);
}

#[tokio::test]
async fn an_endpoint_that_lacks_the_method_is_passed_over_by_every_attempt() {
    let old = Script::start(|_| Say::Only(12)).await;
    let new = Script::start(|_| Say::Message).await;
    let way = way(&[&old, &new], Duration::from_secs(60), |_| {}).await;
    for _ in 0..20 {
        assert_eq!(code(within(way.call(request())).await).await, 0);
    }
    assert!(old.calls() <= 1, "{}", old.calls());
}
