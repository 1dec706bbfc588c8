//! The tree of a compiled expression.

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    /// What fits 32 bits; compared with a text, that has to fit, too.
    Int(i32),
    Long(i64),
    Double(f64),
    Text(Box<str>),
}

/// Comparisons by order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

/// Searches in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    Contains,
    StartsWith,
    EndsWith,
}

/// A node. Properties are positions in the list of names.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Literal(Literal),
    Property(usize),
    Negate(Box<Expr>),
    Not(Box<Expr>),
    /// A property used as a condition.
    Condition(usize),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Order(Order, Box<[Expr; 2]>),
    /// Also IS NULL, with the literal NULL on the right.
    Equal(Box<[Expr; 2]>),
    /// Value, low, high.
    Between {
        operands: Box<[Expr; 3]>,
        not: bool,
    },
    In {
        property: usize,
        /// Sorted, each once.
        texts: Vec<Box<str>>,
        not: bool,
    },
    Search {
        kind: Search,
        operand: Box<Expr>,
        pattern: Box<str>,
        not: bool,
    },
}

impl Expr {
    /// True for what evaluates to true, false or unknown by its form. NULL counts as one.
    pub fn is_condition(&self) -> bool {
        match self {
            Self::Literal(literal) => matches!(literal, Literal::Null | Literal::Bool(_)),
            Self::Property(_) | Self::Negate(_) => false,
            _ => true,
        }
    }
}
