//! Which endpoints come first, and how much of the calls they get.
//!
//! | rule | from |
//! |---|---|
//! | a priority gets calls as far as its endpoints are there, times 1.4; the rest goes to the next one | Envoy, `priority` |
//! | a priority of which nobody has been reached yet, but may be any moment, is waited for | gRFC A56 |
//! | with too few endpoints not ejected in all, ejection is ignored | Envoy, `panic_threshold` |
//! | within a priority, endpoints of the gateway's own zone get all calls while none of them has more to do than it would have if zones did not matter, and their part of the calls otherwise | Envoy, zone aware routing |

use std::collections::BTreeMap;

/// An endpoint as these rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed<'a> {
    pub(super) priority: u32,
    pub(super) zone: Option<&'a str>,
    pub(super) standing: Standing,
}

/// Whether calls may go to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Usable,
    /// It could be used, but calls on it failed.
    Ejected,
    /// Its connection is being made, and nothing speaks against it.
    Pending,
    /// It cannot be reached, or says that it does not serve.
    Down,
}

/// Endpoints that calls are spread over alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tier {
    /// The places in the list of those that calls may go to, in that order; at least one.
    pub(super) members: Vec<usize>,
    /// The places of all that belong here, usable or not.
    pub(super) listed: Vec<usize>,
    /// Of 10,000 calls those that go to this tier or one before it.
    pub(super) below: u32,
}

/// The tiers that are in use, those that come first at the front. `panic` is a percentage, `zone` the gateway's own.
pub(super) fn tiers(listed: &[Listed<'_>], panic: u8, zone: Option<&str>) -> Vec<Tier> {
    let mut by_priority: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, endpoint) in listed.iter().enumerate() {
        by_priority.entry(endpoint.priority).or_default().push(place);
    }
    let standing = |place: &usize| listed.get(*place).map_or(Standing::Down, |endpoint| endpoint.standing);
    let of =
        |places: &[usize], wanted: Standing| places.iter().filter(|place| standing(place) == wanted).count();
    let presence = |present: usize, places: &[usize]| present as f64 / places.len() as f64;
    let health = |presence: f64| (presence * OVERPROVISIONING).min(1.0);
    let is_there = |places: &[usize]| of(places, Standing::Usable) + of(places, Standing::Pending);

    // As long as some priority is sound, one that is not has where to send its calls.
    let sound: f64 = by_priority.values().map(|places| health(presence(is_there(places), places))).sum();
    let mut tiers = Vec::new();
    let mut weights = Vec::new();
    let mut left = 1.0;
    for places in by_priority.values() {
        let there = is_there(places);
        let panics = sound < 1.0 && presence(there, places) * 100.0 < f64::from(panic);
        let ejected = if panics { of(places, Standing::Ejected) } else { 0 };
        let is_used = |place: &&usize| match standing(place) {
            Standing::Usable => true,
            Standing::Ejected => panics,
            Standing::Pending | Standing::Down => false,
        };
        let members = |places: &[usize]| places.iter().filter(is_used).copied().collect::<Vec<_>>();
        let all = members(places);
        if all.is_empty() {
            if there > 0 {
                break;
            }
            continue;
        }
        let share = health(presence(there + ejected, places)).min(left);
        left -= share;
        let zone_of = |place: &usize| listed.get(*place).and_then(|endpoint| endpoint.zone);
        let local = zone.map_or(1.0, |zone| local(all.iter().map(zone_of), zone));
        let is_near = |place: &usize| zone.is_none() || zone_of(place) == zone;
        let (near, far): (Vec<usize>, Vec<usize>) = places.iter().partition(|place| is_near(place));
        // Those far away are there for a call that finds no place nearby, too.
        for (listed, part) in [(near, local), (far, 1.0 - local)] {
            let members = members(&listed);
            if !members.is_empty() {
                tiers.push(Tier { members, listed, below: 0 });
                weights.push(share * part);
            }
        }
    }
    add_up(&mut tiers, &weights);
    tiers
}

/// What part of the calls endpoints of `zone` get, of those that are in `zones`.
///
/// Calls come evenly from all zones, as far as a gateway can know: with as many calls as a zone has, an endpoint of it has
/// no more to do than the average while the zone has its even part of the endpoints.
fn local<'a>(zones: impl Iterator<Item = Option<&'a str>>, zone: &str) -> f64 {
    let mut zones: Vec<_> = zones.collect();
    let all = zones.len();
    let near = zones.iter().filter(|found| **found == Some(zone)).count();
    zones.sort_unstable();
    zones.dedup();
    ((near * zones.len()) as f64 / all as f64).min(1.0)
}

/// Gives each tier its part of all calls.
fn add_up(tiers: &mut [Tier], weights: &[f64]) {
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    for (tier, weight) in tiers.iter_mut().zip(weights) {
        sum += weight;
        tier.below = (sum / total * f64::from(ALL)).round() as u32;
    }
    if let Some(last) = tiers.last_mut() {
        last.below = ALL;
    }
}

/// What the parts of all tiers come to.
pub(super) const ALL: u32 = 10_000;

/// Envoy's default: a priority takes all calls down to 72 % of its endpoints.
const OVERPROVISIONING: f64 = 1.4;

#[cfg(test)]
mod tests {
    use super::{
        Standing::{Down, Ejected, Pending, Usable},
        *,
    };

    /// The endpoints of each priority, and how many of them get how many of 10,000 calls.
    type Case<'a> = (&'a [&'a [Standing]], &'a [(usize, u32)]);

    fn parts(listed: &[Listed<'_>], panic: u8, zone: Option<&str>) -> Vec<(usize, u32)> {
        let mut before = 0;
        let part = |tier: &Tier| {
            let part = tier.below - std::mem::replace(&mut before, tier.below);
            (tier.members.len(), part)
        };
        tiers(listed, panic, zone).iter().map(part).collect()
    }

    fn by_priority(standings: &[&[Standing]]) -> Vec<(usize, u32)> {
        let of = |(priority, standings): (usize, &&[Standing])| {
            let listed =
                |standing: &Standing| Listed { priority: priority as u32, zone: None, standing: *standing };
            standings.iter().map(listed).collect::<Vec<_>>()
        };
        let listed: Vec<_> = standings.iter().enumerate().flat_map(of).collect();
        parts(&listed, 50, None)
    }

    #[test]
    fn a_priority_is_left_as_far_as_it_is_gone() {
        let cases: &[Case<'_>] = &[
            (&[&[]], &[]),
            (&[&[Usable, Usable]], &[(2, 10_000)]),
            (&[&[Usable, Down, Down, Down]], &[(1, 10_000)]),
            // 140 % of three quarters are enough for all.
            (&[&[Usable, Usable, Usable, Down], &[Usable]], &[(3, 10_000), (1, 0)]),
            // Envoy's case: 70 % and 30 %.
            (&[&[Usable, Down], &[Usable]], &[(1, 7000), (1, 3000)]),
            (&[&[Down, Down], &[Usable]], &[(1, 10_000)]),
            (&[&[Down], &[Usable, Down, Down, Down], &[Usable, Down]], &[(1, 3500), (1, 6500)]),
            // Not enough in all: in proportion.
            (
                &[&[Usable, Down, Down, Down, Down], &[Usable, Down, Down, Down, Down]],
                &[(1, 5000), (1, 5000)],
            ),
            // What is being connected to is not missing, and is waited for.
            (&[&[Usable, Pending, Pending], &[Usable]], &[(1, 10_000), (1, 0)]),
            (&[&[Pending, Down], &[Usable]], &[]),
        ];
        for (standings, expect) in cases {
            assert_eq!(by_priority(standings), *expect, "{standings:?}");
        }
    }

    #[test]
    fn in_a_panic_ejection_is_ignored_and_health_is_not() {
        let cases: &[Case<'_>] = &[
            (&[&[Usable, Ejected]], &[(1, 10_000)]),
            (&[&[Usable, Usable, Ejected, Ejected, Ejected]], &[(5, 10_000)]),
            (&[&[Usable, Ejected, Down, Down]], &[(2, 10_000)]),
            (&[&[Ejected, Ejected, Down]], &[(2, 10_000)]),
            (&[&[Down, Down]], &[]),
            // A sound priority behind it is better than panic.
            (&[&[Usable, Ejected, Ejected, Ejected], &[Usable, Usable]], &[(1, 3500), (2, 6500)]),
        ];
        for (standings, expect) in cases {
            assert_eq!(by_priority(standings), *expect, "{standings:?}");
        }
        let listed = |standing| Listed { priority: 0, zone: None, standing };
        let never = parts(&[listed(Ejected), listed(Ejected), listed(Usable)], 0, None);
        assert_eq!(never, [(1, 10_000)], "0 is never");
    }

    #[test]
    fn the_own_zone_comes_first_while_it_is_enough() {
        let check = |zones: &[(&str, usize)], expect: &[(usize, u32)]| {
            let listed: Vec<_> = zones
                .iter()
                .flat_map(|(zone, count)| {
                    let zone = (!zone.is_empty()).then_some(*zone);
                    std::iter::repeat_n(Listed { priority: 0, zone, standing: Usable }, *count)
                })
                .collect();
            assert_eq!(parts(&listed, 50, Some("a")), expect, "{zones:?}");
        };
        check(&[("a", 3), ("b", 3), ("c", 3)], &[(3, 10_000), (6, 0)]);
        check(&[("a", 5), ("b", 1)], &[(5, 10_000), (1, 0)]);
        check(&[("a", 2), ("b", 3), ("c", 3)], &[(2, 7500), (6, 2500)]);
        check(&[("a", 1), ("b", 3)], &[(1, 5000), (3, 5000)]);
        check(&[("b", 3), ("c", 3)], &[(6, 10_000)]);
        check(&[("a", 2)], &[(2, 10_000)]);
        check(&[("", 4)], &[(4, 10_000)]);
        check(&[("a", 2), ("", 2)], &[(2, 10_000), (2, 0)]);
    }

    #[test]
    fn a_tier_knows_who_is_missing() {
        let listed = |zone, standing| Listed { priority: 0, zone: Some(zone), standing };
        let endpoints = [listed("b", Usable), listed("a", Down), listed("a", Usable), listed("c", Ejected)];
        let found: Vec<_> =
            tiers(&endpoints, 0, Some("a")).into_iter().map(|tier| (tier.members, tier.listed)).collect();
        assert_eq!(found, [(vec![2], vec![1, 2]), (vec![0], vec![0, 3])]);
    }

    #[test]
    fn zones_count_within_a_priority() {
        let listed = |priority, zone, standing| Listed { priority, zone: Some(zone), standing };
        let endpoints = [
            listed(0, "a", Usable),
            listed(0, "b", Usable),
            listed(0, "b", Down),
            listed(0, "b", Down),
            listed(1, "a", Usable),
            listed(1, "b", Usable),
        ];
        assert_eq!(parts(&endpoints, 50, Some("a")), [(1, 7000), (1, 0), (1, 3000), (1, 0)]);
    }
}
