"""The words that reports use, each in a sentence."""

from __future__ import annotations

GLOSSARY = (
    ("agrees / applicable", "Cases that agree, of those that ran and are supported. Errored and inconclusive cases "
     "and known differences are in the denominator; unsupported ones are not."),
    ("alarm", "A case that fuzzing found, that differs or failed, and that nothing explains."),
    ("arithmetic", "How numbers are rounded: the type of a matrix product's operands, of its accumulation, "
     "of every other operation, and of storage between operations."),
    ("baseline", "The first level of the last 50 runs of a series in one environment."),
    ("beyond the bound", "Cases whose margin exceeds 1. Known differences are among them."),
    ("bound", "How far an element may be from the truth: 8 radii, and the rounding of the result to its"
     " type."),
    ("cache left at", "The smallest size from which on an operation takes longer because the weights no longer "
     "fit the cache."),
    ("case", "One network with its sizes, options, weights and inputs in one dtype. Its id is its "
     "name: cell, options, sizes, dtype."),
    ("cell", "The recurrent unit: vanilla, GRU or LSTM, in the variants on which frameworks differ. "
     "Cases named tutorial are small programs as tutorials write them."),
    ("change", "Of a series: its last level against the baseline. Of a case: its outcome now against "
     "that of the run before."),
    ("changed, added, removed", "To or from unsupported; in the last run alone; or in the run before alone."),
    ("column", "A backend @ framework version @ device, as the latest run of it saw it."),
    ("dtype", "The type of weights, inputs and results: float64, float32, float16 or bfloat16. tf32 and default are "
     "float32 whose products are made in TF32, or as the framework makes them unless told."),
    ("environment fingerprint", "Twelve digits that stand for the machine, the versions and the settings. Figures with "
     "different ones are not compared."),
    ("epoch", "The runs of one environment. A series is judged within its last one."),
    ("equivalent", "A mutant that no case can tell from the specification, since it computes the same."),
    ("failure card", "The evidence for one case that failed, as the command line prints it."),
    ("fingerprint", "The tightest arithmetic that a result agrees with. One that is looser than the dtype "
     "says how the backend really computes."),
    ("first call", "The time of the first call, compilation included. It is in no other figure."),
    ("first result after", "Loading and the first call, in the slowest process; what of it was loading, tracing and "
     "compiling stands beside it."),
    ("fuzzing", "Checking random networks for as long as one likes. What it finds is made as small as it "
     "still fails, and is checked first by every later run."),
    ("GFLOP/s", "Floating-point operations of all matrix products of a call, over the median time, in "
     "billions a second."),
    ("interrupted", "The run's file has no end. What was recorded is shown, and is not a pass."),
    ("IQR", "Interquartile range: the width of the middle half of the samples."),
    ("knee at", "The size at which one power becomes another."),
    ("level", "The median of a series from one change of it to the next."),
    ("limit", "The framework's own matrix products of the row's sizes and nothing else, timed right before and "
     "after every sample. A fused kernel that keeps the weights in the cache may pass it."),
    ("limit bound by", "What takes most of the limit's time: the product of all inputs; or the steps, which "
     "arithmetic binds, or reading the weights, or latency."),
    ("margin", "The largest |error| / bound of a case. At most 1 agrees."),
    ("mode", "Forward: the outputs alone. Training: the outputs, and the gradients of all parameters, "
     "inputs and states."),
    ("mutant", "The specification with one small mistake, made by an edit, and run as a backend: one "
     "that no case catches shows what the suite would not see in a framework."),
    ("not reached, another case", "The last run stopped before it; or the name now stands for other sizes or numbers."),
    ("peak MiB", "The most memory that the process held while the row was loaded and timed."),
    ("power", "How time grows with a size: p where twice the size takes 2ᵖ times as long."),
    ("processors", "On how many the row ran; 1 is pinned to one."),
    ("radius", "How far a correct implementation in that arithmetic strays from the truth: the spread of"
     " the specification's result when it is rounded at random like it."),
    ("regressed, improved", "The case's outcome became worse, or better: errored, differs, inconclusive, known, "
     "agrees, in this order."),
    ("seed", "From which the random networks were drawn: the same seed, the same networks."),
    ("series", "One figure of one case or workload on one backend, device and dtype, over all runs."),
    ("steady, too few runs to say", "The last level is not off the baseline by more than the series varies by; or there are "
     "fewer than six runs in this environment."),
    ("triage", "What someone has said of a change for the worse, in triage.toml, until a given day."),
    ("truth", "The specification's own result in float64, where rounding is negligible."),
    ("without a margin", "Cases whose result is not finite, or has not the right shape, or that raised."),
    ("workload", "A network with its sizes, timed in float32 unless a dtype stands beside it."),
    ("worse, better", "The last level of a series is off its baseline, in three runs in a row, by more than the"
     " series varies by."),
    ("worst element", "The element with the largest |error| / bound, as tensor[index]."),
    ("µs a step", "The time of a call over its time steps; of all layers and directions together."),
    ("% of limit", "The limit's time as a share of the row's."),
    ("95 %", "Where the median lies in 95 of 100 repetitions, in which processes, and samples of each,"
     " are drawn anew from those that were measured (a bootstrap). With fewer than three "
     "processes nobody can say."),
    ("95 % up to", "95 of 100 cases have a margin of at most so much."),
)  # fmt: skip
