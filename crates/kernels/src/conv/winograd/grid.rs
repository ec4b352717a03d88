//! How outputs are cut into tiles of two by two, and these into boxes.

use super::super::plan::{Part, Plan};

/// The tiles of all images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    batch: usize,
    /// The lines and columns of tiles of an image.
    counts: [usize; 2],
    /// How many images a box has at most, and how many lines and columns of tiles of each.
    boxed: [usize; 3],
}

impl Grid {
    /// Cuts the tiles into boxes of at most about `most` tiles, `wanted` boxes at least if they do
    /// not become tiny.
    pub(super) fn new(batch: usize, plan: &Plan, most: usize, wanted: usize) -> Self {
        let [_, height, width] = plan.counts();
        let counts = [height.div_ceil(2), width.div_ceil(2)];
        let most = most.min((batch * counts[0] * counts[1]).div_ceil(wanted)).max(FEW);
        let columns = alike(counts[1], most);
        let lines = alike(counts[0], (most / columns).max(1));
        let whole = [lines, columns] == counts;
        let images = if whole { alike(batch, (most / (lines * columns)).max(1)) } else { 1 };
        Self { batch, counts, boxed: [images, lines, columns] }
    }

    /// True if a plan is one of kernels of three by three, and has at least `few` tiles.
    pub(super) fn is_worthwhile(batch: usize, plan: &Plan, few: usize) -> bool {
        let [_, height, width] = plan.counts();
        let tiles = batch * height.div_ceil(2) * width.div_ceil(2);
        // Tiles must not reach far beyond the outputs.
        let filled = 3 * batch * height * width >= 2 * 4 * tiles;
        tiles >= few && filled && plan.three_by_three().is_some()
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
        let (first_image, line) = (rest / lines * self.boxed[0], rest % lines * self.boxed[1]);
        let [_, height, width] = plan.counts();
        let counts =
            [self.boxed[1].min(self.counts[0] - line), self.boxed[2].min(self.counts[1] - column)];
        let origin = [0, 2 * line, 2 * column];
        let lens =
            [1, (2 * counts[0]).min(height - origin[1]), (2 * counts[1]).min(width - origin[2])];
        let images = self.boxed[0].min(self.batch - first_image);
        // A box of several lines has whole ones, and one of several images has whole ones.
        let first = (first_image * self.counts[0] + line) * self.counts[1] + column;
        Tiles { part: Part { first_image, images, origin, lens, flat: 0 }, counts, first }
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

/// The length of `count` things cut into pieces of at most `most`, all about alike.
fn alike(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most).max(1)).max(1)
}

/// A box: its outputs, and the tiles that cover them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
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
        [1, 2 * self.counts[0], 2 * self.counts[1]]
    }

    /// The first place that each tile reads or writes, in images whose lines are longer than the
    /// tiles by `more` and that have as many more lines.
    pub(super) fn places(&self, more: usize) -> impl Iterator<Item = usize> {
        let [lines, columns] = self.counts;
        let (height, width) = (2 * lines + more, 2 * columns + more);
        (0..self.part.images).flat_map(move |image| {
            (0..lines).flat_map(move |line| {
                let start = (image * height + 2 * line) * width;
                (0..columns).map(move |column| start + 2 * column)
            })
        })
    }
}
