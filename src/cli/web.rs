//! `edgeway demo-web`.

use std::{net::SocketAddr, process::ExitCode};

use clap::Args;
use tokio::{net::TcpListener, runtime};

use super::{FAILED, complain, say, signals::Signals};
use crate::demo::{self, ApiOrigin, WebOptions};

#[derive(Args, Debug)]
pub(super) struct DemoWeb {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// The origin of the gateway, as browsers reach it; its `cors` has to allow this page's origin.
    #[arg(long, value_name = "ORIGIN", default_value = "http://127.0.0.1:8080")]
    api: ApiOrigin,
}

impl DemoWeb {
    pub(super) fn run(self) -> ExitCode {
        let serve = async {
            let listener = TcpListener::bind(self.listen).await?;
            say(format_args!("listening on {}", listener.local_addr()?));
            let mut signals = Signals::catch()?;
            let options = WebOptions { api: self.api, fleet: None };
            demo::serve_web(listener, options, async move { signals.next().await }).await
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        match runtime.and_then(|runtime| runtime.block_on(serve)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(format_args!("error: cannot serve on {}: {error}", self.listen));
                ExitCode::from(FAILED)
            }
        }
    }
}
