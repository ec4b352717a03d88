//! Safetensors files: round trips, files of the reference library, and damaged files.

use ::safetensors::SafeTensors;
use gradus_tensor::io::safetensors::{self, Contents, from_bytes, to_bytes};
use gradus_tensor::{DType, Device, Rng, Shape, Tensor};
use std::collections::HashMap;
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn contents(tensors: &[(&str, &Tensor)]) -> Contents {
    let tensors = tensors.iter().map(|(name, x)| (name.to_string(), (*x).clone())).collect();
    Contents { tensors, metadata: vec![] }
}

/// All elements as `f64`, in row-major order.
fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).to_vec()
}

#[track_caller]
fn assert_same(a: &Contents, b: &Contents) {
    assert_eq!(a.metadata, b.metadata);
    assert_eq!(a.tensors.len(), b.tensors.len());
    for ((name, x), (other, y)) in a.tensors.iter().zip(&b.tensors) {
        assert_eq!((name, x.dtype(), x.shape()), (other, y.dtype(), y.shape()));
        assert_eq!(numbers(x), numbers(y), "{name}");
    }
}

/// Tensors of all types, in several layouts.
fn mixed() -> Contents {
    let mut rng = Rng::new(3);
    let mut all = Contents::default();
    for dtype in DType::ALL {
        let x = (Tensor::rand([3, 4, 2], &mut rng) * 3.0).to_dtype(dtype);
        for (layout, x) in [
            ("whole", x.clone()),
            ("transposed", x.permute(&[2, 0, 1])),
            ("backwards", x.flip(&[1])),
            ("part", x.narrow(0, 1, 2)),
            ("repeated", x.narrow(1, 2, 1).broadcast_to([3, 5, 2])),
            ("number", x.narrow(0, 1, 1).narrow(1, 1, 1).narrow(2, 0, 1).reshape(())),
            ("empty", x.narrow(0, 0, 0)),
        ] {
            all.tensors.push((format!("{dtype}.{layout}"), x));
        }
    }
    all.metadata.push(("z".into(), "first".into()));
    all.metadata.push(("a".into(), "\"second\"\n\u{1F422}".into()));
    all
}

#[test]
fn all_types_and_layouts_come_back_in_their_order() {
    let all = mixed();
    let bytes = to_bytes(&all).unwrap();
    let back = from_bytes(&bytes).unwrap();
    assert_same(&all, &back);
    assert_eq!(to_bytes(&back).unwrap(), bytes, "the same contents give the same bytes");
    assert_eq!(back.text("a"), Some("\"second\"\n\u{1F422}"));
    assert_eq!(back.text("b"), None);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.safetensors");
    safetensors::write(&path, &all).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_same(&safetensors::read(&path).unwrap(), &all);
    let nothing = Contents::default();
    assert_same(&from_bytes(&to_bytes(&nothing).unwrap()).unwrap(), &nothing);
}

#[test]
fn special_floats_keep_their_bits() {
    let bits = [0x7fc0_1234u32, 0xff80_0000, 0x8000_0000, 0x0000_0001];
    let x = Tensor::from(bits.map(f32::from_bits));
    let back = from_bytes(&to_bytes(&contents(&[("x", &x)])).unwrap()).unwrap();
    let back: Vec<f32> = back.tensor("x").unwrap().to_vec();
    assert_eq!(back.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), bits);
}

#[test]
fn the_reference_library_reads_what_gradus_writes() {
    let all = mixed();
    let bytes = to_bytes(&all).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.names().len(), all.tensors.len());
    for (name, x) in &all.tensors {
        let view = read.tensor(name).unwrap();
        assert_eq!(view.dtype().to_string(), x.dtype().to_string().to_uppercase());
        assert_eq!(view.shape(), &x.shape()[..]);
        // Each tensor starts where its numbers could be read in place.
        let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(start % x.dtype().size_bytes(), 0, "{name}");
        if x.dtype() == DType::F32 {
            let expected: Vec<u8> = x.to_vec().into_iter().flat_map(f32::to_le_bytes).collect();
            assert_eq!(view.data(), expected);
        }
    }
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["z"], "first");
}

#[test]
fn gradus_reads_what_the_reference_library_writes() {
    let read = safetensors::read(fixture("reference.safetensors")).unwrap();
    let check = |name: &str, dtype: DType, expected: fn(f64) -> f64| {
        let x = read.tensor(name).unwrap();
        assert_eq!((x.dtype(), x.shape()), (dtype, &Shape::from([2, 3])), "{name}");
        let expected: Vec<f64> = (0..6).map(|i| expected(i as f64)).collect();
        assert_eq!(numbers(x), expected, "{name}");
    };
    check("bool", DType::Bool, |i| i % 2.0);
    check("u8", DType::U8, |i| i * 50.0);
    check("i32", DType::I32, |i| i * -1e5);
    check("i64", DType::I64, |i| i * -1e12);
    check("f16", DType::F16, |i| i / 4.0);
    check("f32", DType::F32, |i| i / 8.0);
    check("f64", DType::F64, |i| i / 3.0);
    check("i8", DType::I64, |i| i * -20.0);
    check("i16", DType::I64, |i| i * -5e3);
    check("u16", DType::I64, |i| i * 13e3);
    check("u32", DType::I64, |i| i * 8e8);
    assert_eq!(read.tensor("nothing").unwrap().shape(), [0, 4]);
    assert_eq!(read.tensor("number").unwrap().item::<f32>(), 2.5);
    assert_eq!(read.tensor("ein Name mit Umlaut: ö").unwrap().to_vec::<f32>(), [1.0]);
    assert_eq!(read.text("note"), Some("a \"text\"\n"));

    let read = safetensors::read(fixture("bf16.safetensors")).unwrap();
    let x = read.tensor("bf16").unwrap();
    assert_eq!(x.dtype(), DType::BF16);
    assert_eq!(numbers(x), [0.0, 0.125, 0.25, 0.375, 0.5, 0.625]);
}

#[test]
fn what_cannot_be_read_is_one_sentence_with_the_file_and_the_cure() {
    let error = safetensors::read(fixture("u64.safetensors")).unwrap_err().to_string();
    let path = fixture("u64.safetensors");
    let expected = format!(
        "{}: u64 holds numbers of type U64, which Gradus does not have: save it as F32 or I64",
        path.display()
    );
    assert_eq!(error, expected);

    let missing = safetensors::read("no/such/file").unwrap_err().to_string();
    assert!(missing.starts_with("no/such/file: ") && missing.ends_with(": check the path"));
    let folder = tempfile::tempdir().unwrap();
    let error = safetensors::read(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("is not a file: name a file"), "{error}");

    let x = Tensor::zeros([2]);
    let all = contents(&[("a", &x), ("b", &x)]);
    let error = all.tensor("c").unwrap_err().to_string();
    assert_eq!(error, "there is no tensor c: there are a, b");
    let twice = to_bytes(&contents(&[("a", &x), ("a", &x)])).unwrap_err().to_string();
    assert_eq!(twice, "safetensors bytes: two tensors are named a: names must differ");
    assert!(to_bytes(&contents(&[("__metadata__", &x)])).is_err());
    let shapeless = x.to_device(Device::shape_only());
    assert!(to_bytes(&contents(&[("a", &shapeless)])).is_err());
    let path = folder.path().join("shapeless.safetensors");
    let error = safetensors::write(&path, &contents(&[("a", &shapeless)])).unwrap_err();
    assert!(matches!(error, gradus_tensor::Error::Unsupported { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

/// A file with a header of the caller's choice.
fn with_header(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 0);
    bytes
}

#[test]
fn headers_that_lie_are_refused() {
    for (header, data_bytes, complaint) in [
        (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8, ""),
        (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7, "was cut off"),
        (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9, "was cut off"),
        (r#"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8, "takes 12 bytes"),
        (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "at bytes 4 to 12"),
        (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "at bytes 8 to 0"),
        (r#"{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8, "header is damaged"),
        (r#"{"x":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}"#, 8, "type F99"),
        (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, 8, "header is damaged"),
        (r#"{"x":{"dtype":"F32","data_offsets":[0,8]}}"#, 8, "missing field `shape`"),
        (r#"{"__metadata__":{"a":1}}"#, 0, "header is damaged"),
        (r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0, "two texts are named a"),
        (r#"{"__metadata__":{"a":"1"},"__metadata__":{"b":"2"}}"#, 0, ""),
        ("[]", 0, "tensors by name"),
        ("", 0, "header is damaged"),
        (r#"{}"#, 1, "was cut off"),
    ] {
        let error = from_bytes(&with_header(header, data_bytes)).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(complaint), "{header}: {error}");
        assert_eq!(error.is_empty(), complaint.is_empty(), "{header}: {error}");
    }
}

#[test]
fn absurd_sizes_are_refused_before_memory_is_taken() {
    let entry = |shape: &str, end: &str| {
        format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    let max = u64::MAX.to_string();
    for header in [
        entry("[1099511627776]", "4398046511104"),
        entry("[4294967296,4294967296,4294967296]", "0"),
        entry("[0,4294967296,4294967296]", "0"),
        entry("[4294967296,4294967296,0]", "0"),
        entry(&format!("[{max}]"), &max),
        entry("[1,1,1,1,1,1,1,1,1]", "4"),
        entry(&format!("[{max}9]"), "4"),
    ] {
        assert!(from_bytes(&with_header(&header, 4)).is_err(), "{header}");
    }
    for length in [u64::MAX, 1 << 62, 100_000_001, 3] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([b'{', b'}']);
        assert!(from_bytes(&bytes).is_err());
    }
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let one = r#"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
    let two = r#"{"dtype":"U8","shape":[1],"data_offsets":[1,2]}"#;
    let error = from_bytes(&with_header(&format!(r#"{{"x":{one},"x":{two}}}"#), 2)).unwrap_err();
    assert!(error.to_string().contains("two tensors are named x"));
}

#[test]
fn tensors_may_stand_in_another_order_than_their_bytes() {
    let header = r#"{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},
        "a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":null}}"#;
    let mut bytes = with_header(header, 0);
    bytes.extend([7, 8, 9]);
    let read = from_bytes(&bytes).unwrap();
    assert_eq!(read.tensors[0].0, "b");
    assert_eq!(read.tensor("b").unwrap().to_vec::<u8>(), [8, 9]);
    assert_eq!(read.tensor("a").unwrap().to_vec::<u8>(), [7]);
}

#[test]
fn any_byte_that_is_not_zero_is_true() {
    let header = r#"{"x":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}"#;
    let mut bytes = with_header(header, 0);
    bytes.extend([0, 1, 255]);
    let x = from_bytes(&bytes).unwrap().tensor("x").unwrap().clone();
    assert_eq!(x.to_vec::<bool>(), [false, true, true]);
    let again = to_bytes(&contents(&[("x", &x)])).unwrap();
    assert!(again.ends_with(&[0, 1, 1]));
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let x = Tensor::arange(0, 5, 1);
    let all = Contents {
        metadata: vec![("key".into(), "text".into())],
        ..contents(&[("x", &x), ("y", &x.to_dtype(DType::U8))])
    };
    let bytes = to_bytes(&all).unwrap();
    for len in 0..bytes.len() {
        let error = from_bytes(&bytes[..len]).unwrap_err().to_string();
        assert!(error.contains("was cut off"), "{len} of {} bytes: {error}", bytes.len());
    }
}

#[test]
fn a_flipped_bit_is_refused_or_changes_a_value_never_more() {
    let x = Tensor::arange(0, 3, 1);
    let bytes = to_bytes(&contents(&[("x", &x)])).unwrap();
    let mut outcomes = HashMap::new();
    for index in 0..8 * bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index / 8] ^= 1 << (index % 8);
        let read = from_bytes(&damaged);
        if let Ok(read) = &read {
            assert!(read.tensors.iter().all(|(_, x)| x.count() <= 24));
        }
        *outcomes.entry(read.is_ok()).or_insert(0) += 1;
    }
    assert!(outcomes[&true] >= 24 * 8 && outcomes[&false] > 100, "{outcomes:?}");
}
