"""Shares of the processors: disjoint, as long as training, and only where nobody has shared them out."""

import json
import os

import pytest
import torch

from ganreg.engine import affinity
from ganreg.engine.distributed import ALONE, Ranks
from tests.engine.ranks import together

CPU = torch.device("cpu")
needs_linux = pytest.mark.skipif(not affinity.TASKS.is_dir(), reason="only Linux tells a process where to run")


def test_shares_are_neighbours_as_equal_as_can_be_and_together_everything():
    assert [affinity.share([0, 1, 2, 3], place, 2) for place in range(2)] == [[0, 1], [2, 3]]
    assert [affinity.share([1, 4, 5, 7, 9], place, 3) for place in range(3)] == [[1], [4, 5], [7, 9]]


def test_too_few_processors_are_not_shared():
    assert affinity.share([3], 0, 2) == []


WATCHED = """
import json
from pathlib import Path
from ganreg.engine import loop
before = os.sched_getaffinity(0)
train_loop = loop.train
def look(*args, **named):
    own = {frozenset(os.sched_getaffinity(int(task.name))) for task in Path("/proc/self/task").iterdir()}
    print(json.dumps([sorted(one) for one in own]))
    return train_loop(*args, **named)
loop.train = look
ganreg.train_gan(game(), points(64), steps=1, batch_size=16, progress=False)
assert os.sched_getaffinity(0) == before
"""


@needs_linux
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2 if affinity.TASKS.is_dir() else True, reason="there is one processor")
def test_every_thread_of_two_ranks_keeps_to_its_rank_s_share_while_they_train():
    half, other = (set(map(tuple, json.loads(one.out.splitlines()[0]))) for one in together(WATCHED))

    assert len(half) == len(other) == 1
    assert not set(*half) & set(*other)
    assert set(*half) | set(*other) == os.sched_getaffinity(0)


@needs_linux
@pytest.mark.parametrize(("ranks", "device"), [(ALONE, CPU), (Ranks(0, 1), torch.device("meta"))])
def test_a_rank_alone_and_one_on_a_card_use_all(ranks: Ranks, device: torch.device):
    before = os.sched_getaffinity(0)

    with affinity.kept_apart(ranks, device):
        assert os.sched_getaffinity(0) == before
