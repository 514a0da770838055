//! Defaults < file < environment < flags, and which file.

use std::fs;

use crate::config::load::load_in;
use crate::config::{Flags, Loaded, LogFormat, Report};

const FILE: &str = "listen: 127.0.0.1:1\nadmin: {address: 127.0.0.1:2}\n\
                    clusters: {orders: orders:1}\nruntime: {worker_threads: 1}\n\
                    telemetry: {logs: {level: error, format: json}}\n";

/// Loads in a folder whose `edgeway.yaml` is `file`, where there is one.
fn load(file: Option<&str>, env: &[(&str, &str)], flags: Flags) -> Result<Loaded, Report> {
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(file) = file {
        fs::write(folder.path().join("edgeway.yaml"), file).expect("a file");
    }
    let config = flags.config.as_ref().map(|file| folder.path().join(file));
    let variable = |name: &str| {
        let found = env.iter().find(|(known, _)| *known == name)?;
        Some(found.1.replace("{folder}", &folder.path().display().to_string()))
    };
    load_in(folder.path(), &Flags { config, ..flags }, &variable)
}

/// What is loaded, one word a value.
fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let listeners: Vec<String> = config.listeners.iter().map(|l| l.address.to_string()).collect();
    let clusters: Vec<String> = config
        .clusters
        .iter()
        .map(|c| {
            let sets: Vec<String> =
                c.descriptors.protosets.iter().map(|set| format!("+{}", set.display())).collect();
            format!("{}={}{}", c.name, c.target, sets.concat())
        })
        .collect();
    let logs = &config.telemetry.logs;
    let format = match logs.format {
        None => "-",
        Some(LogFormat::Json) => "json",
        Some(LogFormat::Text) => "text",
    };
    let workers = config.runtime.worker_threads;
    let (listeners, clusters) = (listeners.join(" "), clusters.join(" "));
    format!("{listeners} {} {clusters} {} {format} {workers}", config.admin.address, logs.level.as_str())
}

#[test]
fn the_higher_source_wins() {
    let upstreams = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let env = [
        ("EDGEWAY_LISTEN", "127.0.0.1:3"),
        ("EDGEWAY_ADMIN_ADDRESS", "127.0.0.1:4"),
        ("EDGEWAY_UPSTREAMS", "orders=ipv4:10.0.0.1:1,10.0.0.2:2,users=users:3"),
        ("EDGEWAY_PROTOSETS", "a.binpb, b.binpb"),
        ("EDGEWAY_LOG_LEVEL", "warn"),
        ("EDGEWAY_LOG_FORMAT", "text"),
        ("EDGEWAY_WORKER_THREADS", "3"),
    ];
    let flags = Flags {
        listen: Some("127.0.0.1:5".into()),
        admin: Some("127.0.0.1:6".into()),
        upstreams: upstreams(&["users=users:7", "billing:8"]),
        protosets: vec!["c.binpb".into()],
        log_level: Some("debug".into()),
        log_format: Some("json".into()),
        ..Flags::default()
    };
    let only_upstream =
        Flags { upstreams: upstreams(&["orders.shop:1", "orders.other:2"]), ..Flags::default() };
    let named = Flags { config: Some("edgeway.yaml".into()), ..Flags::default() };
    let links = [
        ("EDGEWAY_PORT", "tcp://10.0.0.1:80"),
        ("EDGEWAY_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("EDGEWAY_SERVICE_HOST", "10.0.0.1"),
        ("EDGEWAY_LISTEN", " "),
        ("EDGEWAY_CONFIG", ""),
    ];
    let configured = [("EDGEWAY_CONFIG", "{folder}/edgeway.yaml")];
    type Case<'c> = (Option<&'c str>, &'c [(&'c str, &'c str)], Flags, &'c str);
    let cases: [Case<'_>; 8] = [
        (Some(FILE), &[], Flags::default(), "127.0.0.1:1 127.0.0.1:2 orders=dns:///orders:1 error json 1"),
        (Some(FILE), &links, Flags::default(), "127.0.0.1:1 127.0.0.1:2 orders=dns:///orders:1 error json 1"),
        (
            Some(FILE),
            &configured,
            Flags::default(),
            "127.0.0.1:1 127.0.0.1:2 orders=dns:///orders:1 error json 1",
        ),
        (
            Some(FILE),
            &[("EDGEWAY_CONFIG", "/none.yaml")],
            named.clone(),
            "127.0.0.1:1 127.0.0.1:2 orders=dns:///orders:1 error json 1",
        ),
        (
            None,
            &env,
            Flags::default(),
            "127.0.0.1:3 127.0.0.1:4 orders=ipv4:10.0.0.1:1,10.0.0.2:2+a.binpb+b.binpb \
             users=dns:///users:3+a.binpb+b.binpb warn text 3",
        ),
        (
            None,
            &env,
            flags.clone(),
            "127.0.0.1:5 127.0.0.1:6 orders=ipv4:10.0.0.1:1,10.0.0.2:2+c.binpb users=dns:///users:7+c.binpb \
             billing=dns:///billing:8+c.binpb debug json 3",
        ),
        (
            Some(FILE),
            &[],
            Flags { protosets: Vec::new(), ..Flags { config: named.config, ..flags } },
            "127.0.0.1:5 127.0.0.1:6 orders=dns:///orders:1 users=dns:///users:7 billing=dns:///billing:8 debug json 1",
        ),
        // Names and no file: the one that lies there is not meant.
        (
            Some(FILE),
            &[],
            only_upstream,
            "0.0.0.0:8080 127.0.0.1:9901 orders=dns:///orders.shop:1 orders-2=dns:///orders.other:2 info - 0",
        ),
    ];
    for (file, env, flags, expected) in cases {
        let loaded = load(file, env, flags.clone()).unwrap_or_else(|report| panic!("{flags:?}\n{report}"));
        assert_eq!(summary(&loaded), expected, "{env:?} {flags:?}");
    }
}

#[test]
fn sources_are_named() {
    let env = [("EDGEWAY_LISTEN", "127.0.0.1:3")];
    let flags = Flags { upstreams: vec!["users:1".into()], ..Flags::default() };
    let loaded = load(None, &env, flags).expect("valid");
    assert_eq!((loaded.origin.as_str(), loaded.file), ("--upstream, EDGEWAY_LISTEN", None));
    let loaded = load(Some(FILE), &env, Flags::default()).expect("valid");
    assert!(loaded.origin.ends_with("edgeway.yaml, EDGEWAY_LISTEN"), "{}", loaded.origin);
    assert!(loaded.file.is_some_and(|file| file.ends_with("edgeway.yaml")));
}

#[test]
fn a_file_that_places_the_variable_itself() {
    let two = "listeners:\n  - {name: a, address: \"${EDGEWAY_LISTEN:-127.0.0.1:1}\"}\n\
               \x20 - {name: b, address: 127.0.0.1:2}\nclusters: {a: a:1}\n";
    let env = [("EDGEWAY_LISTEN", "127.0.0.1:3")];
    let loaded = load(Some(two), &env, Flags::default()).expect("valid");
    let addresses: Vec<String> = loaded.config.listeners.iter().map(|l| l.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.1:3", "127.0.0.1:2"]);
    let flags = Flags { listen: Some("127.0.0.1:4".into()), ..Flags::default() };
    let report = load(Some(two), &env, flags).expect_err("two listeners").to_string();
    let expected =
        "error: expected one listener to move to 127.0.0.1:4, the file has 2\n --> flag --listen\n";
    assert!(report.starts_with(expected), "{report}");
}

#[test]
fn what_is_wrong_outside_the_file() {
    let text = |text: &str| Some(text.to_owned());
    let flags = Flags {
        listen: text("8080"),
        upstreams: vec!["orders".into(), "a=b:1".into(), "a=c:1".into(), "!=b:1".into()],
        log_level: text("loud"),
        ..Flags::default()
    };
    let env = [("EDGEWAY_WORKER_THREADS", "many"), ("EDGEWAY_ADMIN_ADDRESS", "tcp://10.0.0.1:1")];
    let report = load(None, &env, flags).expect_err("much").to_string();
    let heads: Vec<&str> =
        report.lines().filter(|line| !line.starts_with(" = ") && !line.is_empty()).collect();
    assert_eq!(
        heads,
        [
            "error: admin address: expected an address such as `0.0.0.0:8080`, found `tcp://10.0.0.1:1`",
            " --> environment variable EDGEWAY_ADMIN_ADDRESS",
            "error: worker threads: expected a number from 0 to 1024, found `many`",
            " --> environment variable EDGEWAY_WORKER_THREADS",
            "error: listen: expected an address such as `0.0.0.0:8080`, found `8080`",
            " --> flag --listen",
            "error: log level: expected `error`, `warn`, `info`, `debug`, `trace` or `off`, found `loud`",
            " --> flag --log-level",
            "error: upstream: expected a target with a port, found `orders`",
            " --> flag --upstream",
            "error: upstream: the name `a` is given twice",
            " --> flag --upstream",
            "error: upstream: expected a name of letters, digits, `.`, `_` and `-`, found `!`",
            " --> flag --upstream",
        ]
    );
    let protosets = Flags { protosets: vec!["a.binpb".into()], ..Flags::default() };
    let report = load(Some(FILE), &[], protosets).expect_err("no upstream").to_string();
    assert!(
        report
            .starts_with("error: expected an upstream for the descriptors, found none\n --> flag --protoset")
    );
}
