//! `edgeway demo-backend`.

use std::{net::SocketAddr, process::ExitCode};

use clap::Args;
use tokio::{net::TcpListener, runtime};

use super::{FAILED, complain, say, signals::Signals};
use crate::{
    demo::{self, BackendOptions},
    telemetry::ErrorChain,
};

#[derive(Args, Debug)]
pub(super) struct DemoBackend {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// The name that WhoAmI answers.
    #[arg(long, default_value = "demo-backend")]
    name: String,
    /// Serve without server reflection.
    #[arg(long)]
    no_reflection: bool,
}

impl DemoBackend {
    pub(super) fn run(self) -> ExitCode {
        let serve = async {
            let listener = TcpListener::bind(self.listen).await.map_err(|error| error.to_string())?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            say(format_args!("listening on {address}"));
            let mut signals = Signals::catch().map_err(|error| error.to_string())?;
            let options = BackendOptions { name: self.name, reflection: !self.no_reflection };
            let served = demo::serve(listener, options, async move { signals.next().await }).await;
            served.map_err(|error| ErrorChain(&error).to_string())
        };
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let served = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(serve));
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(format_args!("error: cannot serve on {}: {error}", self.listen));
                ExitCode::from(FAILED)
            }
        }
    }
}
