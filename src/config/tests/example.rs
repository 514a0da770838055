//! The clusters of the example with every key, by their values.

use std::time::Duration;

use http::HeaderName;

use crate::config::{
    AdaptiveConcurrency, Again, CircuitBreakers, ClientTls, Cluster, Codes, ConnectionSettings, Descriptors,
    Expose, FailurePercentageEjection, HealthCheck, HealthMode, HedgingPolicy, Identity, LoadBalancing,
    Locality, MethodConfig, MethodName, OutlierDetection, Protos, Reflection, RetryPolicy, RetryThrottling,
    RingHash, ServiceConfig, SessionAffinity, SlowStart, SuccessRateEjection, WeightedRoundRobin,
};
use crate::grpc::Code;

/// What the clusters of the example with every key are.
pub(super) fn clusters() -> Vec<Cluster> {
    let cluster = |name: &str| Cluster::new(name, format!("dns:///{name}:50051").parse().expect("a target"));
    let ring = RingHash {
        min_ring_size: 512,
        max_ring_size: 2048,
        request_hash_header: Some(HeaderName::from_static("x-shop-tenant")),
        hash_balance_factor: Some(150),
    };
    let carts = Cluster {
        slow_start: Some(SlowStart { window: seconds(15.0), min_weight_percent: 10, aggression: 1.0 }),
        outlier_detection: None,
        load_balancing: LoadBalancing::RingHash(ring),
        health_check: Some(HealthCheck {
            mode: HealthMode::Watch,
            service_name: "shop.v1.Carts".into(),
            ..HealthCheck::default()
        }),
        ..cluster("carts")
    };
    let weights = WeightedRoundRobin {
        enable_oob_load_report: true,
        oob_reporting_period: seconds(5.0),
        blackout_period: seconds(0.0),
        weight_expiration_period: seconds(60.0),
        weight_update_period: seconds(0.5),
        error_utilization_penalty: 2.5,
    };
    let with = |name, load_balancing| Cluster { load_balancing, ..cluster(name) };
    vec![
        cluster("users"),
        orders(cluster("orders")),
        carts,
        with("search", LoadBalancing::WeightedRoundRobin(weights)),
        with("stock", LoadBalancing::LeastRequest { choice_count: 3 }),
        with("prices", LoadBalancing::PickFirst { shuffle: true }),
        with("mail", LoadBalancing::RoundRobin),
    ]
}

fn orders(default: Cluster) -> Cluster {
    Cluster {
        dns_refresh_rate: seconds(10.0),
        respect_dns_ttl: true,
        drain_timeout: seconds(60.0),
        connection: ConnectionSettings {
            connect_timeout: seconds(0.5),
            connections_per_endpoint: 2,
            max_connection_age: Some(seconds(1800.0)),
            keepalive_time: seconds(20.0),
            keepalive_timeout: seconds(4.0),
        },
        tls: Some(ClientTls {
            insecure: false,
            ca_file: Some("certs/ca.pem".into()),
            server_name: Some("orders.internal".into()),
            identity: Some(Identity {
                cert_file: "certs/gateway.pem".into(),
                key_file: "certs/gateway.key".into(),
            }),
        }),
        required: false,
        expose: Some(vec![
            Expose::Name("shop.v1.Orders".into()),
            Expose::Methods("shop.v1.Catalog.*".parse().expect("a selector")),
            Expose::Name("shop.v1.Admin.Ping".into()),
        ]),
        descriptors: Descriptors {
            reflection: Reflection::Never,
            refresh_interval: seconds(60.0),
            protosets: vec!["schemas/orders.binpb".into()],
            protos: Protos {
                files: vec!["shop/v1/orders.proto".into()],
                import_paths: vec!["protos".into(), "third_party".into()],
            },
        },
        load_balancing: LoadBalancing::RoundRobin,
        slow_start: Some(SlowStart { window: seconds(20.0), min_weight_percent: 20, aggression: 1.5 }),
        locality: Some(Locality { zone: "eu-central-1a".into() }),
        subset_size: Some(20),
        panic_threshold: 30,
        session_affinity: Some(SessionAffinity {
            cookie: "shop-affinity".into(),
            path: "/v1".into(),
            ttl: Some(seconds(3600.0)),
            secret: Some("0123456789abcdef".into()),
        }),
        health_check: Some(HealthCheck {
            mode: HealthMode::Check,
            interval: seconds(5.0),
            unhealthy_interval: seconds(2.0),
            timeout: seconds(0.5),
            unhealthy_threshold: 3,
            healthy_threshold: 1,
            service_name: "shop.v1.Orders".into(),
        }),
        outlier_detection: Some(OutlierDetection {
            consecutive_failures: Some(10),
            interval: seconds(5.0),
            base_ejection_time: seconds(10.0),
            max_ejection_time: seconds(120.0),
            max_ejection_percent: 40,
            success_rate: Some(SuccessRateEjection {
                stdev_factor: 2500,
                enforcement_percentage: 80,
                minimum_hosts: 4,
                request_volume: 200,
            }),
            failure_percentage: Some(FailurePercentageEjection {
                threshold: 70,
                enforcement_percentage: 90,
                minimum_hosts: 3,
                request_volume: 60,
            }),
            successful_health_check_ends_ejection: false,
        }),
        circuit_breakers: CircuitBreakers {
            max_connections: 64,
            max_requests: 512,
            max_pending_requests: 128,
            max_retries: 10,
            retry_budget_percent: 10,
            queue_timeout: seconds(0.5),
        },
        adaptive_concurrency: Some(AdaptiveConcurrency { initial_limit: 50, min_limit: 10, max_limit: 500 }),
        service_config: service_config(),
        ..default
    }
}

fn service_config() -> ServiceConfig {
    let name = |service: &str, method: &str| MethodName { service: service.into(), method: method.into() };
    let unavailable = Codes::default().with(Code::Unavailable);
    let retry = RetryPolicy {
        max_attempts: 4,
        initial_backoff: seconds(0.1),
        max_backoff: seconds(1.0),
        backoff_multiplier: 1.6,
        retryable: unavailable.with(Code::ResourceExhausted),
        per_attempt_recv_timeout: Some(seconds(2.0)),
    };
    let all = MethodConfig {
        names: vec![name("shop.v1.Orders", ""), name("shop.v1.Catalog", "")],
        timeout: Some(seconds(5.0)),
        wait_for_ready: Some(true),
        max_request_message_bytes: Some(65_536),
        max_response_message_bytes: Some(262_144),
        again: Some(Again::Retry(retry)),
    };
    let hedge = HedgingPolicy { max_attempts: 3, hedging_delay: seconds(0.2), non_fatal: unavailable };
    let get = MethodConfig {
        names: vec![name("shop.v1.Orders", "Get")],
        timeout: Some(seconds(2.0)),
        again: Some(Again::Hedge(hedge)),
        ..MethodConfig::default()
    };
    let retry_throttling = Some(RetryThrottling { max_tokens: 100, token_ratio_milli: 250 });
    ServiceConfig { methods: vec![all, get], retry_throttling }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}
