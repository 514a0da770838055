//! "Did you mean": the template closest to a path that has no route.
//!
//! One segment, or the verb, may be misspelt; a trailing slash is forgiven besides. The walk has a
//! budget of nodes and of spellings per node, because a 404 is what a scanner asks for most.

use std::borrow::Cow;

use super::path::RawPath;
use super::trie::{Node, Trie};

/// The route whose template is closest to `path`, if one is close.
pub(super) fn nearest(trie: &Trie, path: &RawPath<'_>) -> Option<usize> {
    let path = path.without_trailing_slash();
    let root = trie.root()?;
    let mut walk = Walk { trie, visits: MAX_VISITS };
    if let Some((head, verb)) = path.split_verb()
        && let Some(route) = walk.descend(root, &head.keys(), verb, Slips::One)
    {
        return Some(route);
    }
    walk.descend(root, &path.keys(), "", Slips::One)
}

/// How many misspellings are left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slips {
    None,
    One,
}

struct Walk<'t> {
    trie: &'t Trie,
    visits: usize,
}

impl Walk<'_> {
    fn descend(&mut self, node: &Node, keys: &[Cow<'_, str>], verb: &str, slips: Slips) -> Option<usize> {
        self.visits = self.visits.checked_sub(1)?;
        let trie = self.trie;
        let Some((key, rest)) = keys.split_first() else {
            return leaf(node, verb, slips).or_else(|| self.tails(node, keys, verb, slips));
        };
        if let Some(next) = trie.literal_child(node, key)
            && let Some(route) = self.descend(next, rest, verb, slips)
        {
            return Some(route);
        }
        // A misspelt literal before a star: a star takes anything, so it says least about intent.
        if slips == Slips::One
            && let Some(spelt) = closest(key, node.literals())
            && let Some(next) = trie.literal_child(node, spelt)
            && let Some(route) = self.descend(next, rest, verb, Slips::None)
        {
            return Some(route);
        }
        if let Some(next) = trie.star_child(node)
            && let Some(route) = self.descend(next, rest, verb, slips)
        {
            return Some(route);
        }
        self.tails(node, keys, verb, slips)
    }

    fn tails(&mut self, node: &Node, keys: &[Cow<'_, str>], verb: &str, slips: Slips) -> Option<usize> {
        let trie = self.trie;
        trie.tail_children(node, keys).find_map(|(next, tail)| self.descend(next, tail, verb, slips))
    }
}

fn leaf(node: &Node, verb: &str, slips: Slips) -> Option<usize> {
    node.any_route(verb).or_else(|| match slips {
        Slips::None => None,
        Slips::One => node.any_route(closest(verb, node.verbs().filter(|verb| !verb.is_empty()))?),
    })
}

/// The candidate closest to `word`, within a third of its length; ties go to the alphabet.
fn closest<'n>(word: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (word.len() / 3).clamp(1, 3);
    let mut best = None;
    for (seen, candidate) in candidates.enumerate() {
        if seen >= MAX_SPELLINGS {
            return None;
        }
        if candidate.len().abs_diff(word.len()) > limit || candidate.len() > MAX_WORD {
            continue;
        }
        let distance = match candidate.eq_ignore_ascii_case(word) {
            true => 0,
            false => strsim::osa_distance(word, candidate),
        };
        // One edit turns any two letters into each other: short words need a letter in common.
        if distance <= limit && distance < word.len() && best.is_none_or(|best| (distance, candidate) < best)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

const MAX_VISITS: usize = 128;
const MAX_SPELLINGS: usize = 256;
const MAX_WORD: usize = 64;
