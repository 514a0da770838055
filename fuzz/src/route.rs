//! What has to hold for path templates and for tables of them, whatever the text.

use edgeway::route::{Miss, Options, Segment, Table, Template, TrailingSlash, Unescape};

/// A text is a template that answers paths of its own shape, or none with the place of the fault.
pub fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => {
            assert!(error.offset <= text.len() && !error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(template.as_str(), text);
    assert_eq!(Template::parse(text).as_ref(), Ok(&template));
    let variables = template.variables().len();
    // A verb needs a segment to stand behind, so `**` is filled.
    for fill in [1, 3] {
        let path = path(&template, fill);
        let mut table = Table::new();
        table.insert("GET", template.clone(), "the target", ()).expect("the table is empty");
        match table.lookup("GET", &path) {
            Ok(found) => assert_eq!(found.captures.len(), variables, "{path}"),
            // A literal may hold what no path is let in with: a backslash, a control character, two encoded dots.
            Err(Miss::BadPath(_)) => {}
            Err(miss) => panic!("{text} does not match {path}: {miss}"),
        }
        assert_eq!(table.shadowed(), []);
    }
}

/// A table answers a request in one way, in whatever order its routes were registered.
///
/// The input is a byte of switches, then lines: `METHOD template` for each route, and the request last.
pub fn route(input: &[u8]) {
    let Some((switches, lines)) = input.split_first() else { return };
    let Ok(lines) = std::str::from_utf8(lines) else { return };
    let mut lines: Vec<(&str, &str)> =
        lines.lines().take(MOST_LINES).filter_map(|line| line.split_once(' ')).collect();
    let Some((method, path)) = lines.pop() else { return };
    let options = options(*switches);
    let forward = table(options, lines.iter());
    let backward = table(options, lines.iter().rev());
    let answer = answer(&forward, method, path);
    assert_eq!(answer, self::answer(&backward, method, path));
    let allowed = forward.allowed(path);
    match answer {
        Answer::Route(..) | Answer::Not(Miss::Redirect(_)) => {
            assert!(allowed.is_ok());
        }
        Answer::Not(Miss::MethodNotAllowed(allow)) => assert_eq!(allowed, Ok(allow)),
        Answer::Not(miss) => assert_eq!(allowed, Err(miss)),
    }
    let _ = forward.nearest(path);
    assert_eq!(forward.shadowed().len(), backward.shadowed().len());
}

#[derive(Debug, PartialEq)]
enum Answer {
    /// What is the same of two templates that differ in the names of their variables only.
    Route(Vec<Segment>, Option<String>),
    Not(Miss),
}

fn answer(table: &Table<String>, method: &str, path: &str) -> Answer {
    match table.lookup(method, path) {
        Ok(found) => {
            let template = found.template;
            assert_eq!(found.captures.len(), template.variables().len());
            for capture in &found.captures {
                let multi = template.variables().get(capture.variable).expect("its variable").is_multi();
                assert!(multi || !capture.value.is_empty(), "one segment has text");
            }
            assert!([method, "GET", "*"].contains(&found.value.as_str()));
            Answer::Route(template.segments().to_vec(), template.verb().map(str::to_owned))
        }
        Err(Miss::Redirect(to)) => {
            assert!(to.starts_with('/') && !to.starts_with("//") && !to.ends_with('/'), "{to}");
            assert!(table.lookup(method, &to).is_ok(), "{path} leads to {to}");
            Answer::Not(Miss::Redirect(to))
        }
        Err(miss) => Answer::Not(miss),
    }
}

fn table<'l>(options: Options, lines: impl Iterator<Item = &'l (&'l str, &'l str)>) -> Table<String> {
    let mut table = Table::with_options(options);
    for (method, text) in lines {
        if let Ok(template) = Template::parse(text) {
            // Of two that are the same but for their variables either may stand first.
            let _ = table.insert(method, template, "the target", (*method).to_owned());
        }
    }
    table
}

fn path(template: &Template, fill: usize) -> String {
    let mut path = String::new();
    for segment in template.segments() {
        match segment {
            Segment::Literal(text) => path.extend(["/", text]),
            Segment::Star => path.push_str("/x"),
            Segment::DoubleStar => path.push_str(&"/x".repeat(fill)),
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path.extend(template.verb().into_iter().flat_map(|verb| [":", verb]));
    path
}

fn options(switches: u8) -> Options {
    Options {
        unescape: match switches & 3 {
            0 => Unescape::ExceptReserved,
            1 => Unescape::All,
            _ => Unescape::ExceptSlash,
        },
        trailing_slash: match switches >> 2 & 3 {
            0 => TrailingSlash::Ignore,
            1 => TrailingSlash::Redirect,
            _ => TrailingSlash::Strict,
        },
        merge_slashes: switches >> 4 & 1 == 1,
        reject_dot_segments: switches >> 5 & 1 == 1,
    }
}

/// Enough for routes that overlap; more only cost time.
const MOST_LINES: usize = 32;
