//! Changes of samples: exact small cases, frequencies, and that nothing but numbers decides.

use gradus_data::augment::*;
use gradus_data::{Batch, DataLoader, Dataset, LoaderOptions, Sample, TargetKind, TensorDataset};
use gradus_tensor::{DType, Rng, Tensor};
use std::sync::Arc;

fn levels(shape: [usize; 3]) -> Tensor {
    let numbers = (0..shape.iter().product()).map(|i: usize| (i * 37 % 251) as u8);
    Tensor::from_vec(numbers.collect(), shape)
}

fn rng() -> Rng {
    Rng::new(3)
}

fn picture(x: &Tensor) -> Picture {
    Picture::from_tensor(x).unwrap()
}

fn always() -> FlipOptions {
    FlipOptions { probability: 1.0 }
}

/// Every change of pictures, set so that it always does something.
fn changes() -> Vec<(&'static str, Box<dyn Transform>)> {
    vec![
        ("horizontal_flip", Box::new(HorizontalFlip::new(always()).unwrap())),
        ("vertical_flip", Box::new(VerticalFlip::new(always()).unwrap())),
        (
            "random_crop",
            Box::new(RandomCrop::new(CropOptions { size: [6, 7], ..Default::default() }).unwrap()),
        ),
        ("centre_crop", Box::new(CentreCrop::new(CentreCropOptions { size: [6, 7] }).unwrap())),
        ("pad", Box::new(Pad::new(PadOptions { edges: [1, 2, 3, 4], fill: 0.5 }).unwrap())),
        ("resize", Box::new(Resize::new(ResizeOptions { size: [5, 20], cover: false }).unwrap())),
        (
            "random_resized_crop",
            Box::new(
                RandomResizedCrop::new(ResizedCropOptions { size: [6, 6], ..Default::default() })
                    .unwrap(),
            ),
        ),
        (
            "rotation",
            Box::new(
                Rotation::new(RotationOptions { degrees: 40.0, ..Default::default() }).unwrap(),
            ),
        ),
        (
            "affine",
            Box::new(
                Affine::new(AffineOptions { shear: [10.0, 5.0], ..Default::default() }).unwrap(),
            ),
        ),
        (
            "perspective",
            Box::new(
                Perspective::new(PerspectiveOptions { probability: 1.0, ..Default::default() })
                    .unwrap(),
            ),
        ),
        (
            "colour_jitter",
            Box::new(
                ColourJitter::new(ColourJitterOptions { hue: 0.2, ..Default::default() }).unwrap(),
            ),
        ),
        ("grayscale", Box::new(Grayscale::new(GrayscaleOptions { probability: 1.0 }).unwrap())),
        (
            "gaussian_blur",
            Box::new(
                GaussianBlur::new(BlurOptions { sigma: [1.0, 2.0], ..Default::default() }).unwrap(),
            ),
        ),
        ("gaussian_noise", Box::new(GaussianNoise::new(NoiseOptions::default()).unwrap())),
        (
            "erasing",
            Box::new(
                Erasing::new(ErasingOptions { probability: 1.0, fill: None, ..Default::default() })
                    .unwrap(),
            ),
        ),
        ("cutout", Box::new(Cutout::new(CutoutOptions { side: 5, ..Default::default() }).unwrap())),
        (
            "auto_augment",
            Box::new(
                AutoAugment::new(AutoAugmentOptions { policy: "cifar10".into(), fill: 0.0 })
                    .unwrap(),
            ),
        ),
        ("rand_augment", Box::new(RandAugment::new(RandAugmentOptions::default()).unwrap())),
        (
            "trivial_augment",
            Box::new(TrivialAugment::new(TrivialAugmentOptions::default()).unwrap()),
        ),
    ]
}

#[test]
fn boxes_points_and_masks_move_with_the_picture() {
    let mut flipped = picture(&levels([3, 4, 10]));
    flipped.boxes = vec![Region { edges: [1.0, 0.5, 3.0, 4.0], rest: vec![7.0] }];
    flipped.points = [(0.5, 1.5), (9.0, 2.0)].map(|(x, y)| KeyPoint { x, y, rest: vec![] }).into();
    flipped.point_pairs = vec![(0, 1)];
    HorizontalFlip::new(always()).unwrap().change(&mut flipped, &mut rng()).unwrap();
    assert_eq!(flipped.boxes, [Region { edges: [7.0, 0.5, 9.0, 4.0], rest: vec![7.0] }]);
    let places: Vec<(f64, f64)> = flipped.points.iter().map(|point| (point.x, point.y)).collect();
    assert_eq!(places, [(1.0, 2.0), (9.5, 1.5)], "the pair is exchanged");

    // A crop cuts a box off, and one beyond it is gone.
    let mut cropped = picture(&levels([1, 8, 8]));
    let region = |edges| Region { edges, rest: vec![] };
    cropped.boxes = vec![region([0.0, 0.0, 5.0, 5.0]), region([7.0, 7.0, 8.0, 8.0])];
    Geometry::crop(2, 3, [4, 4], 0.0).apply(&mut cropped);
    assert_eq!(cropped.boxes, [region([0.0, 0.0, 2.0, 3.0])]);
    assert_eq!(cropped.to_tensor().to_vec::<u8>()[..4], levels([1, 8, 8]).to_vec::<u8>()[19..23]);

    // A quarter of a turn, exactly.
    let mut turned = picture(&levels([1, 4, 4]));
    turned.boxes = vec![region([0.0, 0.0, 4.0, 1.0])];
    Geometry::within(&turned, Matrix::rotation(90.0).about(2.0, 2.0), 0.0).apply(&mut turned);
    let old = levels([1, 4, 4]).to_vec::<u8>();
    let wanted: Vec<u8> = (0..16).map(|i| old[(3 - i % 4) * 4 + i / 4]).collect();
    assert_eq!(turned.to_tensor().to_vec::<u8>(), wanted);
    for (edge, wanted) in turned.boxes[0].edges.into_iter().zip([3.0, 0.0, 4.0, 4.0]) {
        assert!((edge - wanted).abs() < 1e-9, "{:?}", turned.boxes);
    }
}

#[test]
fn a_turned_mask_is_the_turned_picture_of_it() {
    // A disc of class 200: where linear interpolation is sure, the nearest number is the same.
    let disc = |i: usize| {
        if (i / 30).abs_diff(15).pow(2) + (i % 30).abs_diff(11).pow(2) < 49 { 200u8 } else { 0 }
    };
    let x = Tensor::from_vec((0..900).map(disc).collect(), [1, 30, 30]);
    let rotation = Rotation::new(RotationOptions { degrees: 170.0, ..Default::default() }).unwrap();
    for seed in 0..10 {
        let sample = Sample::new(x.clone(), x.to_dtype(DType::I64).squeeze(0));
        let sample = sample.of_kind(TargetKind::Mask { fill: 0.0 });
        let turned = rotation.apply(sample, &mut Rng::new(seed)).unwrap();
        assert_eq!((turned.target().dtype(), turned.target().rank()), (DType::I64, 2));
        let pixels = turned.input().to_vec::<u8>();
        let mask = turned.target().to_vec::<i64>();
        assert_ne!(pixels, x.to_vec::<u8>());
        for (&pixel, &class) in pixels.iter().zip(&mask) {
            assert!(class == 0 || class == 200);
            assert!((1..=199).contains(&pixel) || i64::from(pixel) == class, "{pixel} {class}");
        }
        assert!(mask.iter().filter(|&&class| class == 200).count() > 130);
    }
}

#[test]
fn a_turned_picture_can_be_kept_whole() {
    let options = RotationOptions { degrees: 90.0, expand: true, fill: 0.0 };
    let rotation = Rotation::new(options).unwrap();
    for seed in 0..20 {
        let mut turned = picture(&Tensor::ones([1, 11, 30]));
        turned.boxes = vec![Region { edges: [0.0, 0.0, 30.0, 11.0], rest: vec![] }];
        rotation.change(&mut turned, &mut Rng::new(seed)).unwrap();
        let [left, top, right, bottom] = turned.boxes[0].edges;
        let (height, width) = (turned.height() as f64, turned.width() as f64);
        // Nothing was cut off, and there is no more around it than rounding.
        for (near, far, len) in [(left, right, width), (top, bottom, height)] {
            assert!(near < 0.51 && len - far < 0.51 && (near - (len - far)).abs() < 1e-6);
        }
        let light = turned.to_tensor().sum(..).item::<f32>();
        assert!((light / 330.0 - 1.0).abs() < 0.02, "{light}");
    }
}

#[test]
fn what_comes_in_over_the_edge_is_the_fill() {
    let mut shifted = picture(&Tensor::from_vec(vec![10u8, 20, 30, 40], [1, 2, 2]));
    Geometry::within(&shifted, Matrix::translation(0.5, 0.0), 1.0).apply(&mut shifted);
    let wanted = [255.0 / 2.0 + 5.0, 15.0, 255.0 / 2.0 + 15.0, 35.0].map(|x: f64| (x + 0.5) as u8);
    assert_eq!(shifted.to_tensor().to_vec::<u8>(), wanted);
}

#[test]
fn targets_keep_their_form() {
    let x = levels([3, 10, 10]);
    let boxes = Tensor::from([[0.0f32, 0.0, 2.0, 2.0, 5.0], [-1.0; 5], [4.0, 4.0, 9.0, 9.0, 6.0]]);
    let sample = Sample::new(x.clone(), boxes).of_kind(TargetKind::Boxes);
    let crop = CentreCrop::new(CentreCropOptions { size: [4, 4] }).unwrap();
    let cut = crop.apply(sample, &mut rng()).unwrap();
    assert_eq!(
        cut.target().to_vec::<f32>(),
        [&[1.0, 1.0, 4.0, 4.0, 6.0][..], &[-1.0; 10]].concat()
    );
    let points = Tensor::from([[1.0f32, 2.0, 9.0], [3.0, 4.0, 8.0]]);
    let pairs: Arc<[(usize, usize)]> = [(0, 1)].into();
    let sample = Sample::new(x.clone(), points.clone());
    let sample = sample.of_kind(TargetKind::Points { pairs });
    let flipped = HorizontalFlip::new(always()).unwrap().apply(sample, &mut rng()).unwrap();
    assert_eq!(flipped.target().to_vec::<f32>(), [7.0, 4.0, 8.0, 9.0, 2.0, 9.0]);
    let wrong = |target: Tensor, kind| {
        let sample = Sample::new(x.clone(), target).of_kind(kind);
        HorizontalFlip::new(always()).unwrap().apply(sample, &mut rng()).unwrap_err().to_string()
    };
    assert!(wrong(Tensor::zeros([2, 3]), TargetKind::Boxes).contains("D from 4 on"));
    let mask = TargetKind::Mask { fill: 0.0 };
    assert!(wrong(Tensor::zeros([9, 10]), mask).contains("does not fit a picture of 10 by 10"));
    let pairs: Arc<[(usize, usize)]> = [(0, 2)].into();
    assert!(wrong(points, TargetKind::Points { pairs }).contains("(0, 2) are no pair"));
}

#[test]
fn no_strength_is_no_change() {
    let still: Vec<Box<dyn Transform>> = vec![
        Box::new(HorizontalFlip::new(FlipOptions { probability: 0.0 }).unwrap()),
        Box::new(RandomCrop::new(CropOptions { size: [9, 8], padding: 0, fill: 0.3 }).unwrap()),
        Box::new(Pad::new(PadOptions::default()).unwrap()),
        Box::new(Resize::new(ResizeOptions { size: [9, 8], cover: true }).unwrap()),
        Box::new(Rotation::new(RotationOptions { degrees: 0.0, expand: true, fill: 0.3 }).unwrap()),
        Box::new(
            Affine::new(AffineOptions {
                degrees: 0.0,
                scale: 0.0,
                shift: [0.0; 2],
                ..Default::default()
            })
            .unwrap(),
        ),
        Box::new(
            Perspective::new(PerspectiveOptions { distortion: 0.0, probability: 1.0, fill: 0.3 })
                .unwrap(),
        ),
        Box::new(
            ColourJitter::new(ColourJitterOptions {
                brightness: 0.0,
                contrast: 0.0,
                saturation: 0.0,
                hue: 0.0,
            })
            .unwrap(),
        ),
        Box::new(
            GaussianBlur::new(BlurOptions { sigma: [1e-3, 1e-3], ..Default::default() }).unwrap(),
        ),
        Box::new(GaussianNoise::new(NoiseOptions { deviation: 0.0, probability: 1.0 }).unwrap()),
        Box::new(Erasing::new(ErasingOptions { scale: [0.0, 0.0], ..Default::default() }).unwrap()),
        Box::new(Cutout::new(CutoutOptions { side: 0, ..Default::default() }).unwrap()),
        Box::new(
            RandAugment::new(RandAugmentOptions { changes: 0, ..Default::default() }).unwrap(),
        ),
    ];
    let x = levels([3, 9, 8]);
    for change in &still {
        let same = change.apply(Sample::new(x.clone(), Tensor::from(1.0)), &mut rng()).unwrap();
        assert_eq!(same.input().to_vec::<u8>(), x.to_vec::<u8>(), "{change:?}");
        assert_eq!(same.input().shape(), [3, 9, 8]);
    }
    // Colours too, when what is multiplied is multiplied by 1.
    for change in [Picture::brighten, Picture::contrast, Picture::saturate, Picture::sharpen] {
        let mut same = picture(&x);
        change(&mut same, 1.0).unwrap();
        assert_eq!(same, picture(&x));
    }
}

#[test]
fn pictures_of_both_types_become_the_same() {
    let x = levels([3, 12, 11]);
    let floats = x.to_dtype(DType::F32) / 255.0;
    for (name, change) in changes() {
        let mut largest = 0f32;
        let mut moved = false;
        for seed in 0..20 {
            let apply = |x: &Tensor| {
                let sample = Sample::new(x.clone(), Tensor::from(0.0));
                change.apply(sample, &mut Rng::new(seed)).unwrap().input().clone()
            };
            let (whole, parts) = (apply(&x), apply(&floats));
            assert_eq!(whole.shape(), parts.shape(), "{name}");
            let far = (whole.to_dtype(DType::F32) - &parts * 255.0).abs().max(..).item::<f32>();
            largest = largest.max(far);
            moved |= whole.shape() != x.shape() || whole.to_vec::<u8>() != x.to_vec::<u8>();
            assert!((0.0..=1.0).contains(&parts.min(..).item::<f32>()), "{name}");
        }
        assert!(moved, "{name} does nothing");
        // Rounding of several steps; solarizing and posterizing make jumps of it.
        let policy = name.ends_with("_augment");
        assert!(policy || largest <= 4.0, "{name}: {largest} of 255");
    }
}

#[test]
fn a_sample_depends_on_nothing_but_seed_epoch_and_number() {
    let images = levels([20 * 3, 12, 11]).reshape([20, 3, 12, 11]);
    let set = TensorDataset::new(images, Tensor::arange(0, 20, 1));
    for (name, change) in changes() {
        let augmented = Augment::with(set.clone(), 9, change);
        let options = |workers| LoaderOptions { batch_size: 4, workers, ..Default::default() };
        let inputs = |workers, epoch| -> Vec<Vec<u8>> {
            let loader = DataLoader::new(augmented.clone(), options(workers));
            loader.epoch(epoch).map(|batch| batch.unwrap().input().to_vec()).collect()
        };
        let first = inputs(0, 0);
        assert_eq!(first, inputs(3, 0), "{name}");
        let still = ["flip", "centre_crop", "pad", "resize", "grayscale"];
        if !still.iter().any(|part| name.ends_with(part)) {
            assert_ne!(first, inputs(0, 1), "{name} is the same in each epoch");
        }
        let backwards: Vec<u8> = augmented.batch(&[3, 2, 1, 0]).unwrap().input().to_vec();
        let len = backwards.len() / 4;
        for (row, wanted) in first[0].chunks(len).rev().zip(backwards.chunks(len)) {
            assert_eq!(row, wanted, "{name}");
        }
    }
}

#[test]
fn a_batch_is_its_samples_stacked() {
    let bits = |x: &Tensor| x.to_dtype(DType::F64).to_vec::<f64>();
    let pixels = levels([6 * 3, 12, 11]).reshape([6, 3, 12, 11]);
    let masks = Tensor::from_vec((0..6 * 132).map(|i| i % 7).collect::<Vec<i64>>(), [6, 12, 11]);
    let kinds =
        [(Tensor::arange(0, 6, 1), TargetKind::Fixed), (masks, TargetKind::Mask { fill: 9.0 })];
    let flip = || Box::new(HorizontalFlip::new(FlipOptions::default()).unwrap());
    let crop = CropOptions { size: [12, 11], padding: 3, fill: 0.5 };
    let crop = || Box::new(RandomCrop::new(crop).unwrap());
    let all = || -> Vec<(&'static str, Box<dyn Transform>)> {
        let one_of = OneOf::new(vec![crop(), flip()], vec![1.0, 2.0]).unwrap();
        let sometimes = Sometimes::new(crop(), 0.5).unwrap();
        let composed = Compose::new(vec![flip(), Box::new(one_of), Box::new(sometimes)]);
        changes().into_iter().chain([("composed", Box::new(composed) as Box<_>)]).collect()
    };
    for x in [pixels.clone(), pixels.to_dtype(DType::F32) / 255.0] {
        for (target, kind) in &kinds {
            let set = TensorDataset::new(x.clone(), target.clone());
            for (name, change) in all() {
                let set = Augment::with(set.clone(), 5, change).targets(kind.clone());
                let batch = set.batch(&[4, 0, 5]).unwrap();
                let samples = [4, 0, 5].map(|index| set.sample(index).unwrap());
                let wanted = Batch::stack(&samples).unwrap();
                for (own, wanted) in
                    [(batch.input(), wanted.input()), (batch.target(), wanted.target())]
                {
                    assert_eq!(own.spec(), wanted.spec(), "{name}");
                    assert_eq!(bits(own), bits(wanted), "{name}");
                }
            }
        }
    }
    // What becomes of pictures decides whether they fit together, and not what they were.
    let sized = Pictures([[5, 9], [7, 6]]);
    let resize = Resize::new(ResizeOptions { size: [4, 4], cover: false }).unwrap();
    let batch = Augment::with(sized, 1, resize).batch(&[0, 1]).unwrap();
    assert_eq!(batch.input().shape(), [2, 1, 4, 4]);
    let error = Augment::with(sized, 1, *flip()).batch(&[0, 1]).unwrap_err().to_string();
    assert!(error.contains("inputs of shape [1, 5, 9]") && error.contains("[1, 7, 6]"), "{error}");
    let words = TensorDataset::new(Tensor::arange(0, 12, 1).reshape([2, 6]), Tensor::zeros([2]));
    let nothing = Augment::with(words.clone(), 1, Compose::default()).batch(&[1]).unwrap();
    assert_eq!(nothing.input().to_vec::<i64>(), [6, 7, 8, 9, 10, 11]);
    assert!(Augment::with(words, 1, *flip()).batch(&[1]).is_err());
}

/// Pictures of these sizes.
#[derive(Clone, Copy)]
struct Pictures([[usize; 2]; 2]);

impl Dataset for Pictures {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn sample(&self, index: usize) -> gradus_tensor::Result<Sample> {
        let [height, width] = self.0[index];
        Ok(Sample::new(levels([1, height, width]), Tensor::from(0.0)))
    }
}

#[test]
fn changes_together_are_those_one_by_one() {
    let sample = || {
        let mask = Tensor::from_vec((0..132).collect::<Vec<i64>>(), [12, 11]);
        Sample::new(levels([3, 12, 11]), mask).of_kind(TargetKind::Mask { fill: -1.0 })
    };
    for seed in 0..10 {
        let mut parts: Vec<Box<dyn Transform>> =
            changes().into_iter().map(|(_, change)| change).collect();
        // One that is not of pictures stands between.
        parts.insert(2, Box::new(Brighter));
        let mut rng = Rng::new(seed);
        let singly =
            parts.iter().try_fold(sample(), |sample, change| change.apply(sample, &mut rng));
        let together = Compose::new(parts);
        assert!(!together.is_of_pictures());
        let mut other = Rng::new(seed);
        let (singly, together) = (singly.unwrap(), together.apply(sample(), &mut other).unwrap());
        assert_eq!(rng.state(), other.state());
        assert_eq!(singly.input().to_vec::<u8>(), together.input().to_vec::<u8>());
        assert_eq!(singly.target().to_vec::<i64>(), together.target().to_vec::<i64>());
        assert_eq!(singly.kind(), together.kind());
    }
    let mut still = picture(&levels([3, 4, 4]));
    let error = Brighter.change_picture(&mut still, &mut rng()).unwrap_err().to_string();
    assert_eq!(error, "augment: Brighter is no change of pictures");
}

/// A change of samples of any kind.
#[derive(Debug)]
struct Brighter;

impl Transform for Brighter {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> gradus_tensor::Result<Sample> {
        let more = rng.below(100) as u8;
        let pixels = sample.input().to_vec::<u8>().into_iter().map(|x| x / 2 + more).collect();
        let input = Tensor::from_vec(pixels, *sample.input().shape());
        Ok(sample.with_input(input))
    }
}

#[test]
fn chances_are_as_often_as_they_say() {
    let x = Tensor::from_vec((0..64u8).collect(), [1, 8, 8]);
    let count = |change: &dyn Transform, is: &dyn Fn(&[u8]) -> bool| {
        let mut rng = rng();
        let sample = || Sample::new(x.clone(), Tensor::from(0.0));
        let hits = (0..2000)
            .filter(|_| is(&change.apply(sample(), &mut rng).unwrap().input().to_vec::<u8>()));
        hits.count() as f64 / 2000.0
    };
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 0.04, "{found} {wanted}");
    let flip = HorizontalFlip::new(FlipOptions { probability: 0.3 }).unwrap();
    near(count(&flip, &|x| x[0] == 7), 0.3);
    // One of nine places along each axis, of which 24 of 81 have padding first and none last.
    let crop = RandomCrop::new(CropOptions { size: [8, 8], padding: 4, fill: 1.0 }).unwrap();
    near(count(&crop, &|x| x[0] == 255 && x[63] != 255), 24.0 / 81.0);
    let flip = || Box::new(HorizontalFlip::new(always()).unwrap()) as Box<dyn Transform>;
    let turn = || Box::new(VerticalFlip::new(always()).unwrap()) as Box<dyn Transform>;
    let one = OneOf::new(vec![flip(), turn()], vec![1.0, 3.0]).unwrap();
    near(count(&one, &|x| x[0] == 7), 0.25);
    near(count(&one, &|x| x[0] == 56), 0.75);
    let sometimes = Sometimes::new(turn(), 0.8).unwrap();
    near(count(&sometimes, &|x| x[0] == 56), 0.8);
    let both = Compose::new(vec![flip(), turn()]);
    near(count(&both, &|x| x[0] == 63), 1.0);
    let cutout = Cutout::new(CutoutOptions { side: 2, count: 1, fill: 1.0 }).unwrap();
    // The square that covers the first pixel has its centre in one of two rows and columns.
    near(count(&cutout, &|x| x[0] == 255), 4.0 / 64.0);
    let erasing = ErasingOptions { probability: 0.4, fill: Some(1.0), ..Default::default() };
    near(count(&Erasing::new(erasing).unwrap(), &|x| x.contains(&255)), 0.4);
}

#[test]
fn settings_that_cannot_be_are_refused_in_a_sentence() {
    let says = |result: Result<(), gradus_tensor::Error>, part: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, gradus_tensor::Error::Setting(_)), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
    };
    let flip = HorizontalFlip::new(FlipOptions { probability: 1.5 }).map(drop);
    says(flip, "horizontal_flip: probability is 1.5: give a number from 0 to 1");
    let nan = VerticalFlip::new(FlipOptions { probability: f64::NAN }).map(drop);
    says(nan, "probability is NaN");
    let crop = RandomCrop::new(CropOptions { size: [0, 3], ..Default::default() }).map(drop);
    says(crop, "random_crop: a picture of 0 rows and 3 columns");
    let scale = ResizedCropOptions { scale: [0.9, 0.1], ..Default::default() };
    says(RandomResizedCrop::new(scale).map(drop), "scale is from 0.9 to 0.1");
    let blur = BlurOptions { kernel: 4, ..Default::default() };
    says(GaussianBlur::new(blur).map(drop), "kernel is 4: give an odd number");
    let policy = AutoAugmentOptions { policy: "mnist".into(), fill: 0.0 };
    says(AutoAugment::new(policy).map(drop), "no policy \"mnist\": cifar10 or imagenet");
    says(OneOf::new(vec![], vec![]).map(drop), "one_of: there is no change with a weight");
    let mix = MixUpOptions { alpha: 0.0, ..Default::default() };
    says(MixUp::new(mix).map(drop), "mix_up: alpha is 0");

    // What a picture cannot be is an error too.
    let apply = |change: &dyn Transform, x: Tensor| {
        let sample = Sample::new(x, Tensor::from(0.0));
        change.apply(sample, &mut rng()).unwrap_err().to_string()
    };
    let crop = RandomCrop::new(CropOptions::default()).unwrap();
    let error = apply(&crop, Tensor::zeros([3, 8, 50]));
    assert!(error.contains("32 by 32") && error.contains("8 by 50 with 4 around it"), "{error}");
    let jitter = ColourJitter::new(ColourJitterOptions::default()).unwrap();
    let error = apply(&jitter, Tensor::full([3, 4, 4], -1.5));
    assert!(error.contains("put this change before normalising"), "{error}");
    assert!(apply(&jitter, Tensor::zeros([2, 4, 4])).contains("this one has 2"));
    assert!(apply(&jitter, Tensor::zeros(([3, 4, 4], DType::I64))).contains("not of i64"));
    assert!(apply(&jitter, Tensor::zeros([3])).contains("not of shape [3]"));
    assert!(apply(&jitter, Tensor::zeros([3, 0, 4])).contains("has no pixels"));
    let blur = GaussianBlur::new(BlurOptions { kernel: 9, ..Default::default() }).unwrap();
    assert!(apply(&blur, Tensor::zeros([3, 4, 4])).contains("9 pixels is too wide"));
}

#[test]
fn batches_are_mixed_with_soft_targets() {
    let images = levels([6, 5, 4]).reshape([6, 1, 5, 4]).to_dtype(DType::F32) + 1.0;
    let set = TensorDataset::new(images.clone(), Tensor::from([0i64, 1, 2, 0, 1, 2]));
    let options = MixUpOptions { alpha: 1.0, classes: Some(3), probability: 1.0 };
    let mixed = AugmentBatches::new(set.clone(), 4, MixUp::new(options).unwrap());
    let batch = mixed.batch(&[0, 1, 2]).unwrap();
    assert_eq!(batch.target().shape(), [3, 3]);
    let x = images.to_vec::<f32>();
    let (input, target) = (batch.input().to_vec::<f32>(), batch.target().to_vec::<f32>());
    for row in 0..3 {
        let shares = &target[3 * row..][..3];
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        for place in 0..20 {
            // Classes are numbered as samples are here.
            let wanted: f32 = (0..3).map(|class| shares[class] * x[20 * class + place]).sum();
            assert!((input[20 * row + place] - wanted).abs() < 1e-3);
        }
    }
    assert_eq!(mixed.batch(&[0, 1, 2]).unwrap().input().to_vec::<f32>(), input);
    let later = mixed.in_epoch(1).unwrap().batch(&[0, 1, 2]).unwrap();
    assert_ne!(later.input().to_vec::<f32>(), input);
    assert_eq!(mixed.sample(4).unwrap().target().to_vec::<f32>(), [0.0, 1.0, 0.0]);

    let cut = AugmentBatches::new(set.clone(), 4, CutMix::new(options).unwrap());
    let mut cuts = 0;
    for epoch in 0..20 {
        let batch = cut.in_epoch(epoch).unwrap().batch(&[0, 1, 2]).unwrap();
        let (input, target) = (batch.input().to_vec::<f32>(), batch.target().to_vec::<f32>());
        for row in 0..3 {
            let own = &x[20 * row..][..20];
            let kept = input[20 * row..][..20].iter().zip(own).filter(|(a, b)| a == b).count();
            let share = target[3 * row + row];
            assert!((share - kept as f32 / 20.0).abs() < 1e-6, "{share}, {kept} of 20");
            cuts += usize::from(share > 0.0 && share < 1.0);
        }
    }
    assert!(cuts > 10, "{cuts}");

    // Numbers as targets are mixed as they are; classes must be known.
    let rows = TensorDataset::new(Tensor::from([[0.0f32], [1.0]]), Tensor::from([[5.0f32], [7.0]]));
    let table = AugmentBatches::new(
        rows,
        1,
        MixUp::new(MixUpOptions { alpha: 1.0, ..Default::default() }).unwrap(),
    );
    for epoch in 0..5 {
        let batch = table.in_epoch(epoch).unwrap().batch(&[0, 1]).unwrap();
        let (x, y) = (batch.input().to_vec::<f32>(), batch.target().to_vec::<f32>());
        x.iter().zip(y).for_each(|(x, y)| assert!((y - (5.0 + 2.0 * x)).abs() < 1e-5));
    }
    let error = |set: TensorDataset, classes| {
        let mix = MixUp::new(MixUpOptions { classes, ..options }).unwrap();
        AugmentBatches::new(set, 1, mix).batch(&[0, 2]).unwrap_err().to_string()
    };
    assert!(error(set.clone(), None).contains("say how many classes"));
    assert!(error(set, Some(2)).contains("no class 2"));
    let bytes = TensorDataset::new(levels([3, 2, 2]), Tensor::from([0i64, 1, 2]));
    assert!(error(bytes, Some(3)).contains("normalise them"));
}

#[test]
fn texts_sounds_and_tables_change() {
    let text = |tokens: &[i64]| Sample::new(Tensor::from(tokens.to_vec()), Tensor::from(1i64));
    let tokens: Vec<i64> = (0..1000).map(|i| if i % 10 == 0 { 1 } else { 5 + i }).collect();
    let dropout = TokenDropoutOptions { probability: 0.25, replacement: 3, keep: vec![1] };
    let dropout = TokenDropout::new(dropout).unwrap();
    let dropped = dropout.apply(text(&tokens), &mut rng()).unwrap().input().to_vec::<i64>();
    let changed = dropped.iter().zip(&tokens).filter(|(new, old)| new != old);
    assert!(changed.clone().all(|(&new, &old)| new == 3 && old != 1));
    assert!((190..260).contains(&changed.count()));

    let swap = TokenSwap::new(TokenSwapOptions { share: 0.1, keep: vec![1] }).unwrap();
    let swapped = swap.apply(text(&tokens), &mut rng()).unwrap().input().to_vec::<i64>();
    let moved = swapped.iter().zip(&tokens).filter(|(new, old)| new != old).count();
    assert!((140..=180).contains(&moved), "{moved}");
    assert!(swapped.iter().zip(&tokens).all(|(&new, &old)| (new == 1) == (old == 1)));
    let sorted = |mut tokens: Vec<i64>| {
        tokens.sort_unstable();
        tokens
    };
    assert_eq!(sorted(swapped), sorted(tokens));
    assert!(swap.apply(Sample::new(Tensor::zeros([3]), Tensor::from(0.0)), &mut rng()).is_err());

    let sound = Tensor::randn([2, 4000], &mut rng());
    let sample = || Sample::new(sound.clone(), Tensor::from(0.0));
    let noise = AudioNoiseOptions { ratio_db: [20.0, 20.0], probability: 1.0 };
    let noisy = AudioNoise::new(noise).unwrap().apply(sample(), &mut rng()).unwrap();
    let power = (noisy.input() - &sound).square().mean(..).item::<f32>();
    assert!((power - 0.01).abs() < 0.001, "{power}");
    for wrap in [false, true] {
        let shift = AudioShift::new(AudioShiftOptions { share: 0.5, wrap }).unwrap();
        let mut ways = [false; 2];
        for seed in 0..10 {
            let moved = shift.apply(sample(), &mut Rng::new(seed)).unwrap();
            let (old, new) = (sound.to_vec::<f32>(), moved.input().to_vec::<f32>());
            let by = (0..4000)
                .find(|&by| (2000 + by) % 4000 < 4000 && new[(2000 + by) % 4000] == old[2000]);
            let by = by.expect("the middle stays within the sound");
            ways[usize::from(by > 2000)] = true;
            let fresh = new[..4000].iter().filter(|&&x| x == 0.0).count();
            let left = if by > 2000 { 4000 - by } else { by };
            assert_eq!(fresh, if wrap { 0 } else { left });
        }
        assert_eq!(ways, [true; 2]);
    }

    let table = Sample::new(Tensor::zeros([2000, 3]), Tensor::from(0.0));
    let noise = FeatureNoiseOptions { deviation: 0.5, columns: Some(vec![0, 2]) };
    let noisy = FeatureNoise::new(noise).unwrap().apply(table.clone(), &mut rng()).unwrap();
    let deviations = noisy.input().std(0, 1).to_vec::<f32>();
    assert!((deviations[0] - 0.5).abs() < 0.03 && (deviations[2] - 0.5).abs() < 0.03);
    assert_eq!(deviations[1], 0.0);
    let wrong = FeatureNoiseOptions { columns: Some(vec![3]), ..Default::default() };
    assert!(FeatureNoise::new(wrong).unwrap().apply(table, &mut rng()).is_err());
}

#[test]
fn spectrograms_lose_bands_and_stretches() {
    let x = Tensor::rand([1, 40, 90], &mut rng()) + 1.0;
    let sample = || Sample::new(x.clone(), Tensor::from(0.0));
    let options = SpecAugmentOptions {
        frequency_width: 8,
        time_width: 20,
        fill: Some(0.0),
        ..Default::default()
    };
    let change = SpecAugment::new(options).unwrap();
    let (mut bands, mut stretches) = (0, 0);
    for seed in 0..40 {
        let changed = change.apply(sample(), &mut Rng::new(seed)).unwrap().input().squeeze(0);
        let covered = changed.eq(&Tensor::zeros([40, 90])).to_dtype(DType::F32);
        let full = |axis: isize| covered.mean(axis).ge_scalar(1.0).to_dtype(DType::F32);
        let (rows, columns) = (full(1), full(0));
        // All that is covered is in whole rows and columns.
        let whole = rows.unsqueeze(1).maximum(&columns.unsqueeze(0));
        assert_eq!(whole.to_vec::<f32>(), covered.to_vec::<f32>());
        let count = |x: &Tensor| x.sum(..).item::<f32>() as usize;
        bands = bands.max(count(&rows));
        stretches = stretches.max(count(&columns));
    }
    assert!((9..=16).contains(&bands) && (21..=40).contains(&stretches), "{bands} {stretches}");

    // A line stays one under a warp: its ends stay, and it goes up all the way.
    let line = Tensor::linspace(0.0, 1.0, 90).to_dtype(DType::F32).reshape([1, 90]);
    let warp = SpecAugmentOptions { frequency_masks: 0, time_masks: 0, time_warp: 20, ..options };
    let mut moved = 0f32;
    for seed in 0..10 {
        let sample = Sample::new(line.clone(), Tensor::from(0.0));
        let warped = SpecAugment::new(warp).unwrap().apply(sample, &mut Rng::new(seed)).unwrap();
        let numbers = warped.input().to_vec::<f32>();
        assert!(numbers.is_sorted() && numbers[0] == 0.0 && numbers[89] == 1.0);
        moved = moved.max((warped.input() - &line).abs().max(..).item::<f32>());
    }
    assert!((0.1..0.23).contains(&moved), "{moved}");
}

#[test]
fn normalising_is_the_formula() {
    let images = levels([2 * 3, 4, 5]).reshape([2, 3, 4, 5]);
    let (means, deviations) = ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]);
    let labels = Tensor::from([3i64, 4]);
    let floats = images.to_dtype(DType::F32) / 255.0;
    let part = |x: [f64; 3]| Tensor::from(x.map(|x| x as f32)).reshape([3, 1, 1]);
    let wanted = ((&floats - part(means)) / part(deviations)).to_vec::<f32>();
    for x in [images, floats] {
        let set = TensorDataset::new(x, labels.clone());
        let set = Normalised::new(set, &means, &deviations).unwrap();
        let batch = set.batch(&[0, 1]).unwrap();
        let found = batch.input().to_vec::<f32>();
        assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5));
        assert_eq!(set.sample(1).unwrap().input().to_vec::<f32>(), found[60..]);
        assert_eq!(batch.target().to_vec::<i64>(), [3, 4]);
    }
    let grey = TensorDataset::new(Tensor::zeros([1, 1, 2, 2]), Tensor::zeros([1]));
    let error = Normalised::new(grey.clone(), &means, &deviations).unwrap().batch(&[0]);
    assert!(error.unwrap_err().to_string().contains("pictures have 1"));
    assert!(Normalised::new(grey, &[0.1], &[0.0]).is_err());
}

#[test]
fn a_contact_sheet_shows_samples_by_epoch() {
    let images = Tensor::from_vec((0..32u8).map(|i| 8 * i).collect(), [2, 1, 4, 4]);
    let set = TensorDataset::new(images, Tensor::from([0i64, 1]));
    let flip = HorizontalFlip::new(FlipOptions { probability: 0.5 }).unwrap();
    let set = Augment::with(set, 1, flip);
    let options = SheetOptions { samples: 5, epochs: 6, side: 8, normalisation: None };
    let sheet = contact_sheet(&set, &options).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (6 * 12 + 4, 2 * 12 + 4));
    let pixel = |x: usize, y: usize| sheet.pixels()[3 * (y * sheet.width() + x)];
    let firsts: Vec<u8> = (0..6).map(|epoch| pixel(4 + 12 * epoch, 4)).collect();
    assert!(
        firsts.iter().all(|&x| x == 0 || x == 24) && firsts.contains(&0) && firsts.contains(&24)
    );
    assert_eq!((pixel(0, 0), pixel(4, 16) >= 128), (255, true));

    // Normalised, it looks the same; boxes and masks are drawn.
    let normal = Normalised::new(set.clone(), &[0.4], &[0.2]).unwrap();
    let normalisation = Some((vec![0.4], vec![0.2]));
    let undone = SheetOptions { normalisation, ..options.clone() };
    assert_eq!(contact_sheet(&normal, &undone).unwrap(), sheet);
    let masks = Tensor::from_vec((0..32).map(|i| i64::from(i == 0)).collect(), [2, 4, 4]);
    let plain = TensorDataset::new(Tensor::zeros(([2, 1, 4, 4], DType::U8)), masks);
    let plain = Augment::new(plain, 1, |sample, _| Ok(sample));
    let masked = plain.targets(TargetKind::Mask { fill: 0.0 });
    let sheet = contact_sheet(&masked, &options).unwrap();
    assert_eq!(sheet.pixels()[3 * (4 * sheet.width() + 4)..][..3], [127, 48, 0]);
    assert!(contact_sheet(&masked, &SheetOptions { epochs: 0, ..options }).is_err());
}
