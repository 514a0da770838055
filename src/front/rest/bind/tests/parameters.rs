//! What a query says: rules 22 to 29.

use super::{bind, check, check_refused, is_short, routes, strict};
use crate::config::ParameterName;

#[test]
fn a_list_keeps_the_order_of_its_parameters() {
    let plan = strict();
    for (query, message) in [
        ("texts=b&texts=a", r#"{"texts":["b","a"]}"#),
        ("texts=b&i32=1&texts=a&text=x&texts=c", r#"{"i32":1,"text":"x","texts":["b","a","c"]}"#),
        ("i32s=3&i32s=1&i64=5&i32s=2", r#"{"i64":"5","i32s":[3,1,2]}"#),
        ("texts=a,b", r#"{"texts":["a,b"]}"#),
        ("texts=&texts=", r#"{"texts":["",""]}"#),
        ("unpacked=0&unpacked=1", r#"{"unpacked":[0,1]}"#),
        ("child.texts=b&child.i32=1&child.texts=a", r#"{"child":{"i32":1,"texts":["b","a"]}}"#),
        (
            "tss=1970-01-01T00:00:02Z&tss=1970-01-01T00:00:01Z",
            r#"{"tss":["1970-01-01T00:00:02Z","1970-01-01T00:00:01Z"]}"#,
        ),
        ("w_i64s=0&wI64s=7", r#"{"wI64s":["0","7"]}"#),
        ("vals=1&vals=%22a%22&vals=null", r#"{"vals":[1,"a",null]}"#),
    ] {
        check(&plan, &format!("GET /v1/query?{query}"), "", message);
    }
    check_refused(&plan, "GET /v1/query?i32s=1,2", "", "i32s", "whole number");
    check_refused(&plan, "GET /v1/query?texts[]=a", "", "texts[]", "found a repeated field");
    check_refused(&plan, "GET /v1/query?texts[0]=a", "", "texts[0]", "found a repeated field");
}

#[test]
fn a_single_value_is_given_once() {
    let plan = strict();
    let last = routes(|rest| rest.reject_duplicate_query_parameters = Some(false));
    for (query, key, message) in [
        ("i32=1&i32=2", "i32", r#"{"i32":2}"#),
        ("i32=1&i32=1", "i32", r#"{"i32":1}"#),
        ("fooBar=a&foo_bar=b", "foo_bar", r#"{"fooBar":"b"}"#),
        ("child.i32=1&child.i32=0&child.text=a", "child.i32", r#"{"child":{"text":"a"}}"#),
        ("by_text[a]=1&by_text[b]=2&by_text[a]=3", "by_text[a]", r#"{"byText":{"a":"3","b":"2"}}"#),
        ("ts=1970-01-01T00:00:00Z&ts=1970-01-01T00:00:01Z", "ts", r#"{"ts":"1970-01-01T00:00:01Z"}"#),
    ] {
        let target = format!("GET /v1/query?{query}");
        check_refused(&plan, &target, "", key, "is given twice");
        check(&last, &target, "", message);
    }
    check(&last, "GET /v1/query?pick_i32=1&pick_text=a", "", r#"{"pickText":"a"}"#);
    check_refused(
        &plan,
        "GET /v1/query?ts=1970-01-01T00:00:00Z&ts.nanos=1",
        "",
        "ts.nanos",
        "exclude each other",
    );
}

#[test]
fn a_parameter_that_names_nothing_is_refused_or_passed_over() {
    let plan = strict();
    for (query, key, says) in [
        ("nope=1", "nope", "has no field \"nope\""),
        ("child.nope=1", "child.nope", "has no field \"nope\""),
        ("Text=1", "Text", "has no field"),
        ("utm_source=x", "utm_source", "has no field"),
        ("=1", "", "has no field"),
        ("$alt=json", "$alt", "reserved for system parameters"),
        ("%24fields=a", "$fields", "reserved for system parameters"),
    ] {
        check_refused(&plan, &format!("GET /v1/query?{query}&i32=1"), "", key, says);
    }
    let all = routes(|rest| rest.ignore_unknown_query_parameters = Some(true));
    check(&all, "GET /v1/query?nope=1&i32=1&child.nope=&$alt=json&utm_source=x", "", r#"{"i32":1}"#);
    check(&all, "POST /v1/whole?nope=1", r#"{"i32":1}"#, r#"{"i32":1}"#);
    // What names a field and cannot set it is no stranger.
    check_refused(&all, "GET /v1/query?children.i32=1", "", "children.i32", "found a repeated field");
    check_refused(&all, "GET /v1/query?i32=x", "", "i32", "whole number");

    let some = routes(|rest| {
        let names = [
            ParameterName::Exact("api_key".into()),
            ParameterName::Prefix("utm_".into()),
            ParameterName::Exact("text".into()),
        ];
        rest.ignored_query_parameters = Some(names.into());
    });
    check(&some, "GET /v1/query?api_key=1&utm_source=x&utm_=&i32=1&text=a&text=b", "", r#"{"i32":1}"#);
    check(&some, "PUT /v1/whole/a?api_key=1&text=b", r#"{"i32":1}"#, r#"{"i32":1,"text":"a"}"#);
    check_refused(&some, "GET /v1/query?api_keys=1", "", "api_keys", "has no field");
    check_refused(&some, "GET /v1/query?xutm_=1", "", "xutm_", "has no field");
    check_refused(&some, "GET /v1/query?$alt=json", "", "$alt", "reserved");
}

#[test]
fn an_empty_value_is_text_and_no_number() {
    let plan = strict();
    for (query, message) in [
        ("text=", "{}"),
        ("text", "{}"),
        ("opt_text=", r#"{"optText":""}"#),
        ("opt_text", r#"{"optText":""}"#),
        ("pick_text=", r#"{"pickText":""}"#),
        ("w_text=", r#"{"wText":""}"#),
        ("opt_data=", r#"{"optData":""}"#),
        ("mask=", r#"{"mask":""}"#),
        ("by_text[]=", r#"{"byText":{"":""}}"#),
    ] {
        check(&plan, &format!("GET /v1/query?{query}"), "", message);
    }
    for key in ["i32", "opt_i32", "flag", "w_flag", "dbl", "color", "ts", "dur", "st", "val"] {
        for query in [format!("{key}="), key.to_owned()] {
            let fault = bind(&plan, &format!("GET /v1/query?{query}"), "").expect_err(&query);
            assert!(fault.to_string().contains("expected"), "{fault}");
        }
    }
}

#[test]
fn keys_and_values_are_decoded() {
    let plan = strict();
    check(
        &plan,
        "GET /v1/query?te%78t=a+b%2Bc%26d%3De&child%2Ei32=1",
        "",
        r#"{"text":"a b+c&d=e","child":{"i32":1}}"#,
    );
    check(&plan, "GET /v1/query?%40other.name=a", "", r#"{"@other.name":"a"}"#);
    check(&plan, "GET /v1/query?@other.name=a", "", r#"{"@other.name":"a"}"#);
    check(&plan, "GET /v1/query?text=%F0%9F%98%80", "", r#"{"text":"😀"}"#);
    check_refused(&plan, "GET /v1/query?text=%FF", "", "text", "UTF-8");
    check_refused(&plan, "GET /v1/query?text=%zz", "", "", "two hexadecimal digits");
    check_refused(&plan, "GET /v1/query?text=a%2", "", "", "two hexadecimal digits");
    let plus = routes(|rest| rest.query_param_unescape_plus = Some(false));
    check(&plus, "GET /v1/query?text=a+b%2Bc%20d&data=+/8=", "", r#"{"text":"a+b+c d","data":"+/8="}"#);
}

#[test]
fn well_known_types_are_written_as_their_text() {
    let plan = strict();
    for (query, message) in [
        ("ts=2024-01-01T00:00:00Z", r#"{"ts":"2024-01-01T00:00:00Z"}"#),
        ("ts=2024-01-01T05:30:00%2B05:30", r#"{"ts":"2024-01-01T00:00:00Z"}"#),
        ("dur=1.5s", r#"{"dur":"1.500s"}"#),
        ("dur=-0.000000001s", r#"{"dur":"-0.000000001s"}"#),
        ("mask=fooBar,child.i32", r#"{"mask":"fooBar,child.i32"}"#),
        ("mask=foo_bar,child.foo_bar", r#"{"mask":"fooBar,child.fooBar"}"#),
        ("w_i64=9007199254740993", r#"{"wI64":"9007199254740993"}"#),
        ("w_dbl=-0", r#"{"wDbl":-0}"#),
        ("w_flag=false&w_data=-_8", r#"{"wFlag":false,"wData":"+/8="}"#),
        ("child.w_text=a", r#"{"child":{"wText":"a"}}"#),
        ("pick_dur=1s", r#"{"pickDur":"1s"}"#),
        ("pick_null=NULL_VALUE", r#"{"pickNull":null}"#),
        (r#"st={"a":[1,null]}"#, r#"{"st":{"a":[1,null]}}"#),
        (r#"val="a""#, r#"{"val":"a"}"#),
        ("val=null", r#"{"val":null}"#),
        ("lst=[1,{}]", r#"{"lst":[1,{}]}"#),
    ] {
        check(&plan, &format!("GET /v1/query?{query}"), "", message);
    }
    for (key, value) in [
        ("ts", "now"),
        ("ts", "2024-01-01T05:30:00+05:30"),
        ("dur", "1h"),
        ("dur", "1"),
        ("st", "[1]"),
        ("st", "a"),
    ] {
        let fault = bind(&plan, &format!("GET /v1/query?{key}={value}"), "").expect_err(value);
        assert_eq!(fault.field(), key, "{fault}");
    }
}

#[test]
fn enums_go_by_name_and_by_number() {
    let plan = strict();
    for (query, message) in [
        ("color=COLOR_BLUE", r#"{"color":"COLOR_BLUE"}"#),
        ("color=COLOR_CRIMSON", r#"{"color":"COLOR_RED"}"#),
        ("color=2", r#"{"color":"COLOR_BLUE"}"#),
        ("color=-3", r#"{"color":"COLOR_NEGATIVE"}"#),
        ("color=77", r#"{"color":77}"#),
        ("opt_color=0", r#"{"optColor":"COLOR_UNSPECIFIED"}"#),
        ("colors=1&colors=COLOR_BLUE", r#"{"colors":["COLOR_RED","COLOR_BLUE"]}"#),
    ] {
        check(&plan, &format!("GET /v1/query?{query}"), "", message);
    }
    for value in ["COLOR_PUCE", "1.5", "2147483648", "%201"] {
        let fault = bind(&plan, &format!("GET /v1/query?color={value}"), "").expect_err(value);
        assert_eq!(fault.field(), "color", "{fault}");
    }
}

#[test]
fn paths_lead_through_single_messages_only() {
    let plan = strict();
    for (key, says) in [
        ("children.i32", "found a repeated field"),
        ("child_map.a", "found a map"),
        ("by_text.a", "found a map"),
        ("i32.x", "found a scalar"),
        ("any.type_url", "fields depend on its value"),
        ("st.fields", "fields depend on its value"),
        ("val.string_value", "fields depend on its value"),
        ("child", "expected a field whose value is plain text"),
        ("children", "expected a field whose value is plain text"),
        ("by_text", "found a map"),
        ("any", "expected a field whose value is plain text"),
        ("empty", "expected a field whose value is plain text"),
    ] {
        check_refused(&plan, &format!("GET /v1/query?{key}=1"), "", key, says);
    }
}

#[test]
fn entries_of_maps_are_named_by_their_keys() {
    let plan = strict();
    for (query, message) in [
        ("by_text[a]=1&byText[b]=2", r#"{"byText":{"a":"1","b":"2"}}"#),
        ("by_text[a.b]=1&by_text[a%5Db]=2&by_text[]]=3", r#"{"byText":{"]":"3","a.b":"1","a]b":"2"}}"#),
        ("by_text%5Ba%26%3D%5D=1", r#"{"byText":{"a&=":"1"}}"#),
        ("by_i32[-5]=a&by_i32[7]=b", r#"{"byI32":{"-5":"a","7":"b"}}"#),
        ("by_i64[-9223372036854775808]=a", r#"{"byI64":{"-9223372036854775808":"a"}}"#),
        ("by_u32[4294967295]=a", r#"{"byU32":{"4294967295":"a"}}"#),
        ("by_u64[18446744073709551615]=a", r#"{"byU64":{"18446744073709551615":"a"}}"#),
        ("by_s32[-1]=a&by_s64[-1]=b", r#"{"byS32":{"-1":"a"},"byS64":{"-1":"b"}}"#),
        ("by_f32[1]=a&by_f64[1]=b", r#"{"byF32":{"1":"a"},"byF64":{"1":"b"}}"#),
        ("by_sf32[-1]=a&by_sf64[-1]=b", r#"{"bySf32":{"-1":"a"},"bySf64":{"-1":"b"}}"#),
        ("by_flag[true]=a&by_flag[false]=b", r#"{"byFlag":{"false":"b","true":"a"}}"#),
        ("dbl_map[a]=-0&dbl_map[b]=NaN", r#"{"dblMap":{"a":-0,"b":"NaN"}}"#),
        ("data_map[a]=-_8", r#"{"dataMap":{"a":"+/8="}}"#),
        ("color_map[a]=2&color_map[b]=COLOR_RED", r#"{"colorMap":{"a":"COLOR_BLUE","b":"COLOR_RED"}}"#),
        ("ts_map[a]=1970-01-01T00:00:01Z", r#"{"tsMap":{"a":"1970-01-01T00:00:01Z"}}"#),
        ("val_map[a]=[1]", r#"{"valMap":{"a":[1]}}"#),
        (
            "child_map[a].text=x&child_map[a].i32=1&child_map[b.c].text=y",
            r#"{"childMap":{"a":{"i32":1,"text":"x"},"b.c":{"text":"y"}}}"#,
        ),
        ("child_map[a].texts=x&child_map[a].texts=y", r#"{"childMap":{"a":{"texts":["x","y"]}}}"#),
        ("child_map[a].by_text[b]=x", r#"{"childMap":{"a":{"byText":{"b":"x"}}}}"#),
        ("child.by_i32[1]=x", r#"{"child":{"byI32":{"1":"x"}}}"#),
    ] {
        check(&plan, &format!("GET /v1/query?{query}"), "", message);
    }
    for (key, says) in [
        ("by_i32[a]", "key of \"by_i32\": expected a whole number"),
        ("by_i32[2147483648]", "range of int32"),
        ("by_flag[1]", "true or false"),
        ("by_text[a", "expected [key] or [key].field"),
        ("by_text[a]b", "expected [key] or [key].field"),
        ("by_text[a].b", "expected [key] or [key].field"),
        ("text[a]", "expected a map before [...]"),
        ("child[a]", "found a message"),
        ("child_map[a]", "expected a field whose value is plain text"),
        ("child_map[a].nope", "has no field"),
        ("child_map[a]x.text", "expected [key] or [key].field"),
        ("nope[a]", "has no field \"nope\""),
    ] {
        check_refused(&plan, &format!("GET /v1/query?{key}=1"), "", key, says);
    }
}

#[test]
fn bytes_come_in_either_alphabet() {
    let plan = strict();
    for text in ["-_8", "-_8=", "%2B/8=", "%2B%2F8"] {
        check(&plan, &format!("GET /v1/query?data={text}"), "", r#"{"data":"+/8="}"#);
    }
    for text in ["-_8", "-_8=", "%2B%2F8=", "+%2F8"] {
        check(&plan, &format!("GET /v1/path/data/{text}"), "", r#"{"data":"+/8="}"#);
    }
    for text in ["-%2F8=", "%2B_8=", "!", "A"] {
        check_refused(&plan, &format!("GET /v1/query?data={text}"), "", "data", "base64");
        check_refused(&plan, &format!("GET /v1/path/data/{text}"), "", "data", "base64");
    }
}

#[test]
fn a_variable_of_each_type_is_read() {
    let plan = strict();
    for (target, message) in [
        ("dbl/-0", r#"{"dbl":-0}"#),
        ("dbl/NaN", r#"{"dbl":"NaN"}"#),
        ("opt_i64/0", r#"{"optI64":"0"}"#),
        ("opt_flag/false", r#"{"optFlag":false}"#),
        ("ts/2024-01-01T05:30:00+05:30", r#"{"ts":"2024-01-01T00:00:00Z"}"#),
        ("mask/foo_bar,fooBar", r#"{"mask":"fooBar,fooBar"}"#),
        ("w_text/a%2Fb", r#"{"wText":"a/b"}"#),
        ("color/COLOR_RED", r#"{"color":"COLOR_RED"}"#),
        ("child.child.text/a+b", r#"{"child":{"child":{"text":"a+b"}}}"#),
    ] {
        let target = format!("GET /v1/path/{target}");
        check(&plan, &target, "", message);
        assert!(is_short(&plan, &target, ""), "{target} needs a tree");
    }
    for (target, field, says) in [
        ("i32/a", "i32", "whole number"),
        ("u64/-1", "u64", "range of uint64"),
        ("flag/1", "flag", "true or false"),
        ("color/COLOR_PUCE", "color", "value of enum"),
        ("child.i64/x", "child.i64", "whole number"),
        ("dur/1h", "dur", "duration in seconds"),
    ] {
        check_refused(&plan, &format!("GET /v1/path/{target}"), "", field, says);
    }
}

#[test]
fn common_queries_need_no_tree() {
    let plan = strict();
    for query in [
        "text=a&i32=5&flag=true&color=COLOR_RED",
        "ts=2024-01-01T00:00:00Z&dur=1s&w_text=a",
        "texts=a&texts=b",
        "child.text=a&child.i32=5",
        "pick_text=a",
    ] {
        assert!(is_short(&plan, &format!("GET /v1/query?{query}"), ""), "{query}");
    }
}
