//! How much boxes overlap, and losses made of it.
//!
//! A box is [x₁, y₁, x₂, y₂], two opposite corners with x₁ < x₂ and y₁ < y₂.

use super::{LossReduction, check_positive, check_shapes, fail};
use gradus_tensor::{DType, Tensor, no_grad};
use std::f64::consts::PI;

/// What is added below the line if nothing is said: torchvision's number.
const EPS: f64 = 1e-7;

/// The corners of boxes, each [..].
struct Boxes {
    left: Tensor,
    top: Tensor,
    right: Tensor,
    bottom: Tensor,
}

impl Boxes {
    #[track_caller]
    fn new(name: &'static str, boxes: &Tensor) -> Self {
        if boxes.rank() == 0 || boxes.len_of(-1) != 4 {
            fail(name, format_args!("takes boxes [.., 4], not {}", boxes.shape()));
        }
        // Areas of pictures leave the range of halves.
        let dtype = boxes.dtype().to_float();
        let boxes = boxes.to_dtype(if dtype.is_half() { DType::F32 } else { dtype });
        let corner = |index: usize| boxes.select(-1, index);
        Self { left: corner(0), top: corner(1), right: corner(2), bottom: corner(3) }
    }

    fn width(&self) -> Tensor {
        &self.right - &self.left
    }

    fn height(&self) -> Tensor {
        &self.bottom - &self.top
    }

    fn area(&self) -> Tensor {
        self.width() * self.height()
    }

    /// The smallest box around two.
    fn around(&self, other: &Self) -> Self {
        Self {
            left: self.left.minimum(&other.left),
            top: self.top.minimum(&other.top),
            right: self.right.maximum(&other.right),
            bottom: self.bottom.maximum(&other.bottom),
        }
    }

    /// The areas of what two boxes share, and of what either covers.
    fn shared_and_covered(&self, other: &Self) -> (Tensor, Tensor) {
        let width = self.right.minimum(&other.right) - self.left.maximum(&other.left);
        let height = self.bottom.minimum(&other.bottom) - self.top.maximum(&other.top);
        let shared = width.relu() * height.relu();
        let covered = self.area() + other.area() - &shared;
        (shared, covered)
    }

    /// The square of the distance of the centres, divided by that of the diagonal of the smallest
    /// box around both.
    fn centre_distance(&self, other: &Self, eps: f64) -> Tensor {
        let around = self.around(other);
        let diagonal = around.width().square() + around.height().square() + eps;
        let x = (&self.left + &self.right - &other.left - &other.right) * 0.5;
        let y = (&self.top + &self.bottom - &other.top - &other.bottom) * 0.5;
        (x.square() + y.square()) / diagonal
    }

    /// α v, how much two boxes differ in the ratio of width to height; no gradient flows through α.
    fn aspect_difference(&self, other: &Self, iou: &Tensor, eps: f64) -> Tensor {
        let angle = |own: &Self| (own.width() / own.height()).atan();
        let v = (angle(other) - angle(self)).square() * (4.0 / (PI * PI));
        let alpha = no_grad(|| &v / (1.0 - iou + &v + eps));
        v * alpha
    }

    fn measure(&self, other: &Self, kind: Kind, eps: Eps) -> Tensor {
        let (shared, covered) = self.shared_and_covered(other);
        let iou = shared / (&covered + eps.areas);
        match kind {
            Kind::Plain => iou,
            Kind::Generalized => {
                let area = self.around(other).area();
                iou - (&area - covered) / (&area + eps.areas)
            }
            Kind::Distance => iou - self.centre_distance(other, eps.rest),
            Kind::Complete => {
                let aspect = self.aspect_difference(other, &iou, eps.rest);
                iou - self.centre_distance(other, eps.rest) - aspect
            }
        }
    }
}

/// Which measure is made of the intersection over the union.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Generalized,
    Distance,
    Complete,
}

/// What is added below the line: to areas, and to all else.
#[derive(Clone, Copy)]
struct Eps {
    areas: f64,
    rest: f64,
}

/// A measure of each of N boxes with each of M, [N, M].
#[track_caller]
fn pairwise(name: &'static str, first: &Tensor, second: &Tensor, kind: Kind) -> Tensor {
    for boxes in [first, second] {
        if boxes.rank() != 2 || boxes.len_of(1) != 4 {
            fail(name, format_args!("takes boxes [N, 4], not {}", boxes.shape()));
        }
    }
    let first = Boxes::new(name, &first.unsqueeze(1));
    let second = Boxes::new(name, &second.unsqueeze(0));
    first.measure(&second, kind, Eps { areas: 0.0, rest: EPS })
}

/// The intersection over the union (IoU) of each of N boxes with each of M; NaN where neither has an
/// area.
///
/// # Shapes
/// `first: [N, 4]`, `second: [M, 4]`, `-> [N, M]`, a box being two corners [x₁, y₁, x₂, y₂] with
/// x₁ < x₂ and y₁ < y₂. Boxes in half-precision are computed with as `f32`.
///
/// # Panics
/// If the shapes do not fit.
///
/// # Source
/// torchvision: `torchvision.ops.box_iou`.
///
/// ```
/// use gradus_nn::losses::box_iou;
/// use gradus_tensor::Tensor;
///
/// let first = Tensor::from_vec(vec![0f32, 0.0, 2.0, 2.0], [1, 4]);
/// let second = Tensor::from_vec(vec![1f32, 0.0, 3.0, 2.0], [1, 4]);
/// assert_eq!(box_iou(&first, &second).to_vec::<f32>(), [2.0 / 6.0]);
/// ```
#[track_caller]
pub fn box_iou(first: &Tensor, second: &Tensor) -> Tensor {
    pairwise("box_iou", first, second, Kind::Plain)
}

/// The generalized IoU of each of N boxes with each of M: IoU less the share of the smallest box
/// around both that neither covers.
///
/// # Shapes
/// As [`box_iou`].
///
/// # Panics
/// As [`box_iou`].
///
/// # Source
/// Rezatofighi et al. 2019, "Generalized Intersection over Union", algorithm 1; torchvision:
/// `torchvision.ops.generalized_box_iou`.
#[track_caller]
pub fn generalized_box_iou(first: &Tensor, second: &Tensor) -> Tensor {
    pairwise("generalized_box_iou", first, second, Kind::Generalized)
}

/// The distance IoU of each of N boxes with each of M: IoU less the square of the distance of the
/// centres, divided by that of the diagonal of the smallest box around both.
///
/// # Shapes
/// As [`box_iou`].
///
/// # Panics
/// As [`box_iou`].
///
/// # Source
/// Zheng et al. 2020, "Distance-IoU Loss", equation 7; torchvision:
/// `torchvision.ops.distance_box_iou`.
#[track_caller]
pub fn distance_box_iou(first: &Tensor, second: &Tensor) -> Tensor {
    pairwise("distance_box_iou", first, second, Kind::Distance)
}

/// The complete IoU of each of N boxes with each of M: the distance IoU less α v, of the difference
/// v of the ratios of width to height. No gradient flows through α.
///
/// # Shapes
/// As [`box_iou`].
///
/// # Panics
/// As [`box_iou`].
///
/// # Source
/// Zheng et al. 2020, "Distance-IoU Loss", equations 8 to 11; torchvision:
/// `torchvision.ops.complete_box_iou`.
#[track_caller]
pub fn complete_box_iou(first: &Tensor, second: &Tensor) -> Tensor {
    pairwise("complete_box_iou", first, second, Kind::Complete)
}

/// The settings of the losses of boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxLossOptions {
    /// ε, what is added below each line, so that boxes without an area do no harm: a positive
    /// number.
    pub eps: f64,
    /// What becomes of the losses of single boxes.
    pub reduction: LossReduction,
}

impl Default for BoxLossOptions {
    fn default() -> Self {
        Self { eps: EPS, reduction: LossReduction::Mean }
    }
}

#[track_caller]
fn loss(
    name: &'static str,
    (output, target): (&Tensor, &Tensor),
    kind: Kind,
    options: BoxLossOptions,
) -> Tensor {
    let BoxLossOptions { eps, reduction } = options;
    check_shapes(name, output, target);
    check_positive(name, "eps", eps);
    let (output, target) = (Boxes::new(name, output), Boxes::new(name, target));
    let measure = output.measure(&target, kind, Eps { areas: eps, rest: eps });
    reduction.apply(&(1.0 - measure))
}

/// 1 - IoU of each box with its target; see [`box_iou`].
///
/// # Shapes
/// `output: [.., 4]`, `target` alike, `-> []`, or `[..]` if not reduced, a box being two corners [x₁,
/// y₁, x₂, y₂] with x₁ < x₂ and y₁ < y₂. Boxes in half-precision are computed with as `f32`.
///
/// # Panics
/// If the shapes do not fit, or ε is not positive.
///
/// # Source
/// Rezatofighi et al. 2019, "Generalized Intersection over Union", algorithm 2.
#[track_caller]
pub fn box_iou_loss(output: &Tensor, target: &Tensor, options: BoxLossOptions) -> Tensor {
    loss("box_iou_loss", (output, target), Kind::Plain, options)
}

/// 1 - GIoU of each box with its target; see [`generalized_box_iou`]. Unlike IoU it has a gradient
/// where the boxes do not meet.
///
/// # Shapes
/// As [`box_iou_loss`].
///
/// # Panics
/// As [`box_iou_loss`].
///
/// # Source
/// Rezatofighi et al. 2019, "Generalized Intersection over Union", algorithm 2; torchvision:
/// `torchvision.ops.generalized_box_iou_loss`, which does not reduce if nothing is said.
#[track_caller]
pub fn generalized_box_iou_loss(
    output: &Tensor,
    target: &Tensor,
    options: BoxLossOptions,
) -> Tensor {
    loss("generalized_box_iou_loss", (output, target), Kind::Generalized, options)
}

/// 1 - DIoU of each box with its target; see [`distance_box_iou`].
///
/// # Shapes
/// As [`box_iou_loss`].
///
/// # Panics
/// As [`box_iou_loss`].
///
/// # Source
/// Zheng et al. 2020, "Distance-IoU Loss", equation 7; torchvision:
/// `torchvision.ops.distance_box_iou_loss`, which does not reduce if nothing is said.
#[track_caller]
pub fn distance_box_iou_loss(output: &Tensor, target: &Tensor, options: BoxLossOptions) -> Tensor {
    loss("distance_box_iou_loss", (output, target), Kind::Distance, options)
}

/// 1 - CIoU of each box with its target; see [`complete_box_iou`].
///
/// # Shapes
/// As [`box_iou_loss`].
///
/// # Panics
/// As [`box_iou_loss`].
///
/// # Source
/// Zheng et al. 2020, "Distance-IoU Loss", equations 8 to 11; torchvision:
/// `torchvision.ops.complete_box_iou_loss`, which does not reduce if nothing is said, and whose ε is
/// that of α only.
#[track_caller]
pub fn complete_box_iou_loss(output: &Tensor, target: &Tensor, options: BoxLossOptions) -> Tensor {
    loss("complete_box_iou_loss", (output, target), Kind::Complete, options)
}
