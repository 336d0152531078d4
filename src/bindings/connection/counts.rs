//! Sums the counters of connections.

use pyo3::prelude::*;

use super::Connection;
use super::outbound::flush::total_written;
use crate::session::Host;

/// See `wsrs._backend.contract.Counts`.
type Sums = (u64, u64, u64, u64, u64, u64, u64, u64, f64, usize);

/// Sums the counters of `connections`.
#[pyfunction]
pub fn counts(connections: Vec<Bound<'_, Connection>>) -> Sums {
    let mut sums = [0; 8];
    let (mut seconds, mut answered) = (0.0, 0);
    for connection in &connections {
        let written = total_written(connection.get(), connection.py());
        let (totals, round_trip) = connection
            .with(|session| (session.counters().totals(written), session.counters().round_trip()));
        sums.iter_mut().zip(totals).for_each(|(sum, one)| *sum += one);
        if let Some(round_trip) = round_trip {
            seconds += round_trip.as_secs_f64();
            answered += 1;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    (a, b, c, d, e, f, g, h, seconds, answered)
}
