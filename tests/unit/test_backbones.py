import hashlib

import pytest
import torch
import torchvision
from shared_data import shared
from spml.features import extract_features
from spml.localise import load_run
from spml.planning import checks
from spml.plumbing.errors import UserError
from spml.training.models import (
    WITHOUT_MAP,
    build_classifier,
    load_backbone,
)
from test_configuration import merged, verdict


@pytest.mark.parametrize(
    ("architecture", "features", "head"),
    [
        ("resnet18", 512, lambda network: network.fc),
        ("mobilenet_v2", 1280, lambda network: network.classifier[1]),
        ("densenet121", 1024, lambda network: network.classifier),
        ("shufflenet_v2_x0_5", 1024, lambda network: network.fc),
    ],
)
def test_classifier_computes_what_torchvision_computes(architecture, features, head, tmp_path):
    torch.manual_seed(0)
    network = torchvision.models.get_model(architecture, weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    classifier = build_classifier(architecture, 1000).eval()
    load_backbone(classifier, tmp_path / "weights.pt")
    classifier.head.load_state_dict(head(network).state_dict())
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        assert classifier.backbone(images).shape[:2] == (1, features)
        torch.testing.assert_close(classifier(images), network(images), atol=1e-4, rtol=1e-4)


def test_resnet50_makes_the_papers_map_of_features():
    classifier = build_classifier("resnet50", 20)
    with torch.no_grad():
        assert classifier.eval().backbone(torch.zeros(1, 3, 448, 448)).shape == (1, 2048, 14, 14)
    assert classifier.head.weight.shape == (20, 2048)


def test_real_weights_load():
    path = shared("weights/mobilenet_v2.pt")
    classifier = build_classifier("mobilenet_v2", 3)
    load_backbone(classifier, path)
    state = torch.load(path, weights_only=True)
    assert torch.equal(classifier.backbone.state_dict()["features.0.0.weight"],
                       state["features.0.0.weight"])  # fmt: skip


def test_unknown_network_is_named_with_the_nearest():
    with pytest.raises(
        UserError, match=r"'resnet5O' is unknown \(did you mean 'resnet50'\?\); it must be digit"
    ):
        build_classifier("resnet5O", 2)


@pytest.mark.parametrize(
    ("architecture", "size", "features", "head"),
    [
        ("vit_b_32", 224, 768, lambda network: network.heads[-1]),
        ("convnext_tiny", 64, 768, lambda network: network.classifier[-1]),
        ("maxvit_t", 224, 512, lambda network: network.classifier[-1]),
        ("swin_t", 64, 768, lambda network: network.head),
        ("efficientnet_b0", 64, 1280, lambda network: network.classifier[-1]),
    ],
)
def test_network_of_any_kind_computes_what_torchvision_computes(
    architecture, size, features, head, tmp_path
):
    """From pictures to logits, and from pictures to the features that a frozen network gives."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(architecture, weights=None)
    images = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)
    inputs = images.permute(0, 3, 1, 2) / 255
    # As they begin, hardly anything of a picture arrives at the end of some of them.
    torch.nn.init.normal_(head(network).weight)
    for layer in network.modules():
        if hasattr(layer, "layer_scale"):
            torch.nn.init.ones_(layer.layer_scale)
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        network(inputs)
    network.eval()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    classifier = build_classifier(architecture, 1000).eval()
    load_backbone(classifier, tmp_path / "weights.pt")
    own = head(network)
    with torch.no_grad():
        classifier.head.weight.copy_(own.weight)
        classifier.head.bias.copy_(own.bias if own.bias is not None else torch.zeros(1000))
    [found] = extract_features(
        classifier.backbone,
        images.numpy(),
        mean=[0.0] * 3,
        deviation=[1.0] * 3,
        device=torch.device("cpu"),
    )
    assert found.shape == (2, features)
    assert found.flags.c_contiguous  # as it is written
    with torch.no_grad():
        expected = network(inputs)
        torch.testing.assert_close(classifier(inputs), expected, atol=0.01, rtol=0.01)
        from_features = classifier.head(torch.from_numpy(found))
    torch.testing.assert_close(from_features, expected, atol=0.01, rtol=0.01)
    assert (expected[0] - expected[1]).abs().max() > 0.1


@pytest.mark.parametrize("size", [96, 224, 448])
def test_vision_transformer_takes_pictures_of_another_size_than_its_weights(size, tmp_path):
    """Embeddings of places keep their corners, and what lies between rises with them."""
    state = torchvision.models.vit_b_32(weights=None).state_dict()
    places = state["encoder.pos_embedding"].normal_()
    places[0, 1:, 0] = torch.arange(7.0).repeat(7)  # across, in the first channel
    places[0, 1:, 1] = torch.arange(7.0).repeat_interleave(7)  # down, in the second
    torch.save(state, tmp_path / "weights.pt")
    classifier = build_classifier("vit_b_32", 2, size=size).eval()
    load_backbone(classifier, tmp_path / "weights.pt")
    side = size // 32
    found = classifier.backbone.state_dict()["encoder.pos_embedding"][0]
    assert len(found) == 1 + side**2
    assert torch.equal(found[0], places[0, 0])  # of the class token
    grid = found[1:].view(side, side, -1)
    corners = places[0, 1:].view(7, 7, -1)[::6, ::6]
    torch.testing.assert_close(grid[:: side - 1, :: side - 1], corners)
    rising = torch.linspace(0, 6, side)
    torch.testing.assert_close(grid[..., 0], rising.expand(side, side), atol=0.1, rtol=0)
    torch.testing.assert_close(grid[..., 1], rising[:, None].expand(side, side), atol=0.1, rtol=0)
    if size == 224:
        assert torch.equal(found, places[0])
    with torch.no_grad():
        assert classifier(torch.rand(1, 3, size, size)).isfinite().all()


def test_weights_of_maxvit_are_for_pictures_of_any_size_that_its_grids_fill(tmp_path):
    torch.save(torchvision.models.maxvit_t(weights=None).state_dict(), tmp_path / "weights.pt")
    load_backbone(build_classifier("maxvit_t", 2, size=448), tmp_path / "weights.pt")


@pytest.mark.parametrize(("architecture", "size"), [("vit_b_32", 100), ("maxvit_t", 64)])
def test_pictures_that_a_transformer_cannot_take_are_refused(architecture, size):
    told = (
        rf"'{architecture}' cannot take pictures of {size} x {size} \(Input s.*\); set source.size"
    )
    with pytest.raises(UserError, match=told):
        build_classifier(architecture, 2, size=size)
    for other in ("swin_t", "digit_network"):
        build_classifier(other, 2, size=size)


def test_weights_of_a_transformer_are_none_of_another_network(tmp_path):
    torch.save(torchvision.models.vit_b_32(weights=None).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(UserError, match="does not hold weights of a resnet18"):
        load_backbone(build_classifier("resnet18", 2), tmp_path / "weights.pt")


def test_what_needs_a_map_of_features_says_so_where_there_is_none():
    with pytest.raises(
        UserError, match="boostlu needs a map of features, and convnext_tiny makes a"
    ):
        build_classifier("convnext_tiny", 2, "boostlu")
    settings = {"head": "linear", "architecture": "vit_b_16"}
    with pytest.raises(
        UserError, match="activation maps need a map of features, and vit_b_16 makes"
    ):
        load_run(settings, 2, "weights.pt")


def test_planning_knows_the_networks_that_make_no_map():
    assert checks.WITHOUT_MAP == WITHOUT_MAP
    names = torchvision.models.list_models(module=torchvision.models)
    assert {name.split("_")[0] for name in names if name.startswith(WITHOUT_MAP)} == {
        "vit", "convnext", "maxvit"
    }  # fmt: skip


def test_pointing_game_with_a_network_that_makes_no_map_is_refused_before_any_job():
    config = merged()
    config["select"] |= {"datasets": ["voc"], "protocols": ["ll"], "methods": ["an"]}
    assert verdict(config) == ""
    config["datasets"]["voc"]["backbone"]["architecture"] = "vit_b_16"
    assert "has ll_pointing_game, which shows maps of features, and vit_b_16" in verdict(config)
    config["select"]["exhibits"] = ["gr_main_table"]
    assert verdict(config) == ""


def test_weights_of_another_network_say_so(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    with pytest.raises(UserError, match=r"weights\.pt does not hold weights of a mobilenet_v2"):
        load_backbone(build_classifier("mobilenet_v2", 2), path)
    with pytest.raises(UserError, match="does not hold weights of a resnet34"):
        load_backbone(build_classifier("resnet34", 2), path)


def test_checksum_in_the_name_is_compared(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    right, wrong = tmp_path / f"resnet18-{digest[:8]}.pth", tmp_path / "resnet18-f37072fd.pth"
    right.write_bytes(path.read_bytes())
    wrong.write_bytes(path.read_bytes())
    classifier = build_classifier("resnet18", 2)
    load_backbone(classifier, right)
    with pytest.raises(UserError, match=rf"f37072fd\.pth has sha256 {digest}, but its name says"):
        load_backbone(classifier, wrong)
