//! `edgeway healthcheck`, for images without a shell.

use std::{process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{FAILED, complain, say};
use crate::telemetry::ErrorChain;

#[derive(Args, Debug)]
pub(super) struct Healthcheck {
    /// Healthy is what answers 200 there.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9901/readyz", conflicts_with = "grpc")]
    url: Uri,
    /// Ask a gRPC server by grpc.health.v1 instead.
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<String>,
    /// The service to ask the gRPC server for; the whole server by default.
    #[arg(long, default_value = "", requires = "grpc")]
    service: String,
}

impl Healthcheck {
    pub(super) fn run(self) -> ExitCode {
        let check = async {
            let check = async {
                match &self.grpc {
                    Some(address) => serving(address, &self.service).await,
                    None => answers(&self.url).await,
                }
            };
            tokio::time::timeout(PATIENCE, check)
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let checked = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(check));
        match checked {
            Ok(answer) => {
                say(answer);
                ExitCode::SUCCESS
            }
            Err(why) => {
                complain(format_args!("unhealthy: {why}"));
                ExitCode::from(FAILED)
            }
        }
    }
}

async fn answers(url: &Uri) -> Result<String, String> {
    if url.scheme_str().is_some_and(|scheme| scheme != "http") {
        return Err(format!("expected an http:// URL, found {url}: the admin port speaks plain HTTP"));
    }
    let authority = url.authority().ok_or_else(|| format!("expected http://host:port/path, found {url}"))?;
    let address = (authority.host(), authority.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.map_err(|error| format!("{authority}: {error}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = Request::get(url.path_and_query().map_or("/", |path| path.as_str()))
        .header("host", authority.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST).collect().await.map_err(|error| error.to_string())?;
    let body = String::from_utf8_lossy(&body.to_bytes()).trim().to_owned();
    if status.is_success() { Ok(body) } else { Err(format!("{status}: {body}")) }
}

async fn serving(address: &str, service: &str) -> Result<String, String> {
    let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::try_from(address).map_err(|error| error.to_string())?;
    let channel = endpoint.connect().await.map_err(|error| ErrorChain(&error).to_string())?;
    let mut client = HealthClient::new(channel);
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer =
        client.check(request).await.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok("SERVING".into()),
        other => Err(other.as_str_name().into()),
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const MOST: usize = 64 << 10;
