//! What the broker's readers of text must hold for any bytes; shared by the fuzz targets and by `tests/fuzz_corpora.rs`.
use ferromq_broker::filter::Sql;

/// A filter and a message: the expression, a zero byte, the property text. Any expression compiles or is refused with a
/// reason, any message is judged, and always in the same way.
pub fn sql92(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (expression, properties) = text.split_once('\0').unwrap_or((&text, ""));
    match Sql::compile(expression) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(sql) => {
            let result = sql.evaluate(properties);
            assert_eq!(sql.matches(properties), result == Ok(Some(true)));
            assert_eq!(Sql::compile(expression).as_ref(), Ok(&sql));
        }
    }
}
