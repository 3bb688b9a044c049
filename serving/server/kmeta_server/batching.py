"""Images of requests that come at the same time are predicted together."""

import asyncio

import numpy as np


class Batcher:
    """Joins the images of concurrent calls of one signature, and gives each call its own answers.

    Whoever finds a worker free takes all that waits, up to a batch; under load batches form by
    themselves and nobody waits for more without need. With a delay, each waits for others first.
    """

    def __init__(self, signature, workers, size, delay, observe):
        """Make a batcher.

        Args:
            signature: `Signature` whose answers are by rows.
            workers: `Workers`.
            size: images of a batch; a single call may have more.
            delay: seconds that a call waits for others while the batch is not full.
            observe: function of the number of images of each batch.
        """
        self._signature, self._workers = signature, workers
        self._size, self._delay, self._observe = size, delay, observe
        self._waiting = []

    async def run(self, given):
        """The outputs for checked inputs, arrays by name."""
        images = given["images"]
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((images, answer))
        if self._delay and sum(len(rows) for rows, _ in self._waiting) < self._size:
            await asyncio.sleep(self._delay)
        try:
            while self._waits(answer):  # nobody has taken it along, nor had their batch room for it
                await asyncio.shield(self._next(answer))  # a client that leaves ends no batch
            return await answer
        except asyncio.CancelledError:
            answer.cancel()
            raise

    async def _next(self, answer):
        """Predict a batch once a worker is free, if `answer` still waits for one."""
        async with self._workers.one:
            if self._waits(answer):
                await self._predict(self._take())

    def _waits(self, answer):
        return any(other is answer for _, other in self._waiting)

    def _take(self):
        """The calls of the next batch, at least one, in the order they came."""
        count = rows = 0
        for images, _ in self._waiting:
            if count and rows + len(images) > self._size:
                break
            count, rows = count + 1, rows + len(images)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def _predict(self, calls):
        images = [rows for rows, _ in calls]
        joined = images[0] if len(images) == 1 else np.concatenate(images)
        self._observe(len(joined))
        try:
            found = await self._workers.call(self._signature.run, {"images": joined})
        except Exception as error:
            if len(calls) > 1:  # the fault of one is not that of all
                for call in calls:
                    await self._predict([call])
            elif not calls[0][1].done():
                calls[0][1].set_exception(error)
            return
        except asyncio.CancelledError:
            for _, answer in calls:
                answer.cancel()
            raise
        begin = 0
        for rows, answer in calls:
            part = slice(begin, begin + len(rows))
            begin += len(rows)
            if not answer.done():  # it may have been cancelled
                answer.set_result({name: values[part] for name, values in found.items()})


class Workers:
    """Threads for predictions; `one` is held while one of them is used."""

    def __init__(self, count):
        self.one = asyncio.Semaphore(count)

    async def call(self, function, *arguments):
        """The result of a function in a thread of its own."""
        return await asyncio.to_thread(function, *arguments)

    async def run(self, signature, given):
        """The outputs of a signature for checked inputs."""
        async with self.one:
            return await self.call(signature.run, given)
