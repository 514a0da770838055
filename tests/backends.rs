//! Backends that break the rules, seen from every door: each fault gives exactly one status, the same one everywhere.
//!
//! What is expected of each fault stands beside it: grpc `doc/PROTOCOL-HTTP2.md`, `doc/http-grpc-status-mapping.md`,
//! RFC 9113 sections 6.8 and 8.7, and for a connection that is lost under a call the gateway's own words
//! `NOT_EXECUTED` and `OUTCOME_UNKNOWN`.

#[path = "support/client.rs"]
mod client;
#[path = "support/doors.rs"]
mod doors;
#[path = "support/edge.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod edge;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "support/scripted.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod scripted;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use edgeway::demo::proto::ecommerce::v1::{
    CollectRequest, Order, diagnostics_service_client::DiagnosticsServiceClient,
};
use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use doors::{Door, Kind, Outcome, WAYS};
use edge::Edge;
use scripted::{Call, Headers, Scripted, Silent, Step, grpc, message, status};

/// A fault and what becomes of it.
struct Case {
    name: &'static str,
    /// What the backend does, by the number of attempts before this one.
    steps: fn(usize) -> Vec<Step>,
    unary: Expect,
    stream: Expect,
    /// How many requests the backend sees.
    attempts: usize,
}

#[derive(Clone, Copy)]
struct Expect {
    code: i64,
    /// The reason that the status has to carry; none for a status of the backend's own.
    reason: &'static str,
    /// Messages that a stream delivers.
    messages: usize,
}

fn case(name: &'static str, code: i64, steps: fn(usize) -> Vec<Step>) -> Case {
    let expect = Expect { code, reason: "", messages: 0 };
    Case { name, steps, unary: expect, stream: expect, attempts: 1 }
}

impl Case {
    /// What a stream comes to, where it differs.
    fn stream(mut self, code: i64, messages: usize) -> Self {
        self.stream = Expect { code, reason: "", messages };
        self
    }

    /// How many messages a stream delivers before its status.
    fn after(mut self, messages: usize) -> Self {
        self.stream.messages = messages;
        self
    }

    fn reason(mut self, reason: &'static str) -> Self {
        self.unary.reason = reason;
        self.stream.reason = reason;
        self
    }

    fn attempts(self, attempts: usize) -> Self {
        Self { attempts, ..self }
    }
}

const UNKNOWN: i64 = 2;
const INTERNAL: i64 = 13;
const UNAVAILABLE: i64 = 14;

/// No call is tried again by a policy, so that each fault is seen as it is.
const ONCE: &str = "policies: [{selector: \"*\", retry: never}]\n";

/// Faults that end a call and leave its connection as it is.
fn faults() -> Vec<Case> {
    vec![
        case("healthy", 0, |_| vec![Step::Request, grpc(), order(), status(0)]).after(1),
        case("answers-unread", 0, |_| vec![grpc(), order(), status(0)]).after(1),
        case("own-error", 5, |_| vec![grpc(), status(5)]),
        case("own-error-trailers-only", 5, |_| vec![only(&[("grpc-status", "5")])]),
        // grpc-go: "server closed the stream without sending trailers".
        case("missing-trailers", INTERNAL, |_| vec![grpc(), order(), Step::End]).after(1),
        case("missing-trailers-and-message", INTERNAL, |_| vec![grpc(), Step::End]),
        // Not gRPC at all.
        case("html-503", 14, |_| vec![http(503, "text/html"), html(), Step::End]),
        case("html-200", UNKNOWN, |_| vec![http(200, "text/html"), html(), Step::End]),
        case("json-200", UNKNOWN, |_| vec![http(200, "application/json"), html(), Step::End]),
        case("near-miss", UNKNOWN, |_| vec![http(200, "application/grpcx"), order(), status(0)]),
        case("no-content-type", UNKNOWN, |_| vec![Step::Head(200, vec![]), order(), status(0)]),
        case("http-400", 13, |_| vec![http(400, "text/plain"), Step::End]),
        case("http-401", 16, |_| vec![http(401, "text/plain"), Step::End]),
        case("http-403", 7, |_| vec![http(403, "text/plain"), Step::End]),
        case("http-404", 12, |_| vec![http(404, "text/plain"), Step::End]),
        case("http-429", 14, |_| vec![http(429, "text/plain"), Step::End]),
        case("http-500", UNKNOWN, |_| vec![http(500, "text/plain"), Step::End]),
        case("http-504", 14, |_| vec![http(504, "text/plain"), Step::End]),
        // Redirects are never followed: the one request is all there is.
        case("redirect", UNKNOWN, |_| {
            vec![Step::Only(302, vec![("location", "http://127.0.0.1:1/".into())])]
        }),
        case("informational-storm", 0, |_| {
            let mut steps = vec![Step::Informational(103); 20];
            steps.extend([grpc(), order(), status(0)]);
            steps
        })
        .after(1),
        // RST_STREAM before an answer and in the midst of one.
        case("reset-0", INTERNAL, |_| vec![Step::Request, Step::Reset(0)]),
        case("reset-2", INTERNAL, |_| vec![Step::Request, Step::Reset(2)]),
        case("reset-8", 1, |_| vec![Step::Request, Step::Reset(8)]),
        case("reset-11", 8, |_| vec![Step::Request, Step::Reset(11)]),
        case("reset-12", 7, |_| vec![Step::Request, Step::Reset(12)]),
        case("reset-after-head", INTERNAL, |_| vec![grpc(), Step::Reset(2)]),
        case("reset-0-midway", INTERNAL, |_| vec![grpc(), order(), Step::Hold, Step::Reset(0)]).after(1),
        case("reset-2-midway", INTERNAL, |_| vec![grpc(), order(), Step::Hold, Step::Reset(2)]).after(1),
        case("reset-8-midway", 1, |_| vec![grpc(), order(), Step::Hold, Step::Reset(8)]).after(1),
        case("reset-11-midway", 8, |_| vec![grpc(), order(), Step::Hold, Step::Reset(11)]).after(1),
        // A backend that says so after it has answered contradicts itself; to claim that nothing ran would be bold.
        case("refused-midway", UNAVAILABLE, |_| vec![grpc(), order(), Step::Hold, Step::Reset(7)])
            .after(1)
            .reason("OUTCOME_UNKNOWN"),
        // Refused before it was processed (RFC 9113 section 8.7).
        case("refused-once", 0, |attempt| match attempt {
            0 => vec![Step::Reset(7)],
            _ => vec![Step::Request, grpc(), order(), status(0)],
        })
        .after(1)
        .attempts(2),
        case("refused-always", UNAVAILABLE, |_| vec![Step::Reset(7)]).reason("NOT_EXECUTED").attempts(2),
        // A status that is none.
        case("status-missing", UNKNOWN, |_| vec![grpc(), order(), trailers(&[("grpc-message", "hm")])])
            .after(1),
        case("status-missing-trailers-only", UNKNOWN, |_| vec![only(&[("grpc-message", "hm")])]),
        case("status-05", UNKNOWN, |_| vec![grpc(), order(), trailers(&[("grpc-status", "05")])]).after(1),
        case("status-minus", UNKNOWN, |_| vec![grpc(), order(), trailers(&[("grpc-status", "-1")])]).after(1),
        case("status-99", UNKNOWN, |_| vec![grpc(), order(), trailers(&[("grpc-status", "99")])]).after(1),
        case("status-99-trailers-only", UNKNOWN, |_| vec![only(&[("grpc-status", "99")])]),
        case("status-twice", UNKNOWN, |_| {
            vec![grpc(), order(), trailers(&[("grpc-status", "0"), ("grpc-status", "5")])]
        })
        .after(1),
        case("status-in-head-and-trailers", UNKNOWN, |_| {
            let head = vec![("content-type", "application/grpc".into()), ("grpc-status", "5".into())];
            vec![Step::Head(200, head), order(), status(0)]
        })
        .after(1),
        // Messages that are too many, too few, too large or cut.
        case("two-messages", INTERNAL, |_| vec![grpc(), order(), order(), status(0)]).stream(0, 2),
        case("no-message", INTERNAL, |_| vec![grpc(), status(0)]).stream(0, 0),
        case("no-message-trailers-only", INTERNAL, |_| vec![only(&[("grpc-status", "0")])]).stream(0, 0),
        case("length-4-gib", 8, |_| {
            vec![grpc(), Step::Data(Bytes::from_static(b"\0\xff\xff\xff\xff\x0a\x01"))]
        })
        .reason("EXECUTED_REPLY_LOST"),
        case("flags-2", INTERNAL, |_| {
            vec![grpc(), Step::Data(Bytes::from_static(b"\x02\0\0\0\0")), status(0)]
        })
        .reason("EXECUTED_REPLY_LOST"),
        // And silence after it: nothing that is wrong already is waited for.
        case("two-messages-and-silence", INTERNAL, |_| vec![grpc(), order(), order(), Step::Hold, status(0)])
            .stream(0, 2),
        case("flags-2-and-silence", INTERNAL, |_| {
            vec![grpc(), Step::Data(Bytes::from_static(b"\x02\0\0\0\0"))]
        })
        .reason("EXECUTED_REPLY_LOST"),
        case("message-cut", INTERNAL, |_| vec![grpc(), order(), cut(), status(0)]).stream(INTERNAL, 1),
        case("message-cut-no-trailers", INTERNAL, |_| vec![grpc(), order(), cut(), Step::End])
            .stream(INTERNAL, 1),
        case("headers-of-100-kb", INTERNAL, |_| {
            let head = vec![("content-type", "application/grpc".into()), ("x-long", "x".repeat(100_000))];
            vec![Step::Head(200, head), order(), status(0)]
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_backend_is_one_status_at_every_door() {
    let cases: Arc<Vec<Case>> = Arc::new(faults());
    let scripts = Arc::clone(&cases);
    let backend = Scripted::start(move |call| script(&scripts, call)).await;
    let gateway = Edge::start(&backend.target(), ONCE);
    for case in cases.iter() {
        check(&gateway, &backend, case).await;
    }
    // The same process, and every door still opens.
    check(&gateway, &backend, &cases[0]).await;
}

fn script(cases: &[Case], call: &Call) -> Vec<Step> {
    // `name/round/door`; a request without a name is none of ours.
    let name = call.id.split('/').next().unwrap_or_default();
    match cases.iter().find(|case| case.name == name) {
        Some(case) => (case.steps)(call.attempt),
        None => vec![only(&[("grpc-status", "12")])],
    }
}

async fn check(gateway: &Edge, backend: &Scripted, case: &Case) {
    join_all(WAYS.map(|(door, kind)| check_way(gateway, backend, case, door, kind))).await;
}

async fn check_way(gateway: &Edge, backend: &Scripted, case: &Case, door: Door, kind: Kind) {
    let id = format!("{}/{}/{door:?}{kind:?}", case.name, fastrand::u64(..));
    // A fault midway in a stream comes when the client has the message before it.
    if kind == Kind::Unary && case.name.ends_with("midway") {
        backend.release(&id);
    }
    let outcome = doors::call(gateway.address(), door, kind, &id, || backend.release(&id)).await;
    expect(case, door, kind, &outcome);
    let calls = backend.calls(&id);
    assert_eq!(calls.len(), case.attempts, "{}: attempts, by {door:?} {kind:?}", case.name);
}

#[track_caller]
fn expect(case: &Case, door: Door, kind: Kind, outcome: &Outcome) {
    let expect = if kind == Kind::Unary { case.unary } else { case.stream };
    let what = format!("{} by {door:?} {kind:?}: {outcome:#?}", case.name);
    // gRPC-Web and Connect say it in a frame, for which there is no place inside a message: there the transport breaks.
    if case.name.starts_with("message-cut")
        && kind == Kind::Stream
        && outcome.answer.broken
        && door != Door::Rest
    {
        assert!(
            matches!(door, Door::Web | Door::WebText | Door::Connect) && outcome.statuses.is_empty(),
            "{what}"
        );
        assert_eq!(outcome.messages, expect.messages, "{what}");
        return;
    }
    let [status] = outcome.statuses.as_slice() else { panic!("not one status, {what}") };
    assert_eq!(status.code, expect.code, "{what}");
    if !expect.reason.is_empty() {
        assert_eq!(status.reason, expect.reason, "{what}");
    }
    match kind {
        Kind::Unary if expect.code == 0 => assert_eq!(outcome.messages, 1, "{what}"),
        Kind::Unary => {}
        Kind::Stream => assert_eq!(outcome.messages, expect.messages, "{what}"),
    }
    let connect = matches!(door, Door::Connect | Door::ConnectJson);
    if matches!(door, Door::Rest | Door::Lines) && (kind == Kind::Unary || expect.messages == 0)
        || connect && kind == Kind::Unary
    {
        let http = edgeway::grpc::code::to_http((expect.code as i32).into());
        assert_eq!(outcome.answer.http, http.as_u16(), "{what}");
    }
    // Only a JSON array that has begun has no other way to say that it is not whole.
    let breaks = door == Door::Rest && kind == Kind::Stream && expect.code != 0 && expect.messages > 0;
    assert_eq!(outcome.answer.broken, breaks, "{what}");
}

fn order() -> Step {
    // `OrderUpdate` has the same first field, so that it is an answer of `WatchOrder` as well.
    message(&Order { order_id: "order-1".into(), ..Order::default() })
}

/// A frame of ten bytes that ends after two.
fn cut() -> Step {
    Step::Data(Bytes::from_static(b"\0\0\0\0\x0a\x0a\x08"))
}

fn http(status: u16, content_type: &str) -> Step {
    Step::Head(status, vec![("content-type", content_type.to_owned())])
}

fn html() -> Step {
    Step::Data(Bytes::from_static(b"<html>no</html>"))
}

fn only(headers: &[(&'static str, &str)]) -> Step {
    let mut all: Headers = vec![("content-type", "application/grpc".into())];
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Step::Only(200, all)
}

fn trailers(headers: &[(&'static str, &str)]) -> Step {
    Step::Trailers(headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
}

/// What a backend says in a status reaches the client as text and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_the_backend_is_only_text() {
    let details = |id: &str| match id.split('/').next().unwrap_or_default() {
        "bangs" => "!!!".to_owned(),
        "list" => "AAAA,BBBB".to_owned(),
        "junk" => STANDARD_NO_PAD.encode([0xff; 40]),
        // Longer than a client's usual limit for all headers together.
        "long" => STANDARD_NO_PAD.encode([0xff; 12_000]),
        _ => STANDARD_NO_PAD.encode(b"\x08\x03\x12\x02no"),
    };
    let backend = Scripted::start(move |call| {
        let mut last = vec![
            ("grpc-status", "3".into()),
            ("grpc-message", "a%0D%0ASet-Cookie:x".into()),
            ("grpc-status-details-bin", details(&call.id)),
            ("set-cookie", "a=b".into()),
            ("access-control-allow-origin", "*".into()),
            ("x-kept", "yes".into()),
        ];
        if call.id.ends_with("trailers") {
            return vec![Step::Request, grpc(), Step::Trailers(last)];
        }
        last.push(("content-type", "application/grpc".into()));
        vec![Step::Request, Step::Only(200, last)]
    })
    .await;
    let gateway = Edge::start(&backend.target(), ONCE);
    for kind_of_details in ["bangs", "list", "junk", "long", "sound"] {
        for place in ["head", "trailers"] {
            for (door, kind) in WAYS {
                let id = format!("{kind_of_details}/{door:?}{kind:?}/{place}");
                let outcome = doors::call(gateway.address(), door, kind, &id, || {}).await;
                let what = format!("{id}: {outcome:#?}");
                let [status] = outcome.statuses.as_slice() else { panic!("not one status, {what}") };
                assert_eq!((status.code, status.details), (3, 0), "{what}");
                let message = if kind_of_details == "sound"
                    && !matches!(door, Door::Grpc | Door::Web | Door::WebText)
                {
                    // The message of the details holds where a client reads only one of the two.
                    "no"
                } else {
                    "a\r\nSet-Cookie:x"
                };
                assert_eq!(status.message, message, "{what}");
                for name in ["set-cookie", "access-control-allow-origin"] {
                    let found = [&outcome.answer.headers, &outcome.answer.trailers];
                    assert!(found.iter().all(|headers| !headers.contains_key(name)), "{what}");
                }
                let body = outcome.answer.body.to_ascii_lowercase();
                assert!(!body.windows(13).any(|bytes| bytes == b"\r\nset-cookie:"), "{what}");
            }
        }
    }
}

/// Faults that take the connection with them: one call at a time, between them both ports are connected again.
async fn check_connections(case: Case) {
    let cases = Arc::new(vec![case]);
    let [case] = cases.as_slice() else { unreachable!("one case was put in") };
    // Each fault makes the pause longer until the gateway connects again, so that none of them gets many.
    for ways in WAYS.chunks(5) {
        let scripts = Arc::clone(&cases);
        let backend = Scripted::start_with(2, None, move |call| script(&scripts, call)).await;
        let gateway = Edge::start(&backend.target(), ONCE);
        for (door, kind) in ways {
            tokio::time::timeout(PATIENCE, backend.connected()).await.expect("the gateway connects again");
            check_way(&gateway, &backend, case, *door, *kind).await;
        }
    }
}

/// RFC 9113 section 6.8: streams above the last id were not processed and are safe to send again.
#[tokio::test(flavor = "multi_thread")]
async fn what_goaway_left_out_is_sent_again_elsewhere() {
    let case = case("goaway-below", 0, |attempt| match attempt {
        0 => vec![Step::Request, Step::GoAway { below: true, code: 0 }],
        _ => vec![Step::Request, grpc(), order(), status(0)],
    });
    check_connections(case.after(1).attempts(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_angry_goaway_left_out_is_sent_again_elsewhere() {
    let case = case("calm-below", 0, |attempt| match attempt {
        0 => vec![Step::Request, Step::GoAway { below: true, code: 11 }],
        _ => vec![Step::Request, grpc(), order(), status(0)],
    });
    check_connections(case.after(1).attempts(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_sent_again_once_for_a_goaway() {
    let case =
        case("goaway-always", UNAVAILABLE, |_| vec![Step::Request, Step::GoAway { below: true, code: 0 }]);
    check_connections(case.reason("NOT_EXECUTED").attempts(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_goaway_counts_in_goes_on() {
    let case = case("goaway-graceful", 0, |_| {
        vec![Step::Request, Step::GoAway { below: false, code: 0 }, grpc(), order(), status(0)]
    });
    check_connections(case.after(1)).await;
}

/// Nobody knows what became of a call that its connection took along, so nobody may run it again.
#[tokio::test(flavor = "multi_thread")]
async fn an_angry_goaway_and_a_closed_connection_leave_the_outcome_unknown() {
    let case = case("calm-and-close", UNAVAILABLE, |_| {
        vec![Step::Request, Step::GoAway { below: false, code: 11 }, Step::Close]
    });
    check_connections(case.reason("OUTCOME_UNKNOWN")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_after_the_request_leaves_the_outcome_unknown() {
    let case = case("close", UNAVAILABLE, |_| vec![Step::Request, Step::Close]);
    check_connections(case.reason("OUTCOME_UNKNOWN")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_aborted_after_the_request_leaves_the_outcome_unknown() {
    let case = case("abort", UNAVAILABLE, |_| vec![Step::Request, Step::Abort]);
    check_connections(case.reason("OUTCOME_UNKNOWN")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_midway_leaves_the_outcome_unknown() {
    let case =
        case("close-midway", UNAVAILABLE, |_| vec![Step::Request, grpc(), order(), Step::Hold, Step::Close]);
    check_connections(case.after(1).reason("OUTCOME_UNKNOWN")).await;
}

/// A backend whose port is open and whose process is stuck.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_never_speaks_costs_the_connect_timeout() {
    let silent = Silent::start().await;
    let gateway = Edge::start(&format!("ipv4:{}", silent.address), "");
    let case = case("silent", UNAVAILABLE, |_| vec![]).reason("NOT_EXECUTED");
    for (door, kind) in WAYS {
        let started = tokio::time::Instant::now();
        let outcome = doors::call(gateway.address(), door, kind, "silent", || {}).await;
        expect(&case, door, kind, &outcome);
        // The connect timeout of these gateways is 500 ms; the rest is for a machine that is busy.
        assert!(started.elapsed() < Duration::from_secs(3), "{door:?} {kind:?}: {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_never_speaks_costs_the_others_nothing() {
    let silent = Silent::start().await;
    let cases = faults();
    let backend = Scripted::start(move |call| script(&cases, call)).await;
    let gateway = Edge::start(&format!("{},{}", backend.target(), silent.address), "");
    backend.connected().await;
    for round in 0..5 {
        for (door, kind) in WAYS {
            let id = format!("healthy/{round}/{door:?}{kind:?}");
            let outcome = doors::call(gateway.address(), door, kind, &id, || {}).await;
            assert_eq!(outcome.statuses.first().map(|status| status.code), Some(0), "{outcome:#?}");
        }
    }
}

/// grpc `doc/PROTOCOL-HTTP2.md`: a server may answer before it has read the request, which then need not be sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_end_of_the_request_is_delivered() {
    for (id, code) in [("early-ok", 0), ("early-error", 8)] {
        let backend = Scripted::start(move |_| match code {
            0 => vec![Step::FirstBytes, grpc(), collected(), status(0)],
            code => vec![Step::FirstBytes, only(&[("grpc-status", &code.to_string())])],
        })
        .await;
        let gateway = Edge::start(&backend.target(), ONCE);
        let (sender, receiver) = mpsc::channel(1);
        let url = format!("http://{}", gateway.address());
        let mut client = DiagnosticsServiceClient::connect(url).await.expect("the gateway accepts");
        let mut request = tonic::Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert("x-call", id.parse().expect("a value"));
        let messages = tokio::spawn(async move {
            // Until nobody takes them any more.
            while sender.send(CollectRequest::default()).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        let answer =
            tokio::time::timeout(PATIENCE, client.collect(request)).await.expect("an answer in time");
        match code {
            0 => assert_eq!(answer.expect("the answer").into_inner().messages, 7),
            code => assert_eq!(answer.expect_err("an error").code() as i32, code),
        }
        drop(client);
        tokio::time::timeout(PATIENCE, messages).await.expect("the upload stops").expect("it does not panic");
        assert_eq!(backend.calls(id).len(), 1);
    }
}

/// A stream gate: no more streams on a connection than the backend allows, and none refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_takes_one_stream_at_a_time_gets_one_at_a_time() {
    // As many as there may be connections.
    const HELD: [&str; 4] = ["held-1", "held-2", "held-3", "held-4"];
    let backend = Scripted::start_with(1, Some(1), |call| match call.id.as_str() {
        "other" => vec![Step::Request, grpc(), order(), status(0)],
        _ => vec![Step::Request, Step::Hold, grpc(), order(), status(0)],
    })
    .await;
    let gateway = Edge::start(&backend.target(), ONCE);
    let address = gateway.address();
    let held = join_all(HELD.map(|id| doors::call(address, Door::Rest, Kind::Unary, id, || {})));
    let others = async {
        for id in HELD {
            backend.called(id).await;
        }
        let mut others = std::pin::pin!(join_all(WAYS.map(|(door, kind)| doors::call(
            address,
            door,
            kind,
            "other",
            || {}
        ))));
        // Their turn comes with the end of a held one, so they cannot end before one is let go.
        tokio::select! {
            _ = &mut others => panic!("a second stream beside the one that is allowed"),
            () = tokio::time::sleep(Duration::from_millis(200)) => backend.release("held-3"),
        }
        let others = others.await;
        HELD.iter().filter(|id| **id != "held-3").for_each(|id| backend.release(id));
        others
    };
    let (held, others) = tokio::join!(held, others);
    for outcome in others.iter().chain(&held) {
        assert_eq!(outcome.statuses.first().map(|status| status.code), Some(0), "{outcome:#?}");
    }
    assert_eq!(backend.calls("other").len(), WAYS.len());
}

/// `CollectResponse` with seven messages.
fn collected() -> Step {
    Step::Data(Bytes::from_static(b"\0\0\0\0\x02\x08\x07"))
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
