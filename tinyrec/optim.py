"""Adam-atan2 and SignSGD as the official code has them. AdamW and the moving average are PyTorch's own."""

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class AdamAtan2(torch.optim.Optimizer):
    """Adam without epsilon: the update is an angle, so it is bounded and free of scale (arXiv 2407.05872).

    p <- p * (1 - lr * weight_decay) - lr / (1 - b1^t) * atan2(m, sqrt(v) / sqrt(1 - b2^t))
    """

    def __init__(
        self,
        params,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.0,
    ):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, (b1, b2) = group["lr"], group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                s = self.state[p]
                if not s:
                    s.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                s["t"] += 1
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].lerp_(p.grad.square(), 1 - b2)
                p.mul_(1 - lr * group["weight_decay"])
                p.sub_(
                    torch.atan2(s["m"], s["v"].sqrt() / (1 - b2 ** s["t"]) ** 0.5),
                    alpha=lr / (1 - b1 ** s["t"]),
                )


class SignSGD(torch.optim.Optimizer):
    """Sign descent with decoupled decay on the rows of a table that a batch has touched.

    w <- w * (1 - lr * weight_decay) - lr * sign(sum of the batch's gradients of that row); other rows stay. Takes
    parameters with sparse gradients, as torch.nn.functional.embedding(..., sparse=True) makes them.
    """

    def __init__(self, params, lr: float = 1e-2, weight_decay: float = 0.0):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                grad = p.grad.coalesce()  # sums the rows that occur more than once
                rows, total = grad.indices()[0], grad.values()
                p[rows] = (
                    p[rows] * (1 - group["lr"] * group["weight_decay"]) - group["lr"] * total.sign()
                )


def moving_average(model: torch.nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average that starts at the model's weights as they are now, without bias correction."""
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    average.update_parameters(
        model
    )  # PyTorch's first update copies; after it, each is decay * old + (1 - decay) * new
    return average
