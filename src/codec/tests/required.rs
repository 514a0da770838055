//! Required fields: nothing to the reader of JSON, a fault of a request that is complete.

use super::{CODECS, desc, read};
use crate::codec::{Reason, message_to_wire};

#[track_caller]
fn check(name: &str, json: &str, lacks: Option<&str>) {
    let message = read(name, json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let checked = CODECS.codec(&desc(name)).check_required(&message_to_wire(&message));
    match (&checked, lacks) {
        (Ok(()), None) => {}
        (Err(error), Some(lacks)) => {
            assert_eq!((error.field_path(), error.reason()), (lacks, &Reason::Required), "{json}");
        }
        _ => panic!("{json}: {checked:?}"),
    }
}

#[test]
fn a_field_that_is_required_and_lacks_is_named() {
    check("Strict", r#"{"id":0}"#, None);
    check("Strict", "{}", Some("id"));
    check("Strict", r#"{"id":null}"#, Some("id"));
    check("Strict", r#"{"id":1,"child":{}}"#, Some("child.id"));
    check(
        "Strict",
        r#"{"id":1,"children":[{"id":1},{"id":2,"child":{"child":{}}}]}"#,
        Some("children[1].child.id"),
    );
    check("Strict", r#"{"id":1,"map":{"a b":{}}}"#, Some(r#"map["a b"].id"#));
    check("Strict", r#"{"id":1,"map":{"a b":{"id":0}}}"#, None);
}

#[test]
fn what_leads_to_a_required_field_is_looked_through() {
    check("Around", "{}", None);
    check("Around", r#"{"strict":{}}"#, Some("strict.id"));
    check("Around", r#"{"[codec.test.extra]":{}}"#, Some("[codec.test.extra].id"));
    check("Around", r#"{"[codec.test.extra]":{"id":1}}"#, None);
    // Inside of an Any it is not.
    check("Kinds", r#"{"any":{"@type":"x/codec.test.Strict"}}"#, None);
}

#[test]
fn bytes_that_are_no_message_are_left_to_others() {
    assert_eq!(CODECS.codec(&desc("Strict")).check_required(b"\x08"), Ok(()));
}
