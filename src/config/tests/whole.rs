//! Whole files: the smallest, every key of this version, and every key of later ones.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use crate::config::tests::{config, example, loaded, page};
use crate::config::{
    AccessLog, Cluster, Cors, ErrorFormat, HostPattern, LoadBalancing, LogFormat, LogLevel, Logs, Mirror,
    OriginPattern, OwnServices, ParameterName, Policies, Policy, PolicyRule, PortPattern, Reflection, Rest,
    RestPolicy, RestRule, Retry, Runtime, Shutdown, StreamFormat, Telemetry, TrailingSlash, UrlUnescape,
    WeightedCluster,
};
use crate::grpc::Code;

#[test]
fn the_smallest_file() {
    let config = config(page::example(0));
    let listeners: Vec<_> =
        config.listeners.iter().map(|l| (l.name.as_str(), l.address.to_string())).collect();
    assert_eq!(listeners, [("public", "0.0.0.0:8080".to_owned())]);
    assert_eq!(config.admin.address.to_string(), "127.0.0.1:9901");
    assert_eq!(config.clusters, [Cluster::new("orders", "dns:///orders:50051".parse().expect("a target"))]);
    assert_eq!(config.policies, Policies::default());
    assert_eq!(config.policy_for("shop.v1.Orders", "Get"), Policy::default());
    assert_eq!(config.rest, Rest::default());
    assert!(config.rest.auto_mapping);
    assert_eq!(config.cors, None);
    assert_eq!(config.rest_for("shop.v1.Orders", "Get"), RestPolicy::default());
    assert_eq!(config.own_services, OwnServices { reflection: true, health: true });
    assert_eq!(config.runtime, Runtime { worker_threads: 0 });
    assert!(config.runtime.workers() >= 1);
    let (drain_delay, grace) = (Duration::from_secs(5), Duration::from_secs(20));
    assert_eq!(config.shutdown, Shutdown { drain_delay, grace });
    assert_eq!(config.shutdown.hard_cap(), Duration::from_secs(27));
    let logs = Logs { level: LogLevel::Info, format: None, access: AccessLog { enabled: true } };
    assert_eq!(config.telemetry, Telemetry { logs });

    let [cluster] = config.clusters.as_slice() else { panic!("one cluster") };
    assert_eq!(cluster.dns_refresh_rate, Duration::from_secs(5));
    assert_eq!(cluster.connection.connect_timeout, Duration::from_secs(2));
    assert!(cluster.required);
    assert_eq!(cluster.load_balancing, LoadBalancing::default());
    assert_eq!(cluster.descriptors.reflection, Reflection::Auto);
    assert_eq!(cluster.descriptors.refresh_interval, Duration::from_secs(30));
    assert!(cluster.exposes("shop.v1.Orders", "Get") && cluster.exposes_service("grpcbin.Echo"));
    assert!(
        !cluster.exposes("grpc.health.v1.Health", "Check")
            && !cluster.exposes_service("grpc.health.v1.Health")
    );
}

#[test]
fn every_key() {
    let seconds = Duration::from_secs;
    let config = config(page::example(1));
    let listeners: Vec<_> =
        config.listeners.iter().map(|l| (l.name.as_str(), l.address.to_string())).collect();
    assert_eq!(listeners, [("public", "0.0.0.0:8080".to_owned()), ("internal", "127.0.0.1:8081".to_owned())]);
    assert_eq!(config.admin.address.to_string(), "0.0.0.0:9901");

    assert_eq!(config.clusters, example::clusters());
    let orders = config.clusters.iter().find(|cluster| cluster.name == "orders").expect("orders");
    for (service, method, expected) in [
        ("shop.v1.Orders", "Get", true),
        ("shop.v1.Catalog", "Get", true),
        ("shop.v1.Admin", "Ping", true),
        ("shop.v1.Admin", "Reset", false),
        ("shop.v1.OrdersAdmin", "Get", false),
        ("shop.v1", "Get", false),
    ] {
        assert_eq!(orders.exposes(service, method), expected, "{service} {method}");
    }

    let [canary, shares] = config.routes.as_slice() else { panic!("two routes") };
    assert_eq!(
        (canary.name.as_str(), canary.selector.to_string(), canary.hosts.as_slice()),
        (
            "users-canary",
            "shop.v1.Users.*".to_owned(),
            &[HostPattern::Exact("api.example.com".into()), HostPattern::Below("shop.test".into())][..]
        )
    );
    let headers: Vec<_> = canary.headers.iter().map(ToString::to_string).collect();
    let expected = [
        "x-version: v2",
        "x-team: checkout",
        "x-build: 2026.*",
        "x-channel: not *-beta",
        "x-debug: absent",
        "x-region: /eu-(west|north)/",
        "x-shard: 0..8",
    ];
    assert_eq!(headers, expected);
    assert_eq!(canary.clusters, [WeightedCluster { name: "users".into(), weight: 1 }]);
    assert_eq!((&canary.sticky_header, canary.hash_policy.len(), &canary.mirror), (&None, 0, &None));
    assert_eq!((shares.selector.to_string(), shares.hosts.len(), shares.headers.len()), ("*".into(), 0, 0));
    let share = |name: &str, weight| WeightedCluster { name: name.into(), weight };
    assert_eq!(shares.clusters, [share("orders", 95), share("users", 5)]);
    let user = HeaderName::from_static("user-id");
    assert_eq!(shares.sticky_header, Some(user.clone()));
    assert_eq!(shares.hash_policy, [user]);
    assert_eq!(shares.mirror, Some(Mirror { cluster: "users".into(), per_million: 10_000 }));

    let all = PolicyRule {
        selector: "*".parse().expect("a selector"),
        timeout: Some(Some(seconds(10))),
        max_timeout: Some(seconds(60)),
        max_request_bytes: Some(1 << 20),
        max_response_bytes: Some(8 << 20),
        stream_idle_timeout: Some(Some(seconds(120))),
        max_stream_duration: Some(Some(seconds(1800))),
        retry: None,
        idempotent: None,
        rest: RestRule::default(),
    };
    let create = PolicyRule {
        retry: Some(Retry::Never),
        idempotent: Some(false),
        ..PolicyRule::new("shop.v1.Orders.Create".parse().expect("a selector"))
    };
    let watch = PolicyRule {
        stream_idle_timeout: Some(None),
        max_stream_duration: Some(None),
        rest: RestRule {
            add_whitespace: Some(false),
            stream_format: Some(StreamFormat::Sse),
            ..RestRule::default()
        },
        ..PolicyRule::new("shop.v1.Orders.Watch".parse().expect("a selector"))
    };
    assert_eq!(config.policies, Policies::new(vec![watch, create, all]));

    let methods = RestRule {
        ignore_unknown_query_parameters: Some(true),
        ignored_query_parameters: Some(vec![
            ParameterName::Prefix("utm_".into()),
            ParameterName::Exact("api_key".into()),
        ]),
        query_param_unescape_plus: Some(false),
        reject_duplicate_query_parameters: Some(false),
        reject_binding_collisions: Some(false),
        reject_unexpected_body: Some(true),
        require_content_type: Some(true),
        fill_update_mask: Some(false),
        bind_every_message: Some(true),
        reject_unknown_json_fields: Some(false),
        reject_unknown_json_enums: Some(false),
        reject_duplicate_json_keys: Some(false),
        case_insensitive_enum_parsing: Some(true),
        max_json_depth: Some(32),
        max_json_values: Some(10_000),
        always_print_primitive_fields: Some(true),
        always_print_enums_as_ints: Some(true),
        preserve_proto_field_names: Some(true),
        add_whitespace: Some(true),
        print_int64_as_numbers: Some(true),
        strip_enum_prefixes: Some(true),
        stream_format: Some(StreamFormat::Ndjson),
        offered_stream_formats: Some(vec![StreamFormat::Ndjson, StreamFormat::Sse]),
        sse_keep_alive: Some(None),
        wrap_messages: Some(true),
        error_format: Some(ErrorFormat::ProblemJson),
        http_status: Some(vec![(Code::FailedPrecondition, StatusCode::PRECONDITION_FAILED)]),
    };
    let rest = Rest {
        auto_mapping: false,
        url_unescape_spec: UrlUnescape::AllCharacters,
        trailing_slash: TrailingSlash::Redirect,
        merge_slashes: true,
        reject_dot_segments: false,
        methods,
    };
    assert_eq!(config.rest, rest);
    let origin = |scheme, host, port| OriginPattern::Of { scheme, host, port };
    let cors = Cors {
        allow_origins: vec![
            origin("https", HostPattern::Exact("shop.example.com".into()), PortPattern::Default),
            origin("https", HostPattern::Below("example.com".into()), PortPattern::Default),
            origin("http", HostPattern::Exact("localhost".into()), PortPattern::Any),
        ],
        allow_credentials: true,
        allow_headers: Some(vec![HeaderName::from_static("x-shop-tenant")]),
        expose_headers: vec![HeaderName::from_static("x-shop-trace")],
        max_age: seconds(600),
        allow_private_network: true,
    };
    assert_eq!(config.cors, Some(cors));
    let (watch, get) = (config.rest_for("shop.v1.Orders", "Watch"), config.rest_for("shop.v1.Orders", "Get"));
    assert_eq!((watch.stream_format, watch.add_whitespace), (StreamFormat::Sse, false));
    assert_eq!((get.stream_format, get.add_whitespace), (StreamFormat::Ndjson, true));
    assert_eq!((watch.max_json_depth, get.http_status_of(Code::FailedPrecondition).as_u16()), (32, 412));
    assert_eq!(config.own_services, OwnServices { reflection: false, health: false });
    assert_eq!(config.runtime.workers(), 4);
    assert_eq!(config.shutdown, Shutdown { drain_delay: seconds(2), grace: seconds(30) });
    let logs =
        Logs { level: LogLevel::Debug, format: Some(LogFormat::Json), access: AccessLog { enabled: false } };
    assert_eq!(config.telemetry, Telemetry { logs });
}

/// The file that later versions read: each of its keys that this one does not act on is refused, all of
/// them in one go, and nothing else in it is wrong.
#[test]
fn keys_of_later_versions() {
    let text = include_str!("../../../tests/data/config/full.yaml");
    let report = loaded(text).expect_err("keys of later versions");
    assert_eq!(report.left_out, 0);
    let found: Vec<String> = report
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let place = diagnostic.origin.to_string();
            let line = place.split(':').nth(1).expect("a place in the file");
            let key = diagnostic.message.strip_suffix("` is not supported yet");
            let key = key.unwrap_or_else(|| panic!("{diagnostic}")).trim_start_matches('`');
            let written = line.parse::<usize>().ok().and_then(|line| text.lines().nth(line - 1));
            assert!(written.is_some_and(|written| written.contains(&format!("{key}:"))), "{diagnostic}");
            key.to_owned()
        })
        .collect();
    let expected = "tls protocols trusted_proxies max_connections max_connection_age max_connection_age_grace \
        http2 console allow_from permit_keepalive_without_calls trip \
        metadata_prefix compression openapi authentication authorization \
        rate_limits rate_limits idempotency cache coalesce stores service_name traces metrics \
        sample_ok slow_threshold fields overload config";
    assert_eq!(found.join(" "), expected.split_whitespace().collect::<Vec<_>>().join(" "));
}
