"""Groups of like length: the same states as without groups, in the captions' order."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clapline.model.inputs import States
from clapline.model.text import length
from clapline.model.text.length import GROUP, in_groups
from clapline.model.text.tokenizer import pad


def squares(inputs):
    """Encode each token on its own, so that grouping may not change a bit of any valid state."""
    states = torch.stack([inputs["input_ids"].float(), inputs["input_ids"].float() ** 2], dim=-1)
    return States(states, inputs["attention_mask"].bool())


rows = st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=9), min_size=1, max_size=2 * GROUP + 5)


@given(rows)
@settings(max_examples=60, deadline=None)
def test_groups_change_nothing(captions):
    inputs = pad(captions, padding=0)
    grouped, whole = in_groups(squares, inputs), squares(inputs)
    assert torch.equal(grouped.mask, whole.mask)
    assert torch.equal(grouped.states, whole.states)  # padding is id 0, whose state is 0 as well


def test_each_group_is_as_long_as_its_own_longest():
    captions = [[1] * (1 + place % 20) for place in range(3 * GROUP)]
    seen = []

    def encode(inputs):
        seen.append(tuple(inputs["input_ids"].shape))
        assert int(inputs["attention_mask"].sum(dim=1).max()) == inputs["input_ids"].shape[1]
        return squares(inputs)

    in_groups(encode, pad(captions, padding=0))
    lengths = sorted(len(caption) for caption in captions)
    assert seen == [(GROUP, lengths[GROUP - 1]), (GROUP, lengths[2 * GROUP - 1]), (GROUP, lengths[-1])]


def test_states_of_one_position_stay_so_and_keep_their_order():
    def lengths(inputs):
        return States(
            inputs["attention_mask"].sum(dim=1)[:, None, None].float(),
            torch.ones(len(inputs["input_ids"]), 1, dtype=torch.bool),
        )

    captions = [[1] * (1 + (7 * place) % 13) for place in range(50)]
    found = in_groups(lengths, pad(captions, padding=0))
    assert found.states.shape == (50, 1, 1)
    assert found.mask.all()
    assert found.states.flatten().tolist() == [len(caption) for caption in captions]


def test_gradients_flow_to_valid_tokens_only():
    table = torch.nn.Embedding(60, 3)

    def encode(inputs):
        return States(table(inputs["input_ids"]), inputs["attention_mask"].bool())

    captions = [[place + 1] * (1 + place % 5) for place in range(40)]
    found = in_groups(encode, pad(captions, padding=0))
    found.states[found.mask].sum().backward()
    expected = torch.zeros(60)
    for caption in captions:
        expected[caption[0]] += len(caption)
    torch.testing.assert_close(table.weight.grad, expected[:, None].expand(60, 3))


def test_off_the_cpu_a_batch_is_encoded_at_once(monkeypatch):
    monkeypatch.setattr(length, "GROUP", 2)
    shapes = []

    def encode(inputs):
        shapes.append(tuple(inputs["input_ids"].shape))
        return squares(inputs)

    inputs = pad([[1] * count for count in (3, 9, 1, 4, 2)], padding=0)
    in_groups(encode, {name: tensor.to("meta") for name, tensor in inputs.items()})
    in_groups(encode, inputs)
    assert shapes == [(5, 9), (2, 2), (2, 4), (1, 9)]
