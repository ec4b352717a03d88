//! Patterns that choose parameters by name.

/// True if a name fits a pattern: `*` stands for any signs of one part of the name, `**` for any
/// signs with dots among them, `?` for one sign that is no dot.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut signs = pattern.chars();
    match signs.next() {
        None => name.is_empty(),
        Some('*') => {
            let (rest, dots) = match signs.as_str().strip_prefix('*') {
                Some(rest) => (rest, true),
                None => (signs.as_str(), false),
            };
            let reach = if dots { name.len() } else { name.find('.').unwrap_or(name.len()) };
            let starts = name.char_indices().map(|(start, _)| start).chain([name.len()]);
            starts.take_while(|&start| start <= reach).any(|start| matches(rest, &name[start..]))
        }
        Some(sign) => {
            let mut own = name.chars();
            let fits = own.next().is_some_and(|own| own == sign || (sign == '?' && own != '.'));
            fits && matches(signs.as_str(), own.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_parts_of_names() {
        for (pattern, name, fits) in [
            ("features.0.weight", "features.0.weight", true),
            ("features.*.weight", "features.12.weight", true),
            ("features.*.weight", "features.1.conv.weight", false),
            ("features.**.weight", "features.1.conv.weight", true),
            ("**", "a.b.c", true),
            ("**.bias", "a.b.bias", true),
            ("**.bias", "bias", false),
            ("**bias", "bias", true),
            ("*", "a.b", false),
            ("layer?.*", "layer1.weight", true),
            ("layer?.*", "layer10.weight", false),
            ("fc*", "fc", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("", "", true),
            ("?", ".", false),
            ("gewöhn*", "gewöhnlich", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} and {name}");
        }
    }
}
