"""Adam-atan2 and SignSGD as the official code has them, Muon, and the moving average.

AdamW is PyTorch's own. Nothing here makes a GPU wait: no number is read, no shape depends on one.
"""

import torch


class AdamAtan2(torch.optim.Optimizer):
    """Adam without epsilon: the update is an angle, so it is bounded and free of scale (arXiv
    2407.05872).

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
                s["t"] += 1  # whole steps done
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].lerp_(p.grad.square(), 1 - b2)
                p.mul_(1 - lr * group["weight_decay"])
                p.sub_(
                    torch.atan2(s["m"], s["v"].sqrt() / (1 - b2 ** s["t"]) ** 0.5),
                    alpha=lr / (1 - b1 ** s["t"]),
                )


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are made orthogonal: every direction of a matrix moves alike (Jordan et
    al., 2024).

    m <- 0.95 m + 0.05 g;  p <- p * (1 - lr * weight_decay) - lr * 0.2 * sqrt(longer side) *
    orthogonal(0.95 m + 0.05 g)

    The factor gives a step about the size that AdamW's would have at that learning rate (arXiv
    2502.16982). torch.optim.Muon with adjust_lr_fn="match_rms_adamw" is the same in bfloat16; this
    one keeps the weights' precision, for processors that have no fast bfloat16. For matrices only.
    """

    def __init__(self, params, lr: float = 1e-3, weight_decay: float = 0.0, momentum: float = 0.95):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                s = self.state[p]
                if not s:
                    s.update(m=torch.zeros_like(p))
                s["m"].lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(p.grad.lerp(s["m"], group["momentum"]))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(update, alpha=group["lr"] * 0.2 * max(p.shape) ** 0.5)


def orthogonal(matrix: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """Roughly U V^T of the matrix U S V^T: singular values that are not tiny end between about 0.7
    and 1.2.

    Newton-Schulz: X <- a X + (b X X^T + c (X X^T)^2) X, with the constants of Muon's authors.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(iterations):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide


class SignSGD(torch.optim.Optimizer):
    """Sign descent with decoupled decay on the rows of a table that a batch has touched.

    w <- w * (1 - lr * weight_decay) - lr * sign(sum of the batch's gradients of that row); other
    rows stay. Takes parameters with sparse gradients, as torch.nn.functional.embedding(...,
    sparse=True) makes them.
    """

    def __init__(self, params, lr: float = 1e-2, weight_decay: float = 0.0):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                # Of each row in the batch, the sum over all rows alike. (To coalesce them would ask
                # the device how many there are, and wait.) Rows alike are then written alike.
                rows, values = p.grad._indices()[0], p.grad._values()
                total = (rows[:, None] == rows).to(values.dtype) @ values
                p[rows] = (
                    p[rows] * (1 - group["lr"] * group["weight_decay"]) - group["lr"] * total.sign()
                )


@torch.no_grad()
def moving_average(average: torch.nn.Module, model: torch.nn.Module, decay: float) -> None:
    """Move an average of a model's weights on by one step: a <- decay * a + (1 - decay) * w.

    It begins as a copy of the model, without bias correction.
    """
    pairs = zip(average.parameters(), model.parameters(), strict=True)
    for mean, weight in pairs:
        mean.lerp_(weight, 1 - decay)
