//! Writes a folder of pictures to try the guide with: 300 handwritten digits of each kind, as PNG files
//! in the folders `0` to `9`.
//!
//! `cargo run --release --example pictures -- pictures`

use gradus::data::digits;
use gradus::data::image::write_png;
use gradus::{Error, Result};
use std::path::PathBuf;
use std::{env, fs};

const OF_EACH: usize = 300;

fn main() -> Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "pictures".into()));
    let digits = digits::embedded()?.train;
    for digit in 0..digits::CLASSES {
        let class = folder.join(digit.to_string());
        fs::create_dir_all(&class).map_err(|error| Error::io(&class, error))?;
        let own = (0..digits.len()).filter(|&index| digits.label(index) == digit).take(OF_EACH);
        for (number, index) in own.enumerate() {
            write_png(class.join(format!("{number:03}.png")), &digits.picture(index))?;
        }
    }
    println!("{}: {} folders of {OF_EACH} pictures", folder.display(), digits::CLASSES);
    Ok(())
}
