//! `edgeway demo`.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;

use super::{FAILED, complain, run, say};
use crate::{
    config::{self, Config, Flags, Report},
    demo::{self, BackendOptions},
    gateway::Gateway,
};

#[derive(Args, Debug)]
pub(super) struct Demo {
    /// The gateway's port.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The operator's port.
    #[arg(long, default_value_t = 9901)]
    admin_port: u16,
}

impl Demo {
    pub(super) fn run(self) -> ExitCode {
        let stop = CancellationToken::new();
        let backends = match Backends::start(&stop) {
            Ok(backends) => backends,
            Err(error) => {
                complain(format_args!("error: cannot start the demo backends: {error}"));
                return ExitCode::from(FAILED);
            }
        };
        let config = match self.config(&backends.addresses) {
            Ok(config) => config,
            Err(report) => {
                complain(report);
                return ExitCode::from(FAILED);
            }
        };
        let code = run::live(config, async |config, metrics, access, signals| {
            let gateway = Gateway::start(config, metrics, access).await?;
            // So that every printed line works when it is read.
            run::ready(&gateway, Duration::from_secs(5)).await;
            print(&gateway, &backends.addresses);
            signals.next().await;
            say("\ndraining; Ctrl-C again ends at once");
            tokio::select! {
                () = gateway.shut_down() => {}
                () = signals.next() => {}
            }
            Ok(())
        });
        stop.cancel();
        backends.runtime.shutdown_timeout(Duration::from_secs(5));
        code
    }

    fn config(&self, backends: &[SocketAddr]) -> Result<Config, Report> {
        let backends: Vec<_> = backends.iter().map(ToString::to_string).collect();
        let flags = Flags {
            listen: Some(format!("127.0.0.1:{}", self.port)),
            admin: Some(format!("127.0.0.1:{}", self.admin_port)),
            upstreams: vec![format!("demo=ipv4:{}", backends.join(","))],
            log_level: Some("warn".into()),
            log_format: Some("text".into()),
            ..Flags::default()
        };
        // No environment: a demo is the same everywhere.
        let mut config = config::load(&flags, &|_| None)?.config;
        config.shutdown.drain_delay = Duration::ZERO;
        Ok(config)
    }
}

/// The demo backends, on threads of their own: they stand for other machines.
struct Backends {
    runtime: runtime::Runtime,
    addresses: Vec<SocketAddr>,
}

impl Backends {
    fn start(stop: &CancellationToken) -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut addresses = Vec::new();
        for index in 1..=BACKENDS {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
            addresses.push(listener.local_addr()?);
            let options = BackendOptions { name: format!("backend-{index}"), reflection: true };
            let serve = demo::serve(listener, options, stop.clone().cancelled_owned());
            runtime.spawn(async move {
                if let Err(error) = serve.await {
                    complain(format_args!("a demo backend ended: {error}"));
                }
            });
        }
        Ok(Self { runtime, addresses })
    }
}

fn print(gateway: &Gateway, backends: &[SocketAddr]) {
    let plan = gateway.plan();
    let address = gateway.addresses().first().map_or_else(String::new, |(_, address)| address.to_string());
    let backends: Vec<_> = backends.iter().map(ToString::to_string).collect();
    say(format_args!("listening on {address}"));
    say(format_args!("demo backends  {}", backends.join(" ")));
    say(format_args!(
        "gateway        http://{address}  {} methods, {} REST routes, by reflection",
        plan.methods().len(),
        plan.routes.routes().len()
    ));
    say(format_args!("admin          http://{}  /healthz /readyz /metrics", gateway.admin_address()));
    say("\ntry");
    for (what, line) in TRY {
        say(format_args!(
            "  # {what}\n  {}",
            line.replace("{gateway}", &address).replace("{admin}", &gateway.admin_address().to_string())
        ));
    }
    say("\nCtrl-C drains and ends.");
}

/// What to try: every line works when pasted into a shell.
const TRY: &[(&str, &str)] = &[
    ("an order", "curl -s http://{gateway}/v1/orders/order-1"),
    (
        "a new one",
        r#"curl -s http://{gateway}/v1/orders -H 'content-type: application/json' -d '{"userId":"alice","items":[{"productId":"tea","quantity":2,"unitPrice":4.5}]}'"#,
    ),
    (
        "query parameters, a stream as a JSON array",
        "curl -s 'http://{gateway}/v1/users/alice/orders?page_size=2'",
    ),
    (
        "a stream as it comes, one line a message",
        "curl -sN http://{gateway}/v1/orders/order-1:watch -H 'accept: application/x-ndjson'",
    ),
    (
        "an error with its details",
        r#"curl -s http://{gateway}/v1/orders -H 'content-type: application/json' -d '{"userId":"","items":[]}'"#,
    ),
    (
        "any method without an annotation",
        "curl -s http://{gateway}/ecommerce.v1.DiagnosticsService/WhoAmI -H 'content-type: application/json' -d '{}'",
    ),
    (
        "one connection, three backends",
        r#"curl -s "http://{gateway}/v1/diagnostics/whoami#[1-9]" | grep -o '"name":"[^"]*"'"#,
    ),
    ("whether it is ready", "curl -s http://{admin}/readyz"),
    (
        "what dashboards see",
        "curl -s http://{admin}/metrics | grep grpc_server_handled_total | grep -v ' 0$'",
    ),
];

const BACKENDS: usize = 3;
