//! Streams that a backend breaks off, and answers that are none: 16 to 18.

use bytes::Bytes;

use crate::{
    check,
    doors::{self, Door, Kind},
    load::{Driver, Method},
    scripted::{Call, Scripted, Step},
    scripts::{answer, head, order},
    subject::{Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// What a backend does, and what a client is to be told.
struct Case {
    name: &'static str,
    steps: fn(&Call) -> Vec<Step>,
    code: i64,
}

/// 16: RST_STREAM with REFUSED_STREAM, once and always.
pub async fn refused_stream(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start(|call| match (call.id.as_str(), call.attempt) {
        ("always", _) | ("once", 0) => vec![Step::Reset(7)],
        _ => answer(call),
    })
    .await;
    let subject = Subject::start(which, &Setup::before(&backend)).await;
    let driver = Driver::open(subject.address(), 1).await;
    let once = driver.call(Method::Create, "once").await;
    let executions = backend.ledger().executions("once");
    verdict.expect(once.is_ok() && executions == 1, format_args!("{executions} executions, {once:?}"));
    let always = driver.call(Method::Create, "always").await;
    let attempts = backend.ledger().attempts("always");
    verdict.saw(format_args!("once: {}; always: {} after {attempts} attempts", once.code, always.code));
    verdict.expect(always.code == 14 && attempts == 2, format_args!("{attempts} attempts, {always:?}"));
    let ran = backend.ledger().executions("always");
    verdict.expect(ran == 0, format_args!("a refused call ran {ran} times"));
    if which == Which::Edgeway {
        verdict.expect(always.reason == "NOT_EXECUTED", format_args!("{always:?}"));
    }
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 17: RST_STREAM after the head, within a message, after one, with each of some codes.
pub async fn reset(which: Which) -> Verdict {
    let cases = [
        Case { name: "0 after the head", steps: |call| vec![head(call), Step::Reset(0)], code: 13 },
        Case { name: "2 after the head", steps: |call| vec![head(call), Step::Reset(2)], code: 13 },
        Case { name: "8 after the head", steps: |call| vec![head(call), Step::Reset(8)], code: 1 },
        Case { name: "11 after the head", steps: |call| vec![head(call), Step::Reset(11)], code: 8 },
        Case { name: "0 mid message", steps: |call| vec![head(call), cut(), Step::Reset(0)], code: 13 },
        Case { name: "2 mid message", steps: |call| vec![head(call), cut(), Step::Reset(2)], code: 13 },
        Case { name: "8 mid message", steps: |call| vec![head(call), cut(), Step::Reset(8)], code: 1 },
        Case { name: "11 mid message", steps: |call| vec![head(call), cut(), Step::Reset(11)], code: 8 },
        Case { name: "0 after a message", steps: |call| vec![head(call), order(), Step::Reset(0)], code: 13 },
        Case { name: "2 after a message", steps: |call| vec![head(call), order(), Step::Reset(2)], code: 13 },
        Case { name: "8 after a message", steps: |call| vec![head(call), order(), Step::Reset(8)], code: 1 },
        Case {
            name: "11 after a message",
            steps: |call| vec![head(call), order(), Step::Reset(11)],
            code: 8,
        },
    ];
    one_status_each(which, &cases).await
}

/// 18: answers that are not gRPC, or not all of it.
pub async fn no_answer(which: Which) -> Verdict {
    let cases = [
        Case { name: "no trailers", steps: |call| vec![head(call), order(), Step::End], code: 13 },
        Case { name: "503 text/html", steps: |_| html(503), code: 14 },
        Case { name: "200 text/html", steps: |_| html(200), code: 2 },
        Case {
            name: "grpc-status of letters",
            steps: |call| vec![head(call), order(), Step::Trailers(vec![("grpc-status", "ok".into())])],
            code: 2,
        },
        Case {
            name: "grpc-status 99",
            steps: |call| vec![head(call), order(), Step::Trailers(vec![("grpc-status", "99".into())])],
            code: 2,
        },
        Case { name: "all well", steps: answer, code: 0 },
    ];
    one_status_each(which, &cases).await
}

/// Every case ends with exactly its status for gRPC and for gRPC-Web, which has it in a trailer frame.
async fn one_status_each(which: Which, cases: &[Case]) -> Verdict {
    let mut verdict = Verdict::default();
    let scripts: Vec<_> = cases.iter().map(|case| (case.name, case.steps)).collect();
    let backend = Scripted::start(move |call| {
        let name = call.id.split('|').next().unwrap_or_default();
        let script = scripts.iter().find(|(other, _)| *other == name);
        let steps = script.map(|(_, steps)| steps(call)).unwrap_or_default();
        [vec![Step::Request], steps].concat()
    })
    .await;
    let subject = Subject::start(which, &Setup::before(&backend)).await;
    let mut differ = Vec::new();
    for case in cases {
        for (door, kind) in WAYS {
            let id = format!("{}|{door:?}{kind:?}", case.name);
            let outcome = doors::call(subject.address(), door, kind, &id, || ()).await;
            let codes: Vec<_> = outcome.statuses.iter().map(|status| status.code).collect();
            // A message that was cut leaves no place for a frame with the status: the transport breaks.
            let broke = case.name.ends_with("mid message") && outcome.answer.broken && codes.is_empty();
            if codes != [case.code] && !(broke && door == Door::Web && kind == Kind::Stream) {
                let http = outcome.answer.http;
                differ.push(format!("{} by {door:?} {kind:?}: {codes:?} with HTTP status {http}", case.name));
            }
            let attempts = backend.ledger().attempts(&id);
            // `GetOrder` and `WatchOrder` may run again, and UNAVAILABLE is worth it.
            let most = if case.code == 14 { 3 } else { 1 };
            verdict.expect(attempts <= most, format_args!("{id}: {attempts} attempts"));
        }
    }
    verdict.saw(format_args!(
        "{} of {} as in the table",
        cases.len() * WAYS.len() - differ.len(),
        cases.len() * WAYS.len()
    ));
    let (count, first) = (differ.len(), differ.iter().take(3).cloned().collect::<Vec<_>>().join(", "));
    verdict.expect(differ.is_empty(), format_args!("{count} otherwise, the first: {first}"));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// A frame of ten bytes that ends after two.
fn cut() -> Step {
    Step::Data(Bytes::from_static(b"\0\0\0\0\x0a\x0a\x08"))
}

fn html(code: u16) -> Vec<Step> {
    let head = Step::Head(code, vec![("content-type", "text/html".into())]);
    vec![head, Step::Data(Bytes::from_static(b"<html>no</html>")), Step::End]
}

const WAYS: [(Door, Kind); 4] = [
    (Door::Grpc, Kind::Unary),
    (Door::Grpc, Kind::Stream),
    (Door::Web, Kind::Unary),
    (Door::Web, Kind::Stream),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_a_refused_stream_is_sent_once_more() {
    check(refused_stream(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_a_reset_is_never_success() {
    check(reset(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_what_is_not_grpc_has_one_status() {
    check(no_answer(Which::Edgeway)).await;
}
