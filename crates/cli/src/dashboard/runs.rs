//! What the folders of runs say, as JSON for the page.
//!
//! A training may be writing to them: a line may be cut off, a file missing. What cannot be read is
//! told in words beside what can.

use gradus_tensor::{Error, Result};
use serde_json::{Map, Value, json};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The folder that the dashboard shows: one of many runs, or a single run.
#[derive(Clone, Debug)]
pub struct Runs {
    folder: PathBuf,
    single: bool,
}

/// The file that makes a folder that of a run.
const CONFIG: &str = "config.json";

/// Files larger than this are not read: no training writes them.
const MOST_BYTES: u64 = 256 << 20;

/// How many points of a curve are sent, at most.
const MOST_POINTS: usize = 2000;

/// How many of the last events are sent.
const MOST_EVENTS: usize = 500;

/// A run is taken for stopped when nothing was written for three epochs, and at least so long.
const PATIENCE: Duration = Duration::from_secs(60);

impl Runs {
    /// The runs in a folder.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn new(folder: PathBuf) -> Result<Self> {
        let found = fs::read_dir(&folder);
        found.map_err(|error| Error::io(&folder, error))?;
        let single = folder.join(CONFIG).is_file();
        Ok(Self { folder, single })
    }

    /// The folders of runs by their names, sorted as people count: `digits-2` before `digits-10`.
    fn folders(&self) -> Vec<(String, PathBuf)> {
        if self.single {
            let whole = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
            let name = whole.file_name().map_or("run".into(), |name| name.to_string_lossy().into());
            return vec![(name, self.folder.clone())];
        }
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let runs = entries.filter(|entry| entry.path().join(CONFIG).is_file());
        // A name that is no text has no address on the page.
        let mut runs: Vec<_> = runs
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
            .collect();
        runs.sort_by_key(|(name, _)| {
            let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
            (stem.to_string(), name[stem.len()..].parse::<u64>().ok(), name.clone())
        });
        runs
    }

    /// The folder of a run. A name leads nowhere but to one of those in the list.
    fn folder(&self, name: &str) -> Option<PathBuf> {
        self.folders().into_iter().find(|(own, _)| own == name).map(|(_, path)| path)
    }

    /// All runs with their settings and last figures.
    pub fn list(&self) -> Value {
        let runs: Value = self.folders().iter().map(|(name, path)| overview(name, path)).collect();
        json!({ "folder": self.folder, "runs": runs })
    }

    /// All that a run has; none if there is no such run.
    pub fn details(&self, name: &str) -> Option<Value> {
        let path = self.folder(name)?;
        let mut trouble = vec![];
        let epochs = lines(&path.join("metrics.jsonl"), &mut trouble);
        let steps = lines(&path.join("steps.jsonl"), &mut trouble);
        let mut events = lines(&path.join("events.jsonl"), &mut trouble);
        events.drain(..events.len().saturating_sub(MOST_EVENTS));
        let confusion = object(&path.join("confusion.json"), &mut trouble);
        let predictions = object(&path.join("predictions.json"), &mut trouble);
        let mut whole = overview(name, &path);
        let more = json!({
            "epochs": thinned(epochs),
            "steps": thinned(steps),
            "events": events,
            "confusion": confusion,
            "predictions": predictions,
            "recipe": text(&path.join("recipe.toml"), &mut trouble),
        });
        let (Value::Object(whole_map), Value::Object(more)) = (&mut whole, more) else {
            return None;
        };
        whole_map.extend(more);
        let told = whole_map["trouble"].as_array_mut()?;
        trouble.retain(|line| !told.iter().any(|known| known == line));
        told.extend(trouble.into_iter().map(Value::from));
        Some(whole)
    }

    /// The report of a run.
    pub fn report(&self, name: &str) -> Option<Vec<u8>> {
        bytes(&self.folder(name)?.join("report.html"), &mut vec![])
    }
}

/// What the table of runs shows of one.
fn overview(name: &str, path: &Path) -> Value {
    let mut trouble = vec![];
    let config = object(&path.join(CONFIG), &mut trouble);
    let result = object(&path.join("result.json"), &mut trouble);
    let epochs = lines(&path.join("metrics.jsonl"), &mut trouble);
    let last = epochs.last().cloned().unwrap_or(Value::Null);
    let updated = ["metrics.jsonl", "steps.jsonl", "events.jsonl", "last.safetensors", CONFIG]
        .iter()
        .filter_map(|file| path.join(file).metadata().ok()?.modified().ok())
        .max();
    let quiet = updated.and_then(|time| SystemTime::now().duration_since(time).ok());
    let epoch = Duration::try_from_secs_f64(last["seconds"].as_f64().unwrap_or(0.0));
    let patience = PATIENCE.max(epoch.unwrap_or_default().saturating_mul(3));
    let state = match result {
        Value::Object(_) => "finished",
        _ if quiet.is_none_or(|quiet| quiet < patience) => "running",
        _ => "stopped",
    };
    let seconds: f64 = epochs.iter().filter_map(|epoch| epoch["seconds"].as_f64()).sum();
    json!({
        "name": name,
        "state": state,
        "started": path.join(CONFIG).metadata().ok().and_then(|config| modified(&config)),
        "updated": updated.and_then(seconds_since_1970),
        "done": epochs.len(),
        "seconds": seconds,
        "last": last,
        "config": config,
        "result": result,
        "report": path.join("report.html").is_file(),
        "trouble": trouble,
    })
}

fn modified(file: &Metadata) -> Option<f64> {
    seconds_since_1970(file.modified().ok()?)
}

fn seconds_since_1970(time: SystemTime) -> Option<f64> {
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

/// The bytes of a file, if there is one.
fn bytes(path: &Path, trouble: &mut Vec<String>) -> Option<Vec<u8>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let size = match path.metadata() {
        Ok(file) if file.is_file() => file.len(),
        // A pipe in its place would be waited for without end.
        _ => return None,
    };
    if size > MOST_BYTES {
        trouble.push(format!("{name} is too large to be read: {} MiB", size >> 20));
        return None;
    }
    match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            trouble.push(format!("{name} cannot be read: {error}"));
            None
        }
    }
}

/// The text of a file; what is no text in it is replaced.
fn text(path: &Path, trouble: &mut Vec<String>) -> Option<String> {
    Some(String::from_utf8_lossy(&bytes(path, trouble)?).into_owned())
}

/// The JSON object in a file; null if there is none.
fn object(path: &Path, trouble: &mut Vec<String>) -> Value {
    let Some(bytes) = bytes(path, trouble) else {
        return Value::Null;
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Value::Object(object),
        _ => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            trouble.push(format!("{name} is damaged"));
            Value::Null
        }
    }
}

/// The JSON objects in the lines of a file. The last line may be one that is being written.
fn lines(path: &Path, trouble: &mut Vec<String>) -> Vec<Value> {
    let Some(text) = text(path, trouble) else {
        return vec![];
    };
    let mut objects = vec![];
    let mut broken = 0;
    for line in text.split_inclusive('\n').filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Value::Object(object)) => objects.push(Value::Object(object)),
            _ if line.ends_with('\n') => broken += 1,
            _ => {}
        }
    }
    if broken > 0 {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lines = if broken == 1 { "line" } else { "lines" };
        trouble.push(format!("{broken} {lines} of {name} cannot be read"));
    }
    objects
}

/// Objects as columns by name, with nulls where one has no such value: much shorter than rows. Of
/// many, every second, third … is kept, and the last.
fn thinned(objects: Vec<Value>) -> Value {
    let every = objects.len().div_ceil(MOST_POINTS).max(1);
    let count = objects.len();
    let kept = objects.into_iter().enumerate();
    let kept: Vec<Value> = kept
        .filter(|(index, _)| index % every == 0 || index + 1 == count)
        .map(|(_, object)| object)
        .collect();
    let mut columns: Map<String, Value> = Map::new();
    for (row, object) in kept.iter().enumerate() {
        for (name, value) in object.as_object().into_iter().flatten() {
            let column = columns
                .entry(name.clone())
                .or_insert_with(|| Value::Array(vec![Value::Null; kept.len()]));
            column[row] = value.clone();
        }
    }
    Value::Object(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A folder of runs with files.
    fn runs(files: &[(&str, &str)]) -> (TempDir, Runs) {
        let folder = TempDir::new().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let runs = Runs::new(folder.path().to_path_buf()).unwrap();
        (folder, runs)
    }

    fn names(runs: &Runs) -> Vec<String> {
        let list = runs.list();
        let list = list["runs"].as_array().unwrap();
        list.iter().map(|run| run["name"].as_str().unwrap().to_string()).collect()
    }

    #[test]
    fn runs_are_listed_as_people_count() {
        let (_folder, runs) = runs(&[
            ("a-10/config.json", "{}"),
            ("a-9/config.json", "{}"),
            ("<b>/config.json", "{}"),
            ("none/notes.txt", ""),
            ("file", ""),
        ]);
        assert_eq!(names(&runs), ["<b>", "a-9", "a-10"]);
    }

    #[test]
    fn a_run_is_shown_alone_too() {
        let (folder, _) = runs(&[("a-1/config.json", "{}")]);
        let runs = Runs::new(folder.path().join("a-1")).unwrap();
        assert_eq!(names(&runs), ["a-1"]);
        assert!(runs.details("a-1").is_some());
        assert!(Runs::new(folder.path().join("b")).is_err());
    }

    #[test]
    fn a_name_leads_to_no_other_folder() {
        let (folder, _) = runs(&[("secret/config.json", "{}"), ("runs/a/config.json", "{}")]);
        let runs = Runs::new(folder.path().join("runs")).unwrap();
        assert!(runs.details("a").is_some());
        for name in ["../secret", "..", ".", "", "a/../../secret", "a/", "/", "a\0"] {
            assert!(runs.details(name).is_none() && runs.report(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn what_is_being_written_or_damaged_is_read_as_far_as_it_goes() {
        let metrics =
            "{\"epoch\":1,\"loss\":0.5}\n{\"epoch\"\n[3]\n{\"epoch\":2,\"x\":\"NaN\"}\n{\"epo";
        let (_folder, runs) = runs(&[
            ("a/config.json", "{\"seed\": 1"),
            ("a/metrics.jsonl", metrics),
            ("a/confusion.json", "[]"),
        ]);
        let run = runs.details("a").unwrap();
        assert_eq!(run["epochs"]["epoch"], json!([1, 2]));
        assert_eq!(run["epochs"]["loss"], json!([0.5, null]));
        assert_eq!(run["epochs"]["x"], json!([null, "NaN"]));
        let trouble: Vec<&str> =
            run["trouble"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert_eq!(
            trouble,
            [
                "config.json is damaged",
                "2 lines of metrics.jsonl cannot be read",
                "confusion.json is damaged"
            ]
        );
        assert_eq!((run["done"].clone(), run["state"].clone()), (json!(2), json!("running")));
    }

    #[test]
    fn a_run_is_finished_running_or_stopped() {
        let (folder, runs) = runs(&[
            ("a/config.json", "{}"),
            ("b/config.json", "{}"),
            ("b/result.json", "{}"),
            ("c/config.json", "{}"),
            ("c/metrics.jsonl", "{\"seconds\": 1000}\n"),
            ("d/config.json", "{}"),
            ("d/metrics.jsonl", "{\"seconds\": 1e300}\n{\"seconds\": -1}\n"),
        ]);
        let before = SystemTime::now() - Duration::from_secs(600);
        for file in [
            "a/config.json",
            "c/config.json",
            "c/metrics.jsonl",
            "d/config.json",
            "d/metrics.jsonl",
        ] {
            let file = fs::File::options().write(true).open(folder.path().join(file)).unwrap();
            file.set_modified(before).unwrap();
        }
        let list = runs.list();
        let states: Vec<&str> = list["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["state"].as_str().unwrap())
            .collect();
        assert_eq!(states, ["stopped", "finished", "running", "stopped"]);
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        let rows = (0..10_001).map(|step| json!({ "step": step })).collect();
        let columns = thinned(rows);
        let steps = columns["step"].as_array().unwrap();
        assert!((1000..=MOST_POINTS + 1).contains(&steps.len()), "{}", steps.len());
        assert_eq!((&steps[0], steps.last().unwrap()), (&json!(0), &json!(10_000)));
        assert_eq!(thinned(vec![]), json!({}));
    }
}
