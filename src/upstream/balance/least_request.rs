//! The less busy of a few that chance has named.

use super::load::Load;

/// Compares the load of `choices` distinct endpoints.
///
/// Chance first, rather than the least loaded of all: with many gateways everyone would see the same least loaded
/// endpoint and run there at once.
#[derive(Debug)]
pub(super) struct LeastRequest {
    choices: usize,
    /// `None` when all are alike, as most are.
    weights: Option<Box<[f64]>>,
}

impl LeastRequest {
    pub(super) fn new(choices: usize, weights: &[f64]) -> Self {
        let differ = weights.windows(2).any(|pair| matches!(pair, [one, other] if one != other));
        Self { choices: choices.clamp(2, MOST_CHOICES), weights: differ.then(|| weights.into()) }
    }

    /// One of `count`, which are two at least. A `stream` is compared by streams (see [`Load`]).
    pub(super) fn choose(&self, count: usize, stream: bool, load: impl Fn(usize) -> Load) -> usize {
        let lighter = |other: usize, best: usize| {
            let (mine, its) = (load(other), load(best));
            let Some(weights) = &self.weights else {
                return mine.by_calls(stream) < its.by_calls(stream);
            };
            let cost = |index: usize, load: Load| {
                load.with_one_more(stream) / weights.get(index).copied().unwrap_or(1.0)
            };
            cost(other, mine).total_cmp(&cost(best, its)).then(mine.chosen.cmp(&its.chosen)).is_lt()
        };
        if self.choices == 2 {
            let (one, other) = two_of(count, |bound| fastrand::usize(..bound));
            return if lighter(other, one) { other } else { one };
        }
        // Floyd's sample: each index above the last is drawn, or stands in for one that was drawn already.
        let mut drawn = [usize::MAX; MOST_CHOICES];
        let mut best = None;
        for (place, top) in (count.saturating_sub(self.choices)..count).enumerate() {
            let draw = fastrand::usize(..=top);
            let index = if drawn.contains(&draw) { top } else { draw };
            if let Some(slot) = drawn.get_mut(place) {
                *slot = index;
            }
            best = Some(best.map_or(index, |best| if lighter(index, best) { index } else { best }));
        }
        best.unwrap_or(0)
    }
}

/// Two distinct indices below `count`, each pair equally likely.
fn two_of(count: usize, mut random: impl FnMut(usize) -> usize) -> (usize, usize) {
    let one = random(count);
    let other = random(count - 1);
    (one, if other >= one { other + 1 } else { other })
}

/// gRPC's own bound (gRFC A48).
const MOST_CHOICES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(unary: usize) -> Load {
        Load { unary, ..Load::default() }
    }

    #[test]
    fn the_busier_of_two_is_never_chosen() {
        let policy = LeastRequest::new(2, &[1.0; 2]);
        for _ in 0..1000 {
            assert_eq!(policy.choose(2, false, |index| calls([7, 3][index])), 1);
        }
    }

    #[test]
    fn idle_endpoints_get_even_shares() {
        fastrand::seed(3);
        for choices in [2, 3, 10] {
            let policy = LeastRequest::new(choices, &[1.0; 3]);
            let (mut chosen, mut hits) = ([0u64; 3], [0u32; 3]);
            for now in 1..=3000 {
                let index =
                    policy.choose(3, false, |index| Load { chosen: chosen[index], ..Load::default() });
                chosen[index] = now;
                hits[index] += 1;
            }
            assert!(hits.iter().all(|hits| hits.abs_diff(1000) <= 70), "{choices}: {hits:?}");
        }
    }

    /// The chance that the busiest of ten is not spared is that of all choices being that one: none.
    #[test]
    fn more_choices_find_the_idle_one_more_often() {
        fastrand::seed(5);
        for (choices, expect) in [(2, 0.2), (3, 0.3), (5, 0.5), (10, 1.0)] {
            let policy = LeastRequest::new(choices, &[1.0; 10]);
            let load = |index| calls(usize::from(index != 4));
            let hits = (0..10_000).filter(|_| policy.choose(10, false, load) == 4).count();
            let share = hits as f64 / 10_000.0;
            assert!((share - expect).abs() < 0.02, "{choices} of 10: {share}");
        }
    }

    #[test]
    fn weights_share_out_what_is_in_flight() {
        fastrand::seed(7);
        let weights = [1.0, 2.0, 5.0];
        let policy = LeastRequest::new(3, &weights);
        let mut in_flight = [0; 3];
        for _ in 0..800 {
            in_flight[policy.choose(3, false, |index| calls(in_flight[index]))] += 1;
        }
        assert_eq!(in_flight, [100, 200, 500]);
    }

    #[test]
    fn a_thousand_idle_streams_do_not_starve_an_endpoint_of_calls() {
        fastrand::seed(9);
        let policy = LeastRequest::new(2, &[1.0; 2]);
        let mut unary = [0usize; 2];
        for _ in 0..2000 {
            let index = policy.choose(2, false, |index| Load {
                unary: unary[index],
                streams: [1000, 0][index],
                chosen: 0,
            });
            unary[index] += 1;
        }
        // Streams of the one weigh as much as 62 calls of the other.
        assert_eq!(unary, [969, 1031]);
        let streams = |index: usize| Load { unary: [0, 50][index], streams: [3, 2][index], chosen: 0 };
        assert_eq!(policy.choose(2, true, streams), 1, "a stream goes where there are fewer streams");
    }

    #[test]
    fn pairs_are_distinct_and_even() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut seen = [[0u32; 4]; 4];
        for _ in 0..12_000 {
            let (one, other) = two_of(4, |bound| rng.usize(..bound));
            seen[one][other] += 1;
        }
        for (one, row) in seen.iter().enumerate() {
            for (other, hits) in row.iter().enumerate() {
                let expect = if one == other { 0..=0 } else { 850..=1150 };
                assert!(expect.contains(hits), "({one}, {other}): {hits}");
            }
        }
    }
}
