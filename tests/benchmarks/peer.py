"""The PyPI package `tiny-recursive-model`, set up to do the same work as tinyrec. Installed for the
benchmark only.

    pip install --no-deps tiny-recursive-model==0.0.15 einops==0.8.2 ema-pytorch==0.8.3

Its trainer is not used but followed: it would read every loss from the device and print it, which
costs time and is no part of the method. Left out for the same reason: its removal of halted rows,
which would change the amount of work.
"""

import importlib.util
import sys
import types

import torch


def available() -> bool:
    try:
        load()
    except ImportError:
        return False
    return True


def load():
    """The package's own modules, without its trainer, which imports accelerate, x-transformers and
    more.
    """
    found = importlib.util.find_spec("tiny_recursive_model")
    if found is None:
        raise ImportError("tiny-recursive-model is not installed")
    if "tiny_recursive_model" not in sys.modules:
        package = types.ModuleType("tiny_recursive_model")
        package.__spec__, package.__path__ = found, list(found.submodule_search_locations)
        sys.modules["tiny_recursive_model"] = package
    from ema_pytorch import EMA
    from tiny_recursive_model.mlp_mixer_1d import MLPMixer1D
    from tiny_recursive_model.trm import TinyRecursiveModel

    return TinyRecursiveModel, MLPMixer1D, EMA


def model(config):
    """Its mixer with the width, the depth, the recursions, the positions and the parameters of
    tinyrec's TRMConfig.

    Its MLPs have two matrices where SwiGLU has three, so they are half as wide again: the same
    number of weights and of multiplications.
    """
    TinyRecursiveModel, MLPMixer1D, _ = load()
    positions = config.prefix + config.length

    def inner(size):  # SwiGLU's, of the same number of weights
        return 1.5 * -(-round(config.expansion * size * 2 / 3) // config.multiple) * config.multiple

    return TinyRecursiveModel(
        dim=config.width,
        num_tokens=config.vocab,
        network=MLPMixer1D(
            dim=config.width,
            depth=config.layers,
            seq_len=positions,
            expansion_factor=inner(positions) / config.width,
            expansion_factor_token=inner(config.width) / config.width,
        ),
        num_refinement_blocks=config.recursions,
        num_latent_refinements=config.latent_steps,
        num_register_tokens=config.prefix,
    )


class Peer:
    """Its training step: a refinement of every puzzle, the loss, AdamW, its moving average."""

    def __init__(self, model, optimizer, dtype, ema, positions, compiled=False):
        _, _, EMA = load()
        self.model, self.optimizer, self.dtype = model, optimizer, dtype
        self.positions, self.state = positions, None
        self.average = EMA(model, beta=ema, update_every=1, update_after_step=0)
        self.forward = torch.compile(model, dynamic=False) if compiled else model

    def step(self, x, y):
        if self.state is None:
            self.state = tuple(
                part.detach().expand(len(x), self.positions, -1).contiguous()
                for part in self.model.get_initial()
            )
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            loss, _, *state, _, _ = self.forward(x, *self.state, labels=y)
        self.state = state
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update()
        return loss.detach() / len(x)
