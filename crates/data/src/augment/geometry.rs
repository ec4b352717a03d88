//! Changes of place: each transform of places is a [`Geometry`], and only here is one carried out.

use super::matrix::Matrix;
use super::picture::{KeyPoint, Picture, Pixels, Planes, Region};
use super::resample;

/// Where everything in a picture goes, and how large the new picture is.
///
/// Pixels are interpolated linearly between the centres of the four nearest; a picture that becomes
/// smaller is averaged over what each new pixel covers. Masks take the nearest number, boxes become
/// the smallest box around their four corners as far as the new picture goes, and those of which
/// nothing is left vanish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// From places in the old picture to those in the new one.
    pub matrix: Matrix,
    /// The number of rows of the new picture.
    pub height: usize,
    /// The number of columns of the new picture.
    pub width: usize,
    /// What comes in over the edges: 0 is black and 1 is white.
    pub fill: f64,
}

/// How the numbers of new pixels are found: the special kinds are faster and exact.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Columns and rows are moved and turned round whole.
    Moved([Shift; 2]),
    /// The whole picture becomes larger or smaller.
    Resized,
    /// Anything else, by where new pixels come from.
    Warped(Matrix),
}

/// A row or column with index i comes to i + by, or to by - 1 - i if it is `reversed`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub reversed: bool,
    pub by: isize,
}

impl Geometry {
    /// One that keeps a picture's size.
    pub fn within(picture: &Picture, matrix: Matrix, fill: f64) -> Self {
        Self { matrix, height: picture.height(), width: picture.width(), fill }
    }

    /// One that makes the whole of a picture larger or smaller.
    pub fn resize(picture: &Picture, height: usize, width: usize) -> Self {
        let factor = |new: usize, old: usize| new as f64 / old as f64;
        let (x, y) = (factor(width, picture.width()), factor(height, picture.height()));
        Self { matrix: Matrix::scaling(x, y), height, width, fill: 0.0 }
    }

    /// One that keeps what is in a rectangle, which may go beyond the edges.
    pub fn crop(top: isize, left: isize, [height, width]: [usize; 2], fill: f64) -> Self {
        Self { matrix: Matrix::translation(-left as f64, -top as f64), height, width, fill }
    }

    /// Moves a picture and what is drawn on it.
    ///
    /// # Panics
    /// If the new picture has no pixel.
    #[track_caller]
    pub fn apply(&self, picture: &mut Picture) {
        let (height, width) = (self.height, self.width);
        assert!(height * width > 0, "a picture of {height} rows and {width} columns has no pixel");
        let old = [picture.height(), picture.width()];
        if self.matrix == Matrix::IDENTITY && old == [self.height, self.width] {
            return;
        }
        let kind = self.kind(old);
        match &mut picture.pixels {
            Pixels::U8(planes) => {
                *planes = self.pixels(planes, kind, (self.fill * 255.0).round() as u8);
            }
            Pixels::F32(planes) => *planes = self.pixels(planes, kind, self.fill as f32),
        }
        if let Some(mask) = &mut picture.mask {
            let size = [self.height, self.width];
            *mask = match kind {
                Kind::Moved(shifts) => resample::moved(mask, shifts, size, picture.mask_fill),
                Kind::Resized => resample::nearest(mask, self.backwards(), size, picture.mask_fill),
                Kind::Warped(back) => resample::nearest(mask, back, size, picture.mask_fill),
            };
        }
        self.move_boxes(&mut picture.boxes);
        self.move_points(&mut picture.points, &picture.point_pairs);
    }

    fn pixels<T: resample::Level>(&self, old: &Planes<T>, kind: Kind, fill: T) -> Planes<T> {
        let size = [self.height, self.width];
        match kind {
            Kind::Moved(shifts) => resample::moved(old, shifts, size, fill),
            Kind::Resized => resample::resized(old, size),
            Kind::Warped(back) => resample::warped(old, back, size, fill),
        }
    }

    fn kind(&self, [height, width]: [usize; 2]) -> Kind {
        let [[a, b, x], [c, d, y], bottom] = self.matrix.0;
        let whole = |scale: f64, by: f64| {
            let fits = scale.abs() == 1.0 && by.fract() == 0.0 && by.abs() < 2f64.powi(50);
            fits.then_some(Shift { reversed: scale < 0.0, by: by as isize })
        };
        if bottom == [0.0, 0.0, 1.0] && b == 0.0 && c == 0.0 {
            if let (Some(columns), Some(rows)) = (whole(a, x), whole(d, y)) {
                return Kind::Moved([rows, columns]);
            }
            let all = Self::resized_matrix([height, width], [self.height, self.width]);
            if self.matrix == all {
                return Kind::Resized;
            }
        }
        Kind::Warped(self.backwards())
    }

    fn resized_matrix(old: [usize; 2], new: [usize; 2]) -> Matrix {
        let [y, x] = [0, 1].map(|axis| new[axis] as f64 / old[axis] as f64);
        Matrix::scaling(x, y)
    }

    /// Where new places come from. Where all of a picture becomes a line, that is nowhere.
    fn backwards(&self) -> Matrix {
        self.matrix.inverse().unwrap_or(Matrix([[f64::NAN; 3]; 3]))
    }

    fn move_boxes(&self, boxes: &mut Vec<Region>) {
        for region in boxes.iter_mut() {
            let [left, top, right, bottom] = region.edges;
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
                .map(|(x, y)| self.matrix.point(x, y));
            let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
            let range = |side: fn(&(f64, f64)) -> f64, end: usize| {
                // A corner beyond the horizon has no place; those that have decide.
                let places = corners.iter().map(side);
                let (least, most) =
                    places.fold((low, high), |(a, b), place| (a.min(place), b.max(place)));
                (least.clamp(0.0, end as f64), most.clamp(0.0, end as f64))
            };
            let (left, right) = range(|corner| corner.0, self.width);
            let (top, bottom) = range(|corner| corner.1, self.height);
            region.edges = [left, top, right, bottom];
        }
        boxes.retain(Region::is_there);
    }

    fn move_points(&self, points: &mut [KeyPoint], pairs: &[(usize, usize)]) {
        for point in points.iter_mut() {
            (point.x, point.y) = self.matrix.point(point.x, point.y);
        }
        if self.matrix.mirrors() {
            for &(a, b) in pairs {
                points.swap(a, b);
            }
        }
    }
}
