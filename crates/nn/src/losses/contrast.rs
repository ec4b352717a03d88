//! Losses of embeddings: what is alike should be near, what differs apart.

use super::{LossReduction, check_alike, check_positive, check_range, fail};
use gradus_tensor::{DType, Tensor};

/// What keeps the angle between vectors of zeros defined: PyTorch's number.
const LEAST_SQUARE: f64 = 1e-12;

/// The settings of [`cosine_embedding_loss`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CosineEmbeddingOptions {
    /// The cosine below which what differs is content, from -1 to 1.
    pub margin: f64,
    /// What becomes of the losses of single pairs.
    pub reduction: LossReduction,
}

/// For the cosine of the angle of two vectors: 1 - cos where y = 1, of what is alike, and
/// max(0, cos - margin) where y = -1, of what differs.
///
/// # Shapes
/// `first, second: [B, D]`, `target: [B]`, `-> []`, or `[B]` if not reduced; or without the batch,
/// `[D]` and `[]`.
///
/// # Panics
/// If the shapes do not fit.
///
/// # Source
/// PyTorch: `torch.nn.functional.cosine_embedding_loss`.
#[track_caller]
pub fn cosine_embedding_loss(
    first: &Tensor,
    second: &Tensor,
    target: &Tensor,
    options: CosineEmbeddingOptions,
) -> Tensor {
    let CosineEmbeddingOptions { margin, reduction } = options;
    check_pairs("cosine_embedding_loss", first, second, target);
    let square = |x: &Tensor| x.square().sum(-1) + LEAST_SQUARE;
    let cosine = (first * second).sum(-1) / (square(first) * square(second)).sqrt();
    let (alike, apart) = (1.0 - &cosine, (cosine - margin).clamp(0.0, f64::INFINITY));
    let nothing = alike.zeros_like();
    let apart = target.eq_scalar(-1).where_cond(&apart, &nothing);
    reduction.apply(&target.eq_scalar(1).where_cond(&alike, &apart))
}

/// Fails unless there are two vectors for each element of a target.
#[track_caller]
fn check_pairs(name: &'static str, first: &Tensor, second: &Tensor, target: &Tensor) {
    check_alike(name, ("first vectors", first), ("second", second));
    if first.rank() == 0 {
        fail(name, "takes vectors [B, D] or [D], not a single number");
    }
    let wanted = first.shape().without(first.rank() - 1);
    if *target.shape() != wanted {
        let (first, target) = (first.shape(), target.shape());
        fail(name, format_args!("vectors {first} want a target {wanted}, not {target}"));
    }
}

/// The settings of [`contrastive_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContrastiveOptions {
    /// How far apart what differs should be: a positive number.
    pub margin: f64,
    /// What becomes of the losses of single pairs.
    pub reduction: LossReduction,
}

impl Default for ContrastiveOptions {
    fn default() -> Self {
        Self { margin: 1.0, reduction: LossReduction::Mean }
    }
}

/// (1 - Y) ½ D² + Y ½ max(0, margin - D)² for the distance D of two vectors, where Y is 0 of what is
/// alike and 1 of what differs.
///
/// # Shapes
/// `first, second: [B, D]`, `target: [B]`, `-> []`, or `[B]` if not reduced; or without the batch,
/// `[D]` and `[]`.
///
/// # Panics
/// If the shapes do not fit, a target is below 0 or above 1, or the margin is not positive.
///
/// # Source
/// Hadsell et al. 2006, "Dimensionality Reduction by Learning an Invariant Mapping", equation 4.
/// PyTorch has none.
#[track_caller]
pub fn contrastive_loss(
    first: &Tensor,
    second: &Tensor,
    target: &Tensor,
    options: ContrastiveOptions,
) -> Tensor {
    let ContrastiveOptions { margin, reduction } = options;
    check_pairs("contrastive_loss", first, second, target);
    check_positive("contrastive_loss", "margin", margin);
    check_range("contrastive_loss", "a target", target, (0.0, 1.0));
    let difference = first - second;
    let near = difference.square().sum(-1);
    let apart = (margin - difference.norm(2.0, -1)).clamp(0.0, f64::INFINITY).square();
    reduction.apply(&(((1.0 - target) * near + target * apart) * 0.5))
}

/// The settings of [`triplet_margin_loss`] and [`triplet_margin_with_distance_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletOptions {
    /// How much nearer the positive should be than the negative: a positive number.
    pub margin: f64,
    /// p, the norm that the distance is. Not for a distance of one's own.
    pub p: f64,
    /// ε, which is added to each difference. Not for a distance of one's own.
    pub eps: f64,
    /// Whether the positive, too, should be apart from the negative: the nearer of it and the anchor
    /// counts.
    pub swap: bool,
    /// What becomes of the losses of single triplets.
    pub reduction: LossReduction,
}

impl Default for TripletOptions {
    fn default() -> Self {
        Self { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: LossReduction::Mean }
    }
}

/// max(0, margin + d(a, p) - d(a, n)) for an anchor a, a positive p that is like it, a negative n that
/// is not, and the distance d(x, y) = ‖x - y + ε‖ in the p-norm.
///
/// # Shapes
/// `anchor, positive, negative: [.., D] -> []`, or `[..]` if not reduced.
///
/// # Panics
/// If the shapes differ, or the margin is not positive.
///
/// # Source
/// Schroff et al. 2015, "FaceNet", equation 2, there with squares; swap: Balntas et al. 2016,
/// "Learning local feature descriptors with triplets and shallow convolutional neural networks";
/// PyTorch: `torch.nn.functional.triplet_margin_loss`.
#[track_caller]
pub fn triplet_margin_loss(
    anchor: &Tensor,
    positive: &Tensor,
    negative: &Tensor,
    options: TripletOptions,
) -> Tensor {
    let distance = |x: &Tensor, y: &Tensor| (x - y + options.eps).norm(options.p, -1);
    triplets("triplet_margin_loss", [anchor, positive, negative], distance, options)
}

/// As [`triplet_margin_loss`], with a distance of one's own.
///
/// # Panics
/// As [`triplet_margin_loss`].
///
/// # Source
/// PyTorch: `torch.nn.functional.triplet_margin_with_distance_loss`.
///
/// ```
/// use gradus_nn::losses::{TripletOptions, triplet_margin_with_distance_loss};
/// use gradus_tensor::Tensor;
///
/// let [a, p, n] = [0.0, 0.5, 2.0].map(|x| Tensor::full([1, 1], x));
/// let square = |x: &Tensor, y: &Tensor| (x - y).square().sum(-1);
/// let options = TripletOptions { margin: 4.0, ..Default::default() };
/// let loss = triplet_margin_with_distance_loss([&a, &p, &n], square, options);
/// assert_eq!(loss.item::<f32>(), 4.0 + 0.25 - 4.0);
/// ```
#[track_caller]
pub fn triplet_margin_with_distance_loss(
    [anchor, positive, negative]: [&Tensor; 3],
    distance: impl Fn(&Tensor, &Tensor) -> Tensor,
    options: TripletOptions,
) -> Tensor {
    let name = "triplet_margin_with_distance_loss";
    triplets(name, [anchor, positive, negative], distance, options)
}

#[track_caller]
fn triplets(
    name: &'static str,
    [anchor, positive, negative]: [&Tensor; 3],
    distance: impl Fn(&Tensor, &Tensor) -> Tensor,
    options: TripletOptions,
) -> Tensor {
    check_alike(name, ("anchor", anchor), ("positive", positive));
    check_alike(name, ("anchor", anchor), ("negative", negative));
    check_positive(name, "margin", options.margin);
    let (near, mut far) = (distance(anchor, positive), distance(anchor, negative));
    if options.swap {
        far = far.minimum(&distance(positive, negative));
    }
    let violation = near - far + options.margin;
    options.reduction.apply(&violation.clamp(0.0, f64::INFINITY))
}

/// The settings of [`info_nce_loss`].
#[derive(Clone, Debug)]
pub struct InfoNceOptions {
    /// What scores are divided by: a positive number.
    pub temperature: f64,
    /// Whether scores are cosines, of vectors brought to length 1, or plain products.
    pub normalize: bool,
    /// What a query is not like, `[M, D]` for all queries or `[B, M, D]` for each its own; none is
    /// what belongs to the other queries.
    pub negatives: Option<Tensor>,
    /// What becomes of the losses of single queries.
    pub reduction: LossReduction,
}

impl Default for InfoNceOptions {
    fn default() -> Self {
        let reduction = LossReduction::Mean;
        Self { temperature: 0.1, normalize: true, negatives: None, reduction }
    }
}

/// -ln(f(q, k) / Σ f(q, kⱼ)) with f(q, k) = e^(q·k / temperature), for queries q, the key k that
/// belongs to each, and all keys kⱼ: k itself and the negatives.
///
/// # Shapes
/// `queries: [B, D]`, `keys: [B, D]`, `-> []`, or `[B]` if not reduced.
///
/// # Panics
/// If the shapes do not fit, or the temperature is not positive.
///
/// # Source
/// van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", equation
/// 4, whose score q·k is (the queries being W c); with cosines, He et al. 2020, "Momentum Contrast
/// for Unsupervised Visual Representation Learning", equation 1. PyTorch has none.
#[track_caller]
pub fn info_nce_loss(queries: &Tensor, keys: &Tensor, options: &InfoNceOptions) -> Tensor {
    let name = "info_nce_loss";
    check_vectors(name, queries, keys);
    check_positive(name, "temperature", options.temperature);
    let ready = |x: &Tensor| if options.normalize { unit(x) } else { x.clone() };
    let (q, k) = (ready(queries), ready(keys));
    let scores = match &options.negatives {
        // The keys of the other queries are the negatives: the right ones lie on the diagonal.
        None => q.matmul(&k.t()),
        Some(negatives) => {
            let n = ready(negatives);
            let [batch, features] = [q.len_of(0), q.len_of(1)];
            let wrong = match **n.shape() {
                [_, own] if own == features => q.matmul(&n.t()),
                [rows, _, own] if rows == batch && own == features => {
                    q.unsqueeze(1).matmul(&n.transpose(-2, -1)).squeeze(1)
                }
                _ => {
                    let (q, n) = (q.shape(), n.shape());
                    let wanted = format!("[M, {features}] or [{batch}, M, {features}]");
                    fail(name, format_args!("queries {q} want negatives {wanted}, not {n}"))
                }
            };
            Tensor::cat(&[(q * k).sum_keepdim(-1), wrong], 1)
        }
    };
    let rows = queries.len_of(0) as i64;
    let right = match options.negatives {
        None => Tensor::arange(0, rows, 1),
        Some(_) => Tensor::zeros((rows as usize, DType::I64)),
    };
    classify(&(scores / options.temperature), &right, options.reduction)
}

/// The settings of [`nt_xent_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NtXentOptions {
    /// τ, what cosines are divided by: a positive number.
    pub temperature: f64,
    /// What becomes of the losses of single vectors.
    pub reduction: LossReduction,
}

/// As in the paper: τ = 0.5.
impl Default for NtXentOptions {
    fn default() -> Self {
        Self { temperature: 0.5, reduction: LossReduction::Mean }
    }
}

/// -ln(e^(cos(zᵢ, zⱼ) / τ) / Σ e^(cos(zᵢ, zₖ) / τ)) over all k but i, where zᵢ and zⱼ are two views of the
/// same thing and the zₖ are all views of all things of the batch.
///
/// # Shapes
/// `first, second: [B, D] -> []`, or `[2B]` if not reduced: those of the first views, then those of
/// the second.
///
/// # Panics
/// If the shapes differ, or the temperature is not positive.
///
/// # Source
/// Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations"
/// (SimCLR), equation 1. PyTorch has none.
#[track_caller]
pub fn nt_xent_loss(first: &Tensor, second: &Tensor, options: NtXentOptions) -> Tensor {
    check_vectors("nt_xent_loss", first, second);
    check_positive("nt_xent_loss", "temperature", options.temperature);
    let rows = first.len_of(0);
    let views = unit(&Tensor::cat(&[first.clone(), second.clone()], 0));
    let scores = views.matmul(&views.t()) / options.temperature;
    let own = Tensor::eye(2 * rows).to_dtype(DType::Bool).to_device(scores.device());
    let right = Tensor::arange(0, 2 * rows as i64, 1).roll(rows as isize, 0);
    let scores = scores.masked_fill(&own, f64::NEG_INFINITY);
    classify(&scores, &right, options.reduction)
}

/// The cross-entropy of scores with the right columns.
#[track_caller]
fn classify(scores: &Tensor, right: &Tensor, reduction: LossReduction) -> Tensor {
    let losses = super::cross_entropy_with(
        scores,
        &right.to_device(scores.device()),
        &super::CrossEntropyOptions {
            reduction: LossReduction::None,
            ignore_index: None,
            ..Default::default()
        },
    );
    reduction.apply(&losses)
}

/// Vectors brought to length 1; those of zeros stay.
#[track_caller]
fn unit(x: &Tensor) -> Tensor {
    x / (x.square().sum_keepdim(-1) + LEAST_SQUARE).sqrt()
}

#[track_caller]
fn check_vectors(name: &'static str, first: &Tensor, second: &Tensor) {
    check_alike(name, ("first vectors", first), ("second", second));
    if first.rank() != 2 {
        fail(name, format_args!("takes vectors [B, D], not {}", first.shape()));
    }
}
