//! Recurrent networks: layers, cells, packed sequences, and training on sequences.

use gradus_nn::testing::check_layer;
use gradus_nn::*;
use gradus_tensor::{DType, Rng, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn rng() -> Rng {
    Rng::new(1)
}

fn randn(shape: &[usize], seed: u64) -> Tensor {
    Tensor::randn((shape, DType::F64), &mut Rng::new(seed))
}

/// Fails unless the numbers of two tensors are the same up to rounding.
#[track_caller]
fn assert_close(found: &Tensor, wanted: &Tensor) {
    assert_eq!(found.shape(), wanted.shape());
    if found.count() > 0 {
        let error = (found - wanted).abs().max(..).item::<f64>();
        assert!(error < 1e-12, "off by {error}");
    }
}

/// One of each layer, in `f64`.
fn layers(batch_first: bool, bidirectional: bool, num_layers: usize) -> Vec<Box<dyn Recurrent>> {
    let rnn = RnnOptions { batch_first, bidirectional, num_layers, ..Default::default() };
    let relu = RnnOptions { activation: RnnActivation::Relu, ..rnn };
    let lstm = LstmOptions { batch_first, bidirectional, num_layers, ..Default::default() };
    let short = LstmOptions { proj_size: Some(2), peepholes: true, ..lstm };
    let gru = GruOptions { batch_first, bidirectional, num_layers, ..Default::default() };
    let original = GruOptions { reset: GruReset::BeforeProduct, ..gru };
    let rng = &mut rng();
    let layers: Vec<Box<dyn Recurrent>> = vec![
        Box::new(Rnn::with_options(3, 4, rnn, rng)),
        Box::new(Rnn::with_options(3, 4, relu, rng)),
        Box::new(Lstm::with_options(3, 4, lstm, rng)),
        Box::new(Lstm::with_options(3, 4, short, rng)),
        Box::new(Gru::with_options(3, 4, gru, rng)),
        Box::new(Gru::with_options(3, 4, original, rng)),
    ];
    layers.iter().for_each(|layer| layer.to_dtype(DType::F64));
    layers
}

#[test]
fn layers_pass_the_checks() {
    let x = Tensor::randn([2, 5, 3], &mut Rng::new(9));
    let names = |gates: usize| {
        move |name: &'static str| -> (&'static str, Vec<usize>) {
            let inputs = if name.contains("l1") { 8 } else { 3 };
            let shape = match &name[..9] {
                "weight_ih" => vec![4 * gates, inputs],
                "weight_hh" => vec![4 * gates, 4],
                _ => vec![4 * gates],
            };
            (name, shape)
        }
    };
    let all = [
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_ih_l0",
        "bias_hh_l0",
        "weight_ih_l0_reverse",
        "weight_hh_l0_reverse",
        "bias_ih_l0_reverse",
        "bias_hh_l0_reverse",
        "weight_ih_l1",
        "weight_hh_l1",
        "bias_ih_l1",
        "bias_hh_l1",
        "weight_ih_l1_reverse",
        "weight_hh_l1_reverse",
        "bias_ih_l1_reverse",
        "bias_hh_l1_reverse",
    ];
    fn check<L: Layer>(
        make: impl Fn(&mut Rng) -> L,
        x: &Tensor,
        names: Vec<(&'static str, Vec<usize>)>,
    ) {
        let names: Vec<(&str, &[usize])> =
            names.iter().map(|(name, shape)| (*name, &shape[..])).collect();
        check_layer(make, x, &names);
    }
    let (one, every) = (&all[..4], &all[..]);
    let of = |list: &[&'static str], gates| list.iter().copied().map(names(gates)).collect();
    check(|rng| Rnn::new(3, 4, rng), &x, of(one, 1));
    check(|rng| Lstm::new(3, 4, rng), &x, of(one, 4));
    check(|rng| Gru::new(3, 4, rng), &x, of(one, 3));
    let both =
        RnnOptions { num_layers: 2, bidirectional: true, dropout: 0.3, ..Default::default() };
    check(|rng| Rnn::with_options(3, 4, both, rng), &x, of(every, 1));
    let both =
        LstmOptions { num_layers: 2, bidirectional: true, dropout: 0.3, ..Default::default() };
    check(|rng| Lstm::with_options(3, 4, both, rng), &x, of(every, 4));
    let both =
        GruOptions { num_layers: 2, bidirectional: true, dropout: 0.3, ..Default::default() };
    check(|rng| Gru::with_options(3, 4, both, rng), &x, of(every, 3));
    let names: &[(&str, &[usize])] = &[
        ("weight_ih_l0", &[16, 3]),
        ("weight_hh_l0", &[16, 2]),
        ("bias_ih_l0", &[16]),
        ("bias_hh_l0", &[16]),
        ("weight_hr_l0", &[2, 4]),
        ("weight_ch_l0", &[12]),
    ];
    let short = LstmOptions { proj_size: Some(2), peepholes: true, ..Default::default() };
    check_layer(|rng| Lstm::with_options(3, 4, short, rng), &x, names);
    let original = GruOptions { reset: GruReset::BeforeProduct, ..Default::default() };
    check(|rng| Gru::with_options(3, 4, original, rng), &x, of(one, 3));
}

#[test]
fn first_values_are_uniform_up_to_one_by_the_root_of_the_hidden_size() {
    let options = LstmOptions { proj_size: Some(32), peepholes: true, ..Default::default() };
    let lstm = Lstm::with_options(100, 64, options, &mut rng());
    let cell = GruCell::new(100, 64, &mut rng());
    let bound = 1.0 / 8.0;
    for (name, param) in lstm.named_params().into_iter().chain(cell.named_params()) {
        let values = param.tensor().to_vec::<f32>();
        let largest = values.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        assert!(largest <= bound && largest > 0.9 * bound, "{name} goes up to {largest}");
        let mean_square = values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32;
        let wanted = bound * bound / 3.0;
        assert!((mean_square / wanted - 1.0).abs() < 0.25, "{name}: {mean_square}, not {wanted}");
    }
}

#[test]
fn time_first_is_batch_first_transposed() {
    let x = randn(&[2, 5, 3], 2);
    for (batch, time) in layers(true, true, 2).iter().zip(layers(false, true, 2)) {
        let (output, state) = batch.run(&x, None);
        let (turned, same) = time.run(&x.transpose(0, 1), None);
        assert_close(&turned.transpose(0, 1), &output);
        assert_close(&same.hidden, &state.hidden);
    }
}

#[test]
fn packed_sequences_are_each_sequence_by_itself() {
    let lengths = [2, 6, 1, 6, 3];
    let x = randn(&[5, 6, 3], 3);
    for layer in layers(true, true, 2) {
        let packed = PackedSequence::pack_padded(&x, &lengths, true);
        let (output, state) = layer.run_packed(&packed, None);
        let (output, found) = output.pad_packed(PadOptions::default());
        assert_eq!(found, lengths);
        for (index, &length) in lengths.iter().enumerate() {
            let alone = x.select(0, index).narrow(0, 0, length);
            let (wanted, last) = layer.run(&alone, None);
            assert_close(&output.select(0, index).narrow(0, 0, length), &wanted);
            assert_close(&state.hidden.select(1, index), &last.hidden);
            if let (Some(cell), Some(last)) = (&state.cell, &last.cell) {
                assert_close(&cell.select(1, index), last);
            }
            let rest = output.select(0, index).narrow(0, length, 6 - length);
            assert!(rest.to_vec::<f64>().iter().all(|&x| x == 0.0));
        }
    }
}

#[test]
fn sequences_pack_and_unpack() {
    let sequences = [randn(&[2, 3], 1), randn(&[4, 3], 2), randn(&[1, 3], 3)];
    let packed = PackedSequence::pack(&sequences);
    assert_eq!(packed.batch_sizes(), [3, 2, 1, 1]);
    assert_eq!(packed.order(), [1, 0, 2]);
    assert_eq!(packed.lengths(), [2, 4, 1]);
    for (found, wanted) in packed.unpack().iter().zip(&sequences) {
        assert_close(found, wanted);
    }
}

#[test]
fn a_sequence_in_two_parts_is_the_whole() {
    let x = randn(&[2, 7, 3], 4);
    for layer in layers(true, false, 2) {
        let (wanted, last) = layer.run(&x, None);
        let (first, state) = layer.run(&x.narrow(1, 0, 3), None);
        let (second, state) = layer.run(&x.narrow(1, 3, 4), Some(&state));
        assert_close(&Tensor::cat(&[first, second], 1), &wanted);
        assert_close(&state.hidden, &last.hidden);
        let (nothing, same) = layer.run(&x.narrow(1, 0, 0), Some(&state));
        assert_eq!(nothing.len_of(1), 0);
        assert_close(&same.hidden, &state.hidden);
    }
}

#[test]
fn a_loop_over_a_cell_is_a_layer() {
    let x = randn(&[2, 5, 3], 5);
    let steps = |step: &dyn Fn(&Tensor, Option<&RecurrentState>) -> RecurrentState| {
        let mut outputs = vec![];
        let mut state = None;
        for time in 0..5 {
            let next = step(&x.select(1, time), state.as_ref());
            outputs.push(next.hidden.clone());
            state = Some(next);
        }
        Tensor::stack(&outputs, 1)
    };
    let named = |layer: &dyn Layer| -> Vec<(String, Tensor)> {
        let state = layer.state_dict().into_iter();
        state.map(|(name, value)| (name.trim_end_matches("_l0").to_string(), value)).collect()
    };
    let (rnn, lstm, gru) =
        (Rnn::new(3, 4, &mut rng()), Lstm::new(3, 4, &mut rng()), Gru::new(3, 4, &mut rng()));
    let (rnn_cell, lstm_cell, gru_cell) = (
        RnnCell::new(3, 4, &mut rng()),
        LstmCell::new(3, 4, &mut rng()),
        GruCell::new(3, 4, &mut rng()),
    );
    rnn_cell.load_state_dict(&named(&rnn)).unwrap();
    lstm_cell.load_state_dict(&named(&lstm)).unwrap();
    gru_cell.load_state_dict(&named(&gru)).unwrap();
    let modules: [&dyn Module; 6] = [&rnn, &lstm, &gru, &rnn_cell, &lstm_cell, &gru_cell];
    modules.iter().for_each(|module| module.to_dtype(DType::F64));
    assert_close(&steps(&|x, state| rnn_cell.step(x, state)), &rnn.forward(&x));
    assert_close(&steps(&|x, state| lstm_cell.step(x, state)), &lstm.forward(&x));
    assert_close(&steps(&|x, state| gru_cell.step(x, state)), &gru.forward(&x));
}

#[test]
fn dropout_acts_between_layers_in_training() {
    let options = LstmOptions { num_layers: 2, dropout: 0.5, ..Default::default() };
    let x = Tensor::randn([2, 5, 3], &mut Rng::new(9));
    let make = || Lstm::with_options(3, 4, options, &mut rng());
    let (layer, same) = (make(), make());
    let numbers = |layer: &Lstm| layer.forward(&x).to_vec::<f32>();
    let trained = numbers(&layer);
    assert_eq!(trained, numbers(&same), "the same seed gives the same numbers");
    assert_ne!(trained, numbers(&layer), "each call draws anew");
    let streams: Vec<String> = layer.named_streams().into_iter().map(|(name, _)| name).collect();
    assert_eq!(streams, ["dropout.stream"]);
    layer.eval();
    let used = numbers(&layer);
    assert_eq!(used, numbers(&layer));
    let plain = LstmOptions { dropout: 0.0, ..options };
    let plain = Lstm::with_options(3, 4, plain, &mut rng());
    plain.load_state_dict(&layer.state_dict()).unwrap();
    assert_eq!(used, numbers(&plain));
}

#[test]
fn windows_end_where_gradients_end() {
    let x = randn(&[2, 7, 3], 6);
    for layer in layers(true, false, 1) {
        let gradient = |loss: Tensor| {
            let gradients = loss.backward();
            let params = layer.named_params().into_iter();
            params.map(|(_, param)| param.grad(&gradients).unwrap().clone()).collect::<Vec<_>>()
        };
        let loss = |output: &Tensor| output.square().sum(..);
        // One window of everything: back-propagation without an end.
        let whole = gradient(loss(&layer.run(&x, None).0));
        let mut found = vec![];
        truncated_bptt(7, 10, None, |times, state| {
            assert_eq!(times, 0..7);
            let (output, state) = layer.run(&x, state);
            found = gradient(loss(&output));
            state
        });
        found.iter().zip(&whole).for_each(|(found, wanted)| assert_close(found, wanted));
        // Windows of three: the gradients of each are those from a constant state.
        let mut constant = None;
        let mut seen = vec![];
        let last = truncated_bptt(7, 3, None, |times, state| {
            seen.push(times.clone());
            let part = x.narrow(1, times.start, times.len());
            let (output, next) = layer.run(&part, state);
            let (same, after) = layer.run(&part, constant.as_ref());
            let pair = [gradient(loss(&output)), gradient(loss(&same))];
            pair[0].iter().zip(&pair[1]).for_each(|(found, wanted)| assert_close(found, wanted));
            let numbers = |x: &Tensor| Tensor::from_vec(x.to_vec::<f64>(), *x.shape());
            constant = Some(RecurrentState {
                hidden: numbers(&after.hidden),
                cell: after.cell.as_ref().map(numbers),
            });
            next
        });
        assert_eq!(seen, [0..3, 3..6, 6..7]);
        let last = last.unwrap();
        assert!(!last.hidden.needs_grad());
        assert_close(&last.hidden, &layer.run(&x, None).1.hidden);
    }
}

#[test]
fn the_teacher_is_heard_as_often_as_is_said() {
    let (start, targets) = (Tensor::zeros([50]), Tensor::ones([50, 40]));
    // The guess is -1: the sum of inputs tells how many were forced.
    let run = |probability: f64, seed: u64| {
        let forcing = TeacherForcing { start: &start, targets: &targets, probability };
        let mut inputs = vec![];
        let outputs = forcing.run(&mut Rng::new(seed), |input| {
            inputs.push(input.to_vec::<f32>());
            (input * 2.0, input.full_like(-1.0))
        });
        assert_eq!(outputs.shape(), [50, 40]);
        assert_eq!(inputs.len(), 40);
        assert!(inputs[0].iter().all(|&x| x == 0.0), "the first input is the start");
        let later = inputs[1..].concat();
        later.iter().filter(|&&x| x == 1.0).count() as f64 / later.len() as f64
    };
    assert_eq!(run(1.0, 1), 1.0);
    assert_eq!(run(0.0, 1), 0.0);
    let share = run(0.3, 1);
    assert!((share - 0.3).abs() < 0.04, "{share} of the inputs were forced");
    assert_ne!(share, run(0.3, 2));
}

#[test]
fn mistakes_are_named() {
    let message = |mistake: &dyn Fn()| {
        let error = catch_unwind(AssertUnwindSafe(mistake)).unwrap_err();
        error.downcast_ref::<String>().cloned().unwrap_or_default()
    };
    let (lstm, gru) = (Lstm::new(3, 4, &mut rng()), Gru::new(3, 4, &mut rng()));
    let x = Tensor::ones([2, 5, 3]);
    let check = |words: &[&str], mistake: &dyn Fn()| {
        let message = message(mistake);
        words.iter().for_each(|word| assert!(message.contains(word), "{message}"));
    };
    check(&["Lstm", "[B, T, 3]", "[2, 5, 4]"], &|| drop(lstm.forward(&Tensor::ones([2, 5, 4]))));
    let hidden = || Tensor::zeros([1, 2, 4]);
    let state = RecurrentState::new(hidden());
    check(&["cell"], &|| drop(lstm.run(&x, Some(&state))));
    let state = RecurrentState::lstm(hidden(), hidden());
    check(&["cell"], &|| drop(gru.run(&x, Some(&state))));
    let state = RecurrentState::new(Tensor::zeros([1, 3, 4]));
    check(&["hidden", "[1, 2, 4]", "[1, 3, 4]"], &|| drop(gru.run(&x, Some(&state))));
    check(&["pack_padded", "[5, 6]"], &|| drop(PackedSequence::pack_padded(&x, &[5, 6], true)));
    check(&["pack_padded", "[0, 1]"], &|| drop(PackedSequence::pack_padded(&x, &[0, 1], true)));
    let with = |options| drop(Lstm::with_options(3, 4, options, &mut rng()));
    let plain = LstmOptions::default();
    check(&["num_layers"], &|| with(LstmOptions { num_layers: 0, ..plain }));
    check(&["dropout", "two"], &|| with(LstmOptions { dropout: 0.5, ..plain }));
    check(&["project", "4"], &|| with(LstmOptions { proj_size: Some(4), ..plain }));
    let packed = PackedSequence::pack_padded(&x, &[5, 2], true);
    let options = PadOptions { total_length: Some(4), ..Default::default() };
    check(&["pad_packed", "5", "4"], &|| drop(packed.pad_packed(options)));
    check(&["truncated_bptt"], &|| drop(truncated_bptt(3, 0, None, |_, _| unreachable!())));
}
