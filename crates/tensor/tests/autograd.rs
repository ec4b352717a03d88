//! The tape: what flows, what is stopped, what is kept, and derivatives of derivatives.

use gradus_tensor::autograd::{
    BackwardOptions, GradOptions, Phase, detect_anomaly, enable_grad, grad, hvp, is_grad_enabled,
    jvp, vjp,
};
use gradus_tensor::{DType, Tensor, memory, no_grad};
use std::panic::catch_unwind;

fn leaf(numbers: &[f64]) -> Tensor {
    Tensor::from(numbers).requires_grad()
}

fn close(x: &Tensor, wanted: &[f64]) {
    let x = x.to_vec::<f64>();
    assert_eq!(x.len(), wanted.len());
    for (a, b) in x.iter().zip(wanted) {
        assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{x:?} instead of {wanted:?}");
    }
}

fn message(body: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *catch_unwind(body).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn gradients_add_up_over_all_paths() {
    let x = leaf(&[1.0, 2.0, 3.0]);
    let y = &x * &x + &x * 2.0;
    let z = (&y * &x + &y).sum(..);
    // z = Σ x³ + 3x² + 2x
    close(z.backward().get(&x).unwrap(), &[11.0, 26.0, 47.0]);
}

#[test]
fn detach_and_no_grad_stop_gradients() {
    let x = leaf(&[2.0]);
    let loss = (x.detach() * &x).sum(..);
    close(loss.backward().get(&x).unwrap(), &[2.0]);
    assert!(!no_grad(|| &x * 2.0).needs_grad());
    assert!(no_grad(|| enable_grad(|| &x * 2.0)).needs_grad());
    assert!(no_grad(|| !is_grad_enabled()) && is_grad_enabled());
    assert!(!x.gt_scalar(1.0).needs_grad());
    assert!(!x.to_dtype(DType::I64).needs_grad());
}

#[test]
fn no_grad_ends_with_a_panic_inside_it() {
    let _ = catch_unwind(|| no_grad(|| panic!("inside")));
    assert!(is_grad_enabled());
}

#[test]
fn results_keep_their_gradient_when_asked_to() {
    let x = leaf(&[3.0]);
    let y = &x * &x;
    y.retain_grad();
    let gradients = (&y * 5.0).sum(..).backward();
    close(gradients.get(&y).unwrap(), &[5.0]);
    close(gradients.get(&x).unwrap(), &[30.0]);
    assert_eq!(gradients.len(), 2);
}

#[test]
fn hooks_see_and_replace_gradients_until_removed() {
    let x = leaf(&[1.0, 2.0]);
    let y = &x * 3.0;
    let hook = y.register_hook(|g| Some(g * 10.0));
    let options = BackwardOptions { retain_graph: true, ..Default::default() };
    let loss = y.sum(..);
    close(loss.backward_with(options).get(&x).unwrap(), &[30.0, 30.0]);
    hook.remove();
    close(loss.backward_with(options).get(&x).unwrap(), &[3.0, 3.0]);
    let (seen, sees) = std::sync::mpsc::channel();
    let _kept = x.register_hook(move |g| {
        seen.send(g.clone()).unwrap();
        None
    });
    loss.backward();
    close(&sees.try_recv().unwrap(), &[3.0, 3.0]);
}

#[test]
fn a_second_pass_needs_what_the_first_gave_back() {
    let x = leaf(&[2.0]);
    let loss = (&x * &x).sum(..);
    loss.backward();
    let said = message(move || {
        loss.backward();
    });
    assert_eq!(
        said,
        "backward: mul was walked over before and has given up what it saved: call the first pass \
         with retain_graph"
    );
}

#[test]
fn mistakes_are_named() {
    let x = leaf(&[1.0, 2.0]);
    let said = message(|| {
        (&x * 2.0).backward();
    });
    assert_eq!(said, "backward: starts at a single number, not at shape [2]: sum it first");
    let said = message(|| {
        Tensor::from(1.0).backward();
    });
    assert!(said.contains("depends on no leaf"), "{said}");
    let said = message(|| {
        Tensor::from([1i64]).requires_grad();
    });
    assert_eq!(said, "requires_grad: takes floats, not i64: convert with to_dtype");
}

#[test]
fn derivatives_of_any_order() {
    let x = leaf(&[0.7]);
    let mut y = x.sin().sum(..);
    let options = || GradOptions { create_graph: true, ..Default::default() };
    let wanted = [0.7f64.cos(), -0.7f64.sin(), -0.7f64.cos(), 0.7f64.sin(), 0.7f64.cos()];
    for wanted in wanted {
        y = grad(&y, &[&x], options()).unwrap().remove(0).sum(..);
        close(&y, &[wanted]);
    }
}

#[test]
fn gradients_by_results_and_by_what_does_not_matter() {
    let x = leaf(&[2.0]);
    let unused = leaf(&[1.0, 1.0]);
    let y = &x * &x;
    let z = (&y * &y).sum(..);
    let grads = grad(&z, &[&y, &x, &unused], GradOptions::default()).unwrap();
    close(&grads[0], &[8.0]);
    close(&grads[1], &[32.0]);
    close(&grads[2], &[0.0, 0.0]);
    let start = GradOptions { grad_output: Some(Tensor::from([3.0])), ..Default::default() };
    close(&grad(&(&x * &x), &[&x], start).unwrap()[0], &[12.0]);
    assert!(grad(&(&x * &unused), &[&x], GradOptions::default()).is_err());
    assert!(grad(&z, &[&Tensor::from([1.0])], GradOptions::default()).is_err());
}

#[test]
fn products_with_jacobians_and_hessians() {
    // f(a, b) = (a² b, sin b) for each element.
    let f = |x: &[Tensor]| Tensor::cat(&[x[0].square() * &x[1], x[1].sin()], 0);
    let inputs = [Tensor::from([3.0]), Tensor::from([0.5])];
    let (value, grads) = vjp(f, &inputs, &Tensor::from([2.0, 5.0]));
    close(&value, &[4.5, 0.5f64.sin()]);
    close(&grads[0], &[2.0 * 3.0]);
    close(&grads[1], &[2.0 * 9.0 + 5.0 * 0.5f64.cos()]);
    let (_, change) = jvp(f, &inputs, &[Tensor::from([1.0]), Tensor::from([2.0])]);
    close(&change, &[3.0 + 18.0, 2.0 * 0.5f64.cos()]);
    // g = Σ a³ b: the Hessian is [[6ab, 3a²], [3a², 0]].
    let g = |x: &[Tensor]| (x[0].square() * &x[0] * &x[1]).sum(..);
    let (value, product) = hvp(g, &inputs, &[Tensor::from([1.0]), Tensor::from([2.0])]);
    close(&value, &[13.5]);
    close(&product[0], &[9.0 + 54.0]);
    close(&product[1], &[27.0]);
    let (_, zero) = hvp(|x| x[0].sum(..), &inputs[..1], &[Tensor::from([1.0])]);
    close(&zero[0], &[0.0]);
    let (_, constant) = jvp(|_| Tensor::from([1.0]), &inputs[..1], &[Tensor::from([1.0])]);
    close(&constant, &[0.0]);
}

#[test]
fn the_first_nan_is_named() {
    let x = leaf(&[-1.0, 4.0]);
    let (_, found) = detect_anomaly(|| (x.sqrt() * 2.0).exp());
    let found = found.unwrap();
    assert_eq!((found.op, found.phase, found.count), ("sqrt", Phase::Forward, 1));
    assert_eq!(found.to_string(), "the first NaN came from sqrt: 1 in its output of shape [2]");
    // 0 · ∞: the square root of 0 is finite, its derivative is not.
    let zero = leaf(&[0.0]);
    let (_, found) = detect_anomaly(|| (zero.sqrt() * 0.0).sum(..).backward());
    let found = found.unwrap();
    assert_eq!((found.op, found.phase), ("sqrt", Phase::Backward));
    let (_, found) = detect_anomaly(|| (x.square().sum(..)).backward());
    assert_eq!(found, None);
}

/// A stack that a recursion over 100,000 nodes would overflow.
const SMALL_STACK: usize = 256 << 10;

#[test]
fn deep_graphs_neither_overflow_the_stack_nor_leak() {
    let run = || {
        let x = leaf(&[1.0]);
        let mut y = &x * 1.0;
        for _ in 0..100_000 {
            // Inputs, outputs and nothing are saved in turn.
            y = ((&y * &x).sqrt() + 0.0).abs();
        }
        let gradient =
            y.sum(..).backward_with(BackwardOptions { retain_graph: true, ..Default::default() });
        assert_eq!(gradient.get(&x).unwrap().count(), 1);
        // The whole graph is dropped here, with everything still saved.
    };
    let thread = |body: fn()| {
        std::thread::Builder::new().stack_size(SMALL_STACK).spawn(body).unwrap().join().unwrap();
    };
    thread(run);
    let before = memory::usage().live_bytes;
    thread(run);
    let leaked = memory::usage().live_bytes.saturating_sub(before);
    assert!(leaked < 1 << 20, "{leaked} bytes are still in use");
}

#[test]
fn a_pass_gives_back_what_was_saved_as_it_goes() {
    let x = Tensor::ones(([1 << 16], DType::F32)).requires_grad();
    let chain = |keep: bool| {
        let mut y = x.clone();
        for _ in 0..50 {
            y = y.exp() * 0.1;
        }
        let loss = y.sum(..);
        drop(y);
        let before = memory::usage().live_bytes;
        let gradients =
            loss.backward_with(BackwardOptions { retain_graph: keep, ..Default::default() });
        let after = memory::usage().live_bytes;
        drop(gradients);
        before as isize - after as isize
    };
    let (given_back, kept) = (chain(false), chain(true));
    assert!(given_back > 48 << 18, "{given_back} bytes were given back");
    assert!(kept < 2 << 18, "{kept} bytes were given back");
}
