//! `grpc.reflection.v1.ServerReflection`, and v1alpha, whose messages are the same on the wire.

use std::{collections::HashSet, pin::Pin, sync::Arc};

use futures_util::StreamExt;
use prost::Message;
use prost_reflect::FileDescriptor;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};
use tonic_reflection::{
    pb::{
        v1::{
            ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
            ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        },
        v1alpha as alpha,
    },
    server::{v1, v1alpha},
};

use super::catalog::Catalog;
use crate::{call::CallError, config::OwnServices, plan::Plan};

/// The service, for one call.
pub(super) struct Reflection {
    catalog: Arc<Catalog>,
    stop: CancellationToken,
}

impl Reflection {
    pub(super) fn new(plan: &Plan, switches: OwnServices, stop: CancellationToken) -> Self {
        Self { catalog: Arc::new(Catalog::new(plan, switches)), stop }
    }

    /// A stream of questions to a stream of answers, each once the one before it is taken.
    fn answers<Q, A>(&self, questions: Streaming<Q>) -> Answers<A>
    where
        Q: Message + Send + 'static,
        A: Message + Default + Send + 'static,
    {
        let mut dialogue =
            Dialogue { catalog: Arc::clone(&self.catalog), stop: self.stop.clone(), sent: HashSet::new() };
        let questions = questions.take_until(self.stop.clone().cancelled_owned());
        let stopped = self.stop.clone();
        let answers = questions.map(move |question| dialogue.answer(&question?));
        let end = futures_util::stream::once(async move {
            if stopped.is_cancelled() { Err(CallError::shutting_down().status().clone()) } else { Ok(None) }
        });
        let answers = answers.map(|answer| answer.map(Some)).chain(end);
        Box::pin(answers.filter_map(|answer| async { answer.transpose() }))
    }
}

type Answers<A> = Pin<Box<dyn Stream<Item = Result<A, Status>> + Send>>;

#[tonic::async_trait]
impl v1::ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers<ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: tonic::Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<tonic::Response<Self::ServerReflectionInfoStream>, Status> {
        Ok(tonic::Response::new(self.answers(request.into_inner())))
    }
}

#[tonic::async_trait]
impl v1alpha::ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers<alpha::ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: tonic::Request<Streaming<alpha::ServerReflectionRequest>>,
    ) -> Result<tonic::Response<Self::ServerReflectionInfoStream>, Status> {
        Ok(tonic::Response::new(self.answers(request.into_inner())))
    }
}

/// One stream.
struct Dialogue {
    catalog: Arc<Catalog>,
    stop: CancellationToken,
    /// Names of the files that the client has.
    sent: HashSet<String>,
}

impl Dialogue {
    fn answer<Q: Message, A: Message + Default>(&mut self, question: &Q) -> Result<A, Status> {
        if self.stop.is_cancelled() {
            return Err(CallError::shutting_down().status().clone());
        }
        let invalid = |error: prost::DecodeError| Status::invalid_argument(error.to_string());
        let question = ServerReflectionRequest::decode(&*question.encode_to_vec()).map_err(invalid)?;
        let Some(message) = &question.message_request else {
            return Err(Status::invalid_argument("expected a message_request, found none"));
        };
        let answer = self.look_up(message).unwrap_or_else(|missing| {
            MessageResponse::ErrorResponse(ErrorResponse {
                error_code: Code::NotFound.into(),
                error_message: format!("no {missing} that is exposed"),
            })
        });
        let response = ServerReflectionResponse {
            valid_host: question.host.clone(),
            original_request: Some(question),
            message_response: Some(answer),
        };
        A::decode(&*response.encode_to_vec()).map_err(|error| Status::internal(error.to_string()))
    }

    fn look_up(&mut self, question: &MessageRequest) -> Result<MessageResponse, String> {
        let catalog = Arc::clone(&self.catalog);
        match question {
            MessageRequest::ListServices(_) => {
                let service = |name: &str| ServiceResponse { name: name.to_owned() };
                let service = catalog.services().map(service).collect();
                Ok(MessageResponse::ListServicesResponse(ListServiceResponse { service }))
            }
            MessageRequest::FileByFilename(name) => {
                self.files(catalog.file(name)).ok_or_else(|| format!("file {name}"))
            }
            MessageRequest::FileContainingSymbol(name) => {
                self.files(catalog.file_of(name)).ok_or_else(|| format!("symbol {name}"))
            }
            MessageRequest::FileContainingExtension(extension) => {
                let (of, number) = (&extension.containing_type, extension.extension_number);
                let file =
                    u32::try_from(number).ok().and_then(|number| catalog.file_of_extension(of, number));
                self.files(file).ok_or_else(|| format!("extension {number} of {of}"))
            }
            MessageRequest::AllExtensionNumbersOfType(name) => {
                let extension_number =
                    catalog.extensions_of(name).ok_or_else(|| format!("message {name}"))?;
                Ok(MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                    base_type_name: name.clone(),
                    extension_number,
                }))
            }
        }
    }

    /// A file and what it imports, as far as the client does not have it, as grpc-go's server answers.
    fn files(&mut self, file: Option<FileDescriptor>) -> Option<MessageResponse> {
        let mut open = vec![file?];
        let mut file_descriptor_proto = Vec::new();
        let mut first = true;
        while let Some(file) = open.pop() {
            // What was asked for is always sent.
            if self.sent.insert(file.name().to_owned()) || first {
                file_descriptor_proto.push(file.encode_to_vec());
                open.extend(file.dependencies());
            }
            first = false;
        }
        Some(MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto }))
    }
}
