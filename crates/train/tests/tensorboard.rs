//! Files of events, read by a decoder that shares nothing with what wrote them.

use gradus_data::image::{Colour, Image, decode_png};
use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
use gradus_models::{ResNet9, ResNet9Options, UNet, UNetOptions};
use gradus_nn::losses::mse_loss;
use gradus_nn::{Flatten, Layer, Linear, Module, Relu, Sequential, Sgd, SgdOptions, summary};
use gradus_tensor::op::Spec;
use gradus_tensor::{Rng, Tensor};
use gradus_train::{EventWriter, Histogram, Journal, TensorBoard, TensorBoardOptions, Trainer};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// CRC-32C bit by bit, by long division of polynomials.
fn checksum(bytes: &[u8]) -> u32 {
    let mut remainder = u32::MAX;
    for byte in bytes {
        remainder ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = remainder & 1;
            remainder = (remainder >> 1) ^ (carry * 0x82f63b78);
        }
    }
    remainder ^ u32::MAX
}

fn masked(bytes: &[u8]) -> u32 {
    checksum(bytes).rotate_right(15).wrapping_add(0xa282ead8)
}

fn four(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().unwrap())
}

fn eight(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

/// The records of a file, whose checksums must be right.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = vec![];
    while !bytes.is_empty() {
        let len = eight(bytes) as usize;
        assert_eq!(four(&bytes[8..]), masked(&bytes[..8]), "the checksum of a length");
        let data = &bytes[12..12 + len];
        assert_eq!(four(&bytes[12 + len..]), masked(data), "the checksum of a record");
        records.push(data.to_vec());
        bytes = &bytes[16 + len..];
    }
    records
}

/// The value of a field of a message.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Integer(u64),
    Double(f64),
    Float(f32),
    Bytes(Vec<u8>),
}

impl Field {
    fn fields(&self) -> Fields {
        let Field::Bytes(bytes) = self else { panic!("{self:?} is no message") };
        Fields::of(bytes)
    }

    fn text(&self) -> String {
        let Field::Bytes(bytes) = self else { panic!("{self:?} is no text") };
        String::from_utf8(bytes.clone()).unwrap()
    }

    fn doubles(&self) -> Vec<f64> {
        let Field::Bytes(bytes) = self else { panic!("{self:?} is no list") };
        bytes.chunks(8).map(|bytes| f64::from_bits(eight(bytes))).collect()
    }
}

/// A message.
#[derive(Clone, Debug)]
struct Fields(Vec<(u64, Field)>);

impl Fields {
    fn of(mut bytes: &[u8]) -> Self {
        let mut fields = vec![];
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let mut take = |count: usize| {
                let (taken, rest) = bytes.split_at(count);
                bytes = rest;
                taken
            };
            let field = match key % 8 {
                1 => Field::Double(f64::from_bits(eight(take(8)))),
                5 => Field::Float(f32::from_bits(four(take(4)))),
                0 => Field::Integer(varint(&mut bytes)),
                2 => {
                    let len = varint(&mut bytes) as usize;
                    let (taken, rest) = bytes.split_at(len);
                    bytes = rest;
                    Field::Bytes(taken.to_vec())
                }
                kind => panic!("a field of kind {kind}"),
            };
            fields.push((key / 8, field));
        }
        Self(fields)
    }

    /// All values of a number.
    fn all(&self, number: u64) -> Vec<&Field> {
        self.0.iter().filter(|(own, _)| *own == number).map(|(_, field)| field).collect()
    }

    /// The value of a number that must be there once.
    fn one(&self, number: u64) -> &Field {
        let [field] = self.all(number)[..] else { panic!("field {number} in {self:?}") };
        field
    }

    /// The message under a path of numbers.
    fn at(&self, path: &[u64]) -> Fields {
        path.iter().fold(self.clone(), |fields, &number| fields.one(number).fields())
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value += u64::from(byte % 128) << shift;
        if byte < 128 {
            return value;
        }
        shift += 7;
    }
}

/// The events in the files of a folder, in the order of their names.
fn events(folder: &Path) -> Vec<Fields> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(paths.iter().all(|path| path.to_str().unwrap().contains("tfevents")));
    let records = paths.iter().flat_map(|path| records(&fs::read(path).unwrap()));
    records.map(|record| Fields::of(&record)).collect()
}

/// What a writer wrote, after the event that every file begins with.
fn written(write: impl FnOnce(&mut EventWriter)) -> Vec<Fields> {
    let folder = TempDir::new().unwrap();
    let mut writer = EventWriter::create(folder.path().join("new")).unwrap();
    write(&mut writer);
    writer.flush().unwrap();
    let events = events(&folder.path().join("new"));
    assert_eq!(events[0].one(3).text(), "brain.Event:2");
    for event in &events {
        let Field::Double(time) = event.one(1) else { panic!("{event:?} has no time") };
        assert!((1.6e9..1e11).contains(time), "{time} s since 1970");
    }
    events[1..].to_vec()
}

#[test]
fn a_figure_is_a_name_a_step_and_32_bits() {
    let events = written(|writer| {
        writer.scalar("loss/train", 0, 0.5).unwrap();
        writer.scalar("loss/train", 1 << 40, f64::NAN).unwrap();
    });
    assert_eq!(events.len(), 2);
    assert_eq!(*events[1].one(2), Field::Integer(1 << 40));
    let value = events[0].at(&[5, 1]);
    assert_eq!(value.one(1).text(), "loss/train");
    assert_eq!(*value.one(2), Field::Float(0.5));
    assert!(matches!(events[1].at(&[5, 1]).one(2), Field::Float(x) if x.is_nan()));
}

#[test]
fn a_histogram_has_ends_and_counts() {
    let x = Tensor::from([1.0f32, 2.0, 2.0, 5.0]);
    let events = written(|writer| writer.histogram("w", 3, &Histogram::of(&x)).unwrap());
    let histogram = events[0].at(&[5, 1, 5]);
    let numbers = [1.0, 5.0, 4.0, 10.0, 34.0];
    for (field, number) in (1..).zip(numbers) {
        assert_eq!(*histogram.one(field), Field::Double(number), "field {field}");
    }
    let (ends, counts) = (histogram.one(6).doubles(), histogram.one(7).doubles());
    assert_eq!((ends.len(), counts.len()), (40, 40));
    assert_eq!((counts[0], counts[10], counts[39], ends[39]), (1.0, 2.0, 1.0, 5.0));
}

#[test]
fn a_picture_is_a_png_with_its_size() {
    let picture = Image::new(2, 1, Colour::Rgb, vec![255, 0, 0, 0, 0, 255]).unwrap();
    let events = written(|writer| writer.image("input", 1, &picture).unwrap());
    let value = events[0].at(&[5, 1, 4]);
    let sizes = [1, 2, 3].map(|field| value.one(field).clone());
    assert_eq!(sizes, [1, 2, 3].map(Field::Integer));
    let Field::Bytes(png) = value.one(4) else { panic!("no bytes") };
    assert_eq!(decode_png(png).unwrap(), picture);
}

#[test]
fn a_text_is_a_tensor_for_the_plugin_of_texts() {
    let events = written(|writer| writer.text("notes", 0, "**数字** one").unwrap());
    let value = events[0].at(&[5, 1]);
    assert_eq!(value.at(&[8]).one(8).text(), "**数字** one");
    assert_eq!(*value.at(&[8]).one(1), Field::Integer(7));
    assert_eq!(*value.at(&[8, 2, 2]).one(1), Field::Integer(1));
    assert_eq!(value.at(&[9, 1]).one(1).text(), "text");
    assert_eq!(*value.at(&[9]).one(4), Field::Integer(2));
}

/// A node of a graph that was read back: its op, what it takes, and the shape that it gives.
#[derive(Clone, Debug, PartialEq)]
struct GraphNode {
    op: String,
    sources: Vec<String>,
    shape: Vec<u64>,
}

/// The nodes of the graph of a model, by name, in the order of the file.
fn graph_of(model: &dyn Layer, input: impl Into<Spec>) -> Vec<(String, GraphNode)> {
    let events = written(|writer| writer.graph(&summary(model, input)).unwrap());
    let node = |node: &Field| {
        let node = node.fields();
        let attributes = node.all(5).into_iter().map(Field::fields);
        let mut shapes = attributes.filter(|entry| entry.one(1).text() == "_output_shapes");
        let shape = shapes.next().unwrap().at(&[2, 1, 7]);
        let len = |dim: &Field| match dim.fields().one(1) {
            Field::Integer(len) => *len,
            field => panic!("{field:?} is no length"),
        };
        let own = GraphNode {
            op: node.one(2).text(),
            sources: node.all(3).into_iter().map(Field::text).collect(),
            shape: shape.all(2).into_iter().map(len).collect(),
        };
        (node.one(1).text(), own)
    };
    events[0].one(4).fields().all(1).into_iter().map(node).collect()
}

#[test]
fn a_graph_has_the_input_the_parameters_and_the_ops_with_shapes() {
    let mut rng = Rng::new(1);
    let layers = Sequential::new().then(Linear::new(3, 5, &mut rng)).then(Relu);
    let graph = graph_of(&layers, [7, 3]);
    let node = |op: &str, sources: &[&str], shape: &[u64]| GraphNode {
        op: op.into(),
        sources: sources.iter().map(|name| name.to_string()).collect(),
        shape: shape.to_vec(),
    };
    let wanted = [
        ("input", node("Placeholder", &[], &[7, 3])),
        ("0/weight", node("Variable", &[], &[5, 3])),
        ("0/bias", node("Variable", &[], &[5])),
        ("0/linear_1", node("linear", &["input", "0/weight", "0/bias"], &[7, 5])),
        ("relu_2", node("relu", &["0/linear_1"], &[7, 5])),
    ];
    assert_eq!(graph, wanted.map(|(name, node)| (name.to_string(), node)));
}

/// Checks that every edge comes from a node before, and gives the nodes by name.
fn checked(graph: Vec<(String, GraphNode)>) -> HashMap<String, GraphNode> {
    let mut seen = HashMap::new();
    for (name, node) in graph {
        for source in &node.sources {
            assert!(seen.contains_key(source), "{name} takes {source}, which is not before it");
        }
        assert!(seen.insert(name.clone(), node).is_none(), "{name} twice");
    }
    seen
}

#[test]
fn branches_of_a_graph_come_together_where_the_model_adds_and_joins() {
    let mut rng = Rng::new(1);
    let options = ResNet9Options { width: 4, ..Default::default() };
    let graph = graph_of(&ResNet9::new(options, &mut rng).unwrap(), [2, 3, 32, 32]);
    let (last, _) = graph.last().cloned().unwrap();
    let nodes = checked(graph);
    // What a residual block adds is what it was given and what it made of that.
    let adds: Vec<&GraphNode> =
        nodes.values().filter(|node| node.op == "add" && node.shape.len() == 4).collect();
    assert_eq!(adds.len(), 2, "{nodes:?}");
    for add in adds {
        let [given, made] = &add.sources[..] else { panic!("{add:?}") };
        assert!(made != given && nodes[given].shape == nodes[made].shape, "{add:?}");
    }
    // Modules are boxes, and all leads from the input to the end.
    assert!(nodes.keys().any(|name| name.starts_with("layer1/4/")), "{:?}", nodes.keys());
    assert_eq!(nodes["linear/weight"].shape, [10, 32]);
    let mut waiting = vec![last];
    let mut reached = HashSet::new();
    while let Some(name) = waiting.pop() {
        if reached.insert(name.clone()) {
            waiting.extend(nodes[&name].sources.iter().cloned());
        }
    }
    assert_eq!(reached.len(), nodes.len(), "nothing is left over");

    let options = UNetOptions { channels: 1, classes: 2, width: 4, depth: 2 };
    let nodes = checked(graph_of(&UNet::new(options, &mut rng).unwrap(), [1, 1, 16, 16]));
    let joined = nodes.values().filter(|node| node.op == "cat" && node.shape.len() == 4);
    assert!(joined.filter(|node| node.sources.len() == 2).count() == 2, "{nodes:?}");
}

#[test]
fn settings_keep_their_types() {
    let settings = json!({ "rate": 0.5, "name": "a", "on": true, "none": null, "list": [1, 2] });
    let events = written(|writer| writer.settings(settings.as_object().unwrap()).unwrap());
    let start = events[0].at(&[5, 1]);
    assert_eq!(start.one(1).text(), "_hparams_/session_start_info");
    assert_eq!(start.at(&[9, 1]).one(1).text(), "hparams");
    let entries = start.at(&[9, 1, 2, 3]);
    let entries: Vec<Fields> = entries.all(1).into_iter().map(Field::fields).collect();
    let value = |name: &str| {
        let entry = entries.iter().find(|entry| entry.one(1).text() == name).unwrap();
        entry.at(&[2]).0[0].clone()
    };
    assert_eq!(value("rate"), (2, Field::Double(0.5)));
    assert_eq!(value("name"), (3, Field::Bytes(b"a".to_vec())));
    assert_eq!(value("on"), (4, Field::Integer(1)));
    assert_eq!(value("none"), (3, Field::Bytes(b"null".to_vec())));
    assert_eq!(value("list"), (3, Field::Bytes(b"[1,2]".to_vec())));
    assert_eq!(events[1].at(&[5, 1]).one(1).text(), "_hparams_/session_end_info");
}

#[test]
fn a_training_that_goes_on_has_a_later_file() {
    let folder = TempDir::new().unwrap();
    let mut first = EventWriter::create(folder.path()).unwrap();
    first.scalar("loss", 0, 3.0).unwrap();
    first.flush().unwrap();
    let mut second = EventWriter::create(folder.path()).unwrap();
    assert!(first.path() < second.path());
    second.restart(5).unwrap();
    second.flush().unwrap();
    let events = events(folder.path());
    assert_eq!(*events[3].one(2), Field::Integer(5));
    assert_eq!(*events[3].at(&[7]).one(1), Field::Integer(1));
}

/// A training of two epochs of four steps, on pictures; then of two more, resumed from the first.
fn trained(folder: &Path) {
    let mut rng = Rng::new(1);
    let pictures = Tensor::rand([16, 1, 4, 4], &mut rng);
    let set = TensorDataset::new(pictures, Tensor::rand([16, 2], &mut rng));
    let loader = DataLoader::new(set, LoaderOptions { batch_size: 4, ..Default::default() });
    let model =
        || Sequential::new().then(Flatten).then(Linear::new(16, 2, &mut Rng::new(2))).then(Relu);
    let mut history = Default::default();
    for epochs in [2, 4] {
        let model = model();
        let optimizer = Sgd::new(model.params(), SgdOptions::default());
        let options = TensorBoardOptions { every_steps: 2, ..Default::default() };
        let board = TensorBoard::with(folder.join("tensorboard"), options).unwrap();
        let mut trainer = Trainer::new(model, mse_loss, optimizer)
            .callback(board)
            .callback(Journal::new(folder))
            .epochs(epochs);
        trainer.set_history(history);
        trainer.fit(&loader, &loader).unwrap();
        history = trainer.history().clone();
    }
}

/// The steps at which a name has values.
fn steps(events: &[Fields], name: &str) -> Vec<u64> {
    let with_name = events.iter().filter(|event| {
        let values = event.all(5).into_iter().map(|summary| summary.fields().at(&[1]));
        values.into_iter().any(|value| value.one(1).text() == name)
    });
    let step = |event: &Fields| match event.one(2) {
        Field::Integer(step) => *step,
        field => panic!("{field:?}"),
    };
    with_name.map(step).collect()
}

#[test]
fn a_training_writes_figures_histograms_pictures_and_its_graph() {
    let folder = TempDir::new().unwrap();
    trained(folder.path());
    let events = events(&folder.path().join("tensorboard"));
    assert_eq!(steps(&events, "loss/step"), [2, 4, 6, 8, 10, 12, 14, 16]);
    for name in ["loss/train", "loss/valid", "parameters/1.weight", "gradients/1.bias"] {
        assert_eq!(steps(&events, name), [4, 8, 12, 16], "{name}");
    }
    assert_eq!(steps(&events, "first batch"), [0]);
    assert_eq!(events.iter().filter(|event| !event.all(4).is_empty()).count(), 1, "one graph");
    let restarts: Vec<_> = events.iter().filter(|event| !event.all(7).is_empty()).collect();
    assert_eq!(restarts.len(), 1);
    assert_eq!(*restarts[0].one(2), Field::Integer(9));
    let none = TensorBoardOptions { every_steps: 0, ..Default::default() };
    assert!(TensorBoard::with("nowhere", none).unwrap_err().to_string().contains("every_steps"));
}

#[test]
fn a_journal_tells_of_steps_and_events() {
    let folder = TempDir::new().unwrap();
    trained(folder.path());
    let lines = |name: &str| -> Vec<serde_json::Value> {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let steps = lines("steps.jsonl");
    // Each epoch takes less than a second: a line at the end of each.
    let numbers: Vec<u64> = steps.iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [4, 8, 12, 16]);
    assert_eq!(steps[1]["epoch"], 2.0);
    for name in ["time", "loss", "mean_loss", "learning_rate", "samples_per_s"] {
        assert!(steps.iter().all(|line| line[name].as_f64().unwrap() > 0.0), "{name}");
    }
    let kinds: Vec<String> = lines("events.jsonl")
        .iter()
        .map(|event| event["kind"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(
        kinds,
        ["started", "best", "best", "finished", "resumed", "epoch", "epoch", "finished"],
        "the second training goes on with new weights: it is never the best"
    );
}
