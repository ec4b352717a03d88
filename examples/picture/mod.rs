//! Drawing for the examples: points, lines, areas and words in an SVG file.

use gradus::Result;
use gradus::tensor::io::atomic::write_atomically;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Colours that people who do not see red or green can tell apart.
pub const BLUE: &str = "#0072b2";
pub const ORANGE: &str = "#d55e00";
pub const GREY: &str = "#888888";

/// The space round the drawing.
const MARGIN: f64 = 40.0;

/// A picture in which places are given as numbers on two axes.
pub struct Picture {
    low: (f64, f64),
    scale: (f64, f64),
    size: (f64, f64),
    body: String,
}

impl Picture {
    /// A picture so wide and high that shows the numbers from `low` to `high`, with its title.
    pub fn new(title: &str, size: (f64, f64), low: (f64, f64), high: (f64, f64)) -> Self {
        let scale = (size.0 / (high.0 - low.0), size.1 / (high.1 - low.1));
        let mut picture = Self { low, scale, size, body: String::new() };
        let _ = writeln!(
            picture.body,
            "<text x=\"{MARGIN}\" y=\"25\" font-weight=\"bold\">{title}</text>\n\
             <rect x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{}\" height=\"{}\" fill=\"none\" \
             stroke=\"{GREY}\"/>",
            size.0, size.1
        );
        picture
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let right = (x - self.low.0) * self.scale.0;
        let up = (y - self.low.1) * self.scale.1;
        (MARGIN + right, MARGIN + self.size.1 - up)
    }

    fn places(&self, points: &[(f64, f64)]) -> String {
        let places = points.iter().map(|&point| self.place(point));
        places.map(|(x, y)| format!("{x:.2},{y:.2} ")).collect()
    }

    pub fn dot(&mut self, point: (f64, f64), radius: f64, colour: &str) {
        let (x, y) = self.place(point);
        let _ = writeln!(
            self.body,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{colour}\"/>"
        );
    }

    pub fn line(&mut self, points: &[(f64, f64)], width: f64, colour: &str) {
        let _ = writeln!(
            self.body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
            self.places(points)
        );
    }

    pub fn area(&mut self, points: &[(f64, f64)], colour: &str, opacity: f64) {
        let _ = writeln!(
            self.body,
            "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"{opacity}\"/>",
            self.places(points)
        );
    }

    pub fn words(&mut self, point: (f64, f64), words: &str) {
        let (x, y) = self.place(point);
        let _ = writeln!(self.body, "<text x=\"{x:.2}\" y=\"{y:.2}\">{words}</text>");
    }

    /// Writes the picture to a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let (width, height) = (self.size.0 + 2.0 * MARGIN, self.size.1 + 2.0 * MARGIN);
        write_atomically(path, |file| {
            writeln!(
                file,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
                 width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
                 font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>",
                self.body
            )
        })
    }
}

/// The folder that the first argument names, else one in `runs`; it is there afterwards.
pub fn folder(name: &str) -> PathBuf {
    let folder =
        std::env::args().nth(1).map_or_else(|| Path::new("runs").join(name), PathBuf::from);
    if let Err(error) = std::fs::create_dir_all(&folder) {
        eprintln!("error: {}: {error}", folder.display());
        std::process::exit(1);
    }
    folder
}
