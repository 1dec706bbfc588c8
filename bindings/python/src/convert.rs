//! Python's values as those of the bridge: bytes, time spans, messages to be sent.
use crate::errors::raised;
use crate::message::MessageQueue;
use bytes::Bytes;
use ferromq_bridge::{Class, Failure, How, Message};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyString, PyTuple};
use std::time::Duration;

/// The longest wait: longer ones (also infinite ones) are this.
const SPAN_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Seconds as a time span.
pub fn span(seconds: f64) -> PyResult<Duration> {
    if seconds.is_nan() {
        return Err(PyValueError::new_err("a timeout cannot be NaN"));
    }
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).map_or(SPAN_MAX, |span| span.min(SPAN_MAX)))
}

/// A copy of anything that has bytes: `bytes`, a buffer, or text as UTF-8.
pub fn bytes_of(value: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Bytes::copy_from_slice(text.to_str()?.as_bytes()));
    }
    if let Ok(array) = value.cast::<PyByteArray>() {
        return Ok(Bytes::from(array.to_vec()));
    }
    // The stable interface has buffers from Python 3.11 on only.
    let Ok(view) = PyMemoryView::from(value) else {
        let given = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!("a body is bytes-like or str, not {given}")));
    };
    let copied = view.call_method0("tobytes")?;
    Ok(Bytes::copy_from_slice(copied.cast::<PyBytes>()?.as_bytes()))
}

/// A message as `send` gets it. Python's order of arguments is the order of the fields.
pub struct Draft<'a, 'py> {
    pub topic: &'a str,
    pub body: &'a Bound<'py, PyAny>,
    pub key: Option<&'a Bound<'py, PyAny>>,
    pub tag: Option<&'a str>,
    pub properties: Option<&'a Bound<'py, PyAny>>,
    pub sharding_key: Option<&'a str>,
    pub delay_level: i32,
    pub queue: Option<&'a Bound<'py, MessageQueue>>,
}

/// Fields of a draft.
const FIELDS: usize = 8;

impl Draft<'_, '_> {
    /// The message and where it goes.
    pub fn finish(&self) -> PyResult<(Message, How)> {
        let mut message = Message::new(self.topic, bytes_of(self.body)?);
        if let Some(key) = self.key {
            message = match key.cast::<PyString>() {
                Ok(key) => message.with_key(key.to_str()?),
                Err(_) => message.with_keys(key.extract::<Vec<String>>()?),
            };
        }
        if let Some(tag) = self.tag {
            message = message.with_tag(tag);
        }
        if let Some(properties) = self.properties {
            message = with_properties(message, properties)?;
        }
        if self.delay_level != 0 {
            message = message.with_delay_level(self.delay_level);
        }
        let how = match (self.sharding_key, self.queue) {
            (None, None) => How::Anywhere,
            (Some(key), None) => How::Sharded(key.to_owned()),
            (None, Some(queue)) => How::Queue(queue.get().0.clone()),
            (Some(_), Some(_)) => {
                let reason = format!("message to topic {}: give sharding_key or queue, not both", self.topic);
                return Err(raised(&Failure::new(Class::Validation, reason)));
            }
        };
        Ok((message, how))
    }
}

fn with_properties(mut message: Message, properties: &Bound<'_, PyAny>) -> PyResult<Message> {
    let plain = match properties.cast::<PyDict>() {
        Ok(plain) => plain.clone(),
        // Any other mapping.
        Err(_) => properties.py().get_type::<PyDict>().call1((properties,))?.cast_into::<PyDict>()?,
    };
    for (name, value) in plain {
        let (name, value) = (property_text(&name)?.to_owned(), property_text(&value)?.to_owned());
        message = message.with_property(name, value).map_err(|error| raised(&error.into()))?;
    }
    Ok(message)
}

fn property_text<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let Ok(text) = value.cast::<PyString>() else {
        let given = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!("names and values of properties are str, not {given}")));
    };
    text.to_str()
}

/// A message of `send_many`: a `ferromq.Message`, which is a tuple of a draft's fields.
pub fn message_of(at: usize, given: &Bound<'_, PyAny>) -> PyResult<(Message, How)> {
    let Some(fields) = given.cast::<PyTuple>().ok().filter(|fields| fields.len() == FIELDS) else {
        let given = given.get_type().name()?;
        return Err(PyTypeError::new_err(format!("item {at} is not a ferromq.Message but {given}")));
    };
    let optional = |at: usize| fields.get_item(at).map(|item| (!item.is_none()).then_some(item));
    let (topic, body) = (fields.get_item(0)?, fields.get_item(1)?);
    let (key, tag, properties) = (optional(2)?, optional(3)?, optional(4)?);
    let (sharding_key, queue) = (optional(5)?, optional(7)?);
    let draft = Draft {
        topic: topic.extract()?,
        body: &body,
        key: key.as_ref(),
        tag: tag.as_ref().map(|tag| tag.extract()).transpose()?,
        properties: properties.as_ref(),
        sharding_key: sharding_key.as_ref().map(|key| key.extract()).transpose()?,
        delay_level: fields.get_item(6)?.extract()?,
        queue: queue.as_ref().map(|queue| queue.cast::<MessageQueue>()).transpose()?,
    };
    draft.finish()
}
