//! What an expression may not say although its words are in order (broker.md 6.3), and the values of its constants.
use super::expr::{Expr, Literal};
use super::parser::Node;
use super::SqlError;

/// NULL is compared with IS NULL; a boolean constant is not compared with another constant on its right.
pub(super) fn check_equal(left: &Node, right: &Node) -> Result<(), SqlError> {
    let refused = |node: &Node, why| Err(SqlError::Operand { at: node.at + 1, operator: "= or <>", why });
    for node in [left, right] {
        if node.expr == Expr::Literal(Literal::Null) {
            return refused(node, "use IS NULL or IS NOT NULL");
        }
    }
    match (&left.expr, &right.expr) {
        (Expr::Literal(Literal::Bool(_)), Expr::Literal(Literal::Bool(_))) => Ok(()),
        (Expr::Literal(Literal::Bool(_)), Expr::Literal(_)) => refused(right, "it is neither TRUE nor FALSE"),
        _ => Ok(()),
    }
}

/// Order is for numbers and for what may be one.
pub(super) fn check_order(node: &Node) -> Result<(), SqlError> {
    match &node.expr {
        Expr::Literal(Literal::Int(_) | Literal::Long(_) | Literal::Double(_)) => Ok(()),
        expr if !expr.is_condition() && !matches!(expr, Expr::Literal(_)) => Ok(()),
        _ => {
            let why = "only numbers and properties have an order";
            Err(SqlError::Operand { at: node.at + 1, operator: "<, <=, >, >= or BETWEEN", why })
        }
    }
}

/// Constant bounds of BETWEEN have to be in order.
pub(super) fn check_bounds(low: &Node, high: &Node) -> Result<(), SqlError> {
    match (&low.expr, &high.expr) {
        (Expr::Literal(least), Expr::Literal(most)) if is_above(least, most) => {
            let why = "the lower bound is above the upper one";
            Err(SqlError::Operand { at: low.at + 1, operator: "BETWEEN", why })
        }
        _ => Ok(()),
    }
}

fn is_above(low: &Literal, high: &Literal) -> bool {
    let double = |literal: &Literal| match literal {
        Literal::Int(number) => f64::from(*number),
        Literal::Long(number) => *number as f64,
        Literal::Double(number) => *number,
        _ => f64::NAN,
    };
    let whole = |literal: &Literal| match literal {
        Literal::Int(number) => Some(i64::from(*number)),
        Literal::Long(number) => Some(*number),
        _ => None,
    };
    match (whole(low), whole(high)) {
        (Some(low), Some(high)) => low > high,
        _ => double(low) > double(high),
    }
}

/// The text that a quoted one stands for.
pub(super) fn unquoted(raw: &str) -> Box<str> {
    raw.replace("''", "'").into_boxed_str()
}

/// Whole numbers are as narrow as they can be.
pub(super) fn integer(text: &str, at: usize) -> Result<Literal, SqlError> {
    let range = "whole numbers go up to 9223372036854775807";
    let number: i64 = text.parse().map_err(|_| SqlError::Number { at: at + 1, text: text.to_owned(), range })?;
    Ok(i32::try_from(number).map_or(Literal::Long(number), Literal::Int))
}

/// Zero and what rounds to it are out of range, as with Apache.
pub(super) fn float(text: &str, at: usize) -> Result<Literal, SqlError> {
    let range = "floating numbers go from 4.9E-324 to 1.7976931348623157E308";
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.map(Literal::Double).ok_or_else(|| SqlError::Number { at: at + 1, text: text.to_owned(), range })
}
