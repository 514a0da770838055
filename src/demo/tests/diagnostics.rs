//! `DiagnosticsService`, call by call.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use prost::Message;
use tokio::time::Instant;
use tonic::metadata::BinaryMetadataValue;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::demo::proto::ecommerce::v1::{
    CallStats, ChatRequest, ChatResponse, CollectRequest, CollectResponse, EchoRequest, FailAfterRequest,
    FailRequest, MetadataEntry, SleepRequest, StreamRequest, WhoAmIRequest, WhoAmIResponse,
};
use crate::demo::proto::google::rpc;

use super::{Backend, fields};

#[tokio::test]
async fn echo_shows_metadata_both_ways() {
    let backend = Backend::start().await;
    let binary = MetadataEntry {
        key: "x-reply-bin".into(),
        binary_value: vec![0, 255].into(),
        ..MetadataEntry::default()
    };
    let mut request = Request::new(EchoRequest {
        message: "hello".into(),
        payload: vec![1, 2].into(),
        response_headers: vec![entry("x-reply", "yes"), binary],
    });
    request.metadata_mut().append("x-tag", "a".parse().unwrap());
    request.metadata_mut().append("x-tag", "b".parse().unwrap());
    request.metadata_mut().insert_bin("x-raw-bin", BinaryMetadataValue::from_bytes(&[7, 200]));
    let response = backend.diagnostics().echo(request).await.unwrap();
    assert_eq!(response.metadata().get("x-reply").unwrap(), "yes");
    assert_eq!(response.metadata().get_bin("x-reply-bin").unwrap().to_bytes().unwrap().as_ref(), [0, 255]);

    let echo = response.into_inner();
    assert_eq!((echo.message.as_str(), echo.backend.as_str()), ("hello", "one"));
    assert_eq!(echo.payload.as_ref(), [1, 2]);
    let tags = echo.metadata.iter().filter(|entry| entry.key == "x-tag").map(|entry| &entry.value);
    assert_eq!(tags.collect::<Vec<_>>(), ["a", "b"]);
    let raw = echo.metadata.iter().find(|entry| entry.key == "x-raw-bin").unwrap();
    assert_eq!(raw.binary_value.as_ref(), [7, 200]);
}

#[tokio::test]
async fn wrong_requests_name_each_wrong_field() {
    let backend = Backend::start().await;
    let headers = vec![entry("x-good", "1"), entry("grpc-status", "0"), entry("X Y", "1"), entry("x", "\n")];
    let echo = EchoRequest { response_headers: headers, ..EchoRequest::default() };
    let status = backend.diagnostics().echo(echo).await.unwrap_err();
    assert_eq!(fields(&status), ["response_headers[1]", "response_headers[2]", "response_headers[3]"]);

    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let request = StreamRequest { size: u32::MAX, interval: negative, ..StreamRequest::default() };
    let status = backend.diagnostics().stream(request).await.unwrap_err();
    assert_eq!(fields(&status), ["size", "interval"]);
    let after = FailAfterRequest { stream: Some(request), failure: None };
    let status = backend.diagnostics().fail_after(after).await.unwrap_err();
    assert_eq!(fields(&status), ["stream.size", "stream.interval", "failure.code"]);

    let fail = FailRequest { details: vec![9], ..FailRequest::default() };
    let status = backend.diagnostics().fail(fail).await.unwrap_err();
    assert_eq!(fields(&status), ["code", "details[0]"]);

    for (nanos, expected) in [(0, Code::DeadlineExceeded), (1, Code::InvalidArgument)] {
        let duration = prost_types::Duration { seconds: 3600, nanos };
        let mut request = Request::new(SleepRequest { duration: Some(duration) });
        request.set_timeout(Duration::from_millis(500));
        let status = backend.diagnostics().sleep(request).await.unwrap_err();
        // tonic's client calls its own timeout a cancellation.
        let code = if status.code() == Code::Cancelled { Code::DeadlineExceeded } else { status.code() };
        assert_eq!(code, expected, "an hour and {nanos} ns: {status:?}");
    }
}

#[tokio::test]
async fn failures_are_as_asked_for() {
    let backend = Backend::start().await;
    let raw = prost_types::Any { type_url: "example.com/made.Up".into(), value: vec![8, 1] };
    let failure = FailRequest {
        code: rpc::Code::Aborted.into(),
        message: "straße 100%".into(),
        details: (1..=8).collect(),
        raw_details: vec![raw.clone()],
        trailers: vec![entry("x-trace", "7")],
    };
    let check = |status: &Status| {
        assert_eq!((status.code(), status.message()), (Code::Aborted, "straße 100%"));
        assert_eq!(status.metadata().get("x-trace").unwrap(), "7");
        let details = rpc::Status::decode(status.details()).unwrap().details;
        assert_eq!((details.len(), details.last()), (9, Some(&raw)));
        let known = status.get_error_details();
        assert_eq!(known.bad_request().unwrap().field_violations.len(), 2);
        assert_eq!(known.retry_info().unwrap().retry_delay, Some(Duration::from_millis(1500)));
        assert_eq!(known.error_info().unwrap().domain, "ecommerce.example");
        assert!(known.resource_info().is_some() && known.precondition_failure().is_some());
        assert!(known.quota_failure().is_some() && known.localized_message().is_some());
        assert!(known.help().is_some());
    };
    check(&backend.diagnostics().fail(failure.clone()).await.unwrap_err());

    let stream = Some(StreamRequest { count: 3, size: 10, ..StreamRequest::default() });
    let request = FailAfterRequest { stream, failure: Some(failure.clone()) };
    let mut messages = backend.diagnostics().fail_after(request).await.unwrap().into_inner();
    for index in 0..3 {
        let message = messages.message().await.unwrap().unwrap();
        assert_eq!((message.index, message.payload.len()), (index, 10));
    }
    check(&messages.message().await.unwrap_err());

    // Both fail at once, though the caller has not ended its stream.
    let chunk = CollectRequest { failure: Some(failure.clone()), ..CollectRequest::default() };
    let chunks = stream::iter([chunk]).chain(stream::pending());
    check(&backend.diagnostics().collect(chunks).await.unwrap_err());
    let word = ChatRequest { failure: Some(failure), ..ChatRequest::default() };
    let words = stream::iter([word]).chain(stream::pending());
    check(&backend.diagnostics().chat(words).await.unwrap().into_inner().message().await.unwrap_err());

    let unnamed = FailRequest { code: 99, ..FailRequest::default() };
    assert_eq!(backend.diagnostics().fail(unnamed).await.unwrap_err().code(), Code::Unknown);
}

#[tokio::test]
async fn streams_have_the_size_and_pace_asked_for_and_are_counted() {
    let backend = Backend::start().await;
    let interval = Some(prost_types::Duration { seconds: 0, nanos: 50_000_000 });
    let cases = [
        StreamRequest::default(),
        StreamRequest { count: 3, size: 5, interval, ..StreamRequest::default() },
        StreamRequest { count: 20_000, size: 20, ..StreamRequest::default() },
        StreamRequest { count: 20_000, size: 5, separate_frames: true, ..StreamRequest::default() },
        StreamRequest { count: 2, size: 20 << 20, ..StreamRequest::default() },
    ];
    let mut expected = CallStats::default();
    for case in cases {
        let start = Instant::now();
        let messages = backend.diagnostics().stream(case).await.unwrap().into_inner();
        let messages: Vec<_> = messages.try_collect().await.unwrap();
        assert_eq!(messages.len(), case.count as usize);
        assert!(messages.iter().zip(0..).all(|(message, index)| message.index == index));
        assert!(messages.iter().all(|message| message.payload.len() == case.size as usize));
        if case.interval.is_some() {
            assert!(start.elapsed() >= Duration::from_millis(100), "took {:?}", start.elapsed());
        }
        expected.started += 1;
        expected.finished += 1;
        expected.messages_sent += u64::from(case.count);
        expected.bytes_sent += messages.iter().map(|message| 5 + message.encoded_len() as u64).sum::<u64>();
        expected.messages_received += 1;
        expected.bytes_received += 5 + case.encoded_len() as u64;
    }
    let stats = backend.stats("DiagnosticsService/Stream", |stats| stats.finished == expected.finished).await;
    assert_eq!(stats, expected);
}

#[tokio::test]
async fn uploads_and_conversations_are_taken() {
    let backend = Backend::start().await;
    let chunk = CollectRequest { payload: vec![0; 1000].into(), ..CollectRequest::default() };
    let chunks = stream::iter(std::iter::repeat_n(chunk, 500));
    let summary = backend.diagnostics().collect(chunks).await.unwrap().into_inner();
    assert_eq!(summary, CollectResponse { messages: 500, bytes: 500_000 });

    let (requests, inbound) = tokio::sync::mpsc::channel(1);
    let inbound = tokio_stream::wrappers::ReceiverStream::new(inbound);
    let mut answers = backend.diagnostics().chat(inbound).await.unwrap().into_inner();
    for index in 0..3 {
        let text = format!("message {index}");
        requests.send(ChatRequest { text: text.clone(), ..ChatRequest::default() }).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer, ChatResponse { index, text, ..ChatResponse::default() });
    }
    drop(requests);
    assert_eq!(answers.message().await.unwrap(), None);

    let me = backend.diagnostics().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
    let address = backend.address.to_string();
    assert_eq!(me, WhoAmIResponse { name: "one".into(), address, pid: std::process::id(), calls: 3 });
}

fn entry(key: &str, value: &str) -> MetadataEntry {
    MetadataEntry { key: key.into(), value: value.into(), ..MetadataEntry::default() }
}
