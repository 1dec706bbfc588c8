//! One line of the result: what was measured, against what, and whether it is enough.

/// A measured row. The ratio says how many times as good as its baseline ours is, whatever the unit.
pub struct Row {
    pub row: &'static str,
    pub unit: &'static str,
    pub ours: f64,
    pub baseline: f64,
    pub ratio: f64,
    pub wanted: f64,
    /// What else the reader should know: further numbers of the same run.
    pub notes: Vec<String>,
}

impl Row {
    /// From pairs of costs (ours, baseline), of which less is better: the lower quartile of each; the medians are noted.
    pub fn of_costs(row: &'static str, unit: &'static str, pairs: &[(f64, f64)], wanted: f64) -> Row {
        let of = |part: usize, value: fn(&(f64, f64)) -> f64| quantile(pairs.iter().map(value).collect(), part);
        let [(ours, baseline), (middle, bare)] = [1, 2].map(|part| (of(part, |pair| pair.0), of(part, |pair| pair.1)));
        let row = Row { row, unit, ours, baseline, ratio: baseline / ours, wanted, notes: Vec::new() };
        match pairs.len() {
            0 | 1 => row,
            _ => row.note(format!("medians: {middle:.1} against {bare:.1}, {:.2}", bare / middle)),
        }
    }

    /// From pairs of rates (ours, baseline), of which more is better: medians, and the median of the pairs' ratios.
    pub fn of_rates(row: &'static str, unit: &'static str, pairs: &[(f64, f64)], wanted: f64) -> Row {
        let of = |value: fn(&(f64, f64)) -> f64| median(pairs.iter().map(value).collect());
        let (ours, baseline, ratio) = (of(|pair| pair.0), of(|pair| pair.1), of(|pair| pair.0 / pair.1));
        Row { row, unit, ours, baseline, ratio, wanted, notes: Vec::new() }
    }

    /// With another note.
    pub fn note(mut self, note: String) -> Row {
        self.notes.push(note);
        self
    }

    /// Whether the ratio is reached.
    pub fn met(&self) -> bool {
        self.ratio >= self.wanted
    }

    fn json(&self) -> String {
        serde_json::json!({
            "row": self.row,
            "unit": self.unit,
            "ours": rounded(self.ours),
            "baseline": rounded(self.baseline),
            "ratio": rounded(self.ratio),
            "wanted": rounded(self.wanted),
            "met": self.met(),
        })
        .to_string()
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The middle one of the values.
pub fn median(values: Vec<f64>) -> f64 {
    quantile(values, 2)
}

/// The value with so many quarters of all below it.
fn quantile(mut values: Vec<f64>, quarters: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * quarters / 4).copied().unwrap_or(f64::NAN)
}

/// The table, the notes, and the lines of JSON.
pub fn print(rows: &[Row]) {
    println!("{:52} {:>12} {:>12} {:>7} {:>7}  unit", "row", "ours", "baseline", "ratio", "wanted");
    for row in rows {
        let (met, unit) = (if row.met() { "" } else { "  MISSED" }, row.unit);
        let Row { ours, baseline, ratio, wanted, .. } = row;
        println!("{:52} {ours:12.1} {baseline:12.1} {ratio:7.2} {wanted:7.2}  {unit}{met}", row.row);
        row.notes.iter().for_each(|note| println!("    {note}"));
    }
    rows.iter().for_each(|row| println!("{}", row.json()));
}
