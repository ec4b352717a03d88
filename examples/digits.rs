//! A network that learns to read handwritten digits: `cargo run --release`.

use gradus::data::digits;
use gradus::prelude::*;

fn main() -> Result<()> {
    // 12,000 digits of 28 by 28 pixels lie within the library; classes are from 0 to 9.
    let digits = digits::embedded()?;
    let options =
        LoaderOptions { batch_size: 64, shuffle: Some(0), workers: 1, ..Default::default() };
    let train = DataLoader::new(digits.train, options);
    let test = DataLoader::new(digits.test, LoaderOptions { shuffle: None, ..options });

    // [B, 1, 28, 28] -> [B, 10], a score for each class.
    let mut rng = Rng::new(0);
    let model = Sequential::new()
        .then(Conv2d::new(1, 16, 3, Default::default(), &mut rng))
        .then(Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(16 * 13 * 13, 64, &mut rng))
        .then(Relu)
        .then(Linear::new(64, 10, &mut rng));
    let optimizer = Adam::new(model.params(), AdamOptions::default());

    let mut trainer = Trainer::new(model, cross_entropy, optimizer)
        .metric(Accuracy::default())
        .callback(Progress::default())
        .checkpoints(Checkpoints::new("runs/digits", "valid_loss"))
        .epochs(3);
    trainer.fit(&train, Some(&test))?;

    for (name, figure) in trainer.evaluate(&test)? {
        println!("{name} {figure:.4}");
    }
    Ok(())
}
