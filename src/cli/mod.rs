//! The command line, one file per verb.
//!
//! | exit code | means |
//! |---|---|
//! | 0 | fine |
//! | 1 | it ran and failed: unhealthy, a port in use |
//! | 2 | bad usage or configuration; nothing was started |

mod backend;
mod demo;
mod explain;
mod healthcheck;
mod routes;
mod run;
mod signals;
mod validate;
mod web;

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use tokio::runtime;

use crate::{
    config::{self, Flags, Loaded, process_environment},
    gateway::{self, Survey},
    plan,
};

/// A gRPC-Web and REST-to-gRPC edge gateway.
#[derive(Debug, Parser)]
#[command(name = "edgeway", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the gateway.
    Run(Configuration),
    /// Run three demo backends, a gateway before them and a web page, and print what to try.
    Demo(demo::Demo),
    /// Check the configuration and its descriptor sets without starting anything.
    Validate(Configuration),
    /// Print the REST routes of a configuration, and what is wrong with them.
    Routes(routes::Routes),
    /// Say what would become of a REST request, and send nothing.
    Explain(explain::Explain),
    /// Ask a running gateway, or any gRPC server, whether it is healthy.
    Healthcheck(healthcheck::Healthcheck),
    /// Print the version.
    Version,
    /// Run one demo backend.
    #[command(hide = true)]
    DemoBackend(backend::DemoBackend),
    /// Serve the page of the web demo for a gateway that runs elsewhere.
    #[command(hide = true)]
    DemoWeb(web::DemoWeb),
}

/// Where the configuration comes from: a file, or flags alone.
#[derive(Args, Debug)]
struct Configuration {
    /// The configuration file [default: edgeway.yaml, if it is there] [env: EDGEWAY_CONFIG]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 0.0.0.0:8080] [env: EDGEWAY_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where the operator's port listens [default: 127.0.0.1:9901] [env: EDGEWAY_ADMIN_ADDRESS]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// A backend, such as orders=dns:///orders:50051; may be repeated [env: EDGEWAY_UPSTREAMS]
    #[arg(long = "upstream", value_name = "[NAME=]TARGET")]
    upstreams: Vec<String>,
    /// A descriptor set of the upstreams; may be repeated [env: EDGEWAY_PROTOSETS]
    #[arg(long = "protoset", value_name = "FILE")]
    protosets: Vec<PathBuf>,
    /// How much to log: off, error, warn, info, debug, trace [env: EDGEWAY_LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// The form of the log: text or json [default: text on a terminal] [env: EDGEWAY_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Runs the verb of the process's arguments.
pub fn main() -> ExitCode {
    // Usage errors end here with exit code 2.
    match Cli::parse().verb {
        Verb::Run(configuration) => run::run(configuration),
        Verb::Demo(demo) => demo.run(),
        Verb::Validate(configuration) => validate::run(configuration),
        Verb::Routes(routes) => routes.run(),
        Verb::Explain(explain) => explain.run(),
        Verb::Healthcheck(healthcheck) => healthcheck.run(),
        Verb::Version => {
            say(format_args!("edgeway {}", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Verb::DemoBackend(backend) => backend.run(),
        Verb::DemoWeb(web) => web.run(),
    }
}

/// The configuration, with its warnings told; the exit code of one that is refused.
fn load(configuration: Configuration) -> Result<Loaded, ExitCode> {
    let checked = config::load(&configuration.into(), &process_environment)
        .and_then(|loaded| plan::check_templates(&loaded.config.http).map(|()| loaded));
    let loaded = checked.map_err(|report| {
        complain(report);
        ExitCode::from(REFUSED)
    })?;
    for warning in &loaded.warnings {
        complain(warning);
    }
    Ok(loaded)
}

/// What a gateway of this configuration would serve; the exit code of one that is refused.
fn survey(configuration: Configuration) -> Result<Survey, ExitCode> {
    let loaded = load(configuration)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        complain(format_args!("error: cannot start a runtime: {error}"));
        ExitCode::from(FAILED)
    })?;
    runtime.block_on(gateway::survey(loaded.config, PATIENCE)).map_err(|error| {
        complain(format_args!("error: {error}"));
        ExitCode::from(REFUSED)
    })
}

impl From<Configuration> for Flags {
    fn from(given: Configuration) -> Self {
        Self {
            config: given.config,
            listen: given.listen,
            admin: given.admin,
            upstreams: given.upstreams,
            protosets: given.protosets,
            log_level: given.log_level,
            log_format: given.log_format,
        }
    }
}

/// A line on standard output. A reader that went away is no reason to fail.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line on standard error.
fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// How long backends get to say what they have.
const PATIENCE: Duration = Duration::from_secs(3);

/// It ran and failed.
const FAILED: u8 = 1;

/// Nothing was started.
const REFUSED: u8 = 2;
