//! Patterns that choose parameters by name.

/// True if a name fits a pattern, in which `*` stands for any characters or none, dots included.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(name) = name.strip_prefix(start) else { return false };
    let mut ends = name.char_indices().map(|(end, _)| end).chain([name.len()]);
    ends.any(|end| matches(rest, &name[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, fits) in [
            ("features.0.weight", "features.0.weight", true),
            ("features.*.weight", "features.12.weight", true),
            ("features.*.weight", "features.1.conv.weight", true),
            ("features.*.weight", "features.1.bias", false),
            ("*", "a.b.c", true),
            ("*.bias", "a.b.bias", true),
            ("*.bias", "bias", false),
            ("*bias", "bias", true),
            ("fc*", "fc", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("", "", true),
            ("gewöhn*", "gewöhnlich", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} and {name}");
        }
    }
}
