//! Sums of products in Einstein's notation.

use super::case::{Case, Gradient, Sample};
use crate::error::{OpError, fail, reject};
use crate::{DType, Result, Tensor};
use std::collections::BTreeMap;

/// The name of an axis: a letter, or the place of an axis of the ellipsis, counted from its end.
type Label = u32;

/// The label of the last axis of an ellipsis; the one before it is one higher.
const ELLIPSIS: Label = char::MAX as u32 + 1;

/// One part of an equation: `ij`, `b...k`.
#[derive(Debug, Default)]
struct Term {
    letters: Vec<Label>,
    /// Before which letter the ellipsis stands.
    ellipsis: Option<usize>,
}

impl Term {
    fn parse(text: &str) -> Result<Self, OpError> {
        let mut term = Self::default();
        let mut rest = text.trim();
        while let Some(letter) = rest.chars().next() {
            if let Some(behind) = rest.strip_prefix("...") {
                if term.ellipsis.is_some() {
                    reject!("'{text}' has two ellipses");
                }
                term.ellipsis = Some(term.letters.len());
                rest = behind;
                continue;
            }
            if letter.is_ascii_alphabetic() {
                term.letters.push(letter as Label);
            } else if letter != ' ' {
                reject!("'{text}' holds '{letter}': axes are letters, and an ellipsis is '...'");
            }
            rest = &rest[letter.len_utf8()..];
        }
        Ok(term)
    }

    /// The labels, the ellipsis standing for `count` axes.
    fn labels(&self, count: usize) -> Vec<Label> {
        let mut labels = self.letters.clone();
        if let Some(place) = self.ellipsis {
            labels.splice(place..place, ellipsis(count));
        }
        labels
    }
}

/// The labels of an ellipsis that stands for `count` axes.
fn ellipsis(count: usize) -> impl Iterator<Item = Label> {
    (0..count as Label).rev().map(|place| ELLIPSIS + place)
}

/// A label as a caller knows it.
fn shown(label: Label) -> String {
    match char::from_u32(label) {
        Some(letter) => format!("'{letter}'"),
        None => format!("axis {} from the end of '...'", label - ELLIPSIS + 1),
    }
}

/// An equation, with the lengths of its axes.
struct Plan {
    /// The labels of each operand's axes.
    inputs: Vec<Vec<Label>>,
    output: Vec<Label>,
    lens: BTreeMap<Label, usize>,
}

impl Plan {
    fn new(equation: &str, operands: &[Tensor]) -> Result<Self, OpError> {
        let (left, right) = match equation.split_once("->") {
            Some((_, right)) if right.contains("->") => {
                reject!("'{equation}' has two arrows");
            }
            Some((left, right)) => (left, Some(Term::parse(right)?)),
            None => (equation, None),
        };
        let terms = left.split(',').map(Term::parse).collect::<Result<Vec<_>, OpError>>()?;
        if terms.len() != operands.len() {
            let (terms, tensors) = (terms.len(), operands.len());
            reject!("'{equation}' is about {terms} tensors, but there are {tensors}");
        }
        let mut inputs = Vec::new();
        let mut most = 0;
        for (number, (term, x)) in terms.iter().zip(operands).enumerate() {
            let (rank, named) = (x.rank(), term.letters.len());
            let fits = if term.ellipsis.is_some() { rank >= named } else { rank == named };
            if !fits {
                let shape = x.shape();
                reject!("operand {number} of shape {shape} has {rank} axes, not {named}");
            }
            most = most.max(rank - named);
            inputs.push(term.labels(rank - named));
        }
        let output = match right {
            Some(term) => Self::explicit(&term, &inputs, most)?,
            None => Self::implicit(&inputs, most),
        };
        let lens = Self::lens(&inputs, operands)?;
        Ok(Self { inputs, output, lens })
    }

    /// The labels of an output that is written down.
    fn explicit(term: &Term, inputs: &[Vec<Label>], most: usize) -> Result<Vec<Label>, OpError> {
        if most > 0 && term.ellipsis.is_none() {
            reject!("the output has no '...', but an operand has: add it, or name its axes");
        }
        let labels = term.labels(most);
        for (place, &label) in labels.iter().enumerate() {
            if labels[..place].contains(&label) {
                reject!("the output names {} twice", shown(label));
            }
            if !inputs.iter().any(|input| input.contains(&label)) {
                reject!("the output names {}, which no operand has", shown(label));
            }
        }
        Ok(labels)
    }

    /// The labels of an output that is not written down: the ellipsis, then what occurs once, in the
    /// order of the alphabet.
    fn implicit(inputs: &[Vec<Label>], most: usize) -> Vec<Label> {
        let mut counts = BTreeMap::<Label, usize>::new();
        for &label in inputs.iter().flatten() {
            *counts.entry(label).or_default() += 1;
        }
        let once = counts.into_iter().filter(|&(label, count)| count == 1 && label < ELLIPSIS);
        ellipsis(most).chain(once.map(|(label, _)| label)).collect()
    }

    /// The length of each label's axis: 1 gives way to others.
    fn lens(inputs: &[Vec<Label>], operands: &[Tensor]) -> Result<BTreeMap<Label, usize>, OpError> {
        let mut lens = BTreeMap::new();
        for (labels, x) in inputs.iter().zip(operands) {
            for (place, (&label, &len)) in labels.iter().zip(x.shape().iter()).enumerate() {
                let known = *lens.entry(label).or_insert(len);
                let own = labels[..place].iter().position(|&other| other == label);
                let own = own.map_or(len, |first| x.shape()[first]);
                if own != len || (known != len && known != 1 && len != 1) {
                    let known = if own == len { known } else { own };
                    reject!("{} has the length {known} and the length {len}", shown(label));
                }
                if known == 1 {
                    lens.insert(label, len);
                }
            }
        }
        Ok(lens)
    }

    /// True if an axis is still needed once the operands before `next` are one.
    fn keeps(&self, label: Label, next: usize) -> bool {
        self.output.contains(&label)
            || self.inputs[next..].iter().any(|input| input.contains(&label))
    }
}

/// A tensor whose axes have labels, no two the same.
struct Labelled {
    x: Tensor,
    labels: Vec<Label>,
}

impl Labelled {
    /// An operand: of axes with the same label the diagonal, without those that are only repeated.
    #[track_caller]
    fn new(x: &Tensor, labels: &[Label], lens: &BTreeMap<Label, usize>) -> Self {
        let mut this = Self { x: x.clone(), labels: labels.to_vec() };
        let mut place = 0;
        while place < this.labels.len() {
            let label = this.labels[place];
            match this.labels[..place].iter().position(|&other| other == label) {
                Some(first) => {
                    this.x = this.x.diagonal(0, first as isize, place as isize);
                    this.labels.remove(place);
                    this.labels.remove(first);
                    this.labels.push(label);
                    place -= 1;
                }
                None => place += 1,
            }
        }
        for place in (0..this.labels.len()).rev() {
            if this.x.shape()[place] == 1 && lens[&this.labels[place]] != 1 {
                this.x = this.x.squeeze(place as isize);
                this.labels.remove(place);
            }
        }
        this
    }

    /// The sum over the axes that are not to be kept.
    #[track_caller]
    fn summed(self, keep: impl Fn(Label) -> bool) -> Self {
        let (kept, gone): (Vec<usize>, Vec<usize>) =
            (0..self.labels.len()).partition(|&place| keep(self.labels[place]));
        if gone.is_empty() {
            return self;
        }
        let axes: Vec<isize> = gone.into_iter().map(|place| place as isize).collect();
        let labels = kept.into_iter().map(|place| self.labels[place]).collect();
        Self { x: self.x.sum(&axes[..]), labels }
    }

    /// The axes in the order of some labels, which it has.
    #[track_caller]
    fn ordered(&self, labels: &[Label]) -> Tensor {
        let place = |label| self.labels.iter().position(|other| other == label);
        let order: Vec<isize> =
            labels.iter().filter_map(place).map(|place| place as isize).collect();
        if order.iter().copied().eq(0..order.len() as isize) {
            return self.x.clone();
        }
        self.x.permute(&order)
    }

    /// The axes in the order of some labels, with length 1 for those it has not.
    #[track_caller]
    fn aligned(&self, labels: &[Label]) -> Tensor {
        let mut lens = Vec::new();
        for label in labels {
            let place = self.labels.iter().position(|other| other == label);
            lens.push(place.map_or(1, |place| self.x.shape()[place]));
        }
        self.ordered(labels).reshape(lens)
    }

    /// The product with another one, summed over the axes that are not to be kept.
    #[track_caller]
    fn times(&self, other: &Self, keep: impl Fn(Label) -> bool) -> Self {
        let both = |keeps: bool| -> Vec<Label> {
            let common = self.labels.iter().filter(|label| other.labels.contains(label));
            common.copied().filter(|&label| keep(label) == keeps).collect()
        };
        let only = |of: &Self, not: &Self| -> Vec<Label> {
            of.labels.iter().copied().filter(|label| !not.labels.contains(label)).collect()
        };
        let (batch, inner) = (both(true), both(false));
        let (left, right) = (only(self, other), only(other, self));
        let labels = [&batch[..], &left, &right].concat();
        if inner.is_empty() || !self.x.dtype().is_float() {
            let all = [&labels[..], &inner].concat();
            let product = self.aligned(&all) * other.aligned(&all);
            return Self { x: product, labels: all }.summed(keep);
        }
        let count = |of: &Self, labels: &[Label]| -> usize {
            let lens = of.labels.iter().zip(of.x.shape().iter());
            lens.filter(|(label, _)| labels.contains(label)).map(|(_, len)| len).product()
        };
        let (batches, depth) = (count(self, &batch), count(self, &inner));
        let a = self.ordered(&[&batch[..], &left, &inner].concat());
        let b = other.ordered(&[&batch[..], &inner, &right].concat());
        let a = a.reshape([batches, count(self, &left), depth]);
        let b = b.reshape([batches, depth, count(other, &right)]);
        let product = match batch.is_empty() {
            true => a.squeeze(0).matmul(&b.squeeze(0)),
            false => a.matmul(&b),
        };
        let len = |label: &Label| {
            let of = if self.labels.contains(label) { self } else { other };
            count(of, &[*label])
        };
        Self { x: product.reshape(labels.iter().map(len).collect::<Vec<_>>()), labels }
    }
}

impl Tensor {
    /// A sum of products in Einstein's notation: each operand's axes have letters, and whatever the
    /// output does not name is summed over. PyTorch: `torch.einsum`; NumPy: `numpy.einsum`.
    ///
    /// Without an arrow, the output names what occurs once, in the order of the alphabet. A letter
    /// that an operand has twice means a diagonal. `...` stands for any axes, which are broadcast.
    /// Several operands are multiplied from left to right.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    ///
    /// let (x, y) = (Tensor::ones([5, 2, 3]), Tensor::ones([3, 4]));
    /// assert_eq!(Tensor::einsum("bij,jk->bki", &[x.clone(), y]).shape(), [5, 4, 2]);
    /// assert_eq!(Tensor::einsum("...ij->...", &[x]).to_vec::<f32>(), [6.0; 5]);
    /// ```
    ///
    /// # Panics
    /// If the equation does not fit the operands.
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[Self]) -> Self {
        let plan =
            Plan::new(equation, operands).unwrap_or_else(|error| fail(error.named("einsum")));
        let dtype = operands.iter().map(Self::dtype).fold(DType::Bool, DType::promote);
        let operand = |number: usize| {
            let x = operands[number].to_dtype(dtype);
            Labelled::new(&x, &plan.inputs[number], &plan.lens)
        };
        let mut product = operand(0).summed(|label| plan.keeps(label, 1));
        for number in 1..operands.len() {
            // What only one of the two has, and nobody needs later, is summed over at once.
            let mut next = operand(number);
            let (ours, theirs) = (product.labels.clone(), next.labels.clone());
            let keeps = |label| plan.keeps(label, number + 1);
            product = product.summed(|label| theirs.contains(&label) || keeps(label));
            next = next.summed(|label| ours.contains(&label) || keeps(label));
            product = product.times(&next, keeps);
        }
        product.ordered(&plan.output).to_dtype(dtype)
    }

    /// The product with another tensor, summed over pairs of axes: those that stay are this tensor's,
    /// then the other's. PyTorch: `torch.tensordot`.
    ///
    /// # Panics
    /// If there are not as many axes of either, or their lengths differ.
    #[track_caller]
    pub fn tensordot(&self, other: &Self, axes: &[isize], other_axes: &[isize]) -> Self {
        let resolve = |x: &Self, axes: &[isize]| -> Vec<usize> {
            axes.iter().map(|&axis| super::view::axis_of(x, axis, "tensordot")).collect()
        };
        let (axes, other_axes) = (resolve(self, axes), resolve(other, other_axes));
        let lens = |x: &Self, axes: &[usize]| axes.iter().map(|&axis| x.shape()[axis]).collect();
        let (ours, theirs): (Vec<usize>, Vec<usize>) =
            (lens(self, &axes), lens(other, &other_axes));
        if ours != theirs {
            let message = format_args!("axes of lengths {ours:?} and {theirs:?} do not pair up");
            fail(OpError::of("tensordot", message));
        }
        let labels: Vec<Label> = (0..self.rank() as Label).collect();
        let mut other_labels: Vec<Label> =
            (0..other.rank()).map(|axis| (self.rank() + axis) as Label).collect();
        for (&axis, &other_axis) in axes.iter().zip(&other_axes) {
            other_labels[other_axis] = labels[axis];
        }
        let dtype = self.dtype().promote(other.dtype());
        let gone: Vec<Label> = axes.iter().map(|&axis| labels[axis]).collect();
        let left = Labelled { x: self.to_dtype(dtype), labels };
        let right = Labelled { x: other.to_dtype(dtype), labels: other_labels };
        left.times(&right, |label| !gone.contains(&label)).x.to_dtype(dtype)
    }
}

/// A sample of an equation.
fn sample(equation: &'static str, shapes: &[&[usize]]) -> Sample {
    Sample::floats(shapes, -1.0..1.0, move |x| Tensor::einsum(equation, x)).label(equation)
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "einsum",
        formula: "sums of products in Einstein's notation",
        torch: "torch.einsum",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample("ij,jk->ik", &[&[2, 3], &[3, 4]]),
                sample("bij, bjk -> bki", &[&[2, 2, 3], &[2, 3, 2]]),
                sample("ii->i", &[&[3, 3]]),
                sample("iij,j", &[&[3, 3, 2], &[2]]),
                sample("...ij,...j->...i", &[&[2, 1, 2, 3], &[3, 3]]),
                sample("ab,bc,cd->ad", &[&[2, 3], &[3, 2], &[2, 2]]),
                sample("ij->", &[&[2, 3]]),
                sample("ij,jk->ik", &[&[2, 0], &[0, 3]]).label("empty"),
            ]
        },
    },
    Case {
        name: "tensordot",
        formula: "the product summed over pairs of axes",
        torch: "torch.tensordot",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |len: usize| {
                Sample::floats(&[&[2, 3, len], &[len, 2, 3]], -1.0..1.0, |x| {
                    x[0].tensordot(&x[1], &[2, 1], &[0, -1])
                })
            };
            vec![sample(2), sample(0).label("empty")]
        },
    },
];
