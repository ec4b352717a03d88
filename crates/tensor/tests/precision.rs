//! What products lose if they may, and that gradients lose no more than the ops they are of.

use gradus_tensor::autograd::{GradOptions, grad};
use gradus_tensor::kernel::Steps;
use gradus_tensor::ops::AttentionOptions;
use gradus_tensor::{Device, Isa, Machine, Precision, Rng, Tensor, precision, with_precision};

/// True if products that may be rounded are rounded on this machine.
fn rounds() -> bool {
    Isa::from_environment().is_ok_and(Isa::multiplies_pairs)
}

/// The output and the gradients of a function, forward and backward with a precision each.
fn run(
    function: &dyn Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    [forward, backward]: [Precision; 2],
) -> Vec<Vec<f32>> {
    let inputs: Vec<Tensor> = inputs.iter().map(Tensor::requires_grad).collect();
    let output = with_precision(forward, || function(&inputs));
    let gradients = with_precision(backward, || output.backward_from(&output.detach()));
    let grads = inputs.iter().map(|input| gradients.get(input).unwrap().to_vec());
    std::iter::once(output.to_vec()).chain(grads).collect()
}

/// What is made of products: a name, the shapes of its inputs, and the function.
type Made = (&'static str, Vec<Vec<usize>>, Box<dyn Fn(&[Tensor]) -> Tensor>);

fn functions() -> Vec<Made> {
    let causal = AttentionOptions { causal: true, ..Default::default() };
    vec![
        ("matmul", vec![vec![40, 64], vec![64, 50]], Box::new(|x| x[0].matmul(&x[1]))),
        ("batch", vec![vec![3, 20, 33], vec![33, 24]], Box::new(|x| x[0].matmul(&x[1]))),
        (
            "linear",
            vec![vec![4, 10, 32], vec![48, 32], vec![48]],
            Box::new(|x| x[0].linear(&x[1], Some(&x[2]))),
        ),
        (
            "convolution",
            vec![vec![2, 24, 9, 8], vec![32, 24, 3, 3]],
            Box::new(|x| x[0].conv2d(&x[1], None, Default::default())),
        ),
        (
            "attention",
            vec![vec![2, 70, 16]; 3],
            Box::new(move |x| x[0].scaled_dot_product_attention(&x[1], &x[2], None, causal)),
        ),
        (
            "attention of heads",
            vec![vec![2, 40, 96]],
            Box::new(move |x| x[0].self_attention(2, None, causal)),
        ),
        (
            "a recurrent network",
            vec![vec![30, 96], vec![96, 24], vec![5, 24], vec![5, 24]],
            Box::new(|x| {
                let steps = Steps::batch_first(5, 6);
                x[0].lstm_sequence(&(&x[1] * 0.2), &x[2], &x[3], &steps).output
            }),
        ),
    ]
}

#[test]
fn gradients_are_as_exact_as_what_they_are_of() {
    use Precision::{Highest, Medium};
    for (name, shapes, function) in functions() {
        let mut rng = Rng::new(1);
        let inputs: Vec<Tensor> =
            shapes.iter().map(|shape| Tensor::randn(&shape[..], &mut rng)).collect();
        let exact = run(&*function, &inputs, [Highest, Highest]);
        let rounded = run(&*function, &inputs, [Medium, Medium]);
        assert_eq!(exact, run(&*function, &inputs, [Highest, Medium]), "{name}");
        assert_eq!(rounded, run(&*function, &inputs, [Medium, Highest]), "{name}");
        for (i, (exact, rounded)) in exact.iter().zip(&rounded).enumerate() {
            let differs = exact != rounded;
            // The gradient by a bias is a sum, not a product, but of what was rounded before.
            assert_eq!(differs, rounds(), "{name}: result {i}");
            let norm = |x: &mut dyn Iterator<Item = f32>| {
                x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
            };
            let size = norm(&mut exact.iter().copied());
            let error = norm(&mut exact.iter().zip(rounded).map(|(a, b)| a - b));
            assert!(error < 0.02 * size, "{name}: result {i} is off by {error} of {size}");
        }
    }
}

#[test]
fn second_derivatives_go_with_the_first() {
    let mut rng = Rng::new(1);
    let x = Tensor::randn([32, 64], &mut rng).requires_grad();
    let w = Tensor::randn([64, 40], &mut rng);
    let loss = |precision| with_precision(precision, || x.matmul(&w).square().sum(..));
    let second = |loss: Tensor| {
        let options = GradOptions { create_graph: true, ..Default::default() };
        let first = grad(&loss, &[&x], options).unwrap().remove(0);
        first.square().sum(..).backward().get(&x).unwrap().to_vec::<f32>()
    };
    let inside = with_precision(Precision::Medium, || second(loss(Precision::Medium)));
    assert_eq!(second(loss(Precision::Medium)), inside);
    assert_eq!(second(loss(Precision::Highest)) != inside, rounds());
}

#[test]
fn a_scope_ends_whatever_happens() {
    assert_eq!(precision(), Precision::Highest);
    let panicked = std::panic::catch_unwind(|| {
        with_precision(Precision::Medium, || {
            assert_eq!(precision(), Precision::Medium);
            with_precision(Precision::High, || assert_eq!(precision(), Precision::High));
            assert_eq!(precision(), Precision::Medium);
            panic!("on purpose");
        })
    });
    assert!(panicked.is_err());
    assert_eq!(precision(), Precision::Highest);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let isa = Isa::from_environment().unwrap();
    for (name, shapes, function) in functions() {
        let results = [1, 2, 3].map(|threads| {
            let mut rng = Rng::new(1);
            let device = Device::cpu_with(Machine { isa, threads });
            let inputs: Vec<Tensor> = shapes
                .iter()
                .map(|shape| Tensor::randn(&shape[..], &mut rng).to_device(device))
                .collect();
            run(&*function, &inputs, [Precision::Medium; 2])
        });
        assert_eq!(results[0], results[1], "{name}");
        assert_eq!(results[0], results[2], "{name}");
    }
}
