"""Mistakes around a recurrent network, and in training."""

from __future__ import annotations

from evidence.mutants.mutant import Mutant


def network(name: str, place: str, old: str, new: str) -> Mutant:
    """Make a mutant of a layer or a loss.

    Args:
        name: the mistake, in words.
        place: the function to edit.
        old: the source to replace.
        new: the replacement.

    Returns:
        The mutant.

    """
    return Mutant(group="networks", name=name, place=f"networks.{place}", old=old, new=new,
                  kind="network")  # fmt: skip


def training(name: str, place: str, old: str, new: str) -> Mutant:
    """Make a mutant of training.

    Args:
        name: the mistake, in words.
        place: the function to edit.
        old: the source to replace.
        new: the replacement.

    Returns:
        The mutant.

    """
    return Mutant(group="training", name=name, place=f"networks.{place}", old=old, new=new,
                  kind="training")  # fmt: skip


NETWORKS = (
    network("the last step is T − 1", "feedforward.select", "if lengths is None else lengths - 1", ""),
    network("the last step is the length", "feedforward.select", "lengths - 1", "np.minimum(lengths, steps - 1)"),
    network("given steps in ascending order", "feedforward.select", "v[..., list(at), :]",
            "v[..., sorted(at), :]"),
    network("a readout's gradient to every step", "feedforward.select", "np.where(there, d, 0)",
            "np.where(there, d, d)"),
    network("given steps' gradients in ascending order", "feedforward.select", "at.index(t)",
            "sorted(at).index(t)"),
    network("one word further in the table", "feedforward.embed", "table[..., words, :]",
            "np.roll(table, -1, axis=-2)[..., words, :]"),
    network("the unit vectors one further", "feedforward.one_hot", "np.arange(vocabulary)",
            "(np.arange(vocabulary) - 1)"),
    network("only the last word's row learns", "feedforward.embed", "scatter(d, words, table.shape[-2])",
            "np.where((np.arange(table.shape[-2]) == words.ravel()[-1])[:, None], "
            "scatter(d, words, table.shape[-2]), 0)"),
    network("a word's gradient divided by its count", "feedforward.embed",
            "scatter(d, words, table.shape[-2])",
            "scatter(d, words, table.shape[-2]) / np.maximum(1, np.bincount(words.ravel(), "
            "minlength=table.shape[-2]))[:, None].astype(d.dtype)"),
    network("an output layer without its bias", "feedforward.affine_layer", "affine(flat, W, b)",
            "affine(flat, W, None)"),
    network("an output layer's bias does not learn", "feedforward.affine_layer",
            "np.sum(da, axis=-2)", "0 * np.sum(da, axis=-2)"),
    network("an output layer's gradient the mean over rows", "feedforward.affine_layer",
            "dW = np.swapaxes(da, -1, -2) @ flat", "dW = np.swapaxes(da, -1, -2) @ flat / len(flat)"),
    network("nothing goes back through an output layer", "feedforward.affine_layer",
            "unrows(da @ W, v)", "0 * unrows(da @ W, v)"),
    network("softmax over the steps", "activations.softmax", "e / np.sum(e, axis=-1, keepdims=True)",
            "e / np.sum(e, axis=-2, keepdims=True)"),
    network("softmax not normalised", "activations.softmax", "e / np.sum(e, axis=-1, keepdims=True)",
            "e"),
    network("softmax to base 2", "activations.softmax", "np.exp(", "np.exp2("),
    network("tanh missing after a dense layer", "activations.activate", 'if name == "identity":',
            'if name in ("identity", "tanh"):'),
    network("tanh' missing after a dense layer", "activations.activate", "d * (1 - o * o)", "d"),
    network("the likelihood's gradient without the target", "losses.negative_log_likelihood",
            "softmax(a) - unit", "softmax(a)"),
    network("the likelihood's gradient with the other sign", "losses.negative_log_likelihood",
            "softmax(a) - unit", "unit - softmax(a)"),
    network("the likelihood to base 2", "losses.negative_log_likelihood", "np.log(", "np.log2("),
    network("the target one further", "losses.negative_log_likelihood",
            "targets = np.where(valid, targets, 0)",
            "targets = np.where(valid, (targets + 1) % classes, 0)"),
    network("padded targets in the likelihood", "losses.negative_log_likelihood",
            "nll = np.where(valid, ", "nll = np.where(True, "),
    network("padded targets in the likelihood's gradient", "losses.negative_log_likelihood",
            "d = np.where(valid[..., None], ", "d = np.where(True, "),
    network("padded targets in the mean", "losses.weights", "float(valid.sum())", "float(valid.size)"),
    network("the mean over rows for that over targets", "losses.weights", "float(valid.sum())",
            "float(len(valid))"),
    network("the sum for the mean", "losses.weights", 'if reduction == "mean" else 1.0',
            "if False else 1.0"),
    network("the mean for the sum", "losses.weights", 'if reduction == "mean" else 1.0',
            "if True else 1.0"),
    network("half the squared error", "losses.mean_squared_error", "return squares / count,",
            "return squares / count / 2,"),
    network("the squared error summed over units", "losses.mean_squared_error", "/ units,", ","),
    network("the squared error's gradient without 2", "losses.mean_squared_error", "2 * error",
            "error"),
    network("a target fed at its own step", "network.fed_words",
            "np.concatenate([np.zeros_like(data.targets[:, :1]), data.targets[:, :-1]], axis=1)",
            "data.targets"),
    network("the target before the last fed", "network.fed_words",
            "np.concatenate([np.zeros_like(data.targets[:, :1]), data.targets[:, :-1]], axis=1)",
            "np.concatenate([np.zeros_like(data.targets[:, :2]), data.targets[:, :-2]], axis=1)"),
    network("no word fed", "network.fed_words", "return known", "return 0 * known"),
    network("its own words of one step before", "decoder.own_words", "return words[:, :-1]",
            "return np.concatenate([words[:, :1], words[:, :-2]], axis=1)"),
    network("the first row's own words for all", "decoder.own_words", "return words[:, :-1]",
            "return np.repeat(words[:1, :-1], len(words), axis=0)"),
    network("the least likely word fed", "decoder.own_words", "np.argmax", "np.argmin"),
    network("state kept through free running", "decoder.own_words",
            'state = {"h0": output.h_n}', 'state = {"h0": output.h_n * 0}'),
    network("the context at the first step alone", "decoder.inputs", "[context] * layer.steps",
            "[context] + [0 * context] * (layer.steps - 1)"),
    network("the word after the context", "decoder.inputs", "np.concatenate(parts, axis=-1)",
            "np.concatenate(parts[::-1], axis=-1)"),
    network("the context's gradient of the last step alone", "decoder.inputs",
            "np.sum(d_context, axis=-2)", "d_context[..., -1, :]"),
    network("fed words do not learn", "decoder.inputs", "else embed_back(d_words)",
            "else 0 * embed_back(d_words)"),
    network("the context makes no initial state", "decoder.initial_state",
            "context[..., 0, :] for _ in layers", "0 * context[..., 0, :] for _ in layers"),
    network("the initial state's gradient does not reach the context", "decoder.initial_state",
            'd["h0"][..., k, :, None, :] for k', '0 * d["h0"][..., k, :, None, :] for k'),
    network("a bridge without its activation", "decoder.bridged", "activate(layer.bridge, a)",
            'activate("identity", a)'),
    network("a bridge's parts for h and c exchanged", "decoder.bridged",
            "zip(names, affines, strict=True)", "zip(names, affines[::-1], strict=True)"),
    network("the context of the first layer's states", "network.final_state",
            "range(rows - directions, rows)", "range(directions)"),
    network("the context of the directions exchanged", "network.final_state",
            "np.concatenate(states, axis=-1)", "np.concatenate(states[::-1], axis=-1)"),
    network("the encoder reads its padding", "network.recurrent", "lengths=data.lengths)",
            "lengths=None)"),
    network("the encoder's states have no gradient", "network.final_state",
            "incoming(v, h_n=dh_n)", "incoming(v, h_n=0 * dh_n)"),
    network("the last layer's own gradient skipped", "network.gradients",
            "found, d = layer.back(layer.activation_back(d))", "found, d = layer.back(d)"),
)  # fmt: skip

TRAINING = (
    training("the gradient added", "training.train", "as_vector(params, shapes) - step",
             "as_vector(params, shapes) + step"),
    training("the rate off by 1e-5 of itself", "optimisers.GradientDescent.update",
             "g * self.rate", "g * (self.rate * (1 + 1e-5))"),
    training("a rate of 1/4 whatever is asked for", "optimisers.GradientDescent.update", "g * self.rate",
             "g * 0.25"),
    training("momentum ignored", "optimisers.Momentum.update", "memory[0] * self.momentum + g", "g"),
    training("momentum damped", "optimisers.Momentum.update", "self.momentum + g",
             "self.momentum + g * (1 - self.momentum)"),
    training("momentum by Nesterov", "optimisers.Momentum.update", "return v * self.rate",
             "return (g + v * self.momentum) * self.rate"),
    training("momentum forgotten at every step", "training.train",
             "optimiser.remember(g) if memory is None else memory", "optimiser.remember(g)"),
    training("no correction of m", "optimisers.Adam.update", "m / (1 - power1)", "m"),
    training("no correction of v", "optimisers.Adam.update", "v / (1 - power2)", "v"),
    training("corrections by β to twice the power", "optimisers.Adam.update",
             "power1, power2 = power1 * self.beta1, power2 * self.beta2",
             "power1, power2 = power1 * self.beta1 ** 2, power2 * self.beta2 ** 2"),
    training("ε in the other place", "optimisers.Adam.update", 'self.placement == "outside"',
             'self.placement != "outside"'),
    training("ε inside the root", "optimisers.Adam.update",
             "(np.sqrt(v / (1 - power2)) + self.epsilon)", "np.sqrt(v / (1 - power2) + self.epsilon)"),
    training("ε of 1e-8 whatever is asked for", "optimisers.Adam.update", "self.epsilon", "1e-8"),
    training("β₁ and β₂ exchanged", "optimisers.Adam.update",
             "m * self.beta1 + g * (1 - self.beta1)", "m * self.beta2 + g * (1 - self.beta2)"),
    training("β₂ of 0.999 whatever is asked for", "optimisers.Adam.update",
             "v * self.beta2 + g * g * (1 - self.beta2)", "v * 0.999 + g * g * 0.001"),
    training("g for g² in v", "optimisers.Adam.update", "g * g * (1", "np.abs(g) * (1"),
    training("no root in Adam", "optimisers.Adam.update", "np.sqrt(v / (1 - power2))", "(v / (1 - power2))"),
    training("clipping ignored", "training.train", "if clip:", "if False:"),
    training("always scaled to the largest norm", "optimisers.Clip.__call__",
             "np.maximum(norm + self.epsilon, self.most)", "(norm + self.epsilon)"),
    training("clipped by value", "optimisers.Clip.__call__",
             "g * (self.most / np.maximum(norm + self.epsilon, self.most))",
             "np.clip(g, -self.most, self.most)"),
    training("1e-6 added to the norm", "optimisers.Clip.__call__", "norm + self.epsilon",
             "norm + 1e-6"),
    training("the squared norm", "optimisers.Clip.__call__", "np.sqrt(np.sum(g * g, axis=-1, keepdims=True))",
             "np.sum(g * g, axis=-1, keepdims=True)"),
    training("the largest element for the norm", "optimisers.Clip.__call__",
             "np.sqrt(np.sum(g * g, axis=-1, keepdims=True))", "np.max(np.abs(g), axis=-1, keepdims=True)"),
    training("the batch before the last for the last", "training.train", "for batch in batches:",
             "for batch in (*batches[:-1], batches[-2]):"),
    training("the first batch again and again", "training.train", "found = gradients(network, params, batch)",
             "found = gradients(network, params, batches[0])"),
    training("gradients after the first 1/1024 too large", "training.train", "if clip:",
             "g = g + (0 if len(losses) == 1 else g / 1024)\n        if clip:"),
    training("losses after the first 1 % too small", "training.train", "losses.append(found.loss)",
             "losses.append(found.loss if not losses else found.loss * 0.99)"),
)  # fmt: skip

MUTANTS = (*NETWORKS, *TRAINING)
