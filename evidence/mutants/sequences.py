"""Mistakes over time, in states and in layouts; every cell can have each."""

from __future__ import annotations

from collections.abc import Iterator

from evidence.mutants.mutant import Mutant, each_cell

VALID = "valid = (np.arange(xs.shape[-3])[:, None] < lengths)"
KEPT = "state = tuple(np.where(valid[t], n, s) for n, s in zip(new, state, strict=True))"
OUTPUT = "y = np.where(valid[t], y, 0)"


def lengths(name: str, place: str, old: str, new: str, kind: str = "lengths") -> Iterator[Mutant]:
    """Make mutants about lengths, one for each cell.

    Args:
        name: the mistake, in words.
        place: the function to edit.
        old: the source to replace.
        new: the replacement.
        kind: the kind of case that must catch them.

    Returns:
        The mutants.

    """
    return each_cell(group="lengths", name=name, place=place, old=old, new=new, kind=kind)


def states(name: str, place: str, old: str, new: str, kind: str = "state") -> Iterator[Mutant]:
    """Make mutants about initial or final states, one for each cell.

    Args:
        name: the mistake, in words.
        place: the function to edit.
        old: the source to replace.
        new: the replacement.
        kind: the kind of case that must catch them.

    Returns:
        The mutants.

    """
    return each_cell(group="states", name=name, place=place, old=old, new=new, kind=kind)


def layouts(name: str, place: str, old: str, new: str, kind: str) -> Iterator[Mutant]:
    """Make mutants about directions, layers or the order of axes, one for each cell.

    Args:
        name: the mistake, in words.
        place: the function to edit.
        old: the source to replace.
        new: the replacement.
        kind: the kind of case that must catch them.

    Returns:
        The mutants.

    """
    return each_cell(group="layouts", name=name, place=place, old=old, new=new, kind=kind)


def _of_lstm(group: str, name: str, place: str, old: str, new: str, kind: str) -> Mutant:
    """Make a mutant that needs a cell state."""
    return Mutant(group=group, name=name, place=place, old=old, new=new, kind=kind, cell="lstm")


LENGTHS = (
    *lengths("lengths ignored", "rnn.time_major", "if lengths is None:", "if True:"),
    *lengths("a step too many", "rnn.time_major", "< lengths)", "<= lengths)"),
    *lengths("a step too few", "rnn.time_major", "< lengths)", "< lengths - 1)"),
    *lengths("length 0 taken for 1", "rnn.time_major", "< lengths)", "< np.maximum(lengths, 1))",
             "zero length"),
    *lengths("length 0 taken for T", "rnn.time_major", "< lengths)",
             "< np.where(lengths == 0, xs.shape[-3], lengths))", "zero length"),
    *lengths("the longest row's length for all", "rnn.time_major", "< lengths)",
             "< np.full_like(lengths, lengths.max()))"),
    *lengths("lengths sorted, rows not", "rnn.time_major", "< lengths)", "< np.sort(lengths)[::-1])"),
    *lengths("final state at T", "rnn.steps", KEPT, "state = new"),
    *lengths("outputs in the padding not zeroed", "rnn.steps", OUTPUT, "y = y"),
    *lengths("the last output repeated for 0", "rnn.steps", OUTPUT,
             "y = np.where(valid[t], y, state[0])"),
    *lengths("no mask on the reverse direction", "rnn.steps", "if valid is None:",
             "if valid is None or reverse:", "reverse"),
    *lengths("no mask on the forward direction", "rnn.steps", "if valid is None:",
             "if valid is None or not reverse:"),
    *lengths("the mask not reversed with the input", "rnn.steps", "valid[t]",
             "valid[len(valid) - 1 - t if reverse else t]", "reverse"),
    *lengths("the mask reversed in both directions", "rnn.steps", "valid[t]",
             "valid[len(valid) - 1 - t]"),
    *lengths("states of rows sorted by length not brought back", "rnn.run",
             "return collect(spec, xs, final)",
             "return mistakes.by_length(collect(spec, xs, final), lengths)"),
    *lengths("steps past the longest row not initialised", "rnn.run",
             "return collect(spec, xs, final)",
             "return collect(spec, mistakes.uninitialised(xs, lengths), final)"),
    *lengths("states of empty rows 0", "rnn.run", "final.append(end)",
             "final.append(end if lengths is None else "
             "tuple(np.where(lengths[:, None] == 0, 0, s) for s in end))", "zero length"),
    _of_lstm("lengths", "only h stops at the length", "rnn.steps", KEPT,
            "state = (np.where(valid[t], new[0], state[0]), *new[1:])", "lengths"),
    _of_lstm("lengths", "only c stops at the length", "rnn.steps", KEPT,
            "state = (new[0], np.where(valid[t], new[1], state[1]))", "lengths"),
    *each_cell(group="lengths", name="the next layer reads something in the padding",
               place="rnn.run", old="xs = side_by_side(outputs)",
               new="xs = side_by_side(outputs) if layer is params[-1] else "
                   "mistakes.unmasked(side_by_side(outputs), lengths)", kind="lengths",
               equivalent="the next layer's steps past the length change neither its outputs nor "
                          "its states"),
)  # fmt: skip

DIRECTIONS = (
    *layouts("outputs in processing order", "rnn.run", "outputs.append(in_order(ys))",
             "outputs.append(in_order(dict(enumerate(ys.values()))))", "reverse"),
    *layouts("the reverse direction runs forward", "rnn.run", "reverse=reverse):",
             "reverse=False):", "reverse"),
    *layouts("the forward direction runs in reverse", "rnn.run", "reverse=reverse):",
             "reverse=True):", "recurrent"),
    *layouts("the directions' outputs exchanged", "rnn.side_by_side",
             "np.concatenate(outputs, axis=-1)", "np.concatenate(outputs[::-1], axis=-1)",
             "bidirectional"),
    *layouts("the directions' outputs unit by unit", "rnn.side_by_side",
             "np.concatenate(outputs, axis=-1)", "mistakes.interleaved(outputs)", "bidirectional"),
    *layouts("the sum of the directions, twice", "rnn.side_by_side",
             "np.concatenate(outputs, axis=-1)",
             "np.concatenate([outputs[0] + outputs[1]] * 2, axis=-1)", "bidirectional"),
    *layouts("the mean of the directions, twice", "rnn.side_by_side",
             "np.concatenate(outputs, axis=-1)",
             "np.concatenate([(outputs[0] + outputs[1]) / 2] * 2, axis=-1)", "bidirectional"),
    *layouts("the next layer reads the directions exchanged", "rnn.run",
             "xs = side_by_side(outputs)",
             "xs = side_by_side(outputs if layer is params[-1] else outputs[::-1])", "stacked"),
    *layouts("the next layer adds its input to its outputs", "rnn.run",
             "xs = side_by_side(outputs)",
             "xs = side_by_side(outputs) + (0 if layer is params[0] else xs)", "stacked"),
    *layouts("time for batch where B = T", "rnn.time_major", "if spec.batch_first",
             "if spec.batch_first and x.shape[-3] != x.shape[-2]", "B = T"),
    *layouts("time-major input read as batch-major", "rnn.time_major", "if spec.batch_first",
             "if True", "time-major"),
    *layouts("outputs time-major whatever is asked for", "rnn.collect", "if spec.batch_first",
             "if False", "recurrent"),
    *layouts("outputs batch-major whatever is asked for", "rnn.collect", "if spec.batch_first",
             "if True", "time-major"),
    *layouts("outputs batch-major where B = T", "rnn.collect", "if spec.batch_first",
             "if spec.batch_first or ys.shape[-3] == ys.shape[-2]", "time-major"),
)  # fmt: skip

STATES = (
    *states("h0 ignored", "rnn.initial_states", '"h": h0', '"h": None'),
    *states("the initial state of layer 0 for all", "rnn.initial_states", "s[..., row, :, :]",
            "s[..., 0, :, :]", "stacked"),
    *states("initial states in the order of directions, then layers", "rnn.initial_states",
            "s[..., row, :, :]", "s[..., mistakes.direction_major(row, spec), :, :]",
            "bidirectional"),
    *states("the directions' initial states exchanged", "rnn.initial_states",
            "s[..., row, :, :]", "s[..., row ^ (spec.num_directions - 1), :, :]", "bidirectional"),
    *states("the first row's initial state for all", "rnn.initial_states", "s[..., row, :, :]",
            "s[..., row, :1, :]"),
    *states("a layer starts from the last state of the one before", "rnn.run",
            "end = starts(len(final))", "end = final[-1] if final else starts(0)", "stacked"),
    *states("a part of the old state added to every output", "rnn.run", "ys[step.t], end = step.y, step.end",
            "ys[step.t], end = step.y + step.start[0] / 64, step.end", "recurrent"),
    *states("final states in the order of directions, then layers", "rnn.collect",
            "zip(*final, strict=True)", "zip(*mistakes.in_direction_major(final, spec), strict=True)",
            "bidirectional"),
    *states("the directions' final states exchanged", "rnn.collect", "zip(*final, strict=True)",
            "zip(*[final[r ^ (spec.num_directions - 1)] for r in range(len(final))], strict=True)",
            "bidirectional"),
    *states("the last layer's final state for all", "rnn.collect", "zip(*final, strict=True)",
            "zip(*final[-spec.num_directions :] * spec.num_layers, strict=True)", "stacked"),
    *states("the final state of the reverse direction at T", "rnn.run", "final.append(end)",
            "final.append((ys[xs.shape[-3] - 1], *end[1:]))", "reverse"),
    *states("the state before the last step for the final one", "rnn.run",
            "ys[step.t], end = step.y, step.end", "ys[step.t], end = step.y, step.start",
            "recurrent"),
    *states("states not handed from step to step", "rnn.steps", "        state = new\n",
            "        state = tuple(0 * n for n in new)\n", "recurrent"),
    _of_lstm("states", "c0 ignored", "rnn.initial_states", '"c": c0', '"c": None', "state"),
    _of_lstm("states", "h0 and c0 exchanged", "rnn.initial_states", '{"h": h0, "c": c0}',
            '{"h": c0, "c": h0}', "state"),
    _of_lstm("states", "h_n and c_n exchanged", "rnn.collect", "return Output(y, h_n, rest[0] if rest else None)",
            "return Output(y, rest[0], h_n)", "recurrent"),
    _of_lstm("states", "h_n for c_n", "rnn.collect", "return Output(y, h_n, rest[0] if rest else None)",
            "return Output(y, h_n, h_n)", "recurrent"),
    _of_lstm("states", "c0 for h0 too", "rnn.initial_states", '{"h": h0, "c": c0}',
            '{"h": c0, "c": c0}', "state"),
)  # fmt: skip

PRODUCT = "v @ np.swapaxes(W, -1, -2)"
ROUNDED = "rows(x), w.W_ih, w.b_ih"


def _precision(
    name: str, place: str, old: str, new: str, kind: str = "float32"
) -> Iterator[Mutant]:
    """An arithmetic that is not the one that was asked for."""
    return each_cell(group="precision", name=name, place=place, old=old, new=new, kind=kind)


PRECISION = (
    *_precision("products in TF32", "cells.affine", PRODUCT,
               "mistakes.shortened(v, 11) @ mistakes.shortened(np.swapaxes(W, -1, -2), 11)"),
    *_precision("products in bfloat16", "cells.affine", PRODUCT,
               "mistakes.shortened(v, 8) @ mistakes.shortened(np.swapaxes(W, -1, -2), 8)"),
    *_precision("products in float32", "cells.affine", PRODUCT, f"mistakes.single({PRODUCT})",
               "float64"),
    *_precision("sums in float16", "cells.affine", PRODUCT, "mistakes.in_sixteen_bits(v, W, 11)",
               "16 bits"),
    *_precision("W_ih rounded to bfloat16", "rnn.read", ROUNDED,
               "rows(x), mistakes.shortened(w.W_ih, 8), w.b_ih"),
    *_precision("biases rounded to float16", "rnn.read", ROUNDED,
               "rows(x), w.W_ih, None if w.b_ih is None else mistakes.shortened(w.b_ih, 11)"),
    *_precision("states rounded to bfloat16", "rnn.steps", "STEP[spec.cell](spec, w, from_x, state)",
               "STEP[spec.cell](spec, w, from_x, tuple(mistakes.shortened(s, 8) for s in state))"),
    *_precision("states rounded to float32", "rnn.steps", "STEP[spec.cell](spec, w, from_x, state)",
               "STEP[spec.cell](spec, w, from_x, tuple(map(mistakes.single, state)))", "float64"),
    *_precision("W_hh off by 1e-5 of itself", "rnn.steps", "order = range(xs.shape[-3])",
               "order, w = range(xs.shape[-3]), w._replace(W_hh=w.W_hh * (1 + w.W_hh.dtype.type(1e-5)))"),
    *_precision("outputs off by 1e-5 of themselves", "rnn.collect", "return Output(y,",
               "return Output(y * y.dtype.type(1 + 1e-5),"),
    *(Mutant(group="precision", name="σ off by 3e-6", place="cells.sigmoid", old="return 1 /",
             new="return a.dtype.type(3e-6) + 1 /", kind="float32", cell=cell)
      for cell in ("gru", "lstm")),
    Mutant(group="precision", name="forget bias off by 1e-6", place="cells.lstm", cell="lstm",
           old="a_f = a_f + spec.forget_bias", new="a_f = a_f + (spec.forget_bias + 1e-6)",
           kind="forget bias"),
    Mutant(group="precision", name="tanh off by 1e-6 of itself", place="cells.lstm", cell="lstm",
           old="np.tanh(", new="a.dtype.type(1 - 1e-6) * np.tanh(", kind="float32"),
    Mutant(group="precision", name="tanh off by 1e-6 of itself", place="cells.gru", cell="gru",
           old="np.tanh(", new="h.dtype.type(1 - 1e-6) * np.tanh(", kind="float32"),
    Mutant(group="precision", name="tanh off by 1e-6 of itself", place="cells.vanilla",
           cell="vanilla", old="act(from_x", new="h.dtype.type(1 - 1e-6) * act(from_x",
           kind="float32"),
)  # fmt: skip

MUTANTS = (*LENGTHS, *DIRECTIONS, *STATES, *PRECISION)
