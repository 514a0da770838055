//! The client against tonic's reflection server and against scripted ones, over loopback.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost::Message;
use prost_types::FileDescriptorProto;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server::{ServerReflection, ServerReflectionServer};
use tonic_reflection::pb::v1::{
    ErrorResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use tonic_reflection::server::Builder;

use super::{Fetched, Reflection, ReflectionError, Version};
use crate::schema::Schema;
use crate::schema::set::{self, DescriptorSet};
use crate::schema::tests::compile;

/// Serves `routes` until the test's runtime ends, and connects to it.
async fn serve(routes: Routes) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(TcpListenerStream::new(listener)));
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

fn shop() -> DescriptorSet {
    let files = [
        ("shop/money.proto", "syntax = \"proto3\"; package shop; message Money { int64 units = 1; }"),
        (
            "shop/orders.proto",
            "syntax = \"proto3\"; package shop; import \"google/api/annotations.proto\"; \
             import \"shop/money.proto\"; import \"google/protobuf/empty.proto\"; \
             service Orders { rpc Pay(Money) returns (google.protobuf.Empty) { \
             option (google.api.http) = { post: \"/pay\" body: \"*\" }; } }",
        ),
        (
            "shop/users.proto",
            "syntax = \"proto3\"; package shop; import \"shop/money.proto\"; \
             service Users { rpc Owe(Money) returns (Money); }",
        ),
    ];
    compile("shop", &files, true)
}

fn names(fetched: &Fetched) -> Vec<String> {
    set::files(&fetched.set.bytes).unwrap().into_iter().map(|file| file.name).collect()
}

fn unresolved(fetched: &Fetched) -> Vec<String> {
    fetched.unresolved.iter().map(ToString::to_string).collect()
}

async fn fetch(channel: Channel) -> Result<Fetched, ReflectionError> {
    Reflection::new("test").fetch(channel, |service| !service.starts_with("grpc.")).await
}

#[tokio::test]
async fn either_version_is_found_and_remembered() {
    let set = shop();
    let builder = || Builder::configure().register_encoded_file_descriptor_set(&set.bytes);
    let v1 = Routes::new(builder().build_v1().unwrap());
    let alpha = Routes::new(builder().build_v1alpha().unwrap());
    let both = Routes::new(builder().build_v1().unwrap()).add_service(builder().build_v1alpha().unwrap());
    for (routes, want) in [(v1, Version::V1), (alpha, Version::V1Alpha), (both, Version::V1)] {
        let channel = serve(routes).await;
        let mut reflection = Reflection::new("test");
        for _ in 0..2 {
            let fetched =
                reflection.fetch(channel.clone(), |service| !service.starts_with("grpc.")).await.unwrap();
            assert_eq!(reflection.version(), want);
            assert_eq!(names(&fetched), ["shop/money.proto", "shop/orders.proto", "shop/users.proto"]);
            assert_eq!(unresolved(&fetched), Vec::<String>::new());
            let schema = Schema::build(&[fetched.set], |_| true).unwrap();
            assert_eq!(schema.method("/shop.Orders/Pay").unwrap().rules[0].template, "/pay");
        }
    }
}

#[tokio::test]
async fn a_changed_version_is_found_again() {
    let set = shop();
    let builder = || Builder::configure().register_encoded_file_descriptor_set(&set.bytes);
    let alpha = serve(Routes::new(builder().build_v1alpha().unwrap())).await;
    let v1 = serve(Routes::new(builder().build_v1().unwrap())).await;
    let mut reflection = Reflection::new("test");
    reflection.fetch(alpha, |service| !service.starts_with("grpc.")).await.unwrap();
    reflection.fetch(v1, |service| !service.starts_with("grpc.")).await.unwrap();
    assert_eq!(reflection.version(), Version::V1);
}

#[tokio::test]
async fn a_server_without_reflection_is_told_apart() {
    let (_, health) = tonic_health::server::health_reporter();
    let error = fetch(serve(Routes::new(health)).await).await.unwrap_err();
    assert!(matches!(error, ReflectionError::NotOffered { .. }), "{error}");
    assert!(error.to_string().ends_with("neither v1 nor v1alpha; list descriptors.protosets instead"));
}

#[tokio::test]
async fn a_service_that_cannot_be_described_costs_no_other() {
    let set = shop();
    let ghosts = |names: &[&str]| {
        let builder = Builder::configure().register_encoded_file_descriptor_set(&set.bytes);
        let builder = names.iter().fold(builder, |builder, name| builder.with_service_name(*name));
        Routes::new(builder.build_v1().unwrap())
    };
    // tonic ends the stream at the unknown name, which stands before the known ones.
    let fetched = fetch(serve(ghosts(&["a.Ghost", "shop.Orders", "shop.Users"])).await).await.unwrap();
    assert_eq!(names(&fetched).len(), 3);
    let want = "reflection lists a.Ghost, but has no file for it (NotFound: symbol 'a.Ghost' not found)";
    assert_eq!(unresolved(&fetched), [want]);

    let error = fetch(serve(ghosts(&["a.Ghost", "b.Ghost"])).await).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("test: none of the 2 services can be resolved; reflection lists a.Ghost")
    );
}

#[tokio::test]
async fn an_import_that_the_server_lacks_costs_what_needs_it() {
    let mut files = set::files(&shop().bytes).unwrap();
    files.retain(|file| file.name != "shop/money.proto");
    let lone = compile(
        "l",
        &[("l.proto", "syntax = \"proto3\"; message M {} service L { rpc A(M) returns (M); }")],
        true,
    );
    files.extend(set::files(&lone.bytes).unwrap());
    let bytes = set::encode(&files);
    let builder = Builder::configure().register_encoded_file_descriptor_set(&bytes);
    let fetched = fetch(serve(Routes::new(builder.build_v1().unwrap())).await).await.unwrap();
    assert_eq!(names(&fetched), ["l.proto"]);
    let absent = |service: &str, file: &str| {
        format!(
            "reflection lists shop.{service}, but shop/{file}.proto imports shop/money.proto, which the server does \
             not give (NotFound: file 'shop/money.proto' not found)"
        )
    };
    assert_eq!(unresolved(&fetched), [absent("Orders", "orders"), absent("Users", "users")]);
}

#[tokio::test]
async fn only_what_is_exposed_is_asked_for() {
    let set = shop();
    let builder = Builder::configure().register_encoded_file_descriptor_set(&set.bytes);
    let channel = serve(Routes::new(builder.build_v1().unwrap())).await;
    let fetched = Reflection::new("test").fetch(channel, |service| service == "shop.Users").await.unwrap();
    assert_eq!(names(&fetched), ["shop/money.proto", "shop/users.proto"]);
}

/// What a scripted server does with a question.
type Script = fn(MessageRequest) -> Option<MessageResponse>;

/// A server that answers by script, so many times per stream.
struct Scripted {
    script: Script,
    per_stream: usize,
    streams: Arc<AtomicUsize>,
}

type Answers = std::pin::Pin<
    Box<dyn futures_core::Stream<Item = Result<ServerReflectionResponse, Status>> + Send + 'static>,
>;

#[tonic::async_trait]
impl ServerReflection for Scripted {
    type ServerReflectionInfoStream = Answers;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Answers>, Status> {
        self.streams.fetch_add(1, Ordering::Relaxed);
        let script = self.script;
        let answers = request.into_inner().take(self.per_stream).map(move |request| {
            let response =
                script(request?.message_request.unwrap()).ok_or_else(|| Status::internal("no answer"))?;
            Ok(ServerReflectionResponse { message_response: Some(response), ..Default::default() })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

async fn scripted(script: Script, per_stream: usize) -> (Channel, Arc<AtomicUsize>) {
    let streams = Arc::new(AtomicUsize::new(0));
    let service = ServerReflectionServer::new(Scripted { script, per_stream, streams: streams.clone() })
        .max_encoding_message_size(64 << 20);
    (serve(Routes::new(service)).await, streams)
}

fn list(names: &[&str]) -> MessageResponse {
    let service = names.iter().map(|name| ServiceResponse { name: (*name).to_owned() }).collect();
    MessageResponse::ListServicesResponse(ListServiceResponse { service })
}

fn file(name: &str) -> MessageResponse {
    file_of(&shop(), name)
}

fn file_of(set: &DescriptorSet, name: &str) -> MessageResponse {
    let files = set::files(&set.bytes).unwrap();
    match files.into_iter().find(|file| file.name == name) {
        Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![file.bytes.to_vec()],
        }),
        None => {
            MessageResponse::ErrorResponse(ErrorResponse { error_code: 5, error_message: "lost".to_owned() })
        }
    }
}

fn answer(request: MessageRequest) -> Option<MessageResponse> {
    Some(match request {
        MessageRequest::ListServices(_) => list(&["shop.Ghost", "shop.Orders", "shop.Users"]),
        MessageRequest::FileContainingSymbol(name) => match name.as_str() {
            "shop.Orders" => file("shop/orders.proto"),
            "shop.Users" => file("shop/users.proto"),
            _ => file("none"),
        },
        MessageRequest::FileByFilename(name) => file(&name),
        _ => return None,
    })
}

#[tokio::test]
async fn one_stream_serves_all_questions_and_errors_in_band_keep_it() {
    let (channel, streams) = scripted(answer, usize::MAX).await;
    let fetched = fetch(channel).await.unwrap();
    assert_eq!(names(&fetched).len(), 3);
    assert_eq!(
        unresolved(&fetched),
        ["reflection lists shop.Ghost, but has no file for it (NotFound: lost)"]
    );
    assert_eq!(streams.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_server_that_answers_once_per_stream_is_asked_again() {
    let (channel, streams) = scripted(answer, 1).await;
    assert_eq!(names(&fetch(channel).await.unwrap()).len(), 3);
    assert_eq!(streams.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn files_in_editions_come_by_reflection() {
    fn answer(request: MessageRequest) -> Option<MessageResponse> {
        let set = include_bytes!("../../../../tests/data/editions/editions.binpb");
        let set = DescriptorSet::new("editions", set.as_slice());
        Some(match request {
            MessageRequest::ListServices(_) => list(&["codec.test.editions.Editions"]),
            MessageRequest::FileContainingSymbol(_) => file_of(&set, "explicit.proto"),
            MessageRequest::FileByFilename(name) => file_of(&set, &name),
            _ => return None,
        })
    }
    let (channel, _) = scripted(answer, usize::MAX).await;
    let fetched = fetch(channel).await.unwrap();
    assert_eq!(names(&fetched), ["explicit.proto", "implicit.proto"]);
    let schema = Schema::build(&[fetched.set], |_| true).unwrap();
    let method = schema.method("/codec.test.editions.Editions/Get").unwrap();
    assert_eq!(method.rules[0].template, "/v1/editions/{text}");
    assert!(!method.input.get_field_by_name("number").unwrap().supports_presence());
}

#[tokio::test]
async fn bounds_hold() {
    fn endless(request: MessageRequest) -> Option<MessageResponse> {
        let next = |index: usize| {
            let file = FileDescriptorProto {
                name: Some(format!("f{index:05}.proto")),
                dependency: vec![format!("f{:05}.proto", index + 1)],
                ..Default::default()
            };
            let file_descriptor_proto = vec![file.encode_to_vec()];
            MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto })
        };
        Some(match request {
            MessageRequest::ListServices(_) => list(&["s.S"]),
            MessageRequest::FileByFilename(name) => next(name.get(1..6)?.parse().ok()?),
            _ => next(0),
        })
    }
    fn huge(request: MessageRequest) -> Option<MessageResponse> {
        Some(match request {
            MessageRequest::ListServices(_) => list(&["s.A", "s.B", "s.C"]),
            MessageRequest::FileContainingSymbol(name) => {
                // 8 MiB each, within the limit of a message: a file name and then an unknown field.
                let mut bytes = vec![0x0a, 3];
                bytes.extend(name.as_bytes());
                bytes.extend([0xa2, 0x06, 0x80, 0x80, 0x80, 0x04]);
                bytes.resize(bytes.len() + (8 << 20), 0);
                MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                    file_descriptor_proto: vec![bytes],
                })
            }
            _ => return None,
        })
    }
    fn crowded(_: MessageRequest) -> Option<MessageResponse> {
        let service = (0..=2_000).map(|index| ServiceResponse { name: format!("s.S{index}") }).collect();
        Some(MessageResponse::ListServicesResponse(ListServiceResponse { service }))
    }
    let scripts: [(Script, &str); 3] =
        [(endless, "2000 files"), (huge, "16777216 bytes"), (crowded, "2000 services")];
    for (script, want) in scripts {
        let (channel, _) = scripted(script, usize::MAX).await;
        let mut reflection = Reflection::new("test").with_timeout(Duration::from_secs(60));
        let error =
            reflection.fetch(channel, |service| !service.starts_with("grpc.")).await.unwrap_err().to_string();
        assert_eq!(error, format!("test: reflection gives more than {want}, the limit of a schema"));
    }
}

/// The error of a fetch from a service that answers every request with `respond`.
async fn refused(respond: impl Fn() -> http::Response<tonic::body::Body>) -> ReflectionError {
    let service = tower::service_fn(|_| {
        let response = respond();
        async move { Ok::<_, Infallible>(response) }
    });
    Reflection::new("test").fetch(service, |service| !service.starts_with("grpc.")).await.unwrap_err()
}

fn trailers_only(code: &'static str, details: Option<&'static str>) -> http::Response<tonic::body::Body> {
    let response =
        http::Response::builder().header("content-type", "application/grpc").header("grpc-status", code);
    let response = match details {
        Some(details) => response.header("grpc-status-details-bin", details),
        None => response,
    };
    response.body(tonic::body::Body::empty()).unwrap()
}

#[tokio::test]
async fn refusals_and_malformed_answers_are_errors() {
    let error = refused(|| trailers_only("16", None)).await;
    assert!(
        matches!(&error, ReflectionError::Call { status, .. } if status.code() == tonic::Code::Unauthenticated)
    );
    let error = refused(|| trailers_only("13", Some("not base64!"))).await;
    assert!(matches!(error, ReflectionError::Panicked { .. }), "{error}");
    let error =
        refused(|| http::Response::builder().status(404).body(tonic::body::Body::empty()).unwrap()).await;
    assert!(matches!(error, ReflectionError::NotOffered { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_costs_the_timeout_and_no_more() {
    let silent = tower::service_fn(|_: http::Request<tonic::body::Body>| {
        std::future::pending::<Result<http::Response<tonic::body::Body>, Infallible>>()
    });
    let begun = tokio::time::Instant::now();
    let error =
        Reflection::new("test").fetch(silent, |service| !service.starts_with("grpc.")).await.unwrap_err();
    assert_eq!(error.to_string(), "test: reflection took longer than 10s");
    assert_eq!(begun.elapsed(), super::TIMEOUT);
}
