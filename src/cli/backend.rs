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
    /// The name that WhoAmI answers; that of the machine by default, which tells replicas apart.
    #[arg(long)]
    name: Option<String>,
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
            let name = self.name.unwrap_or_else(host_name);
            let options = BackendOptions { name, reflection: !self.no_reflection };
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

/// What the kernel calls this machine, or this container.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "demo-backend".into(),
        name => name.into(),
    }
}
