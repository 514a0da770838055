//! HTTP method and path to a method and its captures, and a query to its parameters. Pure: no I/O, no descriptors.
//!
//! A [`Table`] is filled at load with [`Template`]s and asked once per REST request. It decides by
//! these rules:
//!
//! * The raw path is matched and decoded once, after splitting; [`PathError`] says what is refused.
//! * Literal beats `*` beats `**` at each segment, with full backtracking, whatever the order of
//!   registration. Literals are compared after unreserved escapes are decoded.
//! * The method takes part in the match: a template that matches the path for another method hides
//!   nothing. At one template the exact method comes first, then GET for HEAD, then `*`.
//! * The verb is what follows the last raw colon of the last segment. If no route has it, the colon
//!   is part of the value.
//! * `*` needs a segment that is not empty and `**` takes none that is, so a trailing slash is a
//!   different path, and one that no template names.
//!
//! [`Options`] loosen what is said of slashes, dots and escapes.
//!
//! ```
//! use edgeway::route::{Table, Template};
//!
//! let mut table = Table::new();
//! let template = Template::parse("/v1/{name=shelves/*}:open").expect("a template");
//! table.insert("POST", template, "library.proto", "OpenShelf").expect("no conflict");
//!
//! let found = table.lookup("POST", "/v1/shelves/7:open").expect("a route");
//! assert_eq!(*found.value, "OpenShelf");
//! assert_eq!(found.captures[0].value, "shelves/7");
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;

mod nearest;
mod options;
mod path;
mod query;
mod shadow;
mod template;
mod trie;

#[cfg(test)]
mod tests;

pub use options::{Options, TrailingSlash, Unescape};
pub use path::PathError;
pub use query::{Pair, QueryError, parse_query};
pub use shadow::{Answered, Shadow};
pub use template::{MAX_BYTES, Segment, Template, TemplateError, TemplateErrorKind, Variable};

use path::RawPath;
use trie::Trie;

/// The routes of a gateway, by path, verb and method.
#[derive(Clone, Debug)]
pub struct Table<T> {
    trie: Trie,
    routes: Vec<Route<T>>,
    options: Options,
    /// The methods of all routes.
    methods: BTreeSet<String>,
}

/// A route as registered.
#[derive(Clone, Debug)]
pub struct Route<T> {
    /// The HTTP method, or `*` for every method.
    pub method: String,
    /// The path template.
    pub template: Template,
    /// Where the rule was written, for reports.
    pub place: String,
    /// What the route leads to.
    pub value: T,
}

/// The route of a request.
#[derive(Debug)]
pub struct Match<'t, 'p, T> {
    /// What the route leads to.
    pub value: &'t T,
    /// The template that matched.
    pub template: &'t Template,
    /// What its variables captured, in the order of [`Template::variables`], one for each.
    pub captures: Vec<Capture<'p>>,
}

/// The text a variable captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture<'p> {
    /// Index into [`Template::variables`].
    pub variable: usize,
    /// The decoded text: every escape of a one-segment capture; of a longer one those that
    /// [`Options::unescape`] names.
    pub value: Cow<'p, str>,
}

/// Why a request has no route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// No template matches the path: 404.
    #[error("no route for this path")]
    NotFound,
    /// Templates match the path, none of them for this method: 405 with `Allow`.
    #[error("method not allowed for this path, expected one of {0}")]
    MethodNotAllowed(Allow),
    /// The path is refused before any template is asked: 400.
    #[error(transparent)]
    BadPath(#[from] PathError),
    /// The path has a slash at its end, and a route without it: a redirect to the path given here, which begins with
    /// one slash.
    #[error("this path has no slash at its end: {0}")]
    Redirect(String),
}

/// The methods that a path takes, sorted; displays as the value of an `Allow` header.
///
/// GET brings HEAD. OPTIONS is always there, because the gateway answers it. A route for every method
/// stands for the methods of RFC 9110 and PATCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow(Vec<String>);

/// Two rules that answer the same requests, whatever their variables are called. The first one registered keeps them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{method} {template} of {place} cannot be reached: {method} {first_template} of {first_place} answers \
     the same requests and stands first"
)]
pub struct Conflict {
    /// The method of both.
    pub method: String,
    /// The template that was not registered.
    pub template: String,
    /// Where it was written.
    pub place: String,
    /// The template that keeps the requests.
    pub first_template: String,
    /// Where that one was written.
    pub first_place: String,
}

impl<T> Table<T> {
    /// How many routes [`Table::candidates`] names.
    pub const MOST_CANDIDATES: usize = 32;

    /// A table without routes, that reads paths strictly.
    pub fn new() -> Self {
        Self::with_options(Options::default())
    }

    /// A table without routes, that reads paths by `options`.
    pub fn with_options(options: Options) -> Self {
        Self { trie: Trie::new(), routes: Vec::new(), options, methods: BTreeSet::new() }
    }

    /// Adds a route for `method` (`*`: every method). `place` says where the rule was written.
    ///
    /// # Errors
    /// A [`Conflict`] if a route of the same method, shape and verb is there; the table keeps that one.
    pub fn insert(
        &mut self,
        method: &str,
        template: Template,
        place: impl Into<String>,
        value: T,
    ) -> Result<(), Conflict> {
        let place = place.into();
        match self.trie.insert(method, &template, self.routes.len()) {
            Ok(()) => {
                self.methods.insert(method.to_owned());
                self.routes.push(Route { method: method.to_owned(), template, place, value });
                Ok(())
            }
            Err(first) => {
                let first = self.routes.get(first);
                Err(Conflict {
                    method: method.to_owned(),
                    template: template.to_string(),
                    place,
                    first_template: first.map(|route| route.template.to_string()).unwrap_or_default(),
                    first_place: first.map(|route| route.place.clone()).unwrap_or_default(),
                })
            }
        }
    }

    /// The routes in the order of registration.
    pub fn routes(&self) -> &[Route<T>] {
        &self.routes
    }

    /// How it reads paths.
    pub fn options(&self) -> Options {
        self.options
    }

    /// The route for a request of `method` to `raw_path`: the path as sent, without query.
    ///
    /// # Errors
    /// A [`Miss`] that says which of 308, 400, 404 and 405 it is.
    pub fn lookup<'t, 'p>(&'t self, method: &str, raw_path: &'p str) -> Result<Match<'t, 'p, T>, Miss> {
        match self.merged(raw_path) {
            Cow::Borrowed(path) => self.find(method, path, &mut 0).map(|(_, found)| found),
            Cow::Owned(path) => self.find(method, &path, &mut 0).map(|(_, found)| found.into_owned()),
        }
    }

    /// The methods that `raw_path` takes, for OPTIONS.
    ///
    /// # Errors
    /// [`Miss::NotFound`] or [`Miss::BadPath`].
    pub fn allowed(&self, raw_path: &str) -> Result<Allow, Miss> {
        let raw_path = self.merged(raw_path);
        let (path, _) = self.split(&raw_path)?;
        let mut methods = BTreeSet::new();
        each_reading(&path, |path, verb| {
            let (_, _): (ControlFlow<()>, _) = self.trie.search(&path.keys(), |node| {
                methods.extend(node.methods(verb));
                ControlFlow::Continue(())
            });
            true
        });
        if methods.is_empty() { Err(Miss::NotFound) } else { Ok(Allow::new(methods)) }
    }

    /// Whether any route is for `method`, by its name or as one of every method.
    pub fn is_for(&self, method: &str) -> bool {
        self.methods.contains(method) || self.methods.contains(trie::ANY)
    }

    /// The routes whose templates match `raw_path`, whatever their methods, most specific first: a request gets the
    /// first one that is for its method. At most [`Table::MOST_CANDIDATES`].
    ///
    /// # Errors
    /// A path that is refused.
    pub fn candidates(&self, raw_path: &str) -> Result<Vec<&Route<T>>, PathError> {
        let raw_path = self.merged(raw_path);
        let (path, _) = self.split(&raw_path)?;
        let mut found = Vec::new();
        each_reading(&path, |path, verb| {
            let (flow, _) = self.trie.search(&path.keys(), |node| {
                let room = Self::MOST_CANDIDATES - found.len();
                found.extend(node.routes(verb).filter_map(|index| self.routes.get(index)).take(room));
                match found.len() < Self::MOST_CANDIDATES {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            });
            flow.is_continue()
        });
        Ok(found)
    }

    /// The template closest to a path that has no route, for a "did you mean" in a 404.
    ///
    /// Forgives one misspelt segment or verb and a trailing slash; its work is bounded.
    pub fn nearest(&self, raw_path: &str) -> Option<&Template> {
        let raw_path = self.merged(raw_path);
        let (path, _) = self.split(&raw_path).ok()?;
        let route = nearest::nearest(&self.trie, &path)?;
        self.routes.get(route).map(|route| &route.template)
    }

    /// The routes that no request reaches, because more specific ones answer all of their requests. The work is
    /// bounded; what it did not get to is not reported.
    pub fn shadowed(&self) -> Vec<Shadow> {
        shadow::shadowed(self)
    }

    /// [`lookup`](Self::lookup) of a path whose slashes are merged, with the route's index; adds the nodes it passed to
    /// `passed`.
    fn find<'t, 'p>(
        &'t self,
        method: &str,
        raw_path: &'p str,
        passed: &mut usize,
    ) -> Result<(usize, Match<'t, 'p, T>), Miss> {
        let (path, slash) = self.split(raw_path)?;
        let mut others = BTreeSet::new();
        let mut found = None;
        each_reading(&path, |path, verb| {
            let (searched, nodes) = self.trie.search(&path.keys(), |node| match node.route(verb, method) {
                Some(route) => ControlFlow::Break(route),
                None => {
                    others.extend(node.methods(verb));
                    ControlFlow::Continue(())
                }
            });
            *passed += nodes;
            found = searched.break_value().and_then(|index| {
                let route = self.routes.get(index)?;
                Some((index, route.captured(path, self.options.unescape)))
            });
            found.is_none()
        });
        match found {
            Some(_) if slash && self.options.trailing_slash == TrailingSlash::Redirect => {
                Err(Miss::Redirect(raw_path.strip_suffix('/').unwrap_or(raw_path).to_owned()))
            }
            Some(found) => Ok(found),
            None if others.is_empty() => Err(Miss::NotFound),
            None => Err(Miss::MethodNotAllowed(Allow::new(others))),
        }
    }

    fn merged<'p>(&self, raw_path: &'p str) -> Cow<'p, str> {
        if self.options.merge_slashes { path::merge_slashes(raw_path) } else { Cow::Borrowed(raw_path) }
    }

    /// The path as templates are compared with it, and whether a slash was taken off its end for that.
    fn split<'p>(&self, raw_path: &'p str) -> Result<(RawPath<'p>, bool), PathError> {
        let path = RawPath::split(raw_path, self.options.dots())?;
        if path.ends_empty() && self.options.trailing_slash != TrailingSlash::Strict {
            return Ok((path.without_trailing_slash(), true));
        }
        Ok((path, false))
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Route<T> {
    fn captured<'p>(&self, path: &RawPath<'p>, unescape: Unescape) -> Match<'_, 'p, T> {
        let project = |index| self.template.project(index, path.len());
        let capture = |(variable, bound): (usize, &Variable)| {
            let raw = path.slice(project(bound.start), project(bound.end));
            let value = match bound.is_multi() {
                true => path::decode_multi(raw, unescape),
                false => path::decode_single(raw),
            };
            Capture { variable, value }
        };
        let captures = self.template.variables().iter().enumerate().map(capture).collect();
        Match { value: &self.value, template: &self.template, captures }
    }
}

impl<'t, T> Match<'t, '_, T> {
    fn into_owned<'o>(self) -> Match<'t, 'o, T> {
        let owned = |capture: Capture<'_>| Capture {
            variable: capture.variable,
            value: Cow::Owned(capture.value.into_owned()),
        };
        Match {
            value: self.value,
            template: self.template,
            captures: self.captures.into_iter().map(owned).collect(),
        }
    }
}

impl Allow {
    fn new(methods: BTreeSet<&str>) -> Self {
        let mut all = methods;
        if all.remove(trie::ANY) {
            all.extend(["DELETE", "GET", "PATCH", "POST", "PUT"]);
        }
        if all.contains("GET") {
            all.insert("HEAD");
        }
        all.insert("OPTIONS");
        Self(all.into_iter().map(str::to_owned).collect())
    }

    /// The methods, sorted.
    pub fn methods(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Shows `visit` the ways to read a path, until it returns false: with the verb, then with the colon as
/// data. A path that ends in an empty segment is read by no template.
fn each_reading<'p>(path: &RawPath<'p>, mut visit: impl FnMut(&RawPath<'p>, &str) -> bool) {
    if let Some((head, verb)) = path.split_verb()
        && !head.ends_empty()
        && !visit(&head, verb)
    {
        return;
    }
    if !path.ends_empty() {
        visit(path, "");
    }
}
