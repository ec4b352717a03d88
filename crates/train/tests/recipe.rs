//! Recipes: read, checked, made, and what complaints say.

use gradus_nn::{Layer, Optimizer};
use gradus_tensor::Rng;
use gradus_tensor::op::Spec;
use gradus_train::recipe::entry::{Entry, Part, Product};
use gradus_train::recipe::lists::augment::Change;
use gradus_train::recipe::lists::layers::LayerSite;
use gradus_train::recipe::lists::lists;
use gradus_train::recipe::{Draft, Recipe, reference, schema};
use serde_json::Value as Json;
use std::collections::HashSet;

const DIGITS: &str = include_str!("../../../recipes/digits.toml");

fn digits() -> Recipe {
    Draft::parse("digits.toml", DIGITS).unwrap().check().unwrap()
}

#[test]
fn a_resolved_recipe_is_the_same_recipe() {
    let recipe = digits();
    let text = recipe.to_toml();
    let again = Draft::parse("again.toml", &text).unwrap().check().unwrap();
    assert_eq!(recipe.to_json(), again.to_json(), "{text}");
    assert_eq!(again.to_toml(), text);
    assert_eq!(recipe.run().epochs, 12);
}

#[test]
fn a_recipe_makes_the_network_that_it_lists() {
    let recipe = digits();
    let data = recipe.data().unwrap();
    let model = recipe.model(&data).unwrap();
    let names: Vec<String> = model.named_params().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[..2], ["conv1.weight", "conv1.bias"]);
    assert_eq!(names.last().unwrap(), "fc2.bias");
    assert_eq!(model.param_count(), 421_642);
}

#[test]
fn kinds_and_settings_have_one_meaning_each() {
    for list in lists() {
        let mut kinds = HashSet::new();
        for outline in &list.outlines {
            assert!(kinds.insert(outline.kind), "two {} are called {}", list.name, outline.kind);
            assert!(outline.doc.ends_with('.'), "{}: {}", outline.kind, outline.doc);
            let mut names = HashSet::from(["kind"]);
            for field in outline.fields.iter().chain(&list.common) {
                assert!(names.insert(field.name), "{} has two {}", outline.kind, field.name);
                assert!(field.doc.ends_with('.'), "{}.{}: {}", outline.kind, field.name, field.doc);
            }
        }
    }
}

/// A recipe around a few lines.
fn with(model: &str, rest: &str) -> Result<Recipe, String> {
    let text = format!("model.layers = [{model}]\ndata.kind = \"digits\"\n{rest}");
    Draft::parse("a.toml", &text).and_then(Draft::check).map_err(|error| error.to_string())
}

/// The layers that a list has, made with few settings.
#[test]
fn every_layer_can_be_made_and_run() {
    let given = |kind: &str| match kind {
        "embedding" => "out = 3, count = 5",
        "unflatten" => "shape = [2, 4]",
        "channel_shuffle" | "group_norm" => "groups = 2",
        "unfold" => "kernel = 2",
        "repeat" => "times = 2, layers = [\"relu\"]",
        "residual" | "sequential" => "layers = [\"relu\"]",
        "branches" => "branches = [[\"relu\"], [\"tanh\"]]",
        "rnn" | "lstm" | "gru" | "swiglu" => "hidden = 4",
        kind if kind.contains("conv") => "out = 8, kernel = 1",
        _ => "",
    };
    for Entry { outline, .. } in Box::<dyn Layer>::entries() {
        let kind = outline.kind;
        let line = format!("{{ kind = \"{kind}\", {} }}", given(kind)).replace(", }", " }");
        let recipe = with(&line, "").unwrap_or_else(|error| panic!("{error}"));
        let json = recipe.to_json();
        assert_eq!(json["model"]["layers"][0]["kind"], kind);
        let part = layers_of(&recipe).remove(0);
        // Some input suits each layer.
        let inputs: [Spec; 6] = [
            [2, 8].into(),
            [2, 8, 8].into(),
            [2, 8, 8, 8].into(),
            [2, 8, 8, 8, 8].into(),
            ([2, 8], gradus_tensor::DType::I64).into(),
            [2, 4, 8, 8].into(),
        ];
        let attempts = inputs.map(|input| {
            let mut site =
                LayerSite { input, outputs: Some(4), vocabulary: None, rng: Rng::new(1) };
            gradus_train::recipe::lists::blocks::chain(&vec![part.clone()], &mut site).is_ok()
        });
        assert!(attempts.contains(&true), "{kind} takes nothing");
    }
}

fn layers_of(recipe: &Recipe) -> Vec<Part<Box<dyn Layer>>> {
    recipe.layers()
}

#[test]
fn every_augmentation_can_be_made() {
    for Entry { outline, .. } in Change::entries() {
        let kind = outline.kind;
        let part = match kind {
            "one_of" | "sometimes" => {
                format!("{{ kind = \"{kind}\", changes = [\"vertical_flip\"] }}")
            }
            _ => format!("\"{kind}\""),
        };
        let recipe = with("\"flatten\", \"linear\"", &format!("augment = [{part}]")).unwrap();
        recipe.data().unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn pictures_that_are_changed_and_mixed_are_learnt_from() {
    let augment =
        "data.split.valid = 0.99\naugment = [\"horizontal_flip\", \"cutout\", \"mix_up\"]";
    let recipe = with("\"flatten\", \"linear\"", &format!("{augment}\nrun.epochs = 3")).unwrap();
    let data = recipe.data().unwrap();
    let mut job = recipe.job(&data, recipe.model(&data).unwrap()).unwrap();
    job.trainer.fit(&job.train, None).unwrap();
    let losses: Vec<f64> = job
        .trainer
        .history()
        .epochs()
        .iter()
        .map(|epoch| epoch.get("train_loss").unwrap())
        .collect();
    assert!(losses[2] < losses[0], "{losses:?}");
}

#[test]
fn every_optimizer_trains_with_its_defaults() {
    for Entry { outline, .. } in Box::<dyn Optimizer>::entries() {
        let kind = outline.kind;
        // Muon is for matrices alone.
        let (layer, batches) = match kind {
            "muon" => ("\"flatten\", { kind = \"linear\", bias = false }", 1),
            _ => ("\"flatten\", \"linear\"", 1),
        };
        let recipe = with(layer, &format!("optimizer = \"{kind}\"")).unwrap();
        let data = recipe.data().unwrap();
        let mut job = recipe.job(&data, recipe.model(&data).unwrap()).unwrap();
        let before = job.trainer.model().state_dict();
        let batch = job.train.epoch(0).take(batches).next().unwrap().unwrap();
        let loss = gradus_nn::losses::cross_entropy(
            &job.trainer.model().forward(batch.input()),
            batch.target(),
        );
        job.trainer.optimizer().step(&loss.backward());
        let after = job.trainer.model().state_dict();
        let moved = before
            .iter()
            .zip(&after)
            .all(|((_, a), (_, b))| a.to_vec::<f32>() != b.to_vec::<f32>());
        assert!(moved, "{kind} moves nothing");
    }
}

#[test]
fn the_schema_takes_the_built_in_recipes_and_refuses_others() {
    let schema = schema();
    let json = digits().to_json();
    assert_eq!(refusal(&schema, &schema, &json), None);
    for (path, value) in [
        ("/run/epochs", Json::from(0)),
        ("/run/epochs", Json::from("many")),
        ("/optimizer/kind", Json::from("adan")),
        ("/model/layers/0/out", Json::from(-3)),
    ] {
        let mut wrong = json.clone();
        *wrong.pointer_mut(path).unwrap() = value;
        assert!(refusal(&schema, &schema, &wrong).is_some(), "{path}");
    }
}

/// Why a value is not as a schema wants it; none if it is. It knows the words that ours use.
fn refusal(root: &Json, schema: &Json, value: &Json) -> Option<String> {
    let mut schema = schema;
    if let Some(reference) = schema["$ref"].as_str() {
        schema = root.pointer(&reference[1..]).expect("a definition");
    }
    let refused = |why: &str| Some(format!("{value}: {why}"));
    if let Some(forms) = schema["anyOf"].as_array() {
        let fits = forms.iter().any(|form| refusal(root, form, value).is_none());
        return if fits { None } else { refused("no form fits") };
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        return refused("no such choice");
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return refused("another constant");
    }
    let number = value.as_f64();
    let fits = match schema["type"].as_str() {
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => number.is_some(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !fits {
        return refused("another type");
    }
    if let Some(number) = number {
        let within = schema["minimum"].as_f64().is_none_or(|low| number >= low)
            && schema["maximum"].as_f64().is_none_or(|high| number <= high)
            && schema["exclusiveMinimum"].as_f64().is_none_or(|low| number > low)
            && schema["exclusiveMaximum"].as_f64().is_none_or(|high| number < high);
        if !within {
            return refused("beyond the limits");
        }
    }
    for (item, _) in value.as_array().into_iter().flatten().zip(0..) {
        if let Some(why) = schema.get("items").and_then(|items| refusal(root, items, item)) {
            return Some(why);
        }
    }
    let table = value.as_object()?;
    for name in schema["required"].as_array().into_iter().flatten() {
        if !table.contains_key(name.as_str().unwrap()) {
            return refused("something is missing");
        }
    }
    for (name, value) in table {
        match schema["properties"].get(name) {
            Some(property) => {
                if let Some(why) = refusal(root, property, value) {
                    return Some(why);
                }
            }
            None if schema["additionalProperties"] == false => return refused("unknown name"),
            None => {}
        }
    }
    None
}

/// What comes before the reference in `docs/recipes.md`.
const BEFORE: &str = "# Everything that a recipe can say\n\n";

#[test]
fn the_page_about_recipes_has_the_reference() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recipes.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (guide, _) = page.split_once(BEFORE).expect("the page has a reference");
    let wanted = format!("{guide}{BEFORE}{}", reference());
    if std::env::var_os("GRADUS_RENEW").is_some() {
        std::fs::write(path, &wanted).unwrap();
        return;
    }
    let message = "docs/recipes.md is out of date: run GRADUS_RENEW=1 cargo test -p gradus-train \
                   --test recipe";
    assert!(page == wanted, "{message}");
    // The recipe that the page shows is one.
    let example =
        guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let recipe = Draft::parse("page.toml", example).and_then(Draft::check).unwrap();
    let data = recipe.data().unwrap();
    recipe.job(&data, recipe.model(&data).unwrap()).unwrap();
    recipe.callbacks("").unwrap();
}

/// What is said about a recipe that cannot be: when it is read, or when its model is made.
fn complaint(text: &str) -> String {
    let made = Draft::parse("a.toml", text).and_then(Draft::check).and_then(|recipe| {
        let data = recipe.data()?;
        recipe.job(&data, recipe.model(&data)?)?;
        recipe.callbacks("").map(|_| ())
    });
    made.err().map_or("nothing is wrong".into(), |error| error.to_string())
}

/// Recipes that cannot be, each after the sentence that it gets; `<data>` and `<model>` stand for what
/// makes a recipe whole.
#[test]
fn complaints_say_where_and_what_and_the_cure() {
    for case in include_str!("complaints.txt").trim_end().split("\n\n") {
        let (sentence, text) = case.split_once('\n').unwrap();
        let text = text
            .replace("<data>", "data.kind = \"digits\"")
            .replace("<model>", "model.layers = [\"flatten\", \"linear\"]");
        assert_eq!(complaint(&text), sentence, "{text}");
    }
}

/// The value of an option that cannot be, and the sentence that it gets.
#[test]
fn complaints_about_options_name_them() {
    for case in include_str!("options.txt").lines() {
        let (option, sentence) = case.split_once(" => ").unwrap();
        let mut draft = Draft::parse("digits.toml", DIGITS).unwrap();
        let complaint = draft.set(option).and_then(|()| draft.check()).unwrap_err().to_string();
        assert_eq!(complaint, format!("--set {option}: {sentence}"));
    }
}

#[test]
fn options_change_any_value() {
    let mut draft = Draft::parse("digits.toml", DIGITS).unwrap();
    for option in [
        "optimizer.learning_rate=0.5",
        "model.layers.0.out=8",
        "model.layers.1=tanh",
        "model.layers.4.name=act",
        "run.clip_norm=1",
        "run.name=mine",
        "callbacks=[{kind = \"early_stopping\", patience = 3}]",
    ] {
        draft.set(option).unwrap();
    }
    let json = draft.check().unwrap().to_json();
    let at = |path: &str| json.pointer(path).unwrap().to_string();
    assert_eq!(at("/optimizer/learning_rate"), "0.5");
    assert_eq!(at("/model/layers/0/out"), "8");
    assert_eq!(at("/model/layers/1/kind"), "\"tanh\"");
    assert_eq!(at("/model/layers/4/kind"), "\"relu\"");
    assert_eq!(at("/run/clip_norm"), "1");
    assert_eq!(at("/run/name"), "\"mine\"");
    assert_eq!(at("/callbacks/0/patience"), "3");
}
