//! Changes of pictures.

use crate::family::{Family, Part};
use gradus::data::augment::*;
use gradus::tensor::{DType, Rng, Tensor};

type Change = fn(&mut Picture) -> gradus::Result<()>;
/// A row of the table: our name, torchvision's, and the cases.
type Colours = (&'static str, &'static str, &'static [(&'static str, Change)]);

pub fn check(family: &mut Family) {
    places(family);
    warps(family);
    colours(family);
}

/// Compares what becomes of a picture, in `f32`.
fn follow(family: &mut Family, case: &str, change: impl Fn(&mut Picture) -> gradus::Result<()>) {
    family.begin(case);
    let mut picture = Picture::from_tensor(family.get(case, "in0")).unwrap();
    change(&mut picture).unwrap();
    let wanted = family.get(case, "out0").clone();
    let found = picture.to_tensor();
    if found.dtype() == DType::U8 {
        assert_eq!(found.to_vec::<u8>(), wanted.to_vec::<u8>(), "{case}");
    }
    family.compare(case, &found, &wanted, Part::Forward);
}

fn transform(family: &mut Family, case: &str, transform: gradus::Result<impl PictureTransform>) {
    let transform = transform.unwrap();
    follow(family, case, |picture| transform.change(picture, &mut Rng::new(1)));
}

fn places(family: &mut Family) {
    family.row("HorizontalFlip", "torchvision RandomHorizontalFlip");
    transform(family, "hflip", HorizontalFlip::new(FlipOptions { probability: 1.0 }));
    family.row("VerticalFlip", "torchvision RandomVerticalFlip");
    transform(family, "vflip", VerticalFlip::new(FlipOptions { probability: 1.0 }));
    family.row("Pad", "torchvision Pad");
    transform(family, "pad", Pad::new(PadOptions { edges: [1, 2, 3, 4], fill: 0.25 }));
    family.row("RandomCrop", "torchvision RandomCrop");
    follow(family, "crop", |picture| {
        Geometry::crop(1, -1, [6, 8], 0.25).apply(picture);
        Ok(())
    });
    family.row("CentreCrop", "torchvision CenterCrop");
    let options = CentreCropOptions { size: [5, 6] };
    transform(family, "centre_crop", CentreCrop::new(options));
    family.row("Resize", "torchvision Resize");
    for (case, size) in [("smaller", [4, 5]), ("larger", [20, 31]), ("mixed", [18, 5])] {
        transform(family, case, Resize::new(ResizeOptions { size, cover: false }));
    }
}

fn warps(family: &mut Family) {
    let apply = |family: &mut Family, case: &str, matrix: Matrix| {
        follow(family, case, |picture| {
            Geometry::within(picture, matrix, 0.0).apply(picture);
            Ok(())
        });
    };
    let (x, y) = (6.5, 5.0);
    family.row("Rotation", "torchvision RandomRotation");
    family.differs(
        "Where the edge of a picture meets a fill that is not 0, torchvision counts the picture's \
         share twice; ours are the four pixels, some of which are the fill.",
    );
    apply(family, "rotate", Matrix::rotation(27.0).about(x, y));
    family.row("Affine", "torchvision RandomAffine");
    let turn = Matrix::rotation(15.0).then(Matrix::scaling(1.3, 1.3));
    apply(family, "affine", turn.about(x, y).then(Matrix::translation(2.0, -1.0)));
    apply(family, "shear", Matrix::shear(-20f64.to_radians().tan(), 0.0).about(x, y));
    family.row("Perspective", "torchvision RandomPerspective");
    let from = [[0.0, 0.0], [13.0, 0.0], [13.0, 10.0], [0.0, 10.0]];
    let to = [[1.0, 2.0], [11.0, 1.0], [12.0, 9.0], [2.0, 8.0]];
    apply(family, "perspective", Matrix::perspective(from, to).unwrap());
}

fn colours(family: &mut Family) {
    let rows: [Colours; 11] = [
        ("Picture::brighten", "F.adjust_brightness", &[("brighten", |p| p.brighten(1.4))]),
        (
            "Picture::contrast",
            "F.adjust_contrast",
            &[("contrast", |p| p.contrast(0.6)), ("contrast_more", |p| p.contrast(1.7))],
        ),
        (
            "Picture::saturate",
            "F.adjust_saturation",
            &[("saturate", |p| p.saturate(0.3)), ("saturate_more", |p| p.saturate(1.8))],
        ),
        (
            "Picture::turn_hue",
            "F.adjust_hue",
            &[("hue", |p| p.turn_hue(0.31)), ("hue_back", |p| p.turn_hue(-0.17))],
        ),
        ("Picture::make_grey", "F.rgb_to_grayscale", &[("grey", Picture::make_grey)]),
        ("Picture::invert", "F.invert", &[("invert", Picture::invert)]),
        ("Picture::solarize", "F.solarize", &[("solarize", |p| p.solarize(0.6))]),
        ("Picture::auto_contrast", "F.autocontrast", &[("auto_contrast", Picture::auto_contrast)]),
        (
            "Picture::sharpen",
            "F.adjust_sharpness",
            &[("sharpen", |p| p.sharpen(1.9)), ("soften", |p| p.sharpen(0.1))],
        ),
        (
            "Picture::blur",
            "F.gaussian_blur",
            &[("blur", |p| p.blur(5, 1.1)), ("blur_little", |p| p.blur(3, 0.3))],
        ),
        ("Picture::posterize", "F.posterize", &[("posterize", |p| p.posterize(3))]),
    ];
    for (name, torch, cases) in rows {
        family.row(name, torch);
        for (case, change) in cases {
            follow(family, case, change);
        }
    }
    family.row("Picture::equalize", "F.equalize");
    for case in ["equalize", "equalize_few"] {
        follow(family, case, Picture::equalize);
    }
    let plain = Tensor::full(([3, 4, 4], DType::U8), 7);
    let mut picture = Picture::from_tensor(&plain).unwrap();
    picture.equalize().unwrap();
    assert_eq!(picture.to_tensor().to_vec::<u8>(), [7; 48]);
}
