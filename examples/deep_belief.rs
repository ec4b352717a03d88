//! Whether pretraining without labels helps where labels are few: a network on 500 labelled digits,
//! from random weights, from a deep belief network, and from stacked denoising autoencoders, both
//! pretrained on all 10,000 digits without their labels.
//!
//!     cargo run --release --example deep_belief [SEEDS]
//!
//! Prints the table of docs/classic.md.

use gradus::data::digits;
use gradus::models::classic::{
    Activation, AutoencoderOptions, DeepBelief, Mlp, RbmOptions, StackedAutoencoder,
};
use gradus::prelude::*;

/// The sizes of the network's layers but for the output.
const SIZES: [usize; 3] = [784, 500, 500];
const CLASSES: usize = 10;
/// How many digits have labels, as many of each class.
const LABELLED: usize = 500;
/// How often they are shown.
const EPOCHS: usize = 80;
const BATCH: usize = 50;
const LEARNING_RATE: f64 = 1e-3;

/// Pictures `[N, 784]` from 0 to 1, and what they show.
struct Set {
    x: Tensor,
    y: Tensor,
}

impl Set {
    fn of(set: &digits::DigitSet) -> Self {
        let x = set.images().flatten(1, -1).to_dtype(DType::F32) / 255.0;
        Self { x, y: set.labels() }
    }

    /// As many of each class, drawn at random.
    fn draw(&self, count: usize, rng: &mut Rng) -> Self {
        let labels = self.y.to_vec::<i64>();
        let mut left = [count / CLASSES; CLASSES];
        let mut chosen = vec![];
        for index in rng.permutation(labels.len()) {
            let left = &mut left[labels[index] as usize];
            if *left > 0 {
                *left -= 1;
                chosen.push(index as i64);
            }
        }
        let chosen = Tensor::from(chosen);
        Self { x: self.x.index_select(0, &chosen), y: self.y.index_select(0, &chosen) }
    }

    /// The share of digits that a network reads right.
    fn accuracy(&self, net: &Mlp) -> f64 {
        let right = no_grad(|| net.forward(&self.x).argmax(1).eq(&self.y));
        right.to_dtype(DType::F64).mean(..).item()
    }
}

fn main() -> Result<()> {
    let seeds = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok()).unwrap_or(5);
    let digits = digits::embedded()?;
    let (all, test) = (Set::of(&digits.train), Set::of(&digits.test));
    println!("accuracy on 2,000 test digits, and on the {LABELLED} that were learnt, in percent");
    println!("seed  random weights  deep belief network  denoising autoencoders");
    let mut columns = [vec![], vec![], vec![]];
    for seed in 0..seeds {
        let mut rng = Rng::new(seed);
        let labelled = all.draw(LABELLED, &mut rng);
        let mut line = format!("{seed:4}");
        for (net, column) in networks(&all.x, &mut rng).iter().zip(&mut columns) {
            train(net, &labelled, &mut rng.split());
            let (tested, learnt) = (test.accuracy(net), labelled.accuracy(net));
            line += &format!("  {:6.2} ({:6.2})", 100.0 * tested, 100.0 * learnt);
            column.push(100.0 * tested);
        }
        println!("{line}");
    }
    let summary: Vec<String> = columns.iter().map(|column| mean_and_deviation(column)).collect();
    println!("mean  {}", summary.join("  "));
    Ok(())
}

/// The same network from random weights and from two ways of pretraining.
fn networks(x: &Tensor, rng: &mut Rng) -> [Mlp; 3] {
    let sizes = [&SIZES[..], &[CLASSES]].concat();
    let random = Mlp::new(&sizes, Activation::Sigmoid, rng);

    let belief = DeepBelief::new(&SIZES, rng);
    belief.pretrain(x, RbmOptions { epochs: 10, batch: 100, ..Default::default() }, rng);

    let stack = StackedAutoencoder::new(&SIZES, rng);
    stack.pretrain(x, AutoencoderOptions { epochs: 10, batch: 100, ..Default::default() }, rng);

    [random, belief.classifier(CLASSES, rng), stack.classifier(CLASSES, rng)]
}

fn train(net: &Mlp, set: &Set, rng: &mut Rng) {
    let options = AdamOptions { learning_rate: LEARNING_RATE, ..Default::default() };
    let mut optimizer = Adam::new(net.params(), options);
    for _ in 0..EPOCHS {
        let order = rng.permutation(LABELLED);
        for batch in order.chunks(BATCH) {
            let batch = Tensor::from(batch.iter().map(|&i| i as i64).collect::<Vec<_>>());
            let (x, y) = (set.x.index_select(0, &batch), set.y.index_select(0, &batch));
            optimizer.step(&cross_entropy(&net.forward(&x), &y).backward());
        }
    }
}

fn mean_and_deviation(values: &[f64]) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
    format!("{mean:.2} ± {deviation:.2}")
}
