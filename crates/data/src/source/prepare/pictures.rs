//! Pictures and arrays in memory.

use super::{Prepared, Task, finish, keys_of, other_kind, standard_of};
use crate::source::answer::{Answers, Targets};
use crate::source::arrays::{self, ArrayOptions, Arrays};
use crate::source::encoder::{Encoder, Input};
use crate::source::folder::Parts;
use crate::source::picture::{Form, Pixels};
use crate::{Dataset, TensorDataset, digits};
use gradus_tensor::{DType, Error, Result};
use std::sync::Arc;

impl Task<'_> {
    /// Pictures of which each has one of the classes.
    pub(super) fn pictures(&self, parts: Parts<Pixels>, classes: Vec<String>) -> Result<Prepared> {
        if let Some(Answers::Classes(known)) = self.known.map(Encoder::answers)
            && classes.len() > known.len()
        {
            let (own, known) = (classes.len(), known.len());
            let message =
                format!("data: there are {own} classes, but the model was taught {known}");
            return Err(Error::Setting(message));
        }
        let own = Answers::Classes(classes);
        let answers = self.known.map_or(own, |known| known.answers().clone());
        self.pixels(parts, answers)
    }

    /// Pictures with any answers, which are those of the model if it is known.
    fn pixels(&self, parts: Parts<Pixels>, answers: Answers) -> Result<Prepared> {
        let images = &self.options.images;
        images.check()?;
        let [channels, height, width] = parts.train.shape();
        let own = (Some(height), Some(width), Some(channels));
        let told = (images.height.or(own.0), images.width.or(own.1), images.channels.or(own.2));
        if told != own {
            let message = format!(
                "images: these are of {channels} channels and {height} by {width} pixels, and are \
                 not made larger or smaller: leave height, width and channels out"
            );
            return Err(Error::Setting(message));
        }
        let targets = parts.train.targets();
        let keys = keys_of(targets, &self.options.split)?;
        let division = self.divide(&parts, targets.len(), &keys)?;
        let encoder = match self.known {
            None => {
                let standard = standard_of(images, channels, &parts.train, &division.train)?;
                let form = Form { channels, height, width, fit: images.fit };
                Encoder::new(Input::Image { form, standard }, answers)
            }
            Some(known) if matches!(known.input(), Input::Image { .. }) => {
                if known.shape() != [channels, height, width] {
                    let message = format!(
                        "data: these pictures are of shape [{channels}, {height}, {width}], but the \
                         model learnt from {}",
                        known.shape()
                    );
                    return Err(Error::Setting(message));
                }
                known.clone()
            }
            Some(known) => return Err(other_kind(known)),
        };
        let classes = targets.classes(&division.train);
        let raw = parts.try_map(|part| Ok(Arc::new(part) as Arc<dyn Dataset>))?;
        Ok(finish(raw, &division, encoder, classes))
    }

    /// The digits within the library.
    pub(super) fn digits(&self) -> Result<Prepared> {
        let digits = digits::embedded()?;
        let part = |set: &digits::DigitSet| -> Result<Pixels> {
            let classes: Vec<i64> = set.labels().try_to_vec()?;
            let classes = classes.into_iter().map(|class| class as u32).collect();
            let (x, shape) = (set.images(), [1, 28, 28]);
            Ok(Pixels::new(x.try_to_vec::<u8>()?, shape, Targets::Classes(classes)))
        };
        let (train, test) = (part(&digits.train)?, Some(part(&digits.test)?));
        let names = (0..digits::CLASSES).map(|class| class.to_string()).collect();
        self.pictures(Parts { train, valid: None, test }, names)
    }

    /// Arrays of NumPy, as pictures if they are of bytes.
    pub(super) fn arrays(&self, options: &ArrayOptions) -> Result<Prepared> {
        let parts = arrays::open(options)?;
        let count = parts.train.input.len_of(0);
        // Numbers are scaled by those to learn from, so that these must be known first; classes are
        // known before, and may be divided by.
        let rows: Vec<usize> = (0..count).collect();
        let answers = |rows: &[usize]| match self.known {
            Some(known) => Ok(known.answers().clone()),
            None => arrays::answers(&parts, rows, options),
        };
        let first = arrays::targets(&parts.train, &answers(&rows)?)?;
        let division = self.divide(&parts, count, &keys_of(&first, &self.options.split)?)?;
        let answers = answers(&division.train)?;
        let shape = parts.train.input.shape()[1..].to_vec();
        if let Some(other) = [&parts.valid, &parts.test]
            .into_iter()
            .flatten()
            .find(|other| other.input.shape()[1..] != shape[..])
        {
            let message = format!(
                "arrays: those to learn from are of shape {shape:?}, others of {}",
                other.input.shape()
            );
            return Err(Error::Setting(message));
        }
        if let (DType::U8, &[channels @ (1 | 3), height, width]) =
            (parts.train.input.dtype(), &shape[..])
        {
            let pixels = |part: Arrays| {
                let targets = arrays::targets(&part, &answers)?;
                Ok(Pixels::new(part.input.try_to_vec::<u8>()?, [channels, height, width], targets))
            };
            return self.pixels(parts.try_map(pixels)?, answers.clone());
        }
        let set = |part: Arrays| -> Result<Arc<dyn Dataset>> {
            let targets = arrays::targets(&part, &answers)?;
            let rows: Vec<usize> = (0..targets.len()).collect();
            let input = part.input.to_dtype(DType::F32);
            Ok(Arc::new(TensorDataset::new(input, targets.gather(&rows)?)))
        };
        let raw = parts.try_map(set)?;
        // Classes are the same whatever numbers are scaled by.
        let classes = first.classes(&division.train);
        let encoder = match self.known.map(|known| (known, known.input())) {
            None => {
                let images = &self.options.images;
                let standard = standard_of(images, shape[0], &*raw.train, &division.train)?;
                Encoder::new(Input::Tensor { shape, standard }, answers)
            }
            Some((known, Input::Tensor { shape: learnt, .. })) => {
                if *learnt != shape {
                    let message = format!(
                        "data: these arrays are of shape {shape:?}, but the model learnt from \
                         {learnt:?}"
                    );
                    return Err(Error::Setting(message));
                }
                known.clone()
            }
            Some((known, _)) => return Err(other_kind(known)),
        };
        Ok(finish(raw, &division, encoder, classes))
    }
}
