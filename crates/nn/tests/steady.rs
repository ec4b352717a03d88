//! Training, once it has run some steps, takes no memory from the system.

use gradus_nn::losses::cross_entropy;
use gradus_nn::{Adam, AdamOptions, Layer, Linear, Module, Optimizer, Relu, Sequential};
use gradus_tensor::memory::usage;
use gradus_tensor::{Rng, Tensor};

#[test]
fn steady_training_asks_the_system_for_nothing() {
    let rng = &mut Rng::new(1);
    let model =
        Sequential::new().then(Linear::new(60, 40, rng)).then(Relu).then(Linear::new(40, 10, rng));
    let mut optimizer = Adam::new(model.params(), AdamOptions::default());
    let x = Tensor::randn([32, 60], rng);
    let y = Tensor::randint(0, 10, 32, rng);
    let mut train = |steps: usize| {
        for _ in 0..steps {
            let loss = cross_entropy(&model.forward(&x), &y);
            optimizer.step(&loss.backward());
        }
    };
    train(5);
    let before = usage();
    train(100);
    let after = usage();
    assert_eq!(after.system_calls, before.system_calls);
    assert_eq!(after.held_bytes, before.held_bytes);
    assert_eq!(after.live_bytes, before.live_bytes);
}
