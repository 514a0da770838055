//! The mask of a PATCH: rule 34.

use super::{check, check_refused, is_short, routes, strict};

/// Patches `kinds` and finds `mask`.
#[track_caller]
fn check_mask(json: &str, mask: &str) {
    use prost_reflect::Value;
    let plan = strict();
    let explained = super::explain(&plan, "PATCH /v1/update", json.as_bytes())
        .unwrap_or_else(|fault| panic!("{json}: {fault}"));
    let paths = match explained.message.get_field_by_name("update_mask").as_deref() {
        Some(Value::Message(mask)) => mask.get_field_by_name("paths").map(|paths| paths.into_owned()),
        _ => None,
    };
    let paths: Vec<String> = match paths {
        Some(Value::List(list)) => list.iter().filter_map(|path| path.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    assert_eq!(paths.join(","), mask, "{json}");
    assert_eq!(explained.message.has_field_by_name("update_mask"), !mask.is_empty(), "{json}");
}

#[test]
fn a_mask_is_made_of_the_keys_of_the_body() {
    for (json, mask) in [
        (r#"{"i32":1}"#, "i32"),
        (r#"{"text":"a","i32":1,"fooBar":"b"}"#, "foo_bar,i32,text"),
        (r#"{"foo_bar":"b"}"#, "foo_bar"),
        (r#"{"@other.name":"b"}"#, "renamed"),
        (r#"{"optI32":0,"i32":0,"text":""}"#, "i32,opt_i32,text"),
        // How a field is cleared.
        (r#"{"i32":null,"child":null,"i32s":null,"st":null}"#, "child,i32,i32s,st"),
        (
            r#"{"child":{"i32":1,"child":{"fooBar":"a","i32":null}},"text":"a"}"#,
            "child.child.foo_bar,child.child.i32,child.i32,text",
        ),
        (r#"{"child":{}}"#, "child"),
        (r#"{"child":{"child":{}}}"#, "child.child"),
        // Whole fields, whatever is in them.
        (r#"{"i32s":[1],"children":[{"i32":1}]}"#, "children,i32s"),
        (r#"{"byText":{"a":"b"},"childMap":{"a":{"i32":1}}}"#, "by_text,child_map"),
        (r#"{"wI32":5,"wText":"","wFlag":null}"#, "w_flag,w_i32,w_text"),
        (r#"{"ts":"1970-01-01T00:00:00Z","dur":"1s","mask":"a"}"#, "dur,mask,ts"),
        (r#"{"st":{"a":{"b":1}},"val":{"a":1},"lst":[1]}"#, "lst,st,val"),
        (r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#, "any"),
        (r#"{"empty":{}}"#, "empty"),
        (r#"{"pickChild":{"i32":1}}"#, "pick_child.i32"),
        (r#"{"pickNull":null}"#, "pick_null"),
        ("{}", ""),
        ("", ""),
    ] {
        check_mask(json, mask);
    }
}

#[test]
fn a_mask_by_the_client_stands() {
    let plan = strict();
    let json = r#"{"i32":1,"text":"a"}"#;
    let kinds = r#""kinds":{"i32":1,"text":"a"}"#;
    for (query, mask) in [
        ("updateMask=text", r#","updateMask":"text""#),
        ("update_mask=foo_bar,text", r#","updateMask":"fooBar,text""#),
        ("update_mask=", r#","updateMask":"""#),
        ("update_mask.paths=text", r#","updateMask":"text""#),
        ("reason=x", r#","updateMask":"i32,text","reason":"x""#),
    ] {
        check(&plan, &format!("PATCH /v1/update?{query}"), json, &format!("{{{kinds}{mask}}}"));
    }
}

#[test]
fn a_mask_is_made_only_where_its_meaning_is_plain() {
    let plan = strict();
    check(&plan, "PUT /v1/update/a", r#"{"i32":1}"#, r#"{"kinds":{"i32":1,"text":"a"}}"#);
    check(&plan, "PATCH /v1/update/a/whole", r#"{"kinds":{"i32":1}}"#, r#"{"kinds":{"i32":1,"text":"a"}}"#);
    check(
        &plan,
        "PATCH /v1/update/a",
        r#"{"i32":1}"#,
        r#"{"kinds":{"i32":1,"text":"a"},"updateMask":"i32"}"#,
    );
    let off = routes(|rest| rest.fill_update_mask = Some(false));
    check(&off, "PATCH /v1/update", r#"{"i32":1}"#, r#"{"kinds":{"i32":1}}"#);
    assert!(is_short(&plan, "PATCH /v1/update/a?reason=b", r#"{"i32":1,"child":{"text":"b"}}"#));
}

#[test]
fn what_is_let_pass_never_enters_the_mask() {
    let plan = routes(|rest| {
        rest.reject_unknown_json_fields = Some(false);
        rest.reject_unknown_json_enums = Some(false);
        rest.reject_duplicate_json_keys = Some(false);
    });
    for (json, message) in [
        (r#"{"nope":1,"i32":1}"#, r#"{"kinds":{"i32":1},"updateMask":"i32"}"#),
        (r#"{"child":{"nope":1}}"#, r#"{"kinds":{"child":{}}}"#),
        (r#"{"color":"COLOR_PUCE","i32":1}"#, r#"{"kinds":{"i32":1},"updateMask":"i32"}"#),
        (r#"{"i32":1,"i32":2}"#, r#"{"kinds":{"i32":2},"updateMask":"i32"}"#),
    ] {
        check(&plan, "PATCH /v1/update", json, message);
    }
    let plan = strict();
    check_refused(&plan, "PATCH /v1/update", r#"{"nope":1}"#, "kinds.nope", "no such field");
}
