"""What tests of training share: one torch thread, and a made set of photographs."""

import pytest
import torch
from made_sets import ponds


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return ponds(tmp_path_factory.mktemp("set"))
