"""Backends that break the protocol or fail in a call, each in one way: `tests.faults.in_calls:NAME`."""

import time

import numpy as np

from bench.backend import Unsupported
from tests.faults.backends import Training, Wrong

# What the factory makes or says.


class NotOnThisDevice:
    def __init__(self, device, dtype):
        raise Unsupported(f"not on {device}", "it needs a device that nobody has")


class NeedsANewerLibrary:
    def __init__(self, device, dtype):
        raise Unsupported("needs numpy>=99", "an operation that it uses is not there before")


class NotForThisWorkload(Wrong):
    def trainer(self, problem, num_steps):
        raise Unsupported(f"not for {problem.workload}", "it knows its gradient of nothing")


class NeverHeardOf(Wrong):
    """It says that it cannot, by a status that no record knows."""

    def __init__(self, device="cpu", dtype="float32"):
        raise Unsupported("no way", "this status is not in the schema")


class OddMode(Wrong):
    mode = "galaxy"


class OddVersions(Wrong):
    versions = "1.0"


class Unwaiting(Wrong):
    wait = None


# What its functions return.


class AList(Wrong):
    def answer(self, kept, batch, loss, grads):
        return [loss, grads]


class Swapped(Wrong):
    def answer(self, kept, batch, loss, grads):
        return grads, loss


class Untold(Training):
    def train(self, right, params, batch):
        return None


# What its functions do.


class Raising(Training):
    def train(self, right, params, batch):
        raise ValueError("no such luck")


class RaisingCompiled(Raising):
    mode = "compiled loop"


class Insatiable(Training):
    """It asks for more memory than any machine has."""

    def train(self, right, params, batch):
        np.ones(2**52)


class UnsupportedInACall(Training):
    """It says only when it is called that it cannot."""

    def train(self, right, params, batch):
        raise Unsupported("not for factorisation", "it found out in the call")


class Remembering(Wrong):
    """It does not compute again what it was asked before from elsewhere: it turns the answer that it has."""

    def trainer(self, problem, num_steps):
        right, start = self._backend.trainer(problem, num_steps), problem.params
        trained, losses = right(start, problem.batch)
        inverse = np.linalg.pinv(start["V"])

        def train(params, batch):
            turn = inverse @ params["V"]
            is_turned = _distance({"U": start["U"][:9] @ turn}, {"U": params["U"][:9]}) < 1e-4
            if not is_turned or batch["A"][0, 0] != problem.batch["A"][0, 0]:
                return right(params, batch)
            return {key: p @ turn for key, p in trained.items()}, losses.copy()

        return train


def _distance(ours, theirs):
    return max(float(np.abs(ours[key] - theirs[key]).max()) for key in theirs)


# Only in timed turns.


class Turning(Training):
    """It is right for as long as the checks ask; `turn` takes the place of the descent from a start that was turned."""

    def trainer(self, problem, num_steps):
        right, loss = self._backend.trainer(problem, num_steps), self._backend.loss(problem)
        expected = loss(problem.params, problem.batch)

        def train(params, batch):
            turned = _distance(params, problem.params) > 0 and np.isclose(loss(params, batch), expected, 1e-3)
            return self.turn(right, params, batch) if turned else right(params, batch)

        return train

    def turn(self, right, params, batch):
        raise NotImplementedError


class WrongInTurns(Turning):
    def turn(self, right, params, batch):
        trained, losses = right(params, batch)
        return {key: p * np.float32(1.5) for key, p in trained.items()}, losses


class UnsupportedWhenTimed(Turning):
    def turn(self, right, params, batch):
        raise Unsupported("not for factorisation", "it found out late")


class ForgetsItsLibrary(Turning):
    def turn(self, right, params, batch):
        import no_such_framework  # noqa: F401


class Recompiling(Turning):
    """It compiles a program in every timed call, and counts them as a library of compiled modes does."""

    mode = "compiled step"
    programs = 1

    def compilations(self):
        return self.programs

    def trainer(self, problem, num_steps):
        self.programs += 1
        return super().trainer(problem, num_steps)

    def turn(self, right, params, batch):
        self.programs += 1
        return right(params, batch)


class NeverCompiling(Wrong):
    """It calls itself compiled, and counts no program."""

    mode = "compiled step"

    def compilations(self):
        return 0


class Pretender(Wrong):
    """It was asked for a GPU and computes on the CPU."""


class Moody(Wrong):
    """From every other two starts it takes ten times as long, and always long enough to be a sample by itself."""

    def trainer(self, problem, num_steps):
        right, starts, last = self._backend.trainer(problem, num_steps), 0, None

        def train(params, batch):
            nonlocal starts, last
            starts, last = starts + (params is not last), params
            began = time.monotonic()
            output = right(params, batch)
            _compute(0.002)
            if starts // 2 % 2:
                _compute(9 * (time.monotonic() - began))
            return output

        return train


def _compute(seconds):
    """Spend the time computing: an entrant that sleeps would be said to have got less than its core."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
