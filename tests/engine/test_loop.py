from __future__ import annotations

import torch

import ganreg
from tests.engine.small import bits, game, points, train
from tests.engine.test_step import Recorder


def test_a_lazy_penalty_that_shares_the_forward_is_due_every_so_many_steps():
    lazy = Recorder("discriminator", 4, shares_forward=True)

    train(steps=10, regularizers=[lazy])

    assert lazy.steps == [0, 4, 8]


def test_images_are_the_real_ones_that_the_discriminator_has_seen():
    assert train(steps=2, discriminator_steps=3).history["images"] == [24, 48]


def test_a_lazy_penalty_is_due_every_so_many_steps_and_an_eager_one_at_each():
    lazy, eager = Recorder("discriminator", 4), Recorder("generator")

    train(steps=10, regularizers=[lazy, eager])

    assert lazy.steps == [0, 4, 8]
    assert eager.steps == list(range(10))


def test_two_runs_with_one_seed_are_identical_and_another_seed_is_not():
    first, second, other = (train(game(norm=True), seed=seed) for seed in (5, 5, 6))

    assert bits(first.gan.generator) == bits(second.gan.generator)
    assert bits(first.gan.discriminator) == bits(second.gan.discriminator)
    assert bits(first.ema) == bits(second.ema)
    assert first.history["loss_d"] == second.history["loss_d"]
    assert bits(first.gan.generator) != bits(other.gan.generator)


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)

    train(game_built_before())

    assert torch.equal(torch.rand(4), expected)


def game_built_before() -> ganreg.GAN:
    with torch.random.fork_rng():
        return game()


def test_an_epoch_is_one_pass_of_the_discriminator_over_the_data():
    seen = []

    class Data(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return 64

        def __getitem__(self, index: int) -> torch.Tensor:
            seen.append(int(index))
            return points()[index]

    result = train(dataset=Data(), steps=None, epochs=1, discriminator_steps=2)

    assert result.history["step"][-1] == 4  # 64 samples, 8 a batch, 2 batches a step
    assert sorted(seen[-64:]) == list(range(64))


def test_an_observer_may_stop_the_run_and_hears_how_it_ended():
    heard = []

    class Impatient(ganreg.Observer):
        def stepped(self, step: int, values: dict[str, float]) -> str | None:
            heard.append(step)
            return "stop" if step == 3 else None

        def finished(self, status: str) -> None:
            heard.append(status)

    result = train(steps=10, observers=[Impatient()])

    assert heard == [1, 2, 3, "stopped"]
    assert result.status == "stopped"


def test_observers_that_draw_random_numbers_do_not_touch_training():
    class Noisy(ganreg.Observer):
        def stepped(self, step: int, values: dict[str, float]) -> None:
            torch.rand(100)

    def dropped(**options: object) -> ganreg.GAN:
        gan = game()
        gan.discriminator.layers.insert(2, torch.nn.Dropout(0.5))  # draws from the stream that observers would draw from
        return train(gan, **options).gan

    assert bits(dropped(observers=[Noisy()]).generator) == bits(dropped().generator)
