//! What a product of numbers of 32 bits may lose.

use std::fmt;
use std::str::FromStr;

/// How exact matrix products and convolutions of `f32` are at least. Sums are `f32` in all of them,
/// and so are all other ops; `f64` loses nothing.
///
/// # Source
/// PyTorch: `torch.set_float32_matmul_precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Products as exact as those of `f32`. Where the processor multiplies tiles of `bf16` (AMX), large
    /// ones, and large convolutions, are six of parts of the numbers, if neither operand holds numbers
    /// that lose by it; `docs/split.md` has the errors.
    #[default]
    Highest,
    /// Three products of parts in the place of six, with an error of about 10⁻⁵; where the processor has no
    /// tiles, [`Precision::Highest`].
    High,
    /// Products of numbers rounded to `bf16`, to the nearest and halves to even: each number loses up
    /// to 2⁻⁸ of itself, and those nearer to zero than 2⁻¹²⁶ count as zero. Where a convolution computes
    /// with sums of some neighbouring numbers (kernels of three by three at stride 1, many channels),
    /// these sums are rounded: the error of outputs is then about 1.7 times as large, and depends on
    /// numbers next to those that an output is made of.
    ///
    /// Where the processor has no fast instructions for it (AVX-512 BF16, or tiles), and where products
    /// are too small or too thin to gain by it, they are those of `f32`.
    Medium,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Self; 3] = [Self::Highest, Self::High, Self::Medium];

    /// True if operands may be rounded to `bf16`.
    pub(crate) fn rounds(self) -> bool {
        self == Self::Medium
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Highest => "highest",
            Self::High => "high",
            Self::Medium => "medium",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|precision| precision.to_string() == name)
            .ok_or_else(|| format!("'{name}' is no precision: highest, high or medium"))
    }
}
