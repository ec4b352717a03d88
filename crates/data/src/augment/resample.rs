//! The numbers of new pixels from those of old ones.

use super::geometry::Shift;
use super::matrix::Matrix;
use super::picture::Planes;

/// A number that pixels are made of.
pub(super) trait Level: Copy {
    fn to_f32(self) -> f32;
    /// The nearest such number.
    fn from_f32(x: f32) -> Self;
}

impl Level for u8 {
    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    fn from_f32(x: f32) -> Self {
        // A conversion from floats saturates.
        (x + 0.5) as u8
    }
}

impl Level for f32 {
    fn to_f32(self) -> f32 {
        self
    }

    fn from_f32(x: f32) -> Self {
        x
    }
}

/// Which new rows or columns have an old one, and which: `from + i` or, reversed, `from - i`.
struct Span {
    start: usize,
    len: usize,
    from: usize,
}

impl Shift {
    fn span(self, old: usize, new: usize) -> Span {
        let (old, new) = (old as isize, new as isize);
        // Where the first and the one behind the last of the old ones come to.
        let first = if self.reversed { self.by - old } else { self.by };
        let start = first.clamp(0, new);
        let end = first.saturating_add(old).clamp(start, new);
        let from = match self.reversed {
            _ if start == end => 0,
            true => self.by - 1 - start,
            false => start - self.by,
        };
        Span { start: start as usize, len: (end - start) as usize, from: from as usize }
    }
}

/// Planes whose rows and columns are moved, or turned round, whole.
pub(super) fn moved<T: Copy>(
    old: &Planes<T>,
    [rows, columns]: [Shift; 2],
    [height, width]: [usize; 2],
    fill: T,
) -> Planes<T> {
    let across = columns.span(old.width, width);
    let down = rows.span(old.height, height);
    let mut numbers = vec![fill; old.count * height * width];
    for (new, old_plane) in numbers.chunks_exact_mut(height * width).zip(old.planes()) {
        for index in 0..down.len {
            let row = if rows.reversed { down.from - index } else { down.from + index };
            let old_row = &old_plane[row * old.width..][..old.width];
            let new = &mut new[(down.start + index) * width + across.start..][..across.len];
            match columns.reversed {
                false => new.copy_from_slice(&old_row[across.from..][..across.len]),
                true => {
                    new.copy_from_slice(&old_row[across.from + 1 - across.len..][..across.len]);
                    new.reverse();
                }
            }
        }
    }
    Planes { numbers, count: old.count, height, width }
}

/// Planes of which each new pixel has the old number nearest to where it comes from.
pub(super) fn nearest<T: Copy>(
    old: &Planes<T>,
    back: Matrix,
    [height, width]: [usize; 2],
    fill: T,
) -> Planes<T> {
    let inside = |x: f64, y: f64| {
        (0.0..old.width as f64).contains(&x) && (0.0..old.height as f64).contains(&y)
    };
    let mut numbers = Vec::with_capacity(old.count * height * width);
    for plane in old.planes() {
        for y in 0..height {
            numbers.extend((0..width).map(|x| {
                let (x, y) = back.point(x as f64 + 0.5, y as f64 + 0.5);
                if inside(x, y) { plane[y as usize * old.width + x as usize] } else { fill }
            }));
        }
    }
    Planes { numbers, count: old.count, height, width }
}

/// The four pixels around a place, and how much each counts.
struct Corners {
    /// The upper left one's column and row.
    place: [isize; 2],
    across: f32,
    down: f32,
}

/// Planes whose pixels lie between old ones, by linear interpolation; beyond the edges is `fill`.
pub(super) fn warped<T: Level>(
    old: &Planes<T>,
    back: Matrix,
    [height, width]: [usize; 2],
    fill: T,
) -> Planes<T> {
    // Where pixels come from is the same for all planes.
    let corners: Vec<Option<Corners>> = (0..height * width)
        .map(|place| {
            let (x, y) = ((place % width) as f64 + 0.5, (place / width) as f64 + 0.5);
            let (x, y) = back.point(x, y);
            let (x, y) = (x - 0.5, y - 0.5);
            let near =
                (-1.0..old.width as f64).contains(&x) && (-1.0..old.height as f64).contains(&y);
            near.then(|| Corners {
                place: [x.floor() as isize, y.floor() as isize],
                across: (x - x.floor()) as f32,
                down: (y - y.floor()) as f32,
            })
        })
        .collect();
    let mut numbers = Vec::with_capacity(old.count * height * width);
    for plane in old.planes() {
        let pixel = |x: isize, y: isize| {
            let inside =
                (0..old.width as isize).contains(&x) && (0..old.height as isize).contains(&y);
            let number = if inside { plane[y as usize * old.width + x as usize] } else { fill };
            number.to_f32()
        };
        numbers.extend(corners.iter().map(|corners| {
            let Some(Corners { place: [x, y], across, down }) = corners else { return fill };
            let row = |y| pixel(*x, y) * (1.0 - across) + pixel(x + 1, y) * across;
            T::from_f32(row(*y) * (1.0 - down) + row(y + 1) * down)
        }));
    }
    Planes { numbers, count: old.count, height, width }
}

/// The old pixels, in a row from the first on, that a new one is the weighted mean of.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Planes of another size. Where they become smaller, each new pixel is a mean over the old ones
/// that it covers, and somewhat beyond, with the weights of a triangle.
///
/// PyTorch: `torchvision.transforms.functional.resize(antialias=True)`, bilinear.
pub(super) fn resized<T: Level>(old: &Planes<T>, [height, width]: [usize; 2]) -> Planes<T> {
    let (across, down) = (triangles(old.width, width), triangles(old.height, height));
    let mut numbers = Vec::with_capacity(old.count * height * width);
    let mut rows = vec![0.0f32; old.height * width];
    let mut sums = vec![0.0f32; width];
    for plane in old.planes() {
        for (old, new) in plane.chunks_exact(old.width).zip(rows.chunks_exact_mut(width)) {
            for (new, taps) in new.iter_mut().zip(&across) {
                let old = &old[taps.first..][..taps.weights.len()];
                *new = old.iter().zip(&taps.weights).map(|(x, weight)| x.to_f32() * weight).sum();
            }
        }
        for taps in &down {
            sums.fill(0.0);
            for (row, weight) in rows.chunks_exact(width).skip(taps.first).zip(&taps.weights) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * weight);
            }
            numbers.extend(sums.iter().map(|&sum| T::from_f32(sum)));
        }
    }
    Planes { numbers, count: old.count, height, width }
}

fn triangles(old: usize, new: usize) -> Vec<Taps> {
    let scale = old as f64 / new as f64;
    let reach = scale.max(1.0);
    let taps = |index: usize| {
        let centre = (index as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(old);
        let weight = |i: usize| (1.0 - ((i as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let total: f64 = (first..end).map(weight).sum();
        Taps { first, weights: (first..end).map(|i| (weight(i) / total) as f32).collect() }
    };
    (0..new).map(taps).collect()
}
