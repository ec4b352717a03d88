"""Recurrent networks."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

LENGTHS = [2, 5, 1, 5, 3]


class PeepholeLstm(nn.Module):
    """Gers, Schmidhuber 2000, equations 1 to 3, with the names of nn.LSTM, the batch first."""

    def __init__(self, inputs, hidden, projection=None):
        super().__init__()
        outputs = projection or hidden
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden, outputs))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden))
        if projection:
            self.weight_hr_l0 = nn.Parameter(torch.empty(projection, hidden))
        self.weight_ch_l0 = nn.Parameter(torch.empty(3 * hidden))
        self.projection = projection

    def forward(self, x, h, c):
        h, c, outputs = h[0], c[0], []
        of_i, of_f, of_o = self.weight_ch_l0.chunk(3)
        for step in x.unbind(1):
            gates = step @ self.weight_ih_l0.T + self.bias_ih_l0 + h @ self.weight_hh_l0.T + self.bias_hh_l0
            i, f, g, o = gates.chunk(4, 1)
            c = torch.sigmoid(f + of_f * c) * c + torch.sigmoid(i + of_i * c) * torch.tanh(g)
            h = torch.sigmoid(o + of_o * c) * torch.tanh(c)
            if self.projection:
                h = h @ self.weight_hr_l0.T
            outputs.append(h)
        return torch.stack(outputs, 1), h[None], c[None]


class OriginalGru(nn.Module):
    """Cho et al. 2014, equations 5 to 8, with the names of nn.GRU, the batch first."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * hidden, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * hidden))
        self.bias_hh_l0 = nn.Parameter(torch.empty(3 * hidden))

    def forward(self, x, h):
        h, outputs = h[0], []
        by_r, by_z, by_n = self.weight_hh_l0.chunk(3)
        for step in x.unbind(1):
            r, z, n = (step @ self.weight_ih_l0.T + self.bias_ih_l0 + self.bias_hh_l0).chunk(3, 1)
            r, z = torch.sigmoid(r + h @ by_r.T), torch.sigmoid(z + h @ by_z.T)
            h = z * h + (1 - z) * torch.tanh(n + (r * h) @ by_n.T)
            outputs.append(h)
        return torch.stack(outputs, 1), h[None]


def flat(result):
    """The output and the last states."""
    output, state = result
    return (output, *state) if isinstance(state, tuple) else (output, state)


def plain(module, x):
    return flat(module(x))


def stateful(module, x, *state):
    return flat(module(x, state if len(state) == 2 else state[0]))


def packed(module, x, *state):
    """Lengths in no order; the output filled up again."""
    rows = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=module.batch_first, enforce_sorted=False)
    state = (state if len(state) == 2 else state[0]) if state else None
    output, *last = flat(module(rows, state))
    return pad_packed_sequence(output, batch_first=module.batch_first)[0], *last


def windows(module, x):
    """Truncated back-propagation through time: windows of two."""
    outputs, state = [], None
    for part in x.split(2, 1):
        output, state = module(part, state)
        state = tuple(x.detach() for x in state)
        outputs.append(output)
    return torch.cat(outputs, 1), *state


def forced(share):
    """A decoder whose inputs are the right ones, or its own outputs."""

    def run(cell, start, targets):
        outputs, x, h = [], start, None
        for step in targets.unbind(1):
            h = cell(x, h)
            outputs.append(h)
            x = step if share else h
        return torch.stack(outputs, 1)

    return run


def schedules(steps):
    """Bengio et al. 2015, section 2.4."""
    i = steps.to(torch.float64)
    linear = torch.clamp(0.9 - 0.125 * i, min=0.25)
    return torch.stack([linear, 0.75**i, 3 / (3 + torch.exp(i / 3))])


def make(family):
    floats = family.floats
    kinds = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
    for name, kind in kinds.items():
        states = lambda *shape: [floats(*shape) for _ in range(2 if kind is nn.LSTM else 1)]
        family.layer(name, kind(3, 4, batch_first=True), floats(2, 5, 3), call=plain)
        family.layer(f"{name}_unbatched", kind(3, 4), floats(4, 3), *states(1, 4), call=stateful)
        stacked = kind(3, 4, num_layers=2, bidirectional=True)
        family.layer(f"{name}_stacked", stacked, floats(5, 2, 3), *states(4, 2, 4), call=stateful)
        family.layer(f"{name}_no_bias", kind(3, 4, bias=False, batch_first=True), floats(2, 3, 3), call=plain)
        # More sequences and features than a tile has rows and a vector lanes.
        family.layer(f"{name}_wide", kind(2, 19, batch_first=True), floats(9, 3, 2), *states(1, 9, 19), call=stateful)
        family.layer(f"{name}_packed", kind(3, 4, batch_first=True), floats(5, 6, 3), call=packed)
        both = kind(3, 4, num_layers=2, bidirectional=True)
        family.layer(f"{name}_packed_stacked", both, floats(6, 5, 3), *states(4, 5, 4), call=packed)
    relu = nn.RNN(3, 4, nonlinearity="relu", bidirectional=True, batch_first=True)
    family.layer("rnn_relu", relu, floats(2, 5, 3), floats(2, 2, 4), call=stateful)
    family.layer("lstm_dropout", nn.LSTM(3, 4, num_layers=2, dropout=0.5, batch_first=True).eval(), floats(2, 3, 3), call=plain)
    short = lambda: nn.LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2, batch_first=True)
    family.layer("lstm_projection", short(), floats(2, 4, 3), floats(4, 2, 2), floats(4, 2, 5), call=stateful)
    family.layer("lstm_projection_packed", short(), floats(5, 5, 3), call=packed)
    equations = lambda module, *inputs: module(*inputs)
    family.layer("lstm_peepholes", PeepholeLstm(3, 4), floats(2, 5, 3), floats(1, 2, 4), floats(1, 2, 4), call=equations)
    both = PeepholeLstm(3, 4, projection=2)
    family.layer("lstm_peepholes_projection", both, floats(2, 5, 3), floats(1, 2, 2), floats(1, 2, 4), call=equations)
    family.layer("gru_original", OriginalGru(3, 4), floats(2, 5, 3), floats(1, 2, 4), call=equations)

    family.layer("rnn_cell", nn.RNNCell(3, 4), floats(2, 3), floats(2, 4))
    family.layer("rnn_cell_relu", nn.RNNCell(3, 4, nonlinearity="relu"), floats(2, 3))
    family.layer("lstm_cell", nn.LSTMCell(3, 4), floats(2, 3), floats(2, 4), floats(2, 4), call=lambda m, x, h, c: m(x, (h, c)))
    family.layer("lstm_cell_no_bias", nn.LSTMCell(3, 4, bias=False), floats(3), call=lambda m, x: m(x))
    family.layer("gru_cell", nn.GRUCell(3, 4), floats(2, 3), floats(2, 4))
    family.layer("gru_cell_unbatched", nn.GRUCell(3, 4), floats(3), floats(4))

    pack = lambda x, **options: pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False, **options)
    rows = lambda x: (x.data, x.batch_sizes)
    family.case("pack_padded", lambda x: rows(pack(x, batch_first=True)), floats(5, 6, 2))
    family.case("pack_padded_time_first", lambda x: rows(pack(x)), floats(6, 5, 2, 3))
    family.case("pack", lambda *x: rows(pack_sequence(x, enforce_sorted=False)), *(floats(length, 2) for length in LENGTHS))
    family.case("pad_packed", lambda x: pad_packed_sequence(pack(x), padding_value=-1.5, total_length=7), floats(5, 5, 2))

    family.layer("truncated_bptt", nn.LSTM(3, 4, batch_first=True), floats(2, 5, 3), call=windows)
    family.layer("teacher_forcing", nn.GRUCell(4, 4), floats(2, 4), floats(2, 5, 4), call=forced(True))
    family.layer("free_running", nn.GRUCell(4, 4), floats(2, 4), floats(2, 3, 4), call=forced(False))
    family.case("scheduled_sampling", schedules, torch.arange(8))
