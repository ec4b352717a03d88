"""Attention, positions and transformers. Truth values in masks are PyTorch's: true hides."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def make(family):
    multihead(family)
    grouped(family)
    scorings(family)
    positions(family)
    layers(family)
    models(family)


def hides(family, *shape):
    """A mask that hides a third, but never the first key."""
    mask = family.booleans(0.33, *shape)
    mask[..., 0] = False
    return mask


def multihead(family):
    def own(name, module, *masks, call):
        family.layer(name, module, family.floats(2, 5, 8), *masks, call=call)

    def module(**options):
        return nn.MultiheadAttention(8, 2, **{"batch_first": True, **options})

    plain = {"need_weights": False}
    own("self", module(), call=lambda m, x: m(x, x, x, **plain)[0])
    own("time_first", module(batch_first=False), call=lambda m, x: m(x, x, x, **plain)[0])
    own("no_bias", module(bias=False), call=lambda m, x: m(x, x, x, **plain)[0])
    family.layer("one_example", module(), family.floats(5, 8), call=lambda m, x: m(x, x, x, **plain)[0])
    own(
        "bool_mask",
        module(),
        hides(family, 5, 5),
        call=lambda m, x, mask: m(x, x, x, attn_mask=mask, **plain)[0],
    )
    own(
        "float_mask",
        module(),
        family.floats(5, 5),
        call=lambda m, x, mask: m(x, x, x, attn_mask=mask, **plain)[0],
    )
    own(
        "mask_of_heads",
        module(),
        hides(family, 4, 5, 5),
        call=lambda m, x, mask: m(x, x, x, attn_mask=mask, **plain)[0],
    )
    own(
        "padding",
        module(),
        hides(family, 2, 5),
        call=lambda m, x, keys: m(x, x, x, key_padding_mask=keys, **plain)[0],
    )
    own(
        "padding_of_floats",
        module(),
        family.floats(2, 5),
        call=lambda m, x, keys: m(x, x, x, key_padding_mask=keys, **plain)[0],
    )
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    own("causal", module(), call=lambda m, x: m(x, x, x, attn_mask=later, is_causal=True, **plain)[0])
    own(
        "causal_and_padding",
        module(),
        hides(family, 2, 5),
        call=lambda m, x, keys: m(x, x, x, attn_mask=later, key_padding_mask=keys, **plain)[0],
    )
    own(
        "float_mask_and_padding",
        module(),
        family.floats(5, 5),
        hides(family, 2, 5),
        call=lambda m, x, mask, keys: m(
            x, x, x, attn_mask=mask, key_padding_mask=torch.zeros(2, 5).masked_fill(keys, -math.inf), **plain
        )[0],
    )

    def across(name, module, *inputs, call):
        family.layer(name, module, family.floats(2, 3, 8), *inputs, call=call)

    memory = family.floats(2, 5, 8)
    across("cross", module(), memory, call=lambda m, q, k: m(q, k, k, **plain)[0])
    across("weights", module(), memory, call=lambda m, q, k: m(q, k, k))
    across("weights_of_heads", module(), memory, call=lambda m, q, k: m(q, k, k, average_attn_weights=False))
    across(
        "other_features",
        module(kdim=6, vdim=7),
        family.floats(2, 5, 6),
        family.floats(2, 5, 7),
        hides(family, 3, 5),
        call=lambda m, q, k, v, mask: m(q, k, v, attn_mask=mask),
    )
    across(
        "key_and_value",
        module(),
        memory,
        family.floats(2, 5, 8),
        call=lambda m, q, k, v: m(q, k, v, **plain)[0],
    )
    own(
        "extra_keys",
        module(add_bias_kv=True, add_zero_attn=True),
        hides(family, 5, 5),
        hides(family, 2, 5),
        call=lambda m, x, mask, keys: m(x, x, x, attn_mask=mask, key_padding_mask=keys),
    )
    own(
        "extra_keys_causal",
        module(add_bias_kv=True),
        call=lambda m, x: m(x, x, x, attn_mask=later, is_causal=True)[0],
    )


class Grouped(nn.Module):
    def __init__(self, features, heads, groups, bias):
        super().__init__()
        self.heads, self.groups, self.head = heads, groups, features // heads
        self.q_proj = nn.Linear(features, heads * self.head, bias)
        self.k_proj = nn.Linear(features, groups * self.head, bias)
        self.v_proj = nn.Linear(features, groups * self.head, bias)
        self.o_proj = nn.Linear(heads * self.head, features, bias)

    def forward(self, x, turn=None, **masks):
        split = lambda x, heads: x.unflatten(-1, (heads, self.head)).transpose(1, 2)
        query = split(self.q_proj(x), self.heads)
        key, value = split(self.k_proj(x), self.groups), split(self.v_proj(x), self.groups)
        if turn:
            query, key = turn(query), turn(key)
        y = F.scaled_dot_product_attention(query, key, value, enable_gqa=True, **masks)
        return self.o_proj(y.transpose(1, 2).flatten(2))


def grouped(family):
    x = lambda time: family.floats(2, time, 12)
    family.layer("grouped", Grouped(12, 6, 2, False), x(4))
    family.layer("grouped_one_query", Grouped(12, 6, 2, False), x(1))
    family.layer("grouped_causal", Grouped(12, 6, 3, False), x(4), call=lambda m, x: m(x, is_causal=True))
    family.layer(
        "grouped_mask_of_heads",
        Grouped(12, 6, 2, False),
        x(4),
        family.floats(2, 6, 4, 4),
        call=lambda m, x, mask: m(x, attn_mask=mask),
    )
    turn = lambda x: half_split(x, 0)
    # Without positions the gradient by the keys' bias would be zero.
    family.layer("grouped_rotary", Grouped(12, 3, 1, True), x(4), call=lambda m, x: m(x, turn, is_causal=True))


class Additive(nn.Module):
    def __init__(self, query, key, hidden):
        super().__init__()
        self.query = nn.Linear(query, hidden, False)
        self.key = nn.Linear(key, hidden, False)
        self.score = nn.Linear(hidden, 1, False)

    def forward(self, query, key):
        return self.score(torch.tanh(self.query(query)[:, :, None] + self.key(key)[:, None]))[..., 0]


class General(nn.Module):
    def __init__(self, query, key):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(query, key))

    def forward(self, query, key):
        return torch.einsum("btq,qk,bsk->bts", query, self.weight, key)


class Pooling(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1, False)

    def forward(self, x, hidden=None):
        scores = self.score(x)[..., 0]
        if hidden is not None:
            scores = scores.masked_fill(hidden, -math.inf)
        weights = torch.softmax(scores, -1)
        return (weights[..., None] * x).sum(1), weights


def scorings(family):
    def gathered(scores, value, hidden=None):
        if hidden is not None:
            scores = scores.masked_fill(hidden, -math.inf)
        weights = torch.softmax(scores, -1)
        return weights @ value, weights

    inputs = lambda: (family.floats(2, 3, 4), family.floats(2, 5, 6), family.floats(2, 5, 7))
    call = lambda m, q, k, v, *hidden: gathered(m(q, k), v, *hidden)
    family.layer("additive", Additive(4, 6, 8), *inputs(), call=call)
    family.layer("additive_masked", Additive(4, 6, 8), *inputs(), hides(family, 2, 3, 5), call=call)
    family.layer("general", General(4, 6), *inputs(), call=call)
    padding = hides(family, 2, 5)
    family.layer(
        "general_padding",
        General(4, 6),
        *inputs(),
        padding,
        call=lambda m, q, k, v, keys: gathered(m(q, k), v, keys[:, None]),
    )
    later = torch.ones(3, 5, dtype=torch.bool).triu(1)
    family.case(
        "dot",
        lambda q, k, v: gathered(q @ k.transpose(1, 2) * 0.6, v, later),
        *(family.floats(2, *s) for s in ((3, 4), (5, 4), (5, 7))),
    )
    family.layer("pooling", Pooling(6), family.floats(2, 5, 6))
    family.layer("pooling_masked", Pooling(6), family.floats(2, 5, 6), hides(family, 2, 5))


def angles(start, time, features, base):
    positions = torch.arange(start, start + time, dtype=torch.float64)
    return torch.outer(positions, base ** (-2 * torch.arange(features // 2, dtype=torch.float64) / features))


def interleaved(x, start, base=10000.0):
    turn = torch.polar(torch.ones((), dtype=torch.float64), angles(start, x.shape[-2], x.shape[-1], base))
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * turn).flatten(-2)


def half_split(x, start, base=10000.0):
    pairs = x.unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2)
    return interleaved(pairs, start, base).unflatten(-1, (-1, 2)).transpose(-1, -2).flatten(-2)


def positions(family):
    def table(start, time, features):
        rows = [
            [
                (math.cos if i % 2 else math.sin)(t / 10000 ** ((i - i % 2) / features))
                for i in range(features)
            ]
            for t in range(start, start + time)
        ]
        return torch.tensor(rows, dtype=torch.float64)

    family.case("sinusoidal", lambda x: x + table(0, 40, 6), family.floats(2, 40, 6))
    family.case("sinusoidal_from", lambda x: x + table(1000, 5, 7), family.floats(2, 5, 7))

    class Learned(nn.Embedding):
        def forward(self, x, start):
            return x + super().forward(torch.arange(start, start + x.shape[-2]))

    family.layer("learned", Learned(9, 6), family.floats(2, 4, 6), call=lambda m, x: m(x, 0))
    family.layer("learned_from", Learned(9, 6), family.floats(2, 4, 6), call=lambda m, x: m(x, 5))
    family.case("rotary", lambda x: half_split(x, 0), family.floats(2, 3, 5, 8))
    family.case("rotary_from", lambda x: half_split(x, 5000, 500.0), family.floats(2, 3, 5, 8))
    family.case("rotary_interleaved", lambda x: interleaved(x, 0), family.floats(2, 3, 5, 8))
    family.case("rotary_interleaved_from", lambda x: interleaved(x, 5000, 500.0), family.floats(2, 3, 5, 8))

    def alibi(slopes, queries, keys):
        distance = torch.arange(queries)[:, None] - torch.arange(keys)
        bias = -torch.tensor(slopes, dtype=torch.float64)[:, None, None] * distance
        return bias.masked_fill(distance < 0, -math.inf)

    attend = lambda bias: lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    four, six = [2**-2, 2**-4, 2**-6, 2**-8], [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]
    family.case("alibi", attend(alibi(four, 5, 5)), *(family.floats(2, 4, 5, 3) for _ in range(3)))
    family.case("alibi_six", attend(alibi(six, 5, 5)), *(family.floats(2, 6, 5, 3) for _ in range(3)))


SIZES = {"d_model": 4, "nhead": 2, "dim_feedforward": 6, "dropout": 0.0, "batch_first": True}


def layers(family):
    encoder = lambda **options: nn.TransformerEncoderLayer(**{**SIZES, **options})
    decoder = lambda **options: nn.TransformerDecoderLayer(**{**SIZES, **options})
    family.layer("encoder_layer", encoder(), family.floats(2, 5, 4))
    family.layer(
        "encoder_layer_first",
        encoder(norm_first=True, activation="gelu"),
        family.floats(2, 5, 4),
        hides(family, 5, 5),
        hides(family, 2, 5),
        call=lambda m, x, mask, keys: m(x, src_mask=mask, src_key_padding_mask=keys),
    )
    family.layer(
        "encoder_layer_other",
        encoder(bias=False, batch_first=False, activation=torch.tanh, layer_norm_eps=1e-3),
        family.floats(5, 2, 4),
    )
    family.layer("decoder_layer", decoder(), family.floats(2, 3, 4), family.floats(2, 5, 4))
    family.layer(
        "decoder_layer_first",
        decoder(norm_first=True, activation="gelu"),
        family.floats(2, 3, 4),
        family.floats(2, 5, 4),
        hides(family, 3, 5),
        hides(family, 2, 3),
        hides(family, 2, 5),
        call=lambda m, x, memory, mask, own, keys: m(
            x,
            memory,
            tgt_mask=torch.ones(3, 3, dtype=torch.bool).triu(1),
            memory_mask=mask,
            tgt_key_padding_mask=own,
            memory_key_padding_mask=keys,
        ),
    )


def models(family):
    layer = nn.TransformerEncoderLayer(**SIZES)
    family.layer(
        "encoder",
        nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
        family.floats(2, 5, 4),
        hides(family, 2, 5),
        call=lambda m, x, keys: m(x, src_key_padding_mask=keys),
    )
    layer = nn.TransformerDecoderLayer(**SIZES)
    family.layer(
        "decoder",
        nn.TransformerDecoder(layer, 2, norm=nn.LayerNorm(4)),
        family.floats(2, 3, 4),
        family.floats(2, 5, 4),
        call=lambda m, x, memory: m(x, memory, tgt_mask=nn.Transformer.generate_square_subsequent_mask(3, dtype=x.dtype)),
    )
    family.layer(
        "transformer",
        nn.Transformer(num_encoder_layers=2, num_decoder_layers=1, **SIZES),
        family.floats(2, 5, 4),
        family.floats(2, 3, 4),
        family.floats(5, 5),
        hides(family, 2, 5),
        call=lambda m, source, target, mask, keys: m(
            source,
            target,
            src_mask=mask,
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(3, dtype=target.dtype),
            src_key_padding_mask=torch.zeros(2, 5).masked_fill(keys, -math.inf),
            memory_key_padding_mask=keys,
        ),
    )
