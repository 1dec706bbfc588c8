//! The protocol version of a peer: ordinals of the official `MQVersion` enumeration (wire.md 2.5).

/// The version that this program sends: that of 5.4.0.
pub const CURRENT: i32 = 493;
/// First version whose clients read standard JSON routes (quoted integer keys).
pub const V4_9_4: i32 = 401;
/// First version with topic queue mappings in broker registrations.
pub const V5_0_0: i32 = 413;
/// Everything at or above this is clamped to it.
pub const HIGHER_VERSION: i32 = 612;

/// Ordinal of 4.0.0; before it the enumeration has gaps, so no formula gives the names of 3.x.
const V4_0_0: i32 = 213;

/// The official name of an ordinal: `V5_4_0` for 493, `V5_4_0_SNAPSHOT` for 492. Ordinals of 3.x (below 212) and
/// negative ones give `V3_ORDINAL_37` and `UNKNOWN_-1`, which the official table does not have.
pub fn name(version: i32) -> String {
    if version < 0 {
        return format!("UNKNOWN_{version}");
    }
    if version >= HIGHER_VERSION {
        return "HIGHER_VERSION".to_string();
    }
    // Every release follows its snapshot; ten patches make a minor version and ten minor versions a major one.
    let (major, first) = match version {
        v if v >= V5_0_0 - 1 => (5, V5_0_0),
        v if v >= V4_0_0 - 1 => (4, V4_0_0),
        v => return format!("V3_ORDINAL_{v}"),
    };
    let distance = version - (first - 1);
    let (minor, patch) = (distance / 20, distance % 20 / 2);
    let snapshot = if distance % 2 == 0 { "_SNAPSHOT" } else { "" };
    format!("V{major}_{minor}_{patch}{snapshot}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_published_points_of_the_table() {
        let points = [
            (493, "V5_4_0"),
            (612, "HIGHER_VERSION"),
            (9999, "HIGHER_VERSION"),
            (479, "V5_3_3"),
            (413, "V5_0_0"),
            (412, "V5_0_0_SNAPSHOT"),
            (409, "V4_9_8"),
            (393, "V4_9_0"),
            (373, "V4_8_0"),
            (333, "V4_6_0"),
            (317, "V4_5_2"),
            (232, "V4_1_0_SNAPSHOT"),
            (441, "V5_1_4"),
        ];
        points.iter().for_each(|(ordinal, text)| assert_eq!(&name(*ordinal), text));
    }
}
