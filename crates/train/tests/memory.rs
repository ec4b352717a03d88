//! Batches that do not fit into memory. The only test of its program, since what others take counts.

use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
use gradus_nn::losses::mse_loss;
use gradus_nn::{Linear, Module, Relu, Sequential, Sgd, SgdOptions};
use gradus_tensor::memory::usage;
use gradus_tensor::{Rng, Tensor};
use gradus_train::Trainer;

fn network() -> Sequential {
    let mut rng = Rng::new(1);
    let mut model = Sequential::new().then(Linear::new(64, 1024, &mut rng));
    for _ in 0..4 {
        model = model.then(Relu).then(Linear::new(1024, 1024, &mut rng));
    }
    model.then(Linear::new(1024, 1, &mut rng))
}

fn fit(set: &TensorDataset, batch_size: usize, budget: u64) -> Result<(), String> {
    let options = LoaderOptions { batch_size, ..Default::default() };
    let model = network();
    let optimizer = Sgd::new(model.params(), SgdOptions::default());
    let mut trainer = Trainer::new(model, mse_loss, optimizer).memory_budget(budget);
    let loader = DataLoader::new(set.clone(), options);
    trainer.fit(&loader, None).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn a_batch_that_does_not_fit_is_refused_and_one_that_does_is_named() {
    let mut rng = Rng::new(2);
    let set = TensorDataset::new(Tensor::randn([2000, 64], &mut rng), Tensor::ones([2000, 1]));
    let budget = 40 << 20;
    let error = fit(&set, 2000, budget).unwrap_err();
    assert!(
        error.contains("batches of 2000 samples take") || error.contains("2000 samples"),
        "{error}"
    );
    assert!(error.contains("41.9 MB") && error.contains("a batch of "), "{error}");
    let (_, fits) = error.split_once("a batch of ").unwrap();
    let fits: usize = fits.split(' ').next().unwrap().parse().unwrap();
    assert!((50..1500).contains(&fits), "{fits}");

    // What is named does fit, not by the estimate only but in earnest.
    let before = usage();
    fit(&set, fits, budget).unwrap();
    let taken = usage().peak_bytes.saturating_sub(before.live_bytes);
    let model = 4 * network().param_count();
    assert!(taken < budget as usize + 2 * model, "{taken} bytes were taken of {budget}");
    assert!(taken > budget as usize / 2, "only {taken} bytes of {budget} were taken");
    assert!(fit(&set, fits + fits / 4, budget).is_err());

    let error = fit(&set, 2000, 1 << 20).unwrap_err();
    assert!(error.contains("not even a batch of one fits"), "{error}");
}
