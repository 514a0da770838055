//! `retryPolicy` and `hedgingPolicy`, with the validation of gRFC A6.

use std::time::Duration;

use crate::config::check::cluster::service_config::proto_json::{positive_seconds, seconds};
use crate::config::document::Content;
use crate::config::keys::{HEDGING_POLICY, RETRY_POLICY};
use crate::config::problems::Problems;
use crate::config::suggest::{closest, did_you_mean};
use crate::config::table::{Table, list, read as read_value};
use crate::config::value::{Invalid, MANY, number, positive_number, quoted};
use crate::config::{Again, Codes, HedgingPolicy, RetryPolicy};
use crate::grpc::{Code, code};

/// What a `methodConfig` says of more than one attempt: one way or the other.
pub(super) fn read(method: &Table<'_>, problems: &mut Problems) -> Option<Again> {
    let retry = method.table("retryPolicy", &RETRY_POLICY, problems).map(|table| retry(&table, problems));
    let hedge = method.table("hedgingPolicy", &HEDGING_POLICY, problems).map(|table| hedge(&table, problems));
    match (retry, hedge) {
        (Some(_), Some(_)) => {
            let span = method.entry("hedgingPolicy").map_or(method.span(), |entry| entry.span);
            let message = "expected `retryPolicy` or `hedgingPolicy`, found both";
            problems.error(span, message, Some("a call is tried again in one of the two ways".into()));
            None
        }
        (Some(retry), None) => retry.map(Again::Retry),
        (None, hedge) => hedge.flatten().map(Again::Hedge),
    }
}

fn retry(table: &Table<'_>, problems: &mut Problems) -> Option<RetryPolicy> {
    let max_attempts = max_attempts(table, problems);
    let initial_backoff = table.require("initialBackoff", problems, positive_seconds);
    let max_backoff = table.require("maxBackoff", problems, positive_seconds);
    let backoff_multiplier = table.require("backoffMultiplier", problems, positive_number);
    let per_attempt_recv_timeout = table.read("perAttemptRecvTimeout", problems, positive_seconds);
    let retryable = codes(table, "retryableStatusCodes", problems);
    let empty = match table.entry("retryableStatusCodes") {
        None => Some(table.span()),
        Some(entry) if matches!(&entry.value.content, Content::List(codes) if codes.is_empty()) => {
            Some(entry.span)
        }
        Some(_) => None,
    };
    if let Some(span) = empty {
        let message = "retryableStatusCodes: expected at least one code, found none";
        problems.error(span, message, Some("write `retryableStatusCodes: [UNAVAILABLE]`".into()));
    }
    Some(RetryPolicy {
        max_attempts: max_attempts?,
        initial_backoff: initial_backoff?,
        max_backoff: max_backoff?,
        backoff_multiplier: backoff_multiplier?,
        retryable,
        per_attempt_recv_timeout,
    })
}

fn hedge(table: &Table<'_>, problems: &mut Problems) -> Option<HedgingPolicy> {
    let max_attempts = max_attempts(table, problems);
    let hedging_delay = table.read("hedgingDelay", problems, seconds).unwrap_or(Duration::ZERO);
    let non_fatal = codes(table, "nonFatalStatusCodes", problems);
    Some(HedgingPolicy { max_attempts: max_attempts?, hedging_delay, non_fatal })
}

/// More than five count as five, and not silently.
fn max_attempts(table: &Table<'_>, problems: &mut Problems) -> Option<u32> {
    let attempts = table.require("maxAttempts", problems, |text| number::<u32>(text, 2..=MANY))?;
    if attempts > MOST_ATTEMPTS
        && let Some(entry) = table.entry("maxAttempts")
    {
        let message = format!("maxAttempts: {attempts} attempts count as {MOST_ATTEMPTS}");
        problems.warning(entry.value.span, message, Some(format!("write `{MOST_ATTEMPTS}`")));
    }
    Some(attempts.min(MOST_ATTEMPTS))
}

fn codes(table: &Table<'_>, key: &'static str, problems: &mut Problems) -> Codes {
    let Some(entry) = table.entry(key) else { return Codes::default() };
    list(&entry.value, key, problems)
        .iter()
        .filter_map(|node| read_value(node, key, problems, status))
        .collect()
}

/// By number, or by name in any case.
fn status(text: &str) -> Result<Code, Invalid> {
    match code::parse(text.as_bytes()).or_else(|| code::by_name(&text.to_ascii_uppercase())) {
        Some(Code::Ok) => Err(Invalid::new("expected the code of a failure, found `OK`")),
        Some(code) => Ok(code),
        None => {
            let names: Vec<&str> = (1..=16).map(|code| code::name(Code::from_i32(code))).collect();
            let near = did_you_mean(closest(text, &names));
            let wrong = Invalid::new(format!("expected a status code, found {}{near}", quoted(text)));
            Err(wrong.help("write it by its name, such as `UNAVAILABLE`, or as a number from 1 to 16"))
        }
    }
}

/// gRFC A6: the cap that keeps a policy from multiplying load.
const MOST_ATTEMPTS: u32 = 5;
