//! Two parts of a request that name one field: rules 18 to 21.

use super::{bind, check, check_refused, explain, is_short, routes, strict};
use crate::front::bind::{Bound, Ignored, Origin};

#[test]
fn a_parameter_never_overrules_the_path() {
    let plan = strict();
    for (target, key) in [
        ("GET /v1/path/text/a?text=b", "text"),
        ("GET /v1/path/text/a?text=a", "text"),
        ("GET /v1/path/opt_text/a?optText=b", "optText"),
        ("GET /v1/path/opt_text/a?opt_text=b", "opt_text"),
        ("GET /v1/path/ts/1970-01-01T00:00:01Z?ts.seconds=5", "ts.seconds"),
        ("GET /v1/path/child.ts/1970-01-01T00:00:01Z?child.ts.nanos=5", "child.ts.nanos"),
        ("GET /v1/path/child.i64/1?child.i64=2", "child.i64"),
        ("GET /v1/path/w_text/a?wText=b", "wText"),
        ("GET /v1/path/pick_text/a?pick_i32=1", "pick_i32"),
        ("GET /v1/path/pick_text/a?pick_child.text=1", "pick_child.text"),
        ("GET /v1/path/pick_child.text/a?pickText=1", "pickText"),
    ] {
        check_refused(&plan, target, "", key, "names a field that the path or the body binds");
    }
    // Another field of the same message is no collision.
    check(&plan, "GET /v1/path/child.i64/1?child.text=a", "", r#"{"child":{"i64":"1","text":"a"}}"#);
    check(
        &plan,
        "GET /v1/path/pick_child.text/a?pick_child.i32=1",
        "",
        r#"{"pickChild":{"i32":1,"text":"a"}}"#,
    );
}

#[test]
fn without_the_switch_the_path_wins() {
    let plan = routes(|rest| rest.reject_binding_collisions = Some(false));
    for (target, json, message) in [
        ("GET /v1/path/text/a?text=b&i32=1", "", r#"{"i32":1,"text":"a"}"#),
        ("GET /v1/path/ts/1970-01-01T00:00:01Z?ts.seconds=5", "", r#"{"ts":"1970-01-01T00:00:01Z"}"#),
        ("GET /v1/path/pick_text/a?pick_i32=1", "", r#"{"pickText":"a"}"#),
        ("PUT /v1/whole/a", r#"{"text":"b","i32":1}"#, r#"{"i32":1,"text":"a"}"#),
        ("PUT /v1/whole/a?i32=2", r#"{"i32":1}"#, r#"{"i32":1,"text":"a"}"#),
        ("PUT /v1/whole/a/pick", r#"{"pickI32":1}"#, r#"{"pickText":"a"}"#),
        ("PUT /v1/whole/a/child", r#"{"child":{"text":"b","i32":1}}"#, r#"{"child":{"i32":1,"text":"a"}}"#),
        ("POST /v1/field/child?child.text=b&i32=2", r#"{"i32":1}"#, r#"{"i32":2,"child":{"i32":1}}"#),
        ("POST /v1/field/pick_text?pickI32=2", r#""a""#, r#"{"pickText":"a"}"#),
    ] {
        check(&plan, target, json, message);
    }
}

#[test]
fn a_parameter_never_overrules_the_body() {
    let plan = strict();
    for (target, json, key) in [
        ("POST /v1/field/child?child.text=b", "{}", "child.text"),
        ("POST /v1/field/child?child.text=b", "", "child.text"),
        ("POST /v1/field/opt_text?optText=b", r#""a""#, "optText"),
        ("POST /v1/field/by_text?by_text[a]=b", "{}", "by_text[a]"),
        ("POST /v1/field/i32s?i32s=1", "[]", "i32s"),
        ("POST /v1/field/ts?ts.seconds=1", r#""1970-01-01T00:00:00Z""#, "ts.seconds"),
        ("POST /v1/field/pick_text?pick_i32=1", r#""a""#, "pick_i32"),
    ] {
        check_refused(&plan, target, json, key, "names a field that the path or the body binds");
    }
    for target in ["POST /v1/whole?text=a", "PUT /v1/whole/a?i32=1", "POST /v1/whole?nope=1"] {
        let key = target.split(['?', '=']).nth(1).expect("a key");
        check_refused(&plan, target, "{}", key, "the body is the whole message");
        check_refused(&plan, target, "", key, "the body is the whole message");
    }
}

#[test]
fn a_body_that_contradicts_the_path_is_refused() {
    let plan = strict();
    for (target, json, field) in [
        ("PUT /v1/whole/a", r#"{"text":"b"}"#, "text"),
        ("PUT /v1/whole/a/child", r#"{"child":{"text":"b"}}"#, "child.text"),
        ("PUT /v1/field/a/child", r#"{"text":"b"}"#, "child.text"),
        ("PUT /v1/update/a", r#"{"text":"b"}"#, "kinds.text"),
        ("PUT /v1/whole/9007199254740993/number", r#"{"i64":"9007199254740992"}"#, "i64"),
        ("PUT /v1/whole/4294967297/number", r#"{"i64":1}"#, "i64"),
        ("PUT /v1/whole/NaN/wrapper", r#"{"wDbl":1}"#, "w_dbl"),
    ] {
        check_refused(&plan, target, json, field, "the body contradicts the path");
    }
}

#[test]
fn a_body_may_repeat_what_the_path_says() {
    let plan = strict();
    for (target, json, message) in [
        ("PUT /v1/whole/a", r#"{"text":"a","i32":1}"#, r#"{"i32":1,"text":"a"}"#),
        ("PUT /v1/whole/a", r#"{"text":""}"#, r#"{"text":"a"}"#),
        ("PUT /v1/whole/a", r#"{"text":null}"#, r#"{"text":"a"}"#),
        ("PUT /v1/whole/1e2/number", r#"{"i64":"100"}"#, r#"{"i64":"100"}"#),
        ("PUT /v1/whole/NaN/wrapper", r#"{"wDbl":"NaN"}"#, r#"{"wDbl":"NaN"}"#),
        ("PUT /v1/whole/a/child", r#"{"child":{"text":"a"}}"#, r#"{"child":{"text":"a"}}"#),
        ("PUT /v1/field/a/child", r#"{"text":"a"}"#, r#"{"child":{"text":"a"}}"#),
    ] {
        check(&plan, target, json, message);
    }
}

#[test]
fn a_oneof_is_one_place() {
    let plan = strict();
    for (target, json, field, says) in [
        (
            "PUT /v1/whole/a/pick",
            r#"{"pickI32":0}"#,
            "pick_text",
            "the body sets pickI32 where the path sets",
        ),
        ("PUT /v1/whole/a/pick", r#"{"pickNull":null}"#, "pick_text", "they exclude each other"),
        ("GET /v1/query?pick_i32=1&pickText=a", "", "pickText", "pick_i32 and pickText exclude each other"),
        ("GET /v1/query?pick_child.i32=1&pickText=a", "", "pickText", "exclude each other"),
    ] {
        check_refused(&plan, target, json, field, says);
    }
    check(&plan, "PUT /v1/whole/a/pick", r#"{"pickText":"a","i32":1}"#, r#"{"i32":1,"pickText":"a"}"#);
    check(&plan, "PUT /v1/whole/a/pick", r#"{"pickI32":null}"#, r#"{"pickText":"a"}"#);
    // `optional` is no choice between fields.
    check(&plan, "GET /v1/path/opt_text/a?opt_i32=0", "", r#"{"optI32":0,"optText":"a"}"#);
}

#[test]
fn what_the_path_binds_is_put_into_the_body() {
    let plan = strict();
    for (target, json, message) in [
        (
            "PUT /v1/whole/a",
            r#"{"i32s":[1,2],"child":{"text":"b"}}"#,
            r#"{"text":"a","child":{"text":"b"},"i32s":[1,2]}"#,
        ),
        (
            "PUT /v1/whole/a/child",
            r#"{"child":{"i32":5},"i32":1}"#,
            r#"{"i32":1,"child":{"i32":5,"text":"a"}}"#,
        ),
        ("PUT /v1/whole/a/child", r#"{"i32":1}"#, r#"{"i32":1,"child":{"text":"a"}}"#),
        ("PUT /v1/whole/a/child", "", r#"{"child":{"text":"a"}}"#),
        ("PUT /v1/field/a/child", r#"{"i32":5}"#, r#"{"child":{"i32":5,"text":"a"}}"#),
        ("PUT /v1/field/a/child", "", r#"{"child":{"text":"a"}}"#),
        (
            "PUT /v1/field/a/children?i32=5",
            r#"[{},{"i32":1}]"#,
            r#"{"i32":5,"text":"a","children":[{},{"i32":1}]}"#,
        ),
        ("PUT /v1/update/a?reason=b", r#"{"i32":5}"#, r#"{"kinds":{"i32":5,"text":"a"},"reason":"b"}"#),
        ("GET /v1/two/a/5?i32=1", "", r#"{"i32":1,"child":{"i32":5,"text":"a"}}"#),
    ] {
        check(&plan, target, json, message);
        assert!(is_short(&plan, target, json), "{target} needs a tree");
    }
    // A long body grows by more than its length has room for.
    let long = "x".repeat(120);
    check(
        &plan,
        &format!("PUT /v1/field/{long}/child"),
        &format!(r#"{{"fooBar":"{long}"}}"#),
        &format!(r#"{{"child":{{"text":"{long}","fooBar":"{long}"}}}}"#),
    );
}

#[test]
fn an_explanation_tells_where_fields_come_from() {
    let plan = routes(|rest| rest.reject_binding_collisions = Some(false));
    let bound = |field: &str, origin, text: &str| Bound { field: field.into(), origin, text: text.into() };
    let ignored = |name: &str, why| Ignored { name: name.into(), why };
    let explained =
        explain(&plan, "PUT /v1/update/a?reason=b&kinds.i32=1", br#"{"text":"c"}"#).expect("bound");
    assert_eq!(
        explained.bound,
        [bound("reason", Origin::Query, "b"), bound("kinds.text", Origin::Path, "a")]
    );
    assert_eq!(
        explained.ignored,
        [
            ignored("kinds.i32", "the path or the body binds its field"),
            ignored("kinds.text", "the path binds it"),
        ]
    );
    let explained = explain(&plan, "PUT /v1/whole/a", br#"{"text":"c","child":{"i32":1}}"#).expect("bound");
    assert_eq!(explained.bound, [bound("child.i32", Origin::Body, ""), bound("text", Origin::Path, "a")]);
    assert_eq!(explained.ignored, [ignored("text", "the path binds it")]);
    let explained = explain(&plan, "PATCH /v1/update", br#"{"text":"c"}"#).expect("bound");
    assert_eq!(
        explained.bound,
        [bound("kinds.text", Origin::Body, ""), bound("update_mask", Origin::UpdateMask, "text")]
    );
    assert!(bind(&plan, "PUT /v1/whole/a", r#"{"text":5}"#).is_err());
}
