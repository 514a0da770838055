mod sockets;

use proptest::prelude::*;

use super::*;
use crate::{
    config::{Address, OutlierDetection, Target},
    telemetry::Metrics,
    upstream::Clusters,
};

/// A cluster of connected endpoints.
async fn cluster(endpoints: u16, config: OutlierDetection) -> Arc<Cluster> {
    cluster_with(&Metrics::new(), endpoints, None, config).await
}

async fn counted(metrics: &Metrics, endpoints: u16, config: OutlierDetection) -> Arc<Cluster> {
    cluster_with(metrics, endpoints, None, config).await
}

/// A cluster whose endpoints are connected as far as they are in its subset.
async fn cluster_with(
    metrics: &Metrics,
    endpoints: u16,
    subset_size: Option<usize>,
    config: OutlierDetection,
) -> Arc<Cluster> {
    let addresses = (1..=endpoints).map(|port| Address::Tcp(([127, 0, 0, 1], port).into())).collect();
    let mut cluster = config::Cluster::new("orders", Target::Static(addresses));
    cluster.outlier_detection = Some(config);
    cluster.subset_size = subset_size;
    let Target::Static(addresses) = cluster.target.clone() else { unreachable!() };
    let clusters = Clusters::new([cluster], metrics);
    let cluster = clusters.iter().next().map(Arc::clone).unwrap();
    cluster.roster().resolved(addresses);
    for endpoint in &cluster.used() {
        endpoint.ticket().await.succeeded();
    }
    cluster
}

fn consecutive() -> OutlierDetection {
    OutlierDetection { success_rate: None, failure_percentage: None, ..Default::default() }
}

fn judge(cluster: &Cluster, index: usize, verdict: Verdict, times: usize) {
    let endpoint = &cluster.snapshot()[index];
    for _ in 0..times {
        cluster.outlier().unwrap().judge(cluster, endpoint, verdict, false);
    }
}

fn probe(cluster: &Cluster, index: usize, verdict: Verdict) {
    let endpoint = &cluster.snapshot()[index];
    assert!(endpoint.record().take_probe(), "a probe may be made");
    assert!(!endpoint.record().take_probe(), "one at a time");
    cluster.outlier().unwrap().judge(cluster, endpoint, verdict, true);
}

fn out(cluster: &Cluster) -> Vec<usize> {
    let endpoints = cluster.snapshot();
    (0..endpoints.len()).filter(|index| endpoints[*index].is_ejected()).collect()
}

/// How long it takes from now until the endpoint may be probed.
async fn until_due(cluster: &Cluster, index: usize) -> Duration {
    let started = Instant::now();
    while !cluster.snapshot()[index].record().is_due() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(started.elapsed() < Duration::from_secs(3600), "it is never probed");
    }
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_eject() {
    use Verdict::{Failure, Ignored, Soft, Success};
    for (name, verdicts, expect) in [
        ("four are too few", vec![(Failure, 4)], vec![]),
        ("five", vec![(Failure, 5)], vec![1]),
        ("a success breaks the row", vec![(Failure, 4), (Success, 1), (Failure, 4)], vec![]),
        ("what says nothing does not", vec![(Failure, 4), (Ignored, 9), (Failure, 1)], vec![1]),
        ("shedding neither breaks it nor counts", vec![(Failure, 4), (Soft, 9), (Failure, 1)], vec![1]),
        ("shedding alone is no failure", vec![(Soft, 100)], vec![]),
    ] {
        let cluster = cluster(3, consecutive()).await;
        let mut touched = cluster.roster().endpoints();
        touched.mark_unchanged();
        for (verdict, times) in verdicts {
            judge(&cluster, 1, verdict, times);
        }
        assert_eq!(out(&cluster), expect, "{name}");
        assert_eq!(touched.has_changed().unwrap(), !expect.is_empty(), "the lanes are told: {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_probe_brings_an_endpoint_back() {
    let cluster = cluster(3, consecutive()).await;
    let _keeper = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(run(Arc::clone(&cluster))));
    judge(&cluster, 0, Verdict::Failure, 5);
    judge(&cluster, 0, Verdict::Success, 5);
    assert_eq!(out(&cluster), [0], "calls that were under way bring nobody back");
    let waited = until_due(&cluster, 0).await.as_secs();
    assert_eq!(waited, 30);

    probe(&cluster, 0, Verdict::Ignored);
    probe(&cluster, 0, Verdict::Success);
    assert!(out(&cluster).is_empty());
    assert!(!cluster.snapshot()[0].record().is_due());
    judge(&cluster, 0, Verdict::Failure, 4);
    assert!(out(&cluster).is_empty(), "it starts with a clean record");
}

#[tokio::test(start_paused = true)]
async fn failed_probes_eject_for_longer() {
    let cluster = cluster(3, consecutive()).await;
    let _keeper = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(run(Arc::clone(&cluster))));
    judge(&cluster, 0, Verdict::Failure, 5);
    for (failure, seconds) in [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300].into_iter().enumerate() {
        assert_eq!(until_due(&cluster, 0).await.as_secs(), seconds);
        probe(&cluster, 0, if failure % 2 == 0 { Verdict::Failure } else { Verdict::Soft });
        assert_eq!(out(&cluster), [0]);
    }
    until_due(&cluster, 0).await;
    probe(&cluster, 0, Verdict::Success);
    assert!(out(&cluster).is_empty());

    // Eleven failed probes and the first ejection made the multiplier 12; each interval in the rotation takes one off.
    tokio::time::sleep(Duration::from_secs(10 * 10) + Duration::from_millis(1)).await;
    judge(&cluster, 0, Verdict::Failure, 5);
    assert_eq!(until_due(&cluster, 0).await.as_secs(), 90);
}

#[tokio::test(start_paused = true)]
async fn a_health_check_ends_an_ejection_if_it_may() {
    for may in [true, false] {
        let config = OutlierDetection { successful_health_check_ends_ejection: may, ..consecutive() };
        let cluster = cluster(3, config).await;
        judge(&cluster, 2, Verdict::Failure, 5);
        cluster.outlier().unwrap().checked(&cluster, &cluster.snapshot()[2]);
        assert_eq!(out(&cluster).is_empty(), may);
    }
}

#[tokio::test(start_paused = true)]
async fn shares_are_those_of_the_subset() {
    for (endpoints, subset, percent, expect) in
        [(20, 4, 50, 2), (20, 4, 25, 1), (20, 2, 100, 1), (3, 4, 50, 1)]
    {
        let config = OutlierDetection { max_ejection_percent: percent, ..consecutive() };
        let cluster = cluster_with(&Metrics::new(), endpoints, Some(subset), config).await;
        for index in 0..usize::from(endpoints) {
            judge(&cluster, index, Verdict::Failure, 5);
        }
        assert_eq!(out(&cluster).len(), expect, "{percent} % of {subset} of {endpoints}");
        assert!(cluster.used().iter().filter(|endpoint| endpoint.is_ejected()).count() == expect);
    }
}

/// Envoy's and A50's shares, and that somebody always stays.
#[tokio::test(start_paused = true)]
async fn some_stay_in() {
    for (endpoints, percent, expect) in [
        (1, 50, 0),
        (1, 100, 0),
        (2, 50, 1),
        (3, 50, 1),
        (4, 50, 2),
        (10, 10, 1),
        (20, 10, 2),
        (3, 100, 2),
        (5, 0, 0),
    ] {
        let config = OutlierDetection { max_ejection_percent: percent, ..consecutive() };
        let cluster = cluster(endpoints, config).await;
        for _ in 0..3 {
            for index in 0..usize::from(endpoints) {
                judge(&cluster, index, Verdict::Failure, 5);
            }
        }
        assert_eq!(out(&cluster).len(), expect, "{endpoints} endpoints, {percent} %");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_that_takes_calls_stays() {
    let cluster = cluster(3, OutlierDetection { max_ejection_percent: 100, ..consecutive() }).await;
    let endpoints = cluster.snapshot();
    endpoints[0].set_healthy(false);
    endpoints[1].reach().disconnected(Duration::from_secs(5), true);
    judge(&cluster, 2, Verdict::Failure, 50);
    assert!(out(&cluster).is_empty());
    endpoints[0].set_healthy(true);
    judge(&cluster, 2, Verdict::Failure, 5);
    assert_eq!(out(&cluster), [2]);
}

/// Ejected at a tick, back at the first tick that is later than 30 s after it (gRFC A50).
#[tokio::test(start_paused = true)]
async fn rates_are_compared_every_interval() {
    let by_rate =
        OutlierDetection { consecutive_failures: None, failure_percentage: None, ..Default::default() };
    let by_percentage =
        OutlierDetection { consecutive_failures: None, success_rate: None, ..Default::default() };
    for (config, failures) in [(by_rate, 50), (by_percentage, 86)] {
        let cluster = cluster(5, config).await;
        let started = Instant::now();
        let _keeper = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(run(Arc::clone(&cluster))));
        for index in 0..4 {
            judge(&cluster, index, Verdict::Success, 90);
            judge(&cluster, index, Verdict::Failure, 10);
        }
        judge(&cluster, 4, Verdict::Success, 100 - failures);
        judge(&cluster, 4, Verdict::Failure, failures);
        tokio::time::sleep_until(started + Duration::from_millis(9_999)).await;
        assert!(out(&cluster).is_empty());
        tokio::time::sleep_until(started + Duration::from_millis(10_001)).await;
        assert_eq!(out(&cluster), [4]);
        tokio::time::sleep_until(started + Duration::from_millis(49_999)).await;
        assert_eq!(out(&cluster), [4], "at 40 s its time is not over yet");
        assert!(!cluster.snapshot()[4].record().is_due(), "and no probe is made");
        tokio::time::sleep_until(started + Duration::from_millis(50_001)).await;
        assert!(out(&cluster).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_starts_from_nothing() {
    let config = OutlierDetection { consecutive_failures: None, success_rate: None, ..Default::default() };
    let cluster = cluster(5, config).await;
    let detector = cluster.outlier().unwrap();
    for failures in [49, 49, 50] {
        assert!(out(&cluster).is_empty());
        for index in 0..5 {
            judge(&cluster, index, if index == 3 { Verdict::Failure } else { Verdict::Success }, failures);
        }
        detector.tick(&cluster, Instant::now(), &mut fastrand::Rng::with_seed(1));
    }
    assert_eq!(out(&cluster), [3]);
}

#[tokio::test(start_paused = true)]
async fn chance_decides_where_ejection_is_ramped_up() {
    let mut ejected = 0;
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..400 {
        let percentage =
            config::FailurePercentageEjection { enforcement_percentage: 30, ..Default::default() };
        let config = OutlierDetection {
            consecutive_failures: None,
            success_rate: None,
            failure_percentage: Some(percentage),
            ..Default::default()
        };
        let cluster = cluster(5, config).await;
        for index in 0..5 {
            judge(&cluster, index, if index == 0 { Verdict::Failure } else { Verdict::Success }, 50);
        }
        cluster.outlier().unwrap().tick(&cluster, Instant::now(), &mut rng);
        ejected += out(&cluster).len();
    }
    assert!((90..=150).contains(&ejected), "{ejected} of 400, where 120 are expected");
}

#[tokio::test(start_paused = true)]
async fn ejections_are_counted_by_cause_made_or_not() {
    const FAMILY: &str = "grpc_lb_outlier_detection_ejections";
    let metrics = Metrics::new();
    let count = |what: &str, method: &str, reason: &str| {
        let labels = format!(
            r#"grpc_target="ipv4:127.0.0.1:1,127.0.0.1:2,127.0.0.1:3",grpc_lb_backend_service="orders",grpc_lb_outlier_detection_detection_method="{method}"{reason}"#
        );
        metrics.shown(&format!("{FAMILY}_{what}_total{{{labels}}}")).unwrap()
    };
    let unenforced = |method: &str, reason: &str| {
        let reason = format!(r#",grpc_lb_outlier_detection_unenforced_reason="{reason}""#);
        count("unenforced", method, &reason)
    };
    let percentage = config::FailurePercentageEjection {
        enforcement_percentage: 0,
        minimum_hosts: 1,
        request_volume: 1,
        ..Default::default()
    };
    let config =
        OutlierDetection { failure_percentage: Some(percentage), success_rate: None, ..Default::default() };
    let cluster = counted(&metrics, 3, config).await;
    judge(&cluster, 0, Verdict::Failure, 5);
    assert_eq!(count("enforced", "consecutive_failures", ""), 1.0);
    judge(&cluster, 1, Verdict::Failure, 5);
    assert_eq!(unenforced("consecutive_failures", "max_ejection_overflow"), 1.0);
    judge(&cluster, 2, Verdict::Failure, 4);
    cluster.outlier().unwrap().tick(&cluster, Instant::now(), &mut fastrand::Rng::with_seed(1));
    assert_eq!(unenforced("failure_percentage", "enforcement_percentage"), 3.0);
    assert_eq!(count("enforced", "failure_percentage", "") + count("enforced", "success_rate", ""), 0.0);
    assert_eq!(out(&cluster), [0]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_until_when_and_how_often() {
    let cluster = cluster(3, consecutive()).await;
    let shown = || {
        let view = serde_json::to_value(cluster.describe()).unwrap();
        let endpoint = &view["endpoints"][0];
        (endpoint["ejected_for_ms"].as_u64(), endpoint["times_ejected"].as_u64())
    };
    assert_eq!(shown(), (None, None));
    judge(&cluster, 0, Verdict::Failure, 5);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(shown(), (Some(20_000), Some(1)));
    cluster.outlier().unwrap().checked(&cluster, &cluster.snapshot()[0]);
    assert_eq!(shown(), (None, Some(1)));
    judge(&cluster, 0, Verdict::Failure, 5);
    assert_eq!(shown(), (Some(60_000), Some(2)));
}

#[derive(Clone, Debug)]
enum Step {
    Judge(usize, Verdict, usize),
    Checked(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    use Verdict::{Failure, Soft, Success};
    prop_oneof![
        4 => (0..12usize, prop_oneof![4 => Just(Failure), 1 => Just(Success), 1 => Just(Soft)], 1..120usize)
            .prop_map(|(index, verdict, times)| Step::Judge(index, verdict, times)),
        1 => (0..12usize).prop_map(Step::Checked),
        2 => (1..60u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn never_more_than_the_share_are_out(
        endpoints in 1u16..12,
        percent in 0u8..=100,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let lenient = config::SuccessRateEjection { minimum_hosts: 2, request_volume: 10, ..Default::default() };
            let config = OutlierDetection {
                max_ejection_percent: percent,
                success_rate: Some(lenient),
                ..Default::default()
            };
            let cluster = cluster(endpoints, config).await;
            let _keeper = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(run(Arc::clone(&cluster))));
            let count = usize::from(endpoints);
            let most = if percent == 0 { 0 } else { (count * usize::from(percent) / 100).max(1).min(count - 1) };
            for step in steps {
                match step {
                    Step::Judge(index, verdict, times) => {
                        let endpoint = &cluster.snapshot()[index % count];
                        let probe = endpoint.record().take_probe();
                        for time in 0..times {
                            let probe = probe && time == 0;
                            cluster.outlier().unwrap().judge(&cluster, endpoint, verdict, probe);
                        }
                    }
                    Step::Checked(index) => {
                        cluster.outlier().unwrap().checked(&cluster, &cluster.snapshot()[index % count]);
                    }
                    Step::Wait(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                }
                assert!(out(&cluster).len() <= most, "{} of {count} are out at {percent} %", out(&cluster).len());
            }
        });
    }
}
