//! What a body becomes: rules 30 to 32.

use super::{bind, check, check_refused, is_short, strict};

#[test]
fn no_body_is_a_default_message_and_null_is_none() {
    let plan = strict();
    for body in ["", " ", "\r\n\t "] {
        check(&plan, "POST /v1/whole", body, "{}");
        check(&plan, "PUT /v1/whole/a", body, r#"{"text":"a"}"#);
        for field in ["child", "i32", "i32s", "by_text", "val"] {
            check(&plan, &format!("POST /v1/field/{field}?foo_bar=a"), body, r#"{"fooBar":"a"}"#);
        }
    }
    check(&plan, "POST /v1/whole", "{}", "{}");
    check(&plan, "POST /v1/field/child", "{}", r#"{"child":{}}"#);
    for body in ["null", " null\n"] {
        check_refused(&plan, "POST /v1/whole", body, "", "found null");
        check_refused(&plan, "PUT /v1/whole/a", body, "", "found null");
        for field in ["child", "i32", "text", "i32s", "color", "ts", "any"] {
            let target = format!("POST /v1/field/{field}");
            let fault = bind(&plan, &target, body).expect_err("null is no value");
            assert!(fault.to_string().contains("found null"), "{field}: {fault}");
            assert_eq!(fault.field(), field);
        }
        for (field, name) in [("by_text", "byText"), ("w_text", "wText"), ("st", "st")] {
            check_refused(&plan, &format!("POST /v1/field/{field}"), body, name, "found null");
        }
    }
    // The two that have null among their values.
    check(&plan, "POST /v1/field/val", "null", r#"{"val":null}"#);
    check(&plan, "POST /v1/field/pick_null", "null", r#"{"pickNull":null}"#);
}

#[test]
fn a_body_may_be_a_field_of_any_type() {
    let plan = strict();
    for (field, json, message) in [
        ("i32", "5", r#"{"i32":5}"#),
        ("i32", r#""5""#, r#"{"i32":5}"#),
        ("i64", r#""9223372036854775807""#, r#"{"i64":"9223372036854775807"}"#),
        ("dbl", r#""NaN""#, r#"{"dbl":"NaN"}"#),
        ("flag", "true", r#"{"flag":true}"#),
        ("text", r#""a\u0062""#, r#"{"text":"ab"}"#),
        ("text", r#""""#, "{}"),
        ("opt_text", r#""""#, r#"{"optText":""}"#),
        ("data", r#""-_8""#, r#"{"data":"+/8="}"#),
        ("color", r#""COLOR_BLUE""#, r#"{"color":"COLOR_BLUE"}"#),
        ("color", "2", r#"{"color":"COLOR_BLUE"}"#),
        ("i32s", "[1,2]", r#"{"i32s":[1,2]}"#),
        ("i32s", "[]", "{}"),
        ("unpacked", "[1,2]", r#"{"unpacked":[1,2]}"#),
        ("children", r#"[{"i32":1},{}]"#, r#"{"children":[{"i32":1},{}]}"#),
        ("by_i32", r#"{"1":"a"}"#, r#"{"byI32":{"1":"a"}}"#),
        ("child_map", r#"{"a":{"i32":1}}"#, r#"{"childMap":{"a":{"i32":1}}}"#),
        ("w_i64", r#""5""#, r#"{"wI64":"5"}"#),
        ("w_text", r#""""#, r#"{"wText":""}"#),
        ("ts", r#""1970-01-01T00:00:01Z""#, r#"{"ts":"1970-01-01T00:00:01Z"}"#),
        ("st", r#"{"a":1}"#, r#"{"st":{"a":1}}"#),
        ("val", "[1]", r#"{"val":[1]}"#),
        ("lst", "[1]", r#"{"lst":[1]}"#),
        ("empty", "{}", r#"{"empty":{}}"#),
        ("pick_text", r#""""#, r#"{"pickText":""}"#),
    ] {
        check(&plan, &format!("POST /v1/field/{field}"), json, message);
        assert!(is_short(&plan, &format!("POST /v1/field/{field}"), json), "{field} {json} needs a tree");
    }
    let any = r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}"#;
    check(&plan, "POST /v1/field/any", any, &format!(r#"{{"any":{any}}}"#));
    for (field, json, at, says) in [
        ("i32", r#""a""#, "i32", "whole number"),
        ("text", "5", "text", "a string"),
        ("i32s", "5", "i32s", "an array"),
        ("i32s", "[1,null]", "i32s[1]", "found null"),
        ("by_i32", r#"{"a":"b"}"#, "byI32[\"a\"]", "whole number"),
        ("children", r#"[{"i32":"x"}]"#, "children[0].i32", "whole number"),
        ("data", r#""-/""#, "data", "base64"),
    ] {
        check_refused(&plan, &format!("POST /v1/field/{field}"), json, at, says);
    }
}

#[test]
fn a_body_that_no_rule_asks_for_is_not_read() {
    let plan = strict();
    check(&plan, "DELETE /v1/query?i32=1", r#"{"i32":2}"#, r#"{"i32":1}"#);
    check(&plan, "DELETE /v1/query?i32=1", "no JSON at all", r#"{"i32":1}"#);
}

#[test]
fn a_syntax_error_is_told_by_line_and_column() {
    let plan = strict();
    for target in ["POST /v1/whole", "PUT /v1/whole/a", "POST /v1/field/child?i32=1"] {
        check_refused(&plan, target, "{\n  \"i32\": 1,\n}", "", "(line 3, column 1)");
    }
    check_refused(
        &plan,
        "POST /v1/whole",
        "{\"child\":{\"i32\":\n\"x\"}}",
        "child.i32",
        "(line 2, column 1)",
    );
}
