"""The glossary of the page."""

from __future__ import annotations

GLOSSARY = (
    ("agree / supported", "Number of cases that agree, out of the cases that ran and are supported. Errored and "
     "inconclusive cases and known differences count in the denominator; unsupported cases do not."),
    ("above the bound", "Cases whose margin exceeds 1, including known differences."),
    ("alarm", "A failure found by fuzzing that no known difference explains."),
    ("arithmetic", "How numbers are rounded: the types of a matmul's operands, of its accumulation, of all other "
     "operations, and of stored values."),
    ("arrays", "Digest of a case's weights and inputs: equal digests mean equal numbers. A failure card shows it."),
    ("backend", "One way of running a framework, such as PyTorch eager mode or TensorFlow with XLA."),
    ("baseline", "The first level of the last 50 runs of a series in one environment."),
    ("bound", "Largest error that counts as rounding: 8 radii, plus the rounding of the result to its dtype."),
    ("cache exceeded at", "Smallest size from which an operation is slower because the weights no longer fit in the "
     "cache."),
    ("case", "One network with its sizes, options, weights and inputs in one dtype. The id names cell, options, sizes "
     "and dtype."),
    ("cell", "The recurrent unit: vanilla RNN, GRU or LSTM, in the variants on which frameworks differ. "
     "Cases named tutorial are small programs from tutorials."),
    ("change", "Of a series: its latest level relative to its baseline. Of a case: its outcome now and in the previous "
     "run."),
    ("changed, added, removed", "The case changed to or from unsupported; or is only in the latest run; or is only in "
     "the previous run."),
    ("column", "The latest record of every case of one backend at one framework version on one device."),
    ("dtype", "Type of weights, inputs and results: float64, float32, float16 or bfloat16. The dtypes tf32 and default "
     "are float32 with matmuls in TF32, or in the framework's default precision."),
    ("environment fingerprint", "Twelve digits that identify machine, versions and settings. Values with different "
     "fingerprints are not compared."),
    ("epoch", "The consecutive runs of one environment. A series is judged within its latest epoch."),
    ("equivalent", "A mutant that computes the same as the specification, so that no case can catch it."),
    ("exponent", "Growth of time with a size: with exponent p, twice the size takes 2ᵖ times as long."),
    ("failure card", "The evidence for a failed case, as the command line prints it; its labels are words of this list."),
    ("fingerprint", "The tightest arithmetic that a result agrees with. If it is looser than the declared arithmetic, "
     "the error is within the bound of the looser one; the cause may be that arithmetic, or another error of that size."),
    ("first call", "Wall time of the first call, including compilation. No other time includes it."),
    ("first result ms", "Loading plus the first call, in the slowest process; the next column lists loading, tracing "
     "and compilation."),
    ("first wrong", "The first time step with an element beyond its bound. Steps, batch rows, units, inputs, "
     "layers and directions count from 0."),
    ("full run", "A complete run from which no option left cases out. A partial run never replaces it: its records are merged."),
    ("fuzzing", "Checking randomly drawn networks. Each failure is shrunk to a minimal case, which later runs check "
     "first."),
    ("GFLOP/s", "Floating-point operations of all matmuls of a call, divided by the median time, in billions per "
     "second."),
    ("interrupted", "The run file has no footer. Its records are shown, but the run does not count as a pass."),
    ("IQR", "Interquartile range: the width of the middle half of the samples."),
    ("knee at", "Size at which the exponent changes."),
    ("level", "Median of a series between two of its changes."),
    ("limit", "Time of the framework's own matmuls of the row's sizes and nothing else, measured right before and "
     "after each sample. A fused kernel that keeps the weights in the cache can be faster."),
    ("limit bound by", "What takes most of the limit's time: the input matmul; or the time steps, bound by arithmetic, "
     "by reading the weights or by latency."),
    ("looks most like", "The mistake that, made in the specification, leaves at most 5% of the outputs' error: one "
     "or two of those in conformance/cards/likely_mistakes.py. A card without this line looks like none of them, or like "
     "more than two. docs/method/mutants.md says how often it is right."),
    ("margin", "Largest |error| / bound of a case. A margin ≤ 1 agrees. It is ∞ if a result is not finite, is wrong where the "
     "bound is 0, or has another shape."),
    ("margin by step", "The largest margin at each time step of one tensor."),
    ("mode", "Forward: outputs only. Training: outputs, and gradients of all parameters, inputs and states."),
    ("mutant", "The specification with one deliberate mistake, run as a backend. A mutant that no case catches shows a "
     "gap in the suite."),
    ("not reached, redefined", "The latest run stopped before the case; or the case's name stands for other inputs "
     "now."),
    ("peak MiB", "Peak memory of the process while the row was loaded and timed."),
    ("processors", "Number of processor cores available to the row; with 1, the process is pinned to one core."),
    ("radius", "How far a correct implementation strays from the truth in the same arithmetic: the spread of the "
     "specification's result when its operations are rounded at random."),
    ("regressed, improved", "The case's outcome became worse or better, in the order errored, differs, inconclusive, "
     "known, agrees."),
    ("regression", "A series that became worse and stayed worse, and that no triage entry acknowledges."),
    ("repeat, script", "Commands that run the case again, and that write a script of the framework alone which "
     "shows the difference."),
    ("rounding growth", "How much larger rounding errors are at the last time step than at the first. The radius "
     "includes it, and so does the bound."),
    ("seed", "Start of the random draws: the same seed gives the same networks."),
    ("series", "One margin or time of one case or workload on one backend, device and dtype, over all runs."),
    ("steady, too few runs", "The latest level does not differ from the baseline by more than the series usually "
     "varies; or there are fewer than six runs in this environment."),
    ("triage", "Acknowledged regressions: entries of triage.toml, each valid until a given day."),
    ("truth", "The specification's own result in float64, where rounding is negligible."),
    ("where", "The single part of the network in which all errors of the outputs lie, or of the gradients if all "
     "outputs are right: the padding, some rows, one layer or one direction. A card without this line has errors "
     "in several parts."),
    ("without a margin", "Cases whose result is not finite, has the wrong shape, or raised an exception."),
    ("workload", "A network with its sizes, timed in float32 unless a dtype is shown."),
    ("worse, better", "The latest level of a series differs from its baseline in three runs in a row, and by more than "
     "the series usually varies."),
    ("worst element", "The element with the largest |error| / bound, as tensor[index]. Indices count from 0."),
    ("µs per step", "Time of a call divided by its time steps, for all layers and directions together."),
    ("% of limit", "The limit's time divided by the row's time."),
    ("95 %", "Confidence interval of the median, by a bootstrap over processes and their samples. It needs at least "
     "three processes."),
    ("95th percentile", "95 of 100 cases have a margin of at most this."),
)  # fmt: skip
