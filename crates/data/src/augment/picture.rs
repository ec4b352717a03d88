//! Pictures with what was drawn on them: boxes, a mask, key points.

use crate::{Batch, Sample, TargetKind};
use gradus_tensor::{DType, Device, Element, OpError, Result, Tensor};

/// Planes of numbers of one size, one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes<T> {
    /// The numbers, row after row of each plane: as many as planes, rows and columns say.
    pub numbers: Vec<T>,
    /// How many planes there are.
    pub count: usize,
    /// The number of rows of a plane.
    pub height: usize,
    /// The number of columns of a plane.
    pub width: usize,
}

/// The colours of a picture, a plane each.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// From 0 to 255.
    U8(Planes<u8>),
    /// From 0 to 1, if colours are to be changed; anything, if only places are.
    F32(Planes<f32>),
}

/// A rectangle in a picture, and what is known about what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Left, top, right and bottom edge, in pixels.
    pub edges: [f64; 4],
    /// Its class, say.
    pub rest: Vec<f64>,
}

/// A point in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyPoint {
    /// How far right it is, in pixels from the left edge.
    pub x: f64,
    /// How far down it is, in pixels from the upper edge.
    pub y: f64,
    /// How visible it is, say.
    pub rest: Vec<f64>,
}

/// A picture with what was drawn on it, which moves with it.
///
/// All places are in pixels from the upper left corner: the centre of the first pixel is (0.5, 0.5),
/// and a box around all of a picture has the edges 0, 0, W, H.
///
/// ```
/// use gradus_data::augment::{FlipOptions, HorizontalFlip, Picture, PictureTransform, Region};
/// use gradus_tensor::{Rng, Tensor};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let mut picture = Picture::from_tensor(&Tensor::zeros([3, 4, 10]))?;
/// picture.boxes.push(Region { edges: [1.0, 0.0, 3.0, 4.0], rest: vec![] });
/// HorizontalFlip::new(FlipOptions { probability: 1.0 })?.change(&mut picture, &mut Rng::new(1))?;
/// assert_eq!(picture.boxes[0].edges, [7.0, 0.0, 9.0, 4.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// What is seen.
    pub pixels: Pixels,
    /// Rectangles.
    pub boxes: Vec<Region>,
    /// A number for each pixel (its class, say), in one plane or several.
    pub mask: Option<Planes<f64>>,
    /// What the mask says where the picture was extended.
    pub mask_fill: f64,
    /// Points.
    pub points: Vec<KeyPoint>,
    /// Points that exchange their places in the list when the picture is mirrored: the left eye is
    /// then the right one.
    pub point_pairs: Vec<(usize, usize)>,
}

impl Picture {
    /// A picture of pixels `[C, H, W]` or `[H, W]`, of `u8` or `f32`, with nothing drawn on it.
    ///
    /// # Errors
    /// If the tensor is of another type or shape.
    pub fn from_tensor(x: &Tensor) -> Result<Self> {
        let pixels = match x.dtype() {
            DType::U8 => Pixels::U8(Planes::of(x, x.try_to_vec()?)?),
            DType::F32 => Pixels::F32(Planes::of(x, x.try_to_vec()?)?),
            other => {
                let message = format_args!(
                    "pictures are of u8 from 0 to 255 or of f32 from 0 to 1, not of {other}: \
                     convert with to_dtype"
                );
                return Err(OpError::of("picture", message).into());
            }
        };
        Ok(Self {
            pixels,
            boxes: vec![],
            mask: None,
            mask_fill: 0.0,
            points: vec![],
            point_pairs: vec![],
        })
    }

    /// The pixels, `[C, H, W]`.
    pub fn to_tensor(&self) -> Tensor {
        match &self.pixels {
            Pixels::U8(planes) => Tensor::from_slice(&planes.numbers, planes.shape()),
            Pixels::F32(planes) => Tensor::from_slice(&planes.numbers, planes.shape()),
        }
    }

    /// The number of colours.
    pub fn channels(&self) -> usize {
        match &self.pixels {
            Pixels::U8(planes) => planes.count,
            Pixels::F32(planes) => planes.count,
        }
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        match &self.pixels {
            Pixels::U8(planes) => planes.height,
            Pixels::F32(planes) => planes.height,
        }
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        match &self.pixels {
            Pixels::U8(planes) => planes.width,
            Pixels::F32(planes) => planes.width,
        }
    }

    /// The picture that is the input of a sample, with what its target has drawn on it.
    ///
    /// # Errors
    /// If the input is no picture, or the target does not have the form that its kind says.
    pub fn of_sample(sample: &Sample) -> Result<Self> {
        let mut picture = Self::from_tensor(sample.input())?;
        let target = || sample.target().to_dtype(DType::F64);
        match sample.kind() {
            TargetKind::Fixed => {}
            TargetKind::Mask { fill } => {
                let mask = Planes::of(&target(), target().try_to_vec()?)?;
                if (mask.height, mask.width) != (picture.height(), picture.width()) {
                    let message = format_args!(
                        "a mask of shape {} does not fit a picture of {} by {} pixels",
                        sample.target().shape(),
                        picture.width(),
                        picture.height()
                    );
                    return Err(OpError::of("picture", message).into());
                }
                (picture.mask, picture.mask_fill) = (Some(mask), *fill);
            }
            TargetKind::Boxes => {
                let regions = rows(&target(), 4)?.into_iter().map(|row| Region {
                    edges: [row[0], row[1], row[2], row[3]],
                    rest: row[4..].to_vec(),
                });
                // What has no extent stands in for a box that is not there.
                picture.boxes = regions.filter(Region::is_there).collect();
            }
            TargetKind::Points { pairs } => {
                let points = rows(&target(), 2)?.into_iter();
                picture.points = points
                    .map(|row| KeyPoint { x: row[0], y: row[1], rest: row[2..].to_vec() })
                    .collect();
                picture.point_pairs = pairs.to_vec();
                let count = picture.points.len();
                if let Some(pair) = pairs.iter().find(|pair| pair.0.max(pair.1) >= count) {
                    let message =
                        format_args!("of {count} points, counted from 0, {pair:?} are no pair");
                    return Err(OpError::of("picture", message).into());
                }
            }
        }
        Ok(picture)
    }

    /// The sample that this picture is now, having come from `before`: of the same types and ranks,
    /// and with as many rows of boxes. Where boxes were lost, rows of -1 come last.
    pub fn into_sample(self, before: &Sample) -> Sample {
        let mut input = self.to_tensor();
        if before.input().rank() == 2 {
            input = input.squeeze(0);
        }
        let old = before.target();
        let target = match before.kind() {
            TargetKind::Fixed => old.clone(),
            TargetKind::Mask { .. } => {
                let mask = self.mask.expect("the mask was taken from the target");
                let [count, height, width] = mask.shape();
                let mask = Tensor::from_slice(&mask.numbers, [count, height, width]);
                let mask = mask.to_dtype(old.dtype());
                if old.rank() == 2 { mask.squeeze(0) } else { mask }
            }
            TargetKind::Boxes => {
                let row = |region: Region| region.edges.into_iter().chain(region.rest);
                let mut numbers: Vec<f64> = self.boxes.into_iter().flat_map(row).collect();
                numbers.resize(old.count(), -1.0);
                Tensor::from_vec(numbers, *old.shape()).to_dtype(old.dtype())
            }
            TargetKind::Points { .. } => {
                let row = |point: KeyPoint| [point.x, point.y].into_iter().chain(point.rest);
                let numbers: Vec<f64> = self.points.into_iter().flat_map(row).collect();
                Tensor::from_vec(numbers, *old.shape()).to_dtype(old.dtype())
            }
        };
        Sample::new(input, target).of_kind(before.kind().clone())
    }

    /// The samples that pictures are now, each having come from the one beside it, stacked. Where
    /// targets say nothing about places, the pixels go into the batch without a tensor for each.
    pub(super) fn into_batch(changed: Vec<(Self, Sample)>) -> Result<Batch> {
        let plain =
            |before: &Sample| *before.kind() == TargetKind::Fixed && before.input().rank() == 3;
        if changed.iter().all(|(_, before)| plain(before)) {
            let pixels = || changed.iter().map(|(picture, _)| &picture.pixels);
            let bytes = pixels().map(|pixels| match pixels {
                Pixels::U8(planes) => Some(planes),
                Pixels::F32(_) => None,
            });
            let numbers = pixels().map(|pixels| match pixels {
                Pixels::F32(planes) => Some(planes),
                Pixels::U8(_) => None,
            });
            if let Some(input) = end_to_end(bytes).or_else(|| end_to_end(numbers)) {
                return Batch::with_targets(input?, changed.iter().map(|(_, before)| before));
            }
        }
        let samples = changed.into_iter().map(|(picture, before)| picture.into_sample(&before));
        Batch::stack(&samples.collect::<Vec<_>>())
    }
}

/// Pictures of one kind and size as one tensor, `[B, C, H, W]`; none if they are not, or there is
/// none.
fn end_to_end<'a, T: Element>(
    all: impl ExactSizeIterator<Item = Option<&'a Planes<T>>>,
) -> Option<Result<Tensor>> {
    let count = all.len();
    let (mut numbers, mut size) = (vec![], None);
    for planes in all {
        let planes = planes?;
        if *size.get_or_insert(planes.shape()) != planes.shape() {
            return None;
        }
        if numbers.is_empty() {
            numbers.reserve_exact(count * planes.numbers.len());
        }
        numbers.extend_from_slice(&planes.numbers);
    }
    let [channels, height, width] = size?;
    let shape = [count, channels, height, width].into();
    Some(Tensor::try_from_slice(&numbers, shape, Device::cpu()))
}

impl Region {
    /// True if it has an extent.
    pub fn is_there(&self) -> bool {
        let [left, top, right, bottom] = self.edges;
        right > left && bottom > top
    }
}

impl<T> Planes<T> {
    /// The numbers of a tensor of two or three axes.
    fn of(x: &Tensor, numbers: Vec<T>) -> Result<Self> {
        let (count, height, width) = match **x.shape() {
            [height, width] => (1, height, width),
            [count, height, width] => (count, height, width),
            _ => {
                let message =
                    format_args!("a picture is [C, H, W] or [H, W], not of shape {}", x.shape());
                return Err(OpError::of("picture", message).into());
            }
        };
        if numbers.is_empty() {
            let message = format_args!("a picture of shape {} has no pixels", x.shape());
            return Err(OpError::of("picture", message).into());
        }
        Ok(Self { numbers, count, height, width })
    }

    /// Their number, height and width.
    pub fn shape(&self) -> [usize; 3] {
        [self.count, self.height, self.width]
    }

    /// How many numbers a plane has.
    pub(super) fn area(&self) -> usize {
        self.height * self.width
    }

    /// Plane after plane.
    pub(super) fn planes(&self) -> impl Iterator<Item = &[T]> {
        self.numbers.chunks_exact(self.area())
    }
}

/// The rows of a target `[N, D]` with so many columns at least.
fn rows(target: &Tensor, columns: usize) -> Result<Vec<Vec<f64>>> {
    match **target.shape() {
        [_, width] if width >= columns => {
            Ok(target.try_to_vec::<f64>()?.chunks(width).map(<[f64]>::to_vec).collect())
        }
        _ => {
            let message = format_args!(
                "a target of this kind is [N, D] with D from {columns} on, not of shape {}",
                target.shape()
            );
            Err(OpError::of("picture", message).into())
        }
    }
}
