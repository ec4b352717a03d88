//! Models: one architecture, one file.
//!
//! [`classic`] has those of the beginning, from the neuron of McCulloch and Pitts to the deep belief
//! network, each as its paper has it.

#![forbid(unsafe_code)]

pub mod classic;
