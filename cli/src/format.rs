//! What `consume` prints per message: a format string with fields, or JSON.
use ferromq::MessageExt;
use std::io::Write;

/// Help text of `--format`.
pub const FIELDS: &str = "Fields: %t topic, %b broker, %q queue, %o offset, %g tag, %k keys, %s body, %S body size, \
    %T store time (ms), %B born time (ms), %i message id, %r redeliveries, %h properties, %% percent; \\n \\t \\0 escapes";

/// A parsed format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Field(char),
}

impl Format {
    /// Parses a format string; the error names the field that does not exist.
    pub fn parse(text: &str) -> Result<Format, String> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match (c, if c == '%' || c == '\\' { chars.next() } else { None }) {
                ('%', Some('%')) => literal.push(b'%'),
                ('%', Some(field)) if "tbqogksSTBirh".contains(field) => {
                    parts.push(Part::Bytes(std::mem::take(&mut literal)));
                    parts.push(Part::Field(field));
                }
                ('%', other) => return Err(format!("there is no field %{}", other.unwrap_or(' '))),
                ('\\', Some('n')) => literal.push(b'\n'),
                ('\\', Some('t')) => literal.push(b'\t'),
                ('\\', Some('0')) => literal.push(0),
                ('\\', Some(other)) => literal.extend_from_slice(other.to_string().as_bytes()),
                (other, _) => literal.extend_from_slice(other.to_string().as_bytes()),
            }
        }
        parts.push(Part::Bytes(literal));
        Ok(Format(parts))
    }

    /// Writes one message.
    pub fn write(&self, out: &mut impl Write, m: &MessageExt) -> std::io::Result<()> {
        for part in &self.0 {
            match part {
                Part::Bytes(bytes) => out.write_all(bytes)?,
                Part::Field('t') => out.write_all(m.topic().as_bytes())?,
                Part::Field('b') => out.write_all(m.broker_name().as_bytes())?,
                Part::Field('q') => write!(out, "{}", m.queue_id())?,
                Part::Field('o') => write!(out, "{}", m.queue_offset())?,
                Part::Field('g') => out.write_all(m.tag().unwrap_or_default().as_bytes())?,
                Part::Field('k') => out.write_all(m.keys().unwrap_or_default().as_bytes())?,
                Part::Field('s') => out.write_all(m.body())?,
                Part::Field('S') => write!(out, "{}", m.body().len())?,
                Part::Field('T') => write!(out, "{}", m.store_timestamp())?,
                Part::Field('B') => write!(out, "{}", m.born_timestamp())?,
                Part::Field('i') => out.write_all(m.message_id().as_bytes())?,
                Part::Field('r') => write!(out, "{}", m.reconsume_times())?,
                Part::Field(_) => {
                    let all: Vec<String> = m.properties().map(|(name, value)| format!("{name}={value}")).collect();
                    out.write_all(all.join(",").as_bytes())?;
                }
            }
        }
        Ok(())
    }
}

/// One JSON object on one line. A body that is not UTF-8 becomes an array of numbers under `body_bytes`.
pub fn write_json(out: &mut impl Write, m: &MessageExt) -> std::io::Result<()> {
    let properties: serde_json::Map<String, serde_json::Value> =
        m.properties().map(|(name, value)| (name.to_string(), value.into())).collect();
    let mut line = serde_json::json!({
        "topic": m.topic(),
        "broker": m.broker_name(),
        "queue": m.queue_id(),
        "offset": m.queue_offset(),
        "tag": m.tag(),
        "keys": m.keys(),
        "message_id": m.message_id(),
        "store_time": m.store_timestamp(),
        "born_time": m.born_timestamp(),
        "reconsume_times": m.reconsume_times(),
        "properties": properties,
    });
    match std::str::from_utf8(m.body()) {
        Ok(text) => line["body"] = text.into(),
        Err(_) => line["body_bytes"] = m.body().to_vec().into(),
    }
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields, escapes and literals are told apart, and an unknown field is named.
    #[test]
    fn parses() {
        let format = Format::parse("%t\\t%%x\\n").unwrap();
        assert_eq!(format.0, [Part::Bytes(vec![]), Part::Field('t'), Part::Bytes(b"\t%x\n".to_vec())]);
        assert_eq!(Format::parse("%z"), Err("there is no field %z".into()));
        assert_eq!(Format::parse("%"), Err("there is no field % ".into()));
    }
}
