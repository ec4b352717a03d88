//! A picture of characters, put together in memory and written to a terminal at once.

use console::measure_text_width;

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ink {
    /// As the terminal writes.
    #[default]
    Plain,
    Bold,
    Faint,
    /// The colours of the curves: those of the terminal's palette, so that they suit its ground.
    First,
    Second,
}

impl Ink {
    /// # Source
    /// ECMA-48, "select graphic rendition".
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "\x1b[0m",
            Self::Bold => "\x1b[0;1m",
            Self::Faint => "\x1b[0;2m",
            Self::First => "\x1b[0;36m",
            Self::Second => "\x1b[0;33m",
        }
    }
}

/// Rows of characters. What is written outside of it is cut off.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Screen {
    width: usize,
    /// Characters with their looks; behind one of double width comes one without a character.
    cells: Vec<(Option<char>, Ink)>,
}

/// A part of a screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl Screen {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, cells: vec![(Some(' '), Ink::Plain); width * height] }
    }

    /// Writes text from a place on, and gives the column after it.
    pub fn write(&mut self, left: usize, top: usize, text: &str, ink: Ink) -> usize {
        let mut column = left;
        for character in text.chars() {
            // What would move the cursor is shown as a dot.
            let character = if character.is_control() { '·' } else { character };
            let width = measure_text_width(character.encode_utf8(&mut [0; 4]));
            if width == 0 || column + width > self.width {
                continue;
            }
            self.set(column, top, Some(character), ink);
            if width == 2 {
                self.set(column + 1, top, None, ink);
            }
            column += width;
        }
        column
    }

    fn set(&mut self, column: usize, row: usize, character: Option<char>, ink: Ink) {
        if let Some(cell) = self.cells.get_mut(row * self.width + column) {
            *cell = (character, ink);
        }
    }

    /// Draws a bar of a length, of which a share is done.
    pub fn bar(&mut self, left: usize, top: usize, width: usize, share: f64) {
        let eighths = (share.clamp(0.0, 1.0) * (8 * width) as f64).round() as usize;
        for column in 0..width {
            let character = match eighths.saturating_sub(8 * column) {
                0 => '·',
                part @ 1..8 => ['▏', '▎', '▍', '▌', '▋', '▊', '▉'][part - 1],
                _ => '█',
            };
            let ink = if character == '·' { Ink::Faint } else { Ink::First };
            self.set(left + column, top, Some(character), ink);
        }
    }

    /// Draws values as a curve over an area, from `low` at its foot to `high` at its head. Each
    /// character has two columns of four dots.
    pub fn curve(&mut self, area: Area, values: &[f64], (low, high): (f64, f64), ink: Ink) {
        let (columns, rows) = (2 * area.width, 4 * area.height);
        let mut dots = vec![false; columns * rows];
        let mut before: Option<usize> = None;
        for column in 0..columns {
            let row = column_value(values, column, columns).map(|value| {
                let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
                ((1.0 - share) * (rows - 1) as f64).round() as usize
            });
            if let Some(row) = row {
                // The way from the value before is drawn too, or steep curves would be dust.
                let from = before.unwrap_or(row);
                let way =
                    if from < row { from + 1..=row } else { row..=row.max(from.saturating_sub(1)) };
                way.for_each(|dot| dots[dot * columns + column] = true);
            }
            before = row;
        }
        for (top, left) in
            (0..area.height).flat_map(|top| (0..area.width).map(move |left| (top, left)))
        {
            let lit = |dot: usize| dots[(4 * top + dot % 4) * columns + 2 * left + dot / 4];
            let pattern: u32 =
                BRAILLE.iter().enumerate().filter(|(dot, _)| lit(*dot)).map(|(_, bit)| bit).sum();
            if let Some(character) = char::from_u32(0x2800 + pattern).filter(|_| pattern > 0) {
                self.set(area.left + left, area.top + top, Some(character), ink);
            }
        }
    }

    /// What a terminal must be sent to show the screen from its top left corner on.
    pub fn to_ansi(&self) -> String {
        let mut text = String::from("\x1b[H");
        for (index, row) in self.cells.chunks(self.width.max(1)).enumerate() {
            if index > 0 {
                text.push_str("\r\n");
            }
            let mut ink = None;
            for &(character, own) in row {
                if ink != Some(own) {
                    text.push_str(own.code());
                    ink = Some(own);
                }
                text.extend(character);
            }
        }
        text + "\x1b[0m"
    }

    /// The characters, row by row, without what is empty at their ends.
    #[cfg(test)]
    pub fn text(&self) -> Vec<String> {
        let row = |row: &[(Option<char>, Ink)]| -> String {
            row.iter().filter_map(|(character, _)| *character).collect()
        };
        self.cells.chunks(self.width).map(|cells| row(cells).trim_end().to_string()).collect()
    }
}

/// The bits of a character's dots, down the left column and then down the right one.
///
/// # Source
/// The Unicode Standard, chapter 21.1, "Braille Patterns".
const BRAILLE: [u32; 8] = [0x1, 0x2, 0x4, 0x40, 0x8, 0x10, 0x20, 0x80];

/// What a curve is at a column: the mean of the finite values that fall into it or, of fewer values
/// than columns, a place on the straight line between two.
fn column_value(values: &[f64], column: usize, columns: usize) -> Option<f64> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    if count < columns {
        let place = (column * (count - 1)) as f64 / (columns - 1) as f64;
        let (before, after) = (values[place.floor() as usize], values[place.ceil() as usize]);
        let value = before + (after - before) * place.fract();
        return value.is_finite().then_some(value);
    }
    let (start, end) = (column * count / columns, (column + 1) * count / columns);
    let known = values[start..end].iter().filter(|value| value.is_finite());
    let (sum, count) = known.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_off_and_harmless() {
        let mut screen = Screen::new(8, 2);
        assert_eq!(screen.write(0, 0, "a\x1b[2Jb", Ink::Plain), 6);
        assert_eq!(screen.write(5, 1, "数字", Ink::Bold), 7);
        screen.write(0, 7, "nowhere", Ink::Plain);
        assert_eq!(screen.text(), ["a·[2Jb", "     数"]);
        assert!(screen.to_ansi().starts_with("\x1b[H\x1b[0ma·[2Jb"));
    }

    #[test]
    fn bars_are_as_long_as_what_is_done() {
        let bar = |share| {
            let mut screen = Screen::new(4, 1);
            screen.bar(0, 0, 4, share);
            screen.text().remove(0)
        };
        assert_eq!([bar(0.0), bar(0.5), bar(0.78), bar(1.0)], ["····", "██··", "███▏", "████"]);
        assert_eq!([bar(f64::NAN), bar(7.0)], ["····", "████"]);
    }

    #[test]
    fn curves_rise_and_fall() {
        let draw = |values: &[f64]| {
            let mut screen = Screen::new(2, 1);
            let area = Area { left: 0, top: 0, width: 2, height: 1 };
            screen.curve(area, values, (0.0, 3.0), Ink::First);
            screen.text().remove(0)
        };
        assert_eq!(draw(&[0.0, 1.0, 2.0, 3.0]), "⡠⠊");
        assert_eq!(draw(&[3.0, 2.0, 1.0, 0.0]), "⠑⢄");
        assert_eq!(draw(&[0.0, 3.0]), "⡠⠊");
        assert_eq!(draw(&[0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 3.0]), "⣀⠏");
        assert_eq!(draw(&[f64::NAN, f64::INFINITY]), "");
        assert_eq!(draw(&[]), "");
        assert_eq!(draw(&[1.5]).chars().count(), 2);
    }
}
