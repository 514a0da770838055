use proptest::prelude::*;

use super::*;
use crate::{
    config::{HostPattern, OriginPattern, PortPattern},
    route::Template,
};

const SHOP: &str = "https://shop.example.com";

fn rules() -> config::Cors {
    let host = HostPattern::Exact("shop.example.com".into());
    config::Cors::new(vec![OriginPattern::Of { scheme: "https", host, port: PortPattern::Default }])
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// The headers of a reply that had `has` before.
fn marked(rules: config::Cors, request: &[(&'static str, &str)], has: &[(&'static str, &str)]) -> HeaderMap {
    let cors = Cors::new(rules);
    let mut reply = headers(has);
    cors.mark(&cors.asked(&headers(request)), &mut reply);
    reply
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    values.join(" | ")
}

fn routes() -> Table<()> {
    let mut routes = Table::new();
    for (method, template) in [
        ("GET", "/v1/orders/{id}"),
        ("DELETE", "/v1/orders/{id}"),
        ("PATCH", "/v1/orders/{id}"),
        ("*", "/any"),
    ] {
        routes.insert(method, Template::parse(template).unwrap(), "a test", ()).unwrap();
    }
    routes
}

fn asked(rules: config::Cors, path: &str, request: &[(&'static str, &str)]) -> Response {
    let (cors, request) = (Cors::new(rules), headers(request));
    let asked = cors.asked(&request);
    let mut response = cors.preflight(&asked, &request, path, &routes());
    cors.mark(&asked, response.headers_mut());
    response
}

#[test]
fn a_preflight_has_all_three() {
    for (method, pairs, expect) in [
        (Method::OPTIONS, vec![("origin", SHOP), ("access-control-request-method", "PUT")], true),
        (Method::OPTIONS, vec![("origin", "null"), ("access-control-request-method", "PUT")], true),
        (Method::OPTIONS, vec![("origin", SHOP)], false),
        (Method::OPTIONS, vec![("access-control-request-method", "PUT")], false),
        (Method::POST, vec![("origin", SHOP), ("access-control-request-method", "PUT")], false),
    ] {
        assert_eq!(is_preflight(&method, &headers(&pairs)), expect, "{method} {pairs:?}");
    }
}

#[test]
fn who_asks() {
    let any = config::Cors::new(vec![OriginPattern::Any]);
    for (rules, origins, expect) in [
        (rules(), vec![], Asked::Nobody),
        (rules(), vec![SHOP], Asked::Allowed(SHOP.parse().unwrap())),
        (rules(), vec!["https://evil.test"], Asked::Refused),
        (rules(), vec!["null"], Asked::Refused),
        (rules(), vec![SHOP, SHOP], Asked::Refused),
        (any.clone(), vec!["https://evil.test"], Asked::Allowed("*".parse().unwrap())),
        (any, vec!["null"], Asked::Refused),
    ] {
        let pairs: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
        assert_eq!(Cors::new(rules).asked(&headers(&pairs)), expect, "{origins:?}");
    }
}

#[test]
fn a_page_reads_whatever_a_reply_has() {
    let has = [
        ("content-type", "application/json"),
        ("x-answer", "42"),
        ("grpc-status", "5"),
        ("trailer-x-took", "1"),
        ("retry-after", "1"),
    ];
    let rules = config::Cors {
        expose_headers: vec![HeaderName::from_static("x-shop-trace"), HeaderName::from_static("x-answer")],
        ..rules()
    };
    let reply = marked(rules, &[("origin", SHOP)], &has);
    assert_eq!(text(&reply, "access-control-allow-origin"), SHOP);
    assert_eq!(
        text(&reply, "access-control-expose-headers"),
        "grpc-status, grpc-message, grpc-status-details-bin, x-answer, trailer-x-took, retry-after, x-shop-trace"
    );
    assert_eq!(text(&reply, "access-control-allow-credentials"), "");
}

#[test]
fn credentials_come_with_the_origin_itself() {
    let rules = config::Cors { allow_credentials: true, ..rules() };
    let reply = marked(rules.clone(), &[("origin", SHOP)], &[]);
    assert_eq!(text(&reply, "access-control-allow-origin"), SHOP);
    assert_eq!(text(&reply, "access-control-allow-credentials"), "true");
    for request in [vec![], vec![("origin", "https://evil.test")], vec![("origin", "null")]] {
        let reply = marked(rules.clone(), &request, &[]);
        let names: Vec<_> = reply.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["vary"], "{request:?}");
    }
}

#[test]
fn vary_keeps_what_is_there() {
    let own = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    for (there, expect) in [
        (vec![], own.to_owned()),
        (vec!["accept-encoding"], format!("accept-encoding, {own}")),
        (vec!["accept", "x-tenant,origin"], format!("accept, x-tenant,origin{}", &own["Origin".len()..])),
        (vec!["*"], "*".to_owned()),
    ] {
        let there: Vec<_> = there.into_iter().map(|value| ("vary", value)).collect();
        assert_eq!(text(&marked(rules(), &[], &there), "vary"), expect, "{there:?}");
    }
}

#[track_caller]
fn check_methods(path: &str, wanted: &str, expect: &str) {
    let request = [("origin", SHOP), ("access-control-request-method", wanted)];
    let response = asked(rules(), path, &request);
    assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
    assert_eq!(text(response.headers(), "access-control-allow-methods"), expect, "{path}");
}

#[test]
fn methods_are_those_of_the_path() {
    check_methods("/v1/orders/7", "PATCH", "POST, GET, OPTIONS, DELETE, HEAD, PATCH");
    check_methods("/v1/orders/7", "PUT", "POST, GET, OPTIONS, DELETE, HEAD, PATCH");
    check_methods("/any", "PUT", "POST, GET, OPTIONS, DELETE, HEAD, PATCH, PUT");
    // A page may read that there is no such path, and not more than that.
    check_methods("/nowhere", "PUT", "POST, GET, OPTIONS, PUT");
    check_methods("/nowhere", "POST", "POST, GET, OPTIONS");
    check_methods("/nowhere", "TRACE", "POST, GET, OPTIONS");
    check_methods("/%zz", "DELETE", "POST, GET, OPTIONS, DELETE");
}

#[test]
fn headers_are_those_asked_for_or_those_listed() {
    let request = [
        ("origin", SHOP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,X-Tenant, x bad, ,x-trace-bin"),
    ];
    let own = OF_PROTOCOLS.join(", ");
    let response = asked(rules(), "/", &request);
    let allowed = text(response.headers(), "access-control-allow-headers");
    assert_eq!(allowed, format!("{own}, x-tenant, x-trace-bin"));
    assert_eq!(text(response.headers(), "access-control-max-age"), "7200");

    let listed = vec![HeaderName::from_static("x-shop-tenant")];
    let response = asked(config::Cors { allow_headers: Some(listed), ..rules() }, "/", &request);
    let allowed = text(response.headers(), "access-control-allow-headers");
    assert_eq!(allowed, format!("{own}, x-shop-tenant"));
}

#[test]
fn no_request_makes_a_long_answer() {
    let names: Vec<_> = (0..5_000).map(|index| format!("x-{index}")).collect();
    let request = [
        ("origin", SHOP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", &names.join(",")),
    ];
    let response = asked(rules(), "/", &request);
    let allowed = text(response.headers(), "access-control-allow-headers");
    assert_eq!(allowed.split(',').count(), OF_PROTOCOLS.len() + MOST_REQUESTED);
}

#[test]
fn a_private_network_is_opened_by_the_operator_alone() {
    let request = [
        ("origin", SHOP),
        ("access-control-request-method", "POST"),
        ("access-control-request-private-network", "true"),
    ];
    for (allow, expect) in [(true, "true"), (false, "")] {
        let response = asked(config::Cors { allow_private_network: allow, ..rules() }, "/", &request);
        assert_eq!(text(response.headers(), "access-control-allow-private-network"), expect);
    }
    let response = asked(config::Cors { allow_private_network: true, ..rules() }, "/", &request[..2]);
    assert_eq!(text(response.headers(), "access-control-allow-private-network"), "");
}

#[test]
fn a_preflight_of_others_is_refused() {
    for origin in ["https://evil.test", "null"] {
        let response = asked(rules(), "/", &[("origin", origin), ("access-control-request-method", "POST")]);
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "vary"], "{origin}");
    }
}

proptest! {
    /// Whatever a backend and a client put into headers: an allowed page reads all of the reply, others nothing.
    #[test]
    fn a_reply_is_readable_or_not(
        names in proptest::collection::vec("[a-z][a-z-]{0,12}", 0..20),
        vary in proptest::option::of("[ -~]{0,40}"),
        origin in prop_oneof![Just(SHOP.to_owned()), "[ -~]{0,40}", "https://[a-z.]{0,12}shop\\.example\\.com[:/0-9]{0,4}"],
    ) {
        let cors = Cors::new(rules());
        let mut request = HeaderMap::new();
        request.insert("origin", origin.parse().unwrap());
        let mut reply: HeaderMap = names.iter().map(|name| (name.parse().unwrap(), "v".parse().unwrap())).collect();
        // What `grpc::metadata` lets no backend send.
        let of_backends: Vec<_> = reply.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
        of_backends.into_iter().for_each(|name| drop(reply.remove(name)));
        if let Some(vary) = &vary {
            reply.insert("vary", vary.parse().unwrap());
        }
        let asked = cors.asked(&request);
        cors.mark(&asked, &mut reply);
        if origin == SHOP {
            prop_assert_eq!(text(&reply, "access-control-allow-origin"), SHOP);
            let exposed = text(&reply, "access-control-expose-headers");
            let exposed: Vec<_> = exposed.split(", ").collect();
            for name in reply.keys().filter(|name| !is_safelisted(name)) {
                let own = name.as_str().starts_with("access-control-");
                prop_assert!(own || exposed.contains(&name.as_str()), "{} in {:?}", name, exposed);
            }
        } else {
            prop_assert_eq!(asked, Asked::Refused);
            prop_assert!(!reply.keys().any(|name| name.as_str().starts_with("access-control-")));
        }
        let names = text(&reply, "vary").to_lowercase();
        prop_assert!(names.contains("origin") || names.contains('*'));
    }
}
