"""Mistakes in one step of a cell: gates, biases, equations."""

from __future__ import annotations

from typing import Any

from evidence.mutants.mutant import Mutant, each_cell
from reference import GATES

PAIRS = {"gru": ((0, 1), (0, 2)), "lstm": ((0, 1), (1, 2))}
"""The gates whose order differs between frameworks: r, z and r, n of a GRU; i, f and f, g of an LSTM."""


def pairs(cell: str, where: str, **edit: Any) -> list[Mutant]:
    """Make mutants that exchange two gates in one place only.

    Args:
        cell: the cell.
        where: the place, in words.
        edit: fields of the mutant; {i} and {j} in ``new`` stand for the gates' numbers.

    Returns:
        A mutant for each of the cell's ``PAIRS``.

    """
    return [
        Mutant(group="parameters", cell=cell, kind="recurrent",
               name=f"gates {GATES[cell][i]} and {GATES[cell][j]} exchanged in {where}",
               **edit | {"new": edit["new"].format(i=i, j=j, G=len(GATES[cell]))})
        for i, j in PAIRS[cell]
    ]  # fmt: skip


def lstm(
    name: str, old: str, new: str, kind: str = "recurrent", group: str = "equations"
) -> Mutant:
    """Make a mutant of one step of the LSTM.

    Args:
        name: the mistake, in words.
        old: the source to replace.
        new: the replacement.
        kind: the kind of case that must catch it.
        group: the group of mutants.

    Returns:
        The mutant.

    """
    return Mutant(
        group=group, name=name, place="cells.lstm", old=old, new=new, kind=kind, cell="lstm"
    )


def gru(name: str, old: str, new: str, kind: str = "recurrent", group: str = "equations") -> Mutant:
    """Make a mutant of one step of the GRU.

    Args:
        name: the mistake, in words.
        old: the source to replace.
        new: the replacement.
        kind: the kind of case that must catch it.
        group: the group of mutants.

    Returns:
        The mutant.

    """
    return Mutant(
        group=group, name=name, place="cells.gru", old=old, new=new, kind=kind, cell="gru"
    )


def vanilla(name: str, old: str, new: str, kind: str = "recurrent") -> Mutant:
    """Make a mutant of one step of the vanilla cell.

    Args:
        name: the mistake, in words.
        old: the source to replace.
        new: the replacement.
        kind: the kind of case that must catch it.

    Returns:
        The mutant.

    """
    return Mutant(group="equations", name=name, place="cells.vanilla", old=old, new=new, kind=kind,
                  cell="vanilla")  # fmt: skip


READ = "affine(rows(x), w.W_ih, w.b_ih)"
HIDDEN = "affine(h, w.W_hh, w.b_hh)"
LSTM_GATES = "a_i, a_f, a_g, a_o = gates(a, 4)"
LSTM_BIAS = "a_f = a_f + spec.forget_bias"
LSTM_GATED = "i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)"

PERMUTATIONS = (
    *(lstm(f"gates {GATES['lstm'][i]} and {GATES['lstm'][j]} exchanged", LSTM_GATES,
           LSTM_GATES.replace("gates(a, 4)", f"gates(mistakes.exchanged(a.T, 4, {i}, {j}).T, 4)"),
           group="gate order") for i, j in (*PAIRS["lstm"], (2, 3), (0, 3))),
    lstm("gates in the order i, o, f, g", LSTM_GATES, "a_i, a_o, a_f, a_g = gates(a, 4)",
         group="gate order"),
    lstm("gates in the order g, i, f, o", LSTM_GATES, "a_g, a_i, a_f, a_o = gates(a, 4)",
         group="gate order"),
    gru("gates r and z exchanged", "r, z = sigmoid", "z, r = sigmoid", group="gate order"),
)  # fmt: skip

PARAMETERS = (
    *(m for cell in ("gru", "lstm") for m in pairs(
        cell, "W_ih alone", place="rnn.read", old=READ,
        new="affine(rows(x), mistakes.exchanged(w.W_ih, {G}, {i}, {j}), w.b_ih)")),
    *(m for cell in ("gru", "lstm") for m in pairs(
        cell, "b_ih alone", place="rnn.read", old=READ,
        new="affine(rows(x), w.W_ih, mistakes.exchanged(w.b_ih, {G}, {i}, {j}))")),
    *(m for cell in ("gru", "lstm") for m in pairs(
        cell, "W_hh alone", place="rnn.steps", old="order = range(xs.shape[-3])",
        new="order, w = range(xs.shape[-3]), "
            "w._replace(W_hh=mistakes.exchanged(w.W_hh, {G}, {i}, {j}))")),
    *each_cell(group="parameters", name="W_hh transposed", kind="recurrent", place="rnn.steps",
               old="order = range(xs.shape[-3])",
               new="order, w = range(xs.shape[-3]), w._replace(W_hh=mistakes.transposed(w.W_hh))"),
    *each_cell(group="parameters", name="W_hh reshaped for transposed", kind="recurrent",
               place="rnn.steps", old="order = range(xs.shape[-3])",
               new="order, w = range(xs.shape[-3]), w._replace(W_hh=mistakes.reshaped(w.W_hh))"),
    *each_cell(group="parameters", name="W_ih reshaped for transposed", kind="recurrent",
               place="rnn.read", old=READ,
               new="affine(rows(x), mistakes.reshaped(w.W_ih), w.b_ih)"),
    *each_cell(group="parameters", name="kernels joined as [h; x] and read as [x; h]",
               kind="recurrent", place="rnn.steps", old="order = range(xs.shape[-3])",
               new="order, w = range(xs.shape[-3]), mistakes.restacked(w)"),
    *each_cell(group="parameters", name="the directions' weights exchanged", kind="bidirectional",
               place="rnn.run", old="in zip(layer, REVERSED", new="in zip(layer[::-1], REVERSED"),
    *each_cell(group="parameters", name="both directions with the forward weights",
               kind="bidirectional", place="rnn.run", old="in zip(layer, REVERSED",
               new="in zip(layer[:1] * len(layer), REVERSED"),
    *each_cell(group="parameters", name="the third layer with the second's weights",
               kind="stacked", place="rnn.run", old="for layer in params:",
               new="for layer in params[:2] + params[1:2] * (len(params) - 2):"),
)  # fmt: skip

BIASES = (
    *each_cell(group="biases", name="b_ih dropped", kind="bias", place="rnn.read", old=READ,
               new="affine(rows(x), w.W_ih, None)"),
    *each_cell(group="biases", name="b_hh dropped", kind="bias", place="rnn.steps",
               old="order = range(xs.shape[-3])",
               new="order, w = range(xs.shape[-3]), w._replace(b_hh=None)"),
    *each_cell(group="biases", name="b_ih copied into b_hh", kind="bias", place="rnn.steps",
               old="order = range(xs.shape[-3])",
               new="order, w = range(xs.shape[-3]), w._replace(b_hh=w.b_ih)"),
    *each_cell(group="biases", name="b_hh copied into b_ih", kind="bias", place="rnn.read",
               old=READ, new="affine(rows(x), w.W_ih, w.b_hh)"),
    *each_cell(group="biases", name="a bias subtracted", kind="bias", place="rnn.read", old=READ,
               new="affine(rows(x), w.W_ih, None if w.b_ih is None else -w.b_ih)"),
    *each_cell(group="biases", name="biases of the first step only", kind="bias",
               place="rnn.steps", old="new, saved = STEP[spec.cell](spec, w, from_x, state)",
               new="new, saved = STEP[spec.cell](spec, w if t == (order[-1] if reverse else 0) "
                   "else w._replace(b_hh=None), from_x, state)"),
    lstm("forget bias missing", LSTM_BIAS, "pass", "forget bias", "biases"),
    lstm("forget bias doubled", LSTM_BIAS, "a_f = a_f + 2 * spec.forget_bias", "forget bias",
         "biases"),
    lstm("forget bias subtracted", LSTM_BIAS, "a_f = a_f - spec.forget_bias", "forget bias",
         "biases"),
    lstm("forget bias on gate i", LSTM_BIAS, "a_i = a_i + spec.forget_bias", "forget bias",
         "biases"),
    lstm("forget bias on gate g", LSTM_BIAS, "a_g = a_g + spec.forget_bias", "forget bias",
         "biases"),
    lstm("forget bias on gate o", LSTM_BIAS, "a_o = a_o + spec.forget_bias", "forget bias",
         "biases"),
    lstm("forget bias of 1 whatever is asked for", LSTM_BIAS, "a_f = a_f + 1.0", "forget bias",
         "biases"),
    lstm("forget bias of 1 where none is asked for", "if spec.forget_bias:\n        a_f = a_f + spec.forget_bias",
         "a_f = a_f + (spec.forget_bias or 1.0)", group="biases"),
    lstm("forget bias after σ", "c_next = f * c", "c_next = (f + spec.forget_bias) * c",
         "forget bias", "biases"),
    gru("b_hh of the candidate outside r ⊙ ()", "np.tanh(x_n + r * v)",
        "np.tanh(x_n + r * (v - mistakes.candidate_bias(w)) + mistakes.candidate_bias(w))",
        "reset after", "biases"),
    gru("b_hh of the candidate dropped", "np.tanh(x_n + r * v)",
        "np.tanh(x_n + r * (v - mistakes.candidate_bias(w)))", "reset after", "biases"),
    gru("b_hh of the candidate dropped where h is 0", "np.tanh(x_n + r * v)",
        "np.tanh(x_n + r * (v if h.any() else 0 * v))", "reset after", "biases"),
    gru("b_hh of r and z dropped", "r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)",
        "r, z = (sigmoid(x + u - (0 if w.b_hh is None else b)) for x, u, b in "
        "zip((x_r, x_z), (h_r, h_z), (0, 0) if w.b_hh is None else gates(w.b_hh, 3)[:2]))",
        "bias", "biases"),
)  # fmt: skip

EQUATIONS = (
    vanilla("relu for tanh", "ACTIVATIONS[spec.activation]", 'ACTIVATIONS["relu"]', "tanh"),
    vanilla("tanh for relu", "ACTIVATIONS[spec.activation]", 'ACTIVATIONS["tanh"]', "relu"),
    vanilla("no activation", "act(from_x", "(from_x"),
    vanilla("σ for the activation", "ACTIVATIONS[spec.activation]", "sigmoid"),
    vanilla("a relu that leaks", "ACTIVATIONS[spec.activation]",
            'np.tanh if spec.activation == "tanh" else lambda a: np.where(a > 0, a, a / 128)', "relu"),
    vanilla("a relu cut off at 6", "ACTIVATIONS[spec.activation]",
            'np.tanh if spec.activation == "tanh" else lambda a: np.clip(a, 0, 6)', "relu"),
    vanilla("the old state added to the new one", "act(from_x", "h + act(from_x"),
    vanilla("the old state not read", "affine(h, w", "affine(0 * h, w"),
    vanilla("the input read twice", "act(from_x", "act(2 * from_x"),
    vanilla("an approximated tanh", "ACTIVATIONS[spec.activation]",
            'mistakes.rational_tanh if spec.activation == "tanh" else relu', "tanh"),

    gru("reset after for before", 'if spec.reset == "after":', "if True:", "reset before"),
    gru("reset before for after", 'if spec.reset == "after":', "if False:", "reset after"),
    gru("z for 1 − z", "(1 - z) * n + z * h", "z * n + (1 - z) * h"),
    gru("the candidate not weighted", "(1 - z) * n + z * h", "n + z * h"),
    gru("the old state not weighted", "(1 - z) * n + z * h", "(1 - z) * n + h"),
    gru("the old state dropped", "(1 - z) * n + z * h", "(1 - z) * n"),
    gru("h for n", "(1 - z) * n + z * h", "(1 - z) * h + z * n"),
    gru("no tanh on the candidate, reset after", "np.tanh(x_n + r * v)", "(x_n + r * v)",
        "reset after"),
    gru("no tanh on the candidate, reset before", "np.tanh(x_n + affine(", "(x_n + affine(",
        "reset before"),
    gru("relu on the candidate, reset after", "np.tanh(x_n + r * v)", "relu(x_n + r * v)",
        "reset after"),
    gru("an approximated tanh, reset after", "np.tanh(x_n + r * v)",
        "mistakes.rational_tanh(x_n + r * v)", "reset after"),
    gru("an approximated tanh, reset before", "np.tanh(x_n + affine(",
        "mistakes.rational_tanh(x_n + affine(", "reset before"),
    gru("r left out, reset after", "x_n + r * v", "x_n + v", "reset after"),
    gru("r left out, reset before", "v = r * h", "v = h", "reset before"),
    gru("r on the input's part too", "x_n + r * v", "r * (x_n + v)", "reset after"),
    gru("1 − r for r, reset after", "x_n + r * v", "x_n + (1 - r) * v", "reset after"),
    gru("1 − r for r, reset before", "v = r * h", "v = (1 - r) * h", "reset before"),
    gru("z for r, reset after", "x_n + r * v", "x_n + z * v", "reset after"),
    gru("z for r, reset before", "v = r * h", "v = z * h", "reset before"),
    gru("a hard sigmoid, slope 0.2", "sigmoid(", "mistakes.hard_sigmoid("),
    gru("a hard sigmoid, slope 1/6", "sigmoid(", "mistakes.harder_sigmoid("),
    gru("gates that do not read the state", "sigmoid(x_r + h_r), sigmoid(x_z + h_z)",
        "sigmoid(x_r), sigmoid(x_z)"),
    gru("gates that do not read the input", "sigmoid(x_r + h_r), sigmoid(x_z + h_z)",
        "sigmoid(h_r), sigmoid(h_z)"),

    lstm("c not forgotten", "c_next = f * c + i * g", "c_next = c + i * g"),
    lstm("the candidate not gated", "c_next = f * c + i * g", "c_next = f * c + g"),
    lstm("i = 1 − f", "c_next = f * c + i * g", "c_next = f * c + (1 - f) * g"),
    lstm("f = 1 − i", "c_next = f * c + i * g", "c_next = (1 - i) * c + i * g"),
    lstm("i and f exchanged in c", "c_next = f * c + i * g", "c_next = i * c + f * g"),
    lstm("the old c dropped", "c_next = f * c + i * g", "c_next = i * g"),
    lstm("the old h for the old c", "c_next = f * c", "c_next = f * h"),
    lstm("no activation on c", "m = np.tanh(c_next)", "m = c_next"),
    lstm("σ on c", "m = np.tanh(c_next)", "m = sigmoid(c_next)"),
    lstm("relu on c", "m = np.tanh(c_next)", "m = np.maximum(c_next, 0)"),
    lstm("the output not gated", "return (o * m, c_next)", "return (m, c_next)"),
    lstm("the old c in the output", "m = np.tanh(c_next)", "m = np.tanh(c)"),
    lstm("the old h added to the new one", "return (o * m, c_next)", "return (o * m + h, c_next)"),
    lstm("the old c added to the new one twice", "c_next = f * c + i * g",
         "c_next = f * c + i * g + c"),
    lstm("no tanh on the candidate", "np.tanh(a_g)", "a_g"),
    lstm("σ on the candidate", "np.tanh(a_g)", "sigmoid(a_g)"),
    lstm("relu on the candidate", "np.tanh(a_g)", "np.maximum(a_g, 0)"),
    lstm("an approximated tanh on the candidate", "np.tanh(a_g)", "mistakes.rational_tanh(a_g)"),
    lstm("an approximated tanh on c", "np.tanh(c_next)", "mistakes.rational_tanh(c_next)"),
    lstm("a hard sigmoid, slope 0.2", "sigmoid(", "mistakes.hard_sigmoid("),
    lstm("a hard sigmoid, slope 1/6", "sigmoid(", "mistakes.harder_sigmoid("),
    lstm("a hard sigmoid on o alone", "sigmoid(a_o)", "mistakes.hard_sigmoid(a_o)"),
    lstm("gates that do not read the state", "from_x + affine(h, w", "from_x + affine(0 * h, w"),
    lstm("gates that read c for h", "from_x + affine(h, w", "from_x + affine(c, w"),
    lstm("a peephole from c to o", "sigmoid(a_o)", "sigmoid(a_o + c)"),
    lstm("c clipped at 3", "m = np.tanh(c_next)", "c_next = np.clip(c_next, -3, 3); m = np.tanh(c_next)"),
    lstm("c clipped at 3 from above only", "m = np.tanh(c_next)",
         "c_next = np.minimum(c_next, 3); m = np.tanh(c_next)"),
    lstm("c clipped at 3 after the output", "return (o * m, c_next)",
         "return (o * m, np.clip(c_next, -3, 3))"),
    lstm("h clipped at 1/2", "return (o * m, c_next)", "return (np.clip(o * m, -0.5, 0.5), c_next)"),
)  # fmt: skip

MUTANTS = (*PERMUTATIONS, *PARAMETERS, *BIASES, *EQUATIONS)
