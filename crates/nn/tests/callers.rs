//! A mistake is reported at the line that made it.

use gradus_nn::init::Fan;
use gradus_nn::*;
use gradus_tensor::{Rng, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Mutex;

/// Where the last panic came from.
static PLACE: Mutex<Option<(String, u32)>> = Mutex::new(None);

#[test]
fn mistakes_are_reported_at_the_callers_line() {
    set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| (place.file().to_string(), place.line()));
        *PLACE.lock().unwrap() = place;
    }));
    let check = |line: u32, mistake: &dyn Fn()| {
        assert!(catch_unwind(AssertUnwindSafe(mistake)).is_err());
        // Let go of before it is compared: the hook wants it too.
        let place = PLACE.lock().unwrap().take();
        assert_eq!(place, Some((file!().to_string(), line)));
    };
    let rng = || Rng::new(1);
    let (linear, x) = (Linear::new(2, 3, &mut rng()), Tensor::ones([4, 5]));
    check(line!(), &|| drop(linear.forward(&x)));
    let conv = Conv2d::new(1, 1, 3, Default::default(), &mut rng());
    check(line!(), &|| drop(conv.forward(&x)));
    check(line!(), &|| drop(Linear::new(usize::MAX, 2, &mut rng())));
    let dropout = Dropout2d::new(0.5, &mut rng());
    check(line!(), &|| drop(dropout.forward(&x)));
    let bilinear = Bilinear::new([2, 3], 1, &mut rng());
    check(line!(), &|| drop(bilinear.forward(&x, &x)));
    let bag = EmbeddingBag::new(3, 2, &mut rng());
    check(line!(), &|| drop(bag.forward_bags(&x, &[1], None)));
    check(line!(), &|| drop(WeightNorm::along(Linear::new(2, 3, &mut rng()), 2)));
    check(line!(), &|| drop(Sequential::new().then_named("a.b", Tanh)));
    check(line!(), &|| drop(ZeroPad1d::new([(1, 1), (1, 1)])));
    check(line!(), &|| drop(PRelu::new(3).forward(&x)));
    check(line!(), &|| drop(Upsample::new(2, UpsampleMode::Nearest).forward(&x)));
    check(line!(), &|| drop(Init::HeUniform { gain: 1.0, fan: Fan::In }.draw([3], &mut rng())));
    check(line!(), &|| drop(Init::Orthogonal { gain: 1.0 }.draw([3], &mut rng())));
    let lstm = Lstm::new(2, 3, &mut rng());
    check(line!(), &|| drop(lstm.forward(&x)));
    check(line!(), &|| drop(GruCell::new(2, 3, &mut rng()).step(&x, None)));
    check(line!(), &|| drop(PackedSequence::pack_padded(&x, &[6; 4], true)));
    let (tall, wide) = (Tensor::ones([2, 3, 8]), Tensor::ones([2, 3, 6]));
    let masks = AttentionMasks::default();
    let attention = MultiheadAttention::new(8, 2, &mut rng());
    check(line!(), &|| drop(attention.attend(&tall, &wide, &wide, masks)));
    let cache = KeyValueCache::new();
    check(line!(), &|| drop(attention.attend_next(&wide, masks, &mut cache.clone())));
    check(line!(), &|| drop(attention.attend_memory(&tall, &wide, masks, &mut cache.clone())));
    let options = TransformerOptions { features: 8, heads: 2, hidden: 4, ..Default::default() };
    let decoder = TransformerDecoder::new(1, options, &mut rng());
    check(line!(), &|| drop(decoder.decode(&tall, &wide, DecoderMasks::default())));
    let encoder = TransformerEncoder::new(1, options, &mut rng());
    check(line!(), &|| drop(encoder.forward(&wide)));
    check(line!(), &|| drop(encoder.encode_next(&tall, masks, &mut [])));
    let scoring = GeneralAttention::new(8, 8, &mut rng());
    check(line!(), &|| drop(scoring.attend(&tall, &wide, &wide, masks)));
    let options = SgdOptions { learning_rate: -1.0, ..Default::default() };
    check(line!(), &|| drop(Sgd::new(vec![], options)));
    let options = AdamOptions { beta1: 1.0, ..Default::default() };
    check(line!(), &|| drop(Adam::new(vec![], options)));
    check(line!(), &|| drop(AdamW::new(vec![], options)));
    check(line!(), &|| drop(losses::mse_loss(&x, &Tensor::ones([4]))));
    check(line!(), &|| drop(losses::cross_entropy(&x, &Tensor::ones([7]))));
}
