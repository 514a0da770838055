//! The routing rules, named after the rules of `google.api.http` implementations that get them wrong.

use proptest::prelude::*;

use super::{Miss, Options, PathError, Table, Template, TrailingSlash, Unescape};

fn table(routes: &[&str]) -> Table<String> {
    table_with(Options::default(), routes)
}

fn table_with(options: Options, routes: &[&str]) -> Table<String> {
    let mut table = Table::with_options(options);
    for route in routes {
        let (method, template) = route.split_once(' ').unwrap();
        let template = Template::parse(template).unwrap();
        table.insert(method, template, format!("{route} in the test"), (*route).to_owned()).unwrap();
    }
    table
}

/// The answer as one line: the route and its captures, or the miss.
fn ask(table: &Table<String>, request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    match table.lookup(method, path) {
        Ok(found) => {
            let mut shown = found.value.clone();
            for capture in &found.captures {
                let name = found.template.variables()[capture.variable].field_path().join(".");
                shown.push_str(&format!(" {name}={:?}", capture.value));
            }
            shown
        }
        Err(Miss::NotFound) => "404".to_owned(),
        Err(Miss::MethodNotAllowed(allow)) => format!("405 {allow}"),
        Err(Miss::BadPath(_)) => "400".to_owned(),
        Err(Miss::Redirect(path)) => format!("308 {path}"),
    }
}

#[track_caller]
fn check(routes: &[&str], cases: &[(&str, &str)]) {
    check_with(Options::default(), routes, cases);
}

#[track_caller]
fn check_with(options: Options, routes: &[&str], cases: &[(&str, &str)]) {
    let table = table_with(options, routes);
    for (request, want) in cases {
        assert_eq!(ask(&table, request), *want, "{request} on {routes:?}");
    }
}

#[test]
fn rule_1_specificity_not_order_decides() {
    let routes = ["GET /v1/{a=**}", "GET /v1/{a}/x", "GET /v1/me/x", "GET /v1/*/*", "GET /v1/**/x"];
    let cases = [
        ("GET /v1/me/x", "GET /v1/me/x"),
        ("GET /v1/you/x", "GET /v1/{a}/x a=\"you\""),
        ("GET /v1/you/y", "GET /v1/*/*"),
        ("GET /v1/a/b/x", "GET /v1/**/x"),
        ("GET /v1/a/b/y", "GET /v1/{a=**} a=\"a/b/y\""),
    ];
    let mut turned = routes;
    for _ in 0..routes.len() {
        turned.rotate_left(1);
        check(&turned, &cases);
    }
}

#[test]
fn rule_1_same_shape_is_a_conflict_that_names_both_places() {
    let mut table = Table::new();
    table.insert("GET", Template::parse("/v1/{id}").unwrap(), "a.proto", 1).unwrap();
    table.insert("POST", Template::parse("/v1/{id}").unwrap(), "a.proto", 2).unwrap();
    table.insert("GET", Template::parse("/v1/{id}:go").unwrap(), "a.proto", 3).unwrap();
    let conflict = table.insert("GET", Template::parse("/v1/{name=*}").unwrap(), "b.proto", 4).unwrap_err();
    assert_eq!(
        conflict.to_string(),
        "GET /v1/{name=*} of b.proto cannot be reached: GET /v1/{id} of a.proto answers the same requests \
         and stands first"
    );
    assert_eq!(*table.lookup("GET", "/v1/7").unwrap().value, 1);
    assert_eq!(table.routes().len(), 3);
}

#[test]
fn rule_2_backtracks_over_more_than_one_node() {
    check(
        &["GET /a/{x}/b", "GET /a/c/d", "GET /{x=**}/z"],
        &[
            ("GET /a/c/b", "GET /a/{x}/b x=\"c\""),
            ("GET /a/c/d", "GET /a/c/d"),
            ("GET /a/c/z", "GET /{x=**}/z x=\"a/c\""),
            ("GET /a/c/e", "404"),
        ],
    );
}

#[test]
fn rule_2_the_method_takes_part_in_the_match() {
    check(
        &["GET /{x=**}", "POST /a/b", "PUT /a/*"],
        &[("GET /a/b", "GET /{x=**} x=\"a/b\""), ("DELETE /a/b", "405 GET, HEAD, OPTIONS, POST, PUT")],
    );
}

#[test]
fn candidates_come_in_the_order_in_which_they_are_tried() {
    let table =
        table(&["GET /{x=**}", "POST /a/b", "PUT /a/*", "GET /a/*", "* /a/b", "GET /a/{y}:go", "GET /c"]);
    let candidates = |path: &str| {
        let found = table.candidates(path).expect("a path");
        found.iter().map(|route| route.value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(candidates("/a/b"), ["POST /a/b", "* /a/b", "PUT /a/*", "GET /a/*", "GET /{x=**}"]);
    assert_eq!(candidates("/a/b:go"), ["GET /a/{y}:go", "PUT /a/*", "GET /a/*", "GET /{x=**}"]);
    assert_eq!(candidates("/d/"), Vec::<String>::new());
    assert_eq!(table.candidates("/a//b").unwrap_err(), PathError::EmptySegment(3));
    let mut many = Table::new();
    for index in 0..100 {
        let _ = many.insert(&format!("M{index}"), Template::parse("/a").unwrap(), "test", ());
    }
    assert_eq!(many.candidates("/a").unwrap().len(), Table::<()>::MOST_CANDIDATES);
    assert!(many.is_for("M99") && !many.is_for("M100") && table.is_for("PURGE"));
}

#[test]
fn rule_3_double_star_takes_zero_segments() {
    check(
        &["GET /{a=**}", "GET /f/{a=projects/**}", "GET /t/{a=**}/end", "GET /s/{a=*/**}"],
        &[
            ("GET /", "GET /{a=**} a=\"\""),
            ("GET /f/projects", "GET /f/{a=projects/**} a=\"projects\""),
            ("GET /f/projects/1/2", "GET /f/{a=projects/**} a=\"projects/1/2\""),
            ("GET /t/end", "GET /t/{a=**}/end a=\"\""),
            ("GET /s/1", "GET /s/{a=*/**} a=\"1\""),
            ("GET /s", "GET /{a=**} a=\"s\""),
        ],
    );
}

#[test]
fn rule_4_tails_after_double_star() {
    check(
        &["GET /a/{x=**}/c", "GET /a/{x=**}/{y}/d", "GET /a/{x=p/**/q}/e", "GET /a/{x=**}/c:go"],
        &[
            ("GET /a/c", "GET /a/{x=**}/c x=\"\""),
            ("GET /a/1/2/c", "GET /a/{x=**}/c x=\"1/2\""),
            ("GET /a/1/2/d", "GET /a/{x=**}/{y}/d x=\"1\" y=\"2\""),
            ("GET /a/2/d", "GET /a/{x=**}/{y}/d x=\"\" y=\"2\""),
            ("GET /a/d", "404"),
            ("GET /a/p/q/e", "GET /a/{x=p/**/q}/e x=\"p/q\""),
            ("GET /a/p/1/q/e", "GET /a/{x=p/**/q}/e x=\"p/1/q\""),
            ("GET /a/1/c:go", "GET /a/{x=**}/c:go x=\"1\""),
        ],
    );
    assert!(Template::parse("/{a=**}/{b=**}").is_err());
}

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
fn rule_11_the_verb_is_cut_at_the_last_colon_and_tried_as_a_value() {
    check(
        &[
            "GET /v1/{id}",
            "POST /v1/{id}:cancel",
            "GET /v1/{id}:watch",
            "GET /v2/{id}",
            "POST /v1/orders:batchCreate",
            "GET /w/{x=**}:watch",
            "GET /n/{x=a:b}",
        ],
        &[
            ("GET /v1/a:b", "GET /v1/{id} id=\"a:b\""),
            ("GET /v1/a:b:watch", "GET /v1/{id}:watch id=\"a:b\""),
            ("POST /v1/x:cancel", "POST /v1/{id}:cancel id=\"x\""),
            ("POST /v1/x%3Acancel", "405 GET, HEAD, OPTIONS"),
            ("GET /v1/x%3Awatch", "GET /v1/{id} id=\"x:watch\""),
            ("GET /v1/x:watch:", "GET /v1/{id} id=\"x:watch:\""),
            ("GET /v2/x:cancel", "GET /v2/{id} id=\"x:cancel\""),
            ("GET /v1/x:cancel", "GET /v1/{id} id=\"x:cancel\""),
            ("DELETE /v1/x:cancel", "405 GET, HEAD, OPTIONS, POST"),
            ("POST /v1/orders:batchCreate", "POST /v1/orders:batchCreate"),
            ("GET /w:watch", "GET /w/{x=**}:watch x=\"\""),
            ("GET /w/a/b:watch", "GET /w/{x=**}:watch x=\"a/b\""),
            ("GET /n/a:b", "GET /n/{x=a:b} x=\"a:b\""),
        ],
    );
}

#[test]
fn rule_12_a_route_for_every_method_comes_second_and_keeps_its_verb() {
    check(
        &["* /v1/{a}:run", "GET /v1/{a}:run", "* /v1/{a}/x", "PUT /p/{a}"],
        &[
            ("GET /v1/7:run", "GET /v1/{a}:run a=\"7\""),
            ("HEAD /v1/7:run", "GET /v1/{a}:run a=\"7\""),
            ("PURGE /v1/7:run", "* /v1/{a}:run a=\"7\""),
            ("PURGE /v1/7", "404"),
            ("HEAD /v1/7/x", "* /v1/{a}/x a=\"7\""),
            ("OPTIONS /v1/7/x", "* /v1/{a}/x a=\"7\""),
            ("get /p/7", "405 OPTIONS, PUT"),
        ],
    );
}

#[test]
fn rule_13_head_follows_get_and_allow_lists_what_is_there() {
    let routes = ["GET /v1/{a}", "POST /v1/{a}", "HEAD /h", "GET /h", "* /any", "POST /v1/{a}:go"];
    check(
        &routes,
        &[
            ("HEAD /v1/7", "GET /v1/{a} a=\"7\""),
            ("HEAD /h", "HEAD /h"),
            ("DELETE /v1/7", "405 GET, HEAD, OPTIONS, POST"),
            ("OPTIONS /v1/7", "405 GET, HEAD, OPTIONS, POST"),
        ],
    );
    let table = table(&routes);
    let allowed = |path: &str| table.allowed(path).map(|allow| allow.to_string());
    assert_eq!(allowed("/v1/7").unwrap(), "GET, HEAD, OPTIONS, POST");
    assert_eq!(allowed("/any").unwrap(), "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    assert_eq!(allowed("/none").unwrap_err(), Miss::NotFound);
    assert_eq!(allowed("/v1//7").unwrap_err(), Miss::BadPath(PathError::EmptySegment(4)));
}

#[test]
fn rule_14_a_field_bound_twice_is_no_template() {
    assert!(Template::parse("/{a}/{a}").is_err());
    assert!(Template::parse("/{a.b}/{a.c}").is_ok());
    assert!(Template::parse("/{a.b}/{a.b.c}").is_err());
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
fn rule_16_only_the_method_given_counts() {
    check(&["DELETE /v1/{a}"], &[("POST /v1/7", "405 DELETE, OPTIONS")]);
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

#[test]
fn the_nearest_route_forgives_one_slip() {
    let table = table(&[
        "GET /v1/orders/{id}",
        "POST /v1/orders:batchCreate",
        "GET /v1/users/{id}/orders",
        "POST /shop.v1.OrderService/GetOrder",
        "GET /files/{path=**}/raw",
    ]);
    let nearest = |path: &str| table.nearest(path).map(Template::as_str);
    let cases = [
        ("/v1/order/7", Some("/v1/orders/{id}")),
        ("/v1/orders/7/", Some("/v1/orders/{id}")),
        ("/V1/orders/7", Some("/v1/orders/{id}")),
        ("/v1/orders:batchcreate", Some("/v1/orders:batchCreate")),
        ("/v1/users/7/order", Some("/v1/users/{id}/orders")),
        ("/shop.v1.OrdersService/GetOrder", Some("/shop.v1.OrderService/GetOrder")),
        ("/files/a/b/row", Some("/files/{path=**}/raw")),
        ("/v2/ordres/7", None),
        ("/favicon.ico", None),
        ("/v1/%zz", None),
    ];
    for (path, want) in cases {
        assert_eq!(nearest(path), want, "{path}");
    }
}

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
