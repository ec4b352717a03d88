//! The part of a recipe about its data.

use super::{Plan, quoted, role};
use gradus_data::source::{Answers, Role, SeenColumn, Source, SplitBy, Unit};
use std::path::Path;

/// So many columns are told of, one in a line.
const MOST_COLUMNS: usize = 60;

impl Plan<'_> {
    /// Where the data lies.
    pub(super) fn source(&self) -> String {
        let settings = self.settings();
        settings
            .into_iter()
            .find(|(name, _)| *name == "path")
            .map(|(_, path)| path)
            .unwrap_or_default()
    }

    /// A path as the recipe's own folder sees it.
    fn path(&self, path: &str) -> String {
        let whole = Path::new(path).canonicalize().unwrap_or(path.into());
        let near = whole.strip_prefix(&self.folder).unwrap_or(&whole);
        let near = if near.as_os_str().is_empty() { Path::new(".") } else { near };
        quoted(&near.to_string_lossy())
    }

    /// The kind of the data, and what is not as by default, paths included.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![];
        let kind = |kind: &str| ("kind", quoted(kind));
        let three = |path: &str, valid: &Option<String>, test: &Option<String>| {
            let mut paths = vec![("path", self.path(path))];
            paths.extend(valid.as_ref().map(|path| ("valid", self.path(path))));
            paths.extend(test.as_ref().map(|path| ("test", self.path(path))));
            paths
        };
        match &self.seen.options.source {
            Source::Idx(idx) => all.extend([kind("idx"), ("path", self.path(&idx.path))]),
            Source::Cifar(cifar) => all.extend([kind("cifar"), ("path", self.path(&cifar.path))]),
            Source::ImageFolder(images) => {
                all.push(kind("image_folder"));
                all.extend(three(&images.path, &images.valid, &images.test));
                all.extend(images.labels.as_ref().map(|path| ("labels", self.path(path))));
                all.extend(images.name_column.as_ref().map(|name| ("name_column", quoted(name))));
            }
            Source::Csv(csv) => {
                all.push(kind("csv"));
                all.extend(three(&csv.path, &csv.valid, &csv.test));
                if !csv.header {
                    all.push(("header", "false".into()));
                }
                if csv.skip_lines > 0 {
                    all.push(("skip_lines", csv.skip_lines.to_string()));
                }
                if csv.decimal != '.' {
                    all.push(("decimal", quoted(&csv.decimal.to_string())));
                }
            }
            Source::JsonLines(lines) => {
                all.push(kind("json_lines"));
                all.extend(three(&lines.path, &lines.valid, &lines.test));
            }
            Source::Parquet(table) => {
                all.push(kind("parquet"));
                all.extend(three(&table.path, &table.valid, &table.test));
            }
            Source::Audio(audio) => {
                all.push(kind("audio"));
                all.extend(three(&audio.path, &audio.valid, &audio.test));
            }
            Source::Text(text) => {
                all.push(kind("text"));
                all.extend(three(&text.path, &text.valid, &text.test));
            }
            Source::Language(text) => {
                all.push(kind("language"));
                all.extend(three(&text.path, &text.valid, &text.test));
            }
            Source::Arrays(arrays) => {
                all.extend([kind("arrays"), ("path", self.path(&arrays.path))]);
                all.extend(arrays.targets.as_ref().map(|path| ("targets", self.path(path))));
                for (name, pair) in [("valid", &arrays.valid), ("test", &arrays.test)] {
                    let pair = pair.as_ref().map(|[x, y]| [self.path(x), self.path(y)].join(", "));
                    all.extend(pair.map(|pair| (name, format!("[{pair}]"))));
                }
            }
            _ => all.push(kind("digits")),
        }
        all
    }

    /// The sections about the data.
    pub(super) fn data(&self) -> String {
        let lines = self.settings().into_iter().map(|(name, value)| format!("{name} = {value}\n"));
        format!("[data]\n{}{}{}\n", lines.collect::<String>(), self.split(), self.sections())
    }

    /// How samples are held out.
    fn split(&self) -> String {
        let split = &self.seen.options.split;
        let mut text = String::new();
        let inside = |path: &str| {
            let parts = ["valid", "val", "validation"].map(|name| Path::new(path).join(name));
            Path::new(path).join("train").is_dir() && parts.iter().any(|part| part.is_dir())
        };
        let own = match &self.seen.options.source {
            Source::Csv(own) => own.valid.is_some(),
            Source::JsonLines(own) => own.valid.is_some(),
            Source::Parquet(own) => own.valid.is_some(),
            Source::Language(own) => own.valid.is_some(),
            Source::Arrays(own) => own.valid.is_some(),
            Source::ImageFolder(own) => inside(&own.path),
            Source::Audio(own) => inside(&own.path),
            Source::Text(own) => own.valid.is_some() || inside(&own.path),
            _ => false,
        };
        if !own {
            text += &format!("split.valid = {:?}  # the share to validate with\n", split.valid);
        }
        if split.by == SplitBy::Stratified && !own {
            text += "split.by = \"stratified\"  # each class in the same proportion\n";
        }
        text
    }

    /// What is said of tables, pictures and texts.
    fn sections(&self) -> String {
        let options = &self.seen.options;
        let mut text = String::new();
        if !self.seen.columns.is_empty() {
            text += &self.table();
        }
        if let (Some(height), Some(width)) = (options.images.height, options.images.width) {
            text += &format!(
                "\n# All pictures get this size: larger ones show more and take longer.\n\
                 [data.images]\nheight = {height}\nwidth = {width}\nfit = \"crop\"  # or \"pad\", \
                 \"stretch\"\n"
            );
        }
        if let Some(length) = options.text.length {
            let unit = if options.text.unit == Unit::Character { "character" } else { "word" };
            text += &format!(
                "\n[data.text]\nunit = {}  # or \"word\", \"byte\"\nlength = {length}  # how many \
                 are seen at once\n",
                quoted(unit)
            );
        }
        text
    }

    /// What the columns hold.
    fn table(&self) -> String {
        let columns = &self.seen.columns;
        let mut text = String::from("\n[data.table]\n");
        let line = |column: &SeenColumn| {
            let (role, reason) = role(&column.role);
            let missing = match column.missing {
                0 => String::new(),
                count => format!(", {count} missing"),
            };
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let example: String = column.example.chars().take(40).collect();
            let (name, example) = (quoted(&column.name), quoted(&example));
            let different = column.different;
            format!(
                "#   {name}: {role}{reason}; {different} different{missing}, such as {example}\n"
            )
        };
        text += "# The columns. What is seen wrongly can be listed under numeric, categorical, date or \
                 text.\n";
        columns.iter().take(MOST_COLUMNS).for_each(|column| text += &line(column));
        if columns.len() > MOST_COLUMNS {
            text += &format!("#   and {} more\n", columns.len() - MOST_COLUMNS);
        }
        let list = |wanted: &dyn Fn(&Role) -> bool| {
            let own = columns.iter().filter(|column| wanted(&column.role));
            own.map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
        };
        let target = list(&|role| *role == Role::Target);
        text += &format!("target = [{target}]  # what is to be told\n");
        let task = match self.data.encoder.answers() {
            Answers::Classes(_) => "classification",
            Answers::Numbers(_) => "regression",
            _ => "auto",
        };
        text += &format!("task = {}\n", quoted(task));
        let images = matches!(self.seen.options.source, Source::ImageFolder(_));
        let left_out = list(&|role| matches!(role, Role::LeftOut(_)));
        if !left_out.is_empty() && !images {
            text += &format!("ignore = [{left_out}]\n");
        }
        text
    }
}
