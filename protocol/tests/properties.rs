//! Properties of any content: what is set is read, whatever else is there.
use ferromq_protocol::properties::{self, Properties};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Text with separators now and then.
fn wild() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![4 => "[a-c]", 2 => Just("\u{1}".to_owned()), 2 => Just("\u{2}".to_owned())],
        0..20,
    )
    .prop_map(|parts| parts.concat())
}

/// Reading by the letter of the rule: split at 0x02, then at the first 0x01, last one wins.
fn by_the_rule(text: &str) -> BTreeMap<&str, &str> {
    let entries = text.split('\u{2}').filter_map(|entry| entry.split_once('\u{1}'));
    entries.filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect()
}

proptest! {
    /// Look-ups and the walk agree with the rule on any text.
    #[test]
    fn reads_by_the_rule(text in wild(), name in "[a-c]{1,2}") {
        let expected = by_the_rule(&text);
        prop_assert_eq!(properties::get(&text, &name), expected.get(name.as_str()).copied());
        prop_assert_eq!(properties::iter(&text).collect::<BTreeMap<_, _>>(), expected);
    }

    /// Setting and removing touch one name only, on any text.
    #[test]
    fn sets_and_removes(text in wild(), name in "[a-c]{1,2}", value in "[x-z]{0,3}") {
        let mut expected = by_the_rule(&text);
        let mut properties = Properties::from_text(text.clone());
        properties.set(&name, &value);
        expected.remove(name.as_str());
        if !value.is_empty() {
            expected.insert(&name, &value);
        }
        prop_assert_eq!(properties.iter().collect::<BTreeMap<_, _>>(), expected.clone());
        properties.remove(&name);
        expected.remove(name.as_str());
        prop_assert_eq!(properties.iter().collect::<BTreeMap<_, _>>(), expected);
    }

    /// A user property that passes the check survives writing and reading.
    #[test]
    fn user_properties_survive(name in ".{0,10}", value in ".{0,10}") {
        let mut properties = Properties::new();
        if properties.set_user(&name, &value).is_ok() {
            prop_assert_eq!(properties.get(&name), Some(value.as_str()));
        } else {
            prop_assert!(properties.is_empty());
        }
    }
}

// The pieces of a text are what splitting it at the separators gives, whatever is missing or empty.
#[test]
fn pieces_lie_between_the_separators() {
    let letters = ["\u{1}", "\u{2}", "a", "\u{e9}long enough for a word of eight"];
    let of = |number: usize| (0..6).map(|place| letters[number / 4_usize.pow(place) % 4]).collect::<String>();
    for text in (0..4096).flat_map(|number| [of(number), of(number).trim_end_matches('a').to_owned()]) {
        let expected = text
            .split('\u{2}')
            .map(|piece| piece.split_once('\u{1}').filter(|(name, value)| !name.is_empty() && !value.is_empty()));
        assert!(properties::pieces(&text).eq(expected), "{text:?}");
    }
}
