//! Integers from Python. One that is out of range raises a ValueError that names the argument, as in the pure
//! core, and never the OverflowError of a conversion.

use std::fmt::Display;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;

use crate::protocol::per_message_deflate::Bits;

/// Converts an integer from `low` to `high`. Raises TypeError if it is not an integer.
fn in_range<T: TryFrom<i64>>(
    name: &str,
    value: &Bound<'_, PyAny>,
    low: i64,
    high: i64,
) -> PyResult<T> {
    let py = value.py();
    let found = match value.extract::<i64>() {
        Ok(found) => (low..=high).contains(&found).then_some(found),
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => None,
        Err(error) => return Err(error),
    };
    found
        .and_then(|found| T::try_from(found).ok())
        .ok_or_else(|| out_of_range(name, value, low, high))
}

fn out_of_range(name: &str, value: &Bound<'_, PyAny>, low: i64, high: impl Display) -> PyErr {
    match value.str() {
        Ok(text) => {
            PyValueError::new_err(format!("{name} must be from {low} to {high}, not {text}"))
        }
        Err(error) => error,
    }
}

/// Converts a size or a limit. One that is too large for `T` becomes the largest `T`.
fn count<T: TryFrom<i64> + Bounded>(name: &str, value: &Bound<'_, PyAny>) -> PyResult<T> {
    let found: i64 = in_range(name, value, 0, i64::MAX)?;
    Ok(T::try_from(found).unwrap_or(T::MAX))
}

trait Bounded {
    const MAX: Self;
}

impl Bounded for u32 {
    const MAX: Self = Self::MAX;
}

impl Bounded for u64 {
    const MAX: Self = Self::MAX;
}

impl Bounded for usize {
    const MAX: Self = Self::MAX;
}

macro_rules! counts {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(
            pub fn $name(value: &Bound<'_, PyAny>) -> PyResult<$type> {
                count(stringify!($name), value)
            }
        )*
    };
}

counts! {
    concurrency_limit: usize,
    high_water_mark: usize,
    max_buffered_chunks: u32,
    max_fragments: u32,
    max_headers: usize,
    max_payload: u64,
    max_pending_auto_pongs: usize,
    nbytes: usize,
    read_ahead: usize,
    threshold: usize,
}

macro_rules! optional_counts {
    ($($name:ident),*) => {
        $(
            pub fn $name(value: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
                if value.is_none() { Ok(None) } else { count(stringify!($name), value).map(Some) }
            }
        )*
    };
}

optional_counts!(high, low);

/// Converts the level of zlib; -1 is its default.
pub fn level(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    in_range("level", value, -1, 9)
}

pub fn mem_level(value: &Bound<'_, PyAny>) -> PyResult<u8> {
    in_range("mem_level", value, 1, 9)
}

pub fn strategy(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    in_range("strategy", value, 0, 4)
}

/// Converts an option for window bits, which is `True`, `False` or 8..=15.
fn bits(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<Bits>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Ok(flag) = value.extract::<bool>() {
        return Ok(Some(if flag { Bits::Any } else { Bits::Refused }));
    }
    in_range(name, value, 8, 15).map(|bits| Some(Bits::Value(bits)))
}

pub fn server_max_window_bits(value: &Bound<'_, PyAny>) -> PyResult<Option<Bits>> {
    bits("server_max_window_bits", value)
}

pub fn client_max_window_bits(value: &Bound<'_, PyAny>) -> PyResult<Option<Bits>> {
    bits("client_max_window_bits", value)
}

/// Converts a close code. Returns None if it does not fit into 16 bits.
pub fn close_code(value: &Bound<'_, PyAny>) -> PyResult<Option<u16>> {
    match value.extract::<u16>() {
        Ok(code) => Ok(Some(code)),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Converts the code of a close frame to send; None is for a frame without a code.
pub fn code(value: &Bound<'_, PyAny>) -> PyResult<Option<u16>> {
    if value.is_none() {
        return Ok(None);
    }
    close_code(value)?.map(Some).ok_or_else(|| {
        value.str().map_or_else(
            |error| error,
            |text| {
                PyValueError::new_err(format!(
                    "{text} is not a close code that an endpoint may send"
                ))
            },
        )
    })
}
