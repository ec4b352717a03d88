//! One neuron: what it computes, how its error changes with its weights, and a step downhill.
//!
//! `cargo run --release --example neuron`

use gradus::prelude::*;

/// y = σ(w₁ x₁ + w₂ x₂ + b), where σ(z) = 1 / (1 + e⁻ᶻ).
fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// What the neuron sees, and what it should answer.
const X: [f64; 2] = [1.0, 2.0];
const TARGET: f64 = 1.0;

fn main() {
    let (mut w, mut b) = ([0.5, -0.75], 0.1);
    println!("A neuron: y = σ(w₁ x₁ + w₂ x₂ + b), its error E = ½ (y - t)²");
    println!("x = {X:?}, the answer should be t = {TARGET}\n");

    println!("By hand, with the chain rule ∂E/∂w = (y - t) · y (1 - y) · x:");
    let z = w[0] * X[0] + w[1] * X[1] + b;
    let y = sigmoid(z);
    // σ'(z) = σ(z) (1 - σ(z)), and so the error reaches z with this weight:
    let delta = (y - TARGET) * y * (1.0 - y);
    let by_hand = [delta * X[0], delta * X[1], delta];
    println!("  z = {z:.4}, y = {y:.6}, E = {:.6}", 0.5 * (y - TARGET).powi(2));
    println!("  ∂E/∂w₁ = {:.6}, ∂E/∂w₂ = {:.6}, ∂E/∂b = {:.6}\n", by_hand[0], by_hand[1], delta);

    println!("By automatic differentiation: write the formula, ask for the gradient.");
    let x = Tensor::from(X);
    let weights = Tensor::from(w).requires_grad();
    let bias = Tensor::from(b).requires_grad();
    let output = ((&weights * &x).sum(..) + &bias).sigmoid();
    let error = (&output - TARGET).square() * 0.5;
    let gradients = error.backward();
    let gradient = |x: &Tensor| match gradients.get(x) {
        Some(gradient) => gradient.to_vec::<f64>(),
        None => panic!("no gradient reached a parameter"),
    };
    let automatic = [gradient(&weights), gradient(&bias)].concat();
    println!("  y = {:.6}, E = {:.6}", output.item::<f64>(), error.item::<f64>());
    println!(
        "  ∂E/∂w₁ = {:.6}, ∂E/∂w₂ = {:.6}, ∂E/∂b = {:.6}",
        automatic[0], automatic[1], automatic[2]
    );
    let differences = automatic.iter().zip(by_hand).map(|(a, b)| (a - b).abs());
    println!(
        "  largest difference from the gradient by hand: {:.1e}\n",
        differences.fold(0.0, f64::max)
    );

    println!("Downhill: w ← w - η ∂E/∂w, again and again, with η = 1:");
    println!("  step        w₁        w₂         b         y         E");
    for step in 0..=50 {
        let y = sigmoid(w[0] * X[0] + w[1] * X[1] + b);
        if step % 10 == 0 {
            let error = 0.5 * (y - TARGET).powi(2);
            println!("  {step:4} {:9.4} {:9.4} {b:9.4} {y:9.4} {error:9.6}", w[0], w[1]);
        }
        let delta = (y - TARGET) * y * (1.0 - y);
        w = [w[0] - delta * X[0], w[1] - delta * X[1]];
        b -= delta;
    }
}
