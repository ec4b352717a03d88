//! Convolutions and their gradients against plain loops in f64, on every instruction set and number
//! of threads.

mod numbers;

use gradus_kernels::conv::{self, Geometry};
use gradus_kernels::memory::scratch;
use gradus_kernels::{Float, Isa, Machine, Strided};
use numbers::numbers;

/// Sizes of a convolution, by axis: input, kernel, stride, dilation, padding before and after.
#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    groups: usize,
    channels: [usize; 2],
    input: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
    before: [usize; 3],
    after: [usize; 3],
}

impl Case {
    /// A convolution of images, all settings alike in height and width.
    fn plane(
        batch: usize,
        channels: [usize; 2],
        input: [usize; 2],
        kernel: usize,
        padding: usize,
    ) -> Self {
        Self {
            batch,
            groups: 1,
            channels,
            input: [1, input[0], input[1]],
            kernel: [1, kernel, kernel],
            stride: [1; 3],
            dilation: [1; 3],
            before: [0, padding, padding],
            after: [0, padding, padding],
        }
    }

    fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    fn stride(self, stride: [usize; 3]) -> Self {
        Self { stride, ..self }
    }

    fn dilation(self, dilation: [usize; 3]) -> Self {
        Self { dilation, ..self }
    }

    fn geometry(&self) -> Geometry {
        let output = [0, 1, 2].map(|i| {
            let reach = (self.kernel[i] - 1) * self.dilation[i] + 1;
            (self.input[i] + self.before[i] + self.after[i] - reach) / self.stride[i] + 1
        });
        Geometry {
            batch: self.batch,
            groups: self.groups,
            in_channels: self.channels[0],
            out_channels: self.channels[1],
            input: self.input,
            kernel: self.kernel,
            output,
            stride: self.stride,
            dilation: self.dilation,
            before: self.before,
        }
    }
}

fn cases() -> Vec<Case> {
    let plane = Case::plane;
    let volume = Case {
        batch: 2,
        groups: 1,
        channels: [3, 5],
        input: [5, 6, 7],
        kernel: [3, 2, 3],
        stride: [2, 1, 2],
        dilation: [1, 2, 1],
        before: [1, 0, 2],
        after: [1, 1, 0],
    };
    vec![
        plane(3, [1, 32], [28, 28], 3, 1),
        plane(5, [32, 64], [14, 14], 3, 1),
        plane(2, [64, 24], [7, 9], 3, 1),
        plane(9, [40, 17], [4, 4], 3, 1),
        // The copy of a channel would be a multiple of 64 long.
        plane(3, [16, 9], [7, 7], 3, 1),
        plane(3, [1, 9], [7, 7], 3, 1),
        plane(2, [3, 4], [5, 6], 3, 0),
        plane(2, [20, 33], [9, 9], 1, 0),
        plane(2, [20, 33], [9, 9], 1, 0).stride([1, 2, 2]),
        plane(1, [3, 10], [40, 37], 7, 3).stride([1, 2, 2]),
        plane(2, [6, 4], [11, 12], 3, 1).stride([1, 3, 2]),
        plane(2, [6, 4], [11, 12], 3, 2).dilation([1, 2, 3]),
        plane(2, [6, 4], [15, 17], 3, 2).dilation([1, 2, 4]).stride([1, 2, 3]),
        plane(3, [12, 8], [8, 9], 3, 1).groups(4),
        plane(3, [12, 12], [8, 19], 3, 1).groups(12),
        plane(3, [4, 12], [8, 19], 5, 2).groups(4).stride([1, 2, 2]),
        // Many channels: whole panels and parts of them, strides, groups, kernels beyond the image.
        plane(3, [17, 70], [5, 6], 3, 1).stride([1, 2, 2]),
        plane(2, [36, 35], [9, 8], 3, 3).dilation([1, 2, 3]),
        plane(2, [48, 96], [6, 5], 3, 1).groups(3),
        plane(2, [64, 16], [5, 5], 5, 4).stride([1, 3, 2]),
        plane(2, [16, 20], [3, 70], 3, 1),
        plane(0, [24, 24], [5, 5], 3, 1),
        // A weight so large for the images that tasks share the images instead of it.
        plane(2, [160, 192], [4, 3], 3, 1),
        plane(1, [260, 230], [2, 3], 3, 1).stride([1, 2, 2]),
        plane(3, [320, 330], [3, 3], 3, 1).groups(2),
        plane(1, [2, 3], [1, 1], 3, 1),
        plane(2, [2, 3], [3, 3], 1, 2).stride([1, 2, 3]),
        plane(0, [2, 3], [5, 5], 3, 1),
        plane(2, [0, 3], [5, 5], 3, 1),
        plane(2, [2, 0], [5, 5], 3, 1),
        // The kernel reaches beyond the padded image only along an axis that has no outputs.
        plane(1, [300, 9], [6, 5], 3, 1),
        // More numbers than a box holds.
        plane(1, [40, 8], [60, 70], 3, 1),
        plane(1, [16, 3], [3, 5000], 3, 1).stride([1, 1, 2]),
        Case { after: [0, 2, 1], ..plane(2, [3, 4], [8, 8], 4, 1) },
        volume,
        Case { groups: 3, channels: [6, 3], ..volume },
        Case { kernel: [1; 3], before: [0; 3], after: [0; 3], ..volume },
        Case {
            input: [1, 1, 3000],
            kernel: [1, 1, 9],
            stride: [1; 3],
            before: [0, 0, 4],
            after: [0, 0, 4],
            dilation: [1; 3],
            ..volume
        },
    ]
}

/// Numbers in row-major order or with the axes in reverse order in memory, and their view.
struct Numbers<T> {
    data: Vec<T>,
    shape: [usize; 5],
    strides: [isize; 5],
}

impl<T: Float> Numbers<T> {
    fn new(shape: [usize; 5], seed: u64, reversed: bool) -> Self {
        let mut strides = [0; 5];
        let mut stride = 1;
        let axes: [usize; 5] = if reversed { [0, 1, 2, 3, 4] } else { [4, 3, 2, 1, 0] };
        for axis in axes {
            strides[axis] = stride;
            stride *= shape[axis] as isize;
        }
        Self { data: numbers(stride as usize, seed), shape, strides }
    }

    fn view(&self) -> Strided<'_, T> {
        Strided { data: &self.data, offset: 0, shape: &self.shape, strides: &self.strides }
    }

    fn at(&self, index: [usize; 5]) -> f64 {
        let place: isize = index.iter().zip(self.strides).map(|(&i, s)| i as isize * s).sum();
        self.data[place as usize].to_f64()
    }
}

/// Calls a function for each pair of an output's and an input's number that meet in the kernel, with
/// the index of the output, the input and the weight.
fn for_each_meeting(g: &Geometry, mut body: impl FnMut([usize; 5], [usize; 5], [usize; 5])) {
    let (inputs, outputs) = (g.in_channels / g.groups, g.out_channels / g.groups);
    let indices = |lens: [usize; 3]| {
        (0..lens.iter().product())
            .map(move |i: usize| [i / lens[2] / lens[1], i / lens[2] % lens[1], i % lens[2]])
    };
    for n in 0..g.batch {
        for o in 0..g.out_channels {
            for place in indices(g.output) {
                for c in 0..inputs {
                    for tap in indices(g.kernel) {
                        let at = |i: usize| {
                            (place[i] * g.stride[i] + tap[i] * g.dilation[i])
                                .checked_sub(g.before[i])
                                .filter(|&at| at < g.input[i])
                        };
                        let (Some(d), Some(h), Some(w)) = (at(0), at(1), at(2)) else { continue };
                        body(
                            [n, o, place[0], place[1], place[2]],
                            [n, o / outputs * inputs + c, d, h, w],
                            [o, c, tap[0], tap[1], tap[2]],
                        );
                    }
                }
            }
        }
    }
}

/// Sums of products and of their magnitudes, of a shape.
struct Sums {
    shape: [usize; 5],
    sums: Vec<(f64, f64)>,
}

impl Sums {
    fn new(shape: [usize; 5]) -> Self {
        Self { shape, sums: vec![(0.0, 0.0); shape.iter().product()] }
    }

    fn add(&mut self, index: [usize; 5], product: f64) {
        let place = index.iter().zip(self.shape).fold(0, |place, (&i, len)| place * len + i);
        self.sums[place].0 += product;
        self.sums[place].1 += product.abs();
    }

    /// Compares: the error may not be more than that of some roundings of each product.
    #[track_caller]
    fn check<T: Float>(&self, values: &[T], epsilon: f64, what: impl std::fmt::Debug) {
        assert_eq!(values.len(), self.sums.len());
        for (i, (value, (sum, magnitude))) in values.iter().zip(&self.sums).enumerate() {
            let error = (value.to_f64() - sum).abs();
            // NaN fails too.
            assert!(error <= epsilon * (1.0 + magnitude * 8.0), "{what:?}: error {error} at {i}");
        }
    }
}

/// Fills scratch memory that kernels may get with NaN: what it held may not matter.
fn spoil_scratch() {
    let lens = (4..19).flat_map(|doubling| (5..9).map(move |quarters: usize| quarters << doubling));
    let blocks: Vec<_> = lens.flat_map(|len| [scratch::<u8>(len), scratch(len)]).collect();
    for mut block in blocks {
        block.fill(u8::MAX);
    }
}

/// Checks all three directions on all machines.
fn check<T: Float>(case: Case, reversed: bool, machines: &[Machine], epsilon: f64) {
    let g = case.geometry();
    let x = Numbers::<T>::new(g.input_shape(), 1, reversed);
    let w = Numbers::<T>::new(g.weight_shape(), 2, reversed);
    let y = Numbers::<T>::new(g.output_shape(), 3, reversed);
    let out_bias = numbers::<T>(g.out_channels, 4);
    let in_bias = numbers::<T>(g.in_channels, 5);

    let mut forward = Sums::new(g.output_shape());
    let mut by_input = Sums::new(g.input_shape());
    let mut by_weight = Sums::new(g.weight_shape());
    for_each_meeting(&g, |output, input, weight| {
        forward.add(output, x.at(input) * w.at(weight));
        by_input.add(input, y.at(output) * w.at(weight));
        by_weight.add(weight, y.at(output) * x.at(input));
    });
    for (sums, bias) in [(&mut forward, &out_bias), (&mut by_input, &in_bias)] {
        let places: usize = sums.shape[2..].iter().product();
        for (i, sum) in sums.sums.iter_mut().enumerate() {
            sum.0 += bias[i / places % bias.len()].to_f64();
        }
    }

    let mut first: Option<(Machine, [Vec<T>; 3])> = None;
    for &on in machines {
        spoil_scratch();
        let mut outs = [&forward, &by_input, &by_weight].map(|sums| vec![T::NAN; sums.sums.len()]);
        conv::forward(on, &g, x.view(), w.view(), Some(&out_bias), &mut outs[0]);
        conv::input_gradient(on, &g, y.view(), w.view(), Some(&in_bias), &mut outs[1]);
        conv::weight_gradient(on, &g, x.view(), y.view(), &mut outs[2]);
        forward.check(&outs[0], epsilon, ("forward", case, on));
        by_input.check(&outs[1], epsilon, ("by input", case, on));
        by_weight.check(&outs[2], epsilon, ("by weight", case, on));
        match &first {
            Some((other, wanted)) if other.isa == on.isa => {
                assert!(outs == *wanted, "{case:?} depends on the number of threads");
            }
            _ => first = Some((on, outs)),
        }
    }
}

#[test]
fn convolutions_equal_the_definition_on_every_instruction_set_and_thread_count() {
    let machines: Vec<Machine> =
        Isa::available().flat_map(|isa| [1, 3].map(|threads| Machine { isa, threads })).collect();
    for (index, case) in cases().into_iter().enumerate() {
        check::<f32>(case, index % 3 == 2, &machines, 6e-8);
        check::<f64>(case, index % 3 == 0, &machines, 1.2e-16);
    }
}

/// The gradient of a sum is one number in memory, seen at every place.
#[test]
fn one_number_may_be_seen_everywhere() {
    let g = Case::plane(2, [20, 24], [5, 6], 3, 1).geometry();
    let x = Numbers::<f32>::new(g.input_shape(), 1, false);
    let w = Numbers::<f32>::new(g.weight_shape(), 2, false);
    let (shape, numbers) = (g.output_shape(), [0.5; 2 * 24 * 30]);
    let many = Strided { data: &numbers, offset: 0, shape: &shape, strides: &[720, 30, 30, 6, 1] };
    let one = Strided { data: &numbers[..1], strides: &[0; 5], ..many };
    for isa in Isa::available() {
        let on = Machine { isa, threads: 1 };
        let [by_many, by_one] = [many, one].map(|grad| {
            let mut outs = [vec![f32::NAN; 2 * 20 * 30], vec![f32::NAN; 24 * 20 * 9]];
            conv::input_gradient(on, &g, grad, w.view(), None, &mut outs[0]);
            conv::weight_gradient(on, &g, x.view(), grad, &mut outs[1]);
            outs
        });
        assert_eq!(by_many, by_one);
    }
}

#[test]
fn without_a_bias_nothing_is_added() {
    let g = Case::plane(1, [2, 3], [4, 4], 3, 1).geometry();
    let x = Numbers::<f32>::new(g.input_shape(), 1, false);
    let w = Numbers::<f32>::new(g.weight_shape(), 2, false);
    let on = Machine { isa: Isa::Portable, threads: 1 };
    let mut plain = vec![f32::NAN; 48];
    let mut biased = plain.clone();
    conv::forward(on, &g, x.view(), w.view(), None, &mut plain);
    conv::forward(on, &g, x.view(), w.view(), Some(&[1.0, 2.0, 3.0]), &mut biased);
    for (i, (plain, biased)) in plain.iter().zip(&biased).enumerate() {
        assert_eq!(*biased, plain + (i / 16 + 1) as f32);
    }
}
