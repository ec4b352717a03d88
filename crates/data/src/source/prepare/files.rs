//! Pictures and sounds in files of their own.

use super::{Prepared, Task, finish, other_kind, standard_of};
use crate::Dataset;
use crate::augment::stream;
use crate::source::answer::{Answers, Targets};
use crate::source::cache;
use crate::source::encoder::{Encoder, Input};
use crate::source::folder::Parts;
use crate::source::options::DataOptions;
#[cfg(feature = "audio")]
use crate::source::picture::open_folder;
use crate::source::picture::{
    ImageFolderOptions, Listed, Masked, Pictures, form_of, open_masked, open_pictures,
};
use crate::source::split::{Division, Keys, SplitBy};
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
}

/// Some of the samples to learn from, by chance.
fn measured(division: &Division, seed: u64) -> Vec<usize> {
    let train = &division.train;
    let order = stream(seed, 1).permutation(train.len());
    order.into_iter().take(MOST_MEASURED).map(|place| train[place]).collect()
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
        if let Some(masks) = &folder.masks {
            return self.masked(folder, masks);
        }
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
            let measured = measured(&told.division, self.seed);
            let standard = standard_of(images, form.channels, &*raw.train, &measured)?;
            Ok(Encoder::new(Input::Image { form, standard }, told.answers.clone()))
        };
        let encoder = self.known.map_or_else(learn, |known| Ok(known.clone()))?;
        Ok(finish(raw, &told.division, encoder, told.classes))
    }

    /// Pictures in files with masks.
    fn masked(&self, folder: &ImageFolderOptions, masks: &str) -> Result<Prepared> {
        let DataOptions { split, images, .. } = self.options;
        if split.by != SplitBy::Random {
            let message = "split: pictures with masks have neither classes nor columns: use random";
            return Err(Error::Setting(message.into()));
        }
        let learnt = match self.known.map(|known| (known.answers(), known.input())) {
            None => None,
            Some((Answers::Mask(names), Input::Image { form, .. })) => Some((names, *form)),
            Some(_) => {
                let message = "data: the model was not taught to tell masks: leave `masks` out";
                return Err(Error::Setting(message.into()));
            }
        };
        let mut folder = folder.clone();
        if let Some((names, _)) = learnt {
            folder.classes.clone_from(names);
        }
        let (parts, names) = open_masked(&folder, masks)?;
        let files: Vec<PathBuf> = parts.train.iter().map(|pair| pair.picture.clone()).collect();
        let form = learnt.map_or_else(|| form_of(&files, images), |(_, form)| Ok(form))?;
        let division = self.divide(&parts, files.len(), &Keys::None)?;
        let cache_bytes = images.cache_bytes.unwrap_or(cache::BYTES);
        let levels = (names.len(), folder.ignore);
        let raw = parts.try_map(|pairs| {
            Ok(Arc::new(Masked::new(pairs, form, levels, cache_bytes)) as Arc<dyn Dataset>)
        })?;
        let learn = || -> Result<Encoder> {
            let measured = measured(&division, self.seed);
            let standard = standard_of(images, form.channels, &*raw.train, &measured)?;
            Ok(Encoder::new(Input::Image { form, standard }, Answers::Mask(names)))
        };
        let encoder = self.known.map_or_else(learn, |known| Ok(known.clone()))?;
        Ok(finish(raw, &division, encoder, None))
    }

    /// Sounds in files.
    #[cfg(feature = "audio")]
    pub(super) fn sounds(&self, folder: &crate::source::AudioFolderOptions) -> Result<Prepared> {
        use crate::source::audio::{AudioEncoder, Sounds, decode::ENDINGS};
        let crate::source::AudioFolderOptions { path, valid, test, labels, name_column } =
            folder.clone();
        let folder =
            ImageFolderOptions { path, valid, test, labels, name_column, ..Default::default() };
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
            let measured = measured(&told.division, self.seed);
            let standard = Standard::learn(&*raw.train, &measured)?;
            Ok(Encoder::new(Input::Audio { sound, standard }, told.answers.clone()))
        };
        let encoder = self.known.map_or_else(learn, |known| Ok(known.clone()))?;
        Ok(finish(raw, &told.division, encoder, told.classes))
    }
}
