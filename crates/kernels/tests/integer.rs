//! Convolutions of integers against a plain loop of integers, on every instruction set and number of
//! threads.

mod numbers;

use gradus_kernels::conv::Geometry;
use gradus_kernels::integer::{
    CodeScale, Finish, IntegerWeight, forward, pack, packed_len, unpack,
};
use gradus_kernels::{Isa, Machine};
use numbers::numbers;

/// The outputs by their definition: the sums are integers.
fn plain(geometry: &Geometry, input: CodeScale, x: &[f32], codes: &[i8]) -> Vec<i32> {
    let code = |x: f32| {
        let code = (x * (1.0 / input.scale)).round_ties_even() + f32::from(input.zero);
        code.clamp(0.0, 255.0) as i32 - i32::from(input.zero)
    };
    let x: Vec<i32> = x.iter().map(|&x| code(x)).collect();
    let [batch, channels, _, height, width] = geometry.input_shape();
    let [_, outputs, _, out_height, out_width] = geometry.output_shape();
    let [_, kernel_height, kernel_width] = geometry.kernel;
    let mut out = vec![];
    for image in 0..batch {
        for output in 0..outputs {
            for place in 0..out_height * out_width {
                let mut sum = 0;
                for channel in 0..channels {
                    for tap in 0..kernel_height * kernel_width {
                        let at = [place / out_width, place % out_width];
                        let tap_at = [tap / kernel_width, tap % kernel_width];
                        let from = [0, 1].map(|axis| {
                            (at[axis] * geometry.stride[axis + 1]
                                + tap_at[axis] * geometry.dilation[axis + 1])
                                .wrapping_sub(geometry.before[axis + 1])
                        });
                        if from[0] < height && from[1] < width {
                            let number = (image * channels + channel) * height + from[0];
                            let weight =
                                (output * channels + channel) * kernel_height * kernel_width + tap;
                            sum += x[number * width + from[1]] * i32::from(codes[weight]);
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

/// Batch, channels in and out, height, width, kernel, stride, dilation, padding.
const SIZES: &[[usize; 9]] = &[
    [70, 37, 41, 1, 1, 1, 1, 1, 0],
    [1, 600, 10, 1, 1, 1, 1, 1, 0],
    [2, 3, 33, 9, 21, 7, 2, 1, 3],
    [1, 70, 64, 5, 18, 3, 1, 1, 1],
    [3, 5, 7, 10, 11, 3, 1, 2, 2],
    [2, 16, 4, 6, 6, 1, 2, 1, 0],
    [1, 4, 4, 1, 3, 1, 1, 1, 1],
];

#[test]
fn sums_are_exact_on_every_instruction_set_and_thread_count() {
    for &[batch, inputs, outputs, height, width, kernel, stride, dilation, padding] in SIZES {
        let reach = (kernel - 1) * dilation;
        let out = |len: usize| (len + 2 * padding - reach - 1) / stride + 1;
        let geometry = Geometry {
            batch,
            groups: 1,
            in_channels: inputs,
            out_channels: outputs,
            input: [1, height, width],
            kernel: [1, kernel, kernel],
            output: [1, out(height), out(width)],
            stride: [1, stride, stride],
            dilation: [1, dilation, dilation],
            before: [0, padding, padding],
        };
        let x: Vec<f32> = numbers(batch * inputs * height * width, 1);
        let depth = inputs * kernel * kernel;
        let codes: Vec<i8> =
            numbers::<f32>(outputs * depth, 2).iter().map(|x| (x * 127.0).round() as i8).collect();
        let scales: Vec<f32> = numbers(outputs, 3);
        let bias: Vec<f32> = numbers(outputs, 4);
        let sums: Vec<i32> =
            codes.chunks(depth).map(|row| row.iter().map(|&code| i32::from(code)).sum()).collect();
        let mut packed = vec![1; packed_len(&geometry)];
        pack(&geometry, &codes, &mut packed);
        let mut unpacked = vec![0; codes.len()];
        unpack(&geometry, &packed, &mut unpacked);
        assert_eq!(unpacked, codes);
        let weight = IntegerWeight { packed: &packed, sums: &sums, scales: &scales };
        // Some numbers are beyond the codes.
        let input = CodeScale { scale: 1.7 / 255.0, zero: 117 };
        let places = out(height) * out(width);
        let wanted = plain(&geometry, input, &x, &codes);
        for isa in Isa::available() {
            for (threads, relu) in [(1, false), (3, true)] {
                let mut found = vec![f32::NAN; wanted.len()];
                let on = Machine { isa, threads };
                let finish = Finish { bias: Some(&bias), relu };
                forward(on, &geometry, input, &x, weight, finish, &mut found);
                for (index, (&found, &sum)) in found.iter().zip(&wanted).enumerate() {
                    let output = index / places % outputs;
                    let number = sum as f32 * (input.scale * scales[output]) + bias[output];
                    let number = if relu { number.max(0.0) } else { number };
                    assert_eq!(found, number, "{isa} {threads} {geometry:?} at {index}");
                }
            }
        }
    }
}

#[test]
fn codes_cover_what_they_shall_and_zero_exactly() {
    for (low, high) in [(-1.0, 3.0), (0.5, 2.0), (-2.0, -1.0), (0.0, 0.0), (-1e-44, 1e-44)] {
        let scale = CodeScale::covering(low, high);
        assert_eq!(scale.rounded(0.0), 0.0);
        for step in 0..=100 {
            let x = low + (high - low) * step as f32 / 100.0;
            let error = (scale.rounded(x) - x).abs();
            assert!(error <= 0.51 * scale.scale, "{x} of {low} to {high}: {scale:?}");
        }
    }
    // Numbers beyond the ends get those, and no range is too wide.
    let scale = CodeScale::covering(-1.0, 3.0);
    assert!((scale.rounded(9.0) - 3.0).abs() <= scale.scale);
    assert!(CodeScale::covering(f32::MIN, f32::MAX).scale.is_finite());
}
