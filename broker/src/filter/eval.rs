//! Evaluation (broker.md 6.4): three-valued logic, and comparisons with the conversions of the reference.
use super::expr::{Expr, Literal, Order, Search};
use super::{number, EvalError, WORK_MAX};
use std::cmp::Ordering;

/// What an operand is worth; `None` is unknown.
type Operand<'a> = Option<Value<'a>>;
type Truth = Result<Option<bool>, EvalError>;

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Bool(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(&'a str),
}

/// Evaluates a condition over the values of its properties.
pub(super) fn condition(expr: &Expr, values: &[Option<&str>]) -> Truth {
    Evaluation { values, work_left: WORK_MAX }.truth(expr)
}

struct Evaluation<'a> {
    values: &'a [Option<&'a str>],
    work_left: usize,
}

impl<'a> Evaluation<'a> {
    fn work(&mut self, units: usize) -> Result<(), EvalError> {
        self.work_left = self.work_left.checked_sub(units).ok_or(EvalError::TooMuchWork)?;
        Ok(())
    }

    fn property(&mut self, at: usize) -> Result<Option<&'a str>, EvalError> {
        let value = self.values.get(at).copied().flatten();
        self.work(value.map_or(0, str::len))?;
        Ok(value)
    }

    fn truth(&mut self, expr: &'a Expr) -> Truth {
        self.work(1)?;
        match expr {
            Expr::And(parts) => self.all(parts, true),
            Expr::Or(parts) => self.all(parts, false),
            Expr::Not(inner) => Ok(self.truth(inner)?.map(|truth| !truth)),
            // A property is a text, which is no boolean.
            Expr::Condition(property) => Ok(self.property(*property)?.map(|_| false)),
            Expr::Equal(operands) => {
                let (left, right) = (self.operand(&operands[0])?, self.operand(&operands[1])?);
                equal(left, right)
            }
            Expr::Order(order, operands) => self.ordered(*order, &operands[0], &operands[1]),
            Expr::Between { operands, not } => self.between(operands, *not),
            Expr::In { property, texts, not } => {
                let Some(value) = self.property(*property)? else { return Ok(None) };
                let found = texts.binary_search_by(|text| (**text).cmp(value)).is_ok();
                Ok(Some(found != *not))
            }
            Expr::Search { kind, operand, pattern, not } => self.search(*kind, operand, pattern, *not),
            Expr::Literal(Literal::Bool(truth)) => Ok(Some(*truth)),
            // Only NULL is left: the parser accepts nothing else as a condition.
            Expr::Literal(_) | Expr::Property(_) | Expr::Negate(_) => Ok(None),
        }
    }

    /// AND (`otherwise` true) and OR (`otherwise` false): the opposite of `otherwise` decides, unknown is remembered.
    fn all(&mut self, parts: &'a [Expr], otherwise: bool) -> Truth {
        let mut result = Some(otherwise);
        for part in parts {
            match self.truth(part)? {
                Some(truth) if truth != otherwise => return Ok(Some(truth)),
                Some(_) => {}
                None => result = None,
            }
        }
        Ok(result)
    }

    fn operand(&mut self, expr: &'a Expr) -> Result<Operand<'a>, EvalError> {
        Ok(match expr {
            Expr::Literal(literal) => {
                self.work(1)?;
                value_of(literal)
            }
            Expr::Property(property) => self.property(*property)?.map(Value::Text),
            Expr::Negate(inner) => {
                self.work(1)?;
                self.operand(inner)?.and_then(negated)
            }
            _ => self.truth(expr)?.map(Value::Bool),
        })
    }

    /// Unknown when an operand is; the right one is not looked at when the left one is.
    fn ordered(&mut self, order: Order, left: &'a Expr, right: &'a Expr) -> Truth {
        let Some(left) = self.operand(left)? else { return Ok(None) };
        let Some(right) = self.operand(right)? else { return Ok(None) };
        let ordering = match (left, right) {
            // Two texts have an order only as numbers.
            (Value::Text(left), Value::Text(right)) => {
                number::compare(needed(number::double(left))?, needed(number::double(right))?)
            }
            _ => compare(left, right)?,
        };
        Ok(Some(match order {
            Order::Greater => ordering.is_gt(),
            Order::GreaterEqual => ordering.is_ge(),
            Order::Less => ordering.is_lt(),
            Order::LessEqual => ordering.is_le(),
        }))
    }

    fn between(&mut self, [value, low, high]: &'a [Expr; 3], not: bool) -> Truth {
        let (of_low, of_high) =
            if not { (Order::Less, Order::Greater) } else { (Order::GreaterEqual, Order::LessEqual) };
        let first = self.ordered(of_low, value, low)?;
        if first == Some(not) {
            return Ok(first);
        }
        Ok(match (first, self.ordered(of_high, value, high)?) {
            (_, second) if second == Some(not) => second,
            (None, _) | (_, None) => None,
            (_, second) => second,
        })
    }

    /// False for what is no text and for an empty pattern, with NOT as well.
    fn search(&mut self, kind: Search, operand: &'a Expr, pattern: &str, not: bool) -> Truth {
        if pattern.is_empty() {
            return Ok(Some(false));
        }
        let Some(Value::Text(text)) = self.operand(operand)? else { return Ok(Some(false)) };
        self.work(pattern.len())?;
        let found = match kind {
            Search::Contains => text.contains(pattern),
            Search::StartsWith => text.starts_with(pattern),
            Search::EndsWith => text.ends_with(pattern),
        };
        Ok(Some(found != not))
    }
}

fn value_of(literal: &Literal) -> Operand<'_> {
    Some(match literal {
        Literal::Null => return None,
        Literal::Bool(truth) => Value::Bool(*truth),
        Literal::Int(number) => Value::Int(*number),
        Literal::Long(number) => Value::Long(*number),
        Literal::Double(number) => Value::Double(*number),
        Literal::Text(text) => Value::Text(text),
    })
}

/// The minus sign: unknown for what is no number.
fn negated(value: Value<'_>) -> Operand<'_> {
    match value {
        Value::Int(number) => Some(Value::Int(number.wrapping_neg())),
        Value::Long(number) => Some(Value::Long(number.wrapping_neg())),
        Value::Double(number) => Some(Value::Double(-number)),
        Value::Bool(_) | Value::Text(_) => None,
    }
}

/// Not symmetric: unknown = something is unknown, something = unknown is false.
fn equal(left: Operand<'_>, right: Operand<'_>) -> Truth {
    match (left, right) {
        (None, None) => Ok(Some(true)),
        (None, Some(_)) => Ok(None),
        (Some(_), None) => Ok(Some(false)),
        (Some(left), Some(right)) => Ok(Some(compare(left, right)?.is_eq())),
    }
}

fn needed<T>(number: Option<T>) -> Result<T, EvalError> {
    number.ok_or(EvalError::NotANumber)
}

/// Compares after converting the narrower number, or the text to the type of the other side. What cannot be converted is
/// "less".
fn compare(left: Value<'_>, right: Value<'_>) -> Result<Ordering, EvalError> {
    use Value::{Bool, Int, Long, Text};
    Ok(match (left, right) {
        (Bool(a), Bool(b)) => a.cmp(&b),
        (Text(a), Bool(b)) => a.eq_ignore_ascii_case("true").cmp(&b),
        (Bool(_), Text(_)) => return Err(EvalError::ConditionBeforeText),
        (Bool(_), _) | (_, Bool(_)) => Ordering::Less,
        (Text(a), Text(b)) => a.cmp(b),
        (Int(a), Int(b)) => a.cmp(&b),
        (Text(a), Int(b)) => needed(number::int(a))?.cmp(&b),
        (Int(a), Text(b)) => a.cmp(&needed(number::int(b))?),
        (Long(a), Long(b)) => a.cmp(&b),
        (Long(a), Int(b)) => a.cmp(&i64::from(b)),
        (Int(a), Long(b)) => i64::from(a).cmp(&b),
        (Text(a), Long(b)) => needed(number::long(a))?.cmp(&b),
        (Long(a), Text(b)) => a.cmp(&needed(number::long(b))?),
        (a, b) => number::compare(double(a)?, double(b)?),
    })
}

/// One side is a double: the other becomes one. Large whole numbers lose digits, as in Java.
fn double(value: Value<'_>) -> Result<f64, EvalError> {
    match value {
        Value::Double(number) => Ok(number),
        Value::Int(number) => Ok(f64::from(number)),
        Value::Long(number) => Ok(number as f64),
        Value::Text(text) => needed(number::double(text)),
        Value::Bool(truth) => Ok(f64::from(u8::from(truth))),
    }
}
