"""Systems of other authors with every kind of layer that they have, few of each, and narrow."""

from baselines import networks
from baselines.registry import get_system

GRL = {"depths": [2], "num_heads_window": [2], "num_heads_stripe": [2], "embed_dim": 24}

# in place of the options of models.yaml; two of what alternates, windows and enlargements kept
SMALL = {
    **{name: {"depth": 4, "width": 8} for name in ("dncnn", "dncnn3", "ffdnet", "deepjoint")},
    "drunet": {"nc": [8, 8, 16, 16], "nb": 1},
    "swinir": {"embed_dim": 24, "depths": [2], "num_heads": [2]},
    "restormer": {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1},
    "grl": GRL
    | {"window_size": 8, "stripe_size": [16, 32], "img_size": 32, "anchor_window_down_factor": 2},
    "grl-s": GRL | {"window_size": 12, "stripe_size": [24, 48], "img_size": 48},
    "xformer": {"dim": 8, "channel_blocks": (1, 1, 1), "spatial_blocks": (2, 1, 1, 1)}
    | {"refinement": 1},
    "hat": {"embed_dim": 24, "depths": [2], "num_heads": [2], "squeeze_factor": 6},
    "rcan": {"n_resgroups": 1, "n_resblocks": 1, "n_feats": 16},
    "ipt": {"n_feats": 8, "num_heads": 2, "num_layers": 1},
    "cat": {"dim": 32, "heads": 2, "depth": 2, "widths": (2, 4)},
    "art": {"dim": 16, "heads": 2, "depth": 2, "intervals": (4,)},
    "fbcnn": {"nc": [8, 8, 16, 512], "nb": 1},  # the width that its estimate of the quality takes
    "nafnet": {"width": 8, "enc_blk_nums": [1, 1, 1, 1]},
    "mprnet": {"n_feat": 16, "scale_unetfeats": 8, "scale_orsnetfeats": 8, "num_cab": 1},
    "transweather": {"dims": (8, 8, 16, 16), "heads": (1, 2, 2, 2)},
}


def shrink(monkeypatch, model: str, **options) -> None:
    """Let `baselines.networks.build` make the small network of a model, or one with `options`."""
    made = networks.network_class(get_system(model)["network"])
    changed = options or SMALL[model]

    def smaller(name):
        return lambda **given: made(**(given | changed))

    monkeypatch.setattr(networks, "network_class", smaller)


def enlarged(x, scale):
    """Every pixel repeated, as a network without weights would enlarge."""
    return x.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
