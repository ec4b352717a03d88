//! Markup that is well formed by construction: what is opened is closed, what is text is escaped.

use std::fmt::{self, Display, Write};

/// Names and values of attributes.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

/// A piece of HTML, which is well-formed XML at the same time.
#[derive(Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Writes an element and, within it, what `content` writes.
    pub fn element(&mut self, name: &str, attributes: Attributes, content: impl FnOnce(&mut Self)) {
        self.open(name, attributes);
        self.0.push('>');
        content(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// Writes an element that has no content: one of HTML's void elements, or any of SVG's.
    pub fn leaf(&mut self, name: &str, attributes: Attributes) {
        self.open(name, attributes);
        self.0.push_str("/>");
    }

    fn open(&mut self, name: &str, attributes: Attributes) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
    }

    /// Writes text.
    pub fn text(&mut self, text: impl Display) {
        // A string never refuses to be written to, and `Display` must not fail of itself.
        let _ = write!(Escaped(&mut self.0), "{text}");
    }

    /// Writes text that comes from outside as a unit of its own, so that letters that run from
    /// right to left do not turn what stands around it.
    pub fn name(&mut self, name: &str) {
        self.element("bdi", &[], |html| html.text(name));
    }

    /// Starts a new line of the source.
    pub fn line(&mut self) {
        self.0.push('\n');
    }

    /// Writes text as it is: for what is markup already, and for style sheets.
    pub fn verbatim(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.0
    }
}

/// Escapes what is written through it.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\t' | '\n' => self.0.push(character),
                // XML 1.0, production 2, knows no other control characters and not these two.
                '\u{FFFE}' | '\u{FFFF}' => self.0.push(char::REPLACEMENT_CHARACTER),
                _ if character.is_control() => self.0.push(char::REPLACEMENT_CHARACTER),
                _ => self.0.push(character),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Markup)) -> String {
        let mut html = Markup::default();
        write(&mut html);
        html.finish()
    }

    #[test]
    fn elements_nest_and_close() {
        let html = written(|html| {
            html.element("p", &[("class", &"a"), ("width", &3)], |html| {
                html.text("one");
                html.leaf("br", &[]);
                html.name("two");
            });
        });
        assert_eq!(html, r#"<p class="a" width="3">one<br/><bdi>two</bdi></p>"#);
    }

    #[test]
    fn text_and_attributes_are_escaped() {
        let hostile = "<b a='x' c=\"y\">&\u{0}\u{7}\r\u{85}\u{FFFF}\tz\n";
        let safe = "&lt;b a=&#39;x&#39; c=&quot;y&quot;&gt;&amp;\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\tz\n";
        assert_eq!(written(|html| html.text(hostile)), safe);
        let html = written(|html| html.leaf("img", &[("alt", &hostile)]));
        assert_eq!(html, format!("<img alt=\"{safe}\"/>"));
    }
}
