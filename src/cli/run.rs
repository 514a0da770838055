//! `edgeway run`.

use std::{process::ExitCode, time::Duration};

use tokio::runtime;

use super::{Configuration, FAILED, REFUSED, complain, load, say, signals::Signals};
use crate::{
    config::{Config, LogFormat},
    gateway::{Gateway, StartError},
    telemetry::{self, ErrorChain, Metrics},
};

pub(super) fn run(configuration: Configuration) -> ExitCode {
    let loaded = match load(configuration) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    live(loaded.config, async |config, metrics, access, signals| {
        let text = config.telemetry.logs.format != Some(LogFormat::Json);
        let gateway = Gateway::start(config, metrics, access).await?;
        addresses(&gateway, text);
        tokio::select! {
            () = async {
                ready(&gateway, SETTLE).await;
                methods(&gateway, &loaded.origin, text);
                std::future::pending().await
            } => {}
            () = signals.next() => {}
        }
        tracing::info!("shutting down; a second signal ends at once");
        tokio::select! {
            () = gateway.shut_down() => {}
            () = signals.next() => tracing::warn!("ended by a second signal"),
        }
        Ok(())
    })
}

/// Installs the logs and runs a gateway's life on the control runtime.
pub(super) fn live(
    config: Config,
    life: impl AsyncFnOnce(Config, Metrics, telemetry::AccessLog, &mut Signals) -> Result<(), StartError>,
) -> ExitCode {
    let metrics = Metrics::new();
    let guard = match telemetry::init(&settings(&config), &metrics) {
        Ok(guard) => guard,
        Err(error) => {
            complain(format_args!("error: {}", ErrorChain(&error)));
            return ExitCode::from(FAILED);
        }
    };
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("error: cannot start the control runtime: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let ended = runtime.block_on(async {
        let mut signals = Signals::catch().map_err(StartError::Signals)?;
        life(config, metrics, guard.access_log(), &mut signals).await
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("error: {error}"));
            ExitCode::from(if matches!(error, StartError::Schema(_)) { REFUSED } else { FAILED })
        }
    }
}

/// Says what listens where. The first line is the public address, for whoever starts it with port 0.
fn addresses(gateway: &Gateway, text: bool) {
    for (name, address) in gateway.addresses() {
        if text {
            say(format_args!("listening on {address}"));
        } else {
            tracing::info!(listener = name, %address, "listening");
        }
    }
    let admin = gateway.admin_address();
    if text {
        say(format_args!("admin on {admin}"));
    } else {
        tracing::info!(address = %admin, "admin port");
    }
}

/// Says what can be called, and what cannot be yet and why.
fn methods(gateway: &Gateway, origin: &str, text: bool) {
    let plan = gateway.plan();
    let (methods, routes) = (plan.methods().len(), plan.routes.routes().len());
    if !text {
        return tracing::info!(configuration = origin, methods, routes, "serving");
    }
    say(format_args!("configuration: {origin}"));
    say(format_args!("{methods} methods, {routes} REST routes"));
    for cluster in gateway.readiness().clusters {
        if let Some(reason) = cluster.reason {
            say(format_args!("not yet: {}: {reason}", cluster.name));
        }
    }
}

/// Waits until the gateway is ready, for a while.
pub(super) async fn ready(gateway: &Gateway, patience: Duration) {
    let wait = async {
        while !gateway.readiness().ready {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(patience, wait).await;
}

fn settings(config: &Config) -> telemetry::Settings {
    use std::io::IsTerminal;
    let logs = &config.telemetry.logs;
    let text = match logs.format {
        Some(format) => format == LogFormat::Text,
        None => std::io::stderr().is_terminal(),
    };
    telemetry::Settings {
        level: logs.level.as_str().to_owned(),
        format: if text { telemetry::Format::Text } else { telemetry::Format::Json },
        access: logs.access.enabled,
    }
}

/// How long backends get to introduce themselves before the start is reported without them.
const SETTLE: Duration = Duration::from_secs(1);
