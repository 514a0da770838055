//! Weighted turns without a lock.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// gRPC's static-stride scheduler (`static_stride_scheduler.cc` of its C core): an endpoint has its turn in as many of
/// 65535 rounds as its weight says, spread evenly over them.
///
/// All that changes is one counter that others share, so that a scheduler made anew with other weights goes on where the
/// one before it stood.
#[derive(Debug)]
pub(super) struct Stride {
    weights: Box<[u16]>,
}

impl Stride {
    /// `None` where turns are all that weights come to: all alike, or fewer than two above zero.
    ///
    /// A weight of zero is one that nobody knows, and counts as the mean of the others. None counts more than ten times
    /// the mean or less than a hundredth of it: a single wrong report is not to starve everyone, nor its own endpoint.
    pub(super) fn new(weights: &[f64]) -> Option<Self> {
        let mean = mean(weights)?;
        let highest = weights.iter().copied().fold(0.0, f64::max).min(mean * MOST_MEANS);
        let scale = f64::from(FULL) / highest;
        // `as` saturates, and nothing here is above `FULL`.
        let scaled = |weight: f64| (weight.min(highest) * scale).round() as u16;
        let mean = scaled(mean);
        let least = ((f64::from(mean) * LEAST_MEANS).round() as u16).max(1);
        let weights: Box<[u16]> = weights
            .iter()
            .map(|weight| if *weight > 0.0 { scaled(*weight).max(least) } else { mean })
            .collect();
        let differ = weights.windows(2).any(|pair| matches!(pair, [one, other] if one != other));
        differ.then_some(Self { weights })
    }

    /// Whose turn is next.
    pub(super) fn next(&self, turn: &AtomicUsize) -> usize {
        let count = self.weights.len();
        // Ends within two rounds: the heaviest has its turn in each.
        loop {
            let turn = turn.fetch_add(1, Relaxed);
            let (index, round) = (turn % count, turn / count % usize::from(FULL));
            let weight = self.weights.get(index).copied().map_or(0, u64::from);
            // The offset keeps neighbours of one weight from sitting out the same rounds.
            let place = (weight * round as u64 + index as u64 * u64::from(FULL / 2)) % u64::from(FULL);
            if place >= u64::from(FULL) - weight {
                return index;
            }
        }
    }
}

/// The mean of the weights above zero; `None` for fewer than two of them.
pub(super) fn mean(weights: &[f64]) -> Option<f64> {
    let known = weights.iter().filter(|weight| **weight > 0.0);
    let (count, sum) = known.fold((0u32, 0.0), |(count, sum), weight| (count + 1, sum + weight));
    (count > 1).then(|| sum / f64::from(count))
}

const FULL: u16 = u16::MAX;

/// `kMaxRatio` and `kMinRatio` of gRPC.
const MOST_MEANS: f64 = 10.0;
const LEAST_MEANS: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each has its turn, from turn `0` on.
    fn picks(weights: &[f64], count: usize) -> Vec<usize> {
        let (stride, turn) = (Stride::new(weights).unwrap(), AtomicUsize::new(0));
        let mut picks = vec![0; weights.len()];
        for _ in 0..count {
            picks[stride.next(&turn)] += 1;
        }
        picks
    }

    /// The cases of `static_stride_scheduler_test.cc` of gRPC's C core.
    #[test]
    fn turns_are_those_of_grpc() {
        for weights in [&[][..], &[0.0], &[0.0; 4], &[1.0], &[3.0, 0.0], &[300.0, 300.0, 0.0]] {
            assert!(Stride::new(weights).is_none(), "{weights:?}");
        }
        assert_eq!(picks(&[1.0, 2.0, 3.0], 6), [1, 2, 3]);
        assert_eq!(picks(&[3.0, 0.0, 1.0], 6), [3, 2, 1], "unknown counts as the mean");
        let mut uneven = [1.0; 20];
        uneven[0] = 81.0;
        let mut expect = [1; 20];
        expect[0] = 50;
        assert_eq!(picks(&uneven, 69), expect, "ten times the mean at most");
        assert_eq!(picks(&[100.0, 1e-10], 201), [200, 1], "a hundredth of the mean at least");
        assert_eq!(picks(&[1.0, 2.0, 3.0], 2 * 65535)[2], 65535, "the heaviest in every round");
    }

    #[test]
    fn a_scheduler_made_anew_goes_on() {
        let weights = [1.0, 2.0, 3.0];
        let (stride, turn) = (Stride::new(&weights).unwrap(), AtomicUsize::new(0));
        let expect: Vec<_> = (0..100).map(|_| stride.next(&turn)).collect();
        let turn = AtomicUsize::new(0);
        let found: Vec<_> = (0..100).map(|_| Stride::new(&weights).unwrap().next(&turn)).collect();
        assert_eq!(found, expect);
    }
}
