//! Convolutions and their gradients against plain loops in f64, on every instruction set and number
//! of threads.

mod numbers;

use gradus_kernels::conv::{self, Geometry};
use gradus_kernels::memory::{Block, scratch};
use gradus_kernels::{Float, Isa, Machine, Precision, Strided};
use half::bf16;
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

    /// True if the fast algorithm may be chosen, which rounds what it makes of numbers.
    fn may_be_transformed(&self) -> bool {
        let kernel = [self.kernel, self.stride, self.dilation];
        kernel == [[1, 3, 3], [1; 3], [1; 3]] && self.channels[0].min(self.channels[1]) >= 24
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
        // Tiles of two by two: whole boxes, parts of them, several images, strange paddings.
        plane(1, [64, 64], [16, 16], 3, 1),
        plane(5, [33, 70], [7, 8], 3, 1),
        plane(9, [24, 40], [4, 4], 3, 0),
        plane(1, [40, 48], [33, 30], 3, 2),
        plane(2, [96, 128], [9, 12], 3, 1).groups(2),
        plane(1, [32, 32], [4, 300], 3, 1),
        plane(5, [370, 360], [4, 3], 3, 1),
        // Few tiles for their weight: tasks share what is transformed, in parts of images or several.
        plane(3, [130, 136], [12, 5], 3, 1),
        plane(1, [132, 130], [10, 22], 3, 1),
        plane(2, [264, 260], [6, 9], 3, 1).groups(2),
        Case { before: [0, 1, 0], after: [0, 0, 2], ..plane(2, [40, 48], [12, 11], 3, 0) },
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

    /// The same numbers, rounded to `bf16`.
    fn rounded(mut self) -> Self {
        for x in &mut self.data {
            *x = T::from_f64(bf16::from_f64(x.to_f64()).to_f64());
        }
        self
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

    /// Compares: the error may not be more than that of so many roundings of each product.
    #[track_caller]
    fn check<T: Float>(
        &self,
        values: &[T],
        (epsilon, roundings): (f64, f64),
        what: impl std::fmt::Debug,
    ) {
        assert_eq!(values.len(), self.sums.len());
        for (i, (value, (sum, magnitude))) in values.iter().zip(&self.sums).enumerate() {
            let error = (value.to_f64() - sum).abs();
            // NaN fails too.
            let allowed = epsilon * (1.0 + magnitude * roundings);
            assert!(error <= allowed, "{what:?}: error {error} at {i}");
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

/// Checks all three directions on all machines. Where products may be rounded, the numbers are such
/// that rounding leaves them as they are.
fn check<T: Float>(
    case: Case,
    reversed: bool,
    precision: Precision,
    machines: &[Machine],
    epsilon: f64,
) {
    let g = case.geometry();
    let numbers_of = |shape, seed| {
        let numbers = Numbers::<T>::new(shape, seed, reversed);
        if precision == Precision::Medium { numbers.rounded() } else { numbers }
    };
    let x = numbers_of(g.input_shape(), 1);
    let w = numbers_of(g.weight_shape(), 2);
    let y = numbers_of(g.output_shape(), 3);
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

    // Where most taps meet padding, an output shares its tile with others that are much larger.
    let padded_widely = case.before.contains(&2) || case.after.contains(&2);
    let bound = (epsilon, if padded_widely { 24.0 } else { 8.0 });
    let mut first: Option<(Machine, [Vec<T>; 3])> = None;
    for &on in machines {
        spoil_scratch();
        let mut outs = [&forward, &by_input, &by_weight].map(|sums| vec![T::NAN; sums.sums.len()]);
        conv::forward(on, precision, &g, x.view(), w.view(), Some(&out_bias), &mut outs[0]);
        conv::input_gradient(on, precision, &g, y.view(), w.view(), Some(&in_bias), &mut outs[1]);
        conv::weight_gradient(on, precision, &g, x.view(), y.view(), &mut outs[2]);
        forward.check(&outs[0], bound, ("forward", case, on));
        by_input.check(&outs[1], bound, ("by input", case, on));
        by_weight.check(&outs[2], bound, ("by weight", case, on));
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
        check::<f32>(case, index % 3 == 2, Precision::Highest, &machines, 6e-8);
        let epsilon = if case.may_be_transformed() { 4e-4 } else { 6e-8 };
        check::<f32>(case, index % 3 == 1, Precision::Medium, &machines, epsilon);
        check::<f64>(case, index % 3 == 0, Precision::Highest, &machines, 1.2e-16);
    }
}

/// What is made of a weight is kept with its memory, and changes no bit.
fn check_kept<T: Float>(case: Case) {
    let g = case.geometry();
    let (x, w) =
        (Numbers::<T>::new(g.input_shape(), 1, false), Numbers::new(g.weight_shape(), 2, false));
    let len = g.output_shape().iter().product();
    let mut memory = Block::new(size_of_val(&w.data[..])).unwrap();
    memory.slice_mut().copy_from_slice(&w.data);
    for isa in Isa::available() {
        for precision in [Precision::Highest, Precision::Medium] {
            let on = Machine { isa, threads: 2 };
            let mut wanted = vec![T::NAN; len];
            conv::forward(on, precision, &g, x.view(), w.view(), None, &mut wanted);
            for round in ["made", "kept"] {
                spoil_scratch();
                let numbers = Strided { data: memory.slice::<T>(), ..w.view() };
                let weight = conv::Weight { numbers, kept_with: Some(&memory) };
                let mut out = vec![T::NAN; len];
                conv::forward(on, precision, &g, x.view(), weight, None, &mut out);
                assert!(out == wanted, "{case:?}, {isa}, {precision}, {round}");
            }
        }
    }
    // Nothing is kept of numbers that change.
    memory.slice_mut::<T>().fill(T::ZERO);
    let on = Machine { isa: Isa::Portable, threads: 2 };
    let numbers = Strided { data: memory.slice::<T>(), ..w.view() };
    let mut out = vec![T::NAN; len];
    let weight = conv::Weight { numbers, kept_with: Some(&memory) };
    conv::forward(on, Precision::Highest, &g, x.view(), weight, None, &mut out);
    assert!(out.iter().all(|&y| y == T::ZERO), "{case:?}");
}

#[test]
fn what_is_kept_of_a_weight_is_what_would_be_made_of_it() {
    for case in cases() {
        check_kept::<f32>(case);
        check_kept::<f64>(case);
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
            conv::input_gradient(on, Precision::Highest, &g, grad, w.view(), None, &mut outs[0]);
            conv::weight_gradient(on, Precision::Highest, &g, x.view(), grad, &mut outs[1]);
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
    conv::forward(on, Precision::Highest, &g, x.view(), w.view(), None, &mut plain);
    conv::forward(
        on,
        Precision::Highest,
        &g,
        x.view(),
        w.view(),
        Some(&[1.0, 2.0, 3.0]),
        &mut biased,
    );
    for (i, (plain, biased)) in plain.iter().zip(&biased).enumerate() {
        assert_eq!(*biased, plain + (i / 16 + 1) as f32);
    }
}

/// A convolution of kernels of three by three for which the fast algorithm is chosen.
fn transformed() -> Geometry {
    Case::plane(6, [24, 32], [8, 9], 3, 1).geometry()
}

/// One of few tiles for its weight.
fn transformed_once() -> Geometry {
    Case::plane(1, [130, 136], [10, 9], 3, 1).geometry()
}

/// The largest error, compared with the sum of the magnitudes that go into a number.
fn largest_error(values: &[f32], truth: &Sums) -> f64 {
    let errors = values.iter().zip(&truth.sums).map(|(&value, &(sum, magnitude))| {
        assert!(value.is_finite());
        (f64::from(value) - sum).abs() / magnitude.max(1e-300)
    });
    errors.fold(0.0, f64::max)
}

/// The largest errors of outputs and of the weight's gradient: of a plain loop of 32 bits, then on
/// each machine.
fn errors(x: &Numbers<f32>, precision: Precision, machines: &[Machine]) -> Vec<[f64; 2]> {
    let g = transformed();
    let w = Numbers::<f32>::new(g.weight_shape(), 2, false);
    let y = Numbers::<f32>::new(g.output_shape(), 3, false);
    let mut truth = [Sums::new(g.output_shape()), Sums::new(g.weight_shape())];
    let mut plain = truth.each_ref().map(|truth| vec![0f32; truth.sums.len()]);
    let place = |index: [usize; 5], truth: &Sums| {
        index.iter().zip(truth.shape).fold(0, |place, (&i, len)| place * len + i)
    };
    for_each_meeting(&g, |output, input, weight| {
        let (x, w, y) = (x.at(input), w.at(weight), y.at(output));
        plain[0][place(output, &truth[0])] += x as f32 * w as f32;
        plain[1][place(weight, &truth[1])] += x as f32 * y as f32;
        truth[0].add(output, x * w);
        truth[1].add(weight, x * y);
    });
    let mut errors = vec![[0, 1].map(|i| largest_error(&plain[i], &truth[i]))];
    for &on in machines {
        let mut outs = plain.each_ref().map(|plain| vec![f32::NAN; plain.len()]);
        conv::forward(on, precision, &g, x.view(), w.view(), None, &mut outs[0]);
        conv::weight_gradient(on, precision, &g, x.view(), y.view(), &mut outs[1]);
        errors.push([0, 1].map(|i| largest_error(&outs[i], &truth[i])));
    }
    errors
}

/// Numbers of which each is changed.
fn changed(shape: [usize; 5], seed: u64, change: impl Fn(usize, f32) -> f32) -> Numbers<f32> {
    let mut numbers = Numbers::new(shape, seed, false);
    for (i, x) in numbers.data.iter_mut().enumerate() {
        *x = change(i, *x);
    }
    numbers
}

#[test]
fn fast_convolutions_are_as_accurate_as_a_plain_loop() {
    let g = transformed();
    let xs = g.input_shape();
    let some = |scale: f32| changed(xs, 1, move |_, x| x * scale);
    let power = |x: f32, bits: f32| (x * bits).round().exp2();
    let inputs = [
        ("usual", some(1.0)),
        ("rectified", changed(xs, 1, |_, x| x.max(0.0))),
        ("far from zero", changed(xs, 1, |_, x| 1000.0 + x)),
        ("huge", some(1e30)),
        ("tiny", some(1e-33)),
        ("of many magnitudes", changed(xs, 1, |i, x| x * power(x + (i % 7) as f32 / 7.0, 9.0))),
        ("one among zeros", changed(xs, 1, |i, x| if i == 5000 { x } else { 0.0 })),
        ("one large one", changed(xs, 1, |i, x| if i == 5000 { 1e8 } else { x })),
    ];
    let machines: Vec<Machine> = Isa::available().map(|isa| Machine { isa, threads: 2 }).collect();
    for (name, x) in &inputs {
        let errors = errors(x, Precision::Highest, &machines);
        let (plain, fast) = (errors[0], &errors[1..]);
        for (on, fast) in machines.iter().zip(fast) {
            for (fast, plain) in fast.iter().zip(plain) {
                // Sums of few numbers are nearly exact in a plain loop.
                let allowed = 1.5 * plain + 4.0 * f64::from(f32::EPSILON);
                assert!(*fast <= allowed, "{name}, {on:?}: {fast:e}, plain {plain:e}");
            }
        }
    }
}

/// Infinities and NaN reach the outputs that they have a part in, and no other.
#[test]
fn fast_convolutions_do_not_spread_infinities() {
    for g in [transformed(), transformed_once()] {
        check_infinities(&g);
    }
}

fn check_infinities(g: &Geometry) {
    let x =
        |special: f32| changed(g.input_shape(), 1, move |i, x| if i == 5000 { special } else { x });
    let w = Numbers::<f32>::new(g.weight_shape(), 2, false);
    let grad = Numbers::<f32>::new(g.output_shape(), 3, false);
    for on in Isa::available().map(|isa| Machine { isa, threads: 2 }) {
        let run = |x: &Numbers<f32>, w: &Numbers<f32>| {
            let mut out = vec![0.0f32; g.output_shape().iter().product()];
            conv::forward(on, Precision::Highest, g, x.view(), w.view(), None, &mut out);
            out
        };
        let usual = run(&x(0.5), &w);
        for special in [f32::INFINITY, f32::NAN] {
            let mut sums = Sums::new(g.output_shape());
            let x = x(special);
            for_each_meeting(g, |output, input, weight| {
                sums.add(output, x.at(input) * w.at(weight));
            });
            for ((&value, &(sum, _)), usual) in run(&x, &w).iter().zip(&sums.sums).zip(&usual) {
                let right = match sum.is_finite() {
                    true => (value - usual).abs() < 1e-4,
                    false => value == sum as f32 || (value.is_nan() && sum.is_nan()),
                };
                assert!(right, "{value} where {sum} should be, {on:?}");
            }
        }
        // Numbers whose sums are beyond the largest of 32 bits, though their products are not.
        let large = changed(g.input_shape(), 1, |_, x| x * 3e38);
        let small = changed(g.weight_shape(), 2, |_, w| w * 1e-30);
        assert!(run(&large, &small).iter().all(|value| value.is_finite()));
        let mut by_weight = vec![0.0f32; g.weight_shape().iter().product()];
        let tiny = changed(g.output_shape(), 3, |_, y| y * 1e-30);
        conv::weight_gradient(on, Precision::Highest, g, large.view(), tiny.view(), &mut by_weight);
        assert!(by_weight.iter().all(|value| value.is_finite()));
        conv::weight_gradient(
            on,
            Precision::Highest,
            g,
            x(f32::INFINITY).view(),
            grad.view(),
            &mut by_weight,
        );
        assert!(by_weight.iter().any(|value| !value.is_finite()));
    }
}

/// A sum of products of numbers rounded to `bf16` is off by what two roundings lose, where there are
/// channels enough and the processor gains by it, and else by nothing.
#[test]
fn the_lowest_precision_rounds_where_that_is_faster() {
    let few = Case::plane(2, [3, 8], [9, 70], 3, 1);
    let odd = Case::plane(2, [25, 40], [9, 8], 3, 1);
    let many = [
        Case::plane(2, [24, 40], [9, 7], 3, 1),
        Case::plane(3, [64, 48], [5, 6], 1, 0),
        Case::plane(2, [32, 64], [9, 9], 3, 1).stride([1, 2, 2]),
    ];
    let on = |isa| Machine { isa, threads: 2 };
    for (case, isa) in many
        .into_iter()
        .chain([few, odd])
        .flat_map(|case| Isa::available().map(move |isa| (case, isa)))
    {
        let g = case.geometry();
        let x = Numbers::<f32>::new(g.input_shape(), 1, false);
        let w = Numbers::<f32>::new(g.weight_shape(), 2, false);
        let y = Numbers::<f32>::new(g.output_shape(), 3, false);
        let run = |precision| {
            let mut outs = [g.output_shape(), g.input_shape(), g.weight_shape()]
                .map(|shape| vec![f32::NAN; shape.iter().product()]);
            conv::forward(on(isa), precision, &g, x.view(), w.view(), None, &mut outs[0]);
            conv::input_gradient(on(isa), precision, &g, y.view(), w.view(), None, &mut outs[1]);
            conv::weight_gradient(on(isa), precision, &g, x.view(), y.view(), &mut outs[2]);
            outs
        };
        let mut truth = [g.output_shape(), g.input_shape(), g.weight_shape()].map(Sums::new);
        for_each_meeting(&g, |output, input, weight| {
            let (x, w, y) = (x.at(input), w.at(weight), y.at(output));
            truth[0].add(output, x * w);
            truth[1].add(input, y * w);
            truth[2].add(weight, x * y);
        });
        let (exact, rounded) = (run(Precision::Highest), run(Precision::Medium));
        let rounds = isa.multiplies_pairs();
        let expected = match case.channels {
            [3, _] => [false; 3],
            // The gradient by the weight packs places, not channels.
            [25, _] => [false, rounds, rounds],
            _ => [rounds; 3],
        };
        for (i, (rounded, truth)) in rounded.iter().zip(&truth).enumerate() {
            assert_eq!(*rounded != exact[i], expected[i], "{case:?} {isa}, direction {i}");
            let error = largest_error(rounded, truth);
            assert!(error < 2.0 / 256.0 + 1.0 / 65536.0 + 1e-6, "{case:?} {isa}: {error}");
        }
    }
}
