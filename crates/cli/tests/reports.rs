//! What a training leaves to be looked at: reports of every kind of model, and files of TensorBoard.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// A run by a recipe: its folder, what it came to, and its report.
struct Run {
    path: PathBuf,
    result: Value,
    page: String,
}

impl Run {
    /// Trains in a folder with data; the report is the same if it is drawn once more.
    fn of(folder: &Path, recipe: &str) -> Self {
        fs::write(folder.join("recipe.toml"), recipe).unwrap();
        let lines = succeed(folder, &["train", "recipe.toml", "--json"]);
        let result = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        let path = folder.join("runs/recipe-1");
        let page = fs::read_to_string(path.join("report.html")).unwrap();
        assert!(page.contains("<p>By the recipe recipe</p>"), "{page}");
        fs::remove_file(path.join("report.html")).unwrap();
        succeed(folder, &["report", path.to_str().unwrap()]);
        assert!(fs::read_to_string(path.join("report.html")).unwrap() == page);
        Self { path, result, page }
    }

    /// What the model answers to the rows of a file.
    fn answers(&self, file: &Path) -> Vec<Value> {
        let path = [self.path.to_str().unwrap(), file.to_str().unwrap()];
        let lines = succeed(&self.path, &["predict", "--json", path[0], path[1]]);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The texts of a section of the report, element by element.
    fn section(&self, id: &str) -> Vec<String> {
        let start = format!("<section id=\"{id}\">");
        let Some((_, rest)) = self.page.split_once(&start) else {
            panic!("the report has no section {id}")
        };
        let section = rest.split("</section>").next().unwrap();
        let texts = section.split('<').filter_map(|piece| piece.split_once('>'));
        texts.map(|(_, text)| text.trim().to_string()).filter(|text| !text.is_empty()).collect()
    }
}

/// The number after some words of a text.
fn number_after(text: &str, words: &str) -> f64 {
    let rest = text.split_once(words).unwrap_or_else(|| panic!("{text} lacks {words:?}")).1;
    let end = rest.find(|sign: char| !sign.is_ascii_digit() && !matches!(sign, '.' | '−'));
    let digits = rest[..end.unwrap_or(rest.len())].trim_end_matches('.').replace('−', "-");
    digits.parse().unwrap_or_else(|_| panic!("no number after {words:?} in {text}"))
}

fn assert_near(found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= 2e-3 * wanted.abs(), "{found}, not {wanted}");
}

/// Rows of houses with their prices and taxes, of which one was sold far too dear.
fn houses(path: &Path, from: usize, count: usize, dear: Option<usize>) -> Vec<[f64; 2]> {
    let mut text = String::from("rooms,garden,price,tax\n");
    let mut sold = vec![];
    for row in 0..count {
        let number = from + row;
        let (rooms, garden) = (1 + number * 7 % 6, number.is_multiple_of(3));
        let noise = (number * 37 % 11) as f64 / 10.0;
        let bonus = if dear == Some(row) { 90.0 } else { 0.0 };
        let price = 20.0 * rooms as f64 + if garden { 15.0 } else { 0.0 } + noise + bonus;
        let tax = 3.0 * rooms as f64 + noise;
        let garden = if garden { "yes" } else { "no" };
        text += &format!("{rooms},{garden},{price},{tax}\n");
        sold.push([price, tax]);
    }
    fs::write(path, text).unwrap();
    sold
}

const HOUSES: &str = "[run]\nepochs = 40\nbatch = 16\n[data]\nkind = \"csv\"\npath = \"train.csv\"\n\
                      test = \"test.csv\"\n[model]\nlayers = [\"linear\"]\n[optimizer]\n\
                      kind = \"adamw\"\nlearning_rate = 0.05\n[data.table]\ntask = \"regression\"\n\
                      unit = \"k€\"\n";

/// MAE, RMSE and R² of pairs of the true and the predicted number, by their formulas.
fn distances(pairs: &[(f64, f64)]) -> [f64; 3] {
    let mean =
        |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
    let middle = mean(&|pair| pair.0);
    let square = mean(&|(truth, guess)| (truth - guess).powi(2));
    let spread = mean(&|(truth, _)| (truth - middle).powi(2));
    [mean(&|(truth, guess)| (truth - guess).abs()), square.sqrt(), 1.0 - square / spread]
}

#[test]
fn a_regression_is_reported_in_its_own_unit() {
    let folder = TempDir::new().unwrap();
    houses(&folder.path().join("train.csv"), 0, 200, None);
    let test = folder.path().join("test.csv");
    let sold = houses(&test, 500, 40, Some(23));
    let run =
        Run::of(folder.path(), &format!("{HOUSES}target = [\"price\"]\nignore = [\"tax\"]\n"));
    let guesses = run.answers(&test);
    let guess = |row: usize| guesses[row]["numbers"]["price"].as_f64().unwrap();
    let pairs: Vec<(f64, f64)> = (0..40).map(|row| (sold[row][0], guess(row))).collect();
    let [mae, rmse, r2] = distances(&pairs);

    let told = run.section("values");
    assert!(told[0].starts_with("Predictions") && told[1].starts_with("Of all 40: "), "{told:?}");
    assert_near(number_after(&told[1], "mean absolute error "), mae);
    assert_near(number_after(&told[1], "root of the mean square "), rmse);
    assert_near(number_after(&told[1], "R² "), r2);
    assert!(told[1].contains("\u{A0}k€"), "{told:?}");
    assert!(told.iter().any(|text| text == "Predicted by true value: price, k€"), "{told:?}");
    assert_eq!(run.page.matches("<circle cx=").count(), 40);
    assert!(run.page.contains("<dt>R²</dt>"));

    // The house that was sold too dear, with what the model knew of it.
    let far = run.section("farthest");
    let first = &far[2..10];
    let rooms = (1 + 523 * 7 % 6).to_string();
    assert_eq!(
        (&first[..2], &first[2..4]),
        (&["rooms".into(), rooms][..], &["garden", "no"].map(String::from)[..])
    );
    assert_eq!((&first[4][..], &first[5][..]), ("price", ":"), "{far:?}");
    assert!(far.iter().position(|text| text == "no. 23").unwrap() < 12, "{far:?}");
}

#[test]
fn several_numbers_are_reported_each_by_itself() {
    let folder = TempDir::new().unwrap();
    houses(&folder.path().join("train.csv"), 0, 120, None);
    let test = folder.path().join("test.csv");
    let sold = houses(&test, 500, 30, None);
    let run = Run::of(folder.path(), &format!("{HOUSES}target = [\"price\", \"tax\"]\n"));
    let guesses = run.answers(&test);
    let told = run.section("values");
    let told: Vec<&String> = told.iter().filter(|text| text.starts_with("Of all 30: ")).collect();
    for (place, name) in ["price", "tax"].into_iter().enumerate() {
        let guess = |row: usize| guesses[row]["numbers"][name].as_f64().unwrap();
        let pairs: Vec<(f64, f64)> = (0..30).map(|row| (sold[row][place], guess(row))).collect();
        let [mae, ..] = distances(&pairs);
        assert_near(number_after(told[place], "mean absolute error "), mae);
    }
    assert!(told.len() == 2 && !run.page.contains("<dt>R²</dt>"), "{told:?}");
}

#[test]
fn rows_that_are_taken_for_another_class_are_shown() {
    let folder = TempDir::new().unwrap();
    let rows = |name: &str, count: usize, wrong: Option<usize>| {
        let mut text = String::from("celsius,weather\n");
        for row in 0..count {
            let celsius = (row * 17 % 41) as i32 - 20;
            let is_warm = (celsius > 0) != (wrong == Some(row));
            text += &format!("{celsius},{}\n", if is_warm { "warm" } else { "cold" });
        }
        fs::write(folder.path().join(name), text).unwrap();
    };
    rows("train.csv", 200, None);
    // Row 36 is of 18 degrees.
    rows("test.csv", 41, Some(36));
    let recipe = "[run]\nepochs = 30\nbatch = 16\n[data]\nkind = \"csv\"\npath = \"train.csv\"\n\
                  test = \"test.csv\"\ntable = { target = [\"weather\"] }\n[model]\n\
                  layers = [\"linear\"]\n[optimizer]\nkind = \"adamw\"\nlearning_rate = 0.05\n";
    let run = Run::of(folder.path(), recipe);
    let celsius = (36 * 17 % 41) - 20;
    assert!(celsius > 10, "{celsius}");
    let mistakes = run.section("mistakes");
    assert_eq!(mistakes[2..4], ["celsius".to_string(), celsius.to_string()], "{mistakes:?}");
    assert_eq!(mistakes[4..7], ["cold", "→", "warm"].map(String::from), "{mistakes:?}");
    assert!(run.section("confusion")[1].contains(" of 41 were guessed right"));
}

#[test]
fn each_label_of_several_is_reported() {
    let folder = TempDir::new().unwrap();
    let rows = |name: &str, from: usize, count: usize| -> Vec<[bool; 2]> {
        let mut text = String::from("x,y,signs\n");
        let mut truths = vec![];
        for number in from..from + count {
            let (x, y) = ((number * 13 % 21) as i32 - 10, (number * 8 % 21) as i32 - 10);
            // One of seven is told wrongly.
            let own = [(x > 2) != number.is_multiple_of(7), y > 0];
            let names = ["right", "up"].iter().zip(own).filter(|(_, holds)| *holds);
            let names: Vec<&str> = names.map(|(name, _)| *name).collect();
            text += &format!("{x},{y},{}\n", names.join("|"));
            truths.push(own);
        }
        fs::write(folder.path().join(name), text).unwrap();
        truths
    };
    rows("train.csv", 0, 200);
    let truths = rows("test.csv", 1000, 60);
    let recipe = "[run]\nepochs = 30\nbatch = 16\n[data]\nkind = \"csv\"\npath = \"train.csv\"\n\
                  test = \"test.csv\"\ntable = { target = [\"signs\"], task = \"labels\" }\n[model]\n\
                  layers = [\"linear\"]\n[optimizer]\nkind = \"adamw\"\nlearning_rate = 0.05\n";
    let run = Run::of(folder.path(), recipe);
    let guesses = run.answers(&folder.path().join("test.csv"));
    let told = run.section("labels");
    let mut mistaken = [false; 60];
    for (place, name) in ["right", "up"].into_iter().enumerate() {
        let guess = |row: usize| guesses[row]["probabilities"][name].as_f64().unwrap() >= 0.5;
        let count = |of: &dyn Fn(usize) -> bool| (0..60).filter(|&row| of(row)).count();
        let (holds, says) = (count(&|row| truths[row][place]), count(&guess));
        let right = count(&|row| truths[row][place] && guess(row));
        (0..60).for_each(|row| mistaken[row] |= truths[row][place] != guess(row));
        let at = told.iter().position(|text| text == name).unwrap();
        assert_eq!(told[at + 1..at + 3], [holds, says].map(|count| count.to_string()));
        let percent =
            |part: usize, whole: usize| format!("{:.1}", 100.0 * part as f64 / whole as f64);
        assert_eq!(told[at + 3..at + 5], [percent(right, says), percent(right, holds)]);
    }
    let wrong = mistaken.iter().filter(|wrong| **wrong).count();
    assert!(wrong > 0 && told[1].contains(&format!("In {wrong} samples")), "{wrong}: {told:?}");
    let mistakes = run.section("mistakes");
    assert!(mistakes[1].starts_with(&format!("All {wrong}, ")), "{mistakes:?}");
    assert_eq!(mistakes.iter().filter(|text| *text == "x").count(), wrong);
}

#[test]
fn a_language_model_is_reported_with_what_it_writes() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("song.txt"), "la la li la lo ".repeat(200)).unwrap();
    let recipe = "[run]\nepochs = 15\nbatch = 16\n[data]\nkind = \"language\"\npath = \"song.txt\"\n\
                  text = { unit = \"character\", length = 8 }\n[model]\n\
                  layers = [{ kind = \"embedding\", out = 8 }, { kind = \"gru\", hidden = 16 },\n\
                  \"linear\"]\n[optimizer]\nkind = \"adamw\"\nlearning_rate = 0.02\n";
    let run = Run::of(folder.path(), recipe);
    let told = run.section("writings");
    let loss = run.result["valid_loss"].as_f64().unwrap();
    assert_near(number_after(&told[1], "Perplexity "), loss.exp());
    assert!(run.page.contains("<dt>Perplexity</dt>"));
    // A mark for each place in the window.
    let marks: Vec<&String> = told.iter().filter(|text| text.contains(": ")).collect();
    let places: Vec<bool> = (1..=8)
        .map(|place| marks.iter().any(|text| text.starts_with(&format!("{place}: "))))
        .collect();
    assert_eq!(places, [true; 8], "{told:?}");
    let songs: Vec<&String> = told.iter().filter(|text| text.chars().count() > 200).collect();
    assert_eq!(songs.len(), 4, "{told:?}");
    for song in songs {
        assert!(song.chars().all(|sign| "laio ".contains(sign)), "{song}");
        let words = song.split(' ').filter(|word| ["la", "li", "lo"].contains(word)).count();
        assert!(words > 40, "{song}");
    }
}

#[test]
fn tensorboard_is_written_once_whoever_asks() {
    let folder = TempDir::new().unwrap();
    houses(&folder.path().join("train.csv"), 0, 40, None);
    let recipe = HOUSES.replace("test = \"test.csv\"\n", "").replace("epochs = 40", "epochs = 1");
    let recipe = format!("callbacks = [\"tensorboard\"]\n{recipe}target = [\"price\"]\n");
    fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    succeed(folder.path(), &["train", "recipe.toml", "--json", "--tensorboard"]);
    let files = fs::read_dir(folder.path().join("runs/recipe-1/tensorboard")).unwrap();
    let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    // The settings are there, for the table that compares trainings.
    let bytes = fs::read(&files[0]).unwrap();
    assert!(bytes.windows(7).any(|window| window == b"hparams"));
}
