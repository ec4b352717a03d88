//! What products of `f32` lose that are made of products of `bf16`: the study behind `docs/split.md`.

mod inputs;
mod plot;
mod study;
mod unit;

use crate::{Result, machine, markdown};
use inputs::Kind;
use plot::Panel;
use std::fmt::Write;
use std::path::Path;
use study::{Errors, Growth, METHODS, Special};

/// What the page calls [`METHODS`].
const NAMES: [&str; 4] = ["f32", "1 product", "3 products", "6 products"];

const DEPTH_PICTURE: &str = "images/split-depth.svg";
const SIZE_PICTURE: &str = "images/split-size.svg";

/// All that was found.
struct Study {
    depths: Vec<(Kind, Vec<(usize, Errors)>)>,
    sizes: Vec<(Growth, Vec<(i32, Errors)>)>,
    specials: Vec<Special>,
}

/// Makes the study; prints the page, or writes it with its pictures to a folder.
///
/// # Errors
/// If a file cannot be written.
pub fn run(folder: Option<&Path>) -> Result<()> {
    let study = Study {
        depths: Kind::ALL.map(|kind| (kind, study::by_depth(kind))).into(),
        sizes: [Growth::Both, Growth::Apart].map(|growth| (growth, study::by_size(growth))).into(),
        specials: study::specials(),
    };
    let page = study.page();
    let Some(folder) = folder else {
        println!("{page}");
        return Ok(());
    };
    let files = [
        ("split.md", page),
        (DEPTH_PICTURE, study.depth_picture()),
        (SIZE_PICTURE, study.size_picture()),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

const INTRODUCTION: &str = "\
# Products of f32 by parts of bf16

Some processors multiply tiles of `bf16` much faster than numbers of `f32`: a tile's instruction (AMX) does \
16 times the multiply-adds of `f32` in the same time. A number of `f32` has 24 bits and is the sum of three \
numbers of `bf16`, of 8 bits each: `x = x₁ + x₂ + x₃`. A product of `f32` then is nine products of parts, \
of which the smallest three are below what `f32` rounds away. This page measures what remains: with all of \
the other six, with the largest three (`x₁y₁ + x₁y₂ + x₂y₁`), and with one.

It is written by `cargo run --release -p gradus-bench -- split --write docs`, which computes the tiles in \
software: AMX's `tdpbf16ps` as Intel documents it, 32 numbers deep, with even and odd places summed apart. \
Numbers that are denormal before or after count as zero, sums are rounded to the nearest and to even, and \
what a conversion to `bf16` makes of numbers is rounded so too. The products of a tile are added from the \
smallest to the largest into one sum, and after 256 numbers that sum is added to the result in `f32`, as \
the sums of plain multiply-adds are. The processor that wrote this page: ";

const USE: &str = "\
## What Gradus does

Where the processor has tiles (AMX), large matrix products of `f32` are made of them. With `Precision::Highest`, \
the default, they are the six products, if both operands pass the check, for which they are read once more, and \
else products of `f32`; with `Precision::High` the three, under the same check; with `Precision::Medium` the one, \
without. Large is what has 48 times as many products as there are numbers to split, or 16 times as many as there \
are to round. Convolutions are counted as the products of matrices that they are; a number of an image is split \
once, for all taps that meet it. The steps of recurrent layers do not use tiles.

Elsewhere `Highest` and `High` multiply `f32`, and `Medium` pairs of `bf16` where the processor is faster so \
(AVX-512 BF16 of AMD). The errors as computed on this processor stand in the table beside those modelled.

## Source

G. Henry, P. T. P. Tang, A. Heinecke: *Leveraging the bfloat16 Artificial Intelligence Datatype For \
Higher-Precision Computations*, ARITH 2019 (arXiv:1904.06376). It counts the same three, six and nine products; \
the measurements here are our own.
";

impl Study {
    fn page(&self) -> String {
        let mut page = format!("{INTRODUCTION}{}.\n\n", machine::described());
        page += "## Errors by depth\n\nThe largest error of 1024 sums, relative to the sum of the sizes of \
                 their products. Numbers are\n\n";
        for kind in Kind::ALL {
            let _ = writeln!(page, "- **{}**: {};", kind.name(), kind.described());
        }
        let _ = write!(page, "\n![errors by depth]({DEPTH_PICTURE})\n\n{}\n", self.depth_table());
        let _ = write!(
            page,
            "## Numbers of all sizes\n\nNormal numbers, 256 deep, times powers of two: both operands times the \
             same, or the left one times 2⁻ⁿ and the right one times 2ⁿ. At the left end of the first plot \
             products leave the range of `f32` itself; but parts of products leave it sooner, and count as zero. \
             In the second plot the products stay as large as they were, and the parts of the left numbers \
             vanish. Shaded is what the check below refuses.\n\n![errors by size]({SIZE_PICTURE})\n\n"
        );
        let _ = write!(
            page,
            "## At the ends of the range\n\nA number times another. A split number that rounds to infinity takes an \
             infinite part away from itself, which is not a number.\n\n{}\n",
            self.special_table()
        );
        page + &self.conclusion() + USE
    }

    fn depth_table(&self) -> String {
        let header = [
            "",
            "depth",
            NAMES[0],
            NAMES[1],
            NAMES[2],
            NAMES[3],
            "Gradus, highest",
            "Gradus, medium",
        ];
        let rows = self.depths.iter().flat_map(|(kind, errors)| {
            errors.iter().map(|(depth, errors)| {
                let mut row = vec![kind.name().to_string(), depth.to_string()];
                row.extend(errors.modelled.map(scientific));
                row.extend(errors.computed.map(scientific));
                row
            })
        });
        markdown::table(&header, &rows.collect::<Vec<_>>())
    }

    fn special_table(&self) -> String {
        let header = ["", NAMES[0], NAMES[1], NAMES[2], NAMES[3], "check"];
        let rows = self.specials.iter().map(|special| {
            let [a, b] = special.numbers.map(short);
            let mut row = vec![format!("{a} · {b}")];
            row.extend(special.products.map(short));
            row.push(if special.safe { "splits" } else { "refuses" }.to_string());
            row
        });
        markdown::table(&header, &rows.collect::<Vec<_>>())
    }

    /// All errors of numbers that the check lets be split.
    fn safe(&self) -> impl Iterator<Item = &Errors> {
        let depths = self.depths.iter().flat_map(|(_, errors)| errors).map(|(_, errors)| errors);
        let sizes = self.sizes.iter().flat_map(|(_, errors)| errors).map(|(_, errors)| errors);
        depths.chain(sizes).filter(|errors| errors.safe)
    }

    fn conclusion(&self) -> String {
        let of = |index: usize| self.safe().map(move |errors| errors.modelled[index]);
        let largest = |index: usize| scientific(of(index).fold(0.0, f64::max));
        let ratios = self.safe().map(|errors| errors.modelled[3] / errors.modelled[0]);
        let worst = ratios.fold(0.0, f64::max);
        let refused = self.sizes.iter().flat_map(|(_, errors)| errors);
        let refused = refused.filter(|(_, errors)| !errors.safe).count();
        format!(
            "## Conclusion\n\n\
             - **Six products are as exact as `f32`** for numbers that pass the check: at most {worst:.2} times \
             its error in every measurement above, and {} at most where `f32` has {}. A tile sums 32 \
             numbers by itself before it touches the large sum, which six products round six times for 32 \
             numbers, and multiply-adds 32 times.\n\
             - **Three products** have an error of up to {}, whatever the depth: that of numbers of 16 bits. **One \
             product** has up to {}.\n\
             - **A fall-back is needed** where a part, or the smallest bit of a product, is too small for a normal \
             number, and where a number is not finite or would round to infinity in `bf16`. Both are seen in the \
             sizes alone, of the least and the largest number that is not zero. An operand may be split if its largest number \
             is below 2¹²⁸ − 2¹¹⁹, and its least one, and the product of the least ones of both, are no smaller than \
             2⁻¹⁰². Otherwise the product is one of `f32`. The check is cautious, as the least numbers need not \
             meet: it refuses {refused} of the {} sizes in the second picture.\n\n",
            largest(3),
            largest(0),
            largest(2),
            largest(1),
            self.sizes.iter().map(|(_, errors)| errors.len()).sum::<usize>(),
        )
    }

    fn depth_picture(&self) -> String {
        let panels = self.depths.iter().map(|(kind, errors)| {
            let points = errors.iter().map(|(depth, errors)| ((*depth as f64).log2(), errors));
            let points: Vec<_> = points.collect();
            let ticks = errors.iter().map(|(depth, _)| ((*depth as f64).log2(), depth.to_string()));
            Panel {
                title: kind.name().to_string(),
                x_title: "depth",
                x_ticks: ticks.collect(),
                lines: lines(&points),
                shaded: vec![],
            }
        });
        let panels: Vec<Panel> = panels.collect();
        plot::picture("Errors of products by depth", &NAMES, None, &panels)
    }

    fn size_picture(&self) -> String {
        let panels = self.sizes.iter().map(|(growth, errors)| {
            let points: Vec<_> = errors.iter().map(|(n, errors)| (f64::from(*n), errors)).collect();
            let refused =
                errors.windows(2).filter(|pair| pair.iter().any(|(_, errors)| !errors.safe));
            let shaded = refused.map(|pair| (f64::from(pair[0].0), f64::from(pair[1].0)));
            let title = match growth {
                Growth::Both => "both times 2ⁿ",
                Growth::Apart => "left times 2⁻ⁿ, right times 2ⁿ",
            };
            let ticks = errors.iter().map(|(n, _)| *n).filter(|n| n % 24 == 0);
            Panel {
                title: title.to_string(),
                x_title: "n",
                x_ticks: ticks.map(|n| (f64::from(n), n.to_string().replace('-', "−"))).collect(),
                lines: lines(&points),
                shaded: shaded.collect(),
            }
        });
        let panels: Vec<Panel> = panels.collect();
        plot::picture("Errors of products by size", &NAMES, Some("refused"), &panels)
    }
}

/// A line for each method.
fn lines(points: &[(f64, &Errors)]) -> Vec<Vec<(f64, f64)>> {
    let line =
        |index: usize| points.iter().map(|(x, errors)| (*x, errors.modelled[index])).collect();
    (0..METHODS.len()).map(line).collect()
}

/// Two digits and a power of ten.
fn scientific(error: f64) -> String {
    if error.is_finite() { format!("{error:.1e}") } else { "not finite".to_string() }
}

/// A number as short as it can be told.
fn short(number: f32) -> String {
    match number {
        number if number == 0.0 || !number.is_finite() => number.to_string(),
        number if (0.01..1000.0).contains(&number.abs()) => format!("{number:.4}"),
        number => format!("{number:.4e}"),
    }
}
