//! What reflection tells.

use futures_util::stream::{self, TryStreamExt};
use tonic::Code;
use tonic_reflection::pb::{v1, v1alpha};

use crate::demo::BackendOptions;

use super::Backend;

/// Asks in one version of the protocol for the services and for the file of `OrderService`.
macro_rules! ask {
    ($version:ident, $backend:expr) => {{
        use $version::server_reflection_client::ServerReflectionClient;
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;

        let requests = [
            MessageRequest::ListServices(String::new()),
            MessageRequest::FileContainingSymbol("ecommerce.v1.OrderService".into()),
        ]
        .map(|request| $version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(request),
        });
        let mut client = ServerReflectionClient::new($backend.channel.clone());
        let answers = client.server_reflection_info(stream::iter(requests)).await.unwrap().into_inner();
        let answers: Vec<_> = answers.map_ok(|answer| answer.message_response).try_collect().await.unwrap();
        match <[_; 2]>::try_from(answers) {
            Ok(
                [
                    Some(MessageResponse::ListServicesResponse(list)),
                    Some(MessageResponse::FileDescriptorResponse(files)),
                ],
            ) => {
                let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
                (names, files.file_descriptor_proto)
            }
            other => panic!("expected a list and a file, found {other:?}"),
        }
    }};
}

#[tokio::test]
async fn both_versions_list_the_services_and_keep_http_rules() {
    let backend = Backend::start().await;
    for (names, files) in [ask!(v1, backend), ask!(v1alpha, backend)] {
        for service in
            ["ecommerce.v1.DiagnosticsService", "ecommerce.v1.OrderService", "grpc.health.v1.Health"]
        {
            assert!(names.iter().any(|name| name == service), "{service} in {names:?}");
        }
        let path = b"/v1/users/{user_id}/orders";
        let file = files.first().unwrap();
        assert!(file.windows(path.len()).any(|window| window == path), "the http options are kept");
    }
}

#[tokio::test]
async fn reflection_can_be_off() {
    let backend = Backend::start_with(BackendOptions { name: "mute".to_owned(), reflection: false }).await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(backend.channel.clone());
    let status = client.server_reflection_info(stream::iter([])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}
