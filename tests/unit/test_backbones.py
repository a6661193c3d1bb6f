import hashlib

import pytest
import torch
import torchvision
from shared_data import shared
from spml.plumbing.errors import UserError
from spml.training.models import build_classifier, load_backbone


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


def test_network_without_a_map_of_features_is_refused():
    with pytest.raises(UserError, match="makes no map of features"):
        build_classifier("vit_b_32", 2)


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
