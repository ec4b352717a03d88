//! Recipes, and what a run keeps in text.

use super::{accepted, text};
use gradus_data::source::{Encoder, Input};
use gradus_train::History;
use gradus_train::recipe::Draft;

pub fn try_recipe(bytes: &[u8]) -> bool {
    let Some(draft) = accepted(Draft::parse("recipe.toml", &text(bytes))) else {
        return false;
    };
    is_recipe(draft)
}

/// A recipe to change values of.
const RECIPE: &str = "
[data]
kind = \"digits\"
[model]
layers = [\"flatten\", { kind = \"linear\", out = 32 }, \"relu\", \"linear\"]
[optimizer]
kind = \"adam\"
";

pub fn try_assignment(bytes: &[u8]) -> bool {
    let text = text(bytes);
    // A complaint repeats what was typed as it was.
    if text.len() > 256 || text.contains(char::is_control) {
        return false;
    }
    let mut draft = Draft::parse("recipe.toml", RECIPE).unwrap();
    accepted(draft.set(&text)).is_some() && is_recipe(draft)
}

/// Whether a recipe is one; if so, it must say the same with all defaults written out.
fn is_recipe(draft: Draft) -> bool {
    let Some(recipe) = accepted(draft.check()) else {
        return false;
    };
    let whole = recipe.to_toml();
    let again = Draft::parse("recipe.toml", &whole).and_then(Draft::check);
    let again = again.unwrap_or_else(|error| panic!("{error}, of\n{whole}"));
    assert_eq!(recipe.to_json(), again.to_json(), "{whole}");
    true
}

pub fn try_encoder(bytes: &[u8]) -> bool {
    let Some(read) = accepted(Encoder::from_json(&text(bytes))) else {
        return false;
    };
    assert_eq!(Encoder::from_json(&read.to_json().unwrap()).unwrap(), read);
    let count = read.shape().checked_count().expect("numbers that can be counted");
    assert!(read.outputs() > 0 && !read.describe().is_empty());
    if count > 1 << 16 {
        return true;
    }
    // What people type becomes what the model takes, or is refused.
    let encoded = match read.input() {
        Input::Table { .. } => accepted(read.encode_row(&[])),
        _ => accepted(read.encode_text("a b, c")),
    };
    if let Some(x) = encoded {
        assert_eq!(x.dtype(), read.dtype());
        assert!(
            x.shape()[0] == 1 && (read.kind() == "language" || x.shape()[1..] == *read.shape())
        );
    }
    true
}

pub fn try_history(bytes: &[u8]) -> bool {
    let Some(read) = accepted(History::from_json_lines(&text(bytes))) else {
        return false;
    };
    let again = History::from_json_lines(&read.to_json_lines()).unwrap();
    assert_eq!(read.len(), again.len());
    for (a, b) in read.epochs().iter().zip(again.epochs()) {
        assert_eq!((a.number, a.figures.len()), (b.number, b.figures.len()));
        for ((name, x), (other, y)) in a.figures.iter().zip(&b.figures) {
            assert!(name == other && (x == y || x.is_nan() && y.is_nan()), "{name}: {x} is {y}");
        }
        // Times are rounded to milliseconds.
        assert!(a.seconds.is_nan() == b.seconds.is_nan(), "{} is {}", a.seconds, b.seconds);
    }
    true
}
