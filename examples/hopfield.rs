//! A Hopfield network recalls letters from damaged ones, while its energy falls.
//!
//!     cargo run --release --example hopfield [FOLDER]
//!
//! Writes a picture of each recall: the states on the way, and the energy beneath.

#[path = "picture/mod.rs"]
mod picture;

use gradus::models::classic::{Hopfield, Recall};
use gradus::prelude::*;
use picture::{BLUE, GREY, ORANGE, Picture};

/// The sides of a letter.
const SIDE: usize = 9;

/// How many states of a recall are drawn.
const FRAMES: usize = 5;

const LETTERS: [(&str, [&str; SIDE]); 3] = [
    (
        "T",
        [
            "#########",
            "#########",
            "#########",
            "...###...",
            "...###...",
            "...###...",
            "...###...",
            "...###...",
            "...###...",
        ],
    ),
    (
        "X",
        [
            "##.....##",
            "###...###",
            ".###.###.",
            "..#####..",
            "...###...",
            "..#####..",
            ".###.###.",
            "###...###",
            "##.....##",
        ],
    ),
    (
        "H",
        [
            "##.....##",
            "##.....##",
            "##.....##",
            "#########",
            "#########",
            "##.....##",
            "##.....##",
            "##.....##",
            "##.....##",
        ],
    ),
];

fn main() -> Result<()> {
    let folder = picture::folder("hopfield");
    let mut rng = Rng::new(1);
    let patterns: Vec<Tensor> = LETTERS.iter().map(|(_, rows)| pattern(rows)).collect();
    let memory = Hopfield::new(SIDE * SIDE);
    memory.store(&Tensor::stack(&patterns, 0));
    for ((name, _), letter) in LETTERS.iter().zip(&patterns) {
        // A fifth of the neurons are wrong.
        let turned = Tensor::rand(SIDE * SIDE, &mut rng).lt_scalar(0.2).to_dtype(DType::F32);
        let damaged = letter * (1.0 - turned * 2.0);
        let recall = memory.recall(&damaged, &mut rng);
        let shown = shown(&recall);
        let wrong: Vec<String> =
            shown.iter().map(|&step| wrong(&recall.states[step], letter).to_string()).collect();
        let (first, last) = (recall.energies[0], recall.energies[recall.energies.len() - 1]);
        println!("{name}: wrong neurons {}; energy from {first:.2} to {last:.2}", wrong.join(" "));
        let path = folder.join(format!("{}.svg", name.to_lowercase()));
        draw(name, &recall, &shown).write(&path)?;
        println!("written to {}", path.display());
    }
    Ok(())
}

fn pattern(rows: &[&str; SIDE]) -> Tensor {
    let signs = rows.concat().chars().map(|sign| if sign == '#' { 1.0f32 } else { -1.0 }).collect();
    Tensor::from_vec(signs, SIDE * SIDE)
}

/// How many neurons differ.
fn wrong(a: &Tensor, b: &Tensor) -> i64 {
    a.ne(b).to_dtype(DType::I64).sum(..).item()
}

/// Steps of a recall, evenly chosen from the first to the last.
fn shown(recall: &Recall) -> Vec<usize> {
    let last = recall.states.len() - 1;
    let mut shown: Vec<usize> = (0..FRAMES).map(|frame| frame * last / (FRAMES - 1)).collect();
    shown.dedup();
    shown
}

fn draw(name: &str, recall: &Recall, shown: &[usize]) -> Picture {
    let (side, frames) = (SIDE as f64, shown.len() as f64);
    let width = frames * (side + 1.0) + 1.0;
    // Below the frames, as much again for the energy.
    let height = 2.0 * side + 3.0;
    let title = format!("A Hopfield network recalls {name}");
    let scale = 16.0;
    let size = (width * scale, height * scale);
    let mut picture = Picture::new(&title, size, (0.0, 0.0), (width, height));
    for (frame, &step) in shown.iter().enumerate() {
        let left = frame as f64 * (side + 1.0) + 1.0;
        for (cell, &sign) in recall.states[step].to_vec::<f32>().iter().enumerate() {
            let x = left + (cell % SIDE) as f64;
            let y = height - 2.0 - (cell / SIDE) as f64;
            let corners = [(x, y), (x + 0.9, y), (x + 0.9, y + 0.9), (x, y + 0.9)];
            picture.area(&corners, BLUE, if sign > 0.0 { 1.0 } else { 0.12 });
        }
    }
    let (first, last) = (recall.energies[0], recall.energies[recall.energies.len() - 1]);
    let steps = (recall.energies.len() - 1).max(1) as f64;
    let place = |(step, energy): (usize, &f64)| {
        let share = (energy - last) / (first - last).max(f64::MIN_POSITIVE);
        (1.0 + step as f64 / steps * (width - 2.0), 0.5 + share * (side - 1.5))
    };
    let line: Vec<(f64, f64)> = recall.energies.iter().enumerate().map(place).collect();
    picture.line(&[(1.0, 0.5), (width - 1.0, 0.5)], 1.0, GREY);
    picture.line(&line, 2.0, ORANGE);
    line.iter().for_each(|&point| picture.dot(point, 3.0, ORANGE));
    let words = format!("energy: from {first:.2} to {last:.2} in {steps} changes of a neuron");
    picture.words((1.0, side - 0.2), &words);
    picture
}
