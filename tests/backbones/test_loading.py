"""Backbones by name: levels equal to an independent extractor's, weights never in doubt."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.models.feature_extraction import create_feature_extractor

from benchmarks.backbones import filterbank, sources
from benchmarks.backbones import levels as levels_module
from benchmarks.backbones import loading as backbones
from benchmarks.backbones import torchvision_networks as networks
from benchmarks.backbones.choice import Choice
from benchmarks.backbones.timm_networks import DINO, Timm
from benchmarks.errors import BenchmarkError, WeightsError
from benchmarks.specs import FINAL_NORM, TRANSFORMERS
from methods.base import GLOBAL, LAST
from tests.helpers.networks import LARGE, network
from tests.helpers.rounding import same_but_for_rounding

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
LAYERS = {
    "resnet18": None,
    "densenet121": None,
    "mobilenet_v2": ["features.3", "features.6", "features.13", "features.18"],
}


def noise(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def normalised(images: torch.Tensor) -> torch.Tensor:
    return (images.float() / 255 - MEAN) / STD


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network("resnet18").state_dict(), file)
    return file


@pytest.fixture
def no_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty download folder, and proxies that lead nowhere."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    return tmp_path / "torch" / "hub" / "checkpoints"


# Levels


@pytest.mark.parametrize("name", LAYERS)
def test_levels_equal_torchvisions_extractor(name: str, tmp_path: Path) -> None:
    reference = network(name)
    torch.save(reference.state_dict(), tmp_path / "weights.pth")
    backbone = backbones.load(name, weights=tmp_path / "weights.pth", layers=LAYERS[name])
    images = noise(2, 3, 96, 64)
    nodes = {
        # The last operation of a dense block is a concatenation, which has no module's name.
        f"{layer}.cat" if name == "densenet121" else layer: str(level)
        for level, layer in backbone.spec.layers.items()
    }
    with torch.inference_mode():
        expected = create_feature_extractor(reference, nodes)(normalised(images))
    maps = backbone.forward(images, backbone.levels)
    assert backbone.strides == {1: 4, 2: 8, 3: 16, 4: 32}
    for level in backbone.levels:
        assert same_but_for_rounding(maps[level], expected[str(level)], reference)
        assert maps[level].shape[1:] == (
            backbone.channels[level],
            96 // backbone.strides[level],
            64 // backbone.strides[level],
        )
        assert maps[level].is_contiguous()


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "efficientnet_b0"])
def test_timm_levels_equal_timms_features(name: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    reference: Any = timm.create_model(name, pretrained=False).eval()
    save_file(reference.state_dict(), tmp_path / "net.safetensors")
    backbone = backbones.load(f"timm/{name}", weights=tmp_path / "net.safetensors")
    features: Any = timm.create_model(name, pretrained=False, features_only=True).eval()
    # timm flattens two levels of names where it drops the layers that follow.
    state = {
        re.sub(r"^(stem|stages)\.", r"\1_", key) if "convnext" in name else key: value
        for key, value in reference.state_dict().items()
    }
    assert not features.load_state_dict(state, strict=False).missing_keys
    images = noise(1, 3, 64, 64)
    wanted = [features.feature_info.reduction().index(stride) for stride in (4, 8, 16, 32)]
    mean, std = (
        torch.tensor(reference.pretrained_cfg[part]).view(1, 3, 1, 1) for part in ("mean", "std")
    )
    with torch.inference_mode():
        outputs = features((images.float() / 255 - mean) / std)
    maps = backbone.forward(images, [1, 2, 3, 4])
    assert backbone.strides == {1: 4, 2: 8, 3: 16, 4: 32}
    for level, index in zip((1, 2, 3, 4), wanted, strict=True):
        assert same_but_for_rounding(maps[level], outputs[index], reference)


def test_transformer_tokens_become_maps_at_any_multiple_of_the_patch(tmp_path: Path) -> None:
    torch.manual_seed(2)
    name = "vit_tiny_patch16_224"
    reference: Any = timm.create_model(name, pretrained=False, dynamic_img_size=True).eval()
    save_file(reference.state_dict(), tmp_path / "vit.safetensors")
    backbone = backbones.load(f"timm/{name}", weights=tmp_path / "vit.safetensors")
    assert backbone.spec.layers == {1: "blocks.2", 2: "blocks.5", 3: "blocks.8", 4: "blocks.11"}
    assert backbone.strides == dict.fromkeys((1, 2, 3, 4), 16)
    images = noise(1, 3, 64, 96)
    with torch.inference_mode():
        expected = reference.forward_intermediates(
            (images.float() / 255 - 0.5) / 0.5, indices=[2, 5, 8, 11], intermediates_only=True
        )
    maps = backbone.forward(images, [1, 2, 3, 4])
    assert maps[1].shape == (1, 192, 4, 6)
    for level in backbone.levels:
        assert same_but_for_rounding(maps[level], expected[level - 1], reference)
    with pytest.raises(BenchmarkError, match=r"multiples of 16, not 100 × 100.*--image-size 96"):
        backbone.forward(noise(1, 3, 100, 100), [1])


def test_channels_last_maps_are_turned(tmp_path: Path) -> None:
    name = "swin_tiny_patch4_window7_224"
    torch.manual_seed(2)
    torch.save(timm.create_model(name, pretrained=False).state_dict(), tmp_path / "swin.pth")
    backbone = backbones.load(f"timm/{name}", weights=tmp_path / "swin.pth")
    assert backbone.channels == {1: 96, 2: 192, 3: 384, 4: 768}
    assert backbone.strides == {1: 4, 2: 8, 3: 16, 4: 32}


def test_a_network_of_one_image_size_says_so(tmp_path: Path) -> None:
    torch.manual_seed(2)
    torch.save(timm.create_model("convit_tiny").state_dict(), tmp_path / "convit.pth")
    backbone = backbones.load("timm/convit_tiny", weights=tmp_path / "convit.pth")
    # Its class token joins after block 9, so level 1 has none to drop and level 4 has.
    assert [backbone.strides[level] for level in (1, 4)] == [16, 16]
    with pytest.raises(BenchmarkError, match=r"224 × 224 pixels only, not 64 × 64: .*size 224"):
        backbone.forward(noise(1, 3, 64, 64), [1])


def test_a_network_that_refuses_the_trial_image_is_reported_in_one_line(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "vit.pth")  # never read
    layers = ["encoder.layers.encoder_layer_0"]
    with pytest.raises(BenchmarkError, match=r"vit_b_16 doesn't run at 64 pixels: Wrong image"):
        backbones.load("vit_b_16", weights=tmp_path / "vit.pth", layers=layers)
    with pytest.raises(BenchmarkError, match=r"vit_b_16 doesn't run at 96 pixels: Wrong image"):
        backbones.load("vit_b_16", weights=tmp_path / "vit.pth", layers=layers, image_size=96)


def test_a_network_is_probed_at_the_size_asked_for_where_it_takes_no_other(tmp_path: Path) -> None:
    torch.manual_seed(2)
    made = torchvision.models.inception_v3(init_weights=False)
    torch.save(made.state_dict(), tmp_path / "net.pth")
    layers, file = ["Conv2d_2b_3x3", "Mixed_7c"], tmp_path / "net.pth"
    with pytest.raises(BenchmarkError, match=r"inception_v3 doesn't run at 64 pixels"):
        backbones.load("inception_v3", weights=file, layers=layers)
    backbone = backbones.load("inception_v3", weights=file, layers=layers, image_size=96)
    maps = backbone.forward(noise(1, 3, 96, 96), [1, 2])
    assert {level: tuple(one.shape[2:]) for level, one in maps.items()} == {1: (45, 45), 2: (1, 1)}


def test_the_pass_stops_after_the_last_level_asked_for(
    resnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = backbones.load("resnet18", weights=resnet)
    ran: list[str] = []
    original = torch.nn.Conv2d.forward

    def forward(module: torch.nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        ran.append(f"{module.out_channels}")
        return original(module, images)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    maps = backbone.forward(noise(1, 3, 64, 64), {2})
    assert list(maps) == [2]
    assert "128" in ran
    assert not {"256", "512"} & set(ran)


def test_a_level_does_not_depend_on_the_others_nor_on_the_batch(resnet: Path) -> None:
    reference = network("resnet18")
    backbone = backbones.load("resnet18", weights=resnet)
    images = noise(5, 3, 64, 64)
    everything = backbone.forward(images, backbone.levels)
    for level in backbone.levels:
        assert torch.equal(backbone.forward(images, [level])[level], everything[level])
        alone = backbone.forward(images[2:3], [level])[level]
        assert same_but_for_rounding(everything[level][2:3], alone, reference)


def test_in_place_activations_do_not_reach_the_maps(resnet: Path) -> None:
    backbone = backbones.load("resnet18", weights=resnet, layers=["layer1.0.bn1", "layer2"])
    images = noise(1, 3, 64, 64)
    alone = backbone.forward(images, [1])[1]
    assert float(alone.min()) < 0
    assert torch.equal(backbone.forward(images, [1, 2])[1], alone)


def test_global_precision_settings_are_left_alone(resnet: Path) -> None:
    backbone = backbones.load("resnet18", weights=resnet)
    before = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    try:
        backbone.forward(noise(1, 3, 64, 64), [1])
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32 == before
    finally:
        torch.set_float32_matmul_precision("highest")


def test_filterbank_is_a_backbone_like_any_other() -> None:
    backbone = backbones.load("filterbank")
    images = noise(2, 3, 40, 40)
    assert backbone.spec == filterbank.spec() == backbones.describe(Choice("filterbank"))
    assert backbone.strides == {1: 4, 2: 8, 3: 16, 4: 32}
    expected = filterbank.FilterBank()(images, [2, 3])
    maps = backbone.forward(images, [3, 2])
    assert all(torch.equal(maps[level], expected[level]) for level in (2, 3))


# Names and layers


def test_the_table_of_files_is_torchvisions() -> None:
    for name, prefix in networks.TORCHVISION_FILES.items():
        entry = torchvision.models.get_model_weights(name)[networks.TORCHVISION_TAG]
        assert entry.url.endswith(f"/{name}-{prefix}.pth")


@pytest.mark.parametrize(
    ("name", "layers", "says"),
    [
        ("resnet81", None, "unknown backbone 'resnet81': did you mean resnet"),
        ("filterbnk", None, "did you mean filterbank"),
        ("mobilenet_v2", None, "--layers a,b,c,d"),
        ("tim/resnet18", None, "unknown backbone 'tim/resnet18'"),
        ("timm/mobilenetv9_050.a1", None, "unknown backbone 'timm/mobilenetv9_050.a1': did you"),
        ("timm/wide_resnet50_2", None, "such as timm/wide_resnet50_2.tv_in1k"),
        ("resnet18", [], "1 to 4 names"),
        ("resnet18", ["a", "b", "c", "d", "e"], "1 to 4 names"),
        ("filterbank", ["a"], "no --weights and no --layers"),
    ],
)
def test_wrong_names_are_answered_with_the_remedy(
    name: str, layers: list[str] | None, says: str, no_downloads: Path
) -> None:
    with pytest.raises(BenchmarkError, match=re.escape(says)) as error:
        backbones.describe(Choice(name, layers=layers))
    assert "\n" not in str(error.value)


def test_an_unknown_timm_tag_gets_a_suggestion() -> None:
    with pytest.raises(BenchmarkError, match=r"did you mean .*wide_resnet50_2\.tv_in1k"):
        backbones.load("timm/wide_resnet50_2.tv_in2k")


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        (["layer1", "layr2"], "there is no layer 'layr2': did you mean layer"),
        ([""], "there is no layer ''"),
        (["layer1", "fc"], r"layer fc has shape \(1, 1000\), not \(B, C, h, w\)"),
    ],
)
def test_layers_that_cannot_be_levels_are_refused(
    layers: list[str], says: str, resnet: Path
) -> None:
    with pytest.raises(BenchmarkError, match=says):
        backbones.load("resnet18", weights=resnet, layers=layers)


def test_a_level_without_a_layer_is_refused(resnet: Path) -> None:
    backbone = backbones.load("resnet18", weights=resnet, layers=["layer1", "layer2"])
    assert backbone.levels == (1, 2)
    with pytest.raises(BenchmarkError, match=r"has levels \(1, 2\), not \[3\]"):
        backbone.forward(noise(1, 3, 64, 64), [2, 3])


# Specifications and downloads


def test_a_file_is_known_by_name_and_checksum(resnet: Path) -> None:
    spec = backbones.describe(Choice("resnet18", resnet))
    assert spec.weights == "file:resnet18.pth"
    assert spec.weights_sha256 == hashlib.sha256(resnet.read_bytes()).hexdigest()
    assert spec.layers == {1: "layer1", 2: "layer2", 3: "layer3", 4: "layer4"}
    assert backbones.load("resnet18", weights=resnet).spec == spec


def test_specifications_need_no_torch(resnet: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from benchmarks.backbones.choice import Choice;"
        "from benchmarks.backbones.loading import describe;"
        f"describe(Choice('filterbank')); describe(Choice('resnet18', Path({str(resnet)!r})));"
        "describe(Choice('wide_resnet50_2')); describe(Choice('timm/wide_resnet50_2.tv_in1k'));"
        "describe(Choice('mobilenet_v2', layers=('features.3',)));"
        "sys.exit('torch._C' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_download_is_known_only_if_it_is_what_its_tag_names(no_downloads: Path) -> None:
    spec = backbones.describe(Choice("resnet50"))
    assert (spec.weights, spec.weights_sha256) == ("IMAGENET1K_V1", "")
    no_downloads.mkdir(parents=True)
    (no_downloads / "resnet50-11ad3fa6.pth").write_bytes(b"another tag's weights")
    (no_downloads / "resnet50-0676ba61.pth").write_bytes(b"half a download")
    assert backbones.describe(Choice("resnet50")).weights_sha256 == ""
    with pytest.raises(WeightsError, match=r"resnet50-0676ba61\.pth isn't what was published"):
        backbones.load("resnet50")


def test_a_verified_download_is_found(
    no_downloads: Path, resnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hashlib.sha256(resnet.read_bytes()).hexdigest()
    monkeypatch.setitem(networks.TORCHVISION_FILES, "resnet18", sha256[:8])
    no_downloads.mkdir(parents=True)
    (no_downloads / f"resnet18-{sha256[:8]}.pth").write_bytes(resnet.read_bytes())
    spec = backbones.load("resnet18").spec
    assert (spec.weights, spec.weights_sha256) == ("IMAGENET1K_V1", sha256)


def test_no_network_names_the_two_ways_out(no_downloads: Path) -> None:
    with pytest.raises(
        WeightsError,
        match=r"^ImageNet weights for resnet18 \(IMAGENET1K_V1\) can't be downloaded \(.+\): "
        r"pass --weights FILE, or --backbone filterbank, which needs none$",
    ):
        backbones.describe(Choice("resnet18"), download=True)


def test_no_network_for_timm_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"timm/resnet18.tv_in1k \(tv_in1k\) can't be down"):
        backbones.load("timm/resnet18.tv_in1k")


# Real weights


def test_real_weights_give_the_documented_pyramid() -> None:
    root = os.environ.get("MVTEC_AD_ROOT")
    if not root:
        pytest.skip("$MVTEC_AD_ROOT does not name the real data")
    file = Path(root).parent / "mobilenet_v2_imagenet.pth"
    if not file.exists():
        pytest.skip(f"{file} is absent")
    backbone = backbones.load("mobilenet_v2", weights=file, layers=LAYERS["mobilenet_v2"])
    assert backbone.channels == {1: 24, 2: 32, 3: 96, 4: 1280}
    assert backbone.strides == {1: 4, 2: 8, 3: 16, 4: 32}
    assert backbone.spec.weights_sha256.startswith("af0c5f85")


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_networks_load_weights_of_their_shapes(
    name: str, large_networks: dict[str, Path]
) -> None:
    made: torch.nn.Module = torchvision.models.get_model(name, weights=None).eval()
    made.load_state_dict(torch.load(large_networks[name], weights_only=True))
    backbone = backbones.load(name, weights=large_networks[name])
    levels = sources.source(name).pyramid()
    extractor = create_feature_extractor(
        made, {f"{layer}.cat" if "dense" in name else layer: str(i) for i, layer in levels.items()}
    )
    images = noise(1, 3, 64, 64)
    with torch.no_grad():
        expected = extractor(normalised(images))
    actual = backbone.forward(images, backbone.levels)
    assert backbone.strides == levels_module.STRIDES
    for level, maps in actual.items():
        assert same_but_for_rounding(maps, expected[str(level)], made)


@pytest.mark.parametrize("name", DINO)
def test_listed_transformers_are_known_and_take_multiples_of_their_patch(name: str) -> None:
    network = Timm(name)
    network.check()
    assert network.tag() == name.partition(".")[2]
    assert timm.get_pretrained_cfg(name).hf_hub_id == f"timm/{name}"
    patch = 14 if "patch14" in name else 16
    assert backbones.shapes(Choice(f"timm/{name}"), 16 * patch)[1][1:] == (16, 16)
    with pytest.raises(BenchmarkError, match=f"multiples of {patch}.*--image-size {16 * patch}$"):
        backbones.check_size(Choice(f"timm/{name}"), 16 * patch + 3)


@pytest.mark.slow
def test_a_self_supervised_transformer_loads_weights_of_its_shapes(tmp_path: Path) -> None:
    name, file = "vit_small_patch14_dinov2.lvd142m", tmp_path / "dinov2.safetensors"
    torch.manual_seed(1)
    made: Any = timm.create_model(name, pretrained=False, dynamic_img_size=True).eval()
    save_file(made.state_dict(), file)
    backbone = backbones.load(f"timm/{name}", weights=file)
    assert backbone.spec.layers == {1: "blocks.2", 2: "blocks.5", 3: "blocks.8", 4: "blocks.11"}
    images = noise(2, 3, 56, 56)
    with torch.no_grad():
        expected = made.forward_intermediates(
            normalised(images), indices=[2, 5, 8, 11], intermediates_only=True
        )
    for level, maps in backbone.forward(images, backbone.levels).items():
        assert maps.shape == (2, 384, 4, 4)
        assert same_but_for_rounding(maps, expected[level - 1], made)


@pytest.mark.parametrize(
    "architecture",
    ["vit_tiny_patch16_224.augreg_in21k", "deit_tiny_patch16_224.fb_in1k"],
)
def test_last_tokens_are_a_descriptor_and_a_map(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    made: Any = timm.create_model(architecture, pretrained=False, dynamic_img_size=True).eval()
    made.norm.weight.data.uniform_(0.5, 1.5)
    torch.save(made.state_dict(), tmp_path / "weights.pth")
    backbone = backbones.load(f"timm/{architecture}", weights=tmp_path / "weights.pth")
    images = noise(2, 3, 64, 64)
    with torch.no_grad():
        mean, std = (
            torch.tensor(made.pretrained_cfg[part]).view(1, 3, 1, 1) for part in ("mean", "std")
        )
        tokens = made.forward_features((images.float() / 255 - mean) / std)
    maps = backbone.forward(images, (GLOBAL, 2, LAST))
    assert {level: tuple(one.shape) for level, one in maps.items()} == {
        GLOBAL: (2, 192, 1, 1),
        2: (2, 192, 4, 4),
        LAST: (2, 192, 4, 4),
    }
    torch.testing.assert_close(maps[GLOBAL].flatten(1), tokens[:, 0], rtol=1e-5, atol=1e-5)
    last = maps[LAST].flatten(2).transpose(1, 2)
    torch.testing.assert_close(last, tokens[:, 1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lacking", [("norm.",), ("blocks.11.",), ("norm.bias", "head.")])
def test_weights_that_end_before_the_last_norm_serve_the_levels_alone(
    lacking: tuple[str, ...], tmp_path: Path
) -> None:
    name, file = "timm/vit_tiny_patch16_224.augreg_in21k", tmp_path / "cut.pth"
    state = sources.source(name).build()[0].state_dict()
    torch.save({k: v for k, v in state.items() if not k.startswith(lacking)}, file)
    backbone = backbones.load(name, weights=file, layers=["blocks.2", "blocks.5", "blocks.8"])
    images = noise(2, 3, 64, 64)
    assert backbone.forward(images, (3,))[3].isfinite().all()
    for level in (GLOBAL, LAST):
        with pytest.raises(BenchmarkError, match=rf"cut\.pth\) end before .* level {level} is"):
            backbone.forward(images, (1, level))


def test_a_level_may_be_the_mean_of_several_layers(tmp_path: Path) -> None:
    name, file = "timm/vit_tiny_patch16_224.augreg_in21k", tmp_path / "weights.pth"
    torch.save(sources.source(name).build()[0].state_dict(), file)
    images, blocks = noise(2, 3, 64, 64), ("blocks.3", "blocks.4", "blocks.6")
    backbone = backbones.load(name, weights=file, layers=["blocks.1", "/".join(blocks)])
    assert backbone.spec.layers == {1: "blocks.1", 2: "blocks.3/blocks.4/blocks.6"}
    single = backbones.load(name, weights=file, layers=blocks).forward(images, (1, 2, 3))
    expected = torch.stack(list(single.values())).double().mean(dim=0)
    torch.testing.assert_close(backbone.forward(images, (2,))[2].double(), expected)


def test_a_mean_is_of_layers_of_one_shape(resnet: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"layer1/layer2: a mean of layers needs maps of one"):
        backbones.load("resnet18", weights=resnet, layers=["layer1/layer2"])
    with pytest.raises(BenchmarkError, match="there is no layer 'layer9'"):
        backbones.load("resnet18", weights=resnet, layers=["layer1/layer9"])


def test_every_transformer_by_name_ends_in_a_norm() -> None:
    families: dict[str, str] = {}
    for name in timm.list_models():
        if TRANSFORMERS.fullmatch(f"timm/{name}"):
            families.setdefault(name.split("_")[0], name)
    assert {"vit", "deit", "deit3", "eva02", "beit", "beitv2"} == families.keys()
    for name in families.values():
        with torch.device("meta"):
            made: Any = timm.create_model(name, pretrained=False)
        made.get_submodule(FINAL_NORM)


@pytest.mark.parametrize(
    ("name", "layers", "size"),
    [
        ("resnet18", None, 90),
        ("densenet121", None, 64),
        ("mobilenet_v2", LAYERS["mobilenet_v2"], 75),
        ("timm/vit_tiny_patch16_224.augreg_in21k", None, 224),
        ("filterbank", None, 70),
    ],
)
def test_shapes_are_those_of_the_features_though_nothing_is_computed(
    name: str, layers: list[str] | None, size: int, tmp_path: Path
) -> None:
    file = None
    if name != "filterbank":
        made, _ = sources.source(name).build()
        file = tmp_path / "weights.pth"
        torch.save(made.state_dict(), file)
    backbone = backbones.load(name, weights=file, layers=layers)
    maps = backbone.forward(noise(1, 3, size, size), backbone.spec.every_layer)
    expected = {level: tuple(one.shape[1:]) for level, one in maps.items()}
    assert backbones.shapes(Choice(name, layers=layers), size) == expected
