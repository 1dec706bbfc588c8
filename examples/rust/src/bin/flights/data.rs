//! The departures from New York's airports: one message per flight, in the order of the file.
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// What became of a departure. The tag of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Left a quarter of an hour late or more.
    Late,
    /// Left.
    OnTime,
    /// Did not leave.
    Cancelled,
}

impl Fate {
    /// The tag.
    pub fn tag(self) -> &'static str {
        match self {
            Fate::Late => "late",
            Fate::OnTime => "on-time",
            Fate::Cancelled => "cancelled",
        }
    }
}

/// One departure.
#[derive(Debug, Clone)]
pub struct Flight {
    /// Tail number, or `flight-` with carrier and number where the record has none: sharding key and message key.
    pub aircraft: String,
    /// Position among the flights of this aircraft, from 0.
    pub sequence: u32,
    /// Miles.
    pub distance: u64,
    /// Tag.
    pub fate: Fate,
    /// `carrier`, `origin`, `dest`.
    pub properties: [(&'static str, String); 3],
    /// All columns as a JSON object.
    pub body: Vec<u8>,
}

impl Flight {
    /// Names and values of all properties of its message.
    pub fn all_properties(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let numbers = [("sequence", self.sequence.to_string()), ("distance", self.distance.to_string())];
        self.properties.iter().cloned().chain(numbers)
    }
}

/// Minutes from which a departure counts as late.
const LATE_MINUTES: i64 = 15;

/// Reads a `flights.csv`, plain or compressed (`.gz`).
pub fn load(path: &Path) -> Result<Vec<Flight>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut text = String::new();
    if path.extension().is_some_and(|e| e == "gz") {
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .map_err(|e| format!("{} is damaged: {e}", path.display()))?;
    } else {
        text = String::from_utf8(bytes).map_err(|_| format!("{} is not text", path.display()))?;
    }
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut seen: HashMap<String, u32> = HashMap::new();
    lines
        .enumerate()
        .map(|(i, line)| flight(&names, line, &mut seen).map_err(|e| format!("line {}: {e}", i + 2)))
        .collect()
}

fn flight(names: &[&str], line: &str, seen: &mut HashMap<String, u32>) -> Result<Flight, String> {
    let values: Vec<&str> = line.split(',').collect();
    if values.len() != names.len() {
        return Err(format!("{} columns instead of {}", values.len(), names.len()));
    }
    let row: HashMap<&str, &str> = names.iter().copied().zip(values).collect();
    let column = |name: &str| match row.get(name) {
        Some(&("" | "NA")) => Ok(None),
        Some(value) => Ok(Some(*value)),
        None => Err(format!("there is no column {name}")),
    };
    let text = |name: &str| column(name).map(|v| v.unwrap_or_default().to_string());
    let aircraft = match column("tailnum")? {
        Some(tail) => tail.to_string(),
        None => format!("flight-{}{}", text("carrier")?, text("flight")?),
    };
    let delay: i64 = column("dep_delay")?.and_then(|d| d.parse().ok()).unwrap_or(0);
    let fate = match column("dep_time")? {
        None => Fate::Cancelled,
        Some(_) if delay >= LATE_MINUTES => Fate::Late,
        Some(_) => Fate::OnTime,
    };
    let next = seen.entry(aircraft.clone()).or_default();
    let sequence = *next;
    *next += 1;
    let object: serde_json::Map<String, serde_json::Value> = names
        .iter()
        .map(|name| (name.to_string(), row[name].parse::<i64>().map_or_else(|_| row[name].into(), Into::into)))
        .collect();
    Ok(Flight {
        aircraft,
        sequence,
        distance: text("distance")?.parse().unwrap_or(0),
        fate,
        properties: [("carrier", text("carrier")?), ("origin", text("origin")?), ("dest", text("dest")?)],
        body: serde_json::Value::from(object).to_string().into_bytes(),
    })
}
