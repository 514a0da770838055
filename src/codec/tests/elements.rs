//! A text cut into its values.

use bytes::Bytes;
use proptest::prelude::*;

use crate::codec::{ElementError, Elements, Layout};

/// Cuts a text that comes in pieces of these sizes, over and over: its values, and how it ended.
fn cut(layout: Layout, text: &[u8], sizes: &[usize]) -> (Vec<Bytes>, Result<(), ElementError>) {
    let mut elements = Elements::new(layout, 64, 4);
    let mut found = Vec::new();
    let mut rest = Bytes::copy_from_slice(text);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
        elements.push(rest.split_to(size));
        loop {
            match elements.next_element() {
                Ok(Some(value)) => found.push(value),
                Ok(None) => break,
                Err(error) => return (found, Err(error)),
            }
        }
    }
    match elements.finish() {
        Ok(last) => {
            found.extend(last);
            (found, Ok(()))
        }
        Err(error) => (found, Err(error)),
    }
}

#[track_caller]
fn check(layout: Layout, text: &str, values: &[&str], error: Option<&str>) {
    for size in 1..=text.len().max(1) {
        let (found, end) = cut(layout, text.as_bytes(), &[size]);
        assert_eq!(found, values, "{text} in pieces of {size}");
        assert_eq!(end.err().map(|error| error.to_string()).as_deref(), error, "{text} in pieces of {size}");
    }
}

#[test]
fn arrays() {
    let check = |text, values: &[_], error| check(Layout::ArrayOrSequence, text, values, error);
    check("[]", &[], None);
    check(" \r\n[ ]\t", &[], None);
    check("\u{feff}[1]", &["1"], None);
    check("[{},{\"a\":[1,{}]}]", &["{}", "{\"a\":[1,{}]}"], None);
    check("[ 1 , \"a,]\\\"\\\\\" , null ,[ ] ]\n", &["1", "\"a,]\\\"\\\\\"", "null", "[ ]"], None);
    check("[{\"}\":\"{[\"}]", &["{\"}\":\"{[\"}"], None);
    check("[1,]", &["1"], Some("expected a JSON value, found \"]\" at byte 3 of the body"));
    check("[,1]", &[], Some("expected a JSON value, found \",\" at byte 1 of the body"));
    check(
        "[{} {}]",
        &["{}"],
        Some("expected ',' or ']' after a value of the array, found \"{\" at byte 4 of the body"),
    );
    check("[{}] {}", &["{}"], Some("expected nothing after the array, found \"{\" at byte 5 of the body"));
    check("[]]", &[], Some("expected nothing after the array, found \"]\" at byte 2 of the body"));
    check("[", &[], Some("expected a JSON value or ']', found the end at byte 1 of the body"));
    check(
        "[{}",
        &["{}"],
        Some("expected ',' or ']' after a value of the array, found the end at byte 3 of the body"),
    );
    check("[{},", &["{}"], Some("expected a JSON value, found the end at byte 4 of the body"));
    check("[1", &[], Some("expected the rest of a JSON value, found the end at byte 2 of the body"));
    check("[{\"a\"", &[], Some("expected the rest of a JSON value, found the end at byte 5 of the body"));
}

#[test]
fn sequences() {
    for layout in [Layout::Sequence, Layout::ArrayOrSequence] {
        let check = |text, values: &[_], error| check(layout, text, values, error);
        check("", &[], None);
        check(" \n\n", &[], None);
        check("\u{feff}", &[], None);
        check("{}", &["{}"], None);
        check("{}\n{\"a\":1}\r\n\r\n{}", &["{}", "{\"a\":1}", "{}"], None);
        check(
            "{}{}\"a\"\"b\"1{",
            &["{}", "{}", "\"a\"", "\"b\"", "1"],
            Some("expected the rest of a JSON value, found the end at byte 12 of the body"),
        );
        check("1\n2 true", &["1", "2", "true"], None);
        check("{\n \"a\": [\n]\n}\n", &["{\n \"a\": [\n]\n}"], None);
        check("{},{}", &["{}"], Some("expected a JSON value, found \",\" at byte 2 of the body"));
        check("{}]", &["{}"], Some("expected a JSON value, found \"]\" at byte 2 of the body"));
        check("\"a", &[], Some("expected the rest of a JSON value, found the end at byte 2 of the body"));
    }
    check(Layout::Sequence, "[1]\n[]", &["[1]", "[]"], None);
}

#[test]
fn a_mark_that_is_none() {
    let (_, end) = cut(Layout::ArrayOrSequence, b"\xef\xbb{}", &[1]);
    let expect = "expected a JSON value, found \"{\" at byte 2 of the body";
    assert_eq!(end.unwrap_err().to_string(), expect);
}

#[test]
fn bounds() {
    let nested = |depth| format!("[{}{}]", "[".repeat(depth), "]".repeat(depth));
    for (depth, fits) in [(3, true), (4, true), (5, false)] {
        let (_, end) = cut(Layout::ArrayOrSequence, nested(depth).as_bytes(), &[1]);
        assert_eq!(end, if fits { Ok(()) } else { Err(ElementError::TooDeep { limit: 4 }) }, "{depth}");
    }
    for (length, fits) in [(63, true), (64, true), (65, false)] {
        for size in [1, 7, 200] {
            let text = format!("[\"{}\",1]", "x".repeat(length - 2));
            let (_, end) = cut(Layout::ArrayOrSequence, text.as_bytes(), &[size]);
            let expect = if fits { Ok(()) } else { Err(ElementError::TooLarge { limit: 64 }) };
            assert_eq!(end, expect, "{length} in pieces of {size}");
        }
    }
    // A value that never ends is refused before it is all there.
    let (_, end) = cut(Layout::Sequence, &[b'9'; 1000], &[10]);
    assert_eq!(end, Err(ElementError::TooLarge { limit: 64 }));
}

/// JSON of a depth within the bounds, as the codec would take it.
fn value() -> impl Strategy<Value = String> {
    let text = any::<String>().prop_map(|text| {
        serde_json::to_string(&text.chars().take(5).collect::<String>()).expect("a string is JSON")
    });
    let leaf = prop_oneof![Just("null".to_owned()), any::<i32>().prop_map(|n| n.to_string()), text.clone()];
    leaf.prop_recursive(2, 6, 2, move |inner| {
        let list =
            prop::collection::vec(inner.clone(), 0..2).prop_map(|items| format!("[{}]", items.join(" , ")));
        let map = prop::collection::vec((text.clone(), inner), 0..2).prop_map(|entries| {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("{{{}}}", entries.join(","))
        });
        prop_oneof![list, map]
    })
}

proptest! {
    #[test]
    fn values_come_out_as_they_went_in(
        values in prop::collection::vec(value().prop_filter("within the bound", |text| text.len() <= 64), 0..6),
        array in any::<bool>(),
        sizes in prop::collection::vec(1usize..9, 1..6),
    ) {
        let text = if array { format!("[{}]", values.join(",")) } else { values.join("\n") };
        let layout = if array { Layout::ArrayOrSequence } else { Layout::Sequence };
        let (found, end) = cut(layout, text.as_bytes(), &sizes);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(found, values);
    }

    #[test]
    fn cuts_change_nothing(
        text in "[\\[\\]{},:\"\\\\ \na1\u{feff}]{0,20}",
        sizes in prop::collection::vec(1usize..9, 1..6),
    ) {
        for layout in [Layout::ArrayOrSequence, Layout::Sequence] {
            let whole = cut(layout, text.as_bytes(), &[usize::MAX]);
            prop_assert_eq!(&cut(layout, text.as_bytes(), &sizes), &whole, "{:?}", layout);
            // Nothing is lost or made up: the values are the text without what stands between them.
            let kept: Vec<u8> = whole.0.iter().flatten().copied().collect();
            let mut rest = text.bytes();
            prop_assert!(kept.iter().all(|byte| rest.any(|other| other == *byte)));
        }
    }
}
