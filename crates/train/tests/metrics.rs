//! What metrics say of nothing, of NaN, of ties and of classes that are not there, and that they go
//! on from their state.

use gradus_tensor::{Error, Rng, Tensor};
use gradus_train::*;

fn of_classes(figure: ClassFigure, classes: usize) -> ClassMetric {
    ClassMetric::new(figure, ClassOptions { classes, ..Default::default() }).unwrap()
}

fn ranking(figure: RankingFigure, classes: usize) -> RankingMetric {
    RankingMetric::new(figure, RankingOptions { classes, per_class: false }).unwrap()
}

fn probability(figure: ProbabilityFigure) -> ProbabilityMetric {
    ProbabilityMetric::new(figure, ProbabilityOptions::default()).unwrap()
}

/// Metrics that take outputs `[B, 3]` and classes.
fn for_classes() -> Vec<Box<dyn Metric>> {
    let mut all: Vec<Box<dyn Metric>> = vec![
        Box::new(Accuracy::default()),
        Box::new(TopAccuracy::new(2).unwrap()),
        Box::new(Perplexity::default()),
    ];
    for &figure in ClassFigure::ALL {
        all.push(Box::new(of_classes(figure, 3)));
    }
    for &figure in RankingFigure::ALL {
        all.push(Box::new(ranking(figure, 3)));
    }
    for &figure in ProbabilityFigure::ALL {
        all.push(Box::new(probability(figure)));
    }
    all
}

fn for_numbers() -> Vec<Box<dyn Metric>> {
    let figures = RegressionFigure::ALL.iter();
    figures.map(|&figure| Box::new(RegressionMetric::new(figure)) as Box<dyn Metric>).collect()
}

fn for_texts() -> Vec<Box<dyn Metric>> {
    let tokens = TokenOptions { end: Some(1), padding: Some(0) };
    let mut all: Vec<Box<dyn Metric>> = vec![Box::new(Bleu::new(BleuOptions { tokens }))];
    for &figure in RougeFigure::ALL {
        all.push(Box::new(Rouge::new(figure, tokens)));
    }
    for &unit in ErrorUnit::ALL {
        all.push(Box::new(ErrorRate::new(unit, tokens)));
    }
    all
}

fn map() -> MeanAveragePrecision {
    MeanAveragePrecision::new(DetectionOptions::default()).unwrap()
}

/// Pairs of batches that a metric takes.
type Batches = [(Tensor, Tensor); 2];

fn class_batches() -> Batches {
    let mut rng = Rng::new(1);
    [1, 2].map(|_| {
        let target = Tensor::randint(0, 3, [20], &mut rng);
        let right = Tensor::eye(3).index_select(0, &target);
        (Tensor::randn([20, 3], &mut rng) + right, target)
    })
}

/// That a metric which is interrupted goes on, forgets when told to, and says no more than before.
fn goes_on(metric: &mut dyn Metric, other: &mut dyn Metric, batches: &Batches) {
    let name = metric.name().to_string();
    assert!(metric.value().is_nan(), "{name} of nothing is {}", metric.value());
    metric.update(&batches[0].0, &batches[0].1);
    let first = metric.value();
    other.load_state(&metric.state()).unwrap();
    assert_eq!(other.value().to_bits(), first.to_bits(), "{name}");
    metric.update(&batches[1].0, &batches[1].1);
    other.update(&batches[1].0, &batches[1].1);
    let all = |metric: &dyn Metric| {
        metric.figures().into_iter().map(|(name, x)| (name, x.to_bits())).collect::<Vec<_>>()
    };
    assert_eq!(all(metric), all(other), "{name}");
    assert!(metric.value().is_finite() && metric.value() != first, "{name}: {first}");
    assert_eq!(metric.figures()[0], (name.clone(), metric.value()));
    metric.reset();
    assert!(metric.value().is_nan(), "{name}");
    metric.update(&batches[0].0, &batches[0].1);
    assert_eq!(metric.value().to_bits(), first.to_bits(), "{name}");
    assert!(matches!(other.load_state(&State::new()), Err(Error::Mismatch(_))), "{name}");
}

#[test]
fn metrics_go_on_from_their_state() {
    let pairs = |make: fn() -> Vec<Box<dyn Metric>>, batches: Batches| {
        for (mut metric, mut other) in make().into_iter().zip(make()) {
            goes_on(&mut *metric, &mut *other, &batches);
        }
    };
    pairs(for_classes, class_batches());
    let mut rng = Rng::new(2);
    let numbers = [1, 2].map(|_| {
        let y = Tensor::randn([9, 2], &mut rng) + 3.0;
        (&y + Tensor::randn([9, 2], &mut rng) * 0.3, y)
    });
    pairs(for_numbers, numbers);
    let texts = [
        [[5i64, 6, 7, 8, 9, 1, 7], [5, 6, 9, 8, 1, 0, 0]],
        [[5, 6, 7, 8, 1, 0, 0], [5, 6, 7, 1, 0, 0, 0]],
    ]
    .map(|text| {
        (Tensor::from(text), Tensor::from([[5i64, 6, 7, 8, 9, 4, 1], [5, 6, 7, 8, 1, 9, 9]]))
    });
    pairs(for_texts, texts);
    let boxes = [0.6f32, 0.0].map(|shift| {
        let found = [[[shift, 0.0, 10.0, 10.0, 0.9, 0.0], [20.0, 20.0, 30.0, 30.0, 0.5, 1.0]]];
        let truths = [[[0.0f32, 0.0, 10.0, 10.0, 0.0], [20.0, 22.0, 30.0, 30.0, 1.0]]];
        (Tensor::from(found), Tensor::from(truths))
    });
    goes_on(&mut map(), &mut map(), &boxes);
}

#[test]
fn nan_among_the_answers_is_never_a_good_figure() {
    let [(output, target), _] = class_batches();
    let first = Tensor::full([1, 3], f32::NAN);
    let broken = Tensor::cat(&[first, output.narrow(0, 1, 19)], 0);
    for mut metric in for_classes() {
        metric.update(&broken, &target);
        if metric.name().ends_with("accuracy") && metric.name() != "balanced_accuracy" {
            // An answer with NaN is a wrong one.
            assert!(metric.value() <= 0.95, "{}", metric.name());
        } else {
            assert!(metric.value().is_nan(), "{}: {}", metric.name(), metric.value());
        }
    }
    for mut metric in for_numbers() {
        metric.update(&Tensor::from([f32::NAN, 1.0]), &Tensor::from([1.0f32, 1.5]));
        assert!(metric.value().is_nan(), "{}", metric.name());
    }
}

#[test]
fn ties_count_as_they_should() {
    let zeros = Tensor::zeros([4, 3]);
    let target = Tensor::from([0i64, 1, 2, 2]);
    let value = |mut metric: Box<dyn Metric>| {
        metric.update(&zeros, &target);
        metric.value()
    };
    // The first of equal outputs counts.
    assert_eq!(value(Box::<Accuracy>::default()), 0.25);
    assert_eq!(value(Box::new(TopAccuracy::new(1).unwrap())), 0.25);
    assert_eq!(value(Box::new(TopAccuracy::new(2).unwrap())), 0.5);
    assert_eq!(value(Box::new(TopAccuracy::new(9).unwrap())), 1.0);
    // There is no order among them.
    assert_eq!(value(Box::new(ranking(RankingFigure::RocAuc, 3))), 0.5);
    let precision = value(Box::new(ranking(RankingFigure::AveragePrecision, 3)));
    assert!((precision - 1.0 / 3.0).abs() < 1e-12, "{precision}");
}

#[test]
fn classes_that_are_not_there_are_left_out() {
    let output = Tensor::from([[1.0f32, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    let right = Tensor::from([0i64, 1]);
    let mut recall = of_classes(ClassFigure::Recall, 3);
    recall.update(&output, &right);
    assert_eq!(recall.value(), 1.0);
    let options = ClassOptions {
        classes: 3,
        averaging: Averaging::PerClass,
        names: ["a", "b", "c"].map(String::from).into(),
        ..Default::default()
    };
    let mut per_class = ClassMetric::new(ClassFigure::F1, options).unwrap();
    per_class.update(&output, &Tensor::from([0i64, 0]));
    let figures = per_class.figures();
    assert_eq!(figures[1], ("f1_a".into(), 2.0 / 3.0));
    assert_eq!(figures[2], ("f1_b".into(), 0.0));
    assert!(figures[3].1.is_nan() && figures[3].0 == "f1_c");
    // One class only has no order, and agrees by chance alone.
    let mut auc = ranking(RankingFigure::RocAuc, 2);
    auc.update(&Tensor::from([1.0f32, 2.0]), &Tensor::from([1i64, 1]));
    assert!(auc.value().is_nan());
    for (figure, wanted) in [(ClassFigure::Matthews, 0.0), (ClassFigure::BalancedAccuracy, 1.0)] {
        let mut metric = of_classes(figure, 2);
        metric.update(&Tensor::from([1.0f32, 2.0]), &Tensor::from([1i64, 1]));
        assert_eq!(metric.value(), wanted, "{figure:?}");
    }
    let options = ClassOptions { classes: 3, ignore: Some(-1), ..Default::default() };
    let mut some = ClassMetric::new(ClassFigure::Precision, options).unwrap();
    some.update(&output, &Tensor::from([-1i64, 1]));
    assert_eq!(some.value(), 1.0);
    assert_eq!(some.matrix().counts().iter().flatten().sum::<u64>(), 1);
}

#[test]
fn outputs_come_in_several_shapes() {
    // Pixels: classes are the second axis.
    let [(output, target), _] = class_batches();
    let image = output.reshape([5, 4, 3]).permute(&[0, 2, 1]);
    let classes = target.reshape([5, 4]);
    let shares = Tensor::eye(3).index_select(0, &target);
    for (mut flat, mut deep) in for_classes().into_iter().zip(for_classes()) {
        flat.update(&output, &target);
        deep.update(&image, &classes);
        assert!((flat.value() - deep.value()).abs() < 1e-6, "{}", flat.name());
    }
    let accuracy = |output: &Tensor, target: &Tensor| {
        let mut metric = Accuracy::default();
        metric.update(output, target);
        metric.value()
    };
    assert_eq!(accuracy(&output, &shares), accuracy(&output, &target));
    // One output a sample is the logarithm of the odds of class 1.
    let odds = Tensor::from([0.5f32, -2.0, 0.25]);
    let both = Tensor::stack(&[odds.zeros_like(), odds.clone()], 1);
    let yes = Tensor::from([1i64, 0, 0]);
    let pairs: [fn() -> Box<dyn Metric>; 6] = [
        || Box::new(Accuracy::default()),
        || Box::new(of_classes(ClassFigure::Kappa, 2)),
        || Box::new(ranking(RankingFigure::RocAuc, 2)),
        || Box::new(probability(ProbabilityFigure::Brier)),
        || Box::new(probability(ProbabilityFigure::LogLoss)),
        || Box::new(probability(ProbabilityFigure::CalibrationError)),
    ];
    for make in pairs {
        let (mut one, mut column, mut two) = (make(), make(), make());
        one.update(&odds, &yes);
        column.update(&odds.unsqueeze(1), &yes.unsqueeze(1));
        two.update(&both, &yes);
        assert!(one.value().is_finite(), "{}", one.name());
        assert_eq!(one.value(), column.value(), "{}", one.name());
        assert!((one.value() - two.value()).abs() < 1e-12, "{}", one.name());
    }
}

#[test]
fn equal_targets_have_a_defined_r2() {
    let r2 = |output: [f32; 3]| {
        let mut metric = RegressionMetric::new(RegressionFigure::R2);
        metric.update(&Tensor::from(output), &Tensor::from([[2.0f32], [2.0], [2.0]]));
        metric.value()
    };
    assert_eq!((r2([2.0; 3]), r2([2.0, 2.0, 3.0])), (1.0, 0.0));
}

#[test]
fn texts_are_split_as_for_wmt() {
    let split = |text: &str, wanted: &str| assert_eq!(tokenize_13a(text).join(" "), wanted);
    split("Hello, world!", "Hello , world !");
    split("It's 3.5-4,000 (U.S.)", "It's 3.5 - 4,000 ( U . S . )");
    split("a&amp;b <skipped>\"c\"", "a & b \" c \"");
    split("", "");
    let mut bleu = Bleu::default();
    bleu.add("completely different words here", &["nothing like that at all"]);
    assert_eq!(bleu.value(), 0.0);
    let mut rate = ErrorRate::new(ErrorUnit::Words, TokenOptions::default());
    rate.add("too many words", "words");
    assert_eq!(rate.value(), 2.0);
}

#[test]
fn boxes_are_counted_once() {
    let edges = [0.0, 0.0, 10.0, 10.0];
    let found = |score| Detection { edges, score, class: 0 };
    let mut twice = map();
    twice.add(&[found(0.9), found(0.8)], &[TrueBox { edges, class: 0 }]);
    assert_eq!(twice.value(), 1.0, "the second is wrong, but comes after all that is there");
    let mut before = map();
    before.add(&[found(0.5)], &[TrueBox { edges, class: 0 }]);
    before.add(&[found(0.9)], &[]);
    assert_eq!(before.at(0.5), 0.5);
    let mut missed = map();
    missed.add(&[], &[TrueBox { edges, class: 3 }]);
    assert_eq!(missed.value(), 0.0);
    let few = DetectionOptions { most: 1, ..Default::default() };
    let mut few = MeanAveragePrecision::new(few).unwrap();
    let far = Detection { edges: [50.0, 50.0, 60.0, 60.0], ..found(0.95) };
    few.add(&[found(0.9), far], &[TrueBox { edges, class: 0 }]);
    assert_eq!(few.value(), 0.0);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let says = |result: gradus_tensor::Result<()>, part: &str| match result {
        Err(Error::Setting(message)) => assert!(message.contains(part), "{message}"),
        other => panic!("{other:?}"),
    };
    says(TopAccuracy::new(0).map(drop), "k is 0");
    let options = ClassOptions { classes: 1, ..Default::default() };
    says(ClassMetric::new(ClassFigure::F1, options).map(drop), "f1: 1 classes: give 2");
    let options = ClassOptions { names: vec!["a".into()], ..Default::default() };
    says(ClassMetric::new(ClassFigure::F1, options).map(drop), "1 names for 2 classes");
    let options = RankingOptions { classes: 0, per_class: false };
    says(RankingMetric::new(RankingFigure::RocAuc, options).map(drop), "0 classes");
    let options = ProbabilityOptions { bins: 0 };
    says(ProbabilityMetric::new(ProbabilityFigure::Brier, options).map(drop), "bins is 0");
    let options = DetectionOptions { thresholds: vec![0.5, 1.5], ..Default::default() };
    says(MeanAveragePrecision::new(options).map(drop), "a threshold is 1.5");
    says(ClassFigure::named("f2").map(drop), "no figure of classes \"f2\": there are precision,");
    assert_eq!(Averaging::named("per_class").unwrap(), Averaging::PerClass);
}

#[test]
#[should_panic(expected = "f1: class 3 is not below the 3 that were set")]
fn a_class_too_many_is_said() {
    of_classes(ClassFigure::F1, 3).update(&Tensor::zeros([1, 3]), &Tensor::from([3i64]));
}

#[test]
#[should_panic(expected = "accuracy: targets of shape [2] do not fit outputs of shape [3, 4]")]
fn targets_must_fit() {
    Accuracy::default().update(&Tensor::zeros([3, 4]), &Tensor::from([0i64, 1]));
}
