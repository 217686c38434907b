"""The gradient of a fixed point by the implicit function theorem (arXiv 1909.01377), for HRM.

Where z = F(z) and the loss has the gradient v at z, the weights see w in place of v, with
w = v + J^T w and J = dF/dz. F is one high cycle of HRM, z is z_high and z_low together. If z is no
fixed point w can be computed all the same, and is the gradient of nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from tinyrec.models.hrm import HRM, State


def residual(before: Tensor, after: Tensor) -> Tensor:
    """How far a state (B, ...) moved, in relation to its size (B,). 0: it stands still."""
    size = before.flatten(1).norm(dim=1)
    return (after - before).flatten(1).norm(dim=1) / size


def flat(state: State) -> Tensor:
    """A state as one vector for each puzzle, z (B, n)."""
    return torch.cat([part.flatten(1) for part in state], dim=1)


def shaped(z: Tensor, like: State) -> State:
    """The way back from `flat`."""
    parts = z.split([part[0].numel() for part in like], dim=1)
    return tuple(part.view(old.shape) for part, old in zip(parts, like, strict=True))


def pull_back(model: HRM, x: Tensor, state: State) -> Callable[[Tensor], Tensor]:
    """The function w -> J^T w (B, n), J that of a high cycle at `state`; x (B, S, d) is embedded.

    The model's config.gradient must be "full": else a part of J is cut away.
    """
    _, pull = torch.func.vjp(lambda z: flat(model.high_cycle(x, shaped(z, state))), flat(state))
    return lambda w: pull(w)[0].detach()


def jacobian(model: HRM, x: Tensor, state: State) -> Tensor:
    """J (n, n) for a single puzzle: n copies of it, which pull back a row of the identity each."""
    rows = torch.eye(flat(state).shape[1], dtype=x.dtype, device=x.device)
    x, *many = (part.expand(len(rows), -1, -1) for part in (x, *state))
    return pull_back(model, x, tuple(many))(rows)


def adjoint(
    pull: Callable[[Tensor], Tensor], v: Tensor, tolerance: float, most: int
) -> tuple[Tensor, Tensor]:
    """Solve w = v + J^T w for each row of v (B, n) by GMRES, where pull(w) = J^T w.

    Returns w and the relative residuals |v + J^T w - w| / |v| after 0, 1, ... calls of pull:
    (calls + 1, B). It ends when all are below `tolerance`, at the latest after `most` calls.
    """
    tiny = torch.finfo(v.dtype).tiny  # a row of zeros is solved by zeros
    size = v.norm(dim=1)
    # an orthonormal basis of what pull makes of v, and I - J^T in it
    basis = v.new_zeros(len(v), most + 1, v.shape[1])
    basis[:, 0] = v / size.clamp(min=tiny)[:, None]
    table = v.new_zeros(len(v), most + 1, most)
    goal = v.new_zeros(len(v), most + 1, 1)
    goal[:, 0, 0] = size
    weights, left = v.new_zeros(len(v), 0, 1), [torch.ones_like(size)]
    for k in range(most):
        if left[-1].max() < tolerance:
            break
        old, new = basis[:, : k + 1], basis[:, k] - pull(basis[:, k])
        for _ in range(2):  # once would leave rounding errors
            shares = old @ new[..., None]
            new = new - (old.mT @ shares)[..., 0]
            table[:, : k + 1, k] += shares[..., 0]
        table[:, k + 1, k] = new.norm(dim=1)
        basis[:, k + 1] = new / table[:, k + 1, k, None].clamp(min=tiny)
        system, wanted = table[:, : k + 2, : k + 1], goal[:, : k + 2]
        weights = torch.linalg.lstsq(system, wanted).solution
        wrong = (system @ weights - wanted).norm(dim=(1, 2))
        left.append(wrong / size.clamp(min=tiny))
    w = (basis[:, : len(left) - 1].mT @ weights)[..., 0]
    return w, torch.stack(left)


class ImplicitHRM(HRM):
    """HRM with the gradient of a fixed point, whether or not its state is one.

    It computes what HRM computes. On the way back through the state v is taken out and w put in.
    config.gradient must be "full".
    """

    tolerance, most = 1e-2, 8  # of `adjoint`

    def forward(
        self, tokens: Tensor, state: State, puzzle_ids: Tensor | None = None
    ) -> tuple[State, Tensor, Tensor]:
        x = self.embed(tokens, puzzle_ids, state[0].dtype)
        with torch.no_grad():
            for _ in range(self.config.high_cycles - 1):
                state = self.high_cycle(x, state)
        state = self.high_cycle(x, state)
        if torch.is_grad_enabled():
            pull = pull_back(self, x.detach(), tuple(part.detach() for part in state))
            z = flat(state)
            z.register_hook(lambda v: adjoint(pull, v, self.tolerance, self.most)[0])
            state = shaped(z, state)
        logits, q = self.heads(state[0])
        return tuple(part.detach() for part in state), logits, q
