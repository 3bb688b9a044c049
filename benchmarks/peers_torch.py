"""The peers of `peers.py`, in PyTorch: it starts this where PyTorch and easyfsl are installed.

`peers_torch.py FILE.npz CASE` reads weights and batches, in PyTorch's layout, and takes orders from
its input, a line each, which it answers with a line of JSON: `versions`, `variants`, `flops`,
`check VARIANT FILE` (loss and gradients in float64, these into a file), `time VARIANT STEPS`.
Networks are written as one writes them in PyTorch, as functions of their weights; batch
normalisation keeps no running statistics, which spares the peers some work.
"""

import importlib
import importlib.metadata
import json
import platform
import sys
import time
from unittest import mock

import numpy as np
import torch
from torch.nn import functional as F

torch.set_float32_matmul_precision("highest")
INNER_RATE = 0.4  # of MAML
REPTILE = {"steps": 5, "rate": 1e-3, "items": 10}


def block(x, kernel, bias, gamma, beta, pool, padding="same", epsilon=1e-5):
    """Convolution, batch normalisation, ReLU; then max-pooling, or strides of 2 before."""
    if pool is None:
        before = x.shape[-1] % 2  # as TensorFlow pads; even sizes on one side only
        x = F.conv2d(F.pad(x, (before, 1, before, 1)), kernel, bias, stride=2)
    else:
        x = F.conv2d(x, kernel, bias, padding=padding)
    x = F.relu(F.batch_norm(x, None, None, gamma, beta, training=True, eps=epsilon))
    return F.max_pool2d(x, 2) if pool else x


def conv4(weights, x):
    """Conv-4 with pooling, flattened."""
    for i in range(4):
        x = block(x, *weights[2 * i : 2 * i + 2], *weights[8 + 2 * i : 10 + 2 * i], True)
    return x.flatten(1)


def maml_network(weights, x):
    """Logits of MAML's network for Omniglot."""
    ones = torch.ones_like(weights[8], requires_grad=False)  # None has no second derivative
    for i in range(4):
        x = block(x, *weights[2 * i : 2 * i + 2], ones, weights[8 + i], None, epsilon=1e-3)
    return F.linear(x.mean((2, 3)), *weights[12:])


def reptile_network(weights, x):
    """Logits of Reptile's network for Omniglot."""
    for i in range(4):
        norm = weights[8 + 2 * i : 10 + 2 * i]
        x = block(x, *weights[2 * i : 2 * i + 2], *norm, None, epsilon=1e-3)
    return F.linear(x.permute(0, 2, 3, 1).flatten(1), *weights[16:])


def relation_embedding(weights, x):
    """Feature maps of Relation Networks."""
    for i in range(4):
        x = block(x, *weights[4 * i : 4 * i + 4], i < 2, "valid" if i < 2 else "same")
    return x


def relation_module(weights, pairs):
    """Scores before the sigmoid."""
    for i in range(2):
        pairs = block(pairs, *weights[4 * i : 4 * i + 4], True)
    return F.linear(F.relu(F.linear(pairs.flatten(1), *weights[8:10])), *weights[10:])


def maml_task(weights, support_x, support_y, query_x, query_y, first_order):
    """Query loss of one task after one step, by autograd."""
    loss = F.cross_entropy(maml_network(weights, support_x), support_y)
    gradients = torch.autograd.grad(loss, weights, create_graph=not first_order)
    adapted = [w - INNER_RATE * g for w, g in zip(weights, gradients, strict=True)]
    return F.cross_entropy(maml_network(adapted, query_x), query_y)


def maml_function(first_order):
    """`(gradients, loss)` of one task, by torch.func."""

    def task(weights, support_x, support_y, query_x, query_y):
        def support_loss(weights):
            return F.cross_entropy(maml_network(weights, support_x), support_y)

        gradients = torch.func.grad(support_loss)(weights)
        if first_order:
            gradients = [g.detach() for g in gradients]
        adapted = [w - INNER_RATE * g for w, g in zip(weights, gradients, strict=True)]
        return F.cross_entropy(maml_network(adapted, query_x), query_y)

    return torch.func.grad_and_value(task)


class GradientCase:
    """MAML and first-order MAML: the mean of the tasks' losses."""

    variants = ("loop", "func", "compile")

    def __init__(self, first_order):
        self.first_order = first_order
        function = maml_function(first_order)
        self.each = torch.func.vmap(function, in_dims=(None, 0, 0, 0, 0))
        self.one = torch.compile(function)

    def gradients(self, variant, weights, batch):
        """The mean loss; leaves its gradients in the weights."""
        count = len(batch[0])
        if variant == "loop":
            total = 0.0
            for task in zip(*batch, strict=True):
                loss = maml_task(weights, *task, self.first_order) / count
                loss.backward()
                total += loss.item()
            return total
        plain = [w.detach() for w in weights]
        if variant == "func":
            gradients, losses = self.each(plain, *batch)
            gradients = [g.mean(0) for g in gradients]
        else:
            found = [self.one(plain, *task) for task in zip(*batch, strict=True)]
            gradients = [sum(parts) / count for parts in zip(*(g for g, _ in found), strict=True)]
            losses = torch.stack([loss for _, loss in found])
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        return losses.mean().item()


class ReptileCase:
    """Reptile: Adam without momentum, whose second moments one task hands to the next."""

    variants = ("loop", "compile")

    def __init__(self, items=REPTILE["items"]):
        self.items, self.rng = items, np.random.default_rng(0)

        def step(weights, x, y):
            return torch.func.grad_and_value(
                lambda weights: F.cross_entropy(reptile_network(weights, x), y)
            )(weights)

        self.compiled = torch.compile(step)
        self.moments = None

    def gradients(self, variant, weights, batch):
        """Leaves the difference of old and mean new weights as gradients."""
        start = [w.detach() for w in weights]
        if self.moments is None:
            self.moments, self.taken = [torch.zeros_like(w) for w in start], 0
        total, losses = [torch.zeros_like(w) for w in start], []
        for support_x, support_y, *query in zip(*batch, strict=True):
            new = [w.clone() for w in start]
            for _ in range(REPTILE["steps"]):
                rows = self.rows(len(support_x))
                self.adam(new, self.inner(variant, new, support_x[rows], support_y[rows]))
            total = [t + n for t, n in zip(total, new, strict=True)]
            with torch.no_grad():
                losses.append(F.cross_entropy(reptile_network(new, query[0]), query[1]).item())
        for weight, t, old in zip(weights, total, start, strict=True):
            weight.grad = old - t / len(batch[0])
        return sum(losses) / len(losses)

    def rows(self, count):
        order = np.arange(count) if self.items is None else self.rng.permutation(count)
        return torch.from_numpy(order[: self.items])

    def inner(self, variant, new, x, y):
        if variant == "compile":
            return self.compiled(new, x, y)[0]
        leaves = [w.detach().requires_grad_() for w in new]
        return torch.autograd.grad(F.cross_entropy(reptile_network(leaves, x), y), leaves)

    def adam(self, new, gradients):
        self.taken += 1
        rate = REPTILE["rate"] * (1 - 0.999**self.taken) ** 0.5
        with torch.no_grad():
            for weight, gradient, moment in zip(new, gradients, self.moments, strict=True):
                moment.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
                weight.sub_(rate * gradient / (moment.sqrt() + 1e-8))


class MetricCase:
    """Learners that embed and compare: a loss of `(weights, batch)`."""

    def __init__(self, loss, theirs=None):
        self.loss, self.theirs = loss, theirs
        self.compiled = torch.compile(loss)
        self.variants = ("eager", "channels_last", "compile", *(["easyfsl"] if theirs else []))

    def gradients(self, variant, weights, batch):
        """The loss; leaves its gradients in the weights."""
        support_x, support_y, query_x, query_y = (part[0] for part in batch)
        if variant == "channels_last":
            support_x, query_x = (
                x.contiguous(memory_format=torch.channels_last) for x in (support_x, query_x)
            )
        loss = {"compile": self.compiled, "easyfsl": self.theirs}.get(variant, self.loss)(
            weights, support_x, support_y, query_x, query_y
        )
        loss.backward()
        return loss.item()


def prototypical(weights, support_x, support_y, query_x, query_y):
    """One shot a class: a picture is its prototype."""
    features = conv4(weights, torch.cat([support_x, query_x]))
    support, query = features[: len(support_x)], features[len(support_x) :]
    distances = ((query[:, None] - support[None]) ** 2).sum(-1)
    return F.cross_entropy(-distances[:, support_y.argsort()], query_y)


def matching(weights, support_x, support_y, query_x, query_y):
    """Attention by cosines times 30, one shot a class."""
    features = F.normalize(conv4(weights, torch.cat([support_x, query_x])), dim=-1)
    support, query = features[: len(support_x)], features[len(support_x) :]
    return F.cross_entropy(30 * (query @ support.T)[:, support_y.argsort()], query_y)


def relation(weights, support_x, support_y, query_x, query_y):
    """Squared error of sigmoids of relation scores, one shot a class."""
    maps = relation_embedding(weights[:16], torch.cat([support_x, query_x]))
    support, query = maps[: len(support_x)][support_y.argsort()], maps[len(support_x) :]
    shape = (len(query), len(support), *support.shape[1:])
    pairs = torch.cat([support[None].expand(shape), query[:, None].expand(shape)], dim=2)
    scores = relation_module(weights[16:], pairs.flatten(0, 1)).sigmoid().view(shape[:2])
    return F.mse_loss(scores, F.one_hot(query_y, len(support)).to(scores.dtype))


class Embedding(torch.nn.Module):
    """A function of weights as the backbone that easyfsl takes."""

    def __init__(self, function, weights):
        super().__init__()
        self.function, self.weights = function, weights

    def forward(self, x):
        return self.function(self.weights, x)


def easyfsl(part):
    """A module of easyfsl, without torchvision, which may be built for another PyTorch."""
    for name in ("", ".models", ".models.resnet", ".datasets", ".transforms"):
        sys.modules.setdefault(f"torchvision{name}", mock.MagicMock())
    return importlib.import_module(f"easyfsl.{part}")


def theirs_prototypical(weights, support_x, support_y, query_x, query_y):
    """easyfsl's, whose scores are distances; squared, they are the paper's."""
    model = easyfsl("methods").PrototypicalNetworks(Embedding(conv4, weights))
    model.process_support_set(support_x, support_y)
    return F.cross_entropy(-model(query_x).square(), query_y)


def theirs_relation(weights, support_x, support_y, query_x, query_y):
    """easyfsl's, with the module of the paper."""
    module = Embedding(lambda w, x: relation_module(w, x).sigmoid(), weights[16:])
    model = easyfsl("methods").RelationNetworks(
        Embedding(relation_embedding, weights[:16]), feature_dimension=64, relation_module=module
    )
    model.process_support_set(support_x, support_y)
    scores = model(query_x)
    return F.mse_loss(scores, F.one_hot(query_y, scores.shape[1]).to(scores.dtype))


CASES = {
    "MAML": lambda: GradientCase(False),
    "FOMAML": lambda: GradientCase(True),
    "Reptile": ReptileCase,
    "Prototypical": lambda: MetricCase(prototypical, theirs_prototypical),
    "Matching": lambda: MetricCase(matching),
    "Relation": lambda: MetricCase(relation, theirs_relation),
}


class Worker:
    """Answers orders about one case."""

    def __init__(self, file, case):
        with np.load(file) as data:
            self.arrays = dict(data)
        self.name, self.case = case, CASES[case]()

    def weights(self, dtype=torch.float32):
        found = [self.arrays[f"w{i}"] for i in range(sum(k[0] == "w" for k in self.arrays))]
        return [torch.tensor(w, dtype=dtype, requires_grad=True) for w in found]

    def batches(self, dtype=torch.float32):
        count = sum(k.endswith("_support_x") for k in self.arrays)
        names = ("support_x", "support_y", "query_x", "query_y")
        for number in range(count):
            parts = (torch.tensor(self.arrays[f"b{number}_{name}"]) for name in names)
            yield [x.to(dtype) if x.is_floating_point() else x.long() for x in parts]

    def versions(self):
        return versions()

    def variants(self):
        return self.case.variants

    def flops(self):
        """Operations of a step's convolutions and products, counted by PyTorch."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            self.case.gradients(self.case.variants[0], self.weights(), next(self.batches()))
        return counter.get_total_flops()

    def check(self, variant, out):
        weights, batch = self.weights(torch.float64), next(self.batches(torch.float64))
        case = ReptileCase(None) if self.name == "Reptile" else self.case
        loss = case.gradients(variant, weights, batch)
        np.savez(out, **{f"w{i}": w.grad.numpy() for i, w in enumerate(weights)})
        return loss

    def time(self, variant, steps):
        weights, batches = self.weights(), list(self.batches())
        if variant == "channels_last":
            with torch.no_grad():
                weights = [
                    w.contiguous(memory_format=torch.channels_last).requires_grad_()
                    if w.ndim == 4
                    else w
                    for w in weights
                ]
        is_reptile = self.name == "Reptile"
        kind = torch.optim.SGD if is_reptile else torch.optim.Adam
        optimizer = kind(weights, lr=1.0 if is_reptile else 1e-3)
        start = time.perf_counter()
        for number in range(int(steps)):
            optimizer.zero_grad()
            self.case.gradients(variant, weights, batches[number % len(batches)])
            optimizer.step()
        return (time.perf_counter() - start) / int(steps)


def versions():
    """Of Python, PyTorch and easyfsl, and the number of threads of PyTorch."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "easyfsl": importlib.metadata.version("easyfsl"),
        "threads": torch.get_num_threads(),
    }


def answer(worker):
    """Answer orders until the input ends."""
    for line in sys.stdin:
        order, *arguments = line.split()
        print(json.dumps(getattr(worker, order)(*arguments)), flush=True)


if __name__ == "__main__":
    answer(Worker(*sys.argv[1:]))
