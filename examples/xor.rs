//! XOR, which no single neuron can learn, learned by a network of 2 inputs, 4 hidden neurons and
//! 1 output: first from the formulas of backpropagation, then with layers and an optimizer.
//!
//! `cargo run --release --example xor`

use gradus::prelude::*;

const STEPS: usize = 5_000;
const LEARNING_RATE: f64 = 1.0;

fn main() {
    let x = Tensor::from([[0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let target = Tensor::from([[0f32], [1.0], [1.0], [0.0]]);
    from_the_formulas(&x, &target);
    with_layers(&x, &target);
}

/// h = σ(x W₁ + b₁), y = σ(h W₂ + b₂), the error E being the mean over the four cases of
/// -t ln y - (1 - t) ln(1 - y).
fn from_the_formulas(x: &Tensor, target: &Tensor) {
    println!("From the formulas");
    let mut rng = Rng::new(1);
    let (mut w1, mut b1) = (Tensor::randn([2, 4], &mut rng), Tensor::zeros([4]));
    let (mut w2, mut b2) = (Tensor::randn([4, 1], &mut rng), Tensor::zeros([1]));
    for step in 0..=STEPS {
        // Forward.
        let h = (x.matmul(&w1) + &b1).sigmoid();
        let y = (h.matmul(&w2) + &b2).sigmoid();
        // Backward. With this error and σ at the output, ∂E/∂z is y - t for each of four cases.
        let delta2 = (&y - target) / 4.0;
        // One layer down: through the weights, and through σ, whose derivative is h (1 - h).
        let delta1 = delta2.matmul(&w2.t()) * &h * (1.0 - &h);
        if step % (STEPS / 5) == 0 {
            let no = 1.0 - target;
            let error = -(target * y.log() + no * (1.0 - &y).log()).mean(..);
            println!("  step {step:4}  error {:.5}", error.item::<f32>());
        }
        // Downhill.
        w2 = w2 - h.t().matmul(&delta2) * LEARNING_RATE;
        b2 = b2 - delta2.sum(0) * LEARNING_RATE;
        w1 = w1 - x.t().matmul(&delta1) * LEARNING_RATE;
        b1 = b1 - delta1.sum(0) * LEARNING_RATE;
    }
    let h = (x.matmul(&w1) + &b1).sigmoid();
    print_table(x, &(h.matmul(&w2) + &b2).sigmoid());
}

/// The same network and the same error; the gradients come by themselves.
fn with_layers(x: &Tensor, target: &Tensor) {
    println!("With layers and an optimizer");
    let mut rng = Rng::new(1);
    let model = Sequential::new()
        .then(Linear::new(2, 4, &mut rng))
        .then(Sigmoid)
        .then(Linear::new(4, 1, &mut rng));
    let options = SgdOptions { learning_rate: LEARNING_RATE, ..Default::default() };
    let mut optimizer = Sgd::new(model.params(), options);
    for step in 0..=STEPS {
        // The error takes the output before σ, which is more exact.
        let loss = binary_cross_entropy_with_logits(&model.forward(x), target);
        if step % (STEPS / 5) == 0 {
            println!("  step {step:4}  error {:.5}", loss.item::<f32>());
        }
        optimizer.step(&loss.backward());
    }
    print_table(x, &model.forward(x).sigmoid());
}

/// What the network answers.
fn print_table(x: &Tensor, y: &Tensor) {
    println!("  a  b  answer");
    let (cases, answers) = (x.to_vec::<f32>(), y.to_vec::<f32>());
    for (case, answer) in cases.chunks(2).zip(answers) {
        let [a, b] = [case[0] as u8, case[1] as u8];
        let verdict = if (answer > 0.5) == (a != b) { "right" } else { "wrong" };
        println!("  {a}  {b}  {answer:.4}  {verdict}");
    }
    println!();
}
