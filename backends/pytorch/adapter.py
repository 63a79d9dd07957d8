"""The adapter: what it refuses, and where it runs the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from backends.adapter import Backend, Inputs, NetworkInputs, Result, TrainingInputs, Unsupported
from backends.dialects import PYTORCH, unsupported
from backends.pytorch import bare, network, training
from backends.pytorch.calls import called
from backends.pytorch.device import DEFAULTS, Place, find_device, set_precision
from reference import Array, Spec
from reference.networks.layers import Data, Decoder, Network, Recurrent


class PyTorch(Backend):
    """The fused modules; in inference mode where no gradients are asked for."""

    dialect = PYTORCH
    packages = ("torch",)

    def __init__(self, device: str) -> None:
        self.device = find_device(device)
        self.framework_defaults = DEFAULTS
        self.settings = set_precision()

    def load(self, inputs: Inputs) -> Callable[[], bare.Raw]:
        self._refuse(inputs.spec, inputs.dtype, inputs.lengths)
        call = bare.load(inputs, self._place(inputs.dtype))

        def wait() -> bare.Raw:
            raw = call()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            return raw

        return wait

    def fetch(self, inputs: Inputs, raw: bare.Raw) -> Result:
        return bare.fetch(inputs, raw, self.dialect)

    def run_network(self, inputs: NetworkInputs) -> Result:
        self._refuse_network(inputs.network, inputs.dtype, [inputs.data])
        return network.run(inputs, self._place(inputs.dtype))

    def train(self, inputs: TrainingInputs) -> Result:
        self._refuse_network(inputs.network, inputs.dtype, inputs.batches)
        return training.train(inputs, self._place(inputs.dtype))

    def ran(self, inputs: Inputs | NetworkInputs | TrainingInputs) -> str:
        return called(inputs)

    def _place(self, dtype: str) -> Place:
        return Place(self.device, getattr(torch, dtype), self.dialect)

    def _refuse(self, spec: Spec, dtype: str, lengths: Array | None) -> None:
        """Raise ``Unsupported`` where the dialect does not run this recurrent network."""
        ends = None if lengths is None else tuple(int(n) for n in lengths)
        if why := unsupported(self.dialect, spec, dtype, ends):
            raise Unsupported(why)

    def _refuse_network(self, layers: Network, dtype: str, batches: Sequence[Data]) -> None:
        """The same of every recurrent network in it; a decoder's rows all have all steps."""
        for layer in layers:
            if isinstance(layer, Recurrent):
                for data in batches:
                    self._refuse(layer.spec, dtype, data.lengths)
            elif isinstance(layer, Decoder):
                self._refuse(layer.spec, dtype, None)
