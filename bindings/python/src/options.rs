//! Options: Python's keyword arguments through the bridge's tables, and the tables for documentation.
use crate::errors::raised;
use ferromq_bridge::options::{apply, Dialect, OptionSpec, OptionValue, LITE_OPTIONS, PRODUCER_OPTIONS, PUSH_OPTIONS};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyString};

/// How Python writes options.
pub const DIALECT: Dialect = Dialect::PYTHON;

/// Sets what the user gave. `None` leaves the default.
pub fn set<C>(config: &mut C, table: &[OptionSpec<C>], given: &Bound<'_, PyDict>) -> PyResult<()> {
    let mut values = Vec::with_capacity(given.len());
    for (name, value) in given {
        let name: String = name.extract()?;
        if !value.is_none() {
            let value = option_value(&name, &value)?;
            values.push((name, value));
        }
    }
    apply(config, table, DIALECT, values).map_err(|failure| raised(&failure))
}

fn option_value(name: &str, value: &Bound<'_, PyAny>) -> PyResult<OptionValue> {
    // First of all: True is a whole number as well.
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(OptionValue::Flag(flag.is_true()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(OptionValue::Text(text.to_str()?.to_owned()));
    }
    if value.is_instance_of::<PyInt>() {
        return value.extract().map(OptionValue::Int);
    }
    if value.is_instance_of::<PyFloat>() {
        return value.extract().map(OptionValue::Float);
    }
    if value.is_instance_of::<PyDelta>() {
        // Seconds are the dialect's unit; negative ones are refused with the option's name.
        return value.call_method0("total_seconds")?.extract().map(OptionValue::Float);
    }
    if value.is_instance_of::<PyDateTime>() {
        let seconds: f64 = value.call_method0("timestamp")?.extract()?;
        return Ok(OptionValue::Int((seconds * 1000.0).round() as i64));
    }
    let given = value.get_type().name()?;
    Err(PyTypeError::new_err(format!("option {name}: a {given} cannot be an option's value")))
}

/// The options of `producer`, `push` or `lite`: name, Java's name, default, what is accepted, one sentence.
#[pyfunction]
#[allow(clippy::type_complexity, reason = "five columns of a table")]
pub fn option_table(kind: &str) -> PyResult<Vec<(&'static str, &'static str, &'static str, String, &'static str)>> {
    match kind {
        "producer" => Ok(columns(PRODUCER_OPTIONS)),
        "push" => Ok(columns(PUSH_OPTIONS)),
        "lite" => Ok(columns(LITE_OPTIONS)),
        other => Err(PyKeyError::new_err(other.to_owned())),
    }
}

#[allow(clippy::type_complexity, reason = "five columns of a table")]
fn columns<C>(table: &[OptionSpec<C>]) -> Vec<(&'static str, &'static str, &'static str, String, &'static str)> {
    table.iter().map(|spec| (spec.name, spec.java, spec.default, spec.accepts(), spec.doc)).collect()
}
