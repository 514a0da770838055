//! Reflection and health of the gateway itself.

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]

#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::time::Duration;

use prost::Message as _;
use prost_types::FileDescriptorProto;
use tokio_stream::StreamExt;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tonic_reflection::pb::{
    v1::{
        ExtensionRequest, ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    },
    v1alpha,
};

use crate::{
    gateway::{Gateway, eventually},
    http::{Client, Version::One},
    program::Program,
};

const ORDERS: &str = "ecommerce.v1.OrderService";
const DIAGNOSTICS: &str = "ecommerce.v1.DiagnosticsService";

/// A gateway before a demo backend, of which it exposes the orders only.
fn start(more: &str) -> (Program, Gateway) {
    let backend = Program::start(&["demo-backend", "--listen", "127.0.0.1:0"]);
    let descriptors = "{ reflection: never, protosets: [PROTOSET] }";
    let cluster = format!(
        "demo: {{ target: 'ipv4:{}', expose: [{ORDERS}], descriptors: {descriptors} }}",
        backend.address
    );
    let gateway = Gateway::start(&cluster, more);
    (backend, gateway)
}

async fn channel(gateway: &Gateway) -> Channel {
    Channel::from_shared(format!("http://{}", gateway.address())).unwrap().connect().await.unwrap()
}

async fn ask(channel: &Channel, questions: Vec<MessageRequest>) -> Vec<MessageResponse> {
    let requests = questions
        .into_iter()
        .map(|question| ServerReflectionRequest { host: "any".into(), message_request: Some(question) });
    let requests: Vec<_> = requests.collect();
    let asked = requests.clone();
    let answers = ServerReflectionClient::new(channel.clone())
        .server_reflection_info(tokio_stream::iter(requests))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    for (question, answer) in asked.iter().zip(&answers) {
        assert_eq!((answer.original_request.as_ref(), answer.valid_host.as_str()), (Some(question), "any"));
    }
    answers.into_iter().map(|answer| answer.message_response.unwrap()).collect()
}

fn files(answer: &MessageResponse) -> Vec<String> {
    match answer {
        MessageResponse::FileDescriptorResponse(files) => files
            .file_descriptor_proto
            .iter()
            .map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap().name().to_owned())
            .collect(),
        other => vec![format!("{other:?}")],
    }
}

fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_tells_what_is_exposed() {
    let (_backend, gateway) = start("");
    let channel = channel(&gateway).await;
    let answers = ask(&channel, vec![MessageRequest::ListServices(String::new())]).await;
    let [MessageResponse::ListServicesResponse(list)] = &*answers else { panic!("{answers:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    let own = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    assert_eq!(names, [[ORDERS].as_slice(), &own].concat());

    // The file that was asked for comes first, and what it imports once on a stream.
    let method = format!("{ORDERS}.GetOrder");
    let answers =
        ask(&channel, vec![symbol(ORDERS), symbol(&method), symbol("ecommerce.v1.Order.order_id")]).await;
    let found = files(&answers[0]);
    assert_eq!(found.first().map(String::as_str), Some("ecommerce/v1/order_service.proto"));
    for import in ["google/api/annotations.proto", "google/protobuf/descriptor.proto"] {
        assert!(found.iter().any(|file| file == import), "{found:?}");
    }
    assert_eq!(files(&answers[1]), ["ecommerce/v1/order_service.proto"]);
    assert_eq!(files(&answers[2]).len(), 1);

    let questions = vec![
        MessageRequest::FileByFilename("google/api/http.proto".into()),
        MessageRequest::FileContainingExtension(ExtensionRequest {
            containing_type: "google.protobuf.MethodOptions".into(),
            extension_number: 72_295_728,
        }),
        MessageRequest::AllExtensionNumbersOfType("google.protobuf.MethodOptions".into()),
    ];
    let answers = ask(&channel, questions).await;
    assert_eq!(files(&answers[0])[0], "google/api/http.proto");
    assert_eq!(files(&answers[1])[0], "google/api/annotations.proto");
    let MessageResponse::AllExtensionNumbersResponse(numbers) = &answers[2] else { panic!("{answers:?}") };
    assert!(numbers.extension_number.contains(&72_295_728), "{numbers:?}");

    let hidden = vec![
        symbol(DIAGNOSTICS),
        symbol(&format!("{DIAGNOSTICS}.Echo")),
        symbol("nobody.Knows"),
        MessageRequest::FileByFilename("ecommerce/v1/diagnostics.proto".into()),
        MessageRequest::FileByFilename("nowhere.proto".into()),
        MessageRequest::AllExtensionNumbersOfType("nobody.Knows".into()),
    ];
    for answer in ask(&channel, hidden).await {
        let MessageResponse::ErrorResponse(error) = answer else { panic!("{answer:?}") };
        assert_eq!(error.error_code, Code::NotFound as i32, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v1alpha_and_grpc_web_say_the_same() {
    let (_backend, gateway) = start("");
    let channel = channel(&gateway).await;
    let question = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(ORDERS.into());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([request.clone()])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files)) =
        &answer.message_response
    else {
        panic!("{answer:?}")
    };
    assert!(files.file_descriptor_proto.len() > 3);

    let web = Client::open(gateway.address(), One).await;
    for path in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{path}.ServerReflection/ServerReflectionInfo");
        for request in [http::web(&path, &request), http::web_text(&path, &request)] {
            let reply = web.call(request).await.unwrap();
            assert_eq!((reply.status, reply.grpc_code()), (200, 0), "{path}");
            assert_eq!(reply.message::<v1alpha::ServerReflectionResponse>(), answer, "{path}");
        }
    }
    let check = HealthCheckRequest { service: ORDERS.into() };
    gateway.ready().await;
    eventually("the orders are served", Duration::from_secs(5), async || {
        let reply = web.call(http::web("/grpc.health.v1.Health/Check", &check)).await.unwrap();
        let status = reply.message::<HealthCheckResponse>().status();
        if status == ServingStatus::Serving { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    let metrics = gateway.metrics().await;
    let counted = [("grpc_service", "grpc.health.v1.Health"), ("grpc_method", "Check"), ("grpc_code", "OK")];
    assert!(metrics.sum("grpc_server_handled_total", &counted) > 0.0, "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_readiness() {
    let (backend, mut gateway) = start("shutdown: { drain_delay: 1s, grace: 10s }");
    let mut client = HealthClient::new(channel(&gateway).await);
    gateway.ready().await;
    let request = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let mut watches = Vec::new();
    for service in ["", ORDERS, "grpc.health.v1.Health"] {
        let mut watch = client.watch(request(service)).await.unwrap().into_inner();
        // Readiness may be told a moment later here than to the admin port.
        let mut first = watch.message().await.unwrap().unwrap().status();
        if first == ServingStatus::NotServing {
            first = watch.message().await.unwrap().unwrap().status();
        }
        assert_eq!(first, ServingStatus::Serving, "{service}");
        assert_eq!(client.check(request(service)).await.unwrap().into_inner().status(), first, "{service}");
        watches.push(watch);
    }
    for hidden in [DIAGNOSTICS, "nobody"] {
        let error = client.check(request(hidden)).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{hidden}");
        let mut watch = client.watch(request(hidden)).await.unwrap().into_inner();
        let first = watch.message().await.unwrap().unwrap().status();
        assert_eq!(first, ServingStatus::ServiceUnknown, "{hidden}");
        watches.push(watch);
    }

    drop(backend);
    let patience = Duration::from_secs(10);
    let next = async |watch: &mut tonic::Streaming<HealthCheckResponse>| {
        tokio::time::timeout(patience, watch.message()).await.expect("a change in time")
    };
    for watch in watches.iter_mut().take(3) {
        let status = next(watch).await.unwrap().unwrap().status();
        assert_eq!(status, ServingStatus::NotServing);
    }
    // Streams of the gateway's own do not hold up its end.
    gateway.program.signal("TERM");
    for watch in &mut watches {
        let error = next(watch).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    }
    assert_eq!(gateway.program.wait(Duration::from_secs(5)), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_told_before_it_begins() {
    let (_backend, gateway) = start("shutdown: { drain_delay: 3s, grace: 1s }");
    let mut client = HealthClient::new(channel(&gateway).await);
    gateway.ready().await;
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut status = ServingStatus::NotServing;
    while status != ServingStatus::Serving {
        status = watch.message().await.unwrap().unwrap().status();
    }
    gateway.program.signal("TERM");
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let now = client.check(HealthCheckRequest { service: ORDERS.into() }).await.unwrap().into_inner();
    assert_eq!(now.status(), ServingStatus::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_they_are_not_there() {
    let (_backend, gateway) = start("grpc: { reflection: false, health: false }");
    let channel = channel(&gateway).await;
    let error = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    let mut reflection = ServerReflectionClient::new(channel);
    let answers =
        reflection.server_reflection_info(tokio_stream::iter(Vec::<ServerReflectionRequest>::new())).await;
    assert_eq!(answers.unwrap_err().code(), Code::Unimplemented);
}
