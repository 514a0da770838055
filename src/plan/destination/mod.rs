//! Which cluster a call goes to, where a route of the configuration decides it.
//!
//! Decided once for a call, whatever attempts it takes: a caller that was dealt to the canary is not dealt again because
//! a pod of it died. A method that no route selects has none of this.

mod compile;
mod hash;
mod mirror;
mod rule;

pub use mirror::Mirror;
pub use rule::Rule;

pub(super) use compile::Router;

use std::sync::Arc;

use http::HeaderMap;

use crate::{config::AttemptPolicy, upstream::Target};

/// The routes that select a method, in the order of the file; at least one.
#[derive(Debug)]
pub struct Destinations(Vec<Rule>);

/// What a route looks at.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The metadata of the call.
    pub headers: &'a HeaderMap,
    /// The host that the caller named, in lower case and without its port.
    pub host: Option<&'a str>,
}

/// A cluster that calls of a method may go to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The cluster.
    pub target: Target,
    /// How attempts of the method are made there.
    pub attempts: Arc<AttemptPolicy>,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'p> {
    /// The route that took it.
    pub rule: &'p Rule,
    /// Its cluster.
    pub destination: &'p Destination,
    /// What `ring_hash` is to go by, if the route says so and the call carries it.
    pub hash: Option<u64>,
    /// Where a copy of it goes, if this one is copied.
    pub mirror: Option<&'p Arc<Mirror>>,
}

impl Destinations {
    /// Of the routes that select a method; `None` of none.
    pub(super) fn new(rules: Vec<Rule>) -> Option<Self> {
        (!rules.is_empty()).then_some(Self(rules))
    }

    /// Where a call goes; `None` where no route takes it. `random` draws a number below its argument.
    pub fn choose(&self, asked: Asked<'_>, mut random: impl FnMut(u32) -> u32) -> Option<Choice<'_>> {
        let rule = self.0.iter().find(|rule| rule.takes(asked))?;
        Some(rule.choose(asked.headers, &mut random))
    }

    /// The routes, in the order in which they are asked.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
