//! Files of tensors.

use super::{MAX_RATIO, accepted};
use gradus_data::idx;
use gradus_tensor::io::npz::Compression;
use gradus_tensor::io::safetensors::Contents;
use gradus_tensor::io::{npy, npz, safetensors, torch};
use gradus_tensor::{DType, Tensor};

/// Integers of 8 bits become `i64`.
const MAX_WIDENING: usize = 8;

pub fn try_safetensors(bytes: &[u8]) -> bool {
    let Some(read) = accepted(safetensors::from_bytes(bytes)) else {
        return false;
    };
    assert!(read.tensors.iter().map(|(_, x)| size(x)).sum::<usize>() <= MAX_WIDENING * bytes.len());
    let written = safetensors::to_bytes(&read).unwrap();
    let again = safetensors::from_bytes(&written).unwrap();
    assert_eq!(read.metadata, again.metadata);
    assert_same(&read.tensors, &again.tensors);
    true
}

pub fn try_npy(bytes: &[u8]) -> bool {
    let Some(read) = accepted(npy::from_bytes(bytes)) else {
        return false;
    };
    assert!(size(&read) <= MAX_WIDENING * bytes.len());
    let again = npy::from_bytes(&npy::to_bytes(&read).unwrap()).unwrap();
    assert_same(&[(String::new(), read)], &[(String::new(), again)]);
    true
}

pub fn try_npz(bytes: &[u8]) -> bool {
    let Some(read) = accepted(npz::from_bytes(bytes)) else {
        return false;
    };
    let total: usize = read.iter().map(|(_, x)| size(x)).sum();
    assert!(total <= MAX_WIDENING * MAX_RATIO * bytes.len());
    let written = npz::to_bytes(&read, Compression::Stored).unwrap();
    assert_same(&read, &npz::from_bytes(&written).unwrap());
    true
}

pub fn try_pt(bytes: &[u8]) -> bool {
    let Some(read) = accepted(torch::from_bytes(bytes)) else {
        return false;
    };
    let Some(tensors) = accepted(read.tensors()) else {
        return false;
    };
    // Tensors that are views of few numbers may show many.
    let count: usize = tensors.iter().map(|(_, x)| x.count()).sum();
    assert!(count <= MAX_RATIO * bytes.len());
    let contents = Contents { tensors, metadata: vec![] };
    let Some(written) = accepted(safetensors::to_bytes(&contents)) else {
        return false;
    };
    assert_same(&contents.tensors, &safetensors::from_bytes(&written).unwrap().tensors);
    true
}

pub fn try_idx(bytes: &[u8]) -> bool {
    let Some(read) = accepted(idx::decode(bytes)) else {
        return false;
    };
    assert!(size(&read) <= MAX_WIDENING * MAX_RATIO * bytes.len());
    let again = idx::decode(&idx::encode(&read).unwrap()).unwrap();
    assert_same(&[(String::new(), read)], &[(String::new(), again)]);
    true
}

/// How many bytes a tensor's elements take.
fn size(x: &Tensor) -> usize {
    x.count() * x.dtype().size_bytes()
}

fn assert_same(a: &[(String, Tensor)], b: &[(String, Tensor)]) {
    assert_eq!(a.len(), b.len());
    for ((name, x), (other, y)) in a.iter().zip(b) {
        assert_eq!((name, x.spec()), (other, y.spec()));
        assert_eq!(bits(x), bits(y), "{name}");
    }
}

/// The elements as numbers that are equal only where they are: a NaN is not equal to itself.
fn bits(x: &Tensor) -> Vec<u64> {
    match x.dtype() {
        DType::F32 => x.to_vec::<f32>().into_iter().map(|x| x.to_bits() as u64).collect(),
        DType::F64 => x.to_vec::<f64>().into_iter().map(f64::to_bits).collect(),
        dtype if dtype.is_half() => bits(&x.to_dtype(DType::F32)),
        _ => x.to_dtype(DType::I64).to_vec::<i64>().into_iter().map(|x| x as u64).collect(),
    }
}
