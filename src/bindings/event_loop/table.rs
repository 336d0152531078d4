//! The table of reactors: there is one for each event loop.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyWeakrefReference};

use crate::bindings::event_loop::reactor::Reactor;

static TABLE: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Returns the reactor of `event_loop`, and makes it on first use.
pub fn reactor_of(event_loop: &Bound<'_, PyAny>) -> PyResult<Py<Reactor>> {
    let py = event_loop.py();
    let table = TABLE.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    // The table is keyed by identity. The reactor keeps its loop alive, so the entries of a weak table keyed
    // by the loop itself would never go away. An entry is replaced if its reactor is gone or belonged to
    // another loop at the same address.
    let key = event_loop.as_ptr() as usize;
    if let Some(entry) = table.get_item(key)?
        && let Some(found) = entry.cast::<PyWeakrefReference>()?.upgrade_as::<Reactor>()?
        && found.get().is_of(event_loop)
    {
        return Ok(found.unbind());
    }
    let made = Bound::new(py, Reactor::new(event_loop)?)?;
    forget_the_dead(table)?;
    table.set_item(key, PyWeakrefReference::new(&made)?)?;
    Ok(made.unbind())
}

/// All reactors.
#[cfg(unix)]
pub fn all(py: Python<'_>) -> PyResult<Vec<Py<Reactor>>> {
    let mut found = Vec::new();
    for entry in TABLE.get(py).into_iter().flat_map(|table| table.bind(py).values()) {
        let reactor = entry.cast::<PyWeakrefReference>()?.upgrade_as::<Reactor>()?;
        found.extend(reactor.map(Bound::unbind));
    }
    Ok(found)
}

/// Removes the entries of loops that are gone, so that a program with many short-lived loops does not
/// accumulate them.
fn forget_the_dead(table: &Bound<'_, PyDict>) -> PyResult<()> {
    let mut dead = Vec::new();
    for (key, entry) in table.iter() {
        if entry.cast::<PyWeakrefReference>()?.upgrade().is_none() {
            dead.push(key);
        }
    }
    dead.into_iter().try_for_each(|key| table.del_item(key))
}
