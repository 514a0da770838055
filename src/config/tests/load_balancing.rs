//! `loadBalancingConfig` and `loadBalancingPolicy`.

use std::time::Duration;

use http::HeaderName;

use crate::config::LoadBalancing::{LeastRequest, PickFirst, Random, RoundRobin};
use crate::config::tests::{check, check_warnings, loaded};
use crate::config::{LoadBalancing, RingHash, WeightedRoundRobin};

fn file(service_config: &str) -> String {
    format!("clusters: {{a: {{target: a:1, service_config: {service_config}}}}}\n")
}

/// A list without a policy that is supported is an error that names each.
#[test]
fn policies_that_are_not_known() {
    check(
        r#"clusters:
  a:
    target: a:1
    service_config:
      loadBalancingConfig: [{priority_experimental: {}}, {mine: {}}]
"#,
        r#"error: the load balancing policy `priority_experimental` is not supported yet
 --> edgeway.yaml:5:30
  |
5 |       loadBalancingConfig: [{priority_experimental: {}}, {mine: {}}]
  |                              ^^^^^^^^^^^^^^^^^^^^^
  = help: expected `least_request`, `round_robin`, `weighted_round_robin`, `ring_hash`, `pick_first` or `random` in the list

error: unknown load balancing policy `mine`
 --> edgeway.yaml:5:59
  |
5 |       loadBalancingConfig: [{priority_experimental: {}}, {mine: {}}]
  |                                                           ^^^^
  = help: expected `least_request`, `round_robin`, `weighted_round_robin`, `ring_hash`, `pick_first` or `random` in the list"#,
    );
    check(
        "clusters: {a: {target: a:1, service_config: {loadBalancingPolicy: round_robbin}}}\n",
        r#"error: loadBalancingPolicy: unknown load balancing policy `round_robbin`, did you mean `round_robin`?
 --> edgeway.yaml:1:67
  |
1 | clusters: {a: {target: a:1, service_config: {loadBalancingPolicy: round_robbin}}}
  |                                                                   ^^^^^^^^^^^^
  = help: expected `least_request`, `round_robin`, `weighted_round_robin`, `ring_hash`, `pick_first` or `random`"#,
    );
}

#[test]
fn the_first_supported_policy_wins() {
    let least = || LeastRequest { choice_count: 2 };
    let ring = |min_ring_size, max_ring_size, header: Option<&'static str>| {
        LoadBalancing::RingHash(RingHash {
            min_ring_size,
            max_ring_size,
            request_hash_header: header.map(HeaderName::from_static),
            hash_balance_factor: None,
        })
    };
    for (service_config, expected) in [
        ("{}", least()),
        ("{loadBalancingConfig: null}", least()),
        ("{loadBalancingConfig: [{least_request: {}}]}", least()),
        ("{loadBalancingConfig: [{least_request: {choiceCount: 7}}]}", LeastRequest { choice_count: 7 }),
        (
            "{loadBalancingConfig: [{least_request_experimental: {choicecount: \"10\"}}]}",
            LeastRequest { choice_count: 10 },
        ),
        ("{loadBalancingConfig: [{round_robin: {}}, {least_request: {}}]}", RoundRobin),
        ("{loadBalancingConfig: [{xds: {a: [8]}}, {mine: {}}, {round_robin: {}}]}", RoundRobin),
        ("{loadbalancingconfig: [{round_robin: }]}", RoundRobin),
        ("{LOADBALANCINGCONFIG: [{Round_Robin: {}}]}", RoundRobin),
        ("{loadBalancingConfig: [{random: {}}]}", Random),
        ("{loadBalancingConfig: [{pick_first: {}}]}", PickFirst { shuffle: false }),
        ("{loadBalancingConfig: [{pick_first: {shuffleAddressList: true}}]}", PickFirst { shuffle: true }),
        ("{loadBalancingConfig: [{ring_hash: {}}]}", ring(1024, 4096, None)),
        (
            "{loadBalancingConfig: [{ring_hash_experimental: {minRingSize: 1, maxRingSize: '1'}}]}",
            ring(1, 1, None),
        ),
        (
            "{loadBalancingConfig: [{ring_hash: {requestHashHeader: X-User}}]}",
            ring(1024, 4096, Some("x-user")),
        ),
        ("{loadBalancingConfig: [{ring_hash: {requestHashHeader: ''}}]}", ring(1024, 4096, None)),
        (
            "{loadBalancingConfig: [{weighted_round_robin: {weightUpdatePeriod: .01s, errorUtilizationPenalty: 0}}]}",
            LoadBalancing::WeightedRoundRobin(WeightedRoundRobin {
                weight_update_period: Duration::from_millis(100),
                error_utilization_penalty: 0.0,
                ..WeightedRoundRobin::default()
            }),
        ),
        ("{loadBalancingPolicy: round_robin}", RoundRobin),
        ("{loadBalancingPolicy: PICK_FIRST}", PickFirst { shuffle: false }),
        ("{loadBalancingPolicy: ''}", least()),
        ("{loadBalancingPolicy: round_robin, loadBalancingConfig: [{random: {}}]}", Random),
    ] {
        let (config, warnings) = loaded(&file(service_config)).expect(service_config);
        let found: Vec<_> = config.clusters.iter().map(|cluster| cluster.load_balancing.clone()).collect();
        assert_eq!((found, warnings), (vec![expected], vec![]), "{service_config}");
    }
}

/// The validation of gRFC A42, A48, A58 and A76.
#[test]
fn keys_of_policies() {
    let a_number = "expected a number";
    for (policy, message) in [
        ("least_request: {choiceCount: 1}", format!("choiceCount: {a_number} of at least 2, found `1`")),
        ("least_request: {choiceCount: -3}", format!("choiceCount: {a_number} of at least 2, found `-3`")),
        ("least_request: {choiceCount: []}", "choiceCount: expected one value, found a list".into()),
        ("least_request: [8]", "clusters.NAME.service_config.loadBalancingConfig[].least_request: expected a table, found a list".into()),
        ("ring_hash: {minRingSize: 0}", format!("minRingSize: {a_number} from 1 to 8388608, found `0`")),
        ("ring_hash: {maxRingSize: 8388609}", format!("maxRingSize: {a_number} from 1 to 8388608, found `8388609`")),
        ("ring_hash: {minRingSize: 9, maxRingSize: 8}", "expected a minRingSize of at most maxRingSize, 8, found 9".into()),
        ("ring_hash: {minRingSize: 4097}", "expected a minRingSize of at most maxRingSize, 4096, found 4097".into()),
        ("ring_hash: {maxRingSize: 1023}", "expected a minRingSize of at most maxRingSize, 1023, found 1024".into()),
        ("ring_hash: {requestHashHeader: trace-bin}", "requestHashHeader: expected the name of a header, found `trace-bin`".into()),
        ("ring_hash: {requestHashHeader: a b}", "requestHashHeader: expected the name of a header, found `a b`".into()),
        ("ring_hash: {ringSize: 8}", "unknown key `ringSize`".into()),
        ("pick_first: {shuffleAddressList: 1}", "shuffleAddressList: expected `true` or `false`, found `1`".into()),
        ("random: {seed: 1}", "unknown key `seed`".into()),
        ("weighted_round_robin: {blackoutPeriod: 10}", "blackoutPeriod: expected a duration in seconds, found `10`".into()),
        ("weighted_round_robin: {oobReportingPeriod: 0s}", "oobReportingPeriod: expected a duration above zero, found `0s`".into()),
        ("weighted_round_robin: {errorUtilizationPenalty: -0.1}", format!("errorUtilizationPenalty: {a_number} of at least 0, found `-0.1`")),
        ("weighted_round_robin: {errorUtilizationPenalty: nan}", format!("errorUtilizationPenalty: {a_number} of at least 0, found `nan`")),
        ("weighted_round_robin: {blackoutPeriods: 1s}", "unknown key `blackoutPeriods`, did you mean `blackoutPeriod`?".into()),
    ] {
        let report = loaded(&file(&format!("{{loadBalancingConfig: [{{{policy}}}]}}"))).expect_err(policy);
        let said: Vec<&str> = report.diagnostics.iter().map(|found| found.message.as_str()).collect();
        assert_eq!(said, [message], "{policy}");
    }
}

/// What gRPC takes for less than it says is taken for that, and told.
#[test]
fn keys_that_are_cut_down() {
    check_warnings(
        &file("{loadBalancingConfig: [{least_request: {choiceCount: 11}}]}"),
        r#"warning: choiceCount: 11 counts as 10
 --> edgeway.yaml:1:98
  |
1 | clusters: {a: {target: a:1, service_config: {loadBalancingConfig: [{least_request: {choiceCount: 11}}]}}}
  |                                                                                                  ^^
  = help: write `10`"#,
    );
    let text = file("{loadBalancingConfig: [{ring_hash: {minRingSize: 5000, maxRingSize: 8388608}}]}");
    let (config, warnings) = loaded(&text).expect("valid");
    let said: Vec<String> = warnings.into_iter().map(|warning| warning.message).collect();
    assert_eq!(said, ["minRingSize: 5000 counts as 4096", "maxRingSize: 8388608 counts as 4096"]);
    let ring = RingHash { min_ring_size: 4096, ..RingHash::default() };
    assert!(config.clusters.iter().all(|a| a.load_balancing == LoadBalancing::RingHash(ring.clone())));
}
