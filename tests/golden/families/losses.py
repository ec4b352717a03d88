"""Losses: those of PyTorch, and equations of papers for those that it lacks."""

import math

import torch
import torch.nn.functional as F
from torch import nn

REDUCTIONS = ("mean", "sum", "none")


def reduced(losses, reduction):
    return {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}[reduction](losses)


def each(family, name, function, inputs):
    """A case for each reduction, with inputs of its own."""
    for reduction in REDUCTIONS:
        call = lambda *x: function(*x, reduction=reduction)
        family.case(f"{name}_{reduction}", call, *inputs())


def make(family):
    distances(family)
    classes(family)
    sequences(family)
    binary(family)
    likelihoods(family)
    margins(family)
    embeddings(family)
    overlaps(family)
    boxes(family)
    penalties(family)


def distances(family):
    pair = lambda: (family.floats(5, 4) * 2, family.floats(5, 4))
    each(family, "mse", F.mse_loss, pair)
    each(family, "l1", F.l1_loss, pair)
    each(family, "huber", F.huber_loss, pair)
    family.case("huber_delta", lambda x, y: F.huber_loss(x, y, delta=0.6), *pair())
    each(family, "smooth_l1", F.smooth_l1_loss, pair)
    family.case("smooth_l1_beta", lambda x, y: F.smooth_l1_loss(x, y, beta=2.5), *pair())
    family.case("smooth_l1_beta_0", lambda x, y: F.smooth_l1_loss(x, y, beta=0.0), *pair())
    log_cosh = lambda x, y, reduction: reduced((x - y).cosh().log(), reduction)
    each(family, "log_cosh", log_cosh, pair)
    family.case("log_cosh_near", lambda x, y: log_cosh(x / 64, y / 64, "none"), *pair())
    family.case("log_cosh_far", lambda x, y: log_cosh(x * 64, y, "none"), *pair())


def classes(family):
    # name, scores, target, options
    cases = [
        ("plain", (6, 5), (6,), {}),
        ("one", (5,), (), {}),
        ("spatial", (2, 5, 3, 2), (2, 3, 2), {}),
        ("ignore", (12, 5), (12,), dict(ignore_index=2)),
    ]
    for name, scores, target, options in cases:
        call = lambda x, t, r, o=options: F.nll_loss(x, t, reduction=r, **o)
        for reduction in REDUCTIONS:
            inputs = (family.floats(*scores), family.integers(5, *target))
            family.case(f"nll_{name}_{reduction}", lambda x, t: call(x, t, reduction), *inputs)
    weighted = lambda x, t, w, reduction: F.nll_loss(x, t, w.detach(), ignore_index=1, reduction=reduction)
    each(family, "nll_weight", weighted, lambda: (family.floats(3, 5, 4), family.integers(5, 3, 4), family.floats(5, low=0.2, high=2.0)))
    family.case("perplexity", lambda x, t: F.cross_entropy(x, t).exp(), family.floats(6, 5), family.integers(5, 6))


def sequences(family):
    """CTC, by the scores before log_softmax: PyTorch's gradient by its own input is not right."""
    scores = lambda *shape: family.floats(*shape) * 2

    def ctc(inputs, targets, **options):
        return lambda x, t: F.ctc_loss(x.log_softmax(-1), t, inputs, targets, **options)

    labels = lambda *shape: family.integers(4, *shape) + 1
    for reduction in REDUCTIONS:
        call = ctc((12, 10, 9), (4, 2, 0), reduction=reduction)
        family.case(f"ctc_{reduction}", call, scores(12, 3, 5), labels(3, 4))
    family.case("ctc_one_after_another", ctc((12, 10, 9), (4, 0, 2)), scores(12, 3, 5), labels(6))
    family.case("ctc_blank", ctc((8, 7), (3, 2), blank=4, reduction="none"), scores(8, 2, 5), family.integers(4, 2, 3))
    repeated = torch.tensor([[1, 1, 1], [2, 2, 3], [1, 2, 1]])
    family.case("ctc_repeated", ctc((5, 6, 3), (3, 3, 3), reduction="none"), scores(6, 3, 4), repeated)
    family.case("ctc_long", ctc((60, 50), (20, 15), reduction="none"), scores(60, 2, 5), labels(2, 20))
    family.case("ctc_no_batch", ctc((7,), (3,)), scores(7, 5), labels(3))
    family.case("ctc_no_labels", ctc((4, 3), (0, 0), reduction="none"), scores(4, 2, 3), labels(2, 1))
    # Labels that cannot be: more than steps, or repetitions without a step between them.
    impossible = (2, 4, 6), (3, 3, 3)
    family.case("ctc_zero_infinity", ctc(*impossible, reduction="none", zero_infinity=True), scores(6, 3, 4), repeated)
    infinite = ctc(*impossible, reduction="none")
    family.case("ctc_infinity", lambda x, t: infinite(x.detach(), t), scores(6, 3, 4), repeated)


def binary(family):
    truth = lambda *shape: family.floats(*shape, low=0.0, high=1.0)
    probabilities = lambda *shape: family.floats(*shape, low=0.05, high=0.95)
    each(family, "bce", F.binary_cross_entropy, lambda: (probabilities(5, 4), truth(5, 4)))
    weighted = lambda p, y, w: F.binary_cross_entropy(p, y, weight=w.detach())
    family.case("bce_weight", weighted, probabilities(5, 4), truth(5, 4), truth(4))
    logits = F.binary_cross_entropy_with_logits
    each(family, "bce_with_logits", logits, lambda: (family.floats(5, 4) * 4, truth(5, 4)))
    weighted = lambda x, y, w, p: logits(x, y, weight=w.detach(), pos_weight=p.detach())
    family.case("bce_with_logits_weight", weighted, family.floats(5, 4) * 4, truth(5, 4), truth(5, 1), family.floats(4, low=0.5, high=3.0))

    def focal(x, y, alpha=0.25, gamma=2.0, reduction="mean"):
        p = x.sigmoid()
        p_t = p * y + (1 - p) * (1 - y)
        losses = logits(x, y, reduction="none") * (1 - p_t) ** gamma
        if alpha is not None:
            losses = losses * (alpha * y + (1 - alpha) * (1 - y))
        return reduced(losses, reduction)

    inputs = lambda: (family.floats(5, 4) * 3, truth(5, 4).round())
    each(family, "sigmoid_focal", focal, inputs)
    family.case("sigmoid_focal_gamma", lambda x, y: focal(x, y, 0.7, 1.5), *inputs())
    family.case("sigmoid_focal_half", lambda x, y: focal(x, y, None, 0.5), *inputs())
    family.case("sigmoid_focal_0", lambda x, y: focal(x, y, None, 0.0), *inputs())
    family.case("sigmoid_focal_soft", focal, family.floats(5, 4), truth(5, 4))

    def softmax_focal(x, t, alpha=None, gamma=2.0, ignore=-100, reduction="mean"):
        log = x.log_softmax(1).gather(1, t.clamp(0).unsqueeze(1)).squeeze(1)
        losses = -((1 - log.exp()) ** gamma) * log
        if alpha is not None:
            losses = losses * alpha.detach()[t.clamp(0)]
        losses = losses * (t != ignore)
        if reduction == "mean":
            return losses.sum() / (t != ignore).sum()
        return reduced(losses, reduction)

    inputs = lambda: (family.floats(3, 5, 4) * 2, family.integers(5, 3, 4))
    each(family, "softmax_focal", softmax_focal, inputs)
    family.case("softmax_focal_alpha", lambda x, t, a: softmax_focal(x, t, a, 1.0), *inputs(), truth(5))
    family.case("softmax_focal_ignore", lambda x, t: softmax_focal(x, t, None, 3.0, 1), *inputs())


def likelihoods(family):
    logs = lambda: family.floats(3, 5).log_softmax(-1)
    for reduction in (*REDUCTIONS, "batchmean"):
        call = lambda x, y, r=reduction: F.kl_div(x, y, reduction=r)
        family.case(f"kl_div_{reduction}", call, logs(), logs().exp())
    family.case("kl_div_log_target", lambda x, y: F.kl_div(x, y, reduction="batchmean", log_target=True), logs(), logs())
    family.case("kl_div_zeros", lambda x, y: F.kl_div(x, y.detach(), reduction="none"), logs(), F.one_hot(family.integers(5, 3), 5).float())

    counts = lambda: family.floats(5, 4, low=0.1, high=5.0)
    each(family, "poisson_nll", F.poisson_nll_loss, lambda: (family.floats(5, 4), counts()))
    family.case("poisson_nll_full", lambda x, y: F.poisson_nll_loss(x, y, full=True), family.floats(5, 4), counts())
    family.case("poisson_nll_rate", lambda x, y: F.poisson_nll_loss(x, y, log_input=False), counts(), counts())
    family.case("poisson_nll_eps", lambda x, y: F.poisson_nll_loss(x, y, log_input=False, full=True, eps=0.5), counts(), counts())
    family.case("poisson_nll_integers", lambda x, y: F.poisson_nll_loss(x, y.double(), full=True), family.floats(5, 4), family.integers(4, 5, 4))

    gaussian = F.gaussian_nll_loss
    inputs = lambda *shape: (family.floats(3, 4), family.floats(3, 4), family.floats(*shape, low=0.1, high=2.0))
    each(family, "gaussian_nll", gaussian, lambda: inputs(3, 4))
    family.case("gaussian_nll_full", lambda x, y, v: gaussian(x, y, v, full=True), *inputs(3, 4))
    family.case("gaussian_nll_eps", lambda x, y, v: gaussian(x, y, v, eps=1.0), *inputs(3, 4))
    family.case("gaussian_nll_rows", gaussian, *inputs(3))
    family.case("gaussian_nll_one", gaussian, *inputs(3, 1))


def margins(family):
    signs = lambda *shape: family.integers(2, *shape) * 2 - 1
    inputs = lambda: (family.floats(5, 4), signs(5, 4))
    hinge = lambda x, y: (1 - x * y).clamp(min=0)
    each(family, "hinge", lambda x, y, reduction: reduced(hinge(x, y), reduction), inputs)
    each(family, "squared_hinge", lambda x, y, reduction: reduced(hinge(x, y) ** 2, reduction), inputs)
    each(family, "soft_margin", F.soft_margin_loss, lambda: (family.floats(5, 4) * 20, signs(5, 4)))
    each(family, "hinge_embedding", F.hinge_embedding_loss, inputs)
    family.case("hinge_embedding_margin", lambda x, y: F.hinge_embedding_loss(x, y, margin=0.3), *inputs())
    ranked = lambda: (family.floats(7), family.floats(7), signs(7))
    each(family, "margin_ranking", F.margin_ranking_loss, ranked)
    family.case("margin_ranking_margin", lambda *x: F.margin_ranking_loss(*x, margin=0.5), *ranked())

    truth = lambda *shape: family.integers(2, *shape).float()
    soft = F.multilabel_soft_margin_loss
    each(family, "multilabel_soft_margin", soft, lambda: (family.floats(5, 4) * 4, truth(5, 4)))
    family.case("multilabel_soft_margin_weight", lambda x, y, w: soft(x, y, w.detach()), family.floats(5, 4) * 4, truth(5, 4), family.floats(4, low=0.5, high=2.0))

    multi = F.multi_margin_loss
    inputs = lambda: (family.floats(6, 5), family.integers(5, 6))
    each(family, "multi_margin", multi, inputs)
    family.case("multi_margin_p", lambda x, t: multi(x, t, p=2, margin=0.7), *inputs())
    family.case("multi_margin_weight", lambda x, t, w: multi(x, t, weight=w.detach()), *inputs(), family.floats(5, low=0.5, high=2.0))
    family.case("multi_margin_one", lambda x: multi(x, torch.tensor(3)), family.floats(5))
    labels = torch.tensor([[3, 0, -1, 1, 1], [2, 4, 1, 0, 3], [-1, 2, 2, 2, 2], [1, 1, -1, 0, -1]])
    each(family, "multilabel_margin", F.multilabel_margin_loss, lambda: (family.floats(4, 5), labels))
    family.case("multilabel_margin_one", F.multilabel_margin_loss, family.floats(5), labels[0])


def embeddings(family):
    signs = lambda *shape: family.integers(2, *shape) * 2 - 1
    vectors = lambda: (family.floats(6, 5), family.floats(6, 5))
    cosine = F.cosine_embedding_loss
    each(family, "cosine_embedding", cosine, lambda: (*vectors(), signs(6)))
    family.case("cosine_embedding_margin", lambda *x: cosine(*x, margin=0.4), *vectors(), signs(6))
    family.case("cosine_embedding_one", lambda *x: cosine(*x, torch.tensor(1)), family.floats(5), family.floats(5))

    def contrastive(x, y, differs, margin=1.0, reduction="mean"):
        d = (x - y).norm(dim=-1)
        losses = (1 - differs) * d**2 / 2 + differs * (margin - d).clamp(min=0) ** 2 / 2
        return reduced(losses, reduction)

    pairs = lambda: (family.floats(6, 3) / 2, family.floats(6, 3) / 2, family.integers(2, 6))
    each(family, "contrastive", contrastive, pairs)
    family.case("contrastive_margin", lambda *x: contrastive(*x, margin=2.5), *pairs())

    triplets = lambda: (family.floats(6, 5), family.floats(6, 5), family.floats(6, 5))
    triplet = F.triplet_margin_loss
    each(family, "triplet_margin", triplet, triplets)
    family.case("triplet_margin_p", lambda *x: triplet(*x, margin=0.3, p=3.0), *triplets())
    family.case("triplet_margin_p_1", lambda *x: triplet(*x, p=1.0, eps=0.1), *triplets())
    family.case("triplet_margin_swap", lambda *x: triplet(*x, margin=2.0, swap=True, reduction="none"), *triplets())
    distant = F.triplet_margin_with_distance_loss
    distance = lambda x, y: 1 - F.cosine_similarity(x, y)
    call = lambda *x, **o: distant(*x, distance_function=distance, **o)
    each(family, "triplet_margin_with_distance", call, triplets)
    family.case("triplet_margin_with_distance_swap", lambda *x: call(*x, swap=True, margin=0.2), *triplets())

    def info_nce(q, k, scores, temperature, reduction):
        """scores: of each query with its key, then with the negatives."""
        f = [torch.stack([(a @ b) / temperature for b in row]).exp() for a, row in zip(q, scores(q, k))]
        return reduced(torch.stack([-(row[0] / row.sum()).log() for row in f]), reduction)

    unit = lambda x: x / x.norm(dim=-1, keepdim=True)
    others = lambda q, k: [[k[i], *(k[j] for j in range(len(k)) if j != i)] for i in range(len(k))]
    cosines = lambda q, k, reduction: info_nce(unit(q), unit(k), others, 0.1, reduction)
    each(family, "info_nce", cosines, vectors)
    family.case("info_nce_products", lambda q, k: info_nce(q, k, others, 1.0, "none"), *vectors())
    shared = lambda n: lambda q, k: [[key, *n] for key in k]
    family.case("info_nce_negatives", lambda q, k, n: info_nce(unit(q), unit(k), shared(unit(n)), 0.5, "mean"), *vectors(), family.floats(4, 5))
    own = lambda n: lambda q, k: [[key, *rows] for key, rows in zip(k, n)]
    family.case("info_nce_own_negatives", lambda q, k, n: info_nce(q, k, own(n), 2.0, "sum"), *vectors(), family.floats(6, 3, 5))

    def nt_xent(first, second, temperature=0.5, reduction="mean"):
        z, n = unit(torch.cat([first, second])), len(first)
        losses = []
        for i in range(2 * n):
            s = torch.stack([(z[i] @ z[k] / temperature).exp() for k in range(2 * n) if k != i])
            losses.append(-((z[i] @ z[(i + n) % (2 * n)] / temperature).exp() / s.sum()).log())
        return reduced(torch.stack(losses), reduction)

    each(family, "nt_xent", nt_xent, vectors)
    family.case("nt_xent_temperature", lambda x, y: nt_xent(x, y, 0.2), *vectors())


def overlaps(family):
    masks = lambda: (family.floats(2, 3, 4, 5, low=0.0, high=1.0), family.booleans(0.4, 2, 3, 4, 5).float())
    total = lambda x: x.flatten(2).sum(-1)

    def dice(p, g, smooth=0.0, reduction="mean"):
        losses = 1 - (2 * total(p * g) + smooth) / (total(p**2) + total(g**2) + smooth)
        return reduced(losses, reduction)

    each(family, "dice", dice, masks)
    family.case("dice_smooth", lambda p, g: dice(p, g, 1.0), *masks())

    def tversky(p, g, alpha=0.3, beta=0.7, smooth=0.0, reduction="mean"):
        both, wrong, missed = total(p * g), total(p * (1 - g)), total((1 - p) * g)
        losses = 1 - (both + smooth) / (both + alpha * wrong + beta * missed + smooth)
        return reduced(losses, reduction)

    each(family, "tversky", tversky, masks)
    family.case("tversky_smooth", lambda p, g: tversky(p, g, 0.5, 1.5, 1.0), *masks())


def boxes(family):
    """The equations of torchvision.ops."""

    def some(count):
        corner = family.floats(count, 2, low=0.0, high=4.0)
        return torch.cat([corner, corner + family.floats(count, 2, low=1.0, high=5.0)], 1)

    def measures(a, b, areas, rest=1e-7):
        inner = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
        outer = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
        shared = inner.clamp(min=0).prod(-1)
        size_a, size_b = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
        union = size_a.prod(-1) + size_b.prod(-1) - shared
        iou = shared / (union + areas)
        area = outer.prod(-1)
        generalized = iou - (area - union) / (area + areas)
        apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(-1)
        distance = iou - apart / (outer.square().sum(-1) + rest)
        angle = lambda size: torch.atan(size[..., 0] / size[..., 1])
        v = 4 / math.pi**2 * (angle(size_b) - angle(size_a)) ** 2
        alpha = (v / (1 - iou + v + rest)).detach()
        return dict(box_iou=iou, generalized_box_iou=generalized, distance_box_iou=distance, complete_box_iou=distance - alpha * v)

    for name in ("box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"):
        family.case(name, lambda a, b: measures(a[:, None], b[None], 0.0)[name], some(6), some(5))
        loss = lambda a, b, reduction, eps=1e-7: reduced(1 - measures(a, b, eps, eps)[name], reduction)
        each(family, f"{name}_loss", loss, lambda: (some(8), some(8)))
        family.case(f"{name}_loss_eps", lambda a, b: loss(a, b, "none", 0.25), some(8), some(8))


def penalties(family):
    model = lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2, bias=False))
    l1 = lambda parameters: sum(x.abs().sum() for x in parameters)
    l2 = lambda parameters: sum(x.square().sum() for x in parameters)
    family.layer("l1_penalty", model(), call=lambda m: l1(m.parameters()))
    family.layer("l2_penalty", model(), call=lambda m: l2(m.parameters()))
    weights = lambda m: [x for x in m.parameters() if x.ndim > 1]
    elastic = lambda parameters: 0.3 * l1(parameters) + 0.2 * l2(parameters)
    family.layer("elastic_net_penalty", model(), call=lambda m: elastic(weights(m)))
    family.layer("elastic_net_penalty_pattern", model(), call=lambda m: elastic(list(m[0].parameters())))
