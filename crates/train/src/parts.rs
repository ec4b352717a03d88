//! Looking into a model.

use gradus_nn::{Buffer, Layer, Path, Visitor};
use gradus_tensor::{DType, Result, Tensor, no_grad};

/// All buffers of a model.
pub(crate) fn buffers(model: &dyn Layer) -> Vec<Buffer> {
    struct Found(Vec<Buffer>);
    impl Visitor for Found {
        fn buffer(&mut self, _: &Path, buffer: &Buffer) {
            self.0.push(buffer.clone());
        }
    }
    let mut found = Found(vec![]);
    model.visit(&mut Path::default(), &mut found);
    found.0
}

/// What a forward pass in training changes of a model: buffers and the positions of random streams.
pub(crate) struct Sides {
    buffers: Vec<(Buffer, Tensor)>,
    streams: Vec<(String, (u64, u64))>,
}

impl Sides {
    /// As they are now.
    pub(crate) fn of(model: &dyn Layer) -> Self {
        let buffers = buffers(model).into_iter();
        let buffers = buffers.map(|buffer| (buffer.clone(), buffer.tensor())).collect();
        Self { buffers, streams: model.named_streams() }
    }

    /// Puts a model's back to what they were.
    pub(crate) fn restore(&self, model: &dyn Layer) -> Result<()> {
        self.buffers.iter().try_for_each(|(buffer, value)| buffer.set(value))?;
        model.load_streams(&self.streams)
    }
}

/// True if every number of a tensor is finite.
pub(crate) fn is_finite(x: &Tensor) -> bool {
    // Zero times what is not finite is NaN, and stays it in the sum.
    let sum = no_grad(|| (x.detach() * 0.0).sum(..).to_dtype(DType::F64).item::<f64>());
    sum == 0.0
}
