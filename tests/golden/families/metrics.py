"""Figures of scikit-learn, sacreBLEU, rouge_score, jiwer and pycocotools.

    /tmp/venv/bin/pip install scikit-learn sacrebleu rouge-score jiwer pycocotools
"""

import contextlib
import io
import warnings

import jiwer
import numpy
import sacrebleu
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rouge_score import rouge_scorer
from sklearn import metrics as sk

TEXTS = [
    ("The cat sat on the mat.", ["The cat sat on the mat.", "A cat is on the mat."]),
    ("It's 3.5 km, isn't it?", ["It is 3.5 km away, is it not?", "That's 3.5 km."]),
    ("the the the the the the the", ["The cat is on the mat"]),
    ("Prices rose 10-15% (U.S. data), &quot;we&quot; said.", ["Prices rose by 10-15 % in the U.S., he said."]),
    ("a b c d e f g", ["a b x d e f g h i", "a c e"]),
    ("one.,two ,3 4,000-5", ["one, two, 3 4,000 - 5"]),
    ("", ["nothing was said"]),
]
SHORT = [("a dog ran", ["the dog ran fast"]), ("no", ["no"])]
FEW = [("a dog ran over there now", ["my dog over runs there soon"])]


def scores(family, name, count, classes):
    """Outputs with ties and truths, some classes of which are rare."""
    outputs = (family.floats(count, classes) * 4).round() / 4
    truths = family.integers(classes, count)
    outputs[torch.arange(count), truths] += (family.floats(count) * 8).round() / 8 + 0.5
    return outputs, truths


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def make(family):
    warnings.filterwarnings("ignore")
    classes(family)
    rankings(family)
    probabilities(family)
    regression(family)
    texts(family)
    boxes(family)


def classes(family):
    for name, count, number in [("classes", 200, 5), ("absent", 30, 12), ("two", 60, 2)]:
        outputs, truths = scores(family, name, count, number)
        if name == "absent":
            truths[truths == 3] = 4
            outputs[:, 7] = -50
            truths[truths == 7] = 8
        y, p = truths.numpy(), outputs.argmax(1).numpy()
        keep = {"in0": outputs, "in1": truths}
        for figure, function in {
            "precision": sk.precision_score,
            "recall": sk.recall_score,
            "f1": sk.f1_score,
            "iou": sk.jaccard_score,
        }.items():
            averages = ["micro", "macro", "weighted"]
            keep[figure] = numbers(*(function(y, p, average=a, zero_division=0) for a in averages))
            labels = range(number)
            per_class = function(y, p, average=None, labels=list(labels), zero_division=0)
            occurs = numpy.isin(numpy.arange(number), numpy.concatenate([y, p]))
            keep[f"{figure}_classes"] = numbers(*numpy.where(occurs, per_class, numpy.nan))
        keep["others"] = numbers(
            sk.balanced_accuracy_score(y, p), sk.matthews_corrcoef(y, p), sk.cohen_kappa_score(y, p)
        )
        keep["confusion"] = torch.tensor(sk.confusion_matrix(y, p, labels=list(range(number))))
        keep["accuracy"] = numbers(sk.accuracy_score(y, p))
        # scikit-learn puts the last of equal scores first, so there are none here.
        distinct = outputs.double() + torch.rand(outputs.shape, generator=family.generator) * 1e-3
        keep["distinct"] = distinct
        if number > 2:
            top = [sk.top_k_accuracy_score(y, distinct.numpy(), k=k, labels=list(range(number))) for k in (1, 2, 3)]
            keep["top"] = numbers(*top)
        family.keep(name, keep)
        family._reseed(name)


def rankings(family):
    for name, count, number in [("ranking", 150, 4), ("ranking_two", 80, 2)]:
        outputs, truths = scores(family, name, count, number)
        p = outputs.double().softmax(1).numpy()
        y = truths.numpy()
        if number == 2:
            # The order of differences: probabilities round ties apart.
            p = (outputs[:, 1] - outputs[:, 0]).double().numpy()
            auc = [sk.roc_auc_score(y, p)]
            precision = [sk.average_precision_score(y, p)]
        else:
            auc = sk.roc_auc_score(y, p, multi_class="ovr", average=None)
            precision = sk.average_precision_score(numpy.eye(number)[y], p, average=None)
        keep = {"in0": outputs, "in1": truths}
        keep |= {"auc": numbers(*auc), "precision": numbers(*precision)}
        family.keep(name, keep)
        family._reseed(name)


def probabilities(family):
    for name, count, number in [("probabilities", 120, 6), ("probabilities_two", 90, 2)]:
        outputs, truths = scores(family, name, count, number)
        y, p = truths.numpy(), outputs.double().softmax(1).numpy()
        p /= p.sum(1, keepdims=True)
        single = p[:, 1] if number == 2 else p
        guess, sure = p.argmax(1), p.max(1)
        bins = numpy.linspace(0, 1, 16)
        gap = 0.0
        for low, high in zip(bins[:-1], bins[1:]):
            inside = (sure > low) & (sure <= high)
            if inside.any():
                gap += abs((guess == y)[inside].mean() - sure[inside].mean()) * inside.mean()
        labels = list(range(number))
        family.keep(name, {
            "in0": outputs,
            "in1": truths,
            "brier": numbers(sk.brier_score_loss(y, single, labels=labels)),
            "log_loss": numbers(sk.log_loss(y, p, labels=labels)),
            "calibration_error": numbers(gap),
            "perplexity": numbers(torch.nn.functional.cross_entropy(outputs.double(), truths).exp().item()),
        })
        family._reseed(name)


def regression(family):
    for name, shape in [("numbers", (70,)), ("columns", (50, 3))]:
        y = family.floats(*shape) * 3 + 40
        x = y + family.floats(*shape)
        a, b = y.double().numpy(), x.double().numpy()
        family.keep(name, {
            "in0": x,
            "in1": y,
            "out0": numbers(
                sk.mean_absolute_error(a, b),
                sk.mean_squared_error(a, b),
                sk.root_mean_squared_error(a, b),
                sk.r2_score(a, b),
                sk.mean_absolute_percentage_error(a, b),
            ),
        })
        family._reseed(name)


def as_bytes(lines):
    return torch.tensor(list("\n".join(lines).encode()), dtype=torch.uint8)


def texts(family):
    for name, pairs in [("texts", TEXTS), ("short", SHORT), ("few", FEW)]:
        hypotheses = [text for text, _ in pairs]
        most = max(len(references) for _, references in pairs)
        columns = [[r[i] if i < len(r) else None for _, r in pairs] for i in range(most)]
        bleu = sacrebleu.corpus_bleu(hypotheses, columns).score
        first = [references[0] for _, references in pairs]
        scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
        rouge = [scorer.score(reference, text) for text, reference in zip(hypotheses, first)]
        figures = [numpy.mean([r[kind].fmeasure for r in rouge]) for kind in ("rouge1", "rouge2", "rougeL")]
        family.keep(name, {
            "texts": as_bytes(hypotheses),
            "references": as_bytes(["\t".join(references) for _, references in pairs]),
            "bleu": numbers(bleu),
            "rouge": numbers(*figures),
            "rates": numbers(jiwer.wer(first, hypotheses), jiwer.cer(first, hypotheses)),
        })


def boxes(family):
    pictures, most, classes = 12, 9, 3
    truths = torch.full((pictures, most, 5), -1.0)
    found = torch.full((pictures, most, 6), -1.0)
    for picture in range(pictures):
        count = int(family.integers(most - 2, 1)) + (picture > 0)
        corner = family.floats(count, 2, low=0, high=60)
        size = family.floats(count, 2, low=5, high=40)
        truths[picture, :count] = torch.cat([corner, corner + size, family.integers(classes, count, 1)], 1)
        shifted = truths[picture, :count, :4] + family.floats(count, 4) * 2.5
        extra = most - count
        corner = family.floats(extra, 2, low=0, high=60)
        wrong = torch.cat([corner, corner + family.floats(extra, 2, low=5, high=40)], 1)
        edges = torch.cat([shifted, wrong])
        own = torch.cat([truths[picture, :count, 4:], family.integers(classes, extra, 1).float()])
        score = (family.floats(most, 1, low=0.0, high=1.0) * 16).round() / 16
        found[picture] = torch.cat([edges, score, own], 1)
    data = {"images": [{"id": i} for i in range(pictures)], "categories": [{"id": c} for c in range(classes)]}
    box = lambda row: [row[0], row[1], row[2] - row[0], row[3] - row[1]]
    annotations = []
    for picture in range(pictures):
        for row in truths[picture].double().tolist():
            if row[2] > row[0]:
                b = box(row)
                annotations.append({
                    "id": len(annotations) + 1, "image_id": picture, "category_id": int(row[4]),
                    "bbox": b, "area": b[2] * b[3], "iscrowd": 0,
                })
    results = [
        {"image_id": picture, "category_id": int(row[5]), "bbox": box(row), "score": row[4]}
        for picture in range(pictures) for row in found[picture].double().tolist()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = data | {"annotations": annotations}
        coco.createIndex()
        coco.dataset["info"] = {}
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    family.keep("boxes", {"in0": found, "in1": truths, "out0": numbers(*evaluation.stats[:3])})
