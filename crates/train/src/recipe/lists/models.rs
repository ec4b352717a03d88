//! The models that a recipe can name.

use super::blocks::chain;
use super::layers::{LayerSite, Layers};
use crate::recipe::entry::{Entry, Product, entry};
use crate::recipe::field::{POSITIVE, choices};
use gradus_models::*;
use gradus_nn::Layer;
use gradus_tensor::Result;

/// A model.
#[derive(Debug)]
pub struct Model(
    /// It.
    pub Box<dyn Layer>,
);

impl Product for Model {
    type Site = LayerSite;
    const NAME: &'static str = "models";
    const NOUN: &'static str = "model";
    const DEFAULT: Option<&'static str> = Some("layers");

    fn entries() -> Vec<Entry<Self>> {
        [listed(), images(), texts()].into_iter().flatten().collect()
    }
}

fn model(model: impl Layer + 'static) -> Result<Model> {
    Ok(Model(Box::new(model)))
}

fn listed() -> Vec<Entry<Model>> {
    vec![
        entry! {
            layers(site): "Layers that the recipe lists, one after another; what goes into each is known from the one before.";
            layers: Layers => "The layers.";
            => model(chain(&layers, site)?)
        },
        entry! {
            feed_forward(site): "A feed-forward network: fully connected layers with ReLU, for tables and small images.";
            hidden: Vec<usize> = FeedForwardOptions::default().hidden, 1.. => "The sizes of the hidden layers.";
            dropout: f64 = 0.0, 0.0..1.0 => "The share of hidden numbers that are left out in training.";
            batch_norm: bool = false => "Normalise hidden numbers over the batch.";
            => {
                let inputs = site.input.shape[1..].iter().product();
                let outputs = site.outputs(None)?;
                let options = FeedForwardOptions { inputs, hidden, outputs, dropout, batch_norm };
                model(FeedForward::new(options, &mut site.rng)?)
            }
        },
    ]
}

choices! {
    Stem { Large = "large", Small = "small" }
    Reader { Lstm = "lstm", Gru = "gru", Transformer = "transformer" }
}

fn images() -> Vec<Entry<Model>> {
    vec![
        entry! {
            lenet(site): "LeNet-5, for images of 28 by 28 pixels.";
            => model(LeNet::new(site.channels()?, site.outputs(None)?, &mut site.rng)?)
        },
        entry! {
            resnet(site): "A residual network, for images.";
            depth: usize = 18 => "How many layers have weights: 18, 34, 50, 101 or 152.";
            width: usize = 64, 1.. => "The channels of the first stage.";
            stem: Stem = Stem::Large => "How it begins: `large` for images of about 224 pixels, `small` for about 32.";
            => {
                let (channels, classes) = (site.channels()?, site.outputs(None)?);
                let options = ResNetOptions { depth, channels, classes, width, stem };
                model(ResNet::new(options, &mut site.rng)?)
            }
        },
        entry! {
            resnet9(site): "A residual network of nine layers, for small images: soon trained.";
            width: usize = 64, 1.. => "The channels of the first convolution.";
            scale: f64 = 0.125, POSITIVE => "What the scores are multiplied by.";
            => {
                let (channels, classes) = (site.channels()?, site.outputs(None)?);
                let options = ResNet9Options { channels, classes, width, scale };
                model(ResNet9::new(options, &mut site.rng)?)
            }
        },
        entry! {
            unet(site): "The U-Net, which tells what each pixel of an image shows.";
            width: usize = 32, 1.. => "The channels of the first level.";
            depth: usize = 3, 1.. => "How often the image is halved.";
            => {
                let (channels, classes) = (site.channels()?, site.outputs(None)?);
                model(UNet::new(UNetOptions { channels, classes, width, depth }, &mut site.rng)?)
            }
        },
    ]
}

fn texts() -> Vec<Entry<Model>> {
    vec![
        entry! {
            bag_of_ngrams(site): "The mean of the vectors of words and pairs of neighbours: fast, and hard to beat on long texts.";
            features: usize = 32, 1.. => "The numbers that stand for a word.";
            buckets: usize = 100_000 => "How many vectors the pairs share; 0 for none.";
            dropout: f64 = 0.0, 0.0..1.0 => "The share of numbers that are left out in training.";
            => {
                let (vocabulary, classes) = (site.tokens(None)?, site.outputs(None)?);
                let options = BagOfNgramsOptions { vocabulary, classes, features, buckets, dropout };
                model(BagOfNgrams::new(options, &mut site.rng)?)
            }
        },
        entry! {
            text_cnn(site): "Convolutions over the vectors of words.";
            features: usize = 128, 1.. => "The numbers that stand for a word.";
            filters: usize = 100, 1.. => "How many kinds of phrases are looked for, of each length.";
            kernels: Vec<usize> = vec![3, 4, 5], 1.. => "The lengths of phrases.";
            dropout: f64 = 0.5, 0.0..1.0 => "The share of findings that are left out in training.";
            => {
                let (vocabulary, classes) = (site.tokens(None)?, site.outputs(None)?);
                let options = TextCnnOptions { vocabulary, classes, features, filters, kernels, dropout };
                model(TextCnn::new(options, &mut site.rng)?)
            }
        },
        entry! {
            sequence_classifier(site): "A recurrent network, or attention, that reads a text and tells its class.";
            reader: Reader = Reader::Lstm => "What reads.";
            features: usize = 64, 1.. => "The numbers that stand for a word, and for what was read.";
            layers: usize = 1, 1.. => "How many layers read.";
            heads: usize = 4, 1.. => "The heads of a `transformer`.";
            dropout: f64 = 0.0, 0.0..1.0 => "The share of numbers that are left out in training.";
            => {
                let (vocabulary, classes) = (site.tokens(None)?, site.outputs(None)?);
                let length = site.features()?;
                let options = SequenceClassifierOptions {
                    reader, vocabulary, classes, features, layers, heads, length, dropout,
                };
                model(SequenceClassifier::new(options, &mut site.rng)?)
            }
        },
        entry! {
            language_model(site): "A recurrent network, or attention, that tells what comes next in a text.";
            reader: Reader = Reader::Lstm => "What reads.";
            features: usize = 128, 1.. => "The numbers that stand for a token, and for what was read up to it.";
            layers: usize = 2, 1.. => "How many layers read.";
            heads: usize = 4, 1.. => "The heads of a `transformer`.";
            dropout: f64 = 0.0, 0.0..1.0 => "The share of numbers between layers that are left out in training.";
            => {
                let (vocabulary, length) = (site.tokens(None)?, site.features()?);
                let options = LanguageModelOptions {
                    reader, vocabulary, features, layers, heads, length, dropout,
                };
                model(LanguageModel::new(options, &mut site.rng)?)
            }
        },
    ]
}
