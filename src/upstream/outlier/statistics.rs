//! Who stands out among many (gRFC A50).

use super::record::Counts;
use crate::config::{FailurePercentageEjection, SuccessRateEjection};

/// The endpoints whose success rate is far below the mean, by index.
pub(super) fn success_rate(config: &SuccessRateEjection, counts: &[Counts]) -> Vec<usize> {
    let rates: Vec<_> = busy(counts, config.request_volume).map(|(index, c)| (index, c.rate())).collect();
    if rates.is_empty() || rates.len() < config.minimum_hosts {
        return Vec::new();
    }
    let count = rates.len() as f64;
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    // Of the population, not of a sample.
    let variance = rates.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / count;
    let least = mean - variance.sqrt() * f64::from(config.stdev_factor) / 1000.0;
    rates.into_iter().filter(|(_, rate)| *rate < least).map(|(index, _)| index).collect()
}

/// The endpoints with a larger share of failures than `threshold`, by index.
pub(super) fn failure_percentage(config: &FailurePercentageEjection, counts: &[Counts]) -> Vec<usize> {
    if busy(counts, config.request_volume).count() < config.minimum_hosts {
        return Vec::new();
    }
    let fails = |counts: &Counts| {
        u128::from(counts.failures) * 100 > u128::from(config.threshold) * u128::from(counts.volume())
    };
    let failing = busy(counts, config.request_volume).filter(|(_, counts)| fails(counts));
    failing.map(|(index, _)| index).collect()
}

/// Those with enough calls to say something.
fn busy(counts: &[Counts], volume: u64) -> impl Iterator<Item = (usize, &Counts)> {
    counts.iter().enumerate().filter(move |(_, counts)| counts.volume() >= volume.max(1))
}

impl Counts {
    fn volume(&self) -> u64 {
        self.successes.saturating_add(self.failures)
    }

    fn rate(&self) -> f64 {
        self.successes as f64 / self.volume() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(u64, u64)]) -> Vec<Counts> {
        list.iter().map(|&(successes, failures)| Counts { successes, failures }).collect()
    }

    #[test]
    fn success_rates_by_hand() {
        // mean 0.82, deviations 4 x 0.08 and 0.32: variance 0.0256, stdev 0.16; 0.82 - 1.9 x 0.16 = 0.516.
        let one_at_half = [(90, 10), (90, 10), (90, 10), (90, 10), (50, 50)];
        // mean 0.9, stdev 0.04 (four at 0.92, one at 0.82); 0.9 - 0.076 = 0.824.
        let one_just_below = [(92, 8), (92, 8), (92, 8), (92, 8), (82, 18)];
        // Of six: four at 1, two at 0.5: mean 0.8333, stdev 0.2357; 0.8333 - 0.4478 = 0.3855.
        let two_of_six = [(100, 0), (100, 0), (100, 0), (100, 0), (50, 50), (50, 50)];
        for (name, factor, list, expect) in [
            ("one at half", 1900, &one_at_half[..], &[4][..]),
            (
                "the factor is in thousandths: 0.82 - 2 x 0.16 = 0.5 is not below itself",
                2000,
                &one_at_half,
                &[],
            ),
            ("one just below", 1900, &one_just_below, &[4]),
            ("two of six hide each other", 1900, &two_of_six, &[]),
            ("a lower factor finds them: 0.8333 - 0.2357 = 0.5976", 1000, &two_of_six, &[4, 5]),
            ("all alike: stdev 0, and none is below the mean", 1900, &[(50, 50); 5], &[]),
            ("four are too few", 1900, &one_at_half[1..], &[]),
            (
                "99 calls are too few, so four are left",
                1900,
                &[(90, 10), (90, 10), (90, 10), (90, 10), (0, 99)],
                &[],
            ),
        ] {
            let config = SuccessRateEjection { stdev_factor: factor, ..Default::default() };
            assert_eq!(success_rate(&config, &counts(list)), expect, "{name}");
        }
    }

    #[test]
    fn failure_percentages_by_hand() {
        let good = (100, 0);
        for (name, list, expect) in [
            ("over", [good, good, good, good, (14, 86)], &[4][..]),
            ("at the threshold is not over it", [good, good, good, good, (15, 85)], &[]),
            ("all of them", [(0, 50); 5], &[0, 1, 2, 3, 4]),
            ("too few calls on one of five", [good, good, good, (0, 100), (0, 49)], &[]),
        ] {
            let config = FailurePercentageEjection::default();
            assert_eq!(failure_percentage(&config, &counts(&list)), expect, "{name}");
        }
    }

    #[test]
    fn nobody_stands_out_of_nobody() {
        let rate = SuccessRateEjection { minimum_hosts: 0, request_volume: 0, ..Default::default() };
        assert!(success_rate(&rate, &counts(&[(0, 0), (0, 0)])).is_empty());
        let percentage =
            FailurePercentageEjection { minimum_hosts: 0, request_volume: 0, ..Default::default() };
        assert!(failure_percentage(&percentage, &counts(&[(0, 0)])).is_empty());
    }
}
