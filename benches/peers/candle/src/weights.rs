//! The weights and inputs that gradus-bench wrote.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{Conv2d, Conv2dConfig, Linear, VarBuilder};
use std::collections::HashMap;
use std::path::Path;

/// Inputs, and weights by the names of PyTorch.
pub struct Weights {
    tensors: HashMap<String, Tensor>,
    /// Those that are trained.
    pub vars: Vec<Var>,
}

/// What the names of weights begin with, and those of inputs do not.
const WEIGHT: &str = "model.";

impl Weights {
    /// Reads a file; its weights can be trained, or not.
    pub fn read(file: &Path, trained: bool) -> Result<Self> {
        let mut tensors = candle_core::safetensors::load(file, &Device::Cpu)?;
        let mut vars = vec![];
        for (_, tensor) in
            tensors.iter_mut().filter(|(name, _)| trained && name.starts_with(WEIGHT))
        {
            let var = Var::from_tensor(tensor)?;
            *tensor = var.as_tensor().clone();
            vars.push(var);
        }
        Ok(Self { tensors, vars })
    }

    pub fn input(&self, name: &str) -> Result<Tensor> {
        let found = self.tensors.get(name).cloned();
        found.ok_or_else(|| candle_core::Error::Msg(format!("there is no {name}")))
    }

    /// An input of whole numbers, as candle counts.
    pub fn integers(&self, name: &str) -> Result<Tensor> {
        self.input(name)?.to_dtype(DType::U32)
    }

    pub fn of(&self, key: &str) -> Result<Tensor> {
        self.input(&format!("{WEIGHT}{key}"))
    }

    pub fn linear(&self, key: &str) -> Result<Linear> {
        let bias = self.of(&format!("{key}.bias"))?;
        Ok(Linear::new(self.of(&format!("{key}.weight"))?, Some(bias)))
    }

    /// A convolution of three by three that keeps the size.
    pub fn conv(&self, key: &str) -> Result<Conv2d> {
        let config = Conv2dConfig { padding: 1, ..Default::default() };
        let bias = self.of(&format!("{key}.bias"))?;
        Ok(Conv2d::new(self.of(&format!("{key}.weight"))?, Some(bias), config))
    }

    /// All of them, for layers of candle that look for their own.
    pub fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_tensors(self.tensors.clone(), DType::F32, &Device::Cpu).pp("model")
    }
}
