//! Sums of squares, the squared error and its gradient against plain loops in f64, on every instruction set and for
//! any number of threads.

use gradus_kernels::{Isa, Machine, squared_error, squared_error_gradient, sum_of_squares};

mod numbers;
use numbers::numbers;

#[test]
fn sums_and_gradients_are_those_of_a_plain_loop() {
    // The last is more than one task, and none is a multiple of every vector's length.
    for len in [0, 1, 7, 333, 40_009] {
        let (x, y) = (numbers::<f32>(len, 1), numbers::<f32>(len, 2));
        let differences: Vec<f64> =
            x.iter().zip(&y).map(|(&x, &y)| f64::from(x) - f64::from(y)).collect();
        let wanted = 0.25 * differences.iter().map(|d| d * d).sum::<f64>();
        for isa in Isa::available() {
            let both = |threads| {
                let machine = Machine { isa, threads };
                let mut gradient = vec![9f32; len];
                squared_error_gradient(machine, -1.5, &x, &y, &mut gradient);
                (squared_error(machine, 0.25, &x, &y), gradient)
            };
            let (sum, gradient) = both(1);
            let error = (f64::from(sum) - wanted).abs();
            assert!(error <= 1e-6 * wanted, "{isa}, {len} numbers: {sum}, not {wanted}");
            for (&found, difference) in gradient.iter().zip(&differences) {
                let error = (f64::from(found) + 1.5 * difference).abs();
                assert!(error <= 1e-6, "{isa}, {len} numbers: {found} for {difference}");
            }
            assert!([2, 3].iter().all(|&threads| both(threads) == (sum, gradient.clone())));
        }
    }
}

#[test]
fn squares_of_several_slices_are_summed_as_of_one() {
    let slices = [0, 1, 50_003, 0, 16_384, 77].map(|len| numbers::<f32>(len, len as u64));
    let wanted: f64 = slices.iter().flatten().map(|&x| f64::from(x) * f64::from(x)).sum();
    for isa in Isa::available() {
        let sum = |threads| {
            let machine = Machine { isa, threads };
            sum_of_squares(machine, slices.iter().map(|slice| &slice[..]))
        };
        assert!((sum(1) - wanted).abs() <= 1e-6 * wanted, "{isa}: {}, not {wanted}", sum(1));
        assert!(sum(2) == sum(1) && sum(3) == sum(1), "{isa}");
    }
    let machine = Machine { isa: Isa::Portable, threads: 1 };
    assert_eq!(sum_of_squares::<f32>(machine, std::iter::empty()), 0.0);
}

#[test]
fn what_is_no_number_is_not_hidden() {
    for isa in Isa::available() {
        let machine = Machine { isa, threads: 1 };
        assert!(squared_error(machine, 1.0, &[1.0, f64::NAN], &[1.0, 2.0]).is_nan());
        assert_eq!(squared_error(machine, 1.0, &[f64::INFINITY, 0.0], &[1.0, 2.0]), f64::INFINITY);
        // The mean of nothing.
        assert!(squared_error::<f32>(machine, f64::INFINITY, &[], &[]).is_nan());
        assert_eq!(squared_error::<f32>(machine, 1.0, &[], &[]), 0.0);
    }
}
