//! From files to data sets and back to answers, for each kind of source.

use gradus_data::augment::{FlipOptions, HorizontalFlip};
use gradus_data::image::{Colour, Image, write_png};
use gradus_data::source::{
    Answers, ArrayOptions, CsvOptions, DataOptions, Encoder, IdxOptions, ImageFolderOptions,
    JsonLinesOptions, LanguageOptions, Prepared, Source, SplitBy, TextFilesOptions, Unit, prepare,
    prepare_for,
};
use gradus_data::{Augment, BadSamples, DataLoader, Dataset, LoaderOptions, Sample, idx};
use gradus_tensor::io::npy;
use gradus_tensor::{DType, Rng, Tensor};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn text_of(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}

/// Writes a file into a new folder.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let path = text_of(&path);
    (folder, path)
}

fn said(options: &DataOptions) -> String {
    prepare(options, 1).err().unwrap().to_string()
}

/// That an encoder survives being saved, and all parts are of its shape.
fn check(prepared: &Prepared) {
    let Prepared { train, valid, test, encoder, .. } = prepared;
    assert_eq!(Encoder::from_json(&encoder.to_json().unwrap()).unwrap(), *encoder);
    for set in [Some(train), valid.as_ref(), test.as_ref()].into_iter().flatten() {
        let batch = set.batch(&[set.len() - 1, 0]).unwrap();
        assert_eq!(batch.input().select(0, 0).shape(), &encoder.shape());
        assert_eq!(batch.input().dtype(), encoder.dtype());
    }
}

#[test]
fn rows_of_a_table() {
    let mut text = String::from("age,town,income,good\n");
    for row in 0..100 {
        let town = ["Rome", "Oslo"][row % 2];
        text.push_str(&format!("{},{town},{},{}\n", 20 + row, 3 * row, ["no", "yes"][row % 2]));
    }
    let (folder, path) = file("t.csv", &text);
    let mut options = DataOptions::of(Source::Csv(CsvOptions { path, ..Default::default() }));
    options.table.target = vec!["good".into()];
    options.split.by = SplitBy::Stratified;
    options.split.test = 0.2;
    let prepared = prepare(&options, 1).unwrap();
    check(&prepared);
    let len = |set: &Option<Arc<dyn Dataset>>| set.as_ref().unwrap().len();
    assert_eq!((prepared.train.len(), len(&prepared.valid), len(&prepared.test)), (70, 10, 20));
    assert_eq!(prepared.class_weights().unwrap(), [1.0, 1.0]);
    assert_eq!(prepared.sample_weights().unwrap().len(), 70);
    // The mean of the rows to learn from is 0, and of those alone.
    let all: Vec<usize> = (0..70).collect();
    let ages = prepared.train.batch(&all).unwrap().input().select(1, 0);
    assert!(ages.mean(..).item::<f32>().abs() < 1e-5);
    let encoder = &prepared.encoder;
    let new = folder.path().join("new.csv");
    fs::write(&new, "income,age,town\n0,20,Oslo\n3,21,Paris\n").unwrap();
    let rows = encoder.encode_file(&new).unwrap();
    assert_eq!(rows.shape(), [2, 4]);
    let row = encoder.encode_row(&[("age", "20"), ("town", "Oslo"), ("income", "0")]).unwrap();
    assert_eq!(rows.narrow(0, 0, 1).to_vec::<f32>(), row.to_vec::<f32>());
    // A town that was never seen is none of those that were.
    assert_eq!(rows.select(0, 1).to_vec::<f32>()[1..3], [0.0, 0.0]);
    let error = encoder.encode_row(&[("aeg", "20")]).unwrap_err().to_string();
    assert_eq!(error, "the model knows no column aeg: it knows age, town, income");
    let answer = encoder.decode(&Tensor::from([[0.0f32, 3f32.ln()]])).unwrap();
    assert_eq!(answer[0].to_string(), "yes 75.0 %, no 25.0 %");
    let told = "from [4] numbers of the columns age, town, income, tell one of 2 classes";
    assert_eq!(encoder.describe(), told);
    assert_eq!(prepare(&options, 1).unwrap().encoder, *encoder);
}

#[test]
fn tables_that_cannot_be_used_are_named_with_the_cure() {
    let (_folder, path) =
        file("t.csv", "x,s,y\n1,this is a long text indeed,1\n2,and here comes another one,0\n");
    let mut options = DataOptions::of(Source::Csv(CsvOptions { path, ..Default::default() }));
    options.table.target = vec!["y".into()];
    options.split.valid = 0.5;
    let wanted = "table: the column s is text beside x: put either under ignore, or list the text \
                  under categorical";
    assert_eq!(said(&options), wanted);
    options.split.by = SplitBy::Time;
    options.split.column = Some("when".into());
    assert!(said(&options).ends_with("t.csv: has no column when: it has x, s, y"));
    options.source = Source::Csv(CsvOptions { path: "/nowhere.csv".into(), ..Default::default() });
    let error = said(&options);
    assert!(error.starts_with("/nowhere.csv: ") && error.ends_with("check the path"), "{error}");
}

#[test]
fn json_lines_with_numbers() {
    let line = |i: usize| format!("{{\"x\": {i}, \"kind\": \"k{}\", \"y\": {}}}\n", i % 3, i * i);
    let (_folder, path) = file("t.jsonl", (0..60).map(line).collect::<String>());
    let source = Source::JsonLines(JsonLinesOptions { path, ..Default::default() });
    let mut options = DataOptions::of(source);
    options.table.target = vec!["y".into()];
    options.table.unit = "m²".into();
    let prepared = prepare(&options, 1).unwrap();
    check(&prepared);
    assert!(prepared.class_weights().is_none());
    let target = prepared.train.batch(&(0..54).collect::<Vec<_>>()).unwrap().target().clone();
    assert_eq!(target.shape(), [54, 1]);
    assert!(target.mean(..).item::<f32>().abs() < 1e-5);
    let answer = prepared.encoder.decode(&Tensor::from([[0.0f32]])).unwrap()[0].to_string();
    assert!(answer.starts_with("y ") && answer.ends_with(" m²"), "{answer}");
}

#[test]
fn texts_with_labels_and_texts_to_go_on() {
    let line =
        |i: usize| format!("{}\tit is {} indeed\n", ["bad", "good"][i % 2], ["bad", "good"][i % 2]);
    let (_folder, path) = file("t.txt", (0..40).map(line).collect::<String>());
    let options = DataOptions::of(Source::Text(TextFilesOptions {
        path: path.clone(),
        ..Default::default()
    }));
    let prepared = prepare(&options, 1).unwrap();
    check(&prepared);
    assert_eq!(prepared.encoder.shape(), [4]);
    let x = prepared.encoder.encode_text("It is GOOD enough").unwrap().to_vec::<i64>();
    assert!(x[..3].iter().all(|&x| x > 1) && x[3] == 1, "{x:?}");
    let source = Source::Language(LanguageOptions { path, ..Default::default() });
    let mut options = DataOptions::of(source);
    options.text.unit = Unit::Character;
    options.text.length = Some(8);
    let prepared = prepare(&options, 1).unwrap();
    check(&prepared);
    let sample = prepared.train.sample(0).unwrap();
    let (x, y) = (sample.input().to_vec::<i64>(), sample.target().to_vec::<i64>());
    assert_eq!(x[1..], y[..7]);
    let vocabulary = prepared.encoder.vocabulary().unwrap();
    let numbers: Vec<u32> = x.iter().map(|&x| x as u32).collect();
    assert_eq!(vocabulary.decode(&numbers), "bad\tit i");
    options.text.length = Some(100_000);
    assert!(said(&options).contains("tokens to learn from, not the 100001 of a window"));
}

#[test]
fn arrays_of_numbers_and_of_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| text_of(&folder.path().join(name));
    let mut rng = Rng::new(1);
    npy::write(path("x.npy"), &(Tensor::randn([50, 3], &mut rng) * 5.0 + 2.0)).unwrap();
    npy::write(path("y.npy"), &Tensor::randint(0, 4, [50], &mut rng)).unwrap();
    let arrays = |x: &str| ArrayOptions {
        path: path(x),
        targets: Some(path("y.npy")),
        ..Default::default()
    };
    let prepared = prepare(&DataOptions::of(Source::Arrays(arrays("x.npy"))), 1).unwrap();
    check(&prepared);
    assert_eq!((prepared.encoder.kind(), prepared.encoder.outputs()), ("tensor", 4));
    let rows = prepared.encoder.encode_file(path("x.npy")).unwrap();
    assert_eq!(rows.shape(), [50, 3]);
    assert!(prepared.encoder.encode_file(path("y.npy")).is_err());
    npy::write(path("p.npy"), &Tensor::randint(0, 256, [50, 6, 5], &mut rng).to_dtype(DType::U8))
        .unwrap();
    let prepared = prepare(&DataOptions::of(Source::Arrays(arrays("p.npy"))), 1).unwrap();
    check(&prepared);
    assert_eq!(prepared.encoder.kind(), "image");
}

/// A folder of pictures of two classes, dark and bright.
fn pictures(count: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        let (class, level) = [("bright", 200), ("dark", 20)][number % 2];
        fs::create_dir_all(folder.path().join(class)).unwrap();
        let image = Image::new(4, 3, Colour::Rgb, vec![level + number as u8; 36]).unwrap();
        write_png(folder.path().join(class).join(format!("{number:02}.png")), &image).unwrap();
    }
    folder
}

#[test]
fn pictures_in_folders() {
    let folder = pictures(20);
    let path = text_of(folder.path());
    let source = Source::ImageFolder(ImageFolderOptions { path, ..Default::default() });
    let mut options = DataOptions::of(source);
    let mut prepared = prepare(&options, 1).unwrap();
    check(&prepared);
    assert_eq!(prepared.encoder.shape(), [3, 3, 4]);
    let plain = prepared.train.sample(0).unwrap().input().clone();
    assert_eq!(prepared.raw().sample(0).unwrap().input().dtype(), DType::U8);
    let one = folder.path().join("dark/01.png");
    assert_eq!(prepared.encoder.encode_file(&one).unwrap().shape(), [1, 3, 3, 4]);
    // What changes pictures is given them as they are, and they are standardised thereafter.
    prepared.augment(|raw| {
        Arc::new(Augment::new(raw, 1, |sample, _| {
            assert_eq!(sample.input().dtype(), DType::U8);
            let mirrored = sample.input().flip(&[2]);
            Ok(Sample::new(mirrored, sample.target().clone()))
        }))
    });
    let mirrored = prepared.train.sample(0).unwrap().input().clone();
    assert_eq!(mirrored.flip(&[2]).to_vec::<f32>(), plain.to_vec::<f32>());
    options.images.mean = Some(vec![0.5]);
    options.images.deviation = Some(vec![0.5]);
    let told = prepare(&options, 1).unwrap();
    let batch = told.train.batch(&[0]).unwrap();
    let level = batch.input().to_vec::<f32>()[0];
    assert!((-1.0..=1.0).contains(&level));
}

#[test]
fn pictures_with_masks() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..20u8 {
        // A bright half, left or right, and a corner of which nothing is told.
        let bright = |place: usize| (place % 4 < 2) == (number % 2 == 0);
        let pixels = (0..12).map(|place| if bright(place) { 200 } else { number }).collect();
        let mask = (0..12).map(|place| if place == 0 { 255 } else { bright(place) as u8 });
        for (of, pixels) in [("pictures", pixels), ("masks", mask.collect::<Vec<u8>>())] {
            let path = folder.path().join(of).join(format!("{number:02}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_png(path, &Image::new(4, 3, Colour::Grey, pixels).unwrap()).unwrap();
        }
    }
    let [path, masks] = ["pictures", "masks"].map(|name| text_of(&folder.path().join(name)));
    let source = ImageFolderOptions {
        path,
        masks: Some(masks),
        ignore: Some(255),
        classes: vec!["dark".into(), "bright".into()],
        ..Default::default()
    };
    let mut options = DataOptions::of(Source::ImageFolder(source));
    let mut prepared = prepare(&options, 1).unwrap();
    assert_eq!(prepared.encoder.answers(), &Answers::Mask(vec!["dark".into(), "bright".into()]));
    assert_eq!((prepared.encoder.outputs(), prepared.train.len()), (2, 18));
    let flip = HorizontalFlip::new(FlipOptions { probability: 0.5 }).unwrap();
    prepared.augment(|raw| Arc::new(Augment::with(raw, 1, flip)));
    let all: Vec<usize> = (0..18).collect();
    let batch = prepared.train.batch(&all).unwrap();
    assert_eq!(batch.input().shape(), [18, 1, 3, 4]);
    assert_eq!(batch.target().shape(), [18, 3, 4]);
    // However pictures were turned round, what is bright is called so.
    let (x, y) = (batch.input().to_vec::<f32>(), batch.target().to_vec::<i64>());
    assert!(x.iter().zip(&y).all(|(x, &class)| class == -100 || (*x > 0.0) == (class == 1)));
    let hidden = y.chunks(12).map(|y| y.iter().position(|&class| class == -100));
    let hidden: Vec<usize> = hidden.collect::<Option<_>>().unwrap();
    assert!(hidden.contains(&0) && hidden.contains(&3));
    options.split.by = SplitBy::Stratified;
    let wanted = "split: pictures with masks have neither classes nor columns: use random";
    assert_eq!(said(&options), wanted);
}

#[test]
fn pictures_that_go_bad_in_mid_epoch() {
    let folder = pictures(12);
    let path = text_of(folder.path());
    let source = Source::ImageFolder(ImageFolderOptions { path, ..Default::default() });
    let mut options = DataOptions::of(source);
    options.split.valid = 0.0;
    options.images.cache_bytes = Some(0);
    let prepared = prepare(&options, 1).unwrap();
    let loader = |bad_samples| {
        let options = LoaderOptions { batch_size: 4, bad_samples, ..Default::default() };
        DataLoader::new(prepared.train.clone(), options)
    };
    let skipping = loader(BadSamples::Skip);
    let mut batches = skipping.epoch(0);
    assert_eq!(batches.next().unwrap().unwrap().len(), 4);
    fs::remove_file(folder.path().join("dark/01.png")).unwrap();
    fs::write(folder.path().join("dark/03.png"), b"\x89PNG not any more").unwrap();
    let rest: Vec<usize> = batches.map(|batch| batch.unwrap().len()).collect();
    assert_eq!((rest, skipping.faults().count()), (vec![2, 4], 2));
    let names = skipping.faults().samples();
    assert!(names[0].1.contains("dark/01.png: ") && names[1].1.contains("dark/03.png: is damaged"));
    let mut batches = loader(BadSamples::Stop).epoch(0).skip(1);
    let error = batches.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("dark/01.png") && error.ends_with("check the path"), "{error}");
}

#[test]
fn files_of_idx() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, x: &Tensor| {
        fs::write(folder.path().join(name), idx::encode(x).unwrap()).unwrap();
    };
    let mut rng = Rng::new(3);
    let x = Tensor::randint(0, 256, [30, 4, 4], &mut rng).to_dtype(DType::U8);
    write("train-images-idx3-ubyte", &x);
    write("train-labels-idx1-ubyte", &Tensor::randint(0, 3, [30], &mut rng).to_dtype(DType::U8));
    let path = text_of(folder.path());
    let mut options = DataOptions::of(Source::Idx(IdxOptions { path, ..Default::default() }));
    check(&prepare(&options, 1).unwrap());
    options.images.height = Some(8);
    options.images.width = Some(8);
    let wanted = "images: these are of 1 channels and 4 by 4 pixels, and are not made larger or \
                  smaller: leave height, width and channels out";
    assert_eq!(said(&options), wanted);
}

/// Ten rows of a table whose numbers begin here, all but the last of this class.
fn table(start: f64, class: &str, last: &str) -> String {
    let class = |row| if row == 9 { last } else { class };
    let rows = (0..10).map(|row| format!("{},{}\n", start + row as f64, class(row)));
    rows.fold("size,kind\n".into(), |text, row| text + &row)
}

#[test]
fn what_a_model_learnt_stays_for_other_data() {
    let (folder, path) = file("t.csv", table(0.0, "a", "b"));
    let mut options = DataOptions::of(Source::Csv(CsvOptions { path, ..Default::default() }));
    options.table.target = vec!["kind".into()];
    let encoder = prepare(&options, 1).unwrap().encoder;
    let elsewhere = |text: String| {
        let path = folder.path().join("other.csv");
        fs::write(&path, text).unwrap();
        prepare_for(&encoder, &options.elsewhere(text_of(&path)), 1)
    };
    // By itself this table would be scaled to the same numbers, and b be the first class.
    let other = elsewhere(table(100.0, "b", "b")).unwrap();
    assert_eq!((other.train.len(), &other.encoder), (10, &encoder));
    assert!(other.valid.is_none() && other.test.is_none());
    let sample = other.train.sample(0).unwrap();
    assert_eq!(sample.target().item::<i64>(), 1);
    assert!(sample.input().to_vec::<f32>()[0] > 20.0, "{:?}", sample.input());
    let error = elsewhere(table(0.0, "a", "c")).err().unwrap().to_string();
    let wanted =
        "line 11, column kind: the class \"c\" is none of those that were learnt from (a, b)";
    assert!(error.ends_with(wanted), "{error}");
}

#[test]
fn a_model_is_not_asked_about_another_shape_or_kind() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, shape: [usize; 3]| {
        let of = |end: &str| folder.path().join(format!("{name}-{end}.npy"));
        npy::write(of("x"), &Tensor::zeros((shape, DType::U8))).unwrap();
        npy::write(of("y"), &Tensor::arange(0, shape[0] as i64, 1)).unwrap();
        let targets = Some(text_of(&of("y")));
        let arrays = ArrayOptions { path: text_of(&of("x")), targets, ..Default::default() };
        DataOptions::of(Source::Arrays(arrays))
    };
    let encoder = prepare(&write("known", [20, 3, 5]), 1).unwrap().encoder;
    let said = |options| prepare_for(&encoder, &options, 1).err().unwrap().to_string();
    let wanted = "data: these pictures are of shape [1, 2, 5], but the model learnt from [1, 3, 5]";
    assert_eq!(said(write("other", [20, 2, 5])), wanted);
    let (_rows, path) = file("t.csv", table(0.0, "a", "b"));
    let mut rows = DataOptions::of(Source::Csv(CsvOptions { path, ..Default::default() }));
    rows.table.target = vec!["kind".into()];
    let error = prepare_for(&encoder, &rows, 1).err().unwrap().to_string();
    assert!(error.contains("the class \"a\" is none of those"), "{error}");
    rows.table.target = vec!["size".into()];
    let encoder = prepare(&rows, 1).unwrap().encoder;
    let error = prepare_for(&encoder, &write("known", [20, 3, 5]), 1).err().unwrap().to_string();
    assert!(error.contains("table") || error.contains("classes"), "{error}");
}
