//! L-BFGS.

use super::check_not_negative;
use super::groups::{mismatch, single};
use super::wolfe::{Line, Point};
use crate::Param;
use gradus_tensor::{DType, Result, Tensor, no_grad};
use std::collections::VecDeque;

/// The settings of [`Lbfgs`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LbfgsOptions {
    /// η, the length of a step, or the first guess of a line search.
    pub learning_rate: f64,
    /// How often a step of the optimizer goes on to another point.
    pub iterations: usize,
    /// How often it may evaluate the loss; none for 5/4 of the iterations.
    pub evaluations: Option<usize>,
    /// Ends where no number of the gradient is larger.
    pub gradient_tolerance: f64,
    /// Ends where neither the loss nor any number of a parameter changes by more.
    pub change_tolerance: f64,
    /// How many differences of points and gradients are remembered.
    pub history: usize,
    /// Search each line for a point that satisfies the strong Wolfe conditions.
    pub strong_wolfe: bool,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for LbfgsOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1.0,
            iterations: 20,
            evaluations: None,
            gradient_tolerance: 1e-7,
            change_tolerance: 1e-9,
            history: 100,
            strong_wolfe: false,
            maximize: false,
        }
    }
}

/// Newton's method with an inverse Hessian that is estimated from the last differences of points and
/// gradients, for losses that are always over the same data.
///
/// ```
/// use gradus_nn::{Layer, Lbfgs, LbfgsOptions, Linear, Module, losses::mse_loss};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let x = Tensor::randn([32, 3], &mut rng);
/// let y = x.sum(1).unsqueeze(1);
/// let model = Linear::new(3, 1, &mut rng);
/// let options = LbfgsOptions { strong_wolfe: true, ..Default::default() };
/// let mut optimizer = Lbfgs::new(model.params(), options);
/// optimizer.step_with(|| mse_loss(&model.forward(&x), &y));
/// assert!(mse_loss(&model.forward(&x), &y).item::<f32>() < 1e-6);
/// ```
///
/// # Source
/// Nocedal, Wright 2006, "Numerical Optimization", algorithms 7.4 and 7.5; PyTorch:
/// `torch.optim.LBFGS`.
#[derive(Debug)]
pub struct Lbfgs {
    params: Vec<Param>,
    options: LbfgsOptions,
    memory: Memory,
}

/// What is remembered from step to step; parameters and gradients are one vector.
#[derive(Clone, Debug, Default)]
struct Memory {
    iterations: u64,
    /// The last direction, how far it was gone, and the gradient before.
    last: Option<(Tensor, f64, Tensor)>,
    pairs: VecDeque<Pair>,
    /// The estimate of the inverse Hessian before any pair is taken into account.
    scale: f64,
}

/// A line through the point of all parameters.
struct Way {
    home: Tensor,
    direction: Tensor,
}

/// The changes of the point and of the gradient on a step.
#[derive(Clone, Debug)]
struct Pair {
    point: Tensor,
    gradient: Tensor,
    /// 1 / (point · gradient).
    rho: f64,
}

impl Lbfgs {
    /// An optimizer of parameters.
    ///
    /// # Panics
    /// If the learning rate is negative, or there are no parameters, no iterations or no history.
    #[track_caller]
    pub fn new(params: Vec<Param>, options: LbfgsOptions) -> Self {
        check_not_negative("lbfgs", "learning rate", options.learning_rate);
        assert!(options.iterations > 0, "lbfgs: there are 0 iterations: give 1 or more");
        assert!(options.history > 0, "lbfgs: the history is 0: give 1 or more");
        assert!(!params.is_empty(), "lbfgs: there are no parameters");
        Self { params, options, memory: Memory::default() }
    }

    /// The learning rate.
    pub fn learning_rate(&self) -> f64 {
        self.options.learning_rate
    }

    /// Changes the learning rate.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.options.learning_rate = learning_rate;
    }

    /// Goes several iterations by a function that gives the loss at the parameters of the moment.
    /// Gives the loss where it started.
    ///
    /// # Panics
    /// If the loss is not a single number, or the device fails.
    #[track_caller]
    pub fn step_with(&mut self, mut loss: impl FnMut() -> Tensor) -> f64 {
        let mut evaluate = || self.evaluate(&mut loss);
        let (first, gradient) = evaluate();
        let outcome = no_grad(|| self.iterate(&mut loss, first, gradient));
        if let Err(error) = outcome {
            panic!("{error}");
        }
        if self.options.maximize { -first } else { first }
    }

    /// The loss and its gradient, both turned around to go uphill.
    fn evaluate(&self, loss: &mut dyn FnMut() -> Tensor) -> (f64, Tensor) {
        let loss = gradus_tensor::autograd::enable_grad(loss);
        let gradients = loss.backward();
        let flat = |param: &Param| match param.grad(&gradients).filter(|_| param.is_trainable()) {
            Some(gradient) => gradient.detach().reshape([param.tensor().count()]),
            None => param.tensor().detach().zeros_like().reshape([param.tensor().count()]),
        };
        let parts: Vec<Tensor> = self.params.iter().map(flat).collect();
        let gradient = Tensor::cat(&parts, 0);
        let value = loss.detach().to_dtype(DType::F64).item::<f64>();
        if self.options.maximize { (-value, -gradient) } else { (value, gradient) }
    }

    fn iterate(
        &mut self,
        loss: &mut dyn FnMut() -> Tensor,
        mut value: f64,
        mut gradient: Tensor,
    ) -> Result<()> {
        let options = self.options;
        let most = options.evaluations.unwrap_or(options.iterations * 5 / 4);
        let mut evaluations = 1;
        if largest(&gradient) <= options.gradient_tolerance {
            return Ok(());
        }
        for iteration in 1..=options.iterations {
            let direction = self.memory.direction(&gradient, options.history);
            let guess = match self.memory.iterations {
                1 => (1.0 / number(gradient.abs().sum(..))).min(1.0) * options.learning_rate,
                _ => options.learning_rate,
            };
            let slope = dot(&gradient, &direction);
            let (old_value, old_gradient) = (value, gradient.clone());
            if slope > -options.change_tolerance {
                self.memory.last = Some((direction, guess, old_gradient));
                return Ok(());
            }
            let mut length = guess;
            let way = Way { home: self.flat(), direction };
            if options.strong_wolfe {
                let start = Point { at: 0.0, value, slope, gradient };
                let tries = most.saturating_sub(evaluations);
                let (point, evaluated) = self.search(loss, &way, start, (guess, tries))?;
                (value, gradient, length) = (point.value, point.gradient, point.at);
                evaluations += evaluated;
            }
            self.go(&way, length)?;
            // After the last iteration nobody needs the gradient.
            if !options.strong_wolfe && iteration < options.iterations {
                (value, gradient) = self.evaluate(loss);
                evaluations += 1;
            }
            let change = largest(&way.direction) * length.abs();
            self.memory.last = Some((way.direction, length, old_gradient));
            if evaluations >= most
                || largest(&gradient) <= options.gradient_tolerance
                || change <= options.change_tolerance
                || (value - old_value).abs() < options.change_tolerance
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Searches a line for a good point, from a guess of how far and with so many tries; gives the
    /// point and how many were evaluated.
    fn search(
        &self,
        loss: &mut dyn FnMut() -> Tensor,
        way: &Way,
        start: Point,
        (guess, tries): (f64, usize),
    ) -> Result<(Point, usize)> {
        let mut failure = None;
        let mut evaluate = |at: f64| {
            failure = failure.take().or(self.go(way, at).err());
            let (value, gradient) = self.evaluate(loss);
            Point { at, value, slope: dot(&gradient, &way.direction), gradient }
        };
        let width = largest(&way.direction);
        let found = Line { start, width, tries, evaluate: &mut evaluate }.search(guess);
        failure.map_or(Ok(found), Err)
    }

    /// All parameters as one vector.
    fn flat(&self) -> Tensor {
        let parts: Vec<Tensor> = self
            .params
            .iter()
            .map(|param| param.tensor().detach().reshape([param.tensor().count()]))
            .collect();
        Tensor::cat(&parts, 0)
    }

    /// Sets the parameters to home + length · direction.
    fn go(&self, way: &Way, length: f64) -> Result<()> {
        let point = &way.home + &way.direction * length;
        let mut start = 0;
        for param in &self.params {
            let old = param.tensor();
            if param.is_trainable() {
                param
                    .set(&point.narrow(0, start, old.count()).reshape(*old.shape()).contiguous())?;
            }
            start += old.count();
        }
        Ok(())
    }
}

impl Memory {
    /// Takes the last step into account and gives the next direction: minus the estimated inverse
    /// Hessian times the gradient.
    fn direction(&mut self, gradient: &Tensor, history: usize) -> Tensor {
        self.iterations += 1;
        let Some((direction, length, old_gradient)) = &self.last else {
            self.scale = 1.0;
            return -gradient;
        };
        let (point, change) = (direction * *length, gradient - old_gradient);
        let curvature = dot(&change, &point);
        // Less would spoil the estimate.
        if curvature > 1e-10 {
            if self.pairs.len() == history {
                self.pairs.pop_front();
            }
            self.scale = curvature / dot(&change, &change);
            self.pairs.push_back(Pair { point, gradient: change, rho: 1.0 / curvature });
        }
        // Two loops, back and forth.
        let mut way = -gradient;
        let mut parts = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let part = dot(&pair.point, &way) * pair.rho;
            way = way - &pair.gradient * part;
            parts.push(part);
        }
        way = way * self.scale;
        for (pair, part) in self.pairs.iter().zip(parts.into_iter().rev()) {
            let other = dot(&pair.gradient, &way) * pair.rho;
            way = way + &pair.point * (part - other);
        }
        way
    }
}

impl Lbfgs {
    /// What the optimizer remembers, by name; see [`Optimizer::state_dict`](super::Optimizer).
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        let Memory { iterations, last, pairs, scale } = &self.memory;
        let mut state = vec![("iterations".to_string(), Tensor::from(*iterations as i64))];
        let Some((direction, length, gradient)) = last else {
            return state;
        };
        let numbers = [("length", *length), ("scale", *scale)];
        state.extend(numbers.map(|(name, x)| (name.to_string(), Tensor::from(x))));
        state.push(("direction".into(), direction.clone()));
        state.push(("gradient".into(), gradient.clone()));
        for (index, pair) in pairs.iter().enumerate() {
            state.push((format!("{index}.point"), pair.point.clone()));
            state.push((format!("{index}.gradient"), pair.gradient.clone()));
            state.push((format!("{index}.rho"), Tensor::from(pair.rho)));
        }
        state
    }

    /// Continues from what another remembered for the same parameters.
    ///
    /// # Errors
    /// [`Error::Mismatch`](gradus_tensor::Error::Mismatch), if it was another kind of optimizer or
    /// there were other parameters.
    pub fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let like = self.flat();
        let loaded = Memory::load(state, &like).ok_or_else(mismatch)?;
        self.memory = loaded;
        Ok(())
    }
}

impl Memory {
    fn load(state: &[(String, Tensor)], like: &Tensor) -> Option<Self> {
        let find = |name: &str| state.iter().find(|(own, _)| own == name).map(|(_, x)| x);
        let number = |name: &str| single::<f64>(&find(name)?.to_dtype(DType::F64));
        let vector = |name: &str| {
            let saved = find(name).filter(|x| x.shape() == like.shape())?;
            Some(saved.to_dtype(like.dtype()).to_device(like.device()))
        };
        let iterations = u64::try_from(single::<i64>(find("iterations")?)?).ok()?;
        if state.len() == 1 {
            return (iterations == 0).then(Self::default);
        }
        let last = Some((vector("direction")?, number("length")?, vector("gradient")?));
        let pair = |index: usize| {
            let point = vector(&format!("{index}.point"))?;
            let gradient = vector(&format!("{index}.gradient"))?;
            Some(Pair { point, gradient, rho: number(&format!("{index}.rho"))? })
        };
        let count = (state.len() - 5) / 3;
        let pairs = (0..count).map(pair).collect::<Option<VecDeque<Pair>>>()?;
        (state.len() == 5 + 3 * count).then_some(())?;
        Some(Self { iterations, last, pairs, scale: number("scale")? })
    }
}

fn number(x: Tensor) -> f64 {
    x.to_dtype(DType::F64).item()
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    number((a * b).sum(..))
}

fn largest(x: &Tensor) -> f64 {
    if x.count() == 0 { 0.0 } else { number(x.abs().max(..)) }
}
