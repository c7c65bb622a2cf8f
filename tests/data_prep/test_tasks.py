"""Tasks and their levels, as the paper trains networks for them."""

from data_prep.tasks import families, get_task, task_names


def first(family):
    return next(name for name in task_names() if name.startswith(f"{family}-"))


def test_tasks_and_their_levels():
    """One network per level or for all, as the paper trains them; only sr enlarges."""
    blind = {name.removesuffix("-blind") for name in task_names() if name.endswith("-blind")}
    assert len(task_names()) == 5 + 5 + 3 + 6 + 6 + 1 + 1 + 1
    assert blind == {"denoise_gray", "denoise_color", "jpeg_color", "jpeg_gray", "weather"}
    assert [name for name in task_names() if name.startswith("weather")] == ["weather-blind"]
    assert list(get_task("weather-blind").levels) == ["snow", "rainfog", "raindrop"]
    assert {n for n in families() if get_task(first(n)).synthetic} == {"deblur", "weather"}
    assert {n for n in families() if get_task(first(n)).gray == "y"} == {"jpeg_gray"}
    assert get_task("denoise_gray-blind").levels == {"sigma15": 15, "sigma25": 25, "sigma50": 50}
    assert get_task("denoise_gray-sigma50").levels == {"sigma50": 50}
    assert list(get_task("denoise_gray-multi").levels.values()) == [15, 25, 50, 75]  # Figure 5
    assert list(get_task("jpeg_color-multi").levels.values()) == list(range(10, 100, 10))
    assert not [name for name in task_names() if name in ("sr-multi", "weather-multi")]
    assert [get_task(name).upscale for name in ("sr-x2", "sr-x3", "sr-x4")] == [2, 3, 4]
    assert get_task("denoise_color-sigma15").upscale is None
    assert get_task("sr-x3").protocol("x3") == "sr-x3"
    assert get_task("denoise_gray-blind").protocol("sigma15") == "denoise_gray"
