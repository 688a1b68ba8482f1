"""The catalog of models, references to them, and what is said of a missing one."""

from __future__ import annotations

import pytest

from om3d_core.errors import ModelError
from om3d_core.models.catalog import CATALOG, find, require, split_reference

pytestmark = pytest.mark.usefixtures("empty_caches")


def test_the_catalog_is_complete():
    assert len({model.name for model in CATALOG}) == len(CATALOG)
    for model in CATALOG:
        assert model.code_license and model.weights_license and model.url.startswith("https://")
        assert (model.kind == "hub") == (len(model.revision) == 40)
        assert (model.kind in ("file", "wheel")) == (len(model.sha256) == 64)
        assert find(model.reference) is model


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/b/c", "a b/c", "x/y@../z", "nothing", "weights/sam.pth", "b" * 5000],
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ModelError, match="expected a file or folder") as caught:
        split_reference(name)
    assert len(str(caught.value)) < 200


def test_a_missing_model_names_the_command():
    with pytest.raises(ModelError, match="clip.model: .* run `om3d models pull openai/clip"):
        require(find("openai/clip-vit-large-patch14-336").reference, "clip.model")
    with pytest.raises(ModelError, match="mask3d.checkpoint: .* get it from https://"):
        require("scannet200_model.ckpt", "mask3d.checkpoint")


@pytest.mark.parametrize(
    "reference", ["", "nothing", "~nobody/x.pth", "/none/x.ckpt", "b" * 5000, "\0", "a/b--c"]
)
def test_what_is_no_model_names_the_setting(reference):
    with pytest.raises(ModelError, match=r"^clip.model: expected a (file|name)") as caught:
        require(reference, "clip.model")
    assert "\n" not in str(caught.value)
