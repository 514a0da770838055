//! `edgeway run`.

use std::process::ExitCode;

use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

use super::{Configuration, FAILED, REFUSED, complain, say};
use crate::{
    config::{self, Config, LogFormat, process_environment},
    gateway::{Gateway, StartError},
    telemetry::{self, ErrorChain, Metrics},
};

pub(super) fn run(configuration: Configuration) -> ExitCode {
    let loaded = match config::load(&configuration.into(), &process_environment) {
        Ok(loaded) => loaded,
        Err(report) => {
            complain(report);
            return ExitCode::from(REFUSED);
        }
    };
    for warning in &loaded.warnings {
        complain(warning);
    }
    tracing_then(loaded.config, async |config, metrics, access| {
        let text = config.telemetry.logs.format != Some(LogFormat::Json);
        let gateway = Gateway::start(config, metrics, access).await?;
        announce(&gateway, &loaded.origin, text);
        stop_signal().await;
        tracing::info!("shutting down; a second signal ends at once");
        tokio::select! {
            () = gateway.shut_down() => {}
            () = stop_signal() => tracing::warn!("ended by a second signal"),
        }
        Ok(())
    })
}

/// Installs the logs and runs a gateway's life on the control runtime.
pub(super) fn tracing_then(
    config: Config,
    life: impl AsyncFnOnce(Config, Metrics, telemetry::AccessLog) -> Result<(), StartError>,
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
    match runtime.block_on(life(config, metrics, guard.access_log())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("error: {error}"));
            ExitCode::from(if matches!(error, StartError::Schema(_)) { REFUSED } else { FAILED })
        }
    }
}

/// Says what runs where. The first line is the public address, for whoever starts it with port 0.
fn announce(gateway: &Gateway, origin: &str, text: bool) {
    if !text {
        for (name, address) in gateway.addresses() {
            tracing::info!(listener = name, %address, "listening");
        }
        tracing::info!(address = %gateway.admin_address(), config = origin, "admin port");
        return;
    }
    for (_, address) in gateway.addresses() {
        say(format_args!("listening on {address}"));
    }
    say(format_args!("admin on {}", gateway.admin_address()));
    let plan = gateway.plan();
    say(format_args!("configuration: {origin}"));
    say(format_args!("methods {} on {} REST routes", plan.methods().len(), plan.routes.routes().len()));
    for (cluster, why) in &plan.missing {
        say(format_args!("not yet: {cluster}: {why}"));
    }
}

/// SIGTERM or SIGINT.
pub(super) async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals keep their default: they end the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
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
