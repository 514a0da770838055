//! Routes and where they come from: `edgeway routes`, rules of the configuration, proto trees, and the rules of paths
//! that only show on a socket.

#[path = "support/client.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod client;
#[path = "support/command.rs"]
mod command;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use client::{Answer, Http};
use command::{check, edgeway, folder, write};
use edge::Edge;
use program::Program;

/// A folder with a configuration before a backend that is not there, which compiles the demo's proto files.
fn configured(more: &str) -> TempDir {
    let folder = folder();
    let protos = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    write(
        &folder,
        "edgeway.yaml",
        format!(
            "clusters:\n  demo:\n    target: ipv4:127.0.0.1:1\n    descriptors:\n      reflection: never\n      protos:\n        \
             files: [ecommerce/v1/order_service.proto]\n        import_paths: [\"{protos}\"]\n{more}"
        ),
    );
    folder
}

#[test]
fn the_table_says_who_wrote_a_route_and_where() {
    let folder = configured(
        "http:\n  rules:\n    - selector: ecommerce.v1.OrderService.GetOrder\n      get: /v2/{order_id}\n      response_body: \
         items\n",
    );
    let output = edgeway(folder.path(), &["routes"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["METHOD", "PATH", "SELECTOR", "BODY", "RESPONSE", "SOURCE", "CLUSTER", "PLACE"]);
    let (get, create) = ("ecommerce.v1.OrderService.GetOrder", "ecommerce.v1.OrderService.CreateOrder");
    let file = "ecommerce/v1/order_service.proto";
    for row in [
        ["GET", "/v2/{order_id}", get, "-", "items", "config", "demo", "edgeway.yaml:12:12"],
        ["POST", "/ecommerce.v1.OrderService/GetOrder", get, "*", "-", "auto", "demo", file],
        ["POST", "/v1/orders", create, "*", "-", "annotation", "demo", file],
    ] {
        assert!(rows.iter().any(|found| found == &row), "expected {row:?} in\n{out}");
    }
    assert!(!out.contains("/v1/orders/{order_id} "), "the rule replaces the annotation:\n{out}");
}

#[test]
fn conflicts_and_warnings_follow_the_table() {
    let folder = configured(
        "http:\n  rules:\n    - {selector: ecommerce.v1.OrderService.GetOrder, post: /v1/orders, body: '*'}\n    - {selector: \
         shop.v1.*, get: /x}\n",
    );
    let says = [
        "warning: POST /v1/orders of ecommerce.v1.OrderService.GetOrder (edgeway.yaml:11:60) cannot be reached: POST \
         /v1/orders of ecommerce.v1.OrderService.CreateOrder (ecommerce/v1/order_service.proto) answers the same",
        "warning: edgeway.yaml:12:18: http.rules: shop.v1.* matches no method of any schema",
    ];
    check(folder.path(), &["routes"], 0, &says);
    let output = edgeway(folder.path(), &["routes", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let route = &json["routes"].as_array().expect("a list")[0];
    assert_eq!(route["template"], "/ecommerce.v1.OrderService/BatchCreateOrders");
    assert_eq!((&route["body"], &route["response_body"]), (&"*".into(), &Value::Null));
    assert_eq!(json["warnings"].as_array().map(Vec::len), Some(2), "{json}");
    assert_eq!(json["missing"], Value::Array(Vec::new()));
}

#[test]
fn backends_are_asked_and_one_that_is_down_is_told() {
    let backend = Program::start(&["demo-backend", "--listen", "127.0.0.1:0", "--name", "b1"]);
    let upstream = format!("demo=ipv4:{}", backend.address);
    let folder = folder();
    check(folder.path(), &["routes", "--upstream", &upstream], 0, &["/v1/orders/{order_id}:watch"]);
    let down = ["--upstream", "down=ipv4:127.0.0.1:1"];
    check(
        folder.path(),
        &[&["routes", "--upstream", &upstream], &down[..]].concat(),
        1,
        &["error: the methods of cluster down are not known: "],
    );
    check(folder.path(), &["routes", "--upstream", "nonsense://x"], 2, &["nonsense"]);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let folder = configured("http: {rules: [{selector: a.B.C, get: '/v1/{a'}]}\n");
    for verb in ["validate", "run", "routes"] {
        let says = ["edgeway.yaml:9:39", "expected `}` to close the variable"];
        check(folder.path(), &[verb], 2, &says);
    }
    let text = "clusters: {a: {target: 'ipv4:127.0.0.1:1', descriptors: {reflection: never, protos: {files: [a.proto]}}}}\n";
    write(&folder, "edgeway.yaml", text);
    write(
        &folder,
        "a.proto",
        "syntax = \"proto3\";\nimport \"google/rpc/status.proto\";\nmessage A { B b = 1; }\n",
    );
    for verb in ["validate", "run", "routes"] {
        check(folder.path(), &[verb], 2, &["error: cluster a: a.proto:3:13: "]);
    }
    write(&folder, "a.proto", "syntax = \"proto3\";\nmessage A {}\nservice S { rpc M(A) returns (A); }\n");
    check(folder.path(), &["validate"], 0, &["edgeway.yaml: ok"]);
    check(folder.path(), &["routes"], 0, &["/S/M"]);
}

/// A canary by header, and shares with a mirror below it.
const CALL_ROUTES: &str =
    "  canary: { target: 'ipv4:127.0.0.1:1', descriptors: { reflection: never, protosets: [demo.binpb] } }
routes:
  - name: by-header
    match: { selector: ecommerce.v1.OrderService.GetOrder, hosts: [localhost], headers: { x-version: v2 } }
    cluster: canary
  - name: shares
    weighted_clusters: [{ name: demo, weight: 95 }, { name: canary, weight: 5 }]
    sticky_header: user-id
    mirror: { cluster: canary, fraction: 0.5 }
";

#[test]
fn where_calls_go_is_a_table_of_its_own() {
    let folder = configured(CALL_ROUTES);
    write(&folder, "demo.binpb", ::edgeway::demo::FILE_DESCRIPTOR_SET);
    check(
        folder.path(),
        &["routes"],
        0,
        &[
            "ROUTE      CALLS                               HOSTS      HEADERS        CLUSTERS             STICKY   HASH  \
             MIRROR      PLACE\n\
             by-header  ecommerce.v1.OrderService.GetOrder  localhost  x-version: v2  canary               -        -     \
             -           edgeway.yaml:",
            "shares     *                                   *          -              demo 95%, canary 5%  user-id  -     \
             canary 50%  edgeway.yaml:",
        ],
    );
    let output = edgeway(folder.path(), &["routes", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["calls"][1]["clusters"][1], serde_json::json!({ "name": "canary", "percent": 5.0 }));
    // Whoever has none sees none.
    let output = edgeway(configured("").path(), &["routes"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("CALLS"));
}

#[test]
fn explain_says_which_cluster() {
    let folder = configured(CALL_ROUTES);
    write(&folder, "demo.binpb", ::edgeway::demo::FILE_DESCRIPTOR_SET);
    let get = ["GET", "/v1/orders/order-1"];
    let with = |headers: &[&'static str]| [&get[..], headers].concat();
    let mirrored = "mirrored: 50% to canary";
    explains(&folder, &get, 0, &["cluster: demo 95%, canary 5%, by the route shares", mirrored]);
    let by_header = "cluster: canary, by the route by-header";
    explains(&folder, &with(&["-H", "x-version: v2"]), 0, &[by_header]);
    explains(&folder, &with(&["-H", "grpc-metadata-x-version: v2"]), 0, &[by_header]);
    explains(
        &folder,
        &["GET", "http://a.test/v1/orders/order-1", "-H", "x-version: v2"],
        0,
        &["cluster: demo 95%, canary 5%, by the route shares", mirrored],
    );
    explains(&folder, &with(&["-H", "user-id: ann"]), 0, &["cluster: demo, by the route shares", mirrored]);
}

/// What `edgeway explain` says of a request: the lines that have to be there, and the exit code.
#[track_caller]
fn explains(folder: &TempDir, arguments: &[&str], code: i32, says: &[&str]) {
    let output = edgeway(folder.path(), &[&["explain"], arguments].concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let what = format!("{arguments:?} wrote\n{out}and to standard error\n{err}");
    assert_eq!(output.status.code(), Some(code), "{what}");
    for text in says {
        assert!(out.contains(text) || err.contains(text), "expected {text:?}, {what}");
    }
}

#[test]
fn explain_says_which_route_and_what_is_bound_from_where() {
    let folder = configured(
        "http:\n  rules:\n    - selector: ecommerce.v1.OrderService.ProcessOrders\n      get: /v1/{order_id=**}\n",
    );
    let get = "route: GET /v1/users/{user_id}/orders of ecommerce.v1.OrderService.ListOrders (annotation, \
               ecommerce/v1/order_service.proto), cluster demo";
    explains(
        &folder,
        &["GET", "/v1/users/a%2Fb/orders?page_size=2"],
        0,
        &[
            get,
            "not, less specific: GET /v1/{order_id=**} of ecommerce.v1.OrderService.ProcessOrders (config, \
             edgeway.yaml:12:12)",
            "bound: page_size from the query: \"2\"",
            "bound: user_id from the path: \"a/b\"",
            "message: ecommerce.v1.ListOrdersRequest\n{\"userId\":\"a/b\",\"pageSize\":2}",
        ],
    );
    explains(
        &folder,
        &["POST", "http://shop.example/v1/orders", "--body", "{\"userId\": \"bob\"}"],
        0,
        &["bound: user_id from the body", "{\"userId\":\"bob\"}"],
    );
    explains(&folder, &["OPTIONS", "/v1/orders"], 0, &["204 No Content, allow: GET, HEAD, OPTIONS, POST"]);
}

#[test]
fn explain_says_why_a_request_would_be_refused() {
    let folder = configured("rest: {trailing_slash: redirect}\n");
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["GET", "/v1/ordres/7"], 1, &["refused: 404 Not Found, NotFound", "did you mean "]),
        (
            &["DELETE", "/v1/orders/7"],
            1,
            &[
                "refused: 405 Method Not Allowed",
                "expected one of GET, HEAD, OPTIONS",
                "not, another method: GET /v1/orders/{order_id} of ",
            ],
        ),
        (&["GET", "/v1/%zz"], 1, &["refused: 400 Bad Request, InvalidArgument", "hexadecimal"]),
        (&["GET", "/v1/orders/7?x=1"], 1, &["route: GET /v1/orders/{order_id}", "refused: 400", "x: "]),
        (&["GET", "/v1/orders/7/?view=1"], 0, &["308 Permanent Redirect, location: /v1/orders/7?view=1"]),
        (
            &["POST", "/v1/orders", "-d", "{}", "-H", "content-type: text/plain"],
            1,
            &["415 Unsupported Media Type", "text/plain"],
        ),
        (&["POST", "/v1/orders", "-d", "{\"userId\": 1}"], 1, &["refused: 400", "user"]),
        (&["GET", "/v1/orders/7", "-H", "grpc-timeout: soon"], 1, &["refused: 400"]),
        (&["POST", "/v1/orders", "-H", "content-type: application/grpc"], 1, &["gRPC"]),
        (&["TRACE", "/v1/orders"], 1, &["405", "this method is not served"]),
        (&["GET", "v1"], 2, &["expected a URL or a path"]),
        (&["GET", "/v1", "-H", "nonsense"], 2, &["expected a header as `name: value`"]),
        (&["BAD METHOD", "/v1"], 2, &["expected an HTTP method"]),
        (&["GET"], 2, &["URL"]),
    ];
    for (arguments, code, says) in cases {
        explains(&folder, arguments, *code, says);
    }
}

/// A gateway before a demo backend, with `more` in its configuration.
struct Demo {
    gateway: Edge,
}

impl Demo {
    fn start(more: &str) -> Self {
        Self { gateway: Edge::before_demo(more) }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        client::send(self.gateway.address(), Http::One, request, || {}).await
    }

    /// Sends a request line as it stands and reads the first line of the answer and its body.
    async fn raw(&self, host: &str, line: &str) -> (String, String) {
        let mut socket = TcpStream::connect(self.gateway.address()).await.expect("the gateway accepts");
        let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("it answers");
        let status = answer.lines().next().unwrap_or_default().to_owned();
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_the_configuration_is_served() {
    let demo = Demo::start(
        "http:\n  rules:\n    - selector: ecommerce.v1.OrderService.GetOrder\n      get: /shop/{order_id}\n      \
         additional_bindings: [{custom: {kind: '*', path: '/any/{order_id}:show'}, response_body: order_id}]\n",
    );
    let answer = demo.send("GET", "/shop/order-1", &[]).await;
    assert_eq!((answer.http, answer.json()["orderId"].as_str()), (200, Some("order-1")), "{}", answer.text());
    let answer = demo.send("PURGE", "/any/order-2:show", &[]).await;
    assert_eq!((answer.http, answer.text()), (200, "\"order-2\""));
    assert_eq!(demo.send("GET", "/v1/orders/order-1", &[]).await.http, 404, "the annotation is replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_trailing_slash_redirects_with_its_query() {
    let demo = Demo::start("rest: {trailing_slash: redirect, merge_slashes: true}\n");
    for (method, path, location) in [
        ("GET", "/v1/orders/order-1/?x=1&y=%2F", "/v1/orders/order-1?x=1&y=%2F"),
        ("HEAD", "/v1/orders/order-1/", "/v1/orders/order-1"),
        ("POST", "/v1/orders/", "/v1/orders"),
        ("GET", "/v1//orders///order-1/", "/v1/orders/order-1"),
    ] {
        let answer = demo.send(method, path, &[]).await;
        assert_eq!((answer.http, answer.header("location")), (308, location), "{method} {path}");
    }
    assert_eq!(demo.send("GET", "//elsewhere.example//", &[]).await.http, 404);
    let answer = demo.send("GET", "/v1//orders/order-1", &[]).await;
    assert_eq!((answer.http, answer.json()["orderId"].as_str()), (200, Some("order-1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_head_follows_get_and_options_says_what_is_allowed() {
    let demo = Demo::start("");
    let (get, head) = (
        demo.send("GET", "/v1/orders/order-1", &[]).await,
        demo.send("HEAD", "/v1/orders/order-1", &[]).await,
    );
    assert_eq!((head.http, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    let options = demo.send("OPTIONS", "/v1/orders/order-1", &[]).await;
    assert_eq!((options.http, options.header("allow")), (204, "GET, HEAD, OPTIONS"));
    let delete = demo.send("DELETE", "/v1/orders/order-1", &[]).await;
    assert_eq!((delete.http, delete.header("allow")), (405, "GET, HEAD, OPTIONS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_a_method_override_is_not_obeyed() {
    let demo = Demo::start("");
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let answer = demo.send("POST", "/v1/orders/order-1", &[(name, "GET")]).await;
        assert_eq!((answer.http, answer.header("allow")), (405, "GET, HEAD, OPTIONS"), "{name}");
        let answer = demo.send("GET", "/v1/orders/order-1", &[(name, "POST")]).await;
        assert_eq!(answer.http, 200, "{name}");
    }
    let answer = demo.send("POST", "/v1/orders/order-1?$httpMethod=GET", &[]).await;
    assert_eq!(answer.http, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_17_the_absolute_form_is_its_path_and_a_semicolon_is_data() {
    let demo = Demo::start("");
    for (host, target) in [
        ("elsewhere.example", "http://elsewhere.example/v1/orders/order-1"),
        ("elsewhere.example:81", "http://elsewhere.example:81/v1/orders/order-1"),
        ("elsewhere.example", "/v1/orders/order-1"),
    ] {
        let (status, body) = demo.raw(host, &format!("GET {target}")).await;
        assert!(status.contains(" 200 ") && body.contains("order-1"), "{target}: {status} {body}");
    }
    let (status, body) = demo.raw("elsewhere.example", "GET /v1/orders/order-1;v=2").await;
    assert!(status.contains(" 404 ") && body.contains("order-1;v=2"), "{status} {body}");
    let (status, body) = demo.raw("elsewhere.example", "GET http://elsewhere.example").await;
    assert!(status.contains(" 404 ") && body.contains("no route for GET /"), "{status} {body}");
}
