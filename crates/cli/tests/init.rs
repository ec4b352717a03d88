//! From data of each kind to a trained model: `gradus init` writes a recipe, `gradus train` takes it.

use gradus_data::image::{Colour, Image, write_png};
use gradus_data::{digits, idx};
use gradus_tensor::io::{npy, npz};
use gradus_tensor::{DType, Tensor};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

fn gradus(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// What the program complains of, in one sentence.
fn fail(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{command:?}: {message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message.strip_prefix("error: ").unwrap().trim_end().to_string()
}

/// A folder with data at `data` or in a file within, and what `gradus init` made of it.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// A path within, whose folder is there.
    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn init(&self, data: &str) -> Command {
        let mut command = gradus(self.folder.path());
        command.args(["init", data]);
        command
    }

    /// Looks at data, trains an epoch by the recipe, and gives the recipe.
    fn trains(&self, data: &str, options: &[&str], facts: &[&str]) -> String {
        let said = succeed(self.init(data).args(options));
        for fact in facts {
            assert!(said.contains(fact), "{said} lacks {fact}");
        }
        assert!(said.ends_with("go on:   gradus train recipe.toml\n"), "{said}");
        let recipe = fs::read_to_string(self.path("recipe.toml")).unwrap();
        let mut train = gradus(self.folder.path());
        train.args(["train", "recipe.toml", "--json", "--epochs", "1"]);
        let lines = succeed(&mut train);
        let epoch: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        for loss in ["train_loss", "valid_loss"] {
            assert!(epoch[loss].as_f64().is_some_and(f64::is_finite), "{recipe}\n{lines}");
        }
        recipe
    }
}

/// A picture whose brightness tells its class.
fn picture(path: &Path, [height, width]: [usize; 2], colour: Colour, bright: bool) {
    let pixels = (0..height * width * colour.channels())
        .map(|at| if bright { 200 } else { 40 } + (at * 7 % 30) as u8);
    write_png(path, &Image::new(width, height, colour, pixels.collect()).unwrap()).unwrap();
}

#[test]
fn folders_of_pictures() {
    let case = Case::new();
    for number in 0..24 {
        let class = ["day", "night"][number % 2];
        let name = format!("data/{class}/{number}.png");
        picture(&case.path(&name), [12, 12], Colour::Grey, number % 2 == 0);
    }
    let facts = ["24 pictures in 2 classes: day (12), night (12)", "of 12 by 12 pixels, grey"];
    let recipe = case.trains("data", &[], &facts);
    assert!(recipe.contains("path = \"data\"") && recipe.contains("\"affine\""), "{recipe}");

    // In parts, of different sizes and in colour.
    let case = Case::new();
    for number in 0..24 {
        let part = ["train", "train", "valid", "test"][number / 2 % 4];
        let class = ["day", "night"][number % 2];
        let name = format!("data/{part}/{class}/{number}.png");
        picture(&case.path(&name), [30 + number, 40], Colour::Rgb, number % 2 == 0);
    }
    let facts = ["12 pictures in 2 classes", "6 pictures to validate with", "smaller side from 30"];
    let recipe = case.trains("data", &[], &facts);
    assert!(recipe.contains("height = 32") && recipe.contains("resnet9"), "{recipe}");
    assert!(recipe.contains("horizontal_flip") && recipe.contains("size = [32, 32]"), "{recipe}");

    // In one folder, with a table.
    let case = Case::new();
    let mut table = String::from("name,light\n");
    for number in 0..24 {
        picture(&case.path(&format!("data/{number}.png")), [12, 12], Colour::Grey, number % 2 == 0);
        table += &format!("{number},{}\n", if number % 2 == 0 { 0.9 } else { 0.2 });
    }
    case.write("data/labels.csv", table);
    let recipe = case.trains("data", &[], &["24 pictures, of which ", "tells the light"]);
    assert!(recipe.contains("task = \"regression\"") && recipe.contains("\"rmse\""), "{recipe}");
}

#[test]
fn tables() {
    let case = Case::new();
    let mut table = String::from("id,size,colour,kind\n");
    for number in 0..60 {
        let size = if number % 7 == 0 { String::new() } else { (number % 5).to_string() };
        table +=
            &format!("{},{size},{},{}\n", number + 100, ["red", "blue"][number % 2], number % 3);
    }
    case.write("fruit.csv", &table);
    let recipe = case.trains("fruit.csv", &[], &["a table of 60 rows and 4 columns"]);
    assert!(
        recipe.contains("target = [\"kind\"]") && recipe.contains("ignore = [\"id\"]"),
        "{recipe}"
    );
    assert!(recipe.contains("\"id\": left out: it numbers the rows; 60 different"), "{recipe}");
    assert!(
        recipe.contains("\"size\": numeric; 5 different, 9 missing, such as \"1\""),
        "{recipe}"
    );
    assert!(recipe.contains("one of 3 classes"), "{recipe}");
    fs::remove_file(case.path("recipe.toml")).unwrap();
    let recipe = case.trains("fruit.csv", &["--target", "colour"], &[]);
    assert!(recipe.contains("target = [\"colour\"]"), "{recipe}");

    // Semicolons, decimal commas, no names; then tabs, in parts.
    let case = Case::new();
    let row = |number: usize| format!("{},5;{};{},25\n", number, number % 4, number * 2);
    case.write("a.csv", (0..50).map(row).collect::<String>());
    let recipe = case.trains("a.csv", &[], &["without a line of names"]);
    assert!(recipe.contains("decimal = \",\"") && recipe.contains("regression"), "{recipe}");
    let case = Case::new();
    for (part, count) in [("train", 40), ("valid", 10), ("test", 10)] {
        let row = |number: usize| format!("{number}.5\t{}\n", ["no", "yes"][number % 2]);
        let rows: String = (0..count).map(row).collect();
        case.write(&format!("data/{part}.tsv"), format!("x\tclass\n{rows}"));
    }
    let recipe = case.trains("data", &[], &["40 samples to learn from, 10 to validate with, 10"]);
    assert!(recipe.contains("valid = \"data/valid.tsv\""), "{recipe}");

    let case = Case::new();
    let row = |number: usize| {
        let kind = ["dull", "bright"][number % 2];
        format!("{{\"light\": {number}.5, \"kind\": \"{kind}\"}}\n")
    };
    case.write("rows.jsonl", (0..40).map(row).collect::<String>());
    let recipe = case.trains("rows.jsonl", &[], &["a table of 40 rows and 2 columns"]);
    assert!(recipe.contains("kind = \"json_lines\""), "{recipe}");
}

#[test]
fn parquet_tables() {
    let case = Case::new();
    let schema = "message m { REQUIRED DOUBLE x; REQUIRED BYTE_ARRAY label (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = vec![];
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let xs: Vec<f64> = (0..40).map(|number| number as f64 / 2.0).collect();
    let labels: Vec<ByteArray> =
        (0..40).map(|number| ByteArray::from(["a", "b"][number % 2])).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&xs, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&labels, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    case.write("t.parquet", bytes);
    let recipe = case.trains("t.parquet", &[], &["a table of 40 rows and 2 columns"]);
    assert!(recipe.contains("kind = \"parquet\""), "{recipe}");
}

const WORDS: [&str; 2] = ["what a fine and lovely day this is", "a grim and dreary night it was"];

#[test]
fn texts() {
    let case = Case::new();
    let line = |number: usize| {
        format!("{}\t{} {number}\n", ["good", "bad"][number % 2], WORDS[number % 2])
    };
    case.write("reviews.txt", (0..40).map(line).collect::<String>());
    let recipe =
        case.trains("reviews.txt", &[], &["40 lines of a label, a tab and a text, with 2"]);
    assert!(recipe.contains("bag_of_ngrams"), "{recipe}");

    let case = Case::new();
    for number in 0..24 {
        let name = format!("data/{}/{number}.txt", ["good", "bad"][number % 2]);
        case.write(&name, format!("{} {number}", WORDS[number % 2]));
    }
    case.trains("data", &[], &["24 texts in 2 classes: bad (12), good (12)"]);

    // A column of text beside others that are not given.
    let case = Case::new();
    let row =
        |number: usize| format!("{},{} {number},{}\n", number % 5, WORDS[number % 2], number % 2);
    case.write("t.csv", format!("stars,review,label\n{}", (0..40).map(row).collect::<String>()));
    let recipe = case.trains("t.csv", &[], &["texts of"]);
    assert!(recipe.contains("\"stars\": left out: the model is given review alone"), "{recipe}");

    let case = Case::new();
    case.write("song.txt", "la la li la lo ".repeat(200));
    let recipe = case.trains("song.txt", &[], &["a text of 3000 characters, 5 different ones"]);
    assert!(recipe.contains("language_model") && recipe.contains("\"perplexity\""), "{recipe}");
}

#[test]
fn files_of_mnist_and_cifar() {
    let case = Case::new();
    let digits = digits::embedded().unwrap();
    for (name, set, count) in [("train", &digits.train, 200), ("t10k", &digits.test, 20)] {
        let write = |kind: &str, x: &Tensor| {
            case.write(&format!("mnist/{name}-{kind}-ubyte"), idx::encode(x).unwrap());
        };
        write("images-idx3", &set.images().narrow(0, 0, count).squeeze(1));
        write("labels-idx1", &set.labels().narrow(0, 0, count).to_dtype(DType::U8));
    }
    let facts = [" to validate with, 20 to be tested with"];
    let recipe = case.trains("mnist", &[], &facts);
    assert!(recipe.contains("kind = \"idx\""), "{recipe}");
    // A sheet of what the network sees.
    let mut augment = gradus(case.folder.path());
    let said = succeed(augment.args(["augment", "recipe.toml", "--samples", "3", "--epochs", "2"]));
    assert!(said.contains("written: augment.png, 3 samples in rows"), "{said}");
    assert!(fs::read(case.path("augment.png")).unwrap().starts_with(b"\x89PNG"));

    let case = Case::new();
    for name in [
        "data_batch_1",
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
        "test_batch",
    ] {
        let record = |class: u8| [vec![class], vec![class * 20; 3072]].concat();
        case.write(
            &format!("cifar/{name}.bin"),
            (0..20).map(|number| record(number % 10)).collect::<Vec<_>>().concat(),
        );
    }
    let recipe = case.trains("cifar", &[], &["CIFAR-10, the binary version"]);
    assert!(recipe.contains("resnet9"), "{recipe}");
}

#[test]
fn arrays() {
    let case = Case::new();
    let x = Tensor::arange(0, 120, 1).reshape([40, 3]).to_dtype(DType::F32);
    let y = Tensor::from((0..40).map(|number| number % 2).collect::<Vec<i64>>());
    npy::write(case.path("data/x.npy"), &x).unwrap();
    npy::write(case.path("data/y.npy"), &y).unwrap();
    let recipe = case.trains("data", &[], &["inputs of shape [40, 3], targets of shape [40]"]);
    assert!(recipe.contains("targets = \"data/y.npy\""), "{recipe}");
    fs::remove_file(case.path("recipe.toml")).unwrap();
    let both = [("x".to_string(), x.clone()), ("y".to_string(), y.to_dtype(DType::F32) * 0.5)];
    npz::write(case.path("both.npz"), &both, npz::Compression::Stored).unwrap();
    let recipe = case.trains("both.npz", &[], &["inputs of shape [40, 3]"]);
    assert!(recipe.contains("\"r2\""), "{recipe}");
    fs::remove_file(case.path("data/y.npy")).unwrap();
    let said = fail(case.init("data/x.npy").args(["-o", "other.toml"]));
    assert!(said.contains("x.npy: has no targets beside it: call them x.npy and y.npy"), "{said}");
}

/// Sound of one channel and 16 bits.
fn wav(samples: &[i16], rate: u32) -> Vec<u8> {
    let size = 2 * samples.len() as u32;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + size).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(rate.to_le_bytes());
    bytes.extend((2 * rate).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(size.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

#[test]
fn folders_of_sounds() {
    let case = Case::new();
    for number in 0..20 {
        let pitch = [0.05, 0.4][number % 2];
        let sample = |at: usize| (8000.0 * (at as f64 * pitch + number as f64).sin()) as i16;
        let samples: Vec<i16> = (0..2000).map(sample).collect();
        let name = format!("data/{}/{number}.wav", ["low", "high"][number % 2]);
        case.write(&name, wav(&samples, 8000));
    }
    let facts =
        ["20 sounds in 2 classes: high (10), low (10)", "8000 Hz, the longest of 0.2 seconds"];
    let recipe = case.trains("data", &[], &facts);
    assert!(recipe.contains("kind = \"audio\"") && recipe.contains("spec_augment"), "{recipe}");
}

#[test]
fn what_cannot_be_is_said_in_a_sentence() {
    let case = Case::new();
    case.write("recipe.toml", "mine");
    case.write("t.csv", "x,class\n1,a\n2,b\n3,a\n4,b\n");
    let there = "recipe.toml is there already: remove it, or name another with -o";
    assert_eq!(fail(&mut case.init("t.csv")), there);
    assert_eq!(fs::read_to_string(case.path("recipe.toml")).unwrap(), "mine");
    fs::remove_file(case.path("recipe.toml")).unwrap();

    picture(&case.path("one.png"), [4, 4], Colour::Grey, true);
    picture(&case.path("loose/one.png"), [4, 4], Colour::Grey, true);
    picture(&case.path("single/only/one.png"), [4, 4], Colour::Grey, true);
    case.write("short.txt", "too short");
    case.write("bytes.xyz", [0u8, 255, 254, 1]);
    let rows: String = (0..30).map(|number| format!("{number}.5,name{number}\n")).collect();
    case.write("ids.csv", format!("x,name\n{rows}"));
    case.write("lonely.csv", "x\n1\n2\n");
    fs::create_dir(case.path("empty")).unwrap();
    for (data, words) in [
        ("nowhere", "nowhere: "),
        ("one.png", "one.png: is one picture: give the folder that holds a folder for each class"),
        ("loose", "loose: holds 1 pictures, but does not say what they show"),
        ("single", "single: holds 1 folders: give one of .png, "),
        ("short.txt", "short.txt: is a text of 9 characters: to learn from it takes 200 or more"),
        ("bytes.xyz", "bytes.xyz: is nothing that is read here: give a folder of pictures"),
        ("empty", "empty: holds nothing that is read here"),
        ("ids.csv", "ids.csv: the column name is not one to be told, with 30 different values"),
        ("lonely.csv", "lonely.csv: has one column"),
    ] {
        let said = fail(&mut case.init(data));
        assert!(said.contains(words), "{said}");
    }
    let said = fail(case.init("t.csv").args(["--target", "colour"]));
    assert!(said.contains("colour") && said.contains("class"), "{said}");
    let said = fail(case.init("single").args(["--target", "colour"]));
    assert!(said.contains("single: "), "{said}");
    assert!(!case.path("recipe.toml").exists());
}
