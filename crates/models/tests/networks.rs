//! The networks have their papers' sizes, learn, and refuse what cannot be.

use gradus_models::*;
use gradus_nn::losses::cross_entropy;
use gradus_nn::{Adam, AdamOptions, Layer, Module, Optimizer, fold_norms};
use gradus_tensor::{DType, Device, Result, Rng, Tensor, no_grad};

fn rng() -> Rng {
    Rng::new(3)
}

fn tokens(rows: &[&[i64]]) -> Tensor {
    Tensor::from_vec(rows.concat(), [rows.len(), rows[0].len()])
}

/// The largest loss of a batch after some steps that a network which learns anything undercuts.
const LEARNT: f32 = 0.1;

#[track_caller]
fn learns(model: &dyn Layer, x: &Tensor, y: &Tensor) {
    let options = AdamOptions { learning_rate: 1e-2, ..Default::default() };
    let mut optimizer = Adam::new(model.params(), options);
    let loss = |model: &dyn Layer| cross_entropy(&model.forward(x), y);
    let first = loss(model);
    assert_eq!(model.unreached(&first.backward()), [""; 0], "parameters that no gradient reaches");
    for _ in 0..60 {
        optimizer.step(&loss(model).backward());
    }
    let last = loss(model).item::<f32>();
    assert!(last < LEARNT, "a loss of {} became {last}", first.item::<f32>());
}

#[track_caller]
fn complains<M>(model: Result<M>, wanted: &str) {
    let error = model.err().expect("an error").to_string();
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn residual_networks_have_the_published_sizes() {
    // The numbers of parameters that torchvision states for its models.
    let published = [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)];
    for (depth, count) in published {
        let net = ResNet::new(ResNetOptions { depth, ..Default::default() }, &mut rng()).unwrap();
        assert_eq!(net.param_count(), count, "depth {depth}");
        let x = Tensor::zeros([1, 3, 224, 224]).to_device(Device::shape_only());
        assert_eq!(no_grad(|| net.forward(&x)).shape(), [1, 1000]);
    }
}

#[test]
fn residual_networks_have_the_keys_of_torchvision() {
    let options = ResNetOptions { depth: 50, width: 4, ..Default::default() };
    let net = ResNet::new(options, &mut rng()).unwrap();
    let state = net.state_dict();
    let shape = |key: &str| {
        let found = state.iter().find(|(name, _)| name == key);
        found.unwrap_or_else(|| panic!("{key} is missing")).1.shape().to_vec()
    };
    assert_eq!(shape("conv1.weight"), [4, 3, 7, 7]);
    assert_eq!(shape("layer1.0.downsample.0.weight"), [16, 4, 1, 1]);
    assert_eq!(shape("layer1.0.downsample.1.running_var"), [16]);
    assert_eq!(shape("layer3.5.conv3.weight"), [64, 16, 1, 1]);
    assert_eq!(shape("layer4.2.bn3.bias"), [128]);
    assert_eq!(shape("fc.weight"), [1000, 128]);
}

#[test]
fn networks_of_images_learn_a_batch() {
    let rng = &mut rng();
    let y = Tensor::from(vec![0i64, 1, 2, 1]);
    let x = Tensor::randn([4, 3, 32, 32], rng);
    let small = ResNetOptions { classes: 3, width: 4, stem: Stem::Small, ..Default::default() };
    learns(&ResNet::new(small, rng).unwrap(), &x, &y);
    let deep = ResNetOptions { depth: 50, ..small };
    learns(&ResNet::new(deep, rng).unwrap(), &x, &y);
    let small = ResNet9Options { classes: 3, width: 4, scale: 1.0, ..Default::default() };
    learns(&ResNet9::new(small, rng).unwrap(), &x, &y);
    let x = Tensor::randn([4, 1, 28, 28], rng);
    learns(&LeNet::new(1, 3, rng).unwrap(), &x, &y);
    let options =
        FeedForwardOptions { inputs: 784, hidden: vec![32], outputs: 3, ..Default::default() };
    learns(&FeedForward::new(options.clone(), rng).unwrap(), &x, &y);
    let normalised = FeedForwardOptions { batch_norm: true, ..options };
    learns(&FeedForward::new(normalised, rng).unwrap(), &x, &y);
}

#[test]
fn an_outline_is_learnt() {
    let rng = &mut rng();
    let x = Tensor::randn([2, 1, 16, 16], rng);
    let y = x.gt_scalar(0.0).select(1, 0).to_dtype(DType::I64);
    let options = UNetOptions { channels: 1, classes: 2, width: 4, depth: 2 };
    learns(&UNet::new(options, rng).unwrap(), &x, &y);
}

#[test]
fn networks_of_text_learn_a_batch() {
    let rng = &mut rng();
    let x = tokens(&[&[1, 2, 3, 4], &[4, 3, 2, 1], &[5, 5, 0, 0]]);
    let y = Tensor::from(vec![0i64, 1, 2]);
    let bag = BagOfNgramsOptions { vocabulary: 6, classes: 3, buckets: 20, ..Default::default() };
    learns(&BagOfNgrams::new(bag, rng).unwrap(), &x, &y);
    let cnn = TextCnnOptions { vocabulary: 6, classes: 3, dropout: 0.0, ..Default::default() };
    learns(&TextCnn::new(cnn, rng).unwrap(), &x, &y);
    for reader in [Reader::Lstm, Reader::Gru, Reader::Transformer] {
        let options = SequenceClassifierOptions {
            reader,
            vocabulary: 6,
            classes: 3,
            features: 16,
            dropout: 0.0,
            ..Default::default()
        };
        learns(&SequenceClassifier::new(options, rng).unwrap(), &x, &y);
    }
}

#[test]
fn order_matters_to_pairs_only() {
    let rng = &mut rng();
    let (x, y) = (tokens(&[&[1, 2, 3]]), tokens(&[&[3, 2, 1]]));
    let equal = |net: &BagOfNgrams| {
        net.eval();
        let (x, y) = (net.forward(&x).to_vec::<f32>(), net.forward(&y).to_vec::<f32>());
        x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-6)
    };
    let options = BagOfNgramsOptions { vocabulary: 4, buckets: 1000, ..Default::default() };
    assert!(!equal(&BagOfNgrams::new(options, rng).unwrap()));
    let words = BagOfNgramsOptions { buckets: 0, ..options };
    assert!(equal(&BagOfNgrams::new(words, rng).unwrap()));
}

#[test]
fn padding_changes_nothing() {
    let rng = &mut rng();
    let (short, long) = (tokens(&[&[1, 2, 3]]), tokens(&[&[1, 2, 3, 0, 0]]));
    let mut nets: Vec<Box<dyn Layer>> = vec![];
    let bag = BagOfNgramsOptions { vocabulary: 4, buckets: 10, ..Default::default() };
    nets.push(Box::new(BagOfNgrams::new(bag, rng).unwrap()));
    for reader in [Reader::Lstm, Reader::Gru, Reader::Transformer] {
        let options = SequenceClassifierOptions { reader, vocabulary: 4, ..Default::default() };
        nets.push(Box::new(SequenceClassifier::new(options, rng).unwrap()));
    }
    for net in nets {
        net.eval();
        let (short, long) =
            (net.forward(&short).to_vec::<f32>(), net.forward(&long).to_vec::<f32>());
        for (x, y) in short.iter().zip(&long) {
            assert!((x - y).abs() < 1e-5, "{net:?}: {short:?} became {long:?}");
        }
    }
}

#[test]
fn a_language_model_sees_only_what_came_before() {
    let rng = &mut rng();
    for reader in [Reader::Lstm, Reader::Gru, Reader::Transformer] {
        let options =
            LanguageModelOptions { reader, vocabulary: 5, features: 8, ..Default::default() };
        let net = LanguageModel::new(options, rng).unwrap();
        let (x, y) = (net.forward(&tokens(&[&[1, 2, 3]])), net.forward(&tokens(&[&[1, 2, 4]])));
        assert_eq!(x.shape(), [1, 3, 5]);
        let before = |x: &Tensor| x.narrow(1, 0, 2).to_vec::<f32>();
        assert_eq!(before(&x), before(&y));
        let last = |x: &Tensor| x.select(1, 2).to_vec::<f32>();
        assert_ne!(last(&x), last(&y));
    }
}

#[test]
fn impossible_settings_are_errors() {
    let rng = &mut rng();
    let depth = ResNetOptions { depth: 19, ..Default::default() };
    complains(ResNet::new(depth, rng), "depth is 19: choose 18, 34, 50, 101 or 152");
    let none = ResNet9Options { classes: 0, ..Default::default() };
    complains(ResNet9::new(none, rng), "resnet9: classes is 0: give 1 or more");
    let hidden = FeedForwardOptions { hidden: vec![4, 0], ..Default::default() };
    complains(FeedForward::new(hidden, rng), "feed_forward: a hidden size is 0");
    let dropout = FeedForwardOptions { dropout: 1.0, ..Default::default() };
    complains(FeedForward::new(dropout, rng), "dropout is 1: give 0 or more, below 1");
    let heads =
        SequenceClassifierOptions { reader: Reader::Transformer, heads: 3, ..Default::default() };
    complains(SequenceClassifier::new(heads, rng), "64 features do not divide into 3 heads");
    let kernels = TextCnnOptions { kernels: vec![], ..Default::default() };
    complains(TextCnn::new(kernels, rng), "there are no kernels");
    let deep = UNetOptions { depth: 13, ..Default::default() };
    complains(UNet::new(deep, rng), "unet: depth is 13: give 12 or less");
}

#[test]
fn networks_compute_the_same_when_their_norms_are_folded() {
    let small = |depth| ResNetOptions { depth, classes: 5, width: 8, ..Default::default() };
    let resnet = |depth| Box::new(ResNet::new(small(depth), &mut rng()).unwrap());
    let resnet9 = ResNet9Options { width: 8, ..Default::default() };
    let unet = UNetOptions { width: 4, depth: 2, ..Default::default() };
    let dense = FeedForwardOptions { inputs: 3 * 64 * 64, batch_norm: true, ..Default::default() };
    let hidden = dense.hidden.len();
    let networks: Vec<(Box<dyn Layer>, usize)> = vec![
        (resnet(18), 20),
        (resnet(50), 53),
        // The others of its norms come behind poolings.
        (Box::new(ResNet9::new(resnet9, &mut rng()).unwrap()), 5),
        (Box::new(UNet::new(unet, &mut rng()).unwrap()), 10),
        (Box::new(FeedForward::new(dense, &mut rng()).unwrap()), hidden),
    ];
    for (mut network, norms) in networks {
        let x = Tensor::randn([4, 3, 64, 64], &mut rng());
        network.forward(&x);
        network.eval();
        let before = no_grad(|| network.forward(&x));
        let params = network.param_count();
        assert_eq!(fold_norms(&mut *network).unwrap(), norms);
        assert!(network.param_count() < params);
        let after = no_grad(|| network.forward(&x));
        let error: f32 = ((&after - &before).norm(2.0, ..) / before.norm(2.0, ..)).item();
        assert!(error < 1e-5, "{error} of {network:?}");
    }
}
