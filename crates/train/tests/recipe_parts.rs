//! The metrics, callbacks and balances that recipes name, made and used.

use gradus_data::image::{Colour, Image, write_png};
use gradus_data::source::{Answers, Number};
use gradus_nn::losses::cross_entropy;
use gradus_nn::{Layer, Module};
use gradus_tensor::{DType, Error, Tensor};
use gradus_train::recipe::Draft;
use gradus_train::recipe::entry::{Entry, Product, Settings};
use gradus_train::recipe::lists::losses::LossSite;
use gradus_train::recipe::lists::metrics::MetricSite;
use gradus_train::recipe::tree::{Node, Table, Value};
use gradus_train::{
    Callback, ClassFigure, ErrorUnit, Loss, Metric, ProbabilityFigure, RankingFigure,
    RegressionFigure, RougeFigure,
};

/// What an entry makes with its defaults.
fn made<P: Product>(entry: &Entry<P>, site: &mut P::Site) -> Result<P, Error> {
    let mut table = Table::default();
    table.set("kind", Node::unwritten(Value::Text(entry.outline.kind.into())));
    for field in &entry.outline.fields {
        if let Some(default) = &field.default {
            table.set(field.name, Node::unwritten(default.clone()));
        }
    }
    (entry.make)(&Settings::of(&table), site)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// Data of each kind: what is to be told, answers that are right and answers that are not, targets.
fn sites() -> Vec<(MetricSite, [Tensor; 3])> {
    let classes: Vec<String> = (0..7).map(|class| class.to_string()).collect();
    let classes_from =
        |first: i64| Tensor::from((first..first + 14).map(|x| x % 7).collect::<Vec<i64>>());
    let target = classes_from(0);
    let scores = |target: &Tensor| target.one_hot(7).to_dtype(DType::F32) * 40.0;
    let number = Number { name: "x".into(), mean: 5.0, deviation: 2.0, unit: String::new() };
    let numbers = Tensor::from([[-1.0f32], [0.5], [1.0], [3.0]]);
    let labels = Tensor::from([[1.0f32, 0.0], [0.0, 1.0], [0.0, 0.0]]);
    let tokens = target.reshape([2, 7]);
    let site = |answers, outputs| MetricSite { answers, outputs };
    // Pictures of seven by seven pixels, whose scores of seven classes have the shape of a sequence's.
    let mask = |first: i64| {
        let classes: Vec<i64> = (first..first + 49).map(|x| x % 7).collect();
        Tensor::from_vec(classes, [1, 7, 7])
    };
    let mask_scores = |mask: &Tensor| scores(mask).permute(&[0, 3, 1, 2]);
    vec![
        (
            site(Answers::Mask(classes.clone()), 7),
            // The first pixel, which is wrong, does not count.
            [mask_scores(&mask(0)), mask_scores(&mask(1)), but_the_first(&mask(0))],
        ),
        (
            site(Answers::Classes(classes), 7),
            [scores(&target), scores(&classes_from(1)), target.clone()],
        ),
        (
            site(Answers::Labels(names(&["a", "b"])), 2),
            [&labels * 80.0 - 40.0, &labels * -80.0 + 40.0, labels],
        ),
        (site(Answers::Numbers(vec![number]), 1), [numbers.clone(), &numbers * 1.5 + 1.0, numbers]),
        (
            site(Answers::NextToken, 7),
            // All the same token.
            [scores(&tokens), scores(&Tensor::zeros_like(&tokens)), tokens],
        ),
    ]
}

/// A mask that says nothing of its first pixel.
fn but_the_first(mask: &Tensor) -> Tensor {
    let mut classes: Vec<i64> = mask.to_vec();
    classes[0] = -100;
    Tensor::from_vec(classes, *mask.shape())
}

#[test]
fn every_metric_tells_right_from_wrong() {
    for entry in Box::<dyn Metric>::entries() {
        let kind = entry.outline.kind;
        let mut taken = 0;
        for (mut site, [right, wrong, target]) in sites() {
            let mut metric = match made(&entry, &mut site) {
                Ok(metric) => metric,
                Err(error) => {
                    assert!(error.to_string().contains("but the data wants "), "{kind}: {error}");
                    continue;
                }
            };
            taken += 1;
            metric.update(&right, &target);
            let best = metric.value();
            let state = metric.state();
            metric.reset();
            metric.update(&wrong, &target);
            let (worst, answers) = (metric.value(), &site.answers);
            let near = |x: f64| (best - x).abs() < 1e-6;
            assert!(near(0.0) || near(1.0) || near(100.0), "{kind} of {answers:?}: {best}");
            assert!((best - worst).abs() > 0.05, "{kind} of {answers:?}: {best}, {worst}");
            metric.load_state(&state).unwrap();
            assert_eq!(metric.value(), best);
        }
        assert!(taken > 0, "{kind} is of no data");
    }
}

#[test]
fn every_figure_is_a_metric() {
    let kinds: Vec<&str> =
        Box::<dyn Metric>::entries().iter().map(|entry| entry.outline.kind).collect();
    let figures = [
        ClassFigure::ALL.iter().map(|figure| figure.name()).collect::<Vec<_>>(),
        RankingFigure::ALL.iter().map(|figure| figure.name()).collect(),
        ProbabilityFigure::ALL.iter().map(|figure| figure.name()).collect(),
        RegressionFigure::ALL.iter().map(|figure| figure.name()).collect(),
        RougeFigure::ALL.iter().map(|figure| figure.name()).collect(),
        ErrorUnit::ALL.iter().map(|figure| figure.name()).collect(),
    ];
    for figure in figures.concat() {
        assert!(kinds.contains(&figure), "{figure}");
    }
}

/// What shapes leave open, the data tells.
#[test]
fn the_classes_of_masks_are_along_the_second_axis() {
    let (site, [right, wrong, target]) = sites().remove(0);
    let mut site = LossSite { answers: site.answers, weights: None };
    for entry in Loss::entries() {
        if !["cross_entropy", "focal"].contains(&entry.outline.kind) {
            continue;
        }
        let loss = made(&entry, &mut site).unwrap();
        let (right, wrong) = (loss(&right, &target), loss(&wrong, &target));
        assert!(right.item::<f32>() < 1e-6 && wrong.item::<f32>() > 30.0, "{right:?}, {wrong:?}");
    }
}

/// Which side of a picture is bright, told of each pixel.
#[test]
fn masks_are_learnt_by_a_recipe() {
    let folder = tempfile::tempdir().unwrap();
    for of in ["pictures", "masks"] {
        std::fs::create_dir(folder.path().join(of)).unwrap();
    }
    for number in 0..24 {
        let bright = |place: usize| place % 16 / 8 == number % 2;
        let pixels = |place| if bright(place) { 200 } else { number as u8 };
        // Of the first row nothing is told.
        let mask = |place| if place < 16 { 255 } else { bright(place) as u8 };
        let write = |of: &str, levels: Vec<u8>| {
            let path = folder.path().join(of).join(format!("{number}.png"));
            write_png(path, &Image::new(16, 16, Colour::Grey, levels).unwrap()).unwrap();
        };
        write("pictures", (0..256).map(pixels).collect());
        write("masks", (0..256).map(mask).collect());
    }
    let [path, masks] = ["pictures", "masks"].map(|of| folder.path().join(of));
    let text = format!(
        "data = {{ kind = \"image_folder\", path = {path:?}, masks = {masks:?}, ignore = 255 }}\n\
         model = {{ kind = \"unet\", width = 4, depth = 1 }}\n\
         optimizer = {{ kind = \"adam\", learning_rate = 0.01 }}\n\
         augment = [\"horizontal_flip\"]\n\
         metrics = [\"accuracy\", \"iou\", \"dice\"]\n\
         run = {{ epochs = 8, batch = 4 }}\n"
    );
    let recipe = Draft::parse("a.toml", &text).and_then(Draft::check).unwrap();
    let data = recipe.data().unwrap();
    let mut job = recipe.job(&data, recipe.model(&data).unwrap()).unwrap();
    job.trainer.fit(&job.train, job.valid.as_ref()).unwrap();
    for figure in ["valid_accuracy", "valid_iou", "valid_dice"] {
        let value = job.trainer.history().last(figure).unwrap();
        assert!(value > 0.9, "{figure} is {value}");
    }
    let input = data.encoder.encode_file(path.join("0.png")).unwrap();
    let model = job.trainer.model();
    model.eval();
    let answers = data.encoder.decode(&model.forward(&input)).unwrap();
    let said = answers[0].to_string();
    assert!(said.contains("0 ") && said.contains("1 ") && said.contains(" %"), "{said}");
}

/// Errors of numbers are in their own unit, not in that of the scaled ones.
#[test]
fn numbers_are_measured_as_they_were() {
    let (mut site, _) = sites().remove(3);
    let entries = Box::<dyn Metric>::entries();
    let entry = entries.iter().find(|entry| entry.outline.kind == "mae").unwrap();
    let mut mae = made(entry, &mut site).unwrap();
    mae.update(&Tensor::from([[0.0f32], [1.0]]), &Tensor::from([[0.0f32], [3.0]]));
    assert_eq!(mae.value(), 2.0);
}

/// A short training on a few digits, with the lines of a recipe.
fn trained(rest: &str) -> (tempfile::TempDir, gradus_train::recipe::Job) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{rest}\ndata.kind = \"digits\"\ndata.split.valid = 0.98\nmodel.layers = [\"flatten\", \
         \"linear\"]\n[run]\nepochs = 2\n"
    );
    let recipe = Draft::parse("a.toml", &text).and_then(Draft::check).unwrap();
    let data = recipe.data().unwrap();
    let mut job = recipe.job(&data, recipe.model(&data).unwrap()).unwrap();
    job.trainer = job.trainer.callbacks(recipe.callbacks(folder.path()).unwrap());
    job.trainer.fit(&job.train, job.valid.as_ref()).unwrap();
    (folder, job)
}

#[test]
fn every_callback_can_be_part_of_a_training() {
    let given = |kind: &str| match kind {
        "time_budget" => ", seconds = 1000",
        "swa" => ", first_epoch = 1",
        "unfreeze" => ", pattern = \"1.*\", epoch = 1",
        _ => "",
    };
    let kinds: Vec<String> = Box::<dyn Callback>::entries()
        .iter()
        .map(|entry| entry.outline.kind)
        // Two averages at once are one too many.
        .filter(|kind| *kind != "swa")
        .map(|kind| format!("{{ kind = \"{kind}\"{} }}", given(kind)))
        .collect();
    let (folder, job) = trained(&format!("callbacks = [{}]", kinds.join(", ")));
    assert_eq!(job.trainer.history().len(), 2);
    assert!(folder.path().join("statistics.jsonl").is_file());
    assert!(folder.path().join("tensorboard").read_dir().unwrap().count() > 0);
    let (_, swa) = trained("callbacks = [{ kind = \"swa\", first_epoch = 1 }]");
    assert_eq!(swa.trainer.history().len(), 2);
}

#[test]
fn lookahead_goes_another_way() {
    let weights = |rest: &str| {
        let (_, job) = trained(rest);
        job.trainer.model().state_dict()[0].1.to_vec::<f32>()
    };
    let plain = weights("optimizer = { kind = \"sgd\", learning_rate = 0.1 }");
    let slow = "lookahead = { every = 2, follow = 0.5 }";
    let other = weights(&format!("optimizer = {{ kind = \"sgd\", learning_rate = 0.1, {slow} }}"));
    assert_ne!(plain, other);
}

/// Rare classes count as much as frequent ones: in the loss, or by how often they are drawn.
#[test]
fn classes_are_balanced() {
    let folder = tempfile::tempdir().unwrap();
    let row = |number: usize| {
        format!("{},{}\n", number % 10, if number.is_multiple_of(10) { "rare" } else { "often" })
    };
    let rows: String = (0..400).map(row).collect();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, format!("x,class\n{rows}")).unwrap();
    let recipe = |balance: &str| {
        let text = format!(
            "data = {{ kind = \"csv\", path = {path:?}, table.target = [\"class\"], split.valid = 0.0 }}\n\
             model.layers = [\"linear\"]\nrun = {{ balance = \"{balance}\", bad_samples = \"skip\" }}\n"
        );
        Draft::parse("a.toml", &text).and_then(Draft::check).unwrap()
    };
    let rare = |recipe: &gradus_train::recipe::Recipe| {
        let data = recipe.data().unwrap();
        let job = recipe.job(&data, recipe.model(&data).unwrap()).unwrap();
        let targets = job.train.epoch(0).flat_map(|batch| batch.unwrap().target().to_vec::<i64>());
        // `rare` is the second class by name.
        targets.filter(|&class| class == 1).count()
    };
    assert_eq!(rare(&recipe("none")), 40);
    let drawn = rare(&recipe("sampling"));
    assert!((160..240).contains(&drawn), "{drawn}");

    // The weighted mean of losses, against the formula.
    let weighted = recipe("weights");
    let data = weighted.data().unwrap();
    let (output, target) = (Tensor::from([[1.0f32, 0.0], [2.0, 0.5]]), Tensor::from([1i64, 0]));
    let loss = weighted.loss(&data).unwrap()(&output, &target).item::<f32>();
    let single = |row: usize| {
        cross_entropy(&output.narrow(0, row, 1), &target.narrow(0, row, 1)).item::<f32>()
    };
    let weights = [400.0 / (2.0 * 40.0), 400.0 / (2.0 * 360.0)];
    let wanted = (weights[0] * single(0) + weights[1] * single(1)) / (weights[0] + weights[1]);
    assert!((loss - wanted).abs() < 1e-5, "{loss}, not {wanted}");
    let plain = recipe("none").loss(&data).unwrap()(&output, &target).item::<f32>();
    assert!((plain - wanted).abs() > 0.05);
}
