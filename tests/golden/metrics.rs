//! Figures about answers.

use crate::family::{Family, Part};
use gradus::tensor::{DType, Tensor};
use gradus::train::*;

pub fn check(family: &mut Family) {
    classes(family);
    rankings(family);
    probabilities(family);
    regression(family);
    texts(family);
    boxes(family);
}

/// Outputs in `f64` and targets of a case.
fn inputs(family: &Family, case: &str) -> [Tensor; 2] {
    let part = |what| family.get(case, what).clone();
    [part("in0").to_dtype(DType::F64), part("in1")]
}

/// What a metric says about a batch, given to it in two.
fn measured<M: Metric>(mut metric: M, [output, target]: &[Tensor; 2]) -> M {
    let (count, half) = (output.len_of(0), output.len_of(0) / 2);
    for (start, len) in [(0, half), (half, count - half)] {
        metric.update(&output.narrow(0, start, len), &target.narrow(0, start, len));
    }
    metric
}

fn compare(family: &mut Family, case: &str, what: &str, found: Vec<f64>) {
    let wanted = family.get(case, what).to_dtype(DType::F64);
    family.compare(&format!("{what} of {case}"), &Tensor::from(found), &wanted, Part::Forward);
}

fn classes(family: &mut Family) {
    let cases = [("classes", 5), ("absent", 12), ("two", 2)];
    let rows = [
        (ClassFigure::Precision, "sklearn precision_score"),
        (ClassFigure::Recall, "sklearn recall_score"),
        (ClassFigure::F1, "sklearn f1_score"),
        (ClassFigure::Iou, "sklearn jaccard_score"),
    ];
    for (figure, reference) in rows {
        family.row(figure.name(), reference);
        for (case, classes) in cases {
            family.begin(case);
            let inputs = inputs(family, case);
            let figures = |averaging| {
                let options = ClassOptions { classes, averaging, ..Default::default() };
                measured(ClassMetric::new(figure, options).unwrap(), &inputs).figures()
            };
            let one = [Averaging::Micro, Averaging::Macro, Averaging::Weighted];
            let found = one.map(|averaging| figures(averaging)[0].1).into();
            compare(family, case, figure.name(), found);
            let found: Vec<f64> =
                figures(Averaging::PerClass)[1..].iter().map(|(_, figure)| *figure).collect();
            // Of a class that does not occur there is none.
            let what = format!("{}_classes", figure.name());
            let wanted = family.get(case, &what).to_vec::<f64>();
            for (found, wanted) in found.into_iter().zip(wanted) {
                assert!(found.is_nan() && wanted.is_nan() || (found - wanted).abs() < 1e-12);
            }
        }
    }
    let rows = [
        (ClassFigure::BalancedAccuracy, "sklearn balanced_accuracy_score"),
        (ClassFigure::Matthews, "sklearn matthews_corrcoef"),
        (ClassFigure::Kappa, "sklearn cohen_kappa_score"),
    ];
    for (index, (figure, reference)) in rows.into_iter().enumerate() {
        family.row(figure.name(), reference);
        for (case, classes) in cases {
            family.begin(case);
            let options = ClassOptions { classes, ..Default::default() };
            let metric = ClassMetric::new(figure, options).unwrap();
            let metric = measured(metric, &inputs(family, case));
            let wanted = family.get(case, "others").select(0, index);
            family.compare(case, &Tensor::from(metric.value()), &wanted, Part::Forward);
        }
    }
    family.row("confusion matrix", "sklearn confusion_matrix");
    for (case, classes) in cases {
        family.begin(case);
        let options = ClassOptions { classes, ..Default::default() };
        let metric = ClassMetric::new(ClassFigure::F1, options).unwrap();
        let metric = measured(metric, &inputs(family, case));
        let found: Vec<i64> =
            metric.matrix().counts().iter().flatten().map(|&x| x as i64).collect();
        assert_eq!(found, family.get(case, "confusion").to_vec::<i64>());
    }
    family.row("accuracy", "sklearn accuracy_score, top_k_accuracy_score");
    for (case, classes) in cases {
        family.begin(case);
        let inputs = inputs(family, case);
        let accuracy = measured(Accuracy::default(), &inputs).value();
        compare(family, case, "accuracy", vec![accuracy]);
        if classes > 2 {
            let inputs = [family.get(case, "distinct").clone(), inputs[1].clone()];
            let top = |k| measured(TopAccuracy::new(k).unwrap(), &inputs).value();
            compare(family, case, "top", vec![top(1), top(2), top(3)]);
        }
    }
}

fn rankings(family: &mut Family) {
    let rows = [
        (RankingFigure::RocAuc, "auc", "sklearn roc_auc_score"),
        (RankingFigure::AveragePrecision, "precision", "sklearn average_precision_score"),
    ];
    for (figure, what, reference) in rows {
        family.row(figure.name(), reference);
        for (case, classes) in [("ranking", 4), ("ranking_two", 2)] {
            family.begin(case);
            let options = RankingOptions { classes, per_class: true };
            let metric = RankingMetric::new(figure, options).unwrap();
            let metric = measured(metric, &inputs(family, case));
            let figures: Vec<f64> = metric.figures().iter().map(|(_, figure)| *figure).collect();
            let found = if classes == 2 { figures.clone() } else { figures[1..].to_vec() };
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            assert!((figures[0] - mean).abs() < 1e-12);
            compare(family, case, what, found);
        }
    }
}

fn probabilities(family: &mut Family) {
    let rows = [
        (ProbabilityFigure::Brier, "sklearn brier_score_loss"),
        (ProbabilityFigure::LogLoss, "sklearn log_loss"),
        (ProbabilityFigure::CalibrationError, "paper: Guo 2017, eq. 3"),
    ];
    let cases = ["probabilities", "probabilities_two"];
    for (figure, reference) in rows {
        family.row(figure.name(), reference);
        for case in cases {
            family.begin(case);
            let metric = ProbabilityMetric::new(figure, Default::default()).unwrap();
            let found = measured(metric, &inputs(family, case)).value();
            compare(family, case, figure.name(), vec![found]);
        }
    }
    family.row("perplexity", "F.cross_entropy, exp");
    for case in cases {
        family.begin(case);
        let found = measured(Perplexity::default(), &inputs(family, case)).value();
        compare(family, case, "perplexity", vec![found]);
    }
}

fn regression(family: &mut Family) {
    let rows = [
        (RegressionFigure::Mae, "sklearn mean_absolute_error"),
        (RegressionFigure::Mse, "sklearn mean_squared_error"),
        (RegressionFigure::Rmse, "sklearn root_mean_squared_error"),
        (RegressionFigure::R2, "sklearn r2_score"),
        (RegressionFigure::Mape, "sklearn mean_absolute_percentage_error"),
    ];
    for (index, (figure, reference)) in rows.into_iter().enumerate() {
        family.row(figure.name(), reference);
        for case in ["numbers", "columns"] {
            family.begin(case);
            let found = measured(RegressionMetric::new(figure), &inputs(family, case)).value();
            let wanted = family.get(case, "out0").select(0, index);
            family.compare(case, &Tensor::from(found), &wanted, Part::Forward);
        }
    }
}

fn texts(family: &mut Family) {
    let cases = ["texts", "short", "few"];
    let lines = |family: &Family, case: &str, what: &str| -> Vec<String> {
        let text = String::from_utf8(family.get(case, what).to_vec::<u8>()).unwrap();
        text.split('\n').map(str::to_string).collect()
    };
    let pairs = |family: &Family, case: &str| -> Vec<(String, String)> {
        let references = lines(family, case, "references");
        lines(family, case, "texts").into_iter().zip(references).collect()
    };
    family.row("bleu", "sacrebleu corpus_bleu");
    for case in cases {
        family.begin(case);
        let mut bleu = Bleu::default();
        for (text, references) in pairs(family, case) {
            bleu.add(&text, &references.split('\t').collect::<Vec<_>>());
        }
        compare(family, case, "bleu", vec![bleu.value()]);
    }
    family.row("rouge_1, rouge_2, rouge_l", "rouge_score RougeScorer");
    for case in cases {
        family.begin(case);
        let found = RougeFigure::ALL.iter().map(|&figure| {
            let mut rouge = Rouge::new(figure, TokenOptions::default());
            for (text, references) in pairs(family, case) {
                rouge.add(&text, references.split('\t').next().unwrap());
            }
            rouge.value()
        });
        let found = found.collect();
        compare(family, case, "rouge", found);
    }
    family.row("wer, cer", "jiwer wer, cer");
    for case in cases {
        family.begin(case);
        let found = ErrorUnit::ALL.iter().map(|&unit| {
            let mut rate = ErrorRate::new(unit, TokenOptions::default());
            for (text, references) in pairs(family, case) {
                rate.add(&text, references.split('\t').next().unwrap());
            }
            rate.value()
        });
        let found = found.collect();
        compare(family, case, "rates", found);
    }
}

fn boxes(family: &mut Family) {
    family.row("map", "pycocotools COCOeval");
    family.begin("boxes");
    let metric = MeanAveragePrecision::new(DetectionOptions::default()).unwrap();
    let metric = measured(metric, &inputs(family, "boxes"));
    let found = metric.figures().into_iter().map(|(_, figure)| figure).collect();
    compare(family, "boxes", "out0", found);
}
