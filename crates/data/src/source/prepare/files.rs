//! Pictures and sounds in files of their own.

use super::{Prepared, Task, finish, other_kind, standard_of};
use crate::Dataset;
use crate::augment::stream;
use crate::source::answer::{Answers, Targets};
use crate::source::cache;
use crate::source::encoder::{Encoder, Input};
use crate::source::folder::Parts;
#[cfg(feature = "audio")]
use crate::source::picture::open_folder;
use crate::source::picture::{ImageFolderOptions, Listed, Pictures, form_of, open_pictures};
use crate::source::split::Division;
#[cfg(feature = "audio")]
use crate::source::standard::Standard;
use crate::source::table::target::TargetEncoder;
use gradus_tensor::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// So many files of a folder show how they are scaled.
const MOST_MEASURED: usize = 1000;

/// Files and what to tell of them, divided, with the answers learnt.
struct Told {
    parts: Parts<Listed>,
    division: Division,
    targets: TargetEncoder,
    answers: Answers,
    classes: Option<Vec<u32>>,
}

impl Told {
    /// What a function makes of the files and the targets of each part.
    fn open(
        &self,
        make: impl Fn(Vec<PathBuf>, Targets) -> Result<Arc<dyn Dataset>>,
    ) -> Result<Parts<Arc<dyn Dataset>>> {
        self.parts.as_ref().try_map(|part| {
            let rows: Vec<usize> = (0..part.frame.rows()).collect();
            let targets = self.targets.encode(&part.frame, &rows, &self.answers)?;
            make(part.files.clone(), targets)
        })
    }

    /// Some of the samples to learn from, by chance.
    fn measured(&self, seed: u64) -> Vec<usize> {
        let train = &self.division.train;
        let order = stream(seed, 1).permutation(train.len());
        order.into_iter().take(MOST_MEASURED).map(|place| train[place]).collect()
    }
}

impl Task<'_> {
    fn told(&self, parts: Parts<Listed>) -> Result<Told> {
        let frame = &parts.train.frame;
        let mut table = self.options.table.clone();
        if table.target.is_empty() {
            let names = frame.names();
            let other = names.into_iter().find(|name| *name != parts.train.name_column);
            let nothing = || Error::format(frame.origin().display(), "has no column to be told");
            table.target = vec![other.ok_or_else(nothing)?.to_string()];
        }
        table.target.iter().try_for_each(|name| frame.column(name).map(drop))?;
        let keys = self.keys_of_table(frame, &table)?;
        let division = self.divide(&parts, frame.rows(), &keys)?;
        let targets = TargetEncoder::new(&table, '.');
        let answers = match self.known {
            Some(known) => known.answers().clone(),
            None => targets.learn(frame, &division.train, &table)?,
        };
        let classes = match targets.encode(frame, &division.train, &answers)? {
            Targets::Classes(classes) => Some(classes),
            Targets::Numbers(..) => None,
        };
        Ok(Told { parts, division, targets, answers, classes })
    }

    /// Pictures in files.
    pub(super) fn image_folder(&self, folder: &ImageFolderOptions) -> Result<Prepared> {
        let images = &self.options.images;
        let told = self.told(open_pictures(folder)?)?;
        let form = match self.known.map(|known| (known, known.input())) {
            None => form_of(&told.parts.train.files, images)?,
            Some((_, Input::Image { form, .. })) => *form,
            Some((known, _)) => return Err(other_kind(known)),
        };
        let cache_bytes = images.cache_bytes.unwrap_or(cache::BYTES);
        let raw = told.open(|files, targets| {
            Ok(Arc::new(Pictures::new(files, targets, form, cache_bytes)))
        })?;
        let learn = || -> Result<Encoder> {
            let measured = told.measured(self.seed);
            let standard = standard_of(images, form.channels, &*raw.train, &measured)?;
            Ok(Encoder::new(Input::Image { form, standard }, told.answers.clone()))
        };
        let encoder = self.known.map_or_else(learn, |known| Ok(known.clone()))?;
        Ok(finish(raw, &told.division, encoder, told.classes))
    }

    /// Sounds in files.
    #[cfg(feature = "audio")]
    pub(super) fn sounds(&self, folder: &crate::source::AudioFolderOptions) -> Result<Prepared> {
        use crate::source::audio::{AudioEncoder, Sounds, decode::ENDINGS};
        let crate::source::AudioFolderOptions { path, valid, test, labels, name_column } =
            folder.clone();
        let folder = ImageFolderOptions { path, valid, test, labels, name_column };
        let told = self.told(open_folder(&folder, &ENDINGS)?)?;
        let audio = &self.options.audio;
        let sound = match self.known.map(|known| (known, known.input())) {
            None => AudioEncoder::learn(&told.parts.train.files, audio)?,
            Some((_, Input::Audio { sound, .. })) => *sound,
            Some((known, _)) => return Err(other_kind(known)),
        };
        let cache_bytes = audio.cache_bytes.unwrap_or(cache::BYTES);
        let raw = told.open(|files, targets| {
            Ok(Arc::new(Sounds::new(files, targets, sound, cache_bytes)?))
        })?;
        let learn = || -> Result<Encoder> {
            let standard = Standard::learn(&*raw.train, &told.measured(self.seed))?;
            Ok(Encoder::new(Input::Audio { sound, standard }, told.answers.clone()))
        };
        let encoder = self.known.map_or_else(learn, |known| Ok(known.clone()))?;
        Ok(finish(raw, &told.division, encoder, told.classes))
    }
}
