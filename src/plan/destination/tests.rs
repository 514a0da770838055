//! Where calls go, by routes that are compiled with a plan.

use std::{collections::BTreeMap, sync::Arc};

use fastrand::Rng;
use http::{HeaderMap, HeaderName};
use prost::Message;
use prost_types::{
    DescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};

use super::Asked;
use crate::{
    config,
    plan::{MethodPlan, Plan, Source, Warning},
    schema::{DescriptorSet, Schema},
    telemetry::Metrics,
    upstream::Clusters,
};

/// The service `shop.v1.Orders` with these methods, of which `Watch` is a server stream.
fn schema(methods: &[&str]) -> Arc<Schema> {
    let method = |name: &&str| MethodDescriptorProto {
        name: Some((*name).into()),
        input_type: Some(".shop.v1.Order".into()),
        output_type: Some(".shop.v1.Order".into()),
        server_streaming: Some(*name == "Watch"),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("orders.proto".into()),
        package: Some("shop.v1".into()),
        syntax: Some("proto3".into()),
        message_type: vec![DescriptorProto { name: Some("Order".into()), ..Default::default() }],
        service: vec![ServiceDescriptorProto {
            name: Some("Orders".into()),
            method: methods.iter().map(method).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let set = DescriptorSet::new("orders.binpb", FileDescriptorSet { file: vec![file] }.encode_to_vec());
    Arc::new(Schema::build(&[set], |_| true).expect("a schema"))
}

/// A plan with the clusters `orders` and `canary`, which lacks `Delete`, and these routes.
fn plan(routes: &str) -> (Plan, Vec<String>) {
    let text = format!("clusters: {{ orders: \"orders:1\", canary: \"canary:1\" }}\nroutes:\n{routes}\n");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("edgeway.yaml");
    std::fs::write(&file, text).expect("the file can be written");
    let flags = config::Flags { config: Some(file), ..config::Flags::default() };
    let config = config::load(&flags, &|_| None).unwrap_or_else(|report| panic!("{report}")).config;
    let metrics = Metrics::new();
    let clusters = Clusters::new(config.clusters.clone(), &metrics);
    let schemas = [schema(&["Get", "Delete", "Watch"]), schema(&["Get", "Watch"])];
    let sources: Vec<Source> = config
        .clusters
        .iter()
        .zip(clusters.iter())
        .zip(schemas)
        .map(|((config, cluster), schema)| Source {
            config: Arc::new(config.clone()),
            cluster: Arc::clone(cluster),
            schema: Ok(schema),
        })
        .collect();
    let (plan, warnings) = Plan::compile(1, &config, &sources, &metrics);
    let told = |Warning { place, message }: Warning| format!("{place}: {message}");
    (plan, warnings.into_iter().map(told).collect())
}

fn method<'p>(plan: &'p Plan, name: &str) -> &'p MethodPlan {
    plan.method(&format!("/shop.v1.Orders/{name}")).expect("a method")
}

/// Route and cluster of one call, or the cluster that no route decided.
fn place(method: &MethodPlan, host: Option<&str>, headers: &[(&'static str, &str)], rng: &mut Rng) -> String {
    let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let headers: HeaderMap = headers.collect();
    let choose = |destinations: &super::Destinations| {
        let choice = destinations.choose(Asked { headers: &headers, host }, |below| rng.u32(..below))?;
        Some(format!("{} > {}", choice.rule.route().name, choice.destination.target.0.name()))
    };
    let chosen = method.destinations.as_ref().and_then(choose);
    chosen.unwrap_or_else(|| method.target.0.name().to_owned())
}

/// How many of `calls` each cluster gets.
fn deal(
    method: &MethodPlan,
    calls: u32,
    headers: impl Fn(u32) -> Vec<(&'static str, String)>,
) -> BTreeMap<String, u32> {
    let mut rng = Rng::with_seed(7);
    let mut dealt = BTreeMap::new();
    for call in 0..calls {
        let headers = headers(call);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        *dealt.entry(place(method, None, &headers, &mut rng)).or_default() += 1;
    }
    dealt
}

#[test]
fn the_first_route_that_matches_takes_the_call() {
    let (plan, warnings) = plan(
        "
  - name: canary
    match: { selector: shop.v1.Orders.Get, headers: { x-version: v2 } }
    cluster: canary
  - name: by-host
    match: { selector: shop.v1.*, hosts: [v2.shop.test, '*.v2.shop.test'] }
    cluster: canary
  - name: rest
    match: { selector: shop.v1.Orders.Get, hosts: [api.shop.test, '*'] }
    cluster: orders",
    );
    assert_eq!(warnings, ["route by-host: the cluster canary does not have shop.v1.Orders.Delete"]);
    assert!(plan.asks_hosts);
    let mut rng = Rng::with_seed(1);
    let mut check = |name, host, headers: &[_], expect: &str| {
        assert_eq!(
            place(method(&plan, name), host, headers, &mut rng),
            expect,
            "{name} {host:?} {headers:?}"
        );
    };
    check("Get", None, &[("x-version", "v2")], "canary > canary");
    check("Get", Some("v2.shop.test"), &[("x-version", "v2")], "canary > canary");
    check("Get", Some("v2.shop.test"), &[], "by-host > canary");
    check("Get", Some("a.v2.shop.test"), &[], "by-host > canary");
    check("Get", Some("shop.test"), &[("x-version", "v1")], "rest > orders");
    check("Get", None, &[], "rest > orders");
    check("Delete", Some("v2.shop.test"), &[], "by-host > canary");
    check("Delete", Some("shop.test"), &[("x-version", "v2")], "orders");
    check("Watch", None, &[], "orders");
}

#[test]
fn a_plan_without_routes_has_none() {
    let (plan, _) = plan("  []");
    assert!(plan.methods().all(|method| method.destinations.is_none()) && !plan.asks_hosts);
}

#[test]
fn shares_are_as_weighted() {
    let (plan, _) = plan(
        "
  - name: shares
    weighted_clusters: [{ name: orders, weight: 95 }, { name: canary, weight: 5 }]",
    );
    let dealt = deal(method(&plan, "Get"), 100_000, |_| Vec::new());
    // Five standard deviations of 5,000 of 100,000.
    let canary = dealt["shares > canary"];
    assert!((4655..=5345).contains(&canary), "{dealt:?}");
    assert_eq!(canary + dealt["shares > orders"], 100_000);
}

#[test]
fn a_weight_of_zero_gets_nothing() {
    let (plan, _) = plan(
        "
  - name: shares
    weighted_clusters: [{ name: canary, weight: 0 }, { name: orders, weight: 1 }]",
    );
    let dealt = deal(method(&plan, "Get"), 1000, |_| Vec::new());
    assert_eq!(dealt, BTreeMap::from([("shares > orders".to_owned(), 1000)]));
}

#[test]
fn a_caller_sticks_to_its_cluster() {
    let (plan, _) = plan(
        "
  - name: shares
    weighted_clusters: [{ name: orders, weight: 75 }, { name: canary, weight: 25 }]
    sticky_header: user-id",
    );
    let get = method(&plan, "Get");
    let user = |call: u32| vec![("user-id", format!("user-{call}"))];
    let (first, again) = (deal(get, 10_000, user), deal(get, 10_000, user));
    assert_eq!(first, again);
    let canary = first["shares > canary"];
    assert!((2283..=2717).contains(&canary), "{first:?}");
    // One user is always dealt the same, whatever chance says, and on another plan as well.
    assert_eq!(deal(get, 100, |_| vec![("user-id", "user-1".to_owned())]).len(), 1);
    // Who does not say who it is is dealt by chance.
    assert_eq!(deal(get, 1000, |_| Vec::new()).len(), 2);
}

#[test]
fn a_route_says_what_is_hashed() {
    let (plan, _) = plan(
        "
  - { name: hashed, cluster: orders, hash_policy: [{ header: user-id }] }",
    );
    let destinations = method(&plan, "Get").destinations.as_ref().expect("a route");
    let hash = |name: &'static str| {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), "a".parse().unwrap())]);
        destinations.choose(Asked { headers: &headers, host: None }, |_| 0).expect("a choice").hash
    };
    assert_eq!((hash("user-id"), hash("x-other")), (Some(0xd24e_c4f1_a98c_6e5b), None));
}

#[test]
fn a_fraction_of_unary_calls_is_copied() {
    for (fraction, expect) in
        [("0", 0..=0), ("0.05", 4655..=5345), ("1", 100_000..=100_000), ("0.000001", 0..=5)]
    {
        let (plan, _) = plan(&format!(
            "
  - {{ name: all, cluster: orders, mirror: {{ cluster: canary, fraction: {fraction} }} }}"
        ));
        let mut rng = Rng::with_seed(7);
        let headers = HeaderMap::new();
        let mut copied = |name| {
            let destinations = method(&plan, name).destinations.as_ref().expect("a route");
            let asked = Asked { headers: &headers, host: None };
            let choices = (0..100_000).filter_map(|_| destinations.choose(asked, |below| rng.u32(..below)));
            choices.filter(|choice| choice.mirror.is_some()).count()
        };
        let get = copied("Get");
        assert!(expect.contains(&get), "{fraction}: {get}");
        assert_eq!(copied("Watch"), 0, "a stream is not copied");
    }
}

#[test]
fn what_cannot_be_meant_is_told() {
    let check = |routes: &str, expect: &[&str]| {
        let (_, warnings) = plan(routes);
        assert_eq!(warnings, expect, "{routes}");
    };
    // The canary is no mistake: a route sends calls there. Without one it is.
    check(
        "  - { name: a, match: { headers: { x-v: '2' }, selector: shop.v1.Orders.Get }, cluster: canary }",
        &[],
    );
    check("  []", &["canary: shop.v1.Orders is served by the cluster orders, which stands first"]);
    check(
        "  - { name: a, match: { selector: shop.v2.* }, cluster: canary }",
        &[
            "canary: shop.v1.Orders is served by the cluster orders, which stands first",
            "route a: shop.v2.* matches no method",
        ],
    );
    check(
        "
  - { name: a, match: { selector: shop.v1.Orders.Get }, cluster: canary }
  - { name: b, match: { selector: shop.v1.Orders.Get, headers: { x-v: '2' } }, cluster: orders }
  - { name: c, match: { selector: shop.v1.Orders.* }, cluster: orders }",
        &["route b: takes no call: the route a stands above it and takes them all"],
    );
    check(
        "  - { name: a, match: { selector: shop.v1.Orders.Delete }, cluster: orders, mirror: { cluster: canary } }",
        &[
            "canary: shop.v1.Orders is served by the cluster orders, which stands first",
            "route a: the cluster canary does not have shop.v1.Orders.Delete",
        ],
    );
}
