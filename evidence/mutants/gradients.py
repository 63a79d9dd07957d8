"""Mistakes in gradients of recurrent networks, with correct outputs."""

from __future__ import annotations

from evidence.mutants.mutant import Mutant, each_cell


def cell(name: str, of: str, old: str, new: str, kind: str = "gradients") -> Mutant:
    """Make a mutant of the gradient of one step.

    Args:
        name: the mistake, in words.
        of: the cell.
        old: the source to replace.
        new: the replacement.
        kind: the kind of case that must catch it.

    Returns:
        The mutant.

    """
    return Mutant(group="gradients", name=name, place=f"cells.{of}_gradient", old=old, new=new,
                  kind=kind, cell=of)  # fmt: skip


def vjp(
    name: str, old: str, new: str, kind: str = "gradients", place: str = "bptt.vjp"
) -> tuple[Mutant, ...]:
    """Make mutants of backpropagation through time, one for each cell.

    Args:
        name: the mistake, in words.
        old: the source to replace.
        new: the replacement.
        kind: the kind of case that must catch them.
        place: the function to edit.

    Returns:
        The mutants.

    """
    return tuple(each_cell(group="gradients", name=name, place=place, old=old, new=new, kind=kind))


OF_CELLS = (
    cell("tanh' missing", "vanilla", "dh_next * (1 - h_next * h_next)", "dh_next"),
    cell("1 − h for tanh'", "vanilla", "(1 - h_next * h_next)", "(1 - h_next)"),
    cell("relu' is 1 everywhere", "vanilla", "np.where(h_next > 0, dh_next, 0)", "dh_next", "relu"),
    cell("relu' is 1 at 0", "vanilla", "h_next > 0", "h_next >= 0", "relu"),
    cell("the state's gradient stops", "vanilla", "(da @ w.W_hh,)", "(0 * (da @ w.W_hh),)"),
    cell("W_hh not transposed", "vanilla", "(da @ w.W_hh,)", "(da @ w.W_hh.T,)"),

    cell("tanh' missing", "gru", "dh_next * (1 - z) * (1 - n * n)", "dh_next * (1 - z)"),
    cell("1 − z missing", "gru", "dh_next * (1 - z) * (1 - n * n)", "dh_next * (1 - n * n)"),
    cell("z has no gradient", "gru", "dh_next * (h - n) * (z * (1 - z))", "0 * h"),
    cell("z's gradient has the other sign", "gru", "(h - n)", "(n - h)"),
    cell("z's gradient without n", "gru", "(h - n)", "h"),
    cell("σ' of z missing", "gru", "* (z * (1 - z))", ""),
    cell("σ' of r missing, reset after", "gru", "da_n * v * (r * (1 - r))", "da_n * v", "reset after"),
    cell("σ' of r missing, reset before", "gru", "dv * h * (r * (1 - r))", "dv * h", "reset before"),
    cell("r has no gradient, reset after", "gru", "da_n * v * (r * (1 - r))", "0 * v", "reset after"),
    cell("r has no gradient, reset before", "gru", "dv * h * (r * (1 - r))", "0 * h", "reset before"),
    cell("the state's gradient not through z", "gru", "dh = dh_next * z", "dh = 0 * z"),
    cell("the state's gradient through z alone, reset after", "gru", "(dh + recurrent @ w.W_hh,)",
         "(dh,)", "reset after"),
    cell("the state's gradient not through r ⊙ h", "gru", "dh + dv * r +", "dh +", "reset before"),
    cell("the candidate's recurrent gradient without r", "gru", "da_n * r]", "da_n]", "reset after"),
    cell("the candidate's input gradient with r", "gru", "inputs = np.concatenate([da_r, da_z, da_n]",
         "inputs = np.concatenate([da_r, da_z, da_n * r]", "reset after"),

    cell("o has no gradient", "lstm", "dh_next * m * (o * (1 - o))", "0 * o"),
    cell("i has no gradient", "lstm", "dc_next * g * (i * (1 - i))", "0 * i"),
    cell("f has no gradient", "lstm", "dc_next * c * (f * (1 - f))", "0 * f"),
    cell("g has no gradient", "lstm", "dc_next * i * (1 - g * g)", "0 * g"),
    cell("σ' of i missing", "lstm", "dc_next * g * (i * (1 - i))", "dc_next * g"),
    cell("σ' of f missing", "lstm", "dc_next * c * (f * (1 - f))", "dc_next * c"),
    cell("σ' of o missing", "lstm", "dh_next * m * (o * (1 - o))", "dh_next * m"),
    cell("tanh' of g missing", "lstm", "dc_next * i * (1 - g * g)", "dc_next * i"),
    cell("tanh' of c missing", "lstm", "dh_next * o * (1 - m * m)", "dh_next * o"),
    cell("h's gradient does not reach c", "lstm", "dc_next = dc_next + dh_next * o * (1 - m * m)", "pass"),
    cell("c's gradient does not come from the next step", "lstm", "dc_next = dc_next + dh_next",
         "dc_next = dh_next"),
    cell("c's gradient not through f", "lstm", "dc_next * f)", "dc_next)"),
    cell("c's gradient stops", "lstm", "dc_next * f)", "0 * f)"),
    cell("f's gradient with the new c", "lstm", "dc_next * c * (f", "dc_next * (f * c + i * g) * (f"),
    cell("o's gradient with c for tanh(c)", "lstm", "dh_next * m * (o", "dh_next * (f * c + i * g) * (o"),
    cell("h's gradient stops", "lstm", "(da @ w.W_hh, dc", "(0 * (da @ w.W_hh), dc"),
)  # fmt: skip

THROUGH_TIME = (
    *vjp("dW_hh of the states after the steps", "step.start[0] for", "step.end[0] for",
         place="bptt.weight_gradients"),
    *vjp("db_hh 0", "None if w.b_hh is None else total(d_rec)",
         "None if w.b_hh is None else 0 * total(d_rec)", "bias", "bptt.weight_gradients"),
    *vjp("db_ih doubled", "None if w.b_ih is None else total(d_in)",
         "None if w.b_ih is None else 2 * total(d_in)", "bias", "bptt.weight_gradients"),
    *vjp("dW_ih of the last step alone", "outer(d_in, xs)",
         "outer(d_in[-1:], xs[-1:])", place="bptt.weight_gradients"),
    *vjp("the mean over the batch for the sum", "outer(d_in, xs)",
         "outer(d_in, xs) / xs.shape[-2]", place="bptt.weight_gradients"),
    *vjp("the mean over the steps for the sum", "dW_hh = outer(d_rec, hs)",
         "dW_hh = outer(d_rec, hs) / len(hs)", place="bptt.weight_gradients"),
    *vjp("the padding read by the gradients of weights", "return np.where(valid, xs, 0), valid",
         "return xs, valid", "NaN in the padding", "rnn.time_major"),
    *vjp("the final state's gradient dropped", 'by_state = {"h": dh_n, "c": dc_n}',
         'by_state = {"h": 0 * dh_n, "c": dc_n}'),
    *vjp("the final state's gradient of the last layer for all", "by_state[name][..., row, :, :]",
         "by_state[name][..., -1, :, :]", "stacked"),
    *vjp("gradients by outputs of the first direction alone", "dys[..., mine]",
         "dys[..., : spec.hidden_size] * (direction == 0)", "bidirectional"),
    *vjp("the directions' incoming gradients exchanged", "mine = slice(direction",
         "direction = spec.num_directions - 1 - direction; mine = slice(direction", "bidirectional"),
    *vjp("dx without the reverse direction", "dxs[0] + dxs[1]", "dxs[0]", "bidirectional"),
    *vjp("dx the mean of the directions", "dxs[0] + dxs[1]", "(dxs[0] + dxs[1]) / 2", "bidirectional"),
    *vjp("dx 0", "np.swapaxes(dys, -2, -3) if spec.batch_first else dys,\n",
         "0 * (np.swapaxes(dys, -2, -3) if spec.batch_first else dys),\n"),
    *vjp("dh0 0", "None if h0 is None else dh0", "None if h0 is None else 0 * dh0", "state"),
    *vjp("dh0 of the rows in the wrong order", "for r in sorted(d_start)",
         "for r in sorted(d_start, reverse=True)", "stacked"),
    *vjp("the padding's outputs have gradients", "d_end = tuple(np.where(valid[t], d, 0) for d in d_end)",
         "pass", "lengths", "bptt.backwards"),
    *vjp("the state's gradient lost in the padding",
         "d_old = tuple(np.where(valid[t], d, s) for d, s in zip(d_old, d_state, strict=True))", "pass",
         "lengths", "bptt.backwards"),
    *vjp("gradients by the outputs dropped", "(dh + dys[..., t, :, :], *dc)", "(dh, *dc)",
         place="bptt.backwards"),
    *vjp("gradients by the outputs of another step", "dys[..., t, :, :]", "dys[..., t - 1, :, :]",
         place="bptt.backwards"),
    *vjp("truncated after one step", "d_state = d_old", "d_state = tuple(0 * d for d in d_old)",
         place="bptt.backwards"),
    Mutant(group="gradients", name="dc0 0", place="bptt.vjp", cell="lstm", kind="state",
           old="None if c0 is None else dc0", new="None if c0 is None else 0 * dc0"),
    Mutant(group="gradients", name="c's final gradient dropped", place="bptt.vjp", cell="lstm",
           kind="gradients", old='"c": dc_n}', new='"c": 0 * dh_n}'),
    Mutant(group="gradients", name="h's and c's final gradients exchanged", place="bptt.vjp",
           cell="lstm", kind="gradients", old='{"h": dh_n, "c": dc_n}', new='{"h": dc_n, "c": dh_n}'),
    Mutant(group="gradients", name="dU_n with h for r ⊙ h", place="bptt.weight_gradients",
           cell="gru", kind="reset before", old="outer(d_rec[..., cut:], vs)",
           new="outer(d_rec[..., cut:], hs)"),
    *(Mutant(group="gradients", name="dW_hh rounded to bfloat16", place="bptt.weight_gradients",
             cell=name, kind="gradients", old="dW_hh = outer(d_rec, hs)",
             new="dW_hh = mistakes.shortened(outer(d_rec, hs), 8)") for name in ("vanilla", "lstm")),
)  # fmt: skip

MUTANTS = (*OF_CELLS, *THROUGH_TIME)
