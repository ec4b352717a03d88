//! NumPy's files: round trips, files that NumPy wrote, and damaged files.

use gradus_tensor::io::npz::Compression;
use gradus_tensor::io::{npy, npz};
use gradus_tensor::memory::peak_resident_bytes;
use gradus_tensor::{DType, Rng, Shape, Tensor};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// All elements as `f64`, in row-major order.
fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).to_vec()
}

#[track_caller]
fn assert_same(x: &Tensor, y: &Tensor) {
    assert_eq!((x.dtype(), x.shape()), (y.dtype(), y.shape()));
    assert_eq!(numbers(x), numbers(y));
}

/// Tensors of all types that NumPy has, in several layouts.
fn mixed() -> Vec<(String, Tensor)> {
    let mut rng = Rng::new(3);
    let mut all = vec![];
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::BF16) {
        let x = (Tensor::rand([3, 4, 2], &mut rng) * 3.0).to_dtype(dtype);
        for (layout, x) in [
            ("whole", x.clone()),
            ("transposed", x.permute(&[2, 0, 1])),
            ("backwards", x.flip(&[1])),
            ("part", x.narrow(0, 1, 2)),
            ("repeated", x.narrow(1, 2, 1).broadcast_to([3, 5, 2])),
            ("vector", x.flatten(0, 2)),
            ("number", x.flatten(0, 2).narrow(0, 3, 1).reshape(())),
            ("empty", x.narrow(0, 0, 0)),
        ] {
            all.push((format!("{dtype}/{layout}"), x));
        }
    }
    all
}

#[test]
fn all_types_and_layouts_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    for (_, x) in mixed() {
        let bytes = npy::to_bytes(&x).unwrap();
        assert_same(&npy::from_bytes(&bytes).unwrap(), &x);
        npy::write(&path, &x).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert_same(&npy::read(&path).unwrap(), &x);
    }
    let all = mixed();
    for compression in [Compression::Stored, Compression::Deflate] {
        let bytes = npz::to_bytes(&all, compression).unwrap();
        assert_eq!(npz::to_bytes(&all, compression).unwrap(), bytes, "the same bytes each time");
        let path = folder.path().join("all.npz");
        npz::write(&path, &all, compression).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        for back in [npz::from_bytes(&bytes).unwrap(), npz::read(&path).unwrap()] {
            assert_eq!(back.len(), all.len());
            for ((name, x), (other, y)) in all.iter().zip(&back) {
                assert_eq!(name, other);
                assert_same(x, y);
            }
        }
    }
    assert!(npz::from_bytes(&npz::to_bytes(&[], Compression::Stored).unwrap()).unwrap().is_empty());
}

/// The numbers of the fixtures: an eighth of 0 to 5.
fn eighths() -> Tensor {
    (Tensor::arange(0.0, 6.0, 1.0) * 0.125).reshape([2, 3])
}

#[test]
fn gradus_reads_every_form_that_numpy_writes() {
    for name in ["f4", "f4_fortran", "f4_big", "version_2", "version_3"] {
        assert_same(&npy::read(fixture(&format!("{name}.npy"))).unwrap(), &eighths());
    }
    let fortran = npy::read(fixture("f4_fortran.npy")).unwrap();
    assert_eq!(fortran.layout().strides(), [1, 2]);

    for file in ["stored.npz", "deflated.npz"] {
        let all = npz::read(fixture(file)).unwrap();
        assert_eq!(all.len(), 22, "{file}");
        let check = |name: &str, dtype: DType, expected: &dyn Fn(f64) -> f64| {
            let (_, x) = all.iter().find(|(other, _)| other == name).unwrap();
            assert_eq!((x.dtype(), x.shape()), (dtype, &Shape::from([2, 3])), "{file}: {name}");
            let expected: Vec<f64> = (0..6).map(|i| expected(i as f64)).collect();
            assert_eq!(numbers(x), expected, "{file}: {name}");
        };
        check("b1", DType::Bool, &|i| i % 2.0);
        check("i1", DType::I64, &|i| i * -20.0);
        check("u1", DType::U8, &|i| i * 50.0);
        for order in ["little", "big"] {
            let check = |name: &str, dtype, factor: f64| {
                check(&format!("{order}/{name}"), dtype, &|i| i * factor);
            };
            check("f2", DType::F16, 0.25);
            check("f4", DType::F32, 0.125);
            check("f8", DType::F64, 1.0 / 3.0);
            check("i2", DType::I64, -5e3);
            check("i4", DType::I32, -1e5);
            check("i8", DType::I64, -1e12);
            check("u2", DType::I64, 13e3);
            check("u4", DType::I64, 8e8);
        }
        let named = |name: &str| &all.iter().find(|(other, _)| other == name).unwrap().1;
        assert_eq!(named("number").item::<f64>(), 2.5);
        assert_eq!(named("vector").to_vec::<f64>(), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(named("nothing").shape(), [0, 4]);
    }
}

#[test]
fn gradus_writes_the_bytes_that_numpy_writes() {
    let bytes = |name: &str| std::fs::read(fixture(name)).unwrap();
    assert!(npy::to_bytes(&eighths()).unwrap() == bytes("f4.npy"));
    // All forms of shapes and types, as they stand in an archive that is not compressed.
    let archive = bytes("stored.npz");
    for (name, x) in npz::read(fixture("stored.npz")).unwrap() {
        if name.starts_with("big/") || ["i1", "u2", "u4", "i2"].iter().any(|i| name.ends_with(i)) {
            continue;
        }
        let ours = npy::to_bytes(&x).unwrap();
        assert!(archive.windows(ours.len()).any(|part| part == ours), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_one_sentence_with_the_file_and_the_cure() {
    for (name, sentence) in [
        ("c16.npy", "holds complex numbers of type <c16: save x.real and x.imag"),
        ("record.npy", "holds records: save each field as an array of its own"),
        ("object.npy", "holds Python objects, not numbers: save an array of numbers"),
        (
            "two.npy",
            "holds more than one array, of shape [2, 3], as 176 bytes follow it: save several \
             arrays as npz",
        ),
        ("u64.safetensors", "is no npy file: write it with numpy.save"),
    ] {
        let error = npy::read(fixture(name)).unwrap_err().to_string();
        assert_eq!(error, format!("{}: {sentence}", fixture(name).display()));
    }
    let error = npz::read(fixture("f4.npy")).unwrap_err().to_string();
    assert!(error.contains("f4.npy: is no npz file, or is damaged: "), "{error}");

    let half = Tensor::zeros([2]).to_dtype(DType::BF16);
    let error = npy::to_bytes(&half).unwrap_err().to_string();
    assert_eq!(error, "npy bytes: cannot hold bf16 numbers: convert with to_dtype(DType::F32)");
    let named = |name: &str, x: &Tensor| (name.to_string(), x.clone());
    let error = npz::to_bytes(&[named("h", &half)], Compression::Stored).unwrap_err().to_string();
    assert_eq!(error, "npz bytes: h cannot hold bf16 numbers: convert with to_dtype(DType::F32)");
    let x = Tensor::zeros([2]);
    let error = npz::to_bytes(&[named("x", &x), named("x", &x)], Compression::Deflate);
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "npz bytes: two tensors are named x: names must differ");
}

/// A file of version 1 with a header of the caller's choice.
fn with_header(descr: &str, shape: &str, data_bytes: usize) -> Vec<u8> {
    let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 0);
    bytes
}

#[test]
fn types_are_refused_with_what_to_do() {
    assert!(npy::from_bytes(&with_header("'=f4'", "(2,)", 8)).is_ok());
    for (descr, cure) in [
        ("'<u8'", "holds integers of type <u8: save x.astype('int64')"),
        ("'<f16'", "holds numbers of type <f16: save x.astype('float32')"),
        ("'<V2'", "holds numbers of type <V2: save x.astype('float32')"),
        ("'<U5'", "holds type <U5, not numbers: save an array of numbers"),
        ("'|S5'", "holds type |S5, not numbers: save an array of numbers"),
        ("'<M8[ns]'", "holds type <M8[ns], not numbers: save an array of numbers"),
        ("'|f4'", "holds numbers of type |f4: save x.astype('float32')"),
        ("''", "holds records: save each field as an array of its own"),
        ("'é4'", "holds type é4, not numbers: save an array of numbers"),
        ("7", "has a damaged header: {'descr': 7, 'fortran_order': False, 'shape': (2,), }"),
    ] {
        let error = npy::from_bytes(&with_header(descr, "(2,)", 8)).unwrap_err().to_string();
        assert_eq!(error, format!("npy bytes: {cure}"));
    }
}

#[test]
fn absurd_sizes_are_refused_before_memory_is_taken() {
    for shape in [
        "(1099511627776,)",
        "(4294967296, 4294967296, 4294967296)",
        "(0, 4294967296, 4294967296)",
        "(18446744073709551615,)",
        "(2305843009213693952,)",
        "(1,1,1,1,1,1,1,1,1)",
    ] {
        assert!(npy::from_bytes(&with_header("'<f4'", shape, 8)).is_err(), "{shape}");
        assert!(npy::from_bytes(&with_header("'|i1'", shape, 8)).is_err(), "{shape}");
    }
    let mut long = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    long.resize(200, b' ');
    assert!(npy::from_bytes(&long).unwrap_err().to_string().contains("would take 4294967295"));
}

/// Replaces each occurrence of `from`.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) -> usize {
    assert_eq!(from.len(), to.len());
    let mut count = 0;
    for start in 0..bytes.len() - from.len() {
        if &bytes[start..][..from.len()] == from {
            bytes[start..][..to.len()].copy_from_slice(to);
            count += 1;
        }
    }
    count
}

#[test]
fn archives_that_claim_more_than_they_can_hold_are_refused() {
    // 100 bytes of zeros, said to be 2 GiB, in the archive and in the array.
    let x = [("x".to_string(), Tensor::zeros([1000]))];
    let good = npz::to_bytes(&x, Compression::Deflate).unwrap();
    let size = (4128u32).to_le_bytes();
    let before = peak_resident_bytes();
    for claimed in [4_000_000, 1 << 31, u32::MAX - 1] {
        let mut bytes = good.clone();
        assert!(replace(&mut bytes, &size, &claimed.to_le_bytes()) >= 1);
        let error = npz::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains("x.npy is damaged: it says that"), "{error}");
    }
    let mut bytes = good.clone();
    replace(&mut bytes, &size, &(4132u32).to_le_bytes());
    let error = npz::from_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("x.npy holds more than one array"), "{error}");
    let mut bytes = good;
    replace(&mut bytes, &size, &(4124u32).to_le_bytes());
    let error = npz::from_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("x.npy was cut off"), "{error}");
    if let (Some(before), Some(after)) = (before, peak_resident_bytes()) {
        assert!(after - before < 256 << 20, "{before} bytes, then {after}");
    }
}

#[test]
fn parts_that_overlap_are_refused() {
    // Two names for the same bytes: the entry of the second is made to say what the first's says.
    let two = [("x".to_string(), Tensor::ones([5000])), ("y".to_string(), Tensor::ones([1]))];
    let mut bytes = npz::to_bytes(&two, Compression::Stored).unwrap();
    let entry = |name: &[u8], bytes: &[u8]| {
        let found = bytes.windows(name.len()).rposition(|part| part == name);
        found.unwrap() - 46
    };
    let (x, y) = (entry(b"x.npy", &bytes), entry(b"y.npy", &bytes));
    assert_eq!(&bytes[x..x + 4], b"PK\x01\x02");
    // The checksum, both sizes, and the place.
    bytes.copy_within(x + 16..x + 28, y + 16);
    bytes.copy_within(x + 42..x + 46, y + 42);
    let error = npz::from_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("y.npy is damaged: it says that"), "{error}");
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let x = Tensor::arange(0, 5, 1);
    let bytes = npy::to_bytes(&x).unwrap();
    for len in 0..bytes.len() {
        let error = npy::from_bytes(&bytes[..len]).unwrap_err().to_string();
        assert!(error.contains("was cut off"), "{len} of {} bytes: {error}", bytes.len());
    }
    for compression in [Compression::Stored, Compression::Deflate] {
        let bytes = npz::to_bytes(&[("x".into(), x.clone())], compression).unwrap();
        for len in 0..bytes.len() {
            assert!(npz::from_bytes(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_or_changes_a_value_never_more() {
    let x = Tensor::arange(0, 3, 1);
    let flip = |bytes: &[u8], index: usize| {
        let mut damaged = bytes.to_vec();
        damaged[index / 8] ^= 1 << (index % 8);
        damaged
    };
    let bytes = npy::to_bytes(&x).unwrap();
    for index in 0..8 * bytes.len() {
        if let Ok(read) = npy::from_bytes(&flip(&bytes, index)) {
            assert!(read.count() <= 24);
        }
    }
    for compression in [Compression::Stored, Compression::Deflate] {
        let bytes = npz::to_bytes(&[("x".into(), x.clone())], compression).unwrap();
        for index in 0..8 * bytes.len() {
            // The checksum sees what the array does not.
            if let Ok(read) = npz::from_bytes(&flip(&bytes, index)) {
                assert!(
                    read.iter().all(|(_, y)| y.to_vec::<i64>() == x.to_vec::<i64>()),
                    "{index}"
                );
            }
        }
    }
}
