//! Valid files to damage.

use gradus_data::idx;
use gradus_data::image::{Colour, Image, encode_png};
use gradus_tensor::io::npz::Compression;
use gradus_tensor::io::safetensors::{self, Contents};
use gradus_tensor::io::{npy, npz};
use gradus_tensor::{DType, Tensor};
use gradus_train::{Epoch, History};
use image::ExtendedColorType;
use parquet::data_type::{BoolType, ByteArrayType, DoubleType, Int32Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

/// Files of a format that are here; not all of them need be valid.
pub fn found(format: &str) -> Vec<Vec<u8>> {
    match format {
        "recipe" => files("recipes", "toml"),
        _ => files("crates/tensor/tests/fixtures", format),
    }
}

/// The files in a folder whose names end so.
fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == extension));
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Valid files of a format.
pub fn made(format: &str) -> Vec<Vec<u8>> {
    let texts = |all: &[&str]| all.iter().map(|text| text.as_bytes().to_vec()).collect();
    match format {
        "safetensors" => {
            let metadata = vec![("kind".to_string(), "checkpoint".to_string())];
            let contents = Contents { tensors: tensors(), metadata };
            let all = [contents, Contents::default()];
            all.map(|contents| safetensors::to_bytes(&contents).unwrap()).into()
        }
        "npy" => tensors().iter().map(|(_, x)| npy::to_bytes(x).unwrap()).collect(),
        "npz" => [Compression::Stored, Compression::Deflate]
            .map(|compression| npz::to_bytes(&tensors()[..3], compression).unwrap())
            .into(),
        "idx" => {
            let known = [DType::U8, DType::I32, DType::F32, DType::F64];
            let tensors = tensors().into_iter().filter(|(_, x)| known.contains(&x.dtype()));
            tensors.map(|(_, x)| idx::encode(&x).unwrap()).collect()
        }
        "png" => [Colour::Grey, Colour::GreyAlpha, Colour::Rgb, Colour::Rgba]
            .map(|colour| encode_png(&picture(colour)).unwrap())
            .into(),
        "picture" => pictures(),
        "cifar" => [vec![7], vec![3, 42]]
            .map(|labels| {
                let pixels = (0..3072).map(|place| (place / 12) as u8);
                [labels, pixels.collect()].concat().repeat(2)
            })
            .into(),
        "sound" => sounds(),
        "csv" => texts(&CSV),
        "json_lines" => texts(&JSON_LINES),
        "parquet" => parquets(),
        "labelled" => texts(&LABELLED),
        "recipe" => texts(&[RECIPE]),
        "assignment" => texts(&ASSIGNMENTS),
        "encoder" => texts(&ENCODERS),
        "history" => histories(),
        // Nothing here writes these.
        _ => vec![],
    }
}

/// Small tensors of several types and shapes.
fn tensors() -> Vec<(String, Tensor)> {
    let x = Tensor::arange(-2.0, 4.0, 1.0).reshape([2, 3]);
    let named = |name: &str, x: Tensor| (name.to_string(), x);
    vec![
        named("weight", x.clone()),
        named("f64", x.to_dtype(DType::F64)),
        named("f16", x.to_dtype(DType::F16)),
        named("i32", x.to_dtype(DType::I32)),
        named("i64", x.flatten(0, 1).to_dtype(DType::I64)),
        named("u8", x.to_dtype(DType::U8)),
        named("bool", x.to_dtype(DType::Bool)),
        named("number", x.narrow(0, 0, 1).narrow(1, 0, 1).reshape(())),
        named("nothing", x.narrow(0, 0, 0)),
    ]
}

/// A picture of 7 by 5 pixels.
fn picture(colour: Colour) -> Image {
    let pixels = (0..35 * colour.channels()).map(|place| (place * 7) as u8).collect();
    Image::new(7, 5, colour, pixels).unwrap()
}

/// The picture in each format.
fn pictures() -> Vec<Vec<u8>> {
    use image::codecs::{bmp::BmpEncoder, gif::GifEncoder, jpeg::JpegEncoder, webp::WebPEncoder};
    let (rgb, kind) = (picture(Colour::Rgb), ExtendedColorType::Rgb8);
    let (pixels, width, height) = (rgb.pixels(), 7, 5);
    let mut all = vec![encode_png(&rgb).unwrap()];
    let mut add = |write: &dyn Fn(&mut Cursor<Vec<u8>>) -> image::ImageResult<()>| {
        let mut bytes = Cursor::new(vec![]);
        write(&mut bytes).unwrap();
        all.push(bytes.into_inner());
    };
    add(&|bytes| JpegEncoder::new_with_quality(bytes, 80).encode(pixels, width, height, kind));
    add(&|bytes| WebPEncoder::new_lossless(bytes).encode(pixels, width, height, kind));
    add(&|bytes| GifEncoder::new(bytes).encode(pixels, width, height, kind));
    add(&|bytes| BmpEncoder::new(bytes).encode(pixels, width, height, kind));
    all
}

/// WAV of several kinds of numbers, and FLAC.
fn sounds() -> Vec<Vec<u8>> {
    let wav = |kind: u16, channels: u16, bits: u16| {
        let data: Vec<u8> = match kind {
            3 => (0..24).flat_map(|x| (x as f32 / 24.0).to_le_bytes()).collect(),
            _ => (0..24 * bits / 8).map(|x| (x * 5) as u8).collect(),
        };
        let block = channels * bits / 8;
        [
            &b"RIFF"[..],
            &(36 + data.len() as u32).to_le_bytes(),
            b"WAVEfmt \x10\0\0\0",
            &kind.to_le_bytes(),
            &channels.to_le_bytes(),
            &8000u32.to_le_bytes(),
            &(8000 * block as u32).to_le_bytes(),
            &block.to_le_bytes(),
            &bits.to_le_bytes(),
            b"data",
            &(data.len() as u32).to_le_bytes(),
            &data,
        ]
        .concat()
    };
    // 16 equal numbers of 16 bits at 8000 Hz: what the stream is, and a frame with its sums.
    let flac = [
        &b"fLaC\x80\0\0\x22\0\x10\0\x10\0\0\0\0\0\0\x01\xf4\x00\xf0\0\0\0\x10"[..],
        &[0; 16],
        &FRAME,
    ];
    vec![wav(1, 1, 8), wav(1, 2, 16), wav(1, 1, 24), wav(3, 2, 32), flac.concat()]
}

const FRAME: [u8; 12] = [0xff, 0xf8, 0x64, 8, 0, 15, 0xce, 0, 0xc0, 0, 0x0e, 0x8a];

/// Tables of three rows, plain and compressed.
fn parquets() -> Vec<Vec<u8>> {
    use parquet::basic::Compression;
    use parquet::data_type::ByteArray;
    use parquet::file::properties::WriterProperties;
    let message = "message m { OPTIONAL DOUBLE x; REQUIRED BYTE_ARRAY name (UTF8);
        REQUIRED INT32 day (DATE); REQUIRED BOOLEAN sure; }";
    let write = |compression| {
        let schema = Arc::new(parse_message_type(message).unwrap());
        let options = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let mut bytes = vec![];
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, options).unwrap();
        let mut group = writer.next_row_group().unwrap();
        macro_rules! column {
            ($kind:ty, $values:expr, $there:expr) => {{
                let mut column = group.next_column().unwrap().unwrap();
                column.typed::<$kind>().write_batch(&$values, $there, None).unwrap();
                column.close().unwrap();
            }};
        }
        column!(DoubleType, [1.5, -2.0], Some(&[1, 0, 1][..]));
        column!(ByteArrayType, ["a", "b", "a"].map(ByteArray::from), None);
        column!(Int32Type, [0, 20_543, -1], None);
        column!(BoolType, [true, false, true], None);
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    };
    [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(Default::default())]
        .map(write)
        .into()
}

const CSV: [&str; 4] = [
    "size,price,kind\n1,2.5,red\n2,,green\n3,4e3,\"a, \"\"b\"\"\"\n",
    "\u{feff}when;what\r\n2026-03-31;12,5\r\n2026-04-01 18:30;\r\n",
    "# of three\nx\ty\tz\n\n'1\t2'\t3.\t4\nNA\t?\t-0\n",
    "name\nü\n\"of two\nlines\"\n",
];

const JSON_LINES: [&str; 3] = [
    "{\"x\": 1, \"y\": \"a\"}\n{\"x\": -2.5e3, \"z\": true}\n",
    "{\"labels\": [\"a\", 7], \"text\": \"\\u00fc \\n\"}\r\n\n{\"text\": null}\n",
    "{}\n{\"n\": 18446744073709551615}\n",
];

const LABELLED: [&str; 3] =
    ["good\tvery good\nbad\tso so\n", "\u{feff}a\tb\tc\r\n\r\nb\t\r\n", "1\tx\n 2 \t y "];

/// What no recipe that is shipped says.
const RECIPE: &str = r#"
[run]
epochs = 2
seed = 7
[data]
kind = "csv"
path = "table.csv"
delimiter = ";"
names = ["a", "b\u007f", "c\n"]
table.target = ["b"]
split = { valid = 0.25, by = "stratified" }
[model]
layers = [
    { kind = "linear", out = 16 },
    "relu",
    { kind = "dropout", p = 0.5 },
    "linear",
]
[loss]
kind = "cross_entropy"
[optimizer]
kind = "adam"
learning_rate = 1e-3
groups = [{ params = ["0.*"], learning_rate = 0.5, "a b" = nan }]
[[callbacks]]
kind = "early_stopping"
"#;

const ASSIGNMENTS: [&str; 6] = [
    "run.epochs=20",
    "model.layers.1.out=0x40",
    "model.layers=[\"flatten\", \"linear\"]",
    "optimizer.learning_rate=1e-3",
    "optimizer={kind = \"sgd\", momentum = 0.9}",
    "run.name=tried again",
];

const ENCODERS: [&str; 6] = [
    r#"{"input": {"kind": "image", "form": {"channels": 1, "height": 8, "width": 8, "fit": "crop"},
    "standard": {"mean": [0.5], "deviation": [0.25]}}, "answers": {"classes": ["a", "b"]}}"#,
    r#"{"input": {"kind": "table", "columns": {"columns": [
    {"name": "n", "kind": "numeric", "shift": 1.0, "scale": 2.0, "mark": true},
    {"name": "c", "kind": "categorical", "names": ["a", "b"]},
    {"name": "d", "kind": "date", "shift": 0.0, "scale": 1.5, "mark": false, "times": true}],
    "categories": "one_hot", "date_order": "year_month_day", "decimal": "."}, "csv": {}},
    "answers": {"numbers": [{"name": "y", "mean": 3.0, "deviation": 2.0, "unit": "m"}]}}"#,
    r#"{"input": {"kind": "text", "texts": {"vocabulary": {"unit": "word", "lower_case": true,
    "entries": ["a", "b"]}, "length": 4, "keep": "end"}, "column": "text", "csv": {}},
    "answers": {"labels": ["x", "y", "z"]}}"#,
    r#"{"input": {"kind": "language", "vocabulary": {"unit": "character", "lower_case": false,
    "entries": [" ", "a", "ü"]}, "length": 3}, "answers": "next_token"}"#,
    r#"{"input": {"kind": "audio", "sound": {"rate": 8000, "samples": 800, "features": "log_mel",
    "window": 200, "hop": 80, "mels": 10}, "standard": {"mean": [0.0], "deviation": [1.0]}},
    "answers": {"classes": ["a", "b", "c"]}}"#,
    r#"{"input": {"kind": "tensor", "shape": [2, 3], "standard": {"mean": [0.0, -1.5],
    "deviation": [1.0, 2.0]}}, "answers": {"classes": ["0", "1"]}}"#,
];

fn histories() -> Vec<Vec<u8>> {
    let epoch = |number: usize| {
        let loss = if number == 3 { f64::INFINITY } else { 1.0 / number as f64 };
        let figures = vec![("train_loss".to_string(), loss), ("valid_f1".to_string(), f64::NAN)];
        Epoch { number, figures, seconds: 12.5 }
    };
    let history = |epochs: usize| {
        let mut history = History::default();
        (1..=epochs).for_each(|number| history.push(epoch(number)));
        history.to_json_lines().into_bytes()
    };
    vec![history(1), history(4)]
}
