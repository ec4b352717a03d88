//! The part of a recipe about what is trained, and how.

use super::Plan;
use gradus_data::source::{Answers, Input};

/// How long a training goes: so many steps, in no fewer and no more epochs.
struct Length {
    steps: usize,
    epochs: [usize; 2],
}

/// A network of two convolutions.
const SMALL: &str = "\
[model]
layers = [
    { kind = \"conv2d\", out = 32, kernel = 3, padding = 1 },
    \"relu\",
    \"max_pool2d\",
    { kind = \"conv2d\", out = 64, kernel = 3, padding = 1 },
    \"relu\",
    \"max_pool2d\",
    \"flatten\",
    { kind = \"linear\", out = 128 },
    \"relu\",
    { kind = \"dropout\", p = 0.3 },
    \"linear\",  # as many numbers as there are to be told
]

";

/// A network of convolutions over spectrograms.
const SPECTROGRAMS: &str = "\
[model]
layers = [
    { kind = \"conv2d\", out = 16, kernel = 3, padding = 1 },
    \"batch_norm2d\",
    \"relu\",
    \"max_pool2d\",
    { kind = \"conv2d\", out = 32, kernel = 3, padding = 1 },
    \"batch_norm2d\",
    \"relu\",
    \"max_pool2d\",
    { kind = \"conv2d\", out = 64, kernel = 3, padding = 1 },
    \"batch_norm2d\",
    \"relu\",
    \"global_avg_pool\",
    \"linear\",  # as many numbers as there are to be told
]

";

impl Plan<'_> {
    fn count(&self) -> usize {
        self.data.train.len()
    }

    /// Channels, rows and columns, if the model is given pictures.
    fn picture(&self) -> Option<[usize; 3]> {
        match self.data.encoder.input() {
            Input::Image { form, .. } => Some([form.channels, form.height, form.width]),
            _ => None,
        }
    }

    /// How many samples make a batch.
    fn batch(&self) -> usize {
        let wide = match self.data.encoder.input() {
            Input::Table { .. } | Input::Tensor { .. } => 2,
            _ => 1,
        };
        wide * match self.count() {
            0..500 => 16,
            500..5_000 => 32,
            _ => 64,
        }
    }

    fn epochs(&self) -> usize {
        let Length { steps, epochs: [least, most] } = match self.data.encoder.input() {
            Input::Table { .. } | Input::Tensor { .. } => Length { steps: 4000, epochs: [10, 100] },
            Input::Text { .. } => Length { steps: 2000, epochs: [5, 20] },
            Input::Language { .. } => Length { steps: 3000, epochs: [2, 20] },
            _ => Length { steps: 3000, epochs: [8, 40] },
        };
        (steps * self.batch() / self.count().max(1)).clamp(least, most)
    }

    /// How many times as frequent the most frequent class is as the rarest.
    fn imbalance(&self) -> f64 {
        let Some(classes) = self.data.classes() else { return 1.0 };
        let mut counts = vec![0u32; self.data.encoder.outputs()];
        classes.iter().for_each(|&class| counts[class as usize] += 1);
        let present = counts.iter().copied().filter(|&count| count > 0);
        let (least, most) = (present.clone().min(), present.max());
        most.unwrap_or(1) as f64 / least.unwrap_or(1) as f64
    }

    /// What is recorded.
    pub(super) fn metrics(&self) -> String {
        let figures = match self.data.encoder.answers() {
            Answers::Classes(names) if names.len() > 10 => {
                "\"accuracy\", { kind = \"top_accuracy\", k = 5 }, \"f1\""
            }
            Answers::Classes(_) => "\"accuracy\", \"f1\"",
            Answers::Numbers(_) => "\"mae\", \"rmse\", \"r2\"",
            Answers::NextToken => "\"accuracy\", \"perplexity\"",
            _ => "\"accuracy\", \"f1\"",
        };
        format!("# Recorded after each epoch, besides the loss.\nmetrics = [{figures}]\n\n")
    }

    /// How the training goes.
    pub(super) fn run(&self) -> String {
        let mut text = format!(
            "[run]\nepochs = {}  # how often to go through the data\nbatch = {}  # how many samples \
             make a step\nseed = 0  # another one gives other first weights and another order\n",
            self.epochs(),
            self.batch()
        );
        let imbalance = self.imbalance();
        if imbalance >= 2.0 {
            text += &format!(
                "# The most frequent class has {imbalance:.0} times as many samples as the rarest: \
                 all count alike.\nbalance = \"weights\"  # or \"sampling\", \"none\"\n"
            );
        }
        if matches!(self.data.encoder.input(), Input::Language { .. }) {
            text += "clip_norm = 1.0  # keeps single steps from going too far\n";
        }
        text + "\n"
    }

    /// What is done to samples.
    pub(super) fn augment(&self) -> String {
        match (self.data.encoder.input(), self.picture()) {
            (_, Some([3, height, width])) => format!(
                "# What is done to pictures, anew in each epoch: gradus augment {} shows it.\n\
                 [[augment]]\nkind = \"horizontal_flip\"  # remove it if left and right matter\n\n\
                 [[augment]]\nkind = \"random_crop\"\nsize = [{height}, {width}]\npadding = {}\n\n",
                self.recipe.display(),
                (height.min(width) / 8).max(1)
            ),
            (_, Some(_)) => format!(
                "# What is done to pictures, anew in each epoch: gradus augment {} shows it.\n\
                 [[augment]]\nkind = \"affine\"\ndegrees = 10.0  # turns, to either side\nscale = \
                 0.1  # larger or smaller\nshift = [0.07, 0.07]\n\n",
                self.recipe.display()
            ),
            (Input::Audio { .. }, _) => {
                let shape = self.data.encoder.shape();
                let part = |axis: usize| shape.get(axis).map_or(1, |&len| (len / 8).max(1));
                format!(
                    "# Bands of pitches and spans of time are hidden, others in each epoch.\n\
                     [[augment]]\nkind = \"spec_augment\"\nfrequency_width = {}\ntime_width = {}\n\n",
                    part(1),
                    part(2)
                )
            }
            _ => String::new(),
        }
    }

    /// What is trained.
    pub(super) fn model(&self) -> String {
        let small = self.count() < 5_000;
        match (self.data.encoder.input(), self.picture()) {
            (_, Some([_, height, width])) if height.min(width) < 4 => feed_forward("[64]", 0.0),
            (_, Some([channels, height, width])) => {
                let side = height.min(width);
                if side < 24 || (channels == 1 && height.max(width) <= 32) {
                    return "# Two convolutions: soon trained, for small pictures.\n".to_string()
                        + SMALL;
                }
                let width = if small { 32 } else { 64 };
                format!(
                    "# A residual network of nine layers. Others for pictures: \"resnet\", \"lenet\", \
                     or layers of your own.\n[model]\nkind = \"resnet9\"\nwidth = {width}  # the \
                     channels of the first layer: more can tell more, and take longer\n\n"
                )
            }
            (Input::Audio { .. }, _) => {
                "# Three convolutions over spectrograms.\n".to_string() + SPECTROGRAMS
            }
            (Input::Text { .. }, _) => "# Fast, and hard to beat. Others for texts: \"text_cnn\", \
                 \"sequence_classifier\".\n[model]\nkind = \"bag_of_ngrams\"\nfeatures = 32  # the \
                 numbers that stand for a word\ndropout = 0.2\n\n"
                .into(),
            (Input::Language { .. }, _) => {
                "[model]\nkind = \"language_model\"\nreader = \"lstm\"  # \
                 or \"gru\", \"transformer\"\nfeatures = 128\nlayers = 2\n\n"
                    .into()
            }
            _ if small => feed_forward("[64, 64]", 0.1),
            _ => feed_forward("[256, 128]", 0.1),
        }
    }

    /// What changes the parameters, and how fast.
    pub(super) fn optimizer(&self) -> String {
        let rate = match self.data.encoder.input() {
            Input::Language { .. } => "3e-3",
            Input::Text { .. } => "5e-3",
            Input::Table { .. } | Input::Tensor { .. } => "2e-3",
            _ => "1e-3",
        };
        format!(
            "[optimizer]\nkind = \"adamw\"\nlearning_rate = {rate}  # the first thing to vary: three \
             times as much, or a third\nweight_decay = 0.01\n\n# The learning rate falls to 0 along \
             half a cosine.\n[schedule]\nkind = \"cosine\"\n\n# Ends the training early, if wanted.\n\
             # [[callbacks]]\n# kind = \"early_stopping\"\n# monitor = \"valid_loss\"\n# patience = 10\n"
        )
    }
}

fn feed_forward(hidden: &str, dropout: f64) -> String {
    format!(
        "# Fully connected layers with ReLU.\n[model]\nkind = \"feed_forward\"\nhidden = {hidden}  # \
         the sizes of the hidden layers\ndropout = {dropout:?}\n\n"
    )
}
