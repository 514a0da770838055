//! Which attempts a backend sees.

use std::sync::atomic::Ordering::SeqCst;

use super::{
    script::{Say, Script, code},
    *,
};
use crate::{
    call::Journal,
    config::{Again, AttemptPolicy, Codes, RetryPolicy, RetryThrottling},
};

/// Three attempts on UNAVAILABLE, a moment apart.
fn policy(idempotent: bool) -> AttemptPolicy {
    let retry = RetryPolicy {
        max_attempts: 3,
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        ..RetryPolicy::idempotent()
    };
    AttemptPolicy { again: Some(Again::Retry(retry)), idempotent, ..AttemptPolicy::default() }
}

fn way(scripts: &[&Script], kind: Kind, policy: AttemptPolicy) -> Way {
    let addresses: Vec<_> = scripts.iter().map(|script| script.address).collect();
    let mut way = Way::with(&addresses, kind, |_| {});
    way.context.attempts = Arc::new(policy);
    way
}

fn request() -> Body {
    Body::full(frame::encode(b"request"))
}

/// What `says` in turn comes to: the code of the call, and how many attempts there were.
async fn check(kind: Kind, policy: AttemptPolicy, says: &'static [Say], expect: (i32, usize)) {
    let script = Script::start(|call| says[call.min(says.len() - 1)]).await;
    let way = way(&[&script], kind, policy);
    let answer = within(way.call(request())).await;
    let attempts = answer.is_ok().then(|| way.via().attempts);
    let found = code(answer).await;
    assert_eq!((found, script.calls()), expect, "{kind:?} {says:?}");
    assert!(attempts.is_none_or(|attempts| attempts as usize == expect.1), "{attempts:?}");
    let seen = script.seen.lock();
    for seen in seen.iter() {
        assert_eq!(seen.body, frame::encode(b"request"), "{kind:?} {says:?}");
    }
}

#[tokio::test]
async fn a_failure_before_any_message_is_tried_again_by_the_policy() {
    use Say::{After, Message, Only, Slowly, Status};
    for kind in [Kind::Unary, Kind::ServerStream] {
        check(kind, policy(false), &[Message], (0, 1)).await;
        check(kind, policy(false), &[Only(14), Message], (0, 2)).await;
        check(kind, policy(false), &[Status(14), Message], (0, 2)).await;
        check(kind, policy(false), &[Only(14), Status(14), Message], (0, 3)).await;
        check(kind, policy(false), &[Only(14)], (14, 3)).await;
        check(kind, policy(false), &[Only(14), Only(5)], (5, 2)).await;
        check(kind, policy(false), &[Only(13)], (13, 1)).await;
        check(kind, policy(false), &[After(14)], (14, 1)).await;
        check(kind, AttemptPolicy::default(), &[Only(14)], (14, 1)).await;
    }
    // A stream's head is not held back for long, and with it the answer has begun.
    check(Kind::Unary, policy(false), &[Slowly(200, 14), Message], (0, 2)).await;
    check(Kind::ServerStream, policy(false), &[Slowly(200, 14), Message], (14, 1)).await;
    // Of a bidirectional one nothing is.
    check(Kind::Bidi, policy(false), &[Only(14), Message], (0, 2)).await;
}

#[tokio::test]
async fn what_may_have_run_is_tried_again_where_that_does_no_harm() {
    use Say::{Hangup, Http, Message, Reset};
    for (say, code) in [(&[Hangup, Message], 14), (&[Http(503), Message], 14)] {
        check(Kind::Unary, policy(true), say, (0, 2)).await;
        check(Kind::Unary, policy(false), say, (code, 1)).await;
    }
    check(Kind::Unary, policy(true), &[Reset(h2::Reason::INTERNAL_ERROR), Message], (13, 1)).await;
    let mut on_internal = policy(true);
    if let Some(Again::Retry(retry)) = &mut on_internal.again {
        retry.retryable = Codes::default().with(Code::Internal);
    }
    check(Kind::Unary, on_internal, &[Reset(h2::Reason::INTERNAL_ERROR), Message], (0, 2)).await;
}

#[tokio::test]
async fn a_lost_call_that_is_not_tried_again_has_an_unknown_outcome() {
    let script = Script::start(|_| Say::Hangup).await;
    let error = within(way(&[&script], Kind::Unary, policy(false)).call(request())).await.unwrap_err();
    assert_eq!(error.reason(), Some(crate::call::reason::OUTCOME_UNKNOWN));
}

#[tokio::test]
async fn a_backend_is_told_of_the_attempts_that_the_policy_made() {
    let script = Script::start(|call| match call {
        0 | 2 => Say::Reset(h2::Reason::REFUSED_STREAM),
        1 => Say::Only(14),
        _ => Say::Message,
    })
    .await;
    let way = way(&[&script], Kind::Unary, policy(false));
    assert_eq!(code(within(way.call(request())).await).await, 0);
    assert_eq!(way.sum("grpc_client_call_retries_sum"), 2.0);
    assert_eq!(way.sum("grpc_client_call_transparent_retries_sum"), 1.0);
    assert_eq!(way.sum("grpc_client_call_retry_delay_seconds_count"), 1.0);
    let seen: Vec<_> = script.seen.lock().iter().map(|seen| seen.previous.clone()).collect();
    // Refused and sent again, then retried twice: the second time because it was refused once too often.
    assert_eq!(seen, [None, None, Some("1".to_owned()), Some("2".to_owned())]);
}

#[tokio::test]
async fn a_backend_says_when_it_is_asked_again() {
    let started = Instant::now();
    check(Kind::Unary, policy(false), &[Say::Pushback(14, &["200"]), Say::Message], (0, 2)).await;
    assert!(started.elapsed() >= Duration::from_millis(200));
    check(Kind::Unary, policy(false), &[Say::Pushback(14, &["-1"])], (14, 1)).await;
    check(Kind::Unary, policy(false), &[Say::Pushback(14, &["x"])], (14, 1)).await;
    check(Kind::Unary, policy(false), &[Say::Pushback(14, &["1", "1"])], (14, 1)).await;
}

/// A client's stream that sends `sizes` bytes, one piece after the other.
fn upload(sizes: Vec<usize>) -> Body {
    let pieces = sizes.into_iter().map(|size| Ok::<_, CallError>(Frame::data(Bytes::from(vec![7; size]))));
    Body::stream(StreamBody::new(stream::iter(pieces)))
}

#[tokio::test]
async fn a_request_is_sent_again_as_far_as_it_was_kept() {
    for (sizes, attempts) in [(vec![10; 100], 2), (vec![16 << 10; 4], 2), (vec![(64 << 10) + 1], 1)] {
        let bytes: usize = sizes.iter().sum();
        let script = Script::start(|call| if call == 0 { Say::Only(14) } else { Say::Message }).await;
        let way = way(&[&script], Kind::ClientStream, policy(false));
        let found = code(within(way.call(upload(sizes))).await).await;
        assert_eq!(found, if attempts == 2 { 0 } else { 14 });
        let seen: Vec<_> = script.seen.lock().iter().map(|seen| seen.body.len()).collect();
        assert_eq!(seen, vec![bytes; attempts]);
    }
}

/// The answer comes while the retry has yet to send what the first attempt sent.
#[tokio::test]
async fn an_early_answer_to_a_retry_does_not_cut_its_request() {
    let (bodies, mut bodies_seen) = mpsc::unbounded_channel();
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let address = backend(move |(request, mut respond): Exchange| {
        let (calls, bodies) = (Arc::clone(&calls), bodies.clone());
        async move {
            let mut stream = request.into_body();
            if calls.fetch_add(1, SeqCst) == 0 {
                stream.data().await.unwrap().unwrap();
                respond.send_response(script::head_of(14), true).unwrap();
                return;
            }
            let mut answer = respond.send_response(head(), false).unwrap();
            let mut bytes = 0;
            while let Some(Ok(data)) = stream.data().await {
                bytes += data.len();
            }
            bodies.send(bytes).unwrap();
            answer.send_trailers(ok()).unwrap();
        }
    })
    .await;
    let mut way = Way::to(address, Kind::Bidi);
    way.context.attempts = Arc::new(policy(false));
    let (pieces, more) = mpsc::channel::<Result<Frame<Bytes>, CallError>>(1);
    let body = Body::stream(StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(more)));
    pieces.send(Ok(Frame::data(Bytes::from(vec![7; 1000])))).await.unwrap();
    let answer = within(way.call(body)).await.unwrap();
    pieces.send(Ok(Frame::data(Bytes::from(vec![7; 500])))).await.unwrap();
    drop(pieces);
    assert_eq!(within(bodies_seen.recv()).await, Some(1500));
    assert_eq!(code(Ok(answer)).await, 0);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_cancelled_and_tried_again() {
    let script = Script::start(|call| if call < 2 { Say::Nothing } else { Say::Message }).await;
    let mut policy = policy(true);
    if let Some(Again::Retry(retry)) = &mut policy.again {
        retry.per_attempt_recv_timeout = Some(Duration::from_millis(50));
    }
    let way = way(&[&script], Kind::Unary, policy);
    assert_eq!(code(within(way.call(request())).await).await, 0);
    assert_eq!(script.calls(), 3);
    within(async {
        while script.cancelled.load(SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_deadline_that_passes_before_the_next_attempt_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut way = Way::with(&[listener.local_addr().unwrap()], Kind::Unary, |_| {});
    way.context.attempts = Arc::new(policy(true));
    way.context.deadline = Some(Instant::now() + Duration::from_millis(300));
    // Hangs up when it has the call, and never again says a word.
    let backend = async {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        connection.accept().await.unwrap().unwrap();
    };
    let (error, ()) = within(async { tokio::join!(way.call(request()), backend) }).await;
    let error = error.unwrap_err();
    assert_eq!((error.status().code(), error.reason()), (Code::DeadlineExceeded, Some("OUTCOME_UNKNOWN")));
    assert_eq!(error.deadline_in(), Some(DeadlineIn::Connect));
}

#[tokio::test]
async fn an_attempt_goes_where_none_has_been() {
    let bad = Script::start(|_| Say::Only(14)).await;
    let good = Script::start(|_| Say::Message).await;
    let mut way = Way::with(&[bad.address, good.address], Kind::Unary, |cluster| {
        let throttling = RetryThrottling { max_tokens: 1000, token_ratio_milli: 1 };
        cluster.service_config.retry_throttling = Some(throttling);
    });
    way.context.attempts = Arc::new(policy(false));
    way.connected().await;
    for _ in 0..20 {
        assert_eq!(code(within(way.call(request())).await).await, 0);
    }
    assert_eq!(good.calls(), 20);
}

/// What the access log says of a call that failed: its attempts, and why there were no more.
async fn check_journal(
    say: Say,
    configure: impl FnOnce(&mut config::Cluster),
    expect: (u32, &[&'static str]),
) {
    let script = Script::start(move |_| say).await;
    let mut way = Way::with(&[script.address], Kind::Unary, configure);
    way.context.attempts = Arc::new(policy(false));
    let journal = Arc::<Journal>::default();
    way.context.journal = Some(Arc::clone(&journal));
    way.connected().await;
    within(way.call(request())).await.unwrap();
    assert_eq!((journal.attempts(), journal.outcome().flags.as_slice()), expect);
}

#[tokio::test]
async fn the_access_log_says_why_no_further_attempt_was_made() {
    let tokens = |max_tokens| {
        move |cluster: &mut config::Cluster| {
            let throttling = RetryThrottling { max_tokens, token_ratio_milli: 1 };
            cluster.service_config.retry_throttling = Some(throttling);
        }
    };
    check_journal(Say::Message, tokens(100), (1, &[])).await;
    check_journal(Say::Only(5), tokens(100), (1, &[])).await;
    check_journal(Say::Only(14), tokens(100), (3, &["UpstreamRetryLimitExceeded"])).await;
    check_journal(Say::Only(14), tokens(3), (2, &["RetryThrottled"])).await;
    let no_budget = |cluster: &mut config::Cluster| {
        cluster.circuit_breakers.max_retries = 0;
        cluster.circuit_breakers.retry_budget_percent = 0;
    };
    check_journal(Say::Only(14), no_budget, (1, &["RetryBudgetExhausted"])).await;
}

/// Scenario 26: with everything failing, retries stop to add load.
#[tokio::test]
async fn retries_of_a_cluster_that_only_fails_end() {
    let script = Script::start(|_| Say::Only(14)).await;
    let way = way(&[&script], Kind::Unary, policy(false));
    for _ in 0..100 {
        assert_eq!(code(within(way.call(request())).await).await, 14);
    }
    assert!((101..=104).contains(&script.calls()), "{}", script.calls());
}

#[tokio::test]
async fn a_method_that_one_endpoint_lacks_is_called_on_another() {
    let old = Script::start(|_| Say::Only(12)).await;
    let new = Script::start(|_| Say::Message).await;
    let way = way(&[&old, &new], Kind::Unary, AttemptPolicy::default());
    way.connected().await;
    for _ in 0..50 {
        assert_eq!(code(within(way.call(request())).await).await, 0);
    }
    assert_eq!(new.calls(), 50);
    assert!(old.calls() <= 1, "{} calls went where the method is known to be missing", old.calls());
}

#[tokio::test]
async fn a_method_that_all_endpoints_lack_is_unimplemented() {
    let (one, other) = (Script::start(|_| Say::Only(12)).await, Script::start(|_| Say::Only(12)).await);
    let way = way(&[&one, &other], Kind::Unary, AttemptPolicy::default());
    way.connected().await;
    for _ in 0..10 {
        assert_eq!(code(within(way.call(request())).await).await, 12);
    }
    assert_eq!(one.calls() + other.calls(), 11, "the first call asks both, the others one");
}
