//! Maps of the plane that keep straight lines straight.

use gradus_tensor::{Error, Result};

/// A map of the plane by a matrix of 3 by 3 numbers: the point (x, y) goes to (a / c, b / c), where
/// (a, b, c) is the matrix times (x, y, 1). All affine and perspective changes of a picture are such.
///
/// Points are in pixels from the upper left corner, so that the centre of the first pixel is
/// (0.5, 0.5).
///
/// ```
/// use gradus_data::augment::Matrix;
///
/// let turn = Matrix::rotation(90.0).about(2.0, 2.0);
/// let (x, y) = turn.point(4.0, 2.0);
/// assert!((x - 2.0).abs() < 1e-9 && (y - 4.0).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix(pub [[f64; 3]; 3]);

impl Matrix {
    /// Leaves all where it is.
    pub const IDENTITY: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// Moves right and down.
    pub fn translation(x: f64, y: f64) -> Self {
        Self([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
    }

    /// Stretches away from the corner.
    pub fn scaling(x: f64, y: f64) -> Self {
        Self([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]])
    }

    /// Turns clockwise about the corner, by degrees.
    pub fn rotation(degrees: f64) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    }

    /// Moves each point right by `x` times how far down it is, and down by `y` times how far right.
    pub fn shear(x: f64, y: f64) -> Self {
        Self([[1.0, x, 0.0], [y, 1.0, 0.0], [0.0, 0.0, 1.0]])
    }

    /// The map that takes four points to four others.
    ///
    /// # Errors
    /// If there is none: three of the points lie on a line.
    pub fn perspective(from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Result<Self> {
        // Two equations a point in the eight unknown numbers of the matrix; the ninth is 1.
        let mut rows = [[0.0; 9]; 8];
        for (index, ([x, y], [u, v])) in from.into_iter().zip(to).enumerate() {
            rows[2 * index] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * index + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        let Some([a, b, c, d, e, f, g, h]) = solve(rows) else {
            let message =
                format!("no perspective takes {from:?} to {to:?}: three points are in a line");
            return Err(Error::Setting(message));
        };
        Ok(Self([[a, b, c], [d, e, f], [g, h, 1.0]]))
    }

    /// This map and then another one.
    pub fn then(&self, next: Self) -> Self {
        let cell = |row: usize, column: usize| {
            (0..3).map(|i| next.0[row][i] * self.0[i][column]).sum::<f64>()
        };
        Self(std::array::from_fn(|row| std::array::from_fn(|column| cell(row, column))))
    }

    /// This map with a point in the place of the corner.
    pub fn about(&self, x: f64, y: f64) -> Self {
        Self::translation(-x, -y).then(*self).then(Self::translation(x, y))
    }

    /// The map that undoes this one; none where this one makes the plane a line.
    pub fn inverse(&self) -> Option<Self> {
        let m = &self.0;
        // The cofactor of a cell, with its sign: rows and columns are taken round.
        let minor = |row: usize, column: usize| {
            let (r, s) = ((row + 1) % 3, (row + 2) % 3);
            let (c, d) = ((column + 1) % 3, (column + 2) % 3);
            m[r][c] * m[s][d] - m[r][d] * m[s][c]
        };
        let determinant: f64 = (0..3).map(|column| m[0][column] * minor(0, column)).sum();
        if determinant == 0.0 || !determinant.is_finite() {
            return None;
        }
        let cell = |row: usize, column: usize| minor(column, row) / determinant;
        Some(Self(std::array::from_fn(|row| std::array::from_fn(|column| cell(row, column)))))
    }

    /// Where a point goes; not finite if it goes beyond the horizon.
    pub fn point(&self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c] = self.0.map(|[by_x, by_y, one]| by_x * x + by_y * y + one);
        if c > 0.0 { (a / c, b / c) } else { (f64::NAN, f64::NAN) }
    }

    /// True if left and right are exchanged.
    pub fn mirrors(&self) -> bool {
        let [[a, b, _], [c, d, _], _] = self.0;
        a * d - b * c < 0.0
    }
}

/// The solution of eight linear equations, the right sides last, by elimination.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let size = |row: &usize| rows[*row][column].abs();
        let pivot = (column..8).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        if size(&pivot) < 1e-9 {
            return None;
        }
        rows.swap(column, pivot);
        let chosen = rows[column].map(|x| x / rows[column][column]);
        for (index, row) in rows.iter_mut().enumerate() {
            let factor = if index == column { 0.0 } else { row[column] };
            row.iter_mut().zip(chosen).for_each(|(x, own)| *x -= factor * own);
        }
        rows[column] = chosen;
    }
    Some(rows.map(|row| row[8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: (f64, f64), wanted: (f64, f64)) {
        let far = (found.0 - wanted.0).abs().max((found.1 - wanted.1).abs());
        assert!(far < 1e-9, "{found:?}, not {wanted:?}");
    }

    #[test]
    fn maps_follow_each_other_and_are_undone() {
        let map = Matrix::rotation(30.0)
            .then(Matrix::shear(0.2, -0.1))
            .then(Matrix::scaling(2.0, 0.5))
            .about(3.0, 4.0)
            .then(Matrix::translation(1.0, -2.0));
        near(map.point(3.0, 4.0), (4.0, 2.0));
        let back = map.inverse().unwrap();
        let (x, y) = map.point(-7.0, 11.0);
        near(back.point(x, y), (-7.0, 11.0));
        assert!(!map.mirrors() && map.then(Matrix::scaling(-1.0, 1.0)).mirrors());
        assert!(Matrix::scaling(0.0, 1.0).inverse().is_none());
    }

    #[test]
    fn a_perspective_takes_four_points_to_four() {
        let from = [[0.0, 0.0], [8.0, 0.0], [8.0, 6.0], [0.0, 6.0]];
        let to = [[1.0, 0.5], [7.5, 1.0], [8.0, 5.0], [0.0, 6.0]];
        let map = Matrix::perspective(from, to).unwrap();
        for ([x, y], [u, v]) in from.into_iter().zip(to) {
            near(map.point(x, y), (u, v));
        }
        let line = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 6.0]];
        assert!(Matrix::perspective(line, to).is_err());
    }
}
