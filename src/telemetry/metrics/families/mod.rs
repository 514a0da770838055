//! The list of families: name, help, and whose values they show. One file per topic.

mod attempts;
mod calls;
mod clusters;
mod front;
mod mirrors;
mod page;
mod process;
mod subchannels;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use self::page::Page;
use super::Owners;
use super::process::Process;

/// Writes all families at each scrape.
#[derive(Debug)]
pub(super) struct Families(pub(super) Arc<Owners>);

impl Collector for Families {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        // The lists are copied so that nobody who sets up a handle waits for the encoding.
        let methods: Vec<_> = self.0.methods.lock().values().cloned().collect();
        let known: Vec<_> = self.0.clusters.lock().values().cloned().collect();
        calls::encode(&mut page, &methods)?;
        attempts::encode(&mut page, &methods, &known)?;
        subchannels::encode(&mut page, &known)?;
        clusters::encode(&mut page, &known, &methods)?;
        mirrors::encode(&mut page, &self.0)?;
        front::encode(&mut page, &self.0)?;
        process::encode(&mut page, Process::read())
    }
}
