//! Which route a request gets.

use super::{check, table};
use crate::route::{Miss, PathError, Table, Template};

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
fn rule_16_only_the_method_given_counts() {
    check(&["DELETE /v1/{a}"], &[("POST /v1/7", "405 DELETE, OPTIONS")]);
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
