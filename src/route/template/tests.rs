use proptest::prelude::*;

use super::{Segment, Template};

fn check(text: &str, want: &str) {
    let shown = match Template::parse(text) {
        Err(error) => format!("error at {}", error.offset),
        Ok(template) => {
            let mut shown = String::new();
            for segment in template.segments() {
                shown.push('/');
                shown.push_str(match segment {
                    Segment::Literal(text) => text,
                    Segment::Star => "*",
                    Segment::DoubleStar => "**",
                });
            }
            for variable in template.variables() {
                let name = variable.field_path().join(".");
                let kind = if variable.is_multi() { "multi" } else { "single" };
                shown.push_str(&format!(" {name}={}..{} {kind}", variable.start, variable.end));
            }
            if let Some(verb) = template.verb() {
                shown.push_str(&format!(" verb={verb}"));
            }
            shown
        }
    };
    assert_eq!(shown, want, "{text}");
}

#[test]
fn the_whole_grammar_parses() {
    let cases = [
        ("/", ""),
        ("/v1/orders", "/v1/orders"),
        ("/v1/*/x", "/v1/*/x"),
        ("/**", "/**"),
        ("/v1/{order_id}", "/v1/* order_id=1..2 single"),
        ("/v1/{order_id=*}", "/v1/* order_id=1..2 single"),
        ("/v1/{order_id=7}", "/v1/7 order_id=1..2 single"),
        ("/v1/{name=shelves/*}", "/v1/shelves/* name=1..3 multi"),
        ("/v1/{name=**}", "/v1/** name=1..2 multi"),
        ("/v1/{a.b_2.c=x/**}/d", "/v1/x/**/d a.b_2.c=1..3 multi"),
        ("/{a}/{b}", "/*/* a=0..1 single b=1..2 single"),
        ("/v1/orders:batchCreate", "/v1/orders verb=batchCreate"),
        ("/v1/{id}:watch", "/v1/* id=1..2 single verb=watch"),
        ("/v1/*:watch", "/v1/* verb=watch"),
        ("/v1/**:watch", "/v1/** verb=watch"),
        ("/v1/a:b/c", "/v1/a:b/c"),
        ("/v1/a:b:c", "/v1/a:b verb=c"),
        ("/v1/{n=a:b}", "/v1/a:b n=1..2 single"),
        ("/%7Efoo/%2f", "/~foo/%2F"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/pkg.v1.Service/Method", "/pkg.v1.Service/Method"),
        ("/.../x", "/.../x"),
    ];
    for (text, want) in cases {
        check(text, want);
    }
}

#[test]
fn faults_are_named_with_their_offset() {
    let cases = [
        ("", 0),
        ("v1", 0),
        ("/v1/", 4),
        ("/v1//x", 4),
        ("//", 1),
        ("/:verb", 1),
        ("/v1/:verb", 4),
        ("/v1/x:", 6),
        ("/v1/{a}:b:c", 8),
        ("/v1/{a}:b/c", 8),
        ("/v1/{a}b", 7),
        ("/v1/a{b}", 5),
        ("/v1/a*", 5),
        ("/v1/*a", 5),
        ("/v1/***", 6),
        ("/v1/{", 5),
        ("/v1/{}", 5),
        ("/v1/{1a}", 5),
        ("/v1/{a.}", 7),
        ("/v1/{a", 4),
        ("/v1/{a=", 7),
        ("/v1/{a=}", 7),
        ("/v1/{a=b/}", 9),
        ("/v1/{a=b", 7),
        ("/v1/{a=*", 4),
        ("/v1/{a={b}}", 7),
        ("/v1/{a!}", 6),
        ("/v1/}", 4),
        ("/{a=**/b=**}", 9),
        ("/**/**", 4),
        ("/{a=**}/{b=**}", 11),
        ("/{a}/{a}", 6),
        ("/{a}/{a.b}", 6),
        ("/{a.b}/{a}", 8),
        ("/a b", 2),
        ("/a?b", 2),
        ("/a\\b", 2),
        ("/a%2", 2),
        ("/a%zz", 2),
        ("/a/../b", 3),
        ("/a/%2E", 3),
    ];
    for (text, offset) in cases {
        check(text, &format!("error at {offset}"));
    }
}

#[test]
fn errors_are_sentences() {
    let shown = Template::parse("/v1/{id}/{id}").unwrap_err().to_string();
    let want = "path template `/v1/{id}/{id}`, offset 10: field `id` is bound by another variable as well";
    assert_eq!(shown, want);
    let long = format!("/{}", "a".repeat(super::MAX_BYTES));
    assert!(Template::parse(&long).is_err());
    assert!(Template::parse(long.get(..super::MAX_BYTES).unwrap()).is_ok());
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "[/{}*=.:%a-c\u{e9}2F ]{0,24}") {
        if let Err(error) = Template::parse(&text) {
            prop_assert!(error.offset <= text.len());
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(text in any::<String>()) {
        let _ = Template::parse(&format!("/{text}"));
    }
}
