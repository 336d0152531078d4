//! Latencies in buckets of at most 3 % width.

/// Buckets to each power of two.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Counts of latencies, in nanoseconds.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; (64 * STEPS) as usize], total: 0 }
    }

    #[inline]
    pub fn add(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.total += 1;
    }

    /// How many were added.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// The latency that the share `quantile` (0 to 1) does not exceed, in microseconds; 0 if empty.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        let wanted = (self.total as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper_bound(bucket as u64) as f64 / 1000.0;
            }
        }
        0.0
    }
}

/// Values below 32 have a bucket each; above, the five bits after the leading one choose.
#[inline]
fn bucket(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let shift = 63 - ns.leading_zeros() - STEP_BITS;
    (u64::from(shift) * STEPS + (ns >> shift)) as usize
}

fn upper_bound(bucket: u64) -> u64 {
    if bucket < 2 * STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_the_bucket_is_narrow() {
        for ns in (0..100_000).chain([1 << 20, (1 << 30) + 12345, 1 << 40]) {
            let bound = upper_bound(bucket(ns) as u64);
            assert!(bound >= ns && bound - ns <= ns / 32, "{ns}: {bound}");
        }
    }

    #[test]
    fn quantiles_of_one_to_a_thousand_microseconds() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile_us(0.5), 0.0);
        (1..=1000).for_each(|us| histogram.add(us * 1000));
        assert!((histogram.quantile_us(0.5) - 500.0).abs() < 16.0);
        assert!((histogram.quantile_us(0.99) - 990.0).abs() < 31.0);
    }
}
