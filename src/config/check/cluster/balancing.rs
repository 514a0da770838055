//! `clusters.NAME`: which endpoints come first, and which a call stays on.

use crate::config::keys::{LOCALITY, SESSION_AFFINITY, SLOW_START};
use crate::config::problems::Problems;
use crate::config::table::Table;
use crate::config::value::{
    Invalid, MANY, number, optional_duration, percent, positive_duration, positive_number, quoted,
};
use crate::config::{Cluster, LoadBalancing, Locality, SessionAffinity, SlowStart};

/// The load balancing policy of `cluster` is known already.
pub(super) fn read(table: &Table<'_>, cluster: &mut Cluster, problems: &mut Problems) {
    cluster.slow_start = slow_start(table, problems);
    if let Some(table) = table.table("locality", &LOCALITY, problems) {
        cluster.locality = table.require("zone", problems, zone).map(|zone| Locality { zone });
    }
    cluster.subset_size = table.read("subset_size", problems, |text| number(text, 1..=MANY));
    let panic = &mut cluster.panic_threshold;
    table.set("healthy_panic_threshold", panic, problems, |text| percent(text, 0..=100));
    cluster.session_affinity = session_affinity(table, problems);
    hash_balance_factor(table, &mut cluster.load_balancing, problems);
}

fn slow_start(cluster: &Table<'_>, problems: &mut Problems) -> Option<SlowStart> {
    let short = cluster.read("slow_start_window", problems, positive_duration);
    let Some(table) = cluster.table("slow_start", &SLOW_START, problems) else {
        return short.map(|window| SlowStart { window, ..SlowStart::default() });
    };
    if let Some(entry) = cluster.entry("slow_start_window") {
        let help = "`slow_start_window` is short for `slow_start` with a `window`: move it into the table";
        let message = "expected `slow_start_window` or `slow_start`, found both";
        problems.error(entry.span, message, Some(help.into()));
    }
    let mut slow_start = SlowStart::default();
    table.set("window", &mut slow_start.window, problems, positive_duration);
    let least = &mut slow_start.min_weight_percent;
    table.set("min_weight_percent", least, problems, |text| percent(text, 1..=100));
    table.set("aggression", &mut slow_start.aggression, problems, positive_number);
    Some(slow_start)
}

fn session_affinity(cluster: &Table<'_>, problems: &mut Problems) -> Option<SessionAffinity> {
    let table = cluster.table("session_affinity", &SESSION_AFFINITY, problems)?;
    let name = table.require("cookie", problems, cookie);
    let path = table.read("path", problems, cookie_path).unwrap_or_else(|| "/".to_owned());
    let ttl = table.read("ttl", problems, optional_duration).flatten();
    let secret = table.read("secret", problems, secret);
    Some(SessionAffinity { cookie: name?, path, ttl, secret })
}

fn hash_balance_factor(cluster: &Table<'_>, policy: &mut LoadBalancing, problems: &mut Problems) {
    let Some(entry) = cluster.entry("hash_balance_factor") else { return };
    let factor = cluster.read("hash_balance_factor", problems, |text| number(text, 100..=MOST_LOAD));
    match policy {
        LoadBalancing::RingHash(ring) => ring.hash_balance_factor = factor,
        _ => {
            let message = "`hash_balance_factor` is about `ring_hash`, and the policy is another";
            let help =
                "write `loadBalancingConfig: [{ring_hash: {}}]` below `service_config`, or leave it out";
            problems.error(entry.span, message, Some(help.into()));
        }
    }
}

fn zone(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || text.len() > LONGEST_TEXT {
        return Err(Invalid::new(format!("expected the name of a zone, found {}", quoted(text))));
    }
    Ok(text.to_owned())
}

/// The name of a cookie: a token of RFC 9110, as RFC 6265 has it.
fn cookie(text: &str) -> Result<String, Invalid> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.len() <= LONGEST_TEXT && text.bytes().all(token) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected the name of a cookie, found {}", quoted(text)))
        .help("write letters, digits, `_` and `-`, such as `edgeway-affinity`"))
}

/// `path-value` of RFC 6265, 4.1.1; one that does not begin with a slash would not count (5.2.4).
fn cookie_path(text: &str) -> Result<String, Invalid> {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b';';
    if text.starts_with('/') && text.len() <= LONGEST_TEXT && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected a path that begins with `/`, found {}", quoted(text))))
}

/// What is found is not repeated: it is a secret.
fn secret(text: &str) -> Result<String, Invalid> {
    let found = text.chars().count();
    if found >= SHORTEST_SECRET {
        return Ok(text.to_owned());
    }
    let wrong = Invalid::new(format!("expected at least {SHORTEST_SECRET} characters, found {found}"));
    Err(wrong.help("make one by `openssl rand -hex 16`, and give it by a variable: `${AFFINITY_SECRET}`"))
}

/// A hundred times the fair share, beyond which no bound is left.
const MOST_LOAD: u64 = 10_000;

/// Names and paths of cookies go over the wire with each reply.
const LONGEST_TEXT: usize = 256;

/// 128 bits, if they are hex digits of a random number half of that.
const SHORTEST_SECRET: usize = 16;
