//! `DiagnosticsService`: calls that behave as they are told.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::pace::Pace;
use super::proto::ecommerce::v1::diagnostics_service_server::DiagnosticsService;
use super::proto::ecommerce::v1::{
    ChatRequest, ChatResponse, CollectRequest, CollectResponse, DownloadRequest, EchoRequest, EchoResponse,
    FailAfterRequest, FailRequest, FailResponse, SleepRequest, SleepResponse, StatsRequest, StatsResponse,
    StreamMessage, StreamRequest, UploadRequest, UploadResponse, WhoAmIRequest, WhoAmIResponse,
};
use super::proto::google::api::HttpBody;
use super::stats::{self, Stats};
use super::violations::Violations;
use super::{failure, metadata};

/// The service of one backend.
#[derive(Debug)]
pub(super) struct Diagnostics {
    name: String,
    address: SocketAddr,
    stats: Arc<Stats>,
}

impl Diagnostics {
    /// Answers as the backend `name` at `address`, which counts into `stats`.
    pub(super) fn new(name: String, address: SocketAddr, stats: Arc<Stats>) -> Self {
        Self { name, address, stats }
    }
}

#[tonic::async_trait]
impl DiagnosticsService for Diagnostics {
    type FailAfterStream = BoxStream<'static, Result<StreamMessage, Status>>;
    type StreamStream = BoxStream<'static, Result<StreamMessage, Status>>;
    type ChatStream = BoxStream<'static, Result<ChatResponse, Status>>;
    type DownloadStream = BoxStream<'static, Result<HttpBody, Status>>;
    type RelayStream = Streaming<HttpBody>;

    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        let received = metadata::entries(request.metadata());
        let request = request.into_inner();
        let mut violations = Violations::default();
        let headers = metadata::metadata("response_headers", &request.response_headers, &mut violations);
        violations.check()?;
        let mut response = Response::new(EchoResponse {
            message: request.message,
            payload: request.payload,
            metadata: received,
            backend: self.name.clone(),
        });
        *response.metadata_mut() = headers;
        Ok(response)
    }

    async fn sleep(&self, request: Request<SleepRequest>) -> Result<Response<SleepResponse>, Status> {
        let asked = request.into_inner().duration;
        let mut violations = Violations::default();
        let duration = violations.duration("duration", asked.as_ref());
        violations.check()?;
        tokio::time::sleep(duration).await;
        Ok(Response::new(SleepResponse { slept: Some(asked.unwrap_or_default()) }))
    }

    async fn fail(&self, request: Request<FailRequest>) -> Result<Response<FailResponse>, Status> {
        Err(asked_failure("", request.get_ref()))
    }

    async fn fail_after(
        &self,
        request: Request<FailAfterRequest>,
    ) -> Result<Response<Self::FailAfterStream>, Status> {
        let request = request.into_inner();
        let mut violations = Violations::default();
        let pace = Pace::new("stream.", &request.stream.unwrap_or_default(), &mut violations);
        let status = failure::status("failure.", &request.failure.unwrap_or_default(), &mut violations);
        violations.check()?;
        let failure = stream::once(async { Err(status) });
        Ok(Response::new(pace.messages().map(Ok).chain(failure).boxed()))
    }

    async fn stream(&self, request: Request<StreamRequest>) -> Result<Response<Self::StreamStream>, Status> {
        let mut violations = Violations::default();
        let pace = Pace::new("", request.get_ref(), &mut violations);
        violations.check()?;
        Ok(Response::new(pace.messages().map(Ok).boxed()))
    }

    async fn collect(
        &self,
        request: Request<Streaming<CollectRequest>>,
    ) -> Result<Response<CollectResponse>, Status> {
        let mut requests = request.into_inner();
        let mut summary = CollectResponse::default();
        while let Some(request) = requests.message().await? {
            if let Some(failure) = &request.failure {
                return Err(asked_failure("failure.", failure));
            }
            summary.messages += 1;
            summary.bytes += request.payload.len() as u64;
            pause(request.pause.as_ref()).await?;
        }
        Ok(Response::new(summary))
    }

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let answers = stream::try_unfold((request.into_inner(), 0_u32), |(mut requests, index)| async move {
            let Some(request) = requests.message().await? else { return Ok(None) };
            pause(request.pause.as_ref()).await?;
            if let Some(failure) = &request.failure {
                return Err(asked_failure("failure.", failure));
            }
            let answer = ChatResponse { index, text: request.text, payload: request.payload };
            Ok(Some((answer, (requests, index.wrapping_add(1)))))
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn upload(
        &self,
        request: Request<Streaming<UploadRequest>>,
    ) -> Result<Response<UploadResponse>, Status> {
        let mut requests = request.into_inner();
        let mut summary = UploadResponse::default();
        while let Some(UploadRequest { name, file }) = requests.message().await? {
            let file = file.unwrap_or_default();
            summary.messages += 1;
            summary.bytes += file.data.len() as u64;
            if summary.name.is_empty() {
                summary.name = name;
            }
            if summary.content_type.is_empty() {
                summary.content_type = file.content_type;
            }
        }
        Ok(Response::new(summary))
    }

    async fn download(
        &self,
        request: Request<DownloadRequest>,
    ) -> Result<Response<Self::DownloadStream>, Status> {
        let DownloadRequest { content_type, stream: pace, failure, .. } = request.into_inner();
        let mut violations = Violations::default();
        let pace = Pace::new("stream.", &pace.unwrap_or_default(), &mut violations);
        let failure = failure.map(|failure| failure::status("failure.", &failure, &mut violations));
        violations.check()?;
        let parts = pace.messages().map(move |part| {
            let content_type = if part.index == 0 { content_type.clone() } else { String::new() };
            Ok(HttpBody { content_type, data: part.payload, extensions: Vec::new() })
        });
        Ok(Response::new(parts.chain(stream::iter(failure.map(Err))).boxed()))
    }

    async fn relay(
        &self,
        request: Request<Streaming<HttpBody>>,
    ) -> Result<Response<Self::RelayStream>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn who_am_i(&self, _: Request<WhoAmIRequest>) -> Result<Response<WhoAmIResponse>, Status> {
        Ok(Response::new(WhoAmIResponse {
            name: self.name.clone(),
            address: self.address.to_string(),
            pid: std::process::id(),
            calls: stats::total(self.stats.methods().values()).started,
        }))
    }

    async fn stats(&self, _: Request<StatsRequest>) -> Result<Response<StatsResponse>, Status> {
        let methods = self.stats.methods();
        Ok(Response::new(StatsResponse {
            name: self.name.clone(),
            total: Some(stats::total(methods.values())),
            methods,
        }))
    }
}

/// The failure that is asked for, or the one of asking for it wrongly.
fn asked_failure(prefix: &str, request: &FailRequest) -> Status {
    let mut violations = Violations::default();
    let status = failure::status(prefix, request, &mut violations);
    violations.check().err().unwrap_or(status)
}

async fn pause(duration: Option<&prost_types::Duration>) -> Result<(), Status> {
    let mut violations = Violations::default();
    let duration = violations.duration("pause", duration);
    violations.check()?;
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
    Ok(())
}
