"""Names that are safe on every system, and answers that show no path of the server."""

import pytest

from ganworks.studio.places import Place, free_name, is_name, safe_name, safe_path


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a b.png", "a b.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\x.csv", "x.csv"),
        (".hidden", "hidden"),
        ("...", ""),
        ("a\0b\n.csv", "a_b_.csv"),
        ("con.txt", "_con.txt"),
        ("猫.zip", "猫.zip"),
        ("x" * 300 + ".png", "x" * 96 + ".png"),
        ("<script>", "_script_"),
        ("", ""),
    ],
)
def test_names(sent, kept):
    assert safe_name(sent) == kept
    assert not kept or is_name(kept)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("photos/cats/1.png", "photos/cats/1.png"),
        ("../up/x", "up/x"),
        ("/etc/x", "etc/x"),
        ("a//./b", "a/b"),
        ("..", ""),
    ],
)
def test_paths(sent, kept):
    assert safe_path(sent) == kept


def test_free_names(tmp_path):
    assert free_name(tmp_path, "a.csv.gz") == "a.csv.gz"
    (tmp_path / "a.csv.gz").touch()
    assert free_name(tmp_path, "a.csv.gz") == "a-2.csv.gz"


def test_answers_show_no_path_of_the_server(tmp_path):
    place = Place(tmp_path / "runs")
    assert place.folder == tmp_path.resolve()
    found = place.clean(
        {
            "in": [f"ganworks train data={tmp_path}/data/x out={tmp_path}/runs/a", str(tmp_path)],
            "out": "cannot read /home/user/secret folder/data.csv: no. See https://a.example/b/c or d/e.",
            "n": 3,
        }
    )
    assert found["in"] == ["ganworks train data=data/x out=runs/a", "."]
    assert "/home/user" not in found["out"] and "https://a.example/b/c or d/e." in found["out"] and found["n"] == 3
