//! The first model of a neuron.

/// How an input acts on a [`McpNeuron`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synapse {
    /// Counts towards the threshold.
    Excitatory,
    /// Keeps the neuron from firing, whatever the others say.
    Inhibitory,
}

/// The neuron of McCulloch and Pitts: it fires if no inhibitory input is active and at least θ
/// excitatory ones are. It learns nothing; nets of it compute every function of logic.
///
/// # Source
/// McCulloch, Pitts 1943, "A logical calculus of the ideas immanent in nervous activity", §2.
///
/// ```
/// use gradus_models::classic::{McpNeuron, xor};
///
/// assert!(McpNeuron::and(2).fires(&[true, true]));
/// assert!(!McpNeuron::and(2).fires(&[true, false]));
/// // No single neuron computes it, but three do.
/// assert!(xor(true, false) && !xor(true, true));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpNeuron {
    /// What each input does.
    pub synapses: Vec<Synapse>,
    /// θ, how many excitatory inputs must be active.
    pub threshold: usize,
}

impl McpNeuron {
    /// Fires if all of `count` inputs are active.
    pub fn and(count: usize) -> Self {
        Self { synapses: vec![Synapse::Excitatory; count], threshold: count }
    }

    /// Fires if any of `count` inputs is active.
    pub fn or(count: usize) -> Self {
        Self { synapses: vec![Synapse::Excitatory; count], threshold: 1 }
    }

    /// Fires if its only input is not active.
    pub fn not() -> Self {
        Self { synapses: vec![Synapse::Inhibitory], threshold: 0 }
    }

    /// Fires if none of `count` inputs is active.
    pub fn nor(count: usize) -> Self {
        Self { synapses: vec![Synapse::Inhibitory; count], threshold: 0 }
    }

    /// Fires if the first input is active and the second is not.
    pub fn but_not() -> Self {
        Self { synapses: vec![Synapse::Excitatory, Synapse::Inhibitory], threshold: 1 }
    }

    /// Whether the neuron fires.
    ///
    /// # Panics
    /// If there are not as many inputs as synapses.
    #[track_caller]
    pub fn fires(&self, inputs: &[bool]) -> bool {
        let (count, wanted) = (inputs.len(), self.synapses.len());
        assert!(count == wanted, "fires: {count} inputs for {wanted} synapses: give one for each");
        let active = |kind| {
            let pairs = self.synapses.iter().zip(inputs);
            pairs.filter(|&(synapse, &input)| *synapse == kind && input).count()
        };
        active(Synapse::Inhibitory) == 0 && active(Synapse::Excitatory) >= self.threshold
    }
}

/// True if one of two is active and the other is not, by two neurons and a third that reads them.
pub fn xor(a: bool, b: bool) -> bool {
    let only = McpNeuron::but_not();
    McpNeuron::or(2).fires(&[only.fires(&[a, b]), only.fires(&[b, a])])
}
