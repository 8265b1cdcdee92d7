import json
from pathlib import Path

from silofrei.deploy.prometheus.targets import Role, Target, lay_out, write_targets

WORKER = Target(Role.WORKER, "worker-0", "127.0.0.1:9101")
RELAY = Target(Role.RELAY, "relay-0", "127.0.0.1:9102")


def test_targets_carry_role_and_a_stable_instance(tmp_path: Path) -> None:
    path = tmp_path / "targets" / "silofrei.json"
    write_targets(path, [WORKER, RELAY])
    assert json.loads(path.read_text()) == [
        {"targets": ["127.0.0.1:9101"], "labels": {"role": "worker", "instance": "worker-0"}},
        {"targets": ["127.0.0.1:9102"], "labels": {"role": "relay", "instance": "relay-0"}},
    ]


def test_what_has_ended_is_forgotten_and_no_half_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "silofrei.json"
    write_targets(path, [WORKER, RELAY])
    write_targets(path, [])
    assert json.loads(path.read_text()) == []
    assert list(tmp_path.iterdir()) == [path]


def test_laying_out_keeps_what_the_operator_added(tmp_path: Path) -> None:
    lay_out(tmp_path, [WORKER])
    (tmp_path / "rules" / "recording.yml").write_text("old: version")
    own = [tmp_path / "rules" / "own.yml", tmp_path / "targets" / "node.json", tmp_path / "data" / "wal"]
    own[2].parent.mkdir()
    for path in own:
        path.write_text("mine")
    config = lay_out(tmp_path, [RELAY])
    assert config == tmp_path / "prometheus.yml"
    assert "silofrei-flow" in (tmp_path / "rules" / "recording.yml").read_text()
    assert json.loads((tmp_path / "targets" / "silofrei.json").read_text())[0]["labels"]["role"] == "relay"
    assert [path.read_text() for path in own] == ["mine"] * 3
