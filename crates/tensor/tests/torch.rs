//! Files that PyTorch wrote, hostile pickles, and the one function for all files of weights.

use gradus_tensor::io::npz::{self, Compression};
use gradus_tensor::io::safetensors::{self, Contents};
use gradus_tensor::io::torch::{self, Value};
use gradus_tensor::io::{load_weights, npy};
use gradus_tensor::{DType, Tensor};
use std::io::{Cursor, Write};
use std::path::PathBuf;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read(name: &str) -> Value {
    torch::read(fixture(name)).unwrap()
}

/// All elements as `f64`, in row-major order.
fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).to_vec()
}

/// Compares all tensors of a tree with those of the reference under a prefix.
#[track_caller]
fn assert_tensors(tree: &Value, prefix: &str) {
    let reference = safetensors::read(fixture("torch.safetensors")).unwrap();
    let (tensors, others) = (tree.tensors().unwrap(), tree.others());
    assert!(others.is_empty(), "{others:?}");
    let expected = reference.tensors.iter().filter(|(name, _)| name.starts_with(prefix));
    assert_eq!(tensors.len(), expected.count());
    assert!(!tensors.is_empty());
    for (name, x) in tensors {
        let y = reference.tensor(&format!("{prefix}.{name}")).unwrap();
        assert_eq!((x.dtype(), x.shape()), (y.dtype(), y.shape()), "{name}");
        assert_eq!(numbers(&x), numbers(y), "{name}");
    }
}

#[test]
fn every_type_of_number_is_read() {
    for name in ["dtypes.pt", "old_dtypes.pt"] {
        let tree = read(name);
        assert_tensors(&tree, "dtypes");
    }
}

#[test]
fn every_layout_is_read_from_every_protocol() {
    for name in ["layouts", "layouts_3", "layouts_4", "layouts_5", "old_layouts", "old_layouts_4"] {
        assert_tensors(&read(&format!("{name}.pt")), "layouts");
    }
}

#[test]
fn numbers_of_a_machine_with_the_highest_byte_first_are_read() {
    assert_tensors(&read("big.pt"), "big");
}

#[test]
fn views_are_views_of_one_storage() {
    let tree = read("layouts.pt");
    let Some(Value::Tensor(transposed)) = tree.get("transposed") else {
        panic!("{tree:?}");
    };
    assert_eq!(transposed.layout().strides(), [1, 6]);
    let Some(Value::Tensor(repeated)) = tree.get("repeated") else {
        panic!("{tree:?}");
    };
    assert_eq!(repeated.layout().strides(), [1, 0]);
}

#[test]
fn a_tree_of_all_values_is_read() {
    let shown = format!("{:?}", read("tree.pt"));
    for part in [
        "(Text(\"none\"), None)",
        "List([Bool(true), Bool(false)])",
        "Tuple([Int(0), Int(255), Int(65535), Int(-1), Int(2147483648), \
         Int(-4611686018427387904), Int(9223372036854775807)])",
        "List([Float(0.1), Float(inf)])",
        "Text(\"größer\")",
        "List([Text(\"\"), List([]), Tuple([]), Dict([]), Tuple([])])",
        "(Text(\"size\"), Tuple([Int(2), Int(3)]))",
        "(Text(\"type\"), Name(\"bfloat16\"))",
        "List([Name(\"cpu\"), Name(\"cuda:1\")])",
        "(Int(7), Dict([(Tuple([Text(\"a\"), Int(1)]), None)]))",
        "(Text(\"ordered\"), Dict([(Text(\"b\"), Int(1)), (Text(\"a\"), Dict([]))]))",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let (tensors, others) = (read("tree.pt").tensors().unwrap(), read("tree.pt").others());
    assert_eq!(tensors.len(), 1);
    assert_eq!(tensors[0].0, "parameter");
    assert_eq!(numbers(&tensors[0].1), [0.0, 0.125, 0.25, 0.375, 0.5, 0.625]);
    for place in ["none", "truths.1", "integers.6", "devices.0", "ordered.a", "7.tuple"] {
        assert!(others.iter().any(|other| other == place), "{place} is not in {others:?}");
    }
    assert!(
        matches!(read("bytes.pt").get("bytes"), Some(Value::Bytes(bytes)) if **bytes == [0, 255])
    );
}

#[test]
fn what_tensors_cannot_hold_is_refused_with_the_cure() {
    for (name, what, cure) in [
        ("complex", "complex numbers", "save torch.view_as_real(x)"),
        ("float8", "type float8_e4m3fn", "save x.float()"),
        ("uint64", "type uint64", "save x.to(torch.int64)"),
        ("quantised", "quantised numbers", "save x.dequantize()"),
        ("sparse", "a sparse tensor", "save x.to_dense()"),
        ("negated", "sign is kept apart", "save x.resolve_neg()"),
        ("storage", "storage without a shape", "save tensors"),
        ("long", "more than 64 bits", "save it as text"),
        ("model", "asks to call torch.nn.modules.linear.Linear", "state_dict()"),
        ("script", "is a program of TorchScript", "state_dict()"),
    ] {
        let message = torch::read(fixture(&format!("{name}.pt"))).unwrap_err().to_string();
        assert!(message.contains(what) && message.contains(cure), "{name}: {message}");
        assert!(message.contains(&format!("{name}.pt: ")), "{message}");
    }
}

#[test]
fn files_that_would_run_code_in_python_are_refused_by_the_name_of_what_they_call() {
    for (name, call) in [
        ("evil_system", "posix.system"),
        ("evil_old", "posix.system"),
        ("evil_eval", "__builtin__.eval"),
        ("evil_exec", "builtins.exec"),
        ("evil_state", "__builtin__.getattr"),
        ("evil_load", "torch.serialization.load"),
    ] {
        for error in [
            torch::read(fixture(&format!("{name}.pt"))).unwrap_err(),
            load_weights(fixture(&format!("{name}.pt"))).unwrap_err(),
        ] {
            let message = error.to_string();
            let wanted = format!("is refused, for it asks to call {call}");
            assert!(message.contains(&wanted), "{name}: {message}");
        }
    }
}

/// A file of PyTorch's with this pickle and one storage, "0", of four floats.
fn file_of(pickle: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let storage: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].into_iter().flat_map(f32::to_le_bytes).collect();
    for (name, bytes) in [("data.pkl", pickle), ("byteorder", b"little"), ("data/0", &storage)] {
        zip.start_file(format!("archive/{name}"), SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// What is said of a pickle.
#[track_caller]
fn complaint(pickle: &[u8]) -> String {
    torch::from_bytes(&file_of(pickle)).unwrap_err().to_string()
}

/// The instructions that put a tensor of a shape, strides and an offset on the stack.
fn tensor(lens: &[u32], strides: &[u32], offset: u32) -> Vec<u8> {
    let number = |number: u32| [&b"J"[..], &number.to_le_bytes()].concat();
    let tuple = |sizes: &[u32]| {
        let parts: Vec<u8> = sizes.iter().flat_map(|&size| number(size)).collect();
        [b"(", &parts[..], b"t"].concat()
    };
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x04tQ",
        &number(offset)[..],
        &tuple(lens),
        &tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtR",
    ]
    .concat()
}

#[test]
fn pickles_with_tricks_are_refused() {
    let ordered = b"ccollections\nOrderedDict\n)R";
    let some_tensor = tensor(&[2], &[1], 0);
    for (program, wanted) in [
        (&b"cos\nsystem\n(U\x04echotR."[..], "asks to call os.system"),
        // The name comes out of the memo, in two parts, after they were thrown away.
        (b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94000h\x01h\x00\x93)R.", "not there"),
        (b"\x80\x04\x8c\x06system\x94\x8c\x02os\x9400h\x01h\x00\x93)R.", "asks to call os.system"),
        // A name with dots, by which Python goes through what it has imported.
        (b"\x80\x04\x8c\x05torch\x8c\tos.system\x93)R.", "asks to call torch.os.system"),
        (b"ctorch.serialization\nos.system\n)R.", "torch.serialization.os.system"),
        (b"ccollections\nOrderedDict.__init__\n)R.", "collections.OrderedDict.__init__"),
        (b"\x80\x04K\x01K\x02\x93)R.", "call what has no name"),
        (b"\x82\x01)R.", "registry of extensions"),
        (b"\x83\x01\x00)R.", "registry of extensions"),
        (b"\x84\x01\x00\x00\x00)R.", "registry of extensions"),
        (b"(U\x04echoios\nsystem\n.", "asks to make os.system"),
        (b"(ccollections\nOrderedDict\no.", "asks to make an object"),
        (b"ccollections\nOrderedDict\n)\x81.", "asks to make an object"),
        (b"ccollections\nOrderedDict\n)}\x92.", "asks to make an object"),
        (b"U\x01x)R.", "call what is no function"),
        (b"ctorch\nFloatStorage\n)R.", "arguments that it does not take"),
        (b"ccollections\nOrderedDict\nK\x01R.", "arguments that are no tuple"),
        (b"Punknown\n.", "no storage of numbers"),
        (b"(U\x06modulecos\nsystem\nU\x00tQ.", "asks to call os.system"),
        (b"(U\x06moduleU\x01xU\x00tQ.", "no storage of numbers"),
        (b"\x97.", "outside of its pickle"),
        (b"\x8f.", "holds a set"),
        (&[ordered, &b"}U\x05itemsK\x01sb."[..]].concat(), "set collections.OrderedDict.items"),
        (&[ordered, &b"}K\x01K\x01sb."[..]].concat(), "set the state of collections.OrderedDict"),
        (&[ordered, &b"NU\x01x\x86b."[..]].concat(), "set the state of collections.OrderedDict"),
        (&[&some_tensor[..], b"}b."].concat(), "set the state of an object"),
        (b"}}b.", "set the state of an object"),
        (b"ccollections\nOrderedDict\n}b.", "set the state of an object"),
        (b"\x80\x06N.", "protocol 6"),
        (b"S'x'\n.", "protocol 0"),
        (b"\xff.", "unknown instruction 0xff"),
    ] {
        let message = complaint(program);
        assert!(message.contains(wanted), "{:?}: {message}", String::from_utf8_lossy(program));
    }
    // The same pickles without the trick are fine.
    assert!(torch::from_bytes(&file_of(&[ordered, &b"}U\x09_metadata}sb."[..]].concat())).is_ok());
    assert!(torch::from_bytes(&file_of(&[&some_tensor[..], b"."].concat())).is_ok());
}

#[test]
fn hooks_of_tensors_are_refused() {
    let plain = tensor(&[2], &[1], 0);
    let hooked = [&plain[..plain.len() - 2], b"U\x01xK\x01stR."].concat();
    assert!(complaint(&hooked).contains("asks to attach hooks"), "{}", complaint(&hooked));
}

#[test]
fn tensors_that_lie_outside_of_their_storage_are_refused() {
    let of = |lens: &[u32], strides: &[u32], offset| {
        torch::from_bytes(&file_of(&[&tensor(lens, strides, offset)[..], b"."].concat()))
    };
    let Value::Tensor(x) = of(&[2, 2], &[1, 2], 0).unwrap() else {
        panic!("no tensor");
    };
    assert_eq!(x.to_vec::<f32>(), [1.0, 3.0, 2.0, 4.0]);
    // The stride of an axis of length 1 means nothing, nor do those of an empty tensor.
    assert!(of(&[1, 4], &[1 << 30, 1], 0).is_ok());
    assert!(of(&[0, 4], &[1 << 30, 1], 9).is_ok());
    assert!(of(&[], &[], 3).is_ok());
    for (lens, strides, offset) in [
        (&[5][..], &[1][..], 0),
        (&[2, 2], &[2, 2], 0),
        (&[4], &[1], 1),
        (&[2], &[1 << 30], 0),
        (&[], &[], 4),
    ] {
        let message = of(lens, strides, offset).unwrap_err().to_string();
        assert!(message.contains("lies outside of storage 0"), "{message}");
    }
    assert!(of(&[2, 2], &[1], 0).is_err());
    assert!(of(&[1 << 31], &[0], 0).is_err(), "a negative length");
    let message = of(&[1 << 30], &[0], 0).unwrap_err().to_string();
    assert!(message.contains("repeats its numbers"), "{message}");
    let message = of(&[1 << 30; 8], &[0; 8], 0).unwrap_err().to_string();
    assert!(message.contains("more than any machine can hold"), "{message}");
    let message = of(&[1; 9], &[0; 9], 0).unwrap_err().to_string();
    assert!(message.contains("a size that none can have"), "{message}");
}

#[test]
fn pickles_that_would_take_all_memory_are_refused() {
    // A list that holds itself.
    assert!(complaint(b"]q\x00h\x00a.").contains("nests values more than 64 deep"));
    // Four lists, each of which holds the one before a hundred times.
    let mut program = b"]q\x00".to_vec();
    for number in 0..4 {
        program.push(b'(');
        program.extend([b'h', number].repeat(100));
        program.extend([b'l', b'q', number + 1]);
    }
    assert!(complaint(&[&program[..], b"."].concat()).contains("shares values until"));
    // A text and a storage that say that they are longer than memory.
    assert!(complaint(b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.").contains("is damaged"));
    let long =
        b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu\
                 J\xff\xff\xff\x7ftQK\x00)))NtR.";
    assert!(complaint(long).contains("has 16 bytes, and its numbers take 8589934588"));
    // A list under a key of a megabyte, which is part of the name of each of its values.
    let key = [b"}X", &(1u32 << 20).to_le_bytes()[..], &vec![b'x'; 1 << 20]].concat();
    let program = [&key[..], b"(", &[b'N'; 300], b"ls."].concat();
    assert!(complaint(&program).contains("has keys so long"), "{}", complaint(&program));
    // So many values that they alone would fill it.
    assert!(complaint(&vec![b'N'; (1 << 22) + 1]).contains("makes more than"));
}

#[test]
fn cut_files_are_refused() {
    for name in ["checkpoint.pt", "old_state.pt"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for end in (0..bytes.len()).step_by(7) {
            assert!(torch::from_bytes(&bytes[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn the_state_dict_of_a_training_is_found_and_the_rest_is_told() {
    let plain = load_weights(fixture("state.pt")).unwrap();
    let old = load_weights(fixture("old_state.pt")).unwrap();
    let training = load_weights(fixture("checkpoint.pt")).unwrap();
    assert_eq!((plain.part, old.part), (None, None));
    assert!(plain.left_out.is_empty() && old.left_out.is_empty());
    assert_eq!(training.part.as_deref(), Some("state_dict"));
    assert_eq!(training.left_out, ["epoch", "optimizer"]);
    let reference = safetensors::read(fixture("torch.safetensors")).unwrap();
    for weights in [&plain.tensors, &old.tensors, &training.tensors] {
        assert_eq!(weights.len(), 7);
        for (name, x) in weights {
            let y = reference.tensor(&format!("state.{name}")).unwrap();
            assert_eq!((x.spec(), numbers(x)), (y.spec(), numbers(y)), "{name}");
        }
    }
    let tree = read("checkpoint.pt");
    let (all, others) = (tree.tensors().unwrap(), tree.others());
    assert!(all.iter().any(|(name, _)| name == "optimizer.state.0.exp_avg"), "{all:?}");
    assert!(others.iter().any(|name| name == "optimizer.param_groups.0.betas.1"), "{others:?}");
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let x = tensor(&[2], &[1], 0);
    let program = [b"}(U\x03a.b", &x[..], b"U\x01a}U\x01b", &x, b"su."].concat();
    let value = torch::from_bytes(&file_of(&program)).unwrap();
    let message = value.tensors().unwrap_err().to_string();
    assert!(message.contains("under the name a.b"), "{message}");
}

#[test]
fn weights_come_from_any_file_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    // The name says nothing.
    let path = folder.path().join("weights.pt");
    let tensors = load_weights(fixture("state.pt")).unwrap().tensors;
    let same = |read: Vec<(String, Tensor)>| {
        assert_eq!(read.len(), tensors.len());
        for ((name, x), (other, y)) in tensors.iter().zip(&read) {
            assert_eq!((name, x.spec(), numbers(x)), (other, y.spec(), numbers(y)));
        }
    };
    let contents = Contents { tensors: tensors.clone(), metadata: vec![] };
    safetensors::write(&path, &contents).unwrap();
    same(load_weights(&path).unwrap().tensors);
    npz::write(&path, &tensors, Compression::Deflate).unwrap();
    same(load_weights(&path).unwrap().tensors);
    npy::write(&path, &tensors[0].1).unwrap();
    assert!(load_weights(&path).unwrap_err().to_string().contains("one array without a name"));
    for bytes in [&b""[..], b"no weights at all", b"PK\x03\x04", b"\x80\x02"] {
        std::fs::write(&path, bytes).unwrap();
        let message = load_weights(&path).unwrap_err().to_string();
        assert!(message.contains("weights.pt"), "{message}");
    }
    std::fs::write(&path, file_of(b"}.")).unwrap();
    assert!(load_weights(&path).unwrap_err().to_string().contains("holds no tensors"));
}
