//! How outputs are cut into tiles, and these into boxes.

use super::super::plan::{Part, Plan};
use super::{LINES, Line, places};

/// The tiles of all images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    across: Line,
    batch: usize,
    /// The lines and columns of tiles of an image.
    counts: [usize; 2],
    /// How many images a box has at most, and how many lines and columns of tiles of each.
    boxed: [usize; 3],
}

impl Grid {
    /// Cuts the tiles into boxes of at most about `most` tiles, `wanted` boxes at least if they do
    /// not become tiny.
    pub(super) fn new(across: Line, batch: usize, plan: &Plan, most: usize, wanted: usize) -> Self {
        let counts = counts(across, plan);
        let most = most.min((batch * counts[0] * counts[1]).div_ceil(wanted)).max(FEW);
        let columns = alike(counts[1], most);
        let lines = alike(counts[0], (most / columns).max(1));
        let whole = [lines, columns] == counts;
        let images = if whole { alike(batch, (most / (lines * columns)).max(1)) } else { 1 };
        Self { across, batch, counts, boxed: [images, lines, columns] }
    }

    /// True if a plan is one of kernels of three by three, has at least `few` outputs, and takes but two
    /// thirds of the multiplications in tiles, which may reach beyond the outputs.
    pub(super) fn is_worthwhile(across: Line, batch: usize, plan: &Plan, few: usize) -> bool {
        let tiles = counts(across, plan).iter().product::<usize>();
        let saves = 2 * 9 * plan.outputs() >= 3 * places(across) * tiles;
        batch * plan.outputs() >= few && saves && plan.three_by_three().is_some()
    }

    /// How many boxes there are along images, lines and columns.
    fn along(&self) -> [usize; 3] {
        let lens = [self.batch, self.counts[0], self.counts[1]];
        [0, 1, 2].map(|i| lens[i].div_ceil(self.boxed[i].max(1)))
    }

    /// How many boxes there are.
    pub(super) fn boxes(&self) -> usize {
        self.along().iter().product()
    }

    /// A box by its index.
    pub(super) fn tiles(&self, plan: &Plan, index: usize) -> Tiles {
        let [_, lines, columns] = self.along();
        let (rest, column) = (index / columns, index % columns * self.boxed[2]);
        let outputs = self.across.outputs();
        let (first_image, line) = (rest / lines * self.boxed[0], rest % lines * self.boxed[1]);
        let [_, height, width] = plan.counts();
        let counts =
            [self.boxed[1].min(self.counts[0] - line), self.boxed[2].min(self.counts[1] - column)];
        let origin = [0, LINES * line, outputs * column];
        let lens = [
            1,
            (LINES * counts[0]).min(height - origin[1]),
            (outputs * counts[1]).min(width - origin[2]),
        ];
        let images = self.boxed[0].min(self.batch - first_image);
        // A box of several lines has whole ones, and one of several images has whole ones.
        let first = (first_image * self.counts[0] + line) * self.counts[1] + column;
        let part = Part { first_image, images, origin, lens, flat: 0 };
        Tiles { across: self.across, part, counts, first }
    }

    /// All boxes.
    pub(super) fn all(&self, plan: &Plan) -> impl Iterator<Item = Tiles> {
        (0..self.boxes()).map(|index| self.tiles(plan, index))
    }

    /// The most tiles that a box has.
    pub(super) fn most(&self) -> usize {
        self.boxed.iter().product()
    }
}

/// Fewer tiles do not keep the products busy.
const FEW: usize = 16;

/// How many lines and columns of tiles an image has.
fn counts(across: Line, plan: &Plan) -> [usize; 2] {
    let [_, height, width] = plan.counts();
    [height.div_ceil(LINES), width.div_ceil(across.outputs())]
}

/// The length of `count` things cut into pieces of at most `most`, all about alike.
fn alike(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most).max(1)).max(1)
}

/// A box: its outputs, and the tiles that cover them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    across: Line,
    pub(super) part: Part,
    /// The lines and columns of tiles of an image.
    pub(super) counts: [usize; 2],
    /// The number of the first tile among those of all images; the others follow.
    pub(super) first: usize,
}

impl Tiles {
    /// How many tiles there are.
    pub(super) fn count(&self) -> usize {
        self.part.images * self.counts[0] * self.counts[1]
    }

    /// The lengths of an image of whole tiles.
    pub(super) fn lens(&self) -> [usize; 3] {
        [1, LINES * self.counts[0], self.across.outputs() * self.counts[1]]
    }

    /// The first place that each tile reads or writes, in images whose lines are longer than the
    /// tiles by `more` and that have as many more lines.
    pub(super) fn places(&self, more: usize) -> impl Iterator<Item = usize> {
        let [lines, columns] = self.counts;
        let [_, height, width] = self.lens().map(|len| len + more);
        let outputs = self.across.outputs();
        (0..self.part.images).flat_map(move |image| {
            (0..lines).flat_map(move |line| {
                let start = (image * height + LINES * line) * width;
                (0..columns).map(move |column| start + outputs * column)
            })
        })
    }
}
