//! Keeps the plan true to what the backends say they are.
//!
//! One task per cluster asks its backends by reflection: when a connection comes up, since a backend that was restarted
//! may have changed, and every `refresh_interval`. What it finds is built beside the calls and swapped in whole; a
//! failure changes nothing but the log and `/readyz`. The last good schema stays for as long as the process lives.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    config::{self, Config, Reflection},
    plan::{Plan, Source, Warning},
    schema::{
        BuildError, DescriptorSet, Schema,
        source::{self, ProtosError, ProtosetError, ReflectionError},
    },
    telemetry::{ErrorChain, Metrics, metrics::ReloadResult},
    upstream::{Cluster, Control, Outbound},
};

/// Files of the configuration that make no schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It cannot be read.
    #[error("cluster {cluster}: {source}")]
    Read {
        /// The cluster's name.
        cluster: String,
        /// What is wrong with the file.
        #[source]
        source: ProtosetError,
    },
    /// Its proto files do not compile.
    #[error("cluster {cluster}: {source}")]
    Compile {
        /// The cluster's name.
        cluster: String,
        /// What is wrong with the files.
        #[source]
        source: ProtosError,
    },
    /// It was read and makes no schema.
    #[error("cluster {cluster}, {}: {source}", file.display())]
    Build {
        /// The cluster's name.
        cluster: String,
        /// The first of its files.
        file: PathBuf,
        /// All that is wrong.
        #[source]
        source: BuildError,
    },
}

/// Reads and compiles the files of every cluster and checks that each cluster's make a schema: descriptor sets, then
/// proto files, each in the order listed.
///
/// # Errors
/// The first cluster whose files do not.
pub fn load_files(config: &Config) -> Result<Vec<Vec<DescriptorSet>>, SchemaError> {
    let load = |cluster: &config::Cluster| {
        let name = || cluster.name.clone();
        let config::Descriptors { protosets, protos, .. } = &cluster.descriptors;
        let read = |path: &PathBuf| {
            source::read(path).map_err(|source| SchemaError::Read { cluster: name(), source })
        };
        let mut sets = protosets.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if !protos.files.is_empty() {
            let compiled = source::compile(&protos.files, &protos.import_paths);
            sets.push(compiled.map_err(|source| SchemaError::Compile { cluster: name(), source })?);
        }
        if let Some(file) = protosets.first().or(protos.files.first()) {
            let failed = |source| SchemaError::Build { cluster: name(), file: file.clone(), source };
            Schema::build(&sets, |service| cluster.exposes_service(service)).map_err(failed)?;
        }
        Ok(sets)
    };
    config.clusters.iter().map(load).collect()
}

/// The schemas of all clusters and the plan compiled from them.
#[derive(Debug)]
pub(super) struct Schemas {
    config: Arc<Config>,
    sources: Arc<Mutex<Vec<Source>>>,
    files: Vec<Vec<DescriptorSet>>,
    plan: Arc<ArcSwap<Plan>>,
    metrics: Metrics,
    warned: Mutex<Vec<Warning>>,
    /// The clusters whose backends have answered the question for their schema, in one way or another.
    asked: watch::Sender<BTreeSet<usize>>,
}

impl Schemas {
    /// Serves what the descriptor sets have; reflection has yet to begin.
    pub(super) fn new(
        config: Arc<Config>,
        mut sources: Vec<Source>,
        files: Vec<Vec<DescriptorSet>>,
        metrics: Metrics,
    ) -> Arc<Self> {
        for (source, sets) in sources.iter_mut().zip(&files) {
            // With `always`, files alone are not the schema: the backend's own word has to come first.
            if !sets.is_empty() && source.config.descriptors.reflection != Reflection::Always {
                let built = Schema::build(sets, |service| source.config.exposes_service(service));
                source.schema = built.map(Arc::new).map_err(|error| error.to_string());
            }
        }
        let (plan, warnings) = Plan::compile(1, &config, &sources, &metrics);
        let schemas = Self {
            config,
            sources: Arc::new(Mutex::new(sources)),
            files,
            plan: Arc::new(ArcSwap::from_pointee(plan)),
            metrics,
            warned: Mutex::default(),
            asked: watch::Sender::default(),
        };
        schemas.warn(warnings);
        Arc::new(schemas)
    }

    pub(super) fn plan(&self) -> Arc<ArcSwap<Plan>> {
        Arc::clone(&self.plan)
    }

    pub(super) fn sources(&self) -> Arc<Mutex<Vec<Source>>> {
        Arc::clone(&self.sources)
    }

    /// The warnings of the plan in use.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        self.warned.lock().clone()
    }

    /// Waits until every cluster that may be asked has answered once.
    pub(super) async fn asked(&self) {
        let asks = |source: &Source| source.config.descriptors.reflection != Reflection::Never;
        let count = self.sources.lock().iter().filter(|source| asks(source)).count();
        // The sender lives as long as this does.
        let _ = self.asked.subscribe().wait_for(|asked| asked.len() >= count).await;
    }

    /// Starts a task for every cluster that may be asked.
    pub(super) fn follow(self: &Arc<Self>, outbound: &Outbound) {
        for (index, source) in self.sources.lock().iter().enumerate() {
            if source.config.descriptors.reflection != Reflection::Never {
                let control = Control::new(outbound.clone(), Arc::clone(&source.cluster), source::TIMEOUT);
                let (config, cluster) = (Arc::clone(&source.config), Arc::clone(&source.cluster));
                tokio::spawn(Arc::clone(self).poll(index, config, cluster, control));
            }
        }
    }

    async fn poll(
        self: Arc<Self>,
        index: usize,
        config: Arc<config::Cluster>,
        cluster: Arc<Cluster>,
        control: Control,
    ) {
        let interval = config.descriptors.refresh_interval;
        let mut reflection = source::Reflection::new(format!("reflection of {}", cluster.name()));
        let mut connects = cluster.connects();
        // Nobody can be asked before the first connection.
        while *connects.borrow_and_update() == 0 {
            let health = cluster.health();
            self.failed(index, health.reason.unwrap_or_default(), false);
            tokio::select! {
                changed = connects.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        loop {
            let wait = match reflection
                .fetch(control.clone(), |service| config.exposes_service(service))
                .await
            {
                Ok(fetched) => {
                    for unresolved in &fetched.unresolved {
                        tracing::warn!(
                            cluster = cluster.name(),
                            service = unresolved.service,
                            reason = unresolved.reason,
                            "a service is listed and cannot be described"
                        );
                    }
                    self.found(index, &config, &cluster, fetched.set).await;
                    interval
                }
                Err(error) => {
                    cluster.metrics().reloaded(ReloadResult::Failed);
                    self.failed(index, ErrorChain(&error).to_string(), true);
                    tracing::debug!(cluster = cluster.name(), error = %ErrorChain(&error), "reflection failed");
                    // A server without reflection will not grow it; one that could not answer may do so at once.
                    if matches!(error, ReflectionError::NotOffered { .. }) {
                        interval
                    } else {
                        interval.min(AGAIN)
                    }
                }
            };
            self.asked.send_if_modified(|asked| asked.insert(index));
            tokio::select! {
                changed = connects.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Takes a set that a backend sent; the plan changes only if the schema did.
    async fn found(
        &self,
        index: usize,
        config: &Arc<config::Cluster>,
        cluster: &Cluster,
        set: DescriptorSet,
    ) {
        let mut sets = vec![set];
        sets.extend(self.files.get(index).into_iter().flatten().cloned());
        // Hundreds of services take tens of milliseconds, which accepting must not wait for.
        let config = Arc::clone(config);
        let build = move || Schema::build(&sets, |service| config.exposes_service(service));
        let built = tokio::task::spawn_blocking(build).await;
        let schema = match built {
            Ok(Ok(schema)) => Arc::new(schema),
            Ok(Err(error)) => {
                cluster.metrics().reloaded(ReloadResult::Failed);
                tracing::warn!(cluster = cluster.name(), %error, "the schema of a backend is refused, the last good one stays");
                return self.failed(index, error.to_string(), true);
            }
            Err(error) => return self.failed(index, error.to_string(), true),
        };
        let mut sources = self.sources.lock();
        let Some(source) = sources.get_mut(index) else { return };
        if source.schema.as_ref().is_ok_and(|known| known.digest() == schema.digest()) {
            return cluster.metrics().reloaded(ReloadResult::Unchanged);
        }
        tracing::info!(
            cluster = cluster.name(),
            services = schema.services().len(),
            methods = schema.methods().count(),
            "schema loaded"
        );
        source.schema = Ok(schema);
        self.compile(&sources);
        cluster.metrics().reloaded(ReloadResult::Changed);
    }

    /// Notes why a cluster has no schema; one that has keeps it.
    fn failed(&self, index: usize, why: String, warn: bool) {
        let mut sources = self.sources.lock();
        let Some(source) = sources.get_mut(index) else { return };
        if source.schema.as_ref().is_err_and(|known| *known != why) {
            if warn {
                tracing::warn!(cluster = source.cluster.name(), why, "no schema yet");
            }
            source.schema = Err(why);
            self.compile(&sources);
        }
    }

    fn compile(&self, sources: &[Source]) {
        let generation = self.plan.load().generation + 1;
        let (plan, warnings) = Plan::compile(generation, &self.config, sources, &self.metrics);
        self.plan.store(Arc::new(plan));
        self.warn(warnings);
    }

    /// Each warning once, not with every reload.
    fn warn(&self, warnings: Vec<Warning>) {
        let mut warned = self.warned.lock();
        for warning in warnings.iter().filter(|warning| !warned.contains(warning)) {
            tracing::warn!(place = warning.place, "{}", warning.message);
        }
        *warned = warnings;
    }
}

/// How often `/readyz` learns the reason of a cluster that nobody reached yet.
const LOOK: Duration = Duration::from_millis(500);

/// Between attempts at a backend that is there and did not answer.
const AGAIN: Duration = Duration::from_secs(2);
