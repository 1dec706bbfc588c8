//! The proof: what every group has seen beside what the file says.
use crate::data::{Fate, Flight};
use crate::ledger::Books;
use std::collections::HashMap;

const HEAD: [&str; 10] = [
    "group",
    "expected",
    "distinct",
    "redelivered",
    "out of order",
    "damaged",
    "aircraft",
    "miles",
    "members",
    "agrees",
];

/// Prints the table; true when every number agrees with the file. With `shared` both members of group A must have had a
/// part.
pub fn report(groups: &[(&str, Books)], flights: &[Flight], shared: bool) -> bool {
    let mut rows = vec![HEAD.map(String::from)];
    let mut agreed = true;
    for (name, books) in groups {
        let wanted: Vec<&Flight> = flights.iter().filter(|f| *name != "B" || f.fate == Fate::Late).collect();
        let ok = agrees(books, &wanted) && (*name != "A" || !shared || has_part(books, "A2 rust"));
        agreed &= ok;
        rows.push(row(name, books, wanted.len(), ok));
    }
    print(&rows);
    agreed
}

fn agrees(books: &Books, wanted: &[&Flight]) -> bool {
    let mut aircraft: HashMap<String, (u32, u64)> = HashMap::new();
    for flight in wanted {
        let (flights, miles) = aircraft.entry(flight.aircraft.clone()).or_default();
        *flights += 1;
        *miles += flight.distance;
    }
    books.places.len() == wanted.len() && books.out_of_order == 0 && books.damaged == 0 && books.aircraft == aircraft
}

fn has_part(books: &Books, member: &str) -> bool {
    books.members.get(member).is_some_and(|deliveries| *deliveries > 0)
}

fn row(name: &str, books: &Books, expected: usize, ok: bool) -> [String; 10] {
    let miles: u64 = books.aircraft.values().map(|(_, miles)| miles).sum();
    let mut members: Vec<String> = books.members.iter().map(|(member, n)| format!("{member} {n}")).collect();
    members.sort();
    [
        name.to_string(),
        expected.to_string(),
        books.places.len().to_string(),
        books.redelivered.to_string(),
        books.out_of_order.to_string(),
        books.damaged.to_string(),
        books.aircraft.len().to_string(),
        miles.to_string(),
        members.join(", "),
        if ok { "yes" } else { "NO" }.to_string(),
    ]
}

fn print(rows: &[[String; 10]]) {
    let mut widths = [0; 10];
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.len()));
    }
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
        println!("| {} |", cells.join(" | "));
        if i == 0 {
            let rules: Vec<String> = widths.iter().map(|width| format!("{}:", "-".repeat(*width + 1))).collect();
            println!("|{}|", rules.join("|"));
        }
    }
}
