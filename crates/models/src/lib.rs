//! Models: one architecture, one file.
//!
//! [`classic`] has those of the beginning, from the neuron of McCulloch and Pitts to the deep belief
//! network, each as its paper has it.

#![forbid(unsafe_code)]

pub mod classic;
mod feed_forward;
mod lenet;
mod resnet;
mod resnet9;
mod text;
mod unet;

pub use feed_forward::{FeedForward, FeedForwardOptions};
pub use lenet::LeNet;
pub use resnet::{ResNet, ResNetOptions, Stem};
pub use resnet9::{ResNet9, ResNet9Options};
pub use text::{
    BagOfNgrams, BagOfNgramsOptions, Body, LanguageModel, LanguageModelOptions, Reader,
    SequenceClassifier, SequenceClassifierOptions, TextCnn, TextCnnOptions,
};
pub use unet::{UNet, UNetOptions};

use gradus_tensor::{Error, Result};

/// Refuses sizes that are 0.
fn check_sizes(model: &str, sizes: &[(&str, usize)]) -> Result<()> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, _)) => Err(Error::Setting(format!("{model}: {name} is 0: give 1 or more"))),
        None => Ok(()),
    }
}

/// Refuses what is no probability of dropping something.
fn check_dropout(model: &str, dropout: f64) -> Result<()> {
    match (0.0..1.0).contains(&dropout) {
        true => Ok(()),
        false => {
            Err(Error::Setting(format!("{model}: dropout is {dropout}: give 0 or more, below 1")))
        }
    }
}
