"""The words that reports use, each in a sentence."""

from __future__ import annotations

GLOSSARY = (
    ("agrees / applicable", "Cases that agree, of those that ran and are supported. Errored and "
     "inconclusive cases and known differences are in the denominator; unsupported ones are not."),
    ("arithmetic", "How numbers are rounded: the type of a matrix product's operands, of its "
     "accumulation, of every other operation, and of storage between operations."),
    ("bound", "How far an element may be from the truth: 8 radii, and the rounding of the result "
     "to its type."),
    ("case", "One network with its sizes, options, weights and inputs in one dtype. Its id is its "
     "name: cell, options, sizes, dtype."),
    ("cell", "The recurrent unit: vanilla, GRU or LSTM, in the variants on which frameworks "
     "differ. Cases named tutorial are small programs as tutorials write them."),
    ("column", "A backend @ framework version @ device, as the latest run of it saw it."),
    ("dtype", "The type of weights, inputs and results: float64, float32, float16 or bfloat16."),
    ("environment fingerprint", "Twelve digits that stand for the machine, the versions and the "
     "settings. Figures with different ones are not compared."),
    ("failure card", "The evidence for one case that failed, as the command line prints it."),
    ("fingerprint", "The tightest arithmetic that a result agrees with. One that is looser than "
     "the dtype says how the backend really computes."),
    ("epoch", "The runs of one environment. A series is judged within its last one."),
    ("first call", "The time of the first call, compilation included. It is in no other figure."),
    ("fuzzing", "Checking random networks for as long as one likes. What it finds is made as small as "
     "it still fails, and is checked first by every later run."),
    ("GFLOP/s", "Floating-point operations of all matrix products of a call, over the median "
     "time, in billions a second."),
    ("interrupted", "The run's file has no end. What was recorded is shown, and is not a pass."),
    ("IQR", "Interquartile range: the width of the middle half of the samples."),
    ("margin", "The largest |error| / bound of a case. At most 1 agrees."),
    ("mutant", "The specification with one small mistake, made by an edit, and run as a backend: "
     "one that no case catches shows what the suite would not see in a framework."),
    ("radius", "How far a correct implementation in that arithmetic strays from the truth: the "
     "spread of the specification's result when it is rounded at random like it."),
    ("series", "One figure of one case or workload on one backend, device and dtype, over all runs."),
    ("triage", "What someone has said of a change for the worse, in triage.toml, until a given day."),
    ("truth", "The specification's own result in float64, where rounding is negligible."),
    ("worst element", "The element with the largest |error| / bound, as tensor[index]."),
)  # fmt: skip
