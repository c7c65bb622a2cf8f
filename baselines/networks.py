"""Networks of models.yaml, built by name: those of this folder, and those of spandrel."""

import warnings
from collections.abc import Callable

from torch import nn

from baselines.art import ART
from baselines.cat import CAT
from baselines.deepjoint import DeepJoint
from baselines.dncnn import DnCNN
from baselines.ffdnet import FFDNet
from baselines.grl import grl
from baselines.inference_settings import network_entry
from baselines.libraries import library_class
from baselines.nafnet import nafnet_local
from baselines.registry import check_licence
from baselines.transweather import TransWeather
from baselines.xformer import Xformer

# `network` of models.yaml; a name with a dot is that of a library
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    network.__name__: network
    for network in (
        ART,
        CAT,
        DeepJoint,
        DnCNN,
        FFDNet,
        TransWeather,
        Xformer,
        grl,
        nafnet_local,
    )
}


def build(system: str, variant: str = "", noncommercial: bool = False) -> nn.Module:
    """A system of models.yaml with random weights; `variant` as there, the first where empty.

    noncommercial: accept a licence for non-commercial use. Raises InputError for a name that has no
    network, an unknown variant, a library that is not installed or a licence that was not accepted.
    """
    entry, variant = network_entry(system, variant)
    check_licence(system, noncommercial)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.meshgrid's, of code that is not ours
        return network_class(entry["network"])(**entry["variants"][variant])


def network_class(name: str) -> Callable[..., nn.Module]:
    """The class, or the function, that `network` of models.yaml names."""
    return library_class(name) if "." in name else NETWORKS[name]
