//! `edgeway demo`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;

use super::{FAILED, complain, run, say};
use crate::{
    config::{self, Config, Cors, Flags, HostPattern, OriginPattern, PortPattern, Report},
    demo::{self, ApiOrigin, Fleet, WebOptions},
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
    /// The port of the web demo's page.
    #[arg(long, default_value_t = 8081)]
    web_port: u16,
}

impl Demo {
    pub(super) fn run(self) -> ExitCode {
        let outside = match Outside::start(self.web_port) {
            Ok(outside) => outside,
            Err(error) => {
                complain(format_args!("error: cannot start the demo: {error}"));
                return ExitCode::from(FAILED);
            }
        };
        let config = match self.config(&outside) {
            Ok(config) => config,
            Err(report) => {
                complain(report);
                return ExitCode::from(FAILED);
            }
        };
        let Outside { runtime, fleet, web, web_address } = outside;
        let stop = CancellationToken::new();
        let addresses: Vec<_> = fleet.addresses().collect();
        let code = run::live(config, async |config, metrics, access, signals| {
            let gateway = Gateway::start(config, metrics, access).await?;
            let address = gateway.addresses().first().map_or(self.address(), |(_, address)| *address);
            let options = WebOptions { api: ApiOrigin::from(address), fleet: Some(Arc::clone(&fleet)) };
            let page = demo::serve_web(web, options, stop.clone().cancelled_owned());
            runtime.spawn(async move {
                if let Err(error) = page.await {
                    complain(format_args!("the page of the demo ended: {error}"));
                }
            });
            // So that every printed line works when it is read.
            run::ready(&gateway, Duration::from_secs(5)).await;
            print(&gateway, &addresses, web_address);
            signals.next().await;
            say("\ndraining; Ctrl-C again ends at once");
            tokio::select! {
                () = gateway.shut_down() => {}
                () = signals.next() => {}
            }
            Ok(())
        });
        stop.cancel();
        drop(fleet);
        runtime.shutdown_timeout(Duration::from_secs(5));
        code
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    fn config(&self, outside: &Outside) -> Result<Config, Report> {
        let backends: Vec<_> = outside.fleet.addresses().map(|address| address.to_string()).collect();
        let flags = Flags {
            listen: Some(self.address().to_string()),
            admin: Some(format!("127.0.0.1:{}", self.admin_port)),
            upstreams: vec![format!("demo=ipv4:{}", backends.join(","))],
            log_level: Some("warn".into()),
            log_format: Some("text".into()),
            ..Flags::default()
        };
        // No environment: a demo is the same everywhere.
        let mut config = config::load(&flags, &|_| None)?.config;
        config.shutdown.drain_delay = Duration::ZERO;
        config.cors = Some(cors(outside.web_address.port()));
        Ok(config)
    }
}

/// The page may call, and nobody else's: the demo needs nothing that its own page does not.
fn cors(web_port: u16) -> Cors {
    let origins = ["127.0.0.1", "localhost"].map(|host| OriginPattern::Of {
        scheme: "http",
        host: HostPattern::Exact(host.to_owned()),
        port: PortPattern::Exact(web_port),
    });
    Cors::new(origins.into())
}

/// The demo backends and the page, on threads of their own: they stand for other machines.
struct Outside {
    runtime: runtime::Runtime,
    fleet: Arc<Fleet>,
    web: TcpListener,
    web_address: SocketAddr,
}

impl Outside {
    fn start(web_port: u16) -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (fleet, web) = runtime.block_on(async {
            let web = TcpListener::bind((Ipv4Addr::LOCALHOST, web_port)).await?;
            std::io::Result::Ok((Fleet::start(BACKENDS).await?, web))
        })?;
        Ok(Self { runtime, fleet: Arc::new(fleet), web_address: web.local_addr()?, web })
    }
}

fn print(gateway: &Gateway, backends: &[SocketAddr], web: SocketAddr) {
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
    say(format_args!(
        "admin          http://{}  /healthz /readyz /metrics /clusters",
        gateway.admin_address()
    ));
    say(format_args!("web demo       http://{web}"));
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
