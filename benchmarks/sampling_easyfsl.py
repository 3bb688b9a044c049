"""easyfsl's side of `sampling.py`: `sampling_easyfsl.py FILE.npz WAY SHOT QUERY`.

Orders are lines of its input, as in `peers_torch.py`: `versions`, `time TASKS` (seconds a task).
"""

import sys
import time

import numpy as np
import torch
from peers_torch import answer, easyfsl, versions

torch.set_num_threads(1)  # as in DataLoader's own processes: more are slower, pictures are small
# easyfsl 1.5 hands its base class an argument that PyTorch 2.13 no longer takes
torch.utils.data.Sampler.__init__ = lambda self, data_source=None: None
TaskSampler = easyfsl("samplers").TaskSampler


class Pictures(easyfsl("datasets").FewShotDataset):
    """Pictures in memory."""

    def __init__(self, x, y):
        self.x, self.y = torch.from_numpy(x), y.tolist()

    def __getitem__(self, item):
        return self.x[item], self.y[item]

    def __len__(self):
        return len(self.y)

    def get_labels(self):
        return self.y


class Worker:
    """Answers orders about tasks of one kind."""

    def __init__(self, file, *task):
        with np.load(file) as data:
            self.pictures = Pictures(data["x"], data["y"])
        self.task = [int(number) for number in task]

    def versions(self):
        return versions()

    def time(self, tasks):
        sampler = TaskSampler(self.pictures, *self.task, int(tasks))
        loader = torch.utils.data.DataLoader(
            self.pictures, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn
        )
        start = time.perf_counter()
        count = sum(len(item[0]) > 0 for item in loader)
        return (time.perf_counter() - start) / count


if __name__ == "__main__":
    answer(Worker(*sys.argv[1:]))
