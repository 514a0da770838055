//! The command line: what each verb says and the code that it ends with.

#[path = "support/client.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod client;
#[path = "support/command.rs"]
mod command;
#[path = "support/demo.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod demo;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use prost::Message;
use prost_types::{
    DescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};

use client::Http;
use command::{check, edgeway, folder, write};
use demo::Demo;
use program::Program;

#[test]
fn version() {
    let expect = concat!("edgeway ", env!("CARGO_PKG_VERSION"), "\n");
    for argument in ["version", "--version"] {
        let output = edgeway(folder().path(), &[argument]);
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stdout)), (Some(0), expect));
    }
    check(folder().path(), &["nonsense"], 2, &["nonsense"]);
    check(folder().path(), &["run", "--nonsense"], 2, &["--nonsense"]);
}

#[test]
fn validate_tells_where_a_file_is_wrong() {
    let folder = folder();
    write(&folder, "demo.binpb", edgeway::demo::FILE_DESCRIPTOR_SET);
    let good =
        "clusters:\n  orders:\n    target: dns:///orders:50051\n    descriptors: {protosets: [demo.binpb]}\n";
    write(&folder, "good.yaml", good);
    check(
        folder.path(),
        &["validate", "--config", "good.yaml"],
        0,
        &["good.yaml: ok", "cluster orders: dns:///orders:50051"],
    );
    // The file of this name is the default.
    write(&folder, "edgeway.yaml", good);
    check(folder.path(), &["validate"], 0, &["edgeway.yaml: ok"]);
    check(
        folder.path(),
        &["validate", "--upstream", "orders=ipv4:127.0.0.1:50051"],
        0,
        &["ok", "127.0.0.1:50051"],
    );

    // Everything that is wrong, in one go.
    let bad = "clusters:\n  orders:\n    target: dns:///orders:50051\n    conect_timeout: 2s\n    dns_refresh_rate: soon\n\
               policies:\n  - selector: \"*\"\n    timeout: 1 fortnight\nopenapi: {}\n";
    write(&folder, "bad.yaml", bad);
    let says = [
        "bad.yaml:4:5",
        "did you mean `connect_timeout`?",
        "bad.yaml:5:23",
        "bad.yaml:8:14",
        "bad.yaml:9:1",
        "not supported yet",
    ];
    check(folder.path(), &["validate", "--config", "bad.yaml"], 2, &says);
    // And `run` starts nothing of it.
    check(folder.path(), &["run", "--config", "bad.yaml"], 2, &says);

    write(&folder, "broken.yaml", "clusters: {a: [}\n");
    check(folder.path(), &["validate", "--config", "broken.yaml"], 2, &["broken.yaml:1:"]);
    check(folder.path(), &["validate", "--config", "nowhere.yaml"], 2, &["nowhere.yaml"]);
    check(folder.path(), &["validate", "--upstream", "nonsense://x"], 2, &["nonsense"]);
    write(&folder, "empty.yaml", "");
    check(folder.path(), &["validate", "--config", "empty.yaml"], 2, &["cluster"]);
}

#[test]
fn a_port_in_use_is_told_by_name() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (address.to_string(), taken)).expect("an address");
    let upstream = "orders=ipv4:127.0.0.1:1";
    for [listen, admin] in [[taken.0.as_str(), "127.0.0.1:0"], ["127.0.0.1:0", taken.0.as_str()]] {
        let arguments = ["run", "--listen", listen, "--admin", admin, "--upstream", upstream];
        check(folder().path(), &arguments, 1, &[&taken.0, "error"]);
    }
    let port = taken.0.rsplit(':').next().expect("a port");
    check(folder().path(), &["demo", "--port", port, "--admin-port", "0", "--web-port", "0"], 1, &[&taken.0]);
}

#[test]
fn healthcheck_is_zero_for_what_is_healthy() {
    let backend = Program::start(&["demo-backend", "--listen", "127.0.0.1:0", "--name", "b1"]);
    let upstream = format!("demo=ipv4:{}", backend.address);
    let healthy = gateway(&["--upstream", &upstream]);
    let unhealthy = gateway(&["--upstream", "demo=ipv4:127.0.0.1:1"]);
    let folder = folder();
    let check = |arguments: &[&str], code, says| {
        check(folder.path(), &[&["healthcheck"], arguments].concat(), code, &[says]);
    };
    let url = |admin: &str, path| format!("http://{admin}/{path}");
    // Reflection takes a moment.
    let ready = url(&healthy.admin, "readyz");
    let mut tries = 0;
    while edgeway(folder.path(), &["healthcheck", "--url", &ready]).status.code() != Some(0) {
        tries += 1;
        assert!(tries < 1000, "never ready: {}", healthy.log());
    }
    check(&["--url", &ready], 0, "\"ready\":true");
    check(&["--url", &url(&unhealthy.admin, "healthz")], 0, "");
    check(&["--url", &url(&unhealthy.admin, "readyz")], 1, "503");
    check(&["--url", "http://127.0.0.1:1/readyz"], 1, "unhealthy");
    check(&["--url", "/readyz"], 1, "http://host:port/path");
    check(&["--grpc", &backend.address], 0, "SERVING");
    check(&["--grpc", &backend.address, "--service", "ecommerce.v1.OrderService"], 0, "SERVING");
    check(&["--grpc", &backend.address, "--service", "no.such.Service"], 1, "unhealthy");
    check(&["--grpc", "127.0.0.1:1"], 1, "unhealthy");
    check(&["--grpc", &backend.address, "--url", &ready], 2, "cannot be used with");
}

fn gateway(arguments: &[&str]) -> Program {
    Program::start(&[&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], arguments].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_well() {
    let start = |drain_delay: &str| {
        let folder = folder();
        let config = format!(
            "listen: 127.0.0.1:0\nadmin: {{address: \"127.0.0.1:0\"}}\nshutdown: {{drain_delay: {drain_delay}}}\n\
             clusters: {{demo: \"ipv4:127.0.0.1:1\"}}\n"
        );
        let file = write(&folder, "edgeway.yaml", config);
        Program::start(&["run", "--config", &file])
    };
    for signal in ["TERM", "INT"] {
        let mut program = start("0s");
        program.signal(signal);
        assert_eq!(program.wait(PATIENCE), Some(true), "{signal}: {}", program.log());
    }
    // A second signal does not wait for the drain.
    let mut program = start("60s");
    program.signal("TERM");
    let mut draining = false;
    for _ in 0..500 {
        let readyz = client::send(&program.admin, Http::One, get("/readyz"), || {}).await.json();
        draining = readyz["draining"] == true;
        if draining {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(draining, "the first signal turns readiness off");
    program.signal("TERM");
    assert_eq!(program.wait(PATIENCE), Some(true), "{}", program.log());
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).expect("a request")
}

#[test]
fn every_line_of_the_demo_works() {
    let mut demo = Demo::start();
    let mut tried = 0;
    let mut lines = demo.lines.iter();
    while let Some(line) = lines.next() {
        let Some(what) = line.strip_prefix("  # ") else { continue };
        let command = lines.next().expect("a comment has a line below it").trim();
        let expect = DEMO.iter().find(|(comment, _)| *comment == what);
        let (_, expect) = expect.unwrap_or_else(|| panic!("nothing is expected of {what:?} here"));
        let output = Command::new("sh")
            .args(["-c", command])
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::null())
            .output()
            .expect("sh can be started");
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{command}: {}\n{out}", output.status);
        for text in *expect {
            assert!(out.contains(text), "{command}: expected {text:?} in\n{out}");
        }
        tried += 1;
    }
    assert_eq!(tried, DEMO.len(), "{:#?}", demo.lines);
    let signal = Command::new("kill").args(["-INT", &demo.child.id().to_string()]).status();
    assert!(signal.expect("kill can be started").success());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(demo.child.wait());
    });
    let ended = receiver.recv_timeout(PATIENCE).expect("Ctrl-C ends it").expect("it can be waited for");
    assert_eq!(ended.code(), Some(0));
}

/// What the lines of the demo are to bring, by the comment above them.
const DEMO: &[(&str, &[&str])] = &[
    ("an order", &["\"orderId\":\"order-1\""]),
    ("a new one", &["\"total\":9", "ORDER_STATUS_PENDING"]),
    ("query parameters, a stream as a JSON array", &["[{\"orderId\"", "}]"]),
    ("a stream as it comes, one line a message", &["}\n{", "ORDER_STATUS_DELIVERED"]),
    ("an error with its details", &["\"code\":3", "google.rpc.BadRequest"]),
    ("any method without an annotation", &["\"name\":\"backend-"]),
    ("one connection, three backends", &["\"name\":\"backend-"]),
    ("whether it is ready", &["\"ready\":true"]),
    ("what dashboards see", &["grpc_server_handled_total{", "OrderService"]),
];

#[test]
fn a_set_in_an_edition_to_come_is_refused_in_words() {
    let folder = folder();
    let mut file = FileDescriptorProto {
        name: Some("modern.proto".into()),
        package: Some("modern.v1".into()),
        syntax: Some("editions".into()),
        ..service("modern.v1", "Modern", 1)
    }
    .encode_to_vec();
    // `edition = 1099`, which the struct has no field for.
    file.extend([14 << 3, 0xcb, 0x08]);
    let mut set = Vec::new();
    prost::encoding::bytes::encode(1, &file, &mut set);
    write(&folder, "modern.binpb", set);
    let says =
        ["modern.proto", "edition number 1099", "expected proto2, proto3, edition 2023 or edition 2024"];
    let upstream = ["--upstream", "modern=ipv4:127.0.0.1:1", "--protoset", "modern.binpb"];
    check(folder.path(), &[&["validate"][..], &upstream].concat(), 2, &says);
    let run = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    check(folder.path(), &[&run[..], &upstream].concat(), 2, &says);

    write(&folder, "modern.binpb", [0xff; 64]);
    check(folder.path(), &[&["validate"][..], &upstream].concat(), 2, &["modern.binpb"]);
    check(
        folder.path(),
        &["validate", "--upstream", "a=ipv4:127.0.0.1:1", "--protoset", "nowhere.binpb"],
        2,
        &["nowhere.binpb"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_of_200_services_loads() {
    let folder = folder();
    let file = (0..200).map(|index| service(&format!("many{index}.v1"), "Many", 10)).collect();
    let set = write(&folder, "many.binpb", FileDescriptorSet { file }.encode_to_vec());
    let upstream = ["--upstream", "many=ipv4:127.0.0.1:1", "--protoset", &set];
    check(folder.path(), &[&["validate"][..], &upstream].concat(), 0, &["ok"]);
    let program = gateway(&upstream);
    for (path, http) in [
        ("/many0.v1.Many/Method0", 503),
        ("/many199.v1.Many/Method9", 503),
        ("/many200.v1.Many/Method0", 404),
    ] {
        let request = Request::post(path).header("content-type", "application/json").body(Full::from("{}"));
        let answer = client::send(&program.address, Http::One, request.expect("a request"), || {}).await;
        assert_eq!(answer.http, http, "{path}: {}", answer.text());
    }
}

/// A file with one service.
fn service(package: &str, name: &str, methods: usize) -> FileDescriptorProto {
    let empty = DescriptorProto { name: Some("Empty".into()), ..DescriptorProto::default() };
    let method = (0..methods).map(|index| MethodDescriptorProto {
        name: Some(format!("Method{index}")),
        input_type: Some(format!(".{package}.Empty")),
        output_type: Some(format!(".{package}.Empty")),
        ..MethodDescriptorProto::default()
    });
    FileDescriptorProto {
        name: Some(format!("{package}.proto")),
        package: Some(package.into()),
        syntax: Some("proto3".into()),
        message_type: vec![empty],
        service: vec![ServiceDescriptorProto {
            name: Some(name.into()),
            method: method.collect(),
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    }
}

/// Longer than any run here takes.
const PATIENCE: Duration = Duration::from_secs(20);
