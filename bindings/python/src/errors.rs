//! Exceptions, made from the bridge's table of error classes: one class per line under `FerroMQError`.
//!
//! Some are also what Python calls that kind of error, so that both styles of `except` work.
use ferromq_bridge::{Class, Failure, CLASSES};
use pyo3::exceptions::{PyConnectionError, PyException, PyRuntimeError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

const BASE: &str = "FerroMQError";
const BASE_DOC: &str =
    "What goes wrong with a message queue. `code`: the broker's response code, else Java's client-side \
    code, else -1. `retriable`: the same call may succeed later. `not_sent`: no server can have executed the request.";

/// The classes in the order of the table. Written once, when the module is made.
static TYPES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();

/// Makes the classes and adds them to the module.
pub fn install(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let base = make(py, BASE, BASE_DOC, vec![py.get_type::<PyException>()], true)?;
    module.add(BASE, &base)?;
    let mut types = Vec::with_capacity(CLASSES.len());
    for line in CLASSES {
        let mut bases = vec![base.clone()];
        bases.extend(mix_in(py, line.class));
        let class = make(py, line.name, line.doc, bases, false)?;
        module.add(line.name, &class)?;
        types.push(class.unbind());
    }
    // A second import of the module finds the classes of the first.
    let _ = TYPES.set(py, types);
    Ok(())
}

fn mix_in(py: Python<'_>, class: Class) -> Option<Bound<'_, PyType>> {
    match class {
        Class::Timeout => Some(py.get_type::<PyTimeoutError>()),
        Class::Connect => Some(py.get_type::<PyConnectionError>()),
        Class::Config | Class::Validation => Some(py.get_type::<PyValueError>()),
        _ => None,
    }
}

/// `type(name, bases, {...})`.
fn make<'py>(
    py: Python<'py>,
    name: &str,
    doc: &str,
    bases: Vec<Bound<'py, PyType>>,
    is_base: bool,
) -> PyResult<Bound<'py, PyType>> {
    let members = PyDict::new(py);
    members.set_item("__module__", "ferromq")?;
    members.set_item("__doc__", doc)?;
    if is_base {
        members.set_item("code", -1)?;
        members.set_item("retriable", false)?;
        members.set_item("not_sent", true)?;
    }
    let class = py.get_type::<PyType>().call1((name, PyTuple::new(py, bases)?, members))?;
    Ok(class.cast_into::<PyType>()?)
}

/// The exception object of a failure.
pub fn value<'py>(py: Python<'py>, failure: &Failure) -> PyResult<Bound<'py, PyAny>> {
    let types = TYPES.get(py).ok_or_else(|| PyRuntimeError::new_err("ferromq._native is not initialized"))?;
    let error = types[failure.class as usize - 1].bind(py).call1((failure.message.as_str(),))?;
    error.setattr(pyo3::intern!(py, "code"), failure.code)?;
    error.setattr(pyo3::intern!(py, "retriable"), failure.retriable)?;
    error.setattr(pyo3::intern!(py, "not_sent"), failure.not_sent)?;
    Ok(error)
}

/// The failure as what a function raises.
pub fn raised(failure: &Failure) -> PyErr {
    Python::attach(|py| value(py, failure).map_or_else(|error| error, PyErr::from_value))
}

/// The table: name and sentence of every class. For tests of what is written about them elsewhere.
#[pyfunction]
pub fn error_table() -> Vec<(&'static str, &'static str)> {
    CLASSES.iter().map(|line| (line.name, line.doc)).collect()
}
