//! What a method's calls go by on their way out: gRPC's service config beside what the method says of itself.

use crate::{
    call::Kind,
    config::{Again, AttemptPolicy, MethodConfig, Policy, Retry, RetryPolicy},
    schema::{Idempotency, Method},
};

/// How its calls are tried.
///
/// A method's own words say whether it may be sent again, unless a policy knows better; how, the service config, or else
/// what suits most. Hedges run a call several times for sure, and so are only for methods that change nothing.
pub(super) fn attempts(config: Option<&MethodConfig>, policy: &Policy, method: &Method) -> AttemptPolicy {
    let no_side_effects = has_no_side_effects(policy, method);
    let idempotent =
        no_side_effects || policy.idempotent.unwrap_or(method.idempotency != Idempotency::Unknown);
    let again = config
        .and_then(|config| config.again.clone())
        .filter(|again| matches!(again, Again::Retry(_)) || may_hedge(policy, method))
        .or_else(|| idempotent.then(|| Again::Retry(RetryPolicy::idempotent())))
        .filter(|_| policy.retry != Retry::Never);
    AttemptPolicy {
        timeout: config.and_then(|config| config.timeout),
        again,
        wait_for_ready: config.and_then(|config| config.wait_for_ready).unwrap_or_default(),
        idempotent,
        no_side_effects,
    }
}

/// Whether several calls of a method may run at once.
pub(super) fn may_hedge(policy: &Policy, method: &Method) -> bool {
    method.kind == Kind::Unary && has_no_side_effects(policy, method)
}

/// What must not be sent twice changes something, whatever it says of itself.
fn has_no_side_effects(policy: &Policy, method: &Method) -> bool {
    method.idempotency == Idempotency::NoSideEffects && policy.idempotent != Some(false)
}

/// Of two limits of a message the smaller one holds.
pub(super) fn limit(policy: &mut Policy, config: &MethodConfig) {
    let limit = |most: &mut usize, bytes: Option<u32>| {
        if let Some(bytes) = bytes {
            *most = (*most).min(bytes.try_into().unwrap_or(usize::MAX));
        }
    };
    limit(&mut policy.max_request_bytes, config.max_request_message_bytes);
    limit(&mut policy.max_response_bytes, config.max_response_message_bytes);
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use prost::Message;
    use prost_types::{
        DescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions,
        ServiceDescriptorProto, method_options::IdempotencyLevel,
    };

    use super::*;
    use crate::{
        config::{Codes, HedgingPolicy},
        grpc::Code,
        schema::{DescriptorSet, Schema},
    };

    fn methods() -> Vec<Arc<Method>> {
        let method = |name: &str, level: IdempotencyLevel| MethodDescriptorProto {
            name: Some(name.into()),
            input_type: Some(".shop.v1.Order".into()),
            output_type: Some(".shop.v1.Order".into()),
            options: Some(MethodOptions { idempotency_level: Some(level.into()), ..Default::default() }),
            server_streaming: Some(name == "Watch"),
            ..Default::default()
        };
        let file = FileDescriptorProto {
            name: Some("orders.proto".into()),
            package: Some("shop.v1".into()),
            syntax: Some("proto3".into()),
            message_type: vec![DescriptorProto { name: Some("Order".into()), ..Default::default() }],
            service: vec![ServiceDescriptorProto {
                name: Some("Orders".into()),
                method: vec![
                    method("Get", IdempotencyLevel::NoSideEffects),
                    method("Watch", IdempotencyLevel::NoSideEffects),
                    method("Put", IdempotencyLevel::Idempotent),
                    method("Create", IdempotencyLevel::IdempotencyUnknown),
                ],
                ..Default::default()
            }],
            ..Default::default()
        };
        let set = FileDescriptorSet { file: vec![file] };
        let set = DescriptorSet::new("orders.binpb", set.encode_to_vec());
        Schema::build(&[set], |_| true).unwrap().methods().cloned().collect()
    }

    /// What is made of a config for each of the methods.
    fn check(config: Option<&MethodConfig>, expect: [(&str, Option<&Again>, bool, bool); 4]) {
        check_policy(config, &Policy::default(), expect);
    }

    fn check_policy(
        config: Option<&MethodConfig>,
        policy: &Policy,
        expect: [(&str, Option<&Again>, bool, bool); 4],
    ) {
        let methods = methods();
        for (name, again, idempotent, no_side_effects) in expect {
            let method = methods.iter().find(|method| method.name == name).unwrap();
            let found = attempts(config, policy, method);
            assert_eq!((found.again.as_ref(), found.idempotent), (again, idempotent), "{name}");
            assert_eq!(found.no_side_effects, no_side_effects, "{name}");
        }
    }

    #[test]
    fn what_says_of_itself_that_it_may_be_sent_again_is() {
        let usual = Again::Retry(RetryPolicy::idempotent());
        check(
            None,
            [
                ("Get", Some(&usual), true, true),
                ("Watch", Some(&usual), true, true),
                ("Put", Some(&usual), true, false),
                ("Create", None, false, false),
            ],
        );
    }

    #[test]
    fn the_service_config_says_how() {
        let retryable = Codes::default().with(Code::Aborted);
        let retry = Again::Retry(RetryPolicy { retryable, ..RetryPolicy::idempotent() });
        let config = MethodConfig { again: Some(retry.clone()), ..MethodConfig::default() };
        check(
            Some(&config),
            [
                ("Get", Some(&retry), true, true),
                ("Watch", Some(&retry), true, true),
                ("Put", Some(&retry), true, false),
                ("Create", Some(&retry), false, false),
            ],
        );
    }

    #[test]
    fn a_policy_knows_better() {
        let usual = Again::Retry(RetryPolicy::idempotent());
        check_policy(
            None,
            &Policy { idempotent: Some(true), ..Policy::default() },
            [
                ("Get", Some(&usual), true, true),
                ("Watch", Some(&usual), true, true),
                ("Put", Some(&usual), true, false),
                ("Create", Some(&usual), true, false),
            ],
        );
        check_policy(
            None,
            &Policy { idempotent: Some(false), ..Policy::default() },
            ["Get", "Watch", "Put", "Create"].map(|name| (name, None, false, false)),
        );
        let config = MethodConfig { again: Some(usual), ..MethodConfig::default() };
        check_policy(
            Some(&config),
            &Policy { retry: Retry::Never, ..Policy::default() },
            [
                ("Get", None, true, true),
                ("Watch", None, true, true),
                ("Put", None, true, false),
                ("Create", None, false, false),
            ],
        );
    }

    #[test]
    fn only_unary_methods_that_change_nothing_are_hedged() {
        let (usual, hedge) = (
            Again::Retry(RetryPolicy::idempotent()),
            Again::Hedge(HedgingPolicy {
                max_attempts: 2,
                hedging_delay: Duration::ZERO,
                non_fatal: Codes::default(),
            }),
        );
        let config = MethodConfig { again: Some(hedge.clone()), ..MethodConfig::default() };
        check(
            Some(&config),
            [
                ("Get", Some(&hedge), true, true),
                ("Watch", Some(&usual), true, true),
                ("Put", Some(&usual), true, false),
                ("Create", None, false, false),
            ],
        );
    }

    #[test]
    fn the_smaller_limit_of_a_message_holds() {
        let check = |policy, config, expect| {
            let mut limits = Policy { max_request_bytes: policy, ..Policy::default() };
            let config = MethodConfig { max_request_message_bytes: config, ..MethodConfig::default() };
            limit(&mut limits, &config);
            assert_eq!(limits, Policy { max_request_bytes: expect, ..Policy::default() });
        };
        check(10, None, 10);
        check(10, Some(11), 10);
        check(10, Some(9), 9);
        check(10, Some(0), 0);
    }
}
