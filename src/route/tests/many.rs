//! Many routes, and any.

use proptest::prelude::*;

use super::{ask, table};
use crate::route::{Miss, Table, Template};

#[test]
fn a_lookup_passes_as_many_nodes_among_ten_thousand_routes_as_among_ten() {
    let table = |count: usize| {
        let mut table = Table::new();
        for index in 0..count {
            for text in [
                format!("/v1/r{index}/{{a}}"),
                format!("/v1/r{index}/{{a}}:go"),
                format!("/v1/{{a}}/s{index}"),
                format!("/t{index}/{{a=**}}"),
                format!("/u/{{a=**}}/w{index}"),
            ] {
                table.insert("GET", Template::parse(&text).unwrap(), "test", text).unwrap();
            }
        }
        table
    };
    let (few, many) = (table(2), table(2_000));
    assert_eq!((few.routes().len(), many.routes().len()), (10, 10_000));
    let passed = |table: &Table<String>, path: &str| {
        let mut passed = 0;
        let found = table.find("GET", path, &mut passed).map(|(_, found)| found.value.clone());
        (found, passed)
    };
    for path in ["/v1/r1/x", "/v1/r1/x:go", "/v1/z/s1", "/t1/a/b/c", "/u/a/b/c/w1", "/u/w", "/v2/x", "/v1/r1"]
    {
        assert_eq!(passed(&few, path), passed(&many, path), "{path}");
    }
}

#[test]
fn ten_thousand_routes_are_each_found() {
    let mut table = Table::new();
    for index in 0..10_000 {
        let template = Template::parse(&format!("/v1/r{index}/{{a}}:go")).unwrap();
        table.insert("GET", template, "test", index).unwrap();
    }
    for index in [0, 1, 4_999, 9_999] {
        assert_eq!(*table.lookup("GET", &format!("/v1/r{index}/x:go")).unwrap().value, index);
    }
    assert_eq!(table.lookup("GET", "/v1/r10000/x").unwrap_err(), Miss::NotFound);
}

/// Percent-encodes as a careful client would: everything but unreserved characters.
fn encode(text: &str) -> String {
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, RESERVED).to_string()
}

/// Segment values that the path rules accept.
fn value() -> impl Strategy<Value = String> {
    "[^\\\\\u{0}-\u{1f}\u{7f}]{1,8}".prop_filter("dot segments are refused", |text| {
        !text.split('/').any(|piece| matches!(piece.split(';').next(), Some("." | "..")))
    })
}

proptest! {
    #[test]
    fn encoding_never_changes_the_segment_count(values in prop::collection::vec(value(), 1..6)) {
        let path: String = values.iter().map(|value| format!("/{}", encode(value))).collect();

        let singles: String = (0..values.len()).map(|index| format!("/{{v{index}}}")).collect();
        let mut table = Table::new();
        table.insert("GET", Template::parse(&singles).unwrap(), "test", ()).unwrap();
        table.insert("GET", Template::parse(&format!("{singles}/x")).unwrap(), "test", ()).unwrap();
        let found = table.lookup("GET", &path).unwrap();
        let captured: Vec<&str> = found.captures.iter().map(|capture| &*capture.value).collect();
        prop_assert_eq!(&captured, &values);

        let mut table = Table::new();
        table.insert("GET", Template::parse("/{all=**}").unwrap(), "test", ()).unwrap();
        let found = table.lookup("GET", &path).unwrap();
        prop_assert_eq!(found.captures[0].value.split('/').count(), values.len());
    }

    #[test]
    fn lookup_never_panics(path in "[/a-c.:;%2Fe*\\\\ \u{e9}]{0,24}") {
        let table = table(&["GET /{a}", "GET /{a=**}/b", "POST /{a}:b", "* /a/{b=*/c/**}"]);
        let _ = table.lookup("GET", &path);
        let _ = table.allowed(&path);
        let _ = table.nearest(&path);
    }

    #[test]
    fn lookup_does_not_depend_on_the_order_of_registration(
        (routes, shuffled) in routes().prop_flat_map(|routes| (Just(routes.clone()), Just(routes).prop_shuffle())),
        paths in prop::collection::vec("(/[ab]){0,4}(:[ab])?", 1..12),
    ) {
        let (one, other) = (distinct(&routes), distinct(&shuffled));
        for path in paths.iter().map(|path| format!("GET /{}", path.trim_start_matches('/'))) {
            prop_assert_eq!(shape(&ask(&one, &path)), shape(&ask(&other, &path)), "{}", path);
        }
    }
}

/// Templates over a small alphabet, so that they overlap.
fn routes() -> impl Strategy<Value = Vec<String>> {
    let segment = prop::sample::select(vec!["a", "b", "*", "{x}", "**", "{y=a/*}", "{z=**}"]);
    let template = (
        prop::sample::select(vec!["GET", "POST", "*"]),
        prop::collection::vec(segment, 1..4),
        prop::sample::select(vec!["", ":a", ":b"]),
    )
        .prop_map(|(method, segments, verb)| format!("{method} /{}{verb}", segments.join("/")));
    prop::collection::vec(template, 1..12)
}

/// A table of the routes that parse, the first of each shape.
fn distinct(routes: &[String]) -> Table<String> {
    let mut table = Table::new();
    for route in routes {
        let (method, template) = route.split_once(' ').unwrap();
        if let Ok(template) = Template::parse(template) {
            let _ = table.insert(method, template, "test", route.clone());
        }
    }
    table
}

/// The answer with variables dissolved: which of two routes of one shape came first is the one thing
/// that order may decide.
fn shape(answer: &str) -> String {
    let mut words = answer.split(' ');
    let (method, template) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let dissolved = template.replace("{x}", "*").replace("{z=**}", "**").replace("{y=a/*}", "a/*");
    format!("{method} {dissolved}")
}
