//! What a scrape reads, line by line.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

#[test]
fn names_of_go_grpc_prometheus() {
    let metrics = Metrics::new();
    let get = metrics.method("unary", "shop.v1.Orders", "Get");
    get.server.started();
    for messages in [get.server.messages(), &get.client] {
        messages.received(1);
        messages.sent(2);
    }
    let at = get.at(&metrics.cluster("orders", "dns:///orders:50051", false));
    at.attempt_started();
    for (code, elapsed) in [(5, Duration::from_millis(30)), (99, Duration::from_secs(60))] {
        get.server.handled(code, elapsed);
        at.attempt_ended(code, elapsed, Sizes::default());
    }
    let page = metrics.encode();
    let labels = r#"grpc_type="unary",grpc_service="shop.v1.Orders",grpc_method="Get""#;
    for side in ["server", "client"] {
        for (kind, name, suffix, value) in [
            ("counter", "started", "_total", "1"),
            ("counter", "msg_received", "_total", "1"),
            ("counter", "msg_sent", "_total", "2"),
            ("histogram", "handling_seconds", "_count", "2"),
            ("histogram", "handling_seconds", "_sum", "60.03"),
        ] {
            let family = format!("grpc_{side}_{name}");
            has_line(&page, &format!("# TYPE {family} {kind}"));
            assert!(
                page.contains(&format!("\n# HELP {family} "))
                    || page.starts_with(&format!("# HELP {family} "))
            );
            has_line(&page, &format!("{family}{suffix}{{{labels}}} {value}"));
        }
        for (code, value) in
            [("OK", 0), ("Canceled", 0), ("Unknown", 1), ("NotFound", 1), ("Unauthenticated", 0)]
        {
            has_line(&page, &format!("grpc_{side}_handled_total{{{labels},grpc_code=\"{code}\"}} {value}"));
        }
        for (bound, value) in [("0.005", 0), ("0.025", 0), ("0.05", 1), ("1.0", 1), ("10.0", 1), ("+Inf", 2)]
        {
            let bucket = format!("grpc_{side}_handling_seconds_bucket{{le=\"{bound}\",{labels}}} {value}");
            has_line(&page, &bucket);
        }
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn all_codes_begin_at_zero() {
    let metrics = Metrics::new();
    metrics.method("unary", "shop.v1.Orders", "Get");
    let page = metrics.encode();
    let lines: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("grpc_server_handled_total") && line.contains("shop.v1.Orders"))
        .collect();
    assert_eq!(lines.len(), 17);
    assert!(lines.iter().all(|line| line.ends_with(" 0")), "{lines:?}");
    has_line(
        &page,
        r#"grpc_server_started_total{grpc_type="unary",grpc_service="unknown",grpc_method="unknown"} 0"#,
    );
}

#[test]
fn long_streams_have_no_handling_time() {
    let metrics = Metrics::new();
    for (kind, handled) in
        [("unary", true), ("client_stream", true), ("server_stream", false), ("bidi_stream", false)]
    {
        let method = metrics.method(kind, "s.S", kind);
        method.server.handled(0, Duration::from_secs(120));
        let cluster = metrics.cluster("orders", "dns:///orders:50051", false);
        method.at(&cluster).attempt_ended(0, Duration::from_secs(120), Sizes::default());
        let page = metrics.encode();
        let count = |family: &str| {
            let series = format!(
                "{family}_count{{grpc_type=\"{kind}\",grpc_service=\"s.S\",grpc_method=\"{kind}\"}} 1"
            );
            page.lines().filter(|line| **line == series).count()
        };
        assert_eq!(count("grpc_server_handling_seconds") == 1, handled, "{kind}");
        assert_eq!(count("grpc_client_handling_seconds") == 1, handled, "{kind}");
        assert_eq!(count("edgeway_stream_duration_seconds") == 1, !handled, "{kind}");
    }
}

#[test]
fn the_same_method_has_the_same_values() {
    let metrics = Metrics::new();
    let first = metrics.method("unary", "s.S", "M");
    assert!(Arc::ptr_eq(&first, &metrics.clone().method("unary", "s.S", "M")));
    assert!(!Arc::ptr_eq(&first, &metrics.method("unary", "s.S", "N")));
    assert!(!Arc::ptr_eq(&first, &metrics.method("server_stream", "s.S", "M")));
    assert!(Arc::ptr_eq(&metrics.unknown_method(), &metrics.method("unary", "unknown", "unknown")));
}

/// The names of gRFC A66, A91, A94, A96 and A78, as OpenTelemetry's exporter to Prometheus spells them.
#[test]
fn names_of_grpc_itself() {
    let metrics = Metrics::new();
    let [orders, canary] = [("orders", false), ("canary", true)]
        .map(|(name, secure)| metrics.cluster(name, "dns:///orders:50051", secure));
    let get = metrics.method("unary", "shop.v1.Orders", "Get");
    let at = get.at(&orders);
    at.attempt_started();
    let sizes = Sizes { sent: 1024, received: 70_000 };
    at.attempt_ended(1, Duration::from_micros(400), sizes);
    at.call_ended(0, Duration::from_millis(7));
    at.took(Again { retries: 2, transparent_retries: 1, hedges: 0, delay: Duration::from_millis(25) });
    get.at(&canary).attempt_started();
    metrics.unknown_method().at(&orders).call_ended(12, Duration::ZERO);
    let _open = orders.connection(ConnectionState::Ready);
    let _closing = orders.connection(ConnectionState::Draining);
    orders.connected(ConnectResult::Success);
    orders.connected(ConnectResult::Refused);
    orders.connected(ConnectResult::Timeout);
    orders.disconnected(DisconnectError::goaway(11));
    orders.ejected(DetectionMethod::ConsecutiveFailures);
    orders.ejection_unenforced(DetectionMethod::SuccessRate, UnenforcedReason::MaxEjectionOverflow);
    orders.weights().rr_fallback.inc();
    orders.weights().weights.observe(300);

    let page = metrics.encode();
    let method = r#"grpc_method="shop.v1.Orders/Get",grpc_target="dns:///orders:50051""#;
    let target = r#"grpc_target="dns:///orders:50051",grpc_lb_backend_service="orders""#;
    let orders = r#"grpc_lb_backend_service="orders""#;
    let outlier = "grpc_lb_outlier_detection";
    for line in [
        format!("grpc_client_attempt_started_total{{{method},{orders}}} 1"),
        format!(r#"grpc_client_attempt_started_total{{{method},grpc_lb_backend_service="canary"}} 1"#),
        format!(
            r#"grpc_client_attempt_duration_seconds_bucket{{le="0.0006",{method},{orders},grpc_status="CANCELLED"}} 1"#
        ),
        format!(
            r#"grpc_client_attempt_duration_seconds_bucket{{le="0.0003",{method},{orders},grpc_status="CANCELLED"}} 0"#
        ),
        format!(
            r#"grpc_client_attempt_sent_total_compressed_message_size_bytes_bucket{{le="1024.0",{method},{orders},grpc_status="CANCELLED"}} 1"#
        ),
        format!(
            r#"grpc_client_attempt_rcvd_total_compressed_message_size_bytes_sum{{{method},{orders},grpc_status="CANCELLED"}} 70000.0"#
        ),
        format!(r#"grpc_client_call_duration_seconds_count{{{method},{orders},grpc_status="OK"}} 1"#),
        format!(
            r#"grpc_client_call_duration_seconds_count{{grpc_method="other",{target},grpc_status="UNIMPLEMENTED"}} 1"#
        ),
        format!(r#"grpc_client_call_retries_bucket{{le="1.0",{method},{orders}}} 0"#),
        format!(r#"grpc_client_call_retries_bucket{{le="2.0",{method},{orders}}} 1"#),
        format!("grpc_client_call_transparent_retries_count{{{method},{orders}}} 1"),
        format!("grpc_client_call_retry_delay_seconds_sum{{{method},{orders}}} 0.025"),
        format!("grpc_subchannel_connection_attempts_succeeded_total{{{target}}} 1"),
        format!("grpc_subchannel_connection_attempts_failed_total{{{target}}} 2"),
        format!(r#"grpc_subchannel_open_connections{{{target},grpc_security_level="none"}} 2"#),
        format!(
            r#"grpc_subchannel_disconnections_total{{{target},grpc_disconnect_error="GOAWAY ENHANCE_YOUR_CALM"}} 1"#
        ),
        format!(
            r#"{outlier}_ejections_enforced_total{{{target},{outlier}_detection_method="consecutive_failures"}} 1"#
        ),
        format!(
            r#"{outlier}_ejections_unenforced_total{{{target},{outlier}_detection_method="success_rate",{outlier}_unenforced_reason="max_ejection_overflow"}} 1"#
        ),
        format!("grpc_lb_wrr_rr_fallback_total{{{target}}} 1"),
        format!(r#"grpc_lb_wrr_endpoint_weights_bucket{{le="512.0",{target}}} 1"#),
        r#"edgeway_cluster_rpcs_total{cluster="orders",grpc_code="OK"} 1"#.to_owned(),
        r#"edgeway_cluster_rpcs_total{cluster="orders",grpc_code="Unimplemented"} 1"#.to_owned(),
        r#"edgeway_cluster_rpcs_total{cluster="canary",grpc_code="OK"} 0"#.to_owned(),
    ] {
        has_line(&page, &line);
    }
    assert!(page.contains(r#"grpc_security_level="privacy_and_integrity"} 0"#));
    assert!(!page.contains("grpc_client_call_hedges"), "no call was hedged");
    metrics.remove_cluster("orders");
    assert!(!metrics.encode().contains(orders), "what the configuration no longer has is not shown");
}

#[test]
fn own_series() {
    let metrics = Metrics::new();
    let cluster = metrics.cluster("orders", "dns:///orders:50051", false);
    cluster.set_endpoints(EndpointState::Healthy, 3);
    cluster.connected(ConnectResult::Refused);
    cluster.retried(RetryReason::Goaway);
    cluster.retried_by_policy(RetryCause::Late);
    cluster.throttled();
    cluster.hedged(HedgeResult::Won);
    cluster.shed(Shed::QueueTimeout);
    cluster.set_circuit(Breaker::Pending, true);
    cluster.deadline_exceeded(DeadlineIn::Connect);
    cluster.health_checked(HealthResult::NotServing);
    cluster.discovered(DiscoveryResult::Failed);
    metrics.method("unary", "shop.v1.Orders", "Get").orphaned.inc();
    cluster.reloaded(ReloadResult::Changed);
    let connection = cluster.connection(ConnectionState::Ready);
    let endpoint = cluster.endpoint("10.0.0.1:50051");
    endpoint.rpcs.inc();
    endpoint.in_flight.inc();
    let stream = metrics.streams_active("grpc_web").enter();
    let client = metrics.downstream_connections("public \"edge\"").enter();
    metrics.cancelled(CancelledBy::Deadline);
    metrics.accept_error();
    metrics.log_dropped().add(4);

    let page = metrics.encode();
    for line in [
        concat!(r#"edgeway_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        r#"edgeway_cluster_endpoints{cluster="orders",state="healthy"} 3"#,
        r#"edgeway_cluster_endpoints{cluster="orders",state="ejected"} 0"#,
        r#"edgeway_upstream_connections{cluster="orders",state="ready"} 1"#,
        r#"edgeway_upstream_connects_total{cluster="orders",result="refused"} 1"#,
        r#"edgeway_upstream_connects_total{cluster="orders",result="success"} 0"#,
        r#"edgeway_transparent_retries_total{cluster="orders",reason="goaway"} 1"#,
        r#"edgeway_retries_total{cluster="orders",reason="timeout"} 1"#,
        r#"edgeway_retry_throttled_total{cluster="orders"} 1"#,
        r#"edgeway_hedges_total{cluster="orders",result="won"} 1"#,
        r#"edgeway_shed_total{cluster="orders",reason="queue_timeout"} 1"#,
        r#"edgeway_circuit_state{cluster="orders",breaker="max_pending_requests"} 1"#,
        r#"edgeway_circuit_state{cluster="orders",breaker="max_requests"} 0"#,
        r#"edgeway_deadline_exceeded_total{cluster="orders",where="connect"} 1"#,
        r#"edgeway_health_checks_total{cluster="orders",result="not_serving"} 1"#,
        r#"edgeway_discovery_total{cluster="orders",result="failed"} 1"#,
        r#"edgeway_discovery_stale{cluster="orders"} 1"#,
        r#"edgeway_orphaned_rpcs_total{grpc_service="shop.v1.Orders",grpc_method="Get"} 1"#,
        r#"edgeway_descriptor_reloads_total{cluster="orders",result="changed"} 1"#,
        r#"edgeway_endpoint_rpcs_total{cluster="orders",endpoint="10.0.0.1:50051"} 1"#,
        r#"edgeway_endpoint_in_flight{cluster="orders",endpoint="10.0.0.1:50051"} 1"#,
        r#"edgeway_streams_active{protocol="grpc_web"} 1"#,
        r#"edgeway_downstream_connections{listener="public \"edge\""} 1"#,
        r#"edgeway_cancelled_total{by="deadline"} 1"#,
        r#"edgeway_cancelled_total{by="client"} 0"#,
        "edgeway_accept_errors_total 1",
        "edgeway_log_dropped_total 4",
    ] {
        has_line(&page, line);
    }

    drop((connection, stream, client));
    let page = metrics.encode();
    for line in [
        r#"edgeway_upstream_connections{cluster="orders",state="ready"} 0"#,
        r#"edgeway_streams_active{protocol="grpc_web"} 0"#,
        r#"edgeway_downstream_connections{listener="public \"edge\""} 0"#,
    ] {
        has_line(&page, line);
    }
}

#[test]
fn an_endpoint_leaves_with_its_last_holder() {
    let metrics = Metrics::new();
    let cluster = metrics.cluster("orders", "dns:///orders:50051", false);
    let endpoint = cluster.endpoint("10.0.0.1:1");
    let holder = cluster.endpoint("10.0.0.1:1");
    assert!(Arc::ptr_eq(&endpoint, &holder));
    drop(endpoint);
    assert!(metrics.encode().contains("10.0.0.1:1"));
    drop(holder);
    let page = metrics.encode();
    assert!(!page.contains("10.0.0.1:1") && !page.contains("edgeway_endpoint_rpcs"), "{page}");

    metrics.remove_cluster("orders");
    assert!(!metrics.encode().contains("orders"));
}

#[test]
fn many_endpoints_have_no_series_of_their_own() {
    let metrics = Metrics::new();
    let cluster = metrics.cluster("large", "dns:///large:50051", false);
    let mut held: Vec<_> = (0..500).map(|n| cluster.endpoint(&format!("10.0.0.1:{n}"))).collect();
    let series =
        |page: &str| page.lines().filter(|line| line.starts_with("edgeway_endpoint_rpcs_total")).count();
    assert_eq!(series(&metrics.encode()), 500);
    held.push(cluster.endpoint("10.0.0.2:1"));
    assert_eq!(series(&metrics.encode()), 0);
}

/// The rules of the OpenMetrics text format that scrapers insist on: each family is announced once, its
/// samples follow it and have a suffix its type allows, no series stands twice.
#[test]
fn the_page_is_well_formed() {
    let metrics = Metrics::new();
    metrics.method("bidi_stream", "s.S", "Chat");
    let get = metrics.method("unary", "s.S", "Get");
    let one = metrics.cluster("one", "dns:///one:50051", false);
    let _endpoint = one.endpoint("10.0.0.1:1");
    one.weights();
    one.set_concurrency_limit(20);
    for code in 0..=17 {
        get.at(&one).attempt_ended(code, Duration::ZERO, Sizes::default());
        get.at(&one).call_ended(code, Duration::ZERO);
    }
    let delay = Duration::from_secs(1);
    get.at(&one).took(Again { retries: 1, transparent_retries: 1, hedges: 1, delay });
    metrics.cluster("two", "dns:///two:50051", false);
    metrics.streams_active("grpc");
    metrics.downstream_connections("public");
    let page = metrics.encode();

    let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
    let (mut family, mut helped, mut suffixes) = ("", "", [].as_slice());
    for line in page.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["#", "EOF"] => {}
            ["#", "HELP", name, help @ ..] => {
                helped = *name;
                assert!(help.last().is_some_and(|word| word.ends_with('.')), "{line}");
            }
            ["#", "UNIT", name, unit] => assert!(*name == family && name.ends_with(unit), "{line}"),
            ["#", "TYPE", name, kind] => {
                assert_eq!(*name, helped, "{line}");
                assert!(families.insert(*name), "announced twice: {line}");
                family = *name;
                suffixes = match *kind {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "info" => &["_info"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => panic!("no such type: {line}"),
                };
            }
            // Label values may hold blanks, the value of a series does not.
            [_, .., value] => {
                let name = line.strip_suffix(value).unwrap_or_default().trim_end();
                assert!(series.insert(name), "stands twice: {line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                let sample = name.split('{').next().unwrap_or_default();
                let suffix = sample.strip_prefix(family);
                assert!(suffix.is_some_and(|suffix| suffixes.contains(&suffix)), "not of {family}: {line}");
            }
            _ => panic!("not a line of the format: {line}"),
        }
    }
    assert!(families.contains("process_cpu_seconds") || !cfg!(target_os = "linux"));
    assert!(page.contains("\nprocess_cpu_seconds_total ") || !cfg!(target_os = "linux"));
}

fn has_line(page: &str, line: &str) {
    assert!(page.lines().any(|candidate| candidate == line), "no line `{line}` in\n{page}");
}
