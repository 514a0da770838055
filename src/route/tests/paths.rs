//! What a path is, and what of it is captured.

use super::{check, check_with, table};
use crate::route::{Miss, Options, PathError, TrailingSlash, Unescape};

#[test]
fn rules_5_and_6_one_segment_decodes_fully_and_more_keep_the_slash() {
    check(
        &["GET /s/{name}", "GET /e/{name=*}", "GET /m/{name=shelves/*}", "GET /d/{name=**}"],
        &[
            ("GET /s/a%2Fb", "GET /s/{name} name=\"a/b\""),
            ("GET /e/a%2fb%23", "GET /e/{name=*} name=\"a/b#\""),
            ("GET /m/shelves/1", "GET /m/{name=shelves/*} name=\"shelves/1\""),
            ("GET /m/shelves/a%2fb%20c%3A", "GET /m/{name=shelves/*} name=\"shelves/a%2fb c:\""),
            ("GET /d/a%2Fb/c", "GET /d/{name=**} name=\"a%2Fb/c\""),
            ("GET /d/%E2%82%AC", "GET /d/{name=**} name=\"\u{20ac}\""),
            ("GET /s/a%252Fb", "GET /s/{name} name=\"a%2Fb\""),
        ],
    );
}

#[test]
fn rule_6_the_switch_says_what_longer_captures_decode() {
    let routes = ["GET /s/{name}", "GET /m/{name=shelves/*}", "GET /d/{name=**}"];
    let path = "a%2Fb%3Ac%23d%5B%5D%25%20%41";
    for (unescape, longer) in [
        (Unescape::ExceptReserved, "a%2Fb%3Ac%23d%5B%5D% A"),
        (Unescape::ExceptSlash, "a%2Fb:c#d[]% A"),
        (Unescape::All, "a/b:c#d[]% A"),
    ] {
        let options = Options { unescape, ..Options::default() };
        check_with(
            options,
            &routes,
            &[
                (&format!("GET /s/{path}"), "GET /s/{name} name=\"a/b:c#d[]% A\""),
                (
                    &format!("GET /m/shelves/{path}"),
                    &format!("GET /m/{{name=shelves/*}} name=\"shelves/{longer}\""),
                ),
                (&format!("GET /d/{path}/e"), &format!("GET /d/{{name=**}} name=\"{longer}/e\"")),
            ],
        );
    }
}

#[test]
fn rule_7_the_raw_path_is_split_and_literals_are_normalised() {
    check(
        &["GET /v1/orders/{id}", "GET /caf\u{e9}", "GET /a%2Fb", "GET /x@y"],
        &[
            ("GET /v1%2Forders/7", "404"),
            ("GET /v1/%6Frders/7", "GET /v1/orders/{id} id=\"7\""),
            ("GET /caf%c3%a9", "GET /caf\u{e9}"),
            ("GET /a%2fb", "GET /a%2Fb"),
            ("GET /a/b", "404"),
            ("GET /x@y", "GET /x@y"),
            ("GET /x%40y", "404"),
            ("GET /V1/orders/7", "404"),
        ],
    );
}

#[test]
fn rule_8_a_plus_is_a_plus() {
    check(&["GET /{a}"], &[("GET /a+b%2Bc", "GET /{a} a=\"a+b+c\"")]);
}

#[test]
fn rule_9_malformed_escapes_and_what_is_not_utf8_are_refused() {
    let table = table(&["GET /v1/{a}", "GET /{a=**}"]);
    let cases = [
        ("/v1/%", PathError::BadEscape(4)),
        ("/v1/a%2", PathError::BadEscape(5)),
        ("/v1/%zz", PathError::BadEscape(4)),
        ("/v1/%\u{e9}", PathError::BadEscape(4)),
        ("/v1/%C0%AF", PathError::NotUtf8(4)),
        ("/v1/%ED%A0%80", PathError::NotUtf8(4)),
        ("/v1/%ff", PathError::NotUtf8(4)),
        ("/v1/%00", PathError::Control(4)),
        ("/v1/%0d%0aX:y", PathError::Control(4)),
        ("/v1/%7f", PathError::Control(4)),
        ("/v1/a\\b", PathError::Backslash(4)),
        ("/v1/a%5Cb", PathError::Backslash(4)),
        ("/v1/caf\u{e9}", PathError::BadCharacter(7, '\u{e9}')),
        ("/v1/<", PathError::BadCharacter(4, '<')),
        ("/v1/a?b", PathError::BadCharacter(5, '?')),
        ("*", PathError::NoSlash),
        ("", PathError::NoSlash),
        ("http://host/v1/x", PathError::NoSlash),
    ];
    for (path, want) in cases {
        assert_eq!(table.lookup("GET", path).unwrap_err(), Miss::BadPath(want), "{path}");
    }
}

#[test]
fn rule_10_a_trailing_slash_is_another_path_and_stars_need_text() {
    check(
        &["GET /v1/orders", "GET /v1/orders/{id}", "GET /v1/orders/{id}:go", "GET /f/**", "GET /"],
        &[
            ("GET /v1/orders/", "404"),
            ("GET /v1/orders/7/", "404"),
            ("GET /v1/orders/:go", "GET /v1/orders/{id} id=\":go\""),
            ("GET /f/", "404"),
            ("GET /f", "GET /f/**"),
            ("GET /f/a/", "404"),
            ("GET /", "GET /"),
            ("GET //", "400"),
            ("GET //v1/orders", "400"),
            ("GET /v1//orders", "400"),
            ("GET /v1/orders//", "400"),
        ],
    );
}

#[test]
fn rule_10_a_trailing_slash_is_ignored_or_redirected_where_the_operator_says_so() {
    let routes =
        ["GET /v1/orders", "GET /v1/orders/{id}", "POST /v1/orders/{id}:go", "GET /f/{x=**}", "GET /"];
    let with = |trailing_slash| Options { trailing_slash, ..Options::default() };
    check_with(
        with(TrailingSlash::Ignore),
        &routes,
        &[
            ("GET /v1/orders/", "GET /v1/orders"),
            ("GET /v1/orders/7/", "GET /v1/orders/{id} id=\"7\""),
            ("POST /v1/orders/7:go/", "POST /v1/orders/{id}:go id=\"7\""),
            ("GET /f/a/", "GET /f/{x=**} x=\"a\""),
            ("GET /f/", "GET /f/{x=**} x=\"\""),
            ("DELETE /v1/orders/", "405 GET, HEAD, OPTIONS"),
            ("GET /v2/", "404"),
            ("GET /v1/orders//", "400"),
            ("GET /", "GET /"),
        ],
    );
    check_with(
        with(TrailingSlash::Redirect),
        &routes,
        &[
            ("GET /v1/orders/", "308 /v1/orders"),
            ("HEAD /v1/orders/a%2Fb/", "308 /v1/orders/a%2Fb"),
            ("POST /v1/orders/7:go/", "308 /v1/orders/7:go"),
            ("DELETE /v1/orders/", "405 GET, HEAD, OPTIONS"),
            ("GET /v2/", "404"),
            ("GET //evil.example/", "400"),
            ("GET /", "GET /"),
            ("GET /v1/orders", "GET /v1/orders"),
        ],
    );
}

#[test]
fn rule_10_slashes_in_a_row_are_one_where_the_operator_says_so() {
    let routes = ["GET /v1/{a}/x", "GET /f/{x=**}", "GET /"];
    let merge = Options { merge_slashes: true, ..Options::default() };
    check_with(
        merge,
        &routes,
        &[
            ("GET //v1///7//x", "GET /v1/{a}/x a=\"7\""),
            ("GET /f//a//b%2F%2Fc", "GET /f/{x=**} x=\"a/b%2F%2Fc\""),
            ("GET /f/a//", "404"),
            ("GET //", "GET /"),
            ("POST //v1//7/x", "405 GET, HEAD, OPTIONS"),
        ],
    );
    let redirect = Options { trailing_slash: TrailingSlash::Redirect, ..merge };
    check_with(redirect, &routes, &[("GET //f//a//", "308 /f/a"), ("GET //evil.example//", "404")]);
}

#[test]
fn rule_15_dot_segments_are_refused_however_they_are_written() {
    let dots = [
        "..",
        ".",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%2e",
        "..;x",
        ".;",
        "..%2f..%2fetc",
        "a%2F..%2Fb",
        "a%2f.",
        "..:go",
        "%2e%2e:go",
    ];
    let table = table(&["GET /v1/{a=**}", "GET /v1/{a=**}:go", "GET /v1/{a}/x"]);
    for dot in dots {
        for path in [format!("/v1/{dot}"), format!("/v1/a/{dot}")] {
            assert!(
                matches!(table.lookup("GET", &path), Err(Miss::BadPath(PathError::DotSegment(_)))),
                "{path}"
            );
        }
    }
    for fine in ["...", "..a", "a..", "%252e%252e", ".well-known"] {
        assert!(table.lookup("GET", &format!("/v1/{fine}")).is_ok(), "{fine}");
    }
}

#[test]
fn rule_15_dot_segments_are_data_where_the_operator_says_so() {
    let options = Options { reject_dot_segments: false, ..Options::default() };
    check_with(
        options,
        &["GET /v1/{a=**}", "GET /v1/{a}/x"],
        &[
            ("GET /v1/../x", "GET /v1/{a}/x a=\"..\""),
            ("GET /v1/a/%2e%2e/b", "GET /v1/{a=**} a=\"a/../b\""),
            ("GET /v1/..%2f..", "GET /v1/{a=**} a=\"..%2f..\""),
            ("GET /v1/a%00", "400"),
            ("GET /v1/a%5c..", "400"),
        ],
    );
}

#[test]
fn rule_17_sub_delimiters_are_data() {
    check(&["GET /v1/{a}"], &[("GET /v1/x;v=1,2!$&'()*=@", "GET /v1/{a} a=\"x;v=1,2!$&'()*=@\"")]);
}

#[test]
fn nested_field_paths_are_kept_apart() {
    check(
        &["PATCH /v1/{book.name=shelves/*/books/*}/{book.author.id}"],
        &[(
            "PATCH /v1/shelves/1/books/2/me",
            "PATCH /v1/{book.name=shelves/*/books/*}/{book.author.id} book.name=\"shelves/1/books/2\" \
             book.author.id=\"me\"",
        )],
    );
}
