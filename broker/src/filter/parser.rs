//! From words to a tree (broker.md 6.3): recursive descent, loosest operator first.
//!
//! Two depths are bounded by [`DEPTH_MAX`]: of the descent (parentheses, signs, NOT), and of the tree, which chains of
//! comparisons deepen without a parenthesis. Evaluation and dropping follow the tree.
use super::checks::{check_bounds, check_equal, check_order, float, integer, unquoted};
use super::expr::{Expr, Literal, Order, Search};
use super::lexer::{Found, Keyword, Lexer, Token};
use super::{SqlError, DEPTH_MAX, EXPRESSION_BYTES_MAX};
use std::collections::HashMap;

const OPERAND: &str = "a property, a value, NOT or an opening parenthesis";
const TEXT: &str = "a text in single quotes";

/// Compiles a text: the tree and the names of its properties.
pub(super) fn parse(text: &str) -> Result<(Expr, Vec<Box<str>>), SqlError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(SqlError::TooLong { bytes: text.len() });
    }
    let mut parser = Parser { lexer: Lexer::new(text), peeked: None, nesting: 0, names: HashMap::new() };
    let node = parser.or()?;
    let root = parser.condition(node)?.expr;
    let mut names = vec![Box::from(""); parser.names.len()];
    parser.names.into_iter().for_each(|(name, at)| names[at] = Box::from(name));
    Ok((root, names))
}

/// A part of the tree.
pub(super) struct Node {
    pub expr: Expr,
    /// Where its text begins, bytes from 0.
    pub at: usize,
    depth: usize,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Found<'a>>,
    nesting: usize,
    names: HashMap<&'a str, usize>,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Result<Found<'a>, SqlError> {
        match self.peeked {
            Some(found) => Ok(found),
            None => Ok(*self.peeked.insert(self.lexer.next()?)),
        }
    }

    fn next(&mut self) -> Result<Found<'a>, SqlError> {
        let found = self.peek()?;
        self.peeked = None;
        Ok(found)
    }

    /// Takes the next word if it is this one.
    fn accept(&mut self, wanted: Token<'_>) -> Result<bool, SqlError> {
        let is_it = self.peek()?.1 == wanted;
        if is_it {
            self.peeked = None;
        }
        Ok(is_it)
    }

    fn need(&mut self, wanted: Token<'_>, expected: &'static str) -> Result<(), SqlError> {
        match self.next()? {
            (_, token) if token == wanted => Ok(()),
            found => Err(unexpected(found, expected)),
        }
    }

    fn or(&mut self) -> Result<Node, SqlError> {
        self.chain(Keyword::Or, Self::and, Expr::Or)
    }

    fn and(&mut self) -> Result<Node, SqlError> {
        self.chain(Keyword::And, Self::equality, Expr::And)
    }

    /// Parts joined by a keyword, as one node.
    fn chain(
        &mut self,
        joint: Keyword,
        part: fn(&mut Self) -> Result<Node, SqlError>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Node, SqlError> {
        let first = part(self)?;
        if !self.accept(Token::Keyword(joint))? {
            return Ok(first);
        }
        let Node { expr, at, mut depth } = self.condition(first)?;
        let mut parts = vec![expr];
        loop {
            let next = part(self)?;
            let next = self.condition(next)?;
            depth = depth.max(next.depth);
            parts.push(next.expr);
            if !self.accept(Token::Keyword(joint))? {
                return node(join(parts), at, depth);
            }
        }
    }

    /// A property counts as a condition; any other value does not.
    fn condition(&self, node: Node) -> Result<Node, SqlError> {
        match node.expr {
            Expr::Property(property) => Ok(Node { expr: Expr::Condition(property), ..node }),
            expr if expr.is_condition() => Ok(Node { expr, ..node }),
            _ => Err(SqlError::NotACondition { at: node.at + 1 }),
        }
    }

    fn equality(&mut self) -> Result<Node, SqlError> {
        let mut left = self.comparison()?;
        loop {
            let not = match self.peek()?.1 {
                Token::Symbol("=") => false,
                Token::Symbol("<>") => true,
                Token::Keyword(Keyword::Is) => {
                    self.next()?;
                    let not = self.accept(Token::Keyword(Keyword::Not))?;
                    self.need(Token::Keyword(Keyword::Null), "NULL")?;
                    let null = Node { expr: Expr::Literal(Literal::Null), at: left.at, depth: 1 };
                    left = equal(left, null, not)?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.next()?;
            let right = self.comparison()?;
            check_equal(&left, &right)?;
            left = equal(left, right, not)?;
        }
    }

    fn comparison(&mut self) -> Result<Node, SqlError> {
        let mut left = self.unary()?;
        loop {
            let order = match self.peek()?.1 {
                Token::Symbol(">") => Order::Greater,
                Token::Symbol(">=") => Order::GreaterEqual,
                Token::Symbol("<") => Order::Less,
                Token::Symbol("<=") => Order::LessEqual,
                Token::Keyword(
                    Keyword::Not
                    | Keyword::Between
                    | Keyword::In
                    | Keyword::Contains
                    | Keyword::StartsWith
                    | Keyword::EndsWith,
                ) => {
                    left = self.word_operator(left)?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.next()?;
            let right = self.unary()?;
            check_order(&left)?;
            check_order(&right)?;
            let depth = left.depth.max(right.depth);
            left = node(Expr::Order(order, Box::new([left.expr, right.expr])), left.at, depth)?;
        }
    }

    /// The operators that are words, with or without NOT before them.
    fn word_operator(&mut self, left: Node) -> Result<Node, SqlError> {
        let not = self.accept(Token::Keyword(Keyword::Not))?;
        let kind = match self.next()? {
            (_, Token::Keyword(Keyword::Between)) => return self.between(left, not),
            (_, Token::Keyword(Keyword::In)) => return self.list(&left, not),
            (_, Token::Keyword(Keyword::Contains)) => Search::Contains,
            (_, Token::Keyword(Keyword::StartsWith)) => Search::StartsWith,
            (_, Token::Keyword(Keyword::EndsWith)) => Search::EndsWith,
            found => return Err(unexpected(found, "BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH")),
        };
        let pattern = self.text()?;
        node(Expr::Search { kind, operand: Box::new(left.expr), pattern, not }, left.at, left.depth)
    }

    fn between(&mut self, value: Node, not: bool) -> Result<Node, SqlError> {
        let low = self.unary()?;
        self.need(Token::Keyword(Keyword::And), "AND")?;
        let high = self.unary()?;
        for operand in [&value, &low, &high] {
            check_order(operand)?;
        }
        if !not {
            check_bounds(&low, &high)?;
        }
        let depth = value.depth.max(low.depth).max(high.depth);
        node(Expr::Between { operands: Box::new([value.expr, low.expr, high.expr]), not }, value.at, depth)
    }

    fn list(&mut self, left: &Node, not: bool) -> Result<Node, SqlError> {
        self.need(Token::Symbol("("), "an opening parenthesis")?;
        let mut texts = vec![self.text()?];
        while self.accept(Token::Symbol(","))? {
            texts.push(self.text()?);
        }
        self.need(Token::Symbol(")"), "a comma or the closing parenthesis")?;
        texts.sort_unstable();
        texts.dedup();
        match left.expr {
            Expr::Property(property) => node(Expr::In { property, texts, not }, left.at, 0),
            _ => Err(SqlError::Operand { at: left.at + 1, operator: "IN", why: "only a property can be in a list" }),
        }
    }

    fn unary(&mut self) -> Result<Node, SqlError> {
        let (at, token) = self.peek()?;
        if !matches!(token, Token::Symbol("+" | "-" | "(") | Token::Keyword(Keyword::Not)) {
            return self.primary();
        }
        self.next()?;
        self.nesting += 1;
        if self.nesting > DEPTH_MAX {
            return Err(SqlError::TooDeep);
        }
        let result = match token {
            Token::Symbol("+") => self.unary()?,
            Token::Symbol("-") => {
                let inner = self.unary()?;
                node(Expr::Negate(Box::new(inner.expr)), at, inner.depth)?
            }
            Token::Keyword(_) => {
                let inner = self.unary()?;
                let inner = self.condition(inner)?;
                node(Expr::Not(Box::new(inner.expr)), at, inner.depth)?
            }
            _ => {
                let inner = self.or()?;
                self.need(Token::Symbol(")"), "an operator or the closing parenthesis")?;
                inner
            }
        };
        self.nesting -= 1;
        Ok(Node { at, ..result })
    }

    fn primary(&mut self) -> Result<Node, SqlError> {
        let (at, token) = self.next()?;
        let literal = match token {
            Token::Name(name) => {
                let next = self.names.len();
                let property = *self.names.entry(name).or_insert(next);
                return node(Expr::Property(property), at, 0);
            }
            Token::Text(raw) => Literal::Text(unquoted(raw)),
            Token::Integer(text) => integer(text, at)?,
            Token::Float(text) => float(text, at)?,
            Token::Keyword(Keyword::True) => Literal::Bool(true),
            Token::Keyword(Keyword::False) => Literal::Bool(false),
            Token::Keyword(Keyword::Null) => Literal::Null,
            _ => return Err(unexpected((at, token), OPERAND)),
        };
        node(Expr::Literal(literal), at, 0)
    }

    fn text(&mut self) -> Result<Box<str>, SqlError> {
        match self.next()? {
            (_, Token::Text(raw)) => Ok(unquoted(raw)),
            found => Err(unexpected(found, TEXT)),
        }
    }
}

/// A node above others of `depth`.
fn node(expr: Expr, at: usize, depth: usize) -> Result<Node, SqlError> {
    if depth >= DEPTH_MAX {
        return Err(SqlError::TooDeep);
    }
    Ok(Node { expr, at, depth: depth + 1 })
}

fn equal(left: Node, right: Node, not: bool) -> Result<Node, SqlError> {
    let (at, depth) = (left.at, left.depth.max(right.depth));
    let equal = node(Expr::Equal(Box::new([left.expr, right.expr])), at, depth)?;
    if not {
        return node(Expr::Not(Box::new(equal.expr)), at, equal.depth);
    }
    Ok(equal)
}

fn unexpected((at, token): Found<'_>, expected: &'static str) -> SqlError {
    let found = match token {
        Token::Keyword(keyword) => format!("{keyword:?}").to_uppercase(),
        Token::Name(text) | Token::Integer(text) | Token::Float(text) => format!("\"{text}\""),
        Token::Symbol(text) => format!("\"{text}\""),
        Token::Text(text) => format!("'{text}'"),
        Token::End => "the end".to_owned(),
    };
    SqlError::Unexpected { at: at + 1, found, expected }
}
