//! The search tree over template segments.
//!
//! One node per prefix of template shapes. At a node a literal is tried before `*`, and `*` before
//! `**`, with full backtracking, so the most specific template wins whatever the order of
//! registration. What follows `**` is a tree of its own per tail length, matched against the last
//! segments of the path; longer tails, which leave less to `**`, are tried first.
//!
//! A node is met with one position of the path only, so a search visits no node twice, and literals
//! are hashed: its cost is that of the shapes that overlap on the path, not of the number of routes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;

use super::template::{Segment, Template};

/// The tree; leaves hold indices of routes.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    literals: HashMap<Box<str>, usize>,
    star: Option<usize>,
    /// Tail length and the root of its tree, longest first.
    tails: Vec<(usize, usize)>,
    /// By verb; the empty string is no verb.
    leaves: HashMap<Box<str>, Vec<(Box<str>, usize)>>,
}

impl Trie {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Adds a route, or names the one that has the same method, shape and verb.
    pub(super) fn insert(&mut self, method: &str, template: &Template, route: usize) -> Result<(), usize> {
        let mut at = ROOT;
        let mut segments = template.segments().iter();
        while let Some(segment) = segments.next() {
            at = match segment {
                Segment::Literal(text) => self.literal(at, text),
                Segment::Star => self.star(at),
                Segment::DoubleStar => self.tail(at, segments.len()),
            };
        }
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let leaf = node.leaves.entry(template.verb().unwrap_or_default().into()).or_default();
        if let Some((_, first)) = leaf.iter().find(|(other, _)| **other == *method) {
            return Err(*first);
        }
        leaf.push((method.into(), route));
        Ok(())
    }

    /// Shows `visit` the nodes at which `keys` ends, most specific first, until it breaks. The second of the pair is
    /// how many nodes were passed.
    pub(super) fn search<'t, B>(
        &'t self,
        keys: &[Cow<'_, str>],
        visit: impl FnMut(&'t Node) -> ControlFlow<B>,
    ) -> (ControlFlow<B>, usize) {
        let mut search = Search { trie: self, visit, passed: 0 };
        let flow = match self.root() {
            Some(root) => search.descend(root, keys),
            None => ControlFlow::Continue(()),
        };
        (flow, search.passed)
    }

    /// Every literal of every node.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().flat_map(Node::literals)
    }

    pub(super) fn root(&self) -> Option<&Node> {
        self.nodes.get(ROOT)
    }

    pub(super) fn literal_child(&self, node: &Node, key: &str) -> Option<&Node> {
        self.nodes.get(*node.literals.get(key)?)
    }

    pub(super) fn star_child(&self, node: &Node) -> Option<&Node> {
        self.nodes.get(node.star?)
    }

    /// The trees behind `**`, each with the end of the path that it has to match.
    pub(super) fn tail_children<'t, 'k, 'p>(
        &'t self,
        node: &'t Node,
        keys: &'k [Cow<'p, str>],
    ) -> impl Iterator<Item = (&'t Node, &'k [Cow<'p, str>])> {
        node.tails.iter().filter_map(move |&(len, root)| {
            let tail = keys.get(keys.len().checked_sub(len)?..)?;
            Some((self.nodes.get(root)?, tail))
        })
    }

    fn literal(&mut self, at: usize, text: &str) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let child = *node.literals.entry(text.into()).or_insert(fresh);
        self.grow(child)
    }

    fn star(&mut self, at: usize) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let child = *node.star.get_or_insert(fresh);
        self.grow(child)
    }

    fn tail(&mut self, at: usize, len: usize) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let child = match node.tails.binary_search_by(|(other, _)| len.cmp(other)) {
            Ok(found) => node.tails.get(found).map_or(fresh, |(_, root)| *root),
            Err(place) => {
                node.tails.insert(place, (len, fresh));
                fresh
            }
        };
        self.grow(child)
    }

    fn grow(&mut self, child: usize) -> usize {
        if child == self.nodes.len() {
            self.nodes.push(Node::default());
        }
        child
    }
}

struct Search<'t, V> {
    trie: &'t Trie,
    visit: V,
    passed: usize,
}

impl<'t, V> Search<'t, V> {
    fn descend<B>(&mut self, node: &'t Node, keys: &[Cow<'_, str>]) -> ControlFlow<B>
    where
        V: FnMut(&'t Node) -> ControlFlow<B>,
    {
        self.passed += 1;
        let trie = self.trie;
        match keys.split_first() {
            None => (self.visit)(node)?,
            Some((key, rest)) => {
                if let Some(next) = trie.literal_child(node, key) {
                    self.descend(next, rest)?;
                }
                if let Some(next) = trie.star_child(node)
                    && !key.is_empty()
                {
                    self.descend(next, rest)?;
                }
            }
        }
        for (next, tail) in trie.tail_children(node, keys) {
            self.descend(next, tail)?;
        }
        ControlFlow::Continue(())
    }
}

impl Node {
    /// The route for `method` at this node: by its own name, for HEAD by GET, by `*`, in this order.
    pub(super) fn route(&self, verb: &str, method: &str) -> Option<usize> {
        let leaf = self.leaves.get(verb)?;
        let named = |name: &str| leaf.iter().find(|(other, _)| **other == *name).map(|(_, route)| *route);
        named(method).or_else(|| if method == "HEAD" { named("GET") } else { None }).or_else(|| named(ANY))
    }

    /// The methods that have a route at this node.
    pub(super) fn methods(&self, verb: &str) -> impl Iterator<Item = &str> {
        self.leaves.get(verb).into_iter().flatten().map(|(method, _)| &**method)
    }

    /// The routes at this node, in the order of registration.
    pub(super) fn routes(&self, verb: &str) -> impl Iterator<Item = usize> {
        self.leaves.get(verb).into_iter().flatten().map(|(_, route)| *route)
    }

    /// Any route at this node; the smallest index, to be the same in every run.
    pub(super) fn any_route(&self, verb: &str) -> Option<usize> {
        self.leaves.get(verb)?.iter().map(|(_, route)| *route).min()
    }

    pub(super) fn literals(&self) -> impl ExactSizeIterator<Item = &str> {
        self.literals.keys().map(|text| &**text)
    }

    pub(super) fn verbs(&self) -> impl ExactSizeIterator<Item = &str> {
        self.leaves.keys().map(|verb| &**verb)
    }
}

/// The method name of a route for every method (`custom { kind: "*" }`).
pub(super) const ANY: &str = "*";

const ROOT: usize = 0;
