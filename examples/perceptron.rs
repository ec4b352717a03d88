//! A perceptron learns AND, and never learns XOR, as no line has its answers on either side.
//!
//!     cargo run --release --example perceptron [FOLDER]
//!
//! Writes and.svg and xor.svg: what the perceptron holds true is shaded.

#[path = "picture/mod.rs"]
mod picture;

use gradus::models::classic::Perceptron;
use gradus::prelude::*;
use picture::{BLUE, GREY, ORANGE, Picture};

/// How often a perceptron may go through its samples.
const EPOCHS: usize = 50;

/// What is drawn: a square round the four inputs.
const LOW: f64 = -0.5;
const HIGH: f64 = 1.5;

fn main() -> Result<()> {
    let folder = picture::folder("perceptron");
    let inputs = [[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    for (name, answers) in
        [("AND", [false, false, false, true]), ("XOR", [false, true, true, false])]
    {
        let perceptron = Perceptron::new(2);
        let rounds = perceptron.learn(&Tensor::from(inputs), &answers, EPOCHS);
        let shown: Vec<String> = rounds.iter().take(12).map(usize::to_string).collect();
        let end = match rounds.last() {
            Some(0) => format!("learnt in {} rounds", rounds.len()),
            _ => format!("not learnt in {EPOCHS} rounds"),
        };
        println!("{name}: {end}; mistakes in each round: {} …", shown.join(" "));

        let title = format!("A perceptron on {name}: {end}");
        let mut picture = Picture::new(&title, (400.0, 400.0), (LOW, LOW), (HIGH, HIGH));
        let sum = |(x, y): (f64, f64)| {
            let point = Tensor::from([[x as f32, y as f32]]);
            perceptron.sum(&point).squeeze(0).item::<f32>() as f64
        };
        let (area, border) = held_true(sum);
        picture.area(&area, BLUE, 0.2);
        picture.line(&border, 2.0, GREY);
        for (input, answer) in inputs.iter().zip(answers) {
            let point = (input[0] as f64, input[1] as f64);
            picture.dot(point, 9.0, if answer { BLUE } else { ORANGE });
        }
        picture.words((LOW + 0.05, LOW + 0.05), "blue: true; orange: false; shaded: held true");
        let path = folder.join(format!("{}.svg", name.to_lowercase()));
        picture.write(&path)?;
        println!("written to {}", path.display());
    }
    Ok(())
}

/// A place in the picture.
type Point = (f64, f64);

/// The part of the square where a linear function is above 0, and where it is 0.
fn held_true(sum: impl Fn(Point) -> f64) -> (Vec<Point>, Vec<Point>) {
    let square = [(LOW, LOW), (HIGH, LOW), (HIGH, HIGH), (LOW, HIGH)];
    let (mut area, mut border) = (vec![], vec![]);
    for (index, &from) in square.iter().enumerate() {
        let to = square[(index + 1) % 4];
        let (start, end) = (sum(from), sum(to));
        if start > 0.0 {
            area.push(from);
        }
        if (start > 0.0) != (end > 0.0) {
            let share = start / (start - end);
            let crossing = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            area.push(crossing);
            border.push(crossing);
        }
    }
    (area, border)
}
