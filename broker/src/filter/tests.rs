//! Rules that the recorded results do not cover, bounds, and laws that hold for any expression and message.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const MESSAGE: &str =
    "a\u{1}22\u{2}s\u{1}granite\u{2}d\u{1}2.5\u{2}a1\u{1}7\u{2}long\u{1}9999999999\u{2}yes\u{1}True\u{2}";

fn result(expression: &str) -> Result<Option<bool>, EvalError> {
    Sql::compile(expression).unwrap().evaluate(MESSAGE)
}

fn error(expression: &str) -> String {
    Sql::compile(expression).unwrap_err().to_string()
}

// Words: case, longest match, comments with and without an end of line, what is never read.
#[test]
fn words() {
    for text in [
        "a>21and s='granite'",
        "a1 = 7",
        "a = 0022. ",
        "a = 22L",
        "a -- all\n = 22",
        "a = 22 -- all",
        "a /**/ = /* ** / */ 22",
        "a = 22 garbage !!! '",
        "a = 22 ) ) )",
        "a > 0L",
        "a > 2.1E1",
        "a > .21e+2",
        "s iN ('x', 'granite')",
        "s sTaRtSwItH 'gran'",
        "a\t=\u{C}22\r\n",
    ] {
        assert_eq!(result(text), Ok(Some(true)), "{text}");
    }
    assert_eq!(Sql::compile("a = 22 !"), Err(SqlError::Character { at: 8, found: '!' }));
    assert_eq!(Sql::compile("a = \u{4E2D}"), Err(SqlError::Character { at: 5, found: '\u{4E2D}' }));
    assert_eq!(Sql::compile("s = 'x''"), Err(SqlError::Open { at: 5, what: "text" }));
    assert_eq!(Sql::compile("a = 1 /* x"), Err(SqlError::Open { at: 7, what: "comment" }));
    assert_eq!(Sql::compile("a = ."), Err(SqlError::Character { at: 5, found: '.' }));
}

// A condition left of a text is an error in Apache, the other way round it is converted; types that do not fit are unequal.
#[test]
fn conversions() {
    assert_eq!(result("TRUE = yes"), Err(EvalError::ConditionBeforeText));
    assert_eq!(result("yes = TRUE"), Ok(Some(true)));
    assert_eq!(result("(a > 1) = 5"), Ok(Some(false)));
    assert_eq!(result("(a > 1) <> 5"), Ok(Some(true)));
    assert_eq!(result("long > 5"), Err(EvalError::NotANumber), "does not fit the type of 5");
    assert_eq!(result("long > 5L"), Err(EvalError::NotANumber), "5L is an int, too");
    assert_eq!(result("long > 5000000000"), Ok(Some(true)));
    assert_eq!(result("d > 2"), Err(EvalError::NotANumber));
    assert_eq!(result("d > 2.4"), Ok(Some(true)));
    assert_eq!(result("-d < 0"), Ok(None));
    assert_eq!(result("- - 5 = 5"), Ok(Some(true)));
    assert_eq!(result("d < a"), Ok(Some(true)), "two texts are compared as doubles");
    assert_eq!(result("5 = missing"), Ok(Some(false)));
    assert_eq!(result("missing = 5"), Ok(None));
    assert_eq!(result("NULL AND a = 1"), Ok(Some(false)));
    assert_eq!(result("a BETWEEN -30 AND -10"), Ok(Some(false)));
    assert_eq!(result("5 CONTAINS '5'"), Ok(Some(false)));
    assert_eq!(result("5 NOT CONTAINS '5'"), Ok(Some(false)));
    assert_eq!(result("s NOT STARTSWITH ''"), Ok(Some(false)));
}

// An expression that is refused says where and why.
#[test]
fn errors_name_the_place() {
    assert_eq!(
        error("a >"),
        "the end at position 4, where a property, a value, NOT or an opening parenthesis is expected"
    );
    assert_eq!(error("s IN (1)"), "\"1\" at position 7, where a text in single quotes is expected");
    assert!(error("a IN ('x'").starts_with("the end at position 10"));
    assert!(error("5 IN ('x')").contains("position 1 cannot be used with IN"));
    assert!(error("a = NULL").contains("position 5"));
    assert!(error("TRUE = 5").contains("position 8"));
    assert!(error("a > 'x'").contains("position 5"));
    assert!(error("a BETWEEN 5 AND 1").contains("lower bound"));
    assert!(error("1 AND 2").contains("position 1 is no condition"));
    assert!(error("a = 9223372036854775808").contains("out of range"));
    for number in ["0.0", "1e400", "1e-400", ".0e5"] {
        assert!(error(&format!("d > {number}")).contains("out of range"), "{number}");
    }
    for text in
        ["", " ", "a NOT", "a NOT LIKE 'x'", "a IS 5", "a IS NOT 5", "a BETWEEN 1", "()", "= 1", "NOT", "a CONTAINS b"]
    {
        assert!(matches!(Sql::compile(text), Err(SqlError::Unexpected { .. })), "{text:?}");
    }
}

// Everything that could be without a bound has one: length, nesting in all its forms, and the work of one evaluation.
#[test]
fn bounds() {
    let long = format!("a = '{}'", "x".repeat(EXPRESSION_BYTES_MAX));
    assert!(matches!(Sql::compile(&long), Err(SqlError::TooLong { .. })));
    let nested =
        |open: &str, close: &str, levels: usize| format!("{}a = 1{}", open.repeat(levels), close.repeat(levels));
    for (open, close) in [("(", ")"), ("NOT (", ")"), ("+", ""), ("- ", ""), ("(TRUE AND ", ")"), ("(", " = 1)")] {
        assert!(Sql::compile(&nested(open, close, 10)).is_ok(), "{open}");
        assert_eq!(Sql::compile(&nested(open, close, 5000)), Err(SqlError::TooDeep), "{open}");
    }
    assert_eq!(Sql::compile(&format!("a{}", " = 1".repeat(5000))), Err(SqlError::TooDeep));
    assert_eq!(Sql::compile(&format!("a{}", " IS NULL".repeat(5000))), Err(SqlError::TooDeep));
    let wide = format!("a = 1{}", " OR a = 22".repeat(5000));
    assert_eq!(result(&wide), Ok(Some(true)));
    let slow = Sql::compile(&format!("v = 'x'{}", " OR v CONTAINS 'q'".repeat(500))).unwrap();
    assert_eq!(slow.evaluate(&format!("v\u{1}{}\u{2}", "x".repeat(32_000))), Err(EvalError::TooMuchWork));
    assert_eq!(slow.evaluate(&format!("v\u{1}{}\u{2}", "x".repeat(100))), Ok(Some(false)));
}

// Many properties, repeated names, and texts that are no properties.
#[test]
fn properties_are_looked_up_like_java_does() {
    let names: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let all: Vec<String> = names.iter().map(|name| format!("{name} = '{name}'")).collect();
    let text: String = names.iter().rev().map(|name| format!("{name}\u{1}{name}\u{2}")).collect();
    assert!(Sql::compile(&all.join(" AND ")).unwrap().matches(&text));
    let a = Sql::compile("a = '2'").unwrap();
    assert!(a.matches("a\u{1}1\u{2}a\u{1}2\u{2}") && !a.matches("a\u{1}2\u{2}a\u{1}1\u{2}"));
    assert_eq!(a.evaluate("garbage"), Ok(None));
    assert_eq!(a.evaluate("a\u{1}\u{2}"), Ok(None));
}

fn operand() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "s", "d", "yes", "long", "missing"]).prop_map(str::to_owned),
        (0..100i64).prop_map(|n| n.to_string()),
        (0..100i64).prop_map(|n| format!("- {n}.5")),
        "[a-z']{0,4}".prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let simple = prop_oneof![
        (operand(), prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]), operand())
            .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (operand(), 0..50i64, 0..50i64).prop_map(|(v, a, b)| format!("{v} BETWEEN {a} AND {}", a + b)),
        (operand(), any::<bool>()).prop_map(|(v, not)| format!("{v} IS {}NULL", if not { "NOT " } else { "" })),
        prop::sample::select(vec!["TRUE", "FALSE", "NULL", "yes", "missing"]).prop_map(str::to_owned),
        (operand(), "[a-z]{0,2}").prop_map(|(v, p)| format!("{v} CONTAINS '{p}'")),
        prop::collection::vec("[a-z]{0,3}", 1..8).prop_map(|list| format!("s IN ('{}')", list.join("', '"))),
    ];
    simple.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) AND ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) OR ({b})")),
            inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

/// The result, or the error as a text; `None` when it does not compile.
fn outcome(expression: &str, message: &str) -> Option<Result<Option<bool>, EvalError>> {
    Sql::compile(expression).ok().map(|sql| sql.evaluate(message))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    // Any text compiles or is refused, any message is judged; nothing panics.
    #[test]
    fn any_text(text in ".{0,60}", words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..30), message in ".{0,40}") {
        for expression in [text, words.join(" "), words.concat()] {
            if let Ok(sql) = Sql::compile(&expression) {
                let _ = sql.evaluate(&message);
                let _ = sql.evaluate(MESSAGE);
            }
        }
    }

    // Case of keywords, blanks and comments between words do not matter.
    #[test]
    fn layout_does_not_matter(condition in condition()) {
        let spaced = condition.split(' ').collect::<Vec<_>>().join(" /* , ' */\n--x\n ");
        prop_assert_eq!(outcome(&condition, MESSAGE), outcome(&spaced, MESSAGE));
    }

    // NOT twice is nothing; AND and OR turn into each other; a part that is alone stays what it is.
    #[test]
    fn laws_of_three_valued_logic(a in condition(), b in condition()) {
        let (plain, twice) = (format!("({a})"), format!("NOT (NOT ({a}))"));
        prop_assert_eq!(outcome(&plain, MESSAGE), outcome(&twice, MESSAGE));
        let (and, or) = (format!("NOT (({a}) AND ({b}))"), format!("NOT ({a}) OR NOT ({b})"));
        prop_assert_eq!(outcome(&and, MESSAGE), outcome(&or, MESSAGE));
        let pairs = [(format!("({a}) AND TRUE"), &plain), (format!("({a}) OR FALSE"), &plain)];
        for (longer, plain) in pairs {
            prop_assert_eq!(outcome(&longer, MESSAGE), outcome(plain, MESSAGE));
        }
    }

    // BETWEEN is a pair of comparisons, NOT BETWEEN their opposites, IN a chain of equalities.
    #[test]
    fn short_forms_are_their_long_forms(v in operand(), low in 0..60i64, more in 0..60i64, list in prop::collection::vec("[a-z]{1,2}", 1..9), s in "[a-z]{1,2}") {
        let high = low + more;
        let pairs = [
            (format!("{v} BETWEEN {low} AND {high}"), format!("{v} >= {low} AND {v} <= {high}")),
            (format!("{v} NOT BETWEEN {low} AND {high}"), format!("{v} < {low} OR {v} > {high}")),
        ];
        for (short, long) in &pairs {
            prop_assert_eq!(outcome(short, MESSAGE), outcome(long, MESSAGE));
        }
        let long = list.iter().map(|text| format!("s = '{text}'")).collect::<Vec<_>>().join(" OR ");
        let short = format!("s IN ('{}')", list.join("', '"));
        let message = format!("s\u{1}{s}\u{2}");
        prop_assert_eq!(outcome(&short, &message), outcome(&long, &message));
    }
}

/// Words from which nonsense is made that gets far into the parser.
const WORDS: &[&str] = &[
    "a",
    "s",
    "yes",
    "missing",
    "NOT",
    "AND",
    "OR",
    "IS",
    "NULL",
    "TRUE",
    "BETWEEN",
    "IN",
    "CONTAINS",
    "STARTSWITH",
    "ENDSWITH",
    "(",
    ")",
    ",",
    "=",
    "<>",
    "<",
    ">=",
    "+",
    "-",
    "1",
    "2.5",
    "99999999999",
    "'x'",
    "''",
    "--",
    "/*",
    "*/",
    "\n",
    "'",
];
