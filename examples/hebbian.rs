//! Oja's rule turns a neuron towards the direction in which its inputs vary most.
//!
//!     cargo run --release --example hebbian [FOLDER]
//!
//! Writes oja.svg: the inputs, the way of the weights, and where they end.

#[path = "picture/mod.rs"]
mod picture;

use gradus::models::classic::{Hebbian, HebbianRule};
use gradus::prelude::*;
use picture::{BLUE, GREY, ORANGE, Picture};

/// The direction in which the inputs vary most.
const DIRECTION: (f64, f64) = (0.8, 0.6);

fn main() -> Result<()> {
    let folder = picture::folder("hebbian");
    let mut rng = Rng::new(4);
    let wide = Tensor::randn([800, 2], &mut rng) * Tensor::from([1.2f32, 0.4]);
    let (x, y) = (DIRECTION.0 as f32, DIRECTION.1 as f32);
    let inputs = wide.matmul(&Tensor::from([[x, y], [-y, x]]));

    let mut picture = Picture::new("Oja's rule", (560.0, 560.0), (-4.0, -4.0), (4.0, 4.0));
    for point in inputs.to_vec::<f32>().chunks(2) {
        picture.dot((point[0] as f64, point[1] as f64), 2.0, "#cccccc");
    }
    let neuron = Hebbian::new(2, HebbianRule::Oja, &mut rng);
    let weights = || {
        let w = neuron.weight.tensor().to_vec::<f32>();
        (w[0] as f64, w[1] as f64)
    };
    let mut way = vec![weights()];
    println!("inputs seen  weights            length  cosine with the first principal component");
    for seen in (0..800usize).step_by(10) {
        if seen.is_multiple_of(100) {
            tell(seen, weights());
        }
        neuron.learn(&inputs.narrow(0, seen, 10), 0.01);
        way.push(weights());
    }
    tell(800, weights());

    let w = weights();
    let long = |(x, y): (f64, f64), length: f64| (x * length, y * length);
    picture.line(&[long(DIRECTION, -4.0), long(DIRECTION, 4.0)], 1.0, GREY);
    picture.line(&way, 2.0, ORANGE);
    picture.line(&[(0.0, 0.0), w], 4.0, BLUE);
    // The head of the arrow.
    let (along, across) = (long(w, 0.12), (-0.06 * w.1, 0.06 * w.0));
    let base = (w.0 - along.0, w.1 - along.1);
    let corners = [
        (w.0 + along.0, w.1 + along.1),
        (base.0 + across.0, base.1 + across.1),
        (base.0 - across.0, base.1 - across.1),
    ];
    picture.area(&corners, BLUE, 1.0);
    let words = "grey: first principal component; orange: the way of the weights; blue: their end";
    picture.words((-3.9, -3.9), words);
    let path = folder.join("oja.svg");
    picture.write(&path)?;
    println!("written to {}", path.display());
    Ok(())
}

fn tell(seen: usize, (x, y): (f64, f64)) {
    let length = x.hypot(y);
    let cosine = (x * DIRECTION.0 + y * DIRECTION.1) / length;
    println!("{seen:11}  ({x:7.4}, {y:7.4})  {length:6.4}  {cosine:7.4}");
}
