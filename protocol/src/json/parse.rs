//! The body parser.
use super::reference;
use super::scan::{scalar, RawText, Scalar, Scanner, DEPTH_MAX};
use super::{JsonError, Key, Value};

/// Most values of one document; more are an error. A topic table of 100,000 topics has about a million.
pub const VALUES_MAX: usize = 4_000_000;

/// Parses a document: one value with nothing but blanks and NULs behind it.
///
/// Beyond the standard it accepts unquoted integer and name keys, objects as keys, single quotes and trailing commas,
/// and resolves references to other objects of the document (`{"$ref":"$.a.b"}`); one that leads nowhere is an empty
/// object. Errors: text that is not UTF-8, not of the dialect, nested deeper than [`DEPTH_MAX`] or larger than
/// [`VALUES_MAX`].
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let text =
        std::str::from_utf8(bytes).map_err(|e| JsonError { at: e.valid_up_to(), what: "the text is not UTF-8" })?;
    let mut parser = Parser { scanner: Scanner::new(text), values: 0, references: false };
    let value = parser.value(0)?;
    parser.scanner.end()?;
    Ok(if parser.references { reference::resolve(value) } else { value })
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    values: usize,
    references: bool,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(self.scanner.error("too many values"));
        }
        match self.scanner.peek() {
            b'"' | b'\'' => self.text().map(Value::Text),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            _ => {
                let word = self.scanner.word()?;
                Ok(match scalar(word) {
                    Some(Scalar::Null) => Value::Null,
                    Some(Scalar::Bool(flag)) => Value::Bool(flag),
                    Some(Scalar::Int(int)) => Value::Int(int),
                    Some(Scalar::Float(float)) => Value::Float(float),
                    None => return Err(self.scanner.error("neither a number nor true, false or null")),
                })
            }
        }
    }

    fn text(&mut self) -> Result<String, JsonError> {
        let raw @ RawText { start, end, escaped } = self.scanner.string()?;
        if !escaped {
            return Ok(self.scanner.slice(start, end).to_string());
        }
        let mut text = String::with_capacity(end - start);
        self.scanner.unescape(raw, &mut text)?;
        Ok(text)
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.enter(depth)?;
        self.scanner.require(b'{', "an object is expected")?;
        let mut members = Vec::new();
        while !self.scanner.take(b'}') {
            let key = self.key(depth + 1)?;
            self.scanner.require(b':', "a colon is expected")?;
            let value = self.value(depth + 1)?;
            self.references |= key.as_str() == Some("$ref");
            members.push((key, value));
            if !self.scanner.take(b',') {
                self.scanner.require(b'}', "a comma or the end of the object is expected")?;
                break;
            }
        }
        Ok(Value::Object(members))
    }

    fn key(&mut self, depth: usize) -> Result<Key, JsonError> {
        match self.scanner.peek() {
            b'"' | b'\'' => self.text().map(Key::Text),
            b'{' => self.object(depth).map(|object| Key::Object(Box::new(object))),
            _ => {
                let word = self.scanner.word()?;
                Ok(word.parse().map_or_else(|_| Key::Text(word.to_string()), Key::Int))
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.enter(depth)?;
        self.scanner.require(b'[', "a list is expected")?;
        let mut items = Vec::new();
        while !self.scanner.take(b']') {
            items.push(self.value(depth + 1)?);
            if !self.scanner.take(b',') {
                self.scanner.require(b']', "a comma or the end of the list is expected")?;
                break;
            }
        }
        Ok(Value::Array(items))
    }

    fn enter(&self, depth: usize) -> Result<(), JsonError> {
        if depth >= DEPTH_MAX {
            return Err(self.scanner.error("nested too deeply"));
        }
        Ok(())
    }
}
