//! A search along a line for a point that satisfies the strong Wolfe conditions.

use gradus_tensor::Tensor;

/// c₁, how much of the slope's promise the value must keep.
const LOWER: f64 = 1e-4;
/// c₂, how much of the slope may be left.
const FLATTER: f64 = 0.9;
/// How near to each other the ends of a bracket, in any element, end the search.
const NARROW: f64 = 1e-9;

/// A point on the line.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// How far along the direction.
    pub(super) at: f64,
    pub(super) value: f64,
    /// The derivative along the direction.
    pub(super) slope: f64,
    pub(super) gradient: Tensor,
}

/// A line, from its start.
pub(super) struct Line<'a> {
    pub(super) start: Point,
    /// The largest magnitude in the direction.
    pub(super) width: f64,
    /// How many points may be tried after the first.
    pub(super) tries: usize,
    pub(super) evaluate: &'a mut dyn FnMut(f64) -> Point,
}

impl Line<'_> {
    /// The best point found, starting with a guess, and how many points were evaluated.
    ///
    /// # Source
    /// Nocedal, Wright 2006, "Numerical Optimization", algorithms 3.5 and 3.6, with the choices of
    /// `torch.optim.LBFGS(line_search_fn="strong_wolfe")`.
    pub(super) fn search(self, guess: f64) -> (Point, usize) {
        let mut before = self.start.clone();
        let mut point = (self.evaluate)(guess);
        let mut tries = 0;
        while tries < self.tries {
            if self.is_too_high(&point) || (tries > 1 && point.value >= before.value) {
                return self.zoom([before, point], tries);
            }
            if self.is_flat(&point) {
                return (point, tries + 1);
            }
            if point.slope >= 0.0 {
                return self.zoom([before, point], tries);
            }
            let bounds = (point.at + 0.01 * (point.at - before.at), 10.0 * point.at);
            let next = (self.evaluate)(cubic_minimum(&before, &point, bounds));
            before = std::mem::replace(&mut point, next);
            tries += 1;
        }
        let lowest = if self.start.value <= point.value { self.start } else { point };
        (lowest, tries + 1)
    }

    /// The value is above the line that starts with a small part of the slope.
    fn is_too_high(&self, point: &Point) -> bool {
        point.value > self.start.value + LOWER * point.at * self.start.slope
    }

    fn is_flat(&self, point: &Point) -> bool {
        point.slope.abs() <= -FLATTER * self.start.slope
    }

    /// Narrows two ends between which a point must be that will do.
    fn zoom(self, mut ends: [Point; 2], mut tries: usize) -> (Point, usize) {
        let lower = |ends: &[Point; 2]| usize::from(ends[0].value > ends[1].value);
        let mut low = lower(&ends);
        let mut was_near_an_end = false;
        while tries < self.tries {
            let [left, right] = [ends[0].at.min(ends[1].at), ends[0].at.max(ends[1].at)];
            if (right - left) * self.width < NARROW {
                break;
            }
            let mut at = cubic_minimum(&ends[0], &ends[1], (left, right));
            let margin = 0.1 * (right - left);
            let is_near_an_end = (right - at).min(at - left) < margin;
            let moved = is_near_an_end && (was_near_an_end || at >= right || at <= left);
            if moved {
                at = if (at - right).abs() < (at - left).abs() {
                    right - margin
                } else {
                    left + margin
                };
            }
            was_near_an_end = is_near_an_end && !moved;

            let point = (self.evaluate)(at);
            tries += 1;
            if self.is_too_high(&point) || point.value >= ends[low].value {
                ends[1 - low] = point;
                low = lower(&ends);
                continue;
            }
            let done = self.is_flat(&point);
            if !done && point.slope * (ends[1 - low].at - ends[low].at) >= 0.0 {
                ends[1 - low] = ends[low].clone();
            }
            ends[low] = point;
            if done {
                break;
            }
        }
        let [first, second] = ends;
        (if low == 0 { first } else { second }, tries + 1)
    }
}

/// Where the cubic with the values and slopes of two points is lowest, within bounds; their middle
/// if it has no minimum.
fn cubic_minimum(a: &Point, b: &Point, (low, high): (f64, f64)) -> f64 {
    let (a, b) = if a.at <= b.at { (a, b) } else { (b, a) };
    // Nocedal, Wright 2006, equation 3.59.
    let d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.at - b.at);
    let square = d1 * d1 - a.slope * b.slope;
    if square < 0.0 || square.is_nan() {
        return (low + high) / 2.0;
    }
    let d2 = square.sqrt();
    let way = (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    (b.at - (b.at - a.at) * way).max(low).min(high)
}
