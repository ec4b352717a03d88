//! What a recipe makes: data, a model that fits them, and the trainer.

use super::Recipe;
use super::entry::{Part, Product, attempt};
use super::lists::augment::{Change, ChangeSite};
use super::lists::blocks::output_of;
use super::lists::callbacks::CallbackSite;
use super::lists::data::{self, Data, DataSite};
use super::lists::layers::LayerSite;
use super::lists::losses::LossSite;
use super::lists::metrics::MetricSite;
use super::lists::models::Model;
use super::lists::optimizers;
use super::lists::penalties::{Params, Penalty};
use super::lists::schedules::ScheduleSite;
use super::sections::{Balance, TransferOptions};
use super::tree::{Place, Value};
use crate::callback::{Callback, Scheduled, Session};
use crate::metrics::{Mean, Metric};
use crate::trainer::{Loss, Trainer};
use gradus_data::source::{Answers, Encoder};
use gradus_data::{BadSamples, DataLoader, Dataset, LoaderOptions};
use gradus_nn::schedule::Schedule;
use gradus_nn::{Layer, LoadOptions};
use gradus_tensor::io::load_weights;
use gradus_tensor::op::Spec;
use gradus_tensor::{DType, Device, Error, Result, Rng, Tensor, no_grad, with_precision};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A training that is ready to begin.
pub struct Job {
    /// The trainer; more callbacks may be added to it.
    pub trainer: Trainer<Box<dyn Layer>>,
    /// The batches to learn from.
    pub train: DataLoader,
    /// Those to validate with.
    pub valid: Option<DataLoader>,
}

impl Recipe {
    /// Reads the data.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn data(&self) -> Result<Data> {
        let data = self.read(None, None)?;
        let classes = match data.answers() {
            Answers::Classes(names) => Some(names.len()),
            _ => None,
        };
        let mut site = ChangeSite { classes };
        let changes: Result<Vec<Change>> =
            self.parts("augment").iter().map(|part| part.make(&mut site)).collect();
        Ok(data.changed(changes?, self.run().seed))
    }

    /// Reads the data as a trained model is asked about them: by its own encoder, without changes.
    /// Data from elsewhere are asked about as a whole, or, where files say which part of them is to be
    /// tested with, about that.
    ///
    /// # Errors
    /// If they cannot be read, or are not what the model learnt from.
    pub fn data_for(&self, encoder: Encoder, elsewhere: Option<&Path>) -> Result<Data> {
        let path = elsewhere.map(|path| match path.to_str() {
            Some(path) => Ok(path.to_string()),
            None => {
                let message = format!("{} is no path of Unicode: rename it", path.display());
                Err(Error::Setting(message))
            }
        });
        let whole = path.is_some();
        let mut data = self.read(Some(encoder), path.transpose()?)?;
        if whole && data.0.test.is_none() {
            data.0.test = Some(data.0.train.clone());
        }
        Ok(data)
    }

    fn read(&self, known: Option<Encoder>, elsewhere: Option<String>) -> Result<Data> {
        let part: Part<Data> = self.settings().get("data");
        let data = part.make(&mut DataSite { seed: self.run().seed, known, elsewhere })?;
        match data.train.is_empty() {
            true => Err(part.place().complain("there is no sample to learn from")),
            false => Ok(data),
        }
    }

    /// Makes the model, and checks with shapes alone that it takes the data and that the loss takes
    /// its answers.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn model(&self, data: &Data) -> Result<Box<dyn Layer>> {
        let part: Part<Model> = self.settings().get("model");
        let model = self.untrained(&data.encoder)?;
        let batch = self.run().batch;
        let input = data.input(batch);
        let output = part.attempt(|| Ok(output_of(&*model, input)))?;
        // Its weights are on another device than the shapes.
        let loss = self.loss_with(data, None)?;
        let ghost =
            |spec| Tensor::zeros(gradus_tensor::op::Spec { device: Device::shape_only(), ..spec });
        let target = data.target(batch)?;
        let tried = attempt(self.place("loss", part.place()), None, || {
            let value = no_grad(|| loss(&ghost(output), &ghost(target)));
            match value.count() {
                1 => Ok(()),
                _ => Err(Error::Setting(format!("the loss has the shape {}", value.shape()))),
            }
        });
        tried.map_err(|error| {
            let (output, target) = (output.shape, target.shape);
            Error::Setting(format!(
                "{error}; the model answers {output} to {}, and the targets are {target}",
                input.shape
            ))
        })?;
        self.try_metrics(data, output)?;
        Ok(model)
    }

    /// Lets the metrics look at an answer to one sample, so that they do not refuse it later.
    fn try_metrics(&self, data: &Data, output: Spec) -> Result<()> {
        let shape = [&[1], &output.shape[1..]].concat();
        let output =
            Tensor::zeros(Spec { shape: shape[..].into(), device: Device::cpu(), ..output });
        let target = Tensor::zeros(data.target(1)?);
        let mut metrics = self.metrics(data)?;
        attempt(self.place("metrics", &self.root.place), None, || {
            metrics.iter_mut().for_each(|metric| metric.update(&output, &target));
            Ok(())
        })
    }

    /// Makes the model for what an encoder gives, with first weights.
    ///
    /// # Errors
    /// If a layer does not take what it is given.
    pub fn untrained(&self, encoder: &Encoder) -> Result<Box<dyn Layer>> {
        let run = self.run();
        let part: Part<Model> = self.settings().get("model");
        let mut site = LayerSite {
            input: data::input(encoder, run.batch),
            outputs: Some(encoder.outputs()),
            vocabulary: encoder.vocabulary().map(|vocabulary| vocabulary.len()),
            rng: Rng::new(run.seed),
        };
        part.make(&mut site).map(|Model(model)| model)
    }

    /// Makes the loss: that of the recipe, or what suits the data.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn loss(&self, data: &Data) -> Result<Loss> {
        let weights = match self.run().balance {
            Balance::Weights => Some(self.balanced(data.class_weights())?),
            _ => None,
        };
        self.loss_with(data, weights)
    }

    /// The loss, with these weights of the classes.
    fn loss_with(&self, data: &Data, weights: Option<Vec<f64>>) -> Result<Loss> {
        let mut site = LossSite { answers: data.answers().clone(), weights };
        let suits = match data.answers() {
            Answers::Labels(_) => "bce_with_logits",
            Answers::Numbers(_) => "mse",
            _ => "cross_entropy",
        };
        let loss = make_or(self.part("loss"), suits, &mut site)?;
        match site.weights {
            None => Ok(loss),
            // It was not taken.
            Some(_) => Err(self.of_run("balance").complain(
                "this loss has no weights of classes: take cross_entropy, nll, focal or \
                 multi_margin, or balance = \"sampling\"",
            )),
        }
    }

    /// The weights of classes or samples.
    fn balanced(&self, weights: Option<Vec<f64>>) -> Result<Vec<f64>> {
        weights.ok_or_else(|| {
            let place = self.of_run("balance");
            place.complain("the data has no classes to balance: leave `balance` out")
        })
    }

    /// Where a setting of the run is written.
    fn of_run(&self, name: &str) -> &Place {
        let run = self.table().get("run").map(|run| &run.value);
        match run {
            Some(Value::Table(run)) => run.get(name).map_or(&self.root.place, |node| &node.place),
            _ => &self.root.place,
        }
    }

    /// Makes the metrics: those of the recipe, or what suits the data.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn metrics(&self, data: &Data) -> Result<Vec<Box<dyn Metric>>> {
        let outputs = data.encoder.outputs();
        let mut site = MetricSite { answers: data.answers().clone(), outputs };
        let parts: Option<Vec<Part<Box<dyn Metric>>>> = self.settings().get("metrics");
        match parts {
            Some(parts) => parts.iter().map(|part| part.make(&mut site)).collect(),
            None if matches!(data.answers(), Answers::Classes(_)) => {
                Ok(vec![make_or(None, "accuracy", &mut site)?])
            }
            None if matches!(data.answers(), Answers::Mask(_)) => {
                Ok(vec![make_or(None, "iou", &mut site)?])
            }
            None => Ok(vec![]),
        }
    }

    /// The loss and the metrics of a trained model over samples. `watch` is given the outputs and the
    /// targets of each batch.
    ///
    /// # Errors
    /// If a sample cannot be read, or a metric cannot be made.
    pub fn evaluate(
        &self,
        data: &Data,
        model: &dyn Layer,
        part: &Arc<dyn Dataset>,
        mut watch: impl FnMut(&Tensor, &Tensor),
    ) -> Result<Vec<(String, f64)>> {
        let (loss, mut metrics) = (self.loss(data)?, self.metrics(data)?);
        let (mut mean, precision) = (Mean::default(), self.run().precision);
        model.eval();
        // Figures over fewer samples would be others: what cannot be read ends a test.
        for batch in self.loader(part, None, BadSamples::Stop).epoch(0) {
            let batch = batch?;
            let (input, target) = (batch.input(), batch.target());
            let output = with_precision(precision, || no_grad(|| model.forward(input)));
            let value = no_grad(|| loss(&output, target)).to_dtype(DType::F64).item();
            mean.add(value, input.len_of(0) as u64);
            metrics.iter_mut().for_each(|metric| metric.update(&output, target));
            watch(&output, target);
        }
        let figures = metrics.iter().flat_map(|metric| metric.figures());
        Ok(figures.chain([("loss".to_string(), mean.value())]).collect())
    }

    /// Goes through samples in the batches of the recipe.
    fn loader(
        &self,
        part: &Arc<dyn Dataset>,
        shuffle: Option<u64>,
        bad_samples: BadSamples,
    ) -> DataLoader {
        let run = self.run();
        let options = LoaderOptions {
            batch_size: run.batch,
            shuffle,
            workers: run.workers,
            bad_samples,
            ..Default::default()
        };
        DataLoader::new(part.clone(), options)
    }

    /// Makes everything else but the callbacks: the training is then ready to begin.
    ///
    /// # Errors
    /// If something cannot be made.
    pub fn job(&self, data: &Data, model: Box<dyn Layer>) -> Result<Job> {
        let run = self.run();
        let mut train = self.loader(&data.train, Some(run.seed), run.bad_samples);
        if run.balance == Balance::Sampling {
            train = train.weighted(self.balanced(data.sample_weights())?);
        }
        let valid = data.valid.as_ref().map(|part| self.loader(part, None, run.bad_samples));

        let transfer: Option<TransferOptions> = self.settings().get("transfer");
        if let Some(transfer) = &transfer {
            attempt(self.place("transfer", &self.root.place), None, || {
                take_over(transfer, &*model)
            })?;
        }
        let optimizer = optimizers::make(&self.settings().get("optimizer"), &*model)?;
        let learning_rate = optimizer.learning_rate();
        let loss = self.penalised(self.loss(data)?, &*model)?;
        if let Some(transfer) = &transfer {
            attempt(self.place("transfer", &self.root.place), None, || freeze(transfer, &*model))?;
        }

        let mut trainer = Trainer::new(model, loss, optimizer)
            .epochs(run.epochs)
            .accumulate(run.accumulate)
            .precision(run.precision)
            .metrics(self.metrics(data)?);
        if let Some(max) = run.clip_norm {
            trainer = trainer.clip_norm(max);
        }
        if let Some(limit) = run.clip_value {
            trainer = trainer.clip_value(limit);
        }
        if let Some(part) = self.part::<Box<dyn Schedule>>("schedule") {
            let steps_per_epoch = train.len().div_ceil(run.accumulate) as u64;
            let epochs = run.epochs as f64;
            let mut site = ScheduleSite { learning_rate, steps_per_epoch, epochs };
            trainer = trainer.callback(Scheduled(part.make(&mut site)?));
        }
        if let Some(transfer) = transfer {
            trainer = trainer.callback(Thaw(transfer));
        }
        Ok(Job { trainer, train, valid })
    }

    /// Makes the callbacks, some of which write into the folder of the run.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn callbacks(&self, folder: impl Into<PathBuf>) -> Result<Vec<Box<dyn Callback>>> {
        let settings = self.to_json().as_object().cloned().unwrap_or_default();
        let mut site = CallbackSite { folder: folder.into(), settings };
        let parts: Vec<Part<Box<dyn Callback>>> = self.parts("callbacks");
        parts.iter().map(|part| part.make(&mut site)).collect()
    }

    /// True if the recipe names a callback of a kind.
    pub fn has_callback(&self, kind: &str) -> bool {
        let parts: Vec<Part<Box<dyn Callback>>> = self.parts("callbacks");
        parts.iter().any(|part| part.kind() == kind)
    }

    /// A loss with the penalties of the recipe, which count while gradients are wanted: not in
    /// validation.
    fn penalised(&self, loss: Loss, model: &dyn Layer) -> Result<Loss> {
        let mut params = Params(model.named_params());
        let penalties = self.parts("regularisation");
        let penalties: Vec<Penalty> =
            penalties.iter().map(|part| part.make(&mut params)).collect::<Result<_>>()?;
        if penalties.is_empty() {
            return Ok(loss);
        }
        Ok(Box::new(move |output, target| {
            let loss = loss(output, target);
            match loss.needs_grad() {
                true => penalties.iter().fold(loss, |sum, Penalty(penalty)| sum + penalty()),
                false => loss,
            }
        }))
    }

    /// Where a section is written, if it is.
    fn place<'a>(&'a self, section: &str, otherwise: &'a Place) -> &'a Place {
        self.table().get(section).map_or(otherwise, |node| &node.place)
    }
}

/// Makes a part, or one of a kind with its defaults if there is none.
fn make_or<P: Product>(part: Option<Part<P>>, kind: &str, site: &mut P::Site) -> Result<P> {
    match part {
        Some(part) => part.make(site),
        None => Part::named(kind).checked()?.make(site),
    }
}

/// Gives a model the weights of another.
fn take_over(transfer: &TransferOptions, model: &dyn Layer) -> Result<()> {
    let path = match transfer.from.is_dir() {
        true => transfer.from.join("best.safetensors"),
        false => transfer.from.clone(),
    };
    let mut state = load_weights(&path)?.tensors;
    let new: Vec<String> = patterns(&transfer.except.0, model)?;
    state.retain(|(name, _)| !new.contains(name));
    let options = LoadOptions { strict: false, ..Default::default() };
    let report = model.load_state_dict_with(&state, &options);
    let report = report.map_err(|error| Error::Setting(format!("{}: {error}", path.display())))?;
    let missing: Vec<&String> = report.missing.iter().filter(|name| !new.contains(name)).collect();
    match missing.first() {
        None => Ok(()),
        Some(name) => Err(Error::Setting(format!(
            "{} has no `{name}`, nor {} more: name what is new in `except`",
            path.display(),
            missing.len() - 1
        ))),
    }
}

/// The names in a model that fit patterns, each of which must fit one.
fn patterns(patterns: &[String], model: &dyn Layer) -> Result<Vec<String>> {
    let mut names = vec![];
    for pattern in patterns {
        let fits = |name: &String| optimizers::name_fits(pattern, name);
        let fitting: Vec<String> =
            model.state_dict().into_iter().map(|(name, _)| name).filter(fits).collect();
        if fitting.is_empty() {
            return Err(Error::Setting(format!("no parameter's name fits `{pattern}`")));
        }
        names.extend(fitting);
    }
    Ok(names)
}

fn freeze(transfer: &TransferOptions, model: &dyn Layer) -> Result<()> {
    transfer.freeze.0.iter().for_each(|pattern| model.freeze(pattern));
    Ok(())
}

/// Trains what was frozen from an epoch on.
struct Thaw(TransferOptions);

impl Callback for Thaw {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.on_epoch_end(session)
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        if self.0.unfreeze_after.is_some_and(|epochs| session.history.len() >= epochs) {
            self.0.freeze.0.iter().for_each(|pattern| session.model.unfreeze(pattern));
        }
        Ok(())
    }
}
