//! Other names for saved values.

use gradus_tensor::{Error, Result, Tensor};
use std::collections::HashSet;

/// More stars than this are a mistake, and would take long to match.
const MAX_STARS: usize = 4;

/// Rules that rename saved values, in order: each sees what those before it made.
///
/// A rule is `pattern -> replacement`. A star in the pattern stands for one sign or more, dots
/// included, as few as fit; at the end of the pattern, for all that is left. A pattern without a
/// star at its end matches names that end there or go on with a dot, and what follows is kept. The
/// stars of the replacement stand, in order, for what those of the pattern stood for.
///
/// ```
/// use gradus_nn::Renames;
///
/// let renames = Renames::parse(&[
///     "module.* -> *",
///     "encoder.layer.*.attention -> layers.*.self_attn",
///     "*.gamma -> *.weight",
/// ])?;
/// assert_eq!(renames.apply("module.fc.bias"), "fc.bias");
/// assert_eq!(
///     renames.apply("module.encoder.layer.3.attention.norm.gamma"),
///     "layers.3.self_attn.norm.weight",
/// );
/// assert_eq!(renames.apply("encoder.layer.3.attentions"), "encoder.layer.3.attentions");
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Renames(Vec<Rule>);

/// One rule: what stands between the stars of the pattern and of the replacement.
#[derive(Clone, Debug)]
struct Rule {
    text: String,
    pattern: Vec<String>,
    replacement: Vec<String>,
}

impl Renames {
    /// Reads rules.
    ///
    /// # Errors
    /// [`Error::Setting`], if one is not of the form `pattern -> replacement`, with as many stars on
    /// either side.
    pub fn parse<T: AsRef<str>>(rules: &[T]) -> Result<Self> {
        rules.iter().map(|rule| Rule::parse(rule.as_ref())).collect::<Result<_>>().map(Self)
    }

    /// The new name of a value; the same if no rule matches.
    pub fn apply(&self, name: &str) -> String {
        self.0.iter().fold(name.to_string(), |name, rule| rule.apply(&name).unwrap_or(name))
    }

    /// The values under their new names.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if two come to the same name.
    pub fn rename(&self, state: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>> {
        let mut seen = HashSet::new();
        let renamed = state.iter().map(|(name, value)| {
            let new = self.apply(name);
            match seen.insert(new.clone()) {
                true => Ok((new, value.clone())),
                false => Err(Error::Mismatch(format!(
                    "two values come to the name {new}, {name} the second: names must differ"
                ))),
            }
        });
        renamed.collect()
    }

    /// The first rule that matches none of these names: perhaps it is mistyped.
    pub fn unused<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&str> {
        let mut used = vec![false; self.0.len()];
        for name in names {
            let mut name = name.to_string();
            for (rule, used) in self.0.iter().zip(&mut used) {
                if let Some(new) = rule.apply(&name) {
                    *used = true;
                    name = new;
                }
            }
        }
        self.0.iter().zip(used).find(|(_, used)| !used).map(|(rule, _)| rule.text.as_str())
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            let message = format!("the renaming `{text}` {what}: write `pattern -> replacement`");
            Err(Error::Setting(message))
        };
        let Some((pattern, replacement)) = text.split_once("->") else {
            return wrong("has no arrow");
        };
        let parts = |side: &str| -> Vec<String> { side.split('*').map(str::to_string).collect() };
        let (pattern, replacement) = (pattern.trim(), replacement.trim());
        if pattern.is_empty() || replacement.is_empty() {
            return wrong("has an empty side");
        }
        let (pattern, replacement) = (parts(pattern), parts(replacement));
        if pattern.len() != replacement.len() {
            return wrong("does not have as many stars on either side");
        }
        if pattern.len() > MAX_STARS + 1 {
            return wrong("has more than four stars");
        }
        Ok(Self { text: text.to_string(), pattern, replacement })
    }

    /// The new name, if the rule matches.
    fn apply(&self, name: &str) -> Option<String> {
        let (first, between) = self.pattern.split_first()?;
        let (mut taken, rest) = take(between, name.strip_prefix(first.as_str())?)?;
        // They were found from the last to the first.
        taken.reverse();
        let mut new = self.replacement[0].clone();
        for (part, after) in taken.iter().zip(&self.replacement[1..]) {
            new.push_str(part);
            new.push_str(after);
        }
        Some(new + rest)
    }
}

/// What stars stand for, the last first, and what follows the pattern. Before each part stands a
/// star.
fn take<'a>(parts: &[String], name: &'a str) -> Option<(Vec<&'a str>, &'a str)> {
    let Some((part, others)) = parts.split_first() else {
        return (name.is_empty() || name.starts_with('.')).then(|| (vec![], name));
    };
    if part.is_empty() && others.is_empty() {
        return (!name.is_empty()).then(|| (vec![name], ""));
    }
    let ends = name.char_indices().map(|(at, sign)| at + sign.len_utf8());
    for end in ends {
        let (taken, rest) = name.split_at(end);
        if let Some(rest) = rest.strip_prefix(part.as_str())
            && let Some((mut found, rest)) = take(others, rest)
        {
            found.push(taken);
            return Some((found, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &[&str], cases: &[(&str, &str)]) {
        let renames = Renames::parse(rules).unwrap();
        for (name, expected) in cases {
            assert_eq!(renames.apply(name), *expected, "{rules:?} on {name}");
        }
    }

    #[test]
    fn patterns_match_whole_parts_and_keep_what_follows() {
        check(
            &["encoder -> backbone"],
            &[
                ("encoder", "backbone"),
                ("encoder.weight", "backbone.weight"),
                ("encoders.weight", "encoders.weight"),
                ("my.encoder.weight", "my.encoder.weight"),
            ],
        );
    }

    #[test]
    fn stars_take_as_little_as_fits_and_the_last_all_that_is_left() {
        check(&["module.* -> *"], &[("module.a.b", "a.b"), ("module.", "module."), ("m.a", "m.a")]);
        check(&["* -> net.*"], &[("fc.weight", "net.fc.weight")]);
        check(
            &["a.*.b.* -> *.x.*"],
            &[("a.1.b.2.b.3", "1.x.2.b.3"), ("a.b.b.2", "b.x.2"), ("a..b.2", "a..b.2")],
        );
        check(&["*.gamma -> *.weight"], &[("a.b.gamma", "a.b.weight"), ("gamma", "gamma")]);
        check(&["*.w*t -> *.v*t"], &[("a.weightt", "a.veightt"), ("a.weight.x", "a.veight.x")]);
        check(&["ö* -> *ö"], &[("öä", "äö")]);
    }

    #[test]
    fn rules_see_what_those_before_them_made() {
        let rules = ["module.* -> *", "layer -> layers", "layers.0 -> first"];
        check(&rules, &[("module.layer.0.weight", "first.weight"), ("layer.1", "layers.1")]);
        let renames = Renames::parse(&rules).unwrap();
        assert_eq!(renames.unused(["module.layer.0"]), None);
        assert_eq!(renames.unused(["layer.0", "layer.1"]), Some("module.* -> *"));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (rule, complaint) in [
            ("a", "no arrow"),
            ("-> b", "empty side"),
            ("a ->", "empty side"),
            ("a.* -> b", "as many stars"),
            ("a -> *", "as many stars"),
            ("*.*.*.*.* -> *.*.*.*.*", "more than four stars"),
        ] {
            let message = Renames::parse(&[rule]).unwrap_err().to_string();
            assert!(message.contains(complaint), "{rule}: {message}");
        }
    }

    #[test]
    fn two_values_cannot_come_to_one_name() {
        let state = ["a.w", "b.w"].map(|name| (name.to_string(), Tensor::zeros(())));
        let renames = Renames::parse(&["a -> b"]).unwrap();
        let message = renames.rename(&state).unwrap_err().to_string();
        assert!(message.contains("the name b.w"), "{message}");
    }
}
