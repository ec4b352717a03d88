//! The weights and inputs that gradus-bench wrote, as burn lays them out.

use crate::serve::Result;
use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::{GateController, LayerNorm, Linear, Lstm};
use burn::tensor::{Device, Element, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// Inputs, and weights by the names of PyTorch.
pub struct Weights {
    /// The file.
    bytes: Vec<u8>,
    pub device: Device,
}

impl Weights {
    pub fn read(file: &Path, device: Device) -> Result<Self> {
        Ok(Self { bytes: std::fs::read(file)?, device })
    }

    pub fn input<const D: usize>(&self, name: &str) -> Result<Tensor<D>> {
        let data = self.data(name, Dtype::F32, f32::from_le_bytes)?;
        Ok(Tensor::from_data(data, &self.device))
    }

    pub fn integers<const D: usize>(&self, name: &str) -> Result<Tensor<D, Int>> {
        let data = self.data(name, Dtype::I64, i64::from_le_bytes)?;
        Ok(Tensor::from_data(data, &self.device))
    }

    fn data<const N: usize, E: Element>(
        &self,
        name: &str,
        dtype: Dtype,
        number: fn([u8; N]) -> E,
    ) -> Result<TensorData> {
        let view = SafeTensors::deserialize(&self.bytes)?.tensor(name)?;
        if view.dtype() != dtype {
            return Err(format!("{name} is of {}, not of {dtype}", view.dtype()).into());
        }
        let (numbers, _) = view.data().as_chunks::<N>();
        let numbers: Vec<E> = numbers.iter().map(|bytes| number(*bytes)).collect();
        Ok(TensorData::new(numbers, view.shape().to_vec()))
    }

    pub fn of<const D: usize>(&self, key: &str) -> Result<Tensor<D>> {
        self.input(&format!("model.{key}"))
    }

    pub fn embedding(&self, key: &str, to: &mut Param<Tensor<2>>) -> Result<()> {
        *to = Param::from_tensor(self.of(key)?);
        Ok(())
    }

    pub fn linear(&self, key: &str, to: &mut Linear) -> Result<()> {
        let weight = self.of(&format!("{key}.weight"))?;
        set_linear(to, weight, self.of(&format!("{key}.bias"))?);
        Ok(())
    }

    pub fn conv(&self, key: &str, to: &mut Conv2d) -> Result<()> {
        to.weight = Param::from_tensor(self.of(&format!("{key}.weight"))?);
        to.bias = Some(Param::from_tensor(self.of(&format!("{key}.bias"))?));
        Ok(())
    }

    pub fn norm(&self, key: &str, to: &mut LayerNorm) -> Result<()> {
        to.gamma = Param::from_tensor(self.of(&format!("{key}.weight"))?);
        to.beta = Some(Param::from_tensor(self.of(&format!("{key}.bias"))?));
        Ok(())
    }

    /// Some rows of a linear layer that holds several.
    pub fn part(&self, [weight, bias]: [&str; 2], index: usize, to: &mut Linear) -> Result<()> {
        let size = to.weight.dims()[1];
        let weight = self.of::<2>(weight)?.narrow(0, index * size, size);
        set_linear(to, weight, self.of::<1>(bias)?.narrow(0, index * size, size));
        Ok(())
    }

    /// A layer of PyTorch's LSTM, whose gates are input, forget, cell and output.
    pub fn lstm(&self, key: &str, layer: usize, to: &mut Lstm) -> Result<()> {
        let forget = to.forget_gate.as_mut().ok_or("the layer has no forget gate")?;
        let gates: [&mut GateController; 4] =
            [&mut to.input_gate, forget, &mut to.cell_gate, &mut to.output_gate];
        for (index, gate) in gates.into_iter().enumerate() {
            for (of, to) in [("ih", &mut gate.input_transform), ("hh", &mut gate.hidden_transform)]
            {
                let names = ["weight", "bias"].map(|kind| format!("{key}.{kind}_{of}_l{layer}"));
                self.part([&names[0], &names[1]], index, to)?;
            }
        }
        Ok(())
    }
}

/// burn's weights are PyTorch's, transposed.
fn set_linear(to: &mut Linear, weight: Tensor<2>, bias: Tensor<1>) {
    to.weight = in_order(weight.transpose());
    to.bias = Some(in_order(bias));
}

/// A parameter whose numbers lie row by row, as those do that burn draws itself.
fn in_order<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    let device = tensor.device();
    Param::from_tensor(Tensor::from_data(tensor.into_data(), &device))
}
