//! Recurrent networks: layers, cells and packed sequences.

use crate::family::Family;
use gradus::nn::{
    Gru, GruCell, GruOptions, GruReset, Lstm, LstmCell, LstmOptions, Module, PackedSequence,
    PadOptions, Recurrent, RecurrentState, Rnn, RnnActivation, RnnCell, RnnOptions,
    ScheduledSampling, TeacherForcing, truncated_bptt,
};
use gradus::tensor::{Rng, Tensor};

/// The lengths of packed sequences.
const LENGTHS: [usize; 5] = [2, 5, 1, 5, 3];

fn rng() -> Rng {
    Rng::new(1)
}

/// The state that comes behind x, if one does.
fn state(x: &[Tensor]) -> Option<RecurrentState> {
    let hidden = x.get(1)?.clone();
    Some(RecurrentState { hidden, cell: x.get(2).cloned() })
}

/// The output, if there is one, and the last states.
fn outputs(output: Option<Tensor>, state: RecurrentState) -> Vec<Tensor> {
    [output, Some(state.hidden), state.cell].into_iter().flatten().collect()
}

fn run(layer: &impl Recurrent, x: &[Tensor]) -> Vec<Tensor> {
    let (output, last) = layer.run(&x[0], state(x).as_ref());
    outputs(Some(output), last)
}

fn packed(layer: &impl Recurrent, x: &[Tensor], batch_first: bool) -> Vec<Tensor> {
    let rows = PackedSequence::pack_padded(&x[0], &LENGTHS, batch_first);
    let (output, last) = layer.run_packed(&rows, state(x).as_ref());
    let options = PadOptions { batch_first, ..Default::default() };
    outputs(Some(output.pad_packed(options).0), last)
}

/// The settings that all three layers have: number of layers, batch first, both directions, bias.
type Common = (usize, bool, bool, bool);

/// The cases that all three layers have.
fn common<L: Recurrent + Module>(
    family: &mut Family,
    name: &str,
    make: impl Fn(usize, usize, Common) -> L,
) {
    let plain = (1, true, false, true);
    let stacked = (2, false, true, true);
    family.layer(name, || make(3, 4, plain), run);
    family.layer(&format!("{name}_unbatched"), || make(3, 4, plain), run);
    family.layer(&format!("{name}_stacked"), || make(3, 4, stacked), run);
    family.layer(&format!("{name}_no_bias"), || make(3, 4, (1, true, false, false)), run);
    family.layer(&format!("{name}_wide"), || make(2, 19, plain), run);
    let case = format!("{name}_packed");
    family.layer(&case, || make(3, 4, plain), |layer, x| packed(layer, x, true));
    let case = format!("{name}_packed_stacked");
    family.layer(&case, || make(3, 4, stacked), |layer, x| packed(layer, x, false));
}

/// What all layers do in another way.
const BATCH_FIRST: &str = "The batch comes first unless `batch_first` is false.";

pub fn check(family: &mut Family) {
    family.row("Rnn", "nn.RNN");
    family.differs(BATCH_FIRST);
    common(family, "rnn", |inputs, hidden, (num_layers, batch_first, bidirectional, bias)| {
        let plain = RnnOptions::default();
        let options = RnnOptions { num_layers, batch_first, bidirectional, bias, ..plain };
        Rnn::with_options(inputs, hidden, options, &mut rng())
    });
    let plain = RnnOptions::default();
    let relu = RnnOptions { activation: RnnActivation::Relu, bidirectional: true, ..plain };
    family.layer("rnn_relu", || Rnn::with_options(3, 4, relu, &mut rng()), run);
    lstm(family);
    gru(family);
    cells(family);
    packing(family);
    training(family);
}

fn lstm(family: &mut Family) {
    family.row("Lstm", "nn.LSTM");
    family.differs(BATCH_FIRST);
    let plain = LstmOptions::default();
    common(family, "lstm", |inputs, hidden, (num_layers, batch_first, bidirectional, bias)| {
        let options = LstmOptions { num_layers, batch_first, bidirectional, bias, ..plain };
        Lstm::with_options(inputs, hidden, options, &mut rng())
    });
    let dropout = LstmOptions { num_layers: 2, dropout: 0.5, ..plain };
    let make = || Lstm::with_options(3, 4, dropout, &mut rng());
    family.layer("lstm_dropout", make, |layer, x| {
        layer.eval();
        run(layer, x)
    });
    let both = LstmOptions { num_layers: 2, bidirectional: true, ..plain };
    let short = LstmOptions { proj_size: Some(2), ..both };
    let make = || Lstm::with_options(3, 5, short, &mut rng());
    family.layer("lstm_projection", make, run);
    family.layer("lstm_projection_packed", make, |layer, x| packed(layer, x, true));

    family.row("Lstm, peepholes", "paper: Gers, Schmidhuber 2000, eq. 1 to 3");
    let peepholes = LstmOptions { peepholes: true, ..plain };
    family.layer("lstm_peepholes", || Lstm::with_options(3, 4, peepholes, &mut rng()), run);
    let both = LstmOptions { proj_size: Some(2), ..peepholes };
    family.layer("lstm_peepholes_projection", || Lstm::with_options(3, 4, both, &mut rng()), run);
}

fn gru(family: &mut Family) {
    family.row("Gru", "nn.GRU");
    family.differs(BATCH_FIRST);
    let plain = GruOptions::default();
    common(family, "gru", |inputs, hidden, (num_layers, batch_first, bidirectional, bias)| {
        let options = GruOptions { num_layers, batch_first, bidirectional, bias, ..plain };
        Gru::with_options(inputs, hidden, options, &mut rng())
    });
    family.row("Gru, reset before the product", "paper: Cho et al. 2014, eq. 5 to 8");
    let original = GruOptions { reset: GruReset::BeforeProduct, ..plain };
    family.layer("gru_original", || Gru::with_options(3, 4, original, &mut rng()), run);
}

fn cells(family: &mut Family) {
    family.row("RnnCell", "nn.RNNCell");
    family.layer(
        "rnn_cell",
        || RnnCell::new(3, 4, &mut rng()),
        |cell, x| outputs(None, cell.step(&x[0], state(x).as_ref())),
    );
    let relu = || RnnCell::with_activation(3, 4, RnnActivation::Relu, &mut rng());
    family.layer("rnn_cell_relu", relu, |cell, x| outputs(None, cell.step(&x[0], None)));
    family.row("LstmCell", "nn.LSTMCell");
    let step = |cell: &LstmCell, x: &[Tensor]| outputs(None, cell.step(&x[0], state(x).as_ref()));
    family.layer("lstm_cell", || LstmCell::new(3, 4, &mut rng()), step);
    let make = || LstmCell::new(3, 4, &mut rng()).without_bias();
    family.layer("lstm_cell_no_bias", make, step);
    family.row("GruCell", "nn.GRUCell");
    for case in ["gru_cell", "gru_cell_unbatched"] {
        family.layer(
            case,
            || GruCell::new(3, 4, &mut rng()),
            |cell, x| outputs(None, cell.step(&x[0], state(x).as_ref())),
        );
    }
}

fn packing(family: &mut Family) {
    let numbers = |sizes: &[usize]| {
        let sizes: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
        let count = sizes.len();
        Tensor::from_vec(sizes, count)
    };
    let rows = |x: PackedSequence| vec![x.data().clone(), numbers(x.batch_sizes())];
    family.row("PackedSequence::pack_padded", "nn.utils.rnn.pack_padded_sequence");
    family.check_all("pack_padded", |x| rows(PackedSequence::pack_padded(&x[0], &LENGTHS, true)));
    family.check_all("pack_padded_time_first", |x| {
        rows(PackedSequence::pack_padded(&x[0], &LENGTHS, false))
    });
    family.row("PackedSequence::pack", "nn.utils.rnn.pack_sequence");
    family.check_all("pack", |x| rows(PackedSequence::pack(x)));
    family.row("PackedSequence::pad_packed", "nn.utils.rnn.pad_packed_sequence");
    family.check_all("pad_packed", |x| {
        let packed = PackedSequence::pack_padded(&x[0], &LENGTHS, false);
        let options = PadOptions { batch_first: false, value: -1.5, total_length: Some(7) };
        let (padded, lengths) = packed.pad_packed(options);
        vec![padded, numbers(&lengths)]
    });
}

fn training(family: &mut Family) {
    family.row("truncated_bptt", "Tensor.detach between windows");
    family.layer(
        "truncated_bptt",
        || Lstm::new(3, 4, &mut rng()),
        |lstm, x| {
            let mut all = vec![];
            let last = truncated_bptt(5, 2, None, |times, state| {
                let (output, state) = lstm.run(&x[0].narrow(1, times.start, times.len()), state);
                all.push(output);
                state
            });
            outputs(Some(Tensor::cat(&all, 1)), last.expect("there are windows"))
        },
    );
    family.row("TeacherForcing", "paper: Williams, Zipser 1989, section 2.3");
    for (case, probability) in [("teacher_forcing", 1.0), ("free_running", 0.0)] {
        family.layer(
            case,
            || GruCell::new(4, 4, &mut rng()),
            |cell, x| {
                let mut state = None;
                let forcing = TeacherForcing { start: &x[0], targets: &x[1], probability };
                vec![forcing.run(&mut rng(), |input| {
                    let next = cell.step(input, state.as_ref());
                    let output = next.hidden.clone();
                    state = Some(next);
                    (output.clone(), output)
                })]
            },
        );
    }
    family.row("ScheduledSampling", "paper: Bengio et al. 2015, section 2.4");
    family.check("scheduled_sampling", |x| {
        let schedules = [
            ScheduledSampling::Linear { start: 0.9, slope: 0.125, least: 0.25 },
            ScheduledSampling::Exponential { base: 0.75 },
            ScheduledSampling::InverseSigmoid { k: 3.0 },
        ];
        let steps = x[0].to_vec::<i64>();
        let probability = |schedule: &ScheduledSampling| {
            steps.iter().map(|&step| schedule.probability(step as usize)).collect::<Vec<_>>()
        };
        let all: Vec<f64> = schedules.iter().flat_map(probability).collect();
        Tensor::from_vec(all, [3, steps.len()])
    });
}
