//! The reflection stream: a question, its answer, the next question.

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::{Code, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};
use tower::Service;

use super::Version;
use crate::schema::build::MAX_BYTES;

/// One reflection stream, opened when there is something to ask.
pub(super) struct Session<'s, S> {
    grpc: Grpc<&'s mut S>,
    path: PathAndQuery,
    open: Option<Open>,
}

struct Open {
    requests: mpsc::Sender<ServerReflectionRequest>,
    answers: Streaming<ServerReflectionResponse>,
}

impl<'s, S, B> Session<'s, S>
where
    S: Service<http::Request<tonic::body::Body>, Response = http::Response<B>>,
    S::Error: Into<tonic::codegen::StdError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    pub(super) fn new(service: &'s mut S, version: Version) -> Self {
        let grpc = Grpc::new(service).max_decoding_message_size(MAX_BYTES);
        Self { grpc, path: path(version), open: None }
    }

    pub(super) async fn services(&mut self) -> Result<Vec<String>, Status> {
        match self.ask(MessageRequest::ListServices("*".to_owned())).await? {
            MessageResponse::ListServicesResponse(list) => {
                Ok(list.service.into_iter().map(|service| service.name).collect())
            }
            _ => Err(Status::internal("expected a list of services, found another answer")),
        }
    }

    pub(super) async fn files(&mut self, request: MessageRequest) -> Result<Vec<Bytes>, Status> {
        match self.ask(request).await? {
            MessageResponse::FileDescriptorResponse(answer) => {
                Ok(answer.file_descriptor_proto.into_iter().map(Bytes::from).collect())
            }
            _ => Err(Status::internal("expected file descriptors, found another answer")),
        }
    }

    async fn ask(&mut self, request: MessageRequest) -> Result<MessageResponse, Status> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        loop {
            let (mut open, fresh) = match self.open.take() {
                Some(open) => match open.requests.send(request.clone()).await {
                    Ok(()) => (open, false),
                    Err(_) => continue,
                },
                None => (self.connect(request.clone()).await?, true),
            };
            match open.answers.message().await {
                Ok(Some(answer)) => {
                    self.open = Some(open);
                    return match answer.message_response {
                        Some(MessageResponse::ErrorResponse(error)) => {
                            Err(Status::new(Code::from_i32(error.error_code), error.error_message))
                        }
                        Some(response) => Ok(response),
                        None => Err(Status::internal("expected an answer, found an empty message")),
                    };
                }
                // The server answers so many questions per stream and no more: ask on a new one.
                Ok(None) if !fresh => {}
                Ok(None) => return Err(Status::internal("expected an answer, found the end of the stream")),
                Err(status) => return Err(status),
            }
        }
    }

    /// Opens the stream with its first request in it: some servers send no headers before one.
    async fn connect(&mut self, first: ServerReflectionRequest) -> Result<Open, Status> {
        let (requests, stream) = mpsc::channel(1);
        requests
            .try_send(first)
            .map_err(|_| Status::internal("the stream has room for its first request"))?;
        self.grpc.ready().await.map_err(|error| Status::unavailable(error.into().to_string()))?;
        let codec = tonic_prost::ProstCodec::default();
        let request = tonic::Request::new(ReceiverStream::new(stream));
        let answers = self.grpc.streaming(request, self.path.clone(), codec).await?.into_inner();
        Ok(Open { requests, answers })
    }
}

fn path(version: Version) -> PathAndQuery {
    PathAndQuery::from_static(match version {
        Version::V1 => "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Version::V1Alpha => "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    })
}
