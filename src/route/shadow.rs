//! Routes that no request reaches.
//!
//! Of two templates that overlap the more specific one answers, so a template can lose all of its requests to others
//! without being the same as any of them: `/a/**` loses those of `/a` to `/a`, and the rest to `/a/*/**`. Which ones do
//! is asked of the table itself, with one witness for each way to fill a template: stars hold a text that is no
//! literal anywhere, and `**` holds 0, 1, 2, ... of them. Whoever answers a witness can only do so by stars of its own,
//! and so answers whatever else stands in those places, or leaves it to an even more specific template. With as many
//! segments behind `**` as the longest template has, further ones change nothing.
//!
//! A template that `**` is no part of can lose its requests to verbs alone: they are tried before the colon as data.

use std::fmt;

use super::{Segment, Table, Template, trie};

/// A route that no request reaches, because others answer all of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Its method.
    pub method: String,
    /// Its template.
    pub template: String,
    /// Where it was written.
    pub place: String,
    /// Who answers, in the order of the shortest request that each takes; at most [`Shadow::MOST`].
    pub by: Vec<Answered>,
}

/// A route that answers requests in place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its method.
    pub method: String,
    /// Its template.
    pub template: String,
    /// Where it was written.
    pub place: String,
}

impl Shadow {
    /// How many of those that answer are named.
    pub const MOST: usize = 3;
}

impl fmt::Display for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} of {} cannot be reached: all of its requests are answered by ",
            self.method, self.template, self.place
        )?;
        for (index, Answered { method, template, place }) in self.by.iter().enumerate() {
            let and = if index > 0 { " and " } else { "" };
            write!(f, "{and}{method} {template} of {place}")?;
        }
        Ok(())
    }
}

/// Every route of `table` that none of its witnesses leads to.
pub(super) fn shadowed<T>(table: &Table<T>) -> Vec<Shadow> {
    let longest = table.routes.iter().map(|route| route.template.segments().len()).max().unwrap_or_default();
    let mut word = String::from("x");
    while table.trie.literals().any(|literal| literal == word) {
        word.push('x');
    }
    let mut other_method = String::from("X");
    while table.routes.iter().any(|route| route.method == other_method) {
        other_method.push('X');
    }
    let (mut shadows, mut passed) = (Vec::new(), 0);
    for (index, route) in table.routes.iter().enumerate() {
        let fills = match route.template.segments() {
            segments if segments.contains(&Segment::DoubleStar) => longest,
            [.., Segment::Literal(last)] if last.contains(':') => 0,
            _ => continue,
        };
        let method = if route.method == trie::ANY { &other_method } else { &route.method };
        let mut by: Vec<Answered> = Vec::new();
        let mut reached = false;
        for fill in 0..=fills {
            let witness = witness(&route.template, &word, fill);
            if fill > MOST_FILLED || witness.len() > LONGEST_WITNESS || passed > MOST_PASSED {
                reached = true;
                break;
            }
            // A miss is a way to fill the template that no path has.
            let Ok((found, _)) = table.find(method, &witness, &mut passed) else { continue };
            if found == index {
                reached = true;
                break;
            }
            let Some(other) = table.routes.get(found) else { continue };
            let other = Answered {
                method: other.method.clone(),
                template: other.template.to_string(),
                place: other.place.clone(),
            };
            if by.len() < Shadow::MOST && !by.contains(&other) {
                by.push(other);
            }
        }
        if !reached && !by.is_empty() {
            let (method, template) = (route.method.clone(), route.template.to_string());
            shadows.push(Shadow { method, template, place: route.place.clone(), by });
        }
    }
    shadows
}

/// A path that `template` matches: `word` for a star, `fill` of them for `**`.
fn witness(template: &Template, word: &str, fill: usize) -> String {
    let mut path = String::new();
    for segment in template.segments() {
        match segment {
            Segment::Literal(text) => path.extend(["/", text]),
            Segment::Star => path.extend(["/", word]),
            Segment::DoubleStar => (0..fill).for_each(|_| path.extend(["/", word])),
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path.extend(template.verb().into_iter().flat_map(|verb| [":", verb]));
    path
}

/// Segments put in the place of `**`: a set with longer templates is not judged.
const MOST_FILLED: usize = 64;

/// As long as a request line may be.
const LONGEST_WITNESS: usize = 8 * 1024;

/// Nodes passed in all: 10,000 routes of the usual kind pass some 10 each.
const MOST_PASSED: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[&str]) -> Table<()> {
        let mut table = Table::new();
        for route in routes {
            let (method, template) = route.split_once(' ').expect("method and template");
            let template = Template::parse(template).expect(route);
            table.insert(method, template, format!("the rule of {route}"), ()).expect("no conflict");
        }
        table
    }

    /// The routes that cannot be reached, each with those that answer.
    #[track_caller]
    fn check(routes: &[&str], want: &[(&str, &[&str])]) {
        for turn in 0..routes.len() {
            let mut turned = routes.to_vec();
            turned.rotate_left(turn);
            let shown = |method: &str, template: &str| format!("{method} {template}");
            let mut found: Vec<(String, Vec<String>)> = table(&turned)
                .shadowed()
                .iter()
                .map(|shadow| {
                    let by = shadow.by.iter().map(|by| shown(&by.method, &by.template)).collect();
                    (shown(&shadow.method, &shadow.template), by)
                })
                .collect();
            found.sort();
            let want: Vec<(String, Vec<String>)> = want
                .iter()
                .map(|(route, by)| ((*route).to_owned(), by.iter().map(|by| (*by).to_owned()).collect()))
                .collect();
            assert_eq!(found, want, "{turned:?}");
        }
    }

    #[test]
    fn what_overlaps_and_keeps_a_request_is_no_shadow() {
        check(&["GET /v1/{a=**}", "GET /v1/{a}", "GET /v1/me", "GET /v1/{a}/x", "POST /v1/**"], &[]);
        check(&["GET /a/**", "GET /a/*/**"], &[]);
        check(&["GET /a/**", "GET /a", "POST /a/*/**"], &[]);
        check(&["GET /a/**:go", "GET /a/**", "GET /a/*/**:go"], &[]);
        check(&["* /a/**/*", "GET /a/*/**"], &[]);
        check(&["POST /{x=**}", "POST /pkg.Service/Method"], &[]);
        check(&["GET /**", "GET /*/**"], &[]);
        check(&["GET /**:go", "GET /*/**:go"], &[("GET /**:go", &["GET /*/**:go"])]);
    }

    #[test]
    fn what_others_answer_in_full_is_told_with_all_of_them() {
        check(&["GET /a/**/*", "GET /a/*/**"], &[("GET /a/**/*", &["GET /a/*/**"])]);
        check(
            &["GET /a/{x=**}/{y}/c", "GET /a/{x}/{y=**}/c"],
            &[("GET /a/{x=**}/{y}/c", &["GET /a/{x}/{y=**}/c"])],
        );
        check(&["GET /a/**", "GET /a", "GET /a/*/**"], &[("GET /a/**", &["GET /a", "GET /a/*/**"])]);
        check(
            &["GET /a/{x=**}", "GET /a", "GET /a/*", "GET /a/*/*", "GET /a/{p}/{x=*/*/**}"],
            &[("GET /a/{x=**}", &["GET /a", "GET /a/*", "GET /a/*/*"])],
        );
    }

    #[test]
    fn methods_that_take_more_shadow_those_that_take_less() {
        check(&["GET /a/**/*", "* /a/*/**"], &[("GET /a/**/*", &["* /a/*/**"])]);
        check(&["HEAD /a/**/*", "GET /a/*/**"], &[("HEAD /a/**/*", &["GET /a/*/**"])]);
        check(&["* /a/**/*", "* /a/*/**"], &[("* /a/**/*", &["* /a/*/**"])]);
    }

    #[test]
    fn a_verb_takes_the_colon_of_a_literal() {
        check(&["GET /n/{x=a:b}", "GET /n/a:b"], &[("GET /n/{x=a:b}", &["GET /n/a:b"])]);
        check(&["GET /n/{x=a:b}", "GET /n/*:b"], &[("GET /n/{x=a:b}", &["GET /n/*:b"])]);
        check(&["GET /n/{x=a:b}", "GET /n/*"], &[]);
    }

    #[test]
    fn the_report_names_both_routes_and_both_places() {
        let shadows = table(&["GET /a/{x=**}/{y}", "GET /a/{y}/{x=**}"]).shadowed();
        let shown: Vec<String> = shadows.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "GET /a/{x=**}/{y} of the rule of GET /a/{x=**}/{y} cannot be reached: all of its requests are answered \
              by GET /a/{y}/{x=**} of the rule of GET /a/{y}/{x=**}"
            ]
        );
    }

    #[test]
    fn ten_thousand_routes_are_judged_within_a_bound() {
        let mut table = Table::new();
        for index in 0..5_000 {
            for text in [format!("/v1/r{index}/{{a=**}}"), format!("/v1/{{x=**}}/r{index}")] {
                table
                    .insert("GET", Template::parse(&text).expect("a template"), "test", ())
                    .expect("no conflict");
            }
        }
        assert_eq!(table.shadowed(), []);
    }
}
