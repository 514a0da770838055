//! From schemas and configuration to a plan.

use std::{collections::HashMap, fmt, sync::Arc};

use prost_reflect::DescriptorPool;

use super::{MethodPlan, Plan, attempts, destination::Router, routes::Routes, unmatched::unmatched};
use crate::{
    codec::{Codecs, ReadOptions, WriteOptions},
    config::{self, Config, RestPolicy},
    schema::{self, Schema},
    telemetry::Metrics,
    upstream::{Cluster, Target},
};

/// A cluster and what is known of its services.
#[derive(Clone, Debug)]
pub struct Source {
    /// What the configuration says of it.
    pub config: Arc<config::Cluster>,
    /// Its way out.
    pub cluster: Arc<Cluster>,
    /// Its services, or why they are not known.
    pub schema: Result<Arc<Schema>, String>,
}

/// Something that could not be part of the plan; the rest of it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where: a cluster, or a method's selector with its file.
    pub place: String,
    /// What.
    pub message: String,
}

impl Plan {
    /// Compiles all clusters, in the order of the configuration: what an earlier one has, a later one cannot take.
    pub fn compile(
        generation: u64,
        config: &Config,
        sources: &[Source],
        metrics: &Metrics,
    ) -> (Self, Vec<Warning>) {
        let mut compiler = Compiler {
            config,
            metrics,
            methods: HashMap::new(),
            routes: Routes::new(config),
            router: Router::new(config, sources, metrics),
            warnings: Vec::new(),
        };
        let mut missing = Vec::new();
        for source in sources {
            match &source.schema {
                Ok(schema) => compiler.cluster(source, schema),
                Err(why) => missing.push((source.cluster.shared_name(), why.clone())),
            }
        }
        let (routes, of_routes) = compiler.routes.finish(missing.is_empty());
        let mut warnings = compiler.warnings;
        warnings.extend(of_routes);
        let asks_hosts = compiler.router.asks_hosts();
        warnings.extend(compiler.router.finish(missing.is_empty()));
        // A schema that is yet to come may have them.
        if missing.is_empty() {
            warnings.extend(unmatched(sources));
        }
        let rest = config.rest_default();
        let plan = Self {
            generation,
            methods: compiler.methods,
            routes,
            asks_hosts,
            builtin: schema::builtin(),
            missing,
            schemas: sources.iter().filter_map(|source| source.schema.clone().ok()).collect(),
            unknown: metrics.unknown_method(),
            write: write_options(&rest, WriteOptions::default().max_bytes),
            rest,
        };
        (plan, warnings)
    }
}

struct Compiler<'a> {
    config: &'a Config,
    metrics: &'a Metrics,
    methods: HashMap<Arc<str>, Arc<MethodPlan>>,
    routes: Routes<'a>,
    router: Router<'a>,
    warnings: Vec<Warning>,
}

impl Compiler<'_> {
    fn cluster(&mut self, source: &Source, schema: &Schema) {
        for problem in schema.problems() {
            self.warn(source.cluster.name(), problem);
        }
        for exposed in source.config.expose.iter().flatten() {
            if !schema.methods().any(|method| exposed.matches(&method.service, &method.name)) {
                self.warn(source.cluster.name(), format_args!("expose: {exposed} matches no method"));
            }
        }
        let exposed: Vec<_> =
            schema.methods().filter(|method| source.config.exposes(&method.service, &method.name)).collect();
        // One set of tables, since the methods of a schema share most of their messages.
        let codecs = Codecs::compile(exposed.iter().flat_map(|method| [&method.input, &method.output]));
        let mut taken: Vec<&str> = Vec::new();
        for method in exposed {
            let path: Arc<str> = method.path.as_str().into();
            if let Some(first) = self.methods.get(&path) {
                let first = first.target.0.name().to_owned();
                if !taken.contains(&&*method.service) {
                    taken.push(&method.service);
                    if self.router.sends(&method.service, source.cluster.name(), schema) {
                        continue;
                    }
                    self.warn(
                        source.cluster.name(),
                        format_args!(
                            "{} is served by the cluster {first}, which stands first",
                            method.service
                        ),
                    );
                }
                continue;
            }
            self.hedging(method, source);
            let plan = Arc::new(self.method(method, source, schema.pool(), &codecs));
            self.methods.insert(path, Arc::clone(&plan));
            self.routes.add(plan);
        }
    }

    fn method(
        &mut self,
        method: &Arc<schema::Method>,
        source: &Source,
        pool: &DescriptorPool,
        codecs: &Codecs,
    ) -> MethodPlan {
        let mut policy = self.config.policy_for(&method.service, &method.name);
        let rest = self.config.rest_for(&method.service, &method.name);
        let found = source.config.service_config.method(&method.service, &method.name);
        if let Some(found) = found {
            attempts::limit(&mut policy, found);
        }
        MethodPlan {
            attempts: Arc::new(attempts::attempts(found, &policy, method)),
            uri: method.path.parse().unwrap_or_default(),
            kind: method.kind,
            target: Target(Arc::clone(&source.cluster)),
            destinations: self.router.of(method, &policy),
            metrics: self.metrics.method(method.kind.label(), &method.service, &method.name),
            pool: pool.clone(),
            input: codecs.codec(&method.input),
            output: codecs.codec(&method.output),
            read: read_options(&rest),
            write: write_options(&rest, policy.max_response_bytes),
            policy: Arc::new(policy),
            rest,
            method: Arc::clone(method),
        }
    }

    /// Tells of a method that is named to be hedged and is not; a wildcard means those that can be.
    fn hedging(&mut self, method: &schema::Method, source: &Source) {
        let found = source.config.service_config.method(&method.service, &method.name);
        let hedged = found.filter(|found| matches!(found.again, Some(config::Again::Hedge(_))));
        let named = hedged.is_some_and(|found| found.names.iter().any(|name| name.method == method.name));
        let policy = self.config.policy_for(&method.service, &method.name);
        if named && !attempts::may_hedge(&policy, method) {
            self.warn(
                source.cluster.name(),
                format_args!(
                    "service_config: {} is not hedged, which is only for unary methods with idempotency_level = \
                     NO_SIDE_EFFECTS",
                    method.selector()
                ),
            );
        }
    }

    fn warn(&mut self, place: &str, message: impl fmt::Display) {
        self.warnings.push(Warning { place: place.to_owned(), message: message.to_string() });
    }
}

fn read_options(rest: &RestPolicy) -> ReadOptions {
    ReadOptions {
        reject_unknown_fields: rest.reject_unknown_json_fields,
        reject_unknown_enums: rest.reject_unknown_json_enums,
        reject_duplicate_keys: rest.reject_duplicate_json_keys,
        case_insensitive_enum_parsing: rest.case_insensitive_enum_parsing,
        strip_enum_prefixes: rest.strip_enum_prefixes,
        max_depth: rest.max_json_depth,
        max_nodes: rest.max_json_values,
    }
}

fn write_options(rest: &RestPolicy, max_bytes: usize) -> WriteOptions {
    WriteOptions {
        always_print_primitive_fields: rest.always_print_primitive_fields,
        always_print_enums_as_ints: rest.always_print_enums_as_ints,
        preserve_proto_field_names: rest.preserve_proto_field_names,
        add_whitespace: rest.add_whitespace,
        print_int64_as_numbers: rest.print_int64_as_numbers,
        strip_enum_prefixes: rest.strip_enum_prefixes,
        max_bytes,
        ..WriteOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::{
        DescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
        ServiceDescriptorProto,
    };

    use super::*;
    use crate::{schema::DescriptorSet, upstream::Clusters};

    /// The service `shop.v1.Orders` with the methods `Get` and `List`.
    fn schema() -> Arc<Schema> {
        let method = |name: &str| MethodDescriptorProto {
            name: Some(name.into()),
            input_type: Some(".shop.v1.Order".into()),
            output_type: Some(".shop.v1.Order".into()),
            ..Default::default()
        };
        let file = FileDescriptorProto {
            name: Some("orders.proto".into()),
            package: Some("shop.v1".into()),
            syntax: Some("proto3".into()),
            message_type: vec![DescriptorProto { name: Some("Order".into()), ..Default::default() }],
            service: vec![ServiceDescriptorProto {
                name: Some("Orders".into()),
                method: vec![method("Get"), method("List")],
                ..Default::default()
            }],
            ..Default::default()
        };
        let set = FileDescriptorSet { file: vec![file] };
        let set = DescriptorSet::new("orders.binpb", set.encode_to_vec());
        Arc::new(Schema::build(&[set], |_| true).expect("a schema"))
    }

    /// Compiles one cluster that exposes `entries`: paths of the methods, and warnings.
    #[track_caller]
    fn check(entries: &[&str], paths: &[&str], warnings: &[&str]) {
        let flags = config::Flags { upstreams: vec!["orders=orders:1".into()], ..config::Flags::default() };
        let config = config::load(&flags, &|_| None).expect("valid").config;
        let mut cluster = config.clusters.first().expect("a cluster").clone();
        let exposed = entries.iter().map(|entry| match entry.ends_with('*') {
            true => config::Expose::Methods(entry.parse().expect("a selector")),
            false => config::Expose::Name((*entry).to_owned()),
        });
        cluster.expose = Some(exposed.collect());
        let metrics = Metrics::new();
        let clusters = Clusters::new([cluster.clone()], &metrics);
        let way_out = Arc::clone(clusters.iter().next().expect("a cluster"));
        let source = Source { config: Arc::new(cluster), cluster: way_out, schema: Ok(schema()) };
        let (plan, found) = Plan::compile(1, &config, &[source], &metrics);
        let mut compiled: Vec<&str> = plan.methods().map(|plan| plan.method.path.as_str()).collect();
        compiled.sort_unstable();
        assert_eq!(compiled, paths, "{entries:?}");
        let expected: Vec<Warning> = warnings
            .iter()
            .map(|message| Warning { place: "orders".into(), message: (*message).to_owned() })
            .collect();
        assert_eq!(found, expected, "{entries:?}");
    }

    #[test]
    fn switches_of_the_json_mapping_reach_the_codec() {
        let strict = RestPolicy::default();
        assert_eq!(read_options(&strict), ReadOptions::default());
        assert_eq!(write_options(&strict, WriteOptions::default().max_bytes), WriteOptions::default());
        let rest = RestPolicy {
            reject_unknown_json_fields: false,
            reject_duplicate_json_keys: false,
            case_insensitive_enum_parsing: true,
            strip_enum_prefixes: true,
            max_json_depth: 7,
            max_json_values: 8,
            print_int64_as_numbers: true,
            always_print_enums_as_ints: true,
            ..RestPolicy::default()
        };
        let read = ReadOptions {
            reject_unknown_fields: false,
            reject_unknown_enums: true,
            reject_duplicate_keys: false,
            case_insensitive_enum_parsing: true,
            strip_enum_prefixes: true,
            max_depth: 7,
            max_nodes: 8,
        };
        assert_eq!(read_options(&rest), read);
        let write = WriteOptions {
            always_print_enums_as_ints: true,
            print_int64_as_numbers: true,
            strip_enum_prefixes: true,
            max_bytes: 9,
            ..WriteOptions::default()
        };
        assert_eq!(write_options(&rest, 9), write);
    }

    #[test]
    fn names_of_a_service_config_that_match_nothing_are_told() {
        let name = |service: &str, method: &str| config::MethodName {
            service: service.into(),
            method: method.into(),
        };
        let names = vec![
            name("", ""),
            name("shop.v1.Orders", ""),
            name("shop.v1.Orders", "Get"),
            name("shop.v1.Orders", "Gett"),
            name("shop.v1.Order", "Get"),
            name("shop.v2.Orders", ""),
        ];
        let metrics = Metrics::new();
        let target = config::Target::Static(Vec::new());
        let mut cluster = config::Cluster::new("orders", target);
        cluster.service_config.methods.push(config::MethodConfig { names, ..Default::default() });
        let clusters = Clusters::new([cluster.clone()], &metrics);
        let way_out = Arc::clone(clusters.iter().next().expect("a cluster"));
        let flags = config::Flags { upstreams: vec!["orders=orders:1".into()], ..config::Flags::default() };
        let config = config::load(&flags, &|_| None).expect("valid").config;
        let source = Source { config: Arc::new(cluster), cluster: way_out, schema: Ok(schema()) };
        let unknown = Source { schema: Err("not read yet".into()), ..source.clone() };
        let told = |sources: &[Source]| {
            let (_, warnings) = Plan::compile(1, &config, sources, &metrics);
            warnings.into_iter().map(|warning| warning.message).collect::<Vec<_>>()
        };
        let all = ["shop.v1.Orders/Gett", "shop.v1.Order/Get", "shop.v2.Orders"];
        let all = all.map(|name| format!("service_config.methodConfig: {name} matches no method"));
        assert_eq!(told(std::slice::from_ref(&source)), all);
        assert!(told(&[source, unknown]).is_empty(), "who knows what the other one has");
    }

    #[test]
    fn entries_of_expose_that_match_nothing_are_told() {
        let (get, list) = ("/shop.v1.Orders/Get", "/shop.v1.Orders/List");
        check(&["*"], &[get, list], &[]);
        check(&["shop.v1.Orders"], &[get, list], &[]);
        check(&["shop.v1.Orders.Get", "shop.*"], &[get, list], &[]);
        check(
            &["shop.v1.Orders.Get", "shop.v1.Order", "shop.v2.*", "shop.v1.Orders.Delete"],
            &[get],
            &[
                "expose: shop.v1.Order matches no method",
                "expose: shop.v2.* matches no method",
                "expose: shop.v1.Orders.Delete matches no method",
            ],
        );
    }
}
