import json

import pytest

from ganreg.components.datasets.labels import of_file, of_folders
from ganreg.errors import DataError

NAMES = ["cats/1.png", "dogs/1.png", "dogs/2.png"]


def read(said, names=NAMES, place="dataset.json"):
    content = said if isinstance(said, bytes) else (said if isinstance(said, str) else json.dumps(said)).encode()
    labels = of_file(content, names, place)
    return list(labels.numbers), labels.classes


def test_folders_are_classes_if_every_picture_lies_in_one():
    assert of_folders(NAMES).numbers == (0, 1, 1)
    assert of_folders(NAMES).classes == ("cats", "dogs")
    assert of_folders([*NAMES, "3.png"]).classes == ()


def test_numbered_folders_are_classes_only_where_they_may_be():
    assert of_folders(["00000/1.png", "00001/2.png"]).classes == ("00000", "00001")
    assert of_folders(["00000/1.png", "00001/2.png"], numbered=False).classes == ()
    assert of_folders(["00000/1.png", "cats/2.png"], numbered=False).classes == ("00000", "cats")


@pytest.mark.parametrize(
    "said",
    [
        {"labels": [["cats/1.png", 0], ["dogs/1.png", 1], ["dogs/2.png", 1]]},
        {"cats/1.png": 0, "dogs/1.png": 1, "dogs/2.png": 1},
        {"labels": {"./cats/1.png": 0, "dogs\\1.png": 1, "dogs//2.png": 1}},
    ],
)
def test_numbers_are_the_classes(said):
    assert read(said) == ([0, 1, 1], ("0", "1"))


def test_a_number_that_no_picture_has_is_a_class_all_the_same():
    assert read({"labels": [[name, 3] for name in NAMES]}) == ([3, 3, 3], ("0", "1", "2", "3"))


def test_names_are_numbered_in_their_order_and_may_be_given_for_numbers():
    assert read({"labels": [[NAMES[0], "wolf"], [NAMES[1], "ape"], [NAMES[2], "ape"]]}) == ([1, 0, 0], ("ape", "wolf"))
    told = {"classes": ["wolf", "ape"], "labels": [[name, 1] for name in NAMES]}
    assert read(told) == ([1, 1, 1], ("wolf", "ape"))


def test_no_labels_are_no_classes():
    assert read({"labels": None}) == ([0, 0, 0], ())


def test_one_label_may_be_told_twice():
    told = {"labels": [[NAMES[0], 0], [f"./{NAMES[0]}", 0], [NAMES[1], 1], [NAMES[2], 1]]}
    assert read(told) == ([0, 1, 1], ("0", "1"))


def test_a_table_has_the_columns_file_and_label_in_any_order_beside_others():
    table = '\ufeffwho,label,file\nme,cat,cats/1.png\nme,"dog, small",dogs/1.png\nyou,cat,dogs/2.png\n'
    assert read(table, place="labels.csv") == ([0, 1, 0], ("cat", "dog, small"))


def test_a_table_of_whole_numbers_is_one_of_numbers_and_one_name_makes_it_one_of_names():
    rows = "file,label\ncats/1.png,10\ndogs/1.png,9\ndogs/2.png,{}\n"
    assert read(rows.format("0"), place="l.csv") == ([10, 9, 0], tuple(map(str, range(11))))
    assert read(rows.format("x"), place="l.csv") == ([0, 1, 2], ("10", "9", "x"))


def test_labels_of_pictures_that_are_not_there_are_told():
    said = {"labels": [[name, 0] for name in [*NAMES, "gone.png", "lost.png"]]}
    with pytest.warns(UserWarning, match=r"2 labels are of no picture that is read, the first of 'gone.png'"):
        assert read(said) == ([0, 0, 0], ("0",))


@pytest.mark.parametrize(
    ("said", "place", "what"),
    [
        ({"labels": [["cats/1.png", 0]]}, "d.json", r"2 of 3 pictures have no label, the first is 'dogs/1.png'"),
        ({"labels": [["cats/1.png", 0], ["cats/1.png", 1]]}, "d.json", r"'cats/1.png' has two labels, 0 and 1"),
        ({"labels": [["cats/1.png", 0], ["./cats/1.png", 1]]}, "d.json", r"'./cats/1.png' has two labels, 0 and 1"),
        ({"labels": {"cats/1.png": 0, "cats\\1.png": 1}}, "d.json", "has two labels, 0 and 1"),
        ("file,label\ncats/1.png,0\ncats//1.png,1\n", "l.csv", "'cats//1.png' has two labels, 0 and 1"),
        ('{"labels": {"cats/1.png": 0, "cats/1.png": 1}}', "d.json", "'cats/1.png' has two values, 0 and 1"),
        ('{"cats/1.png": 0, "cats/1.png": 1}', "d.json", "'cats/1.png' has two values, 0 and 1"),
        ('{"labels": [], "labels": [["cats/1.png", 0]]}', "d.json", "'labels' has two values"),
        (
            dict(zip(NAMES, (0, 1, -1), strict=True)),
            "d.json",
            "labels must be from 0 to 65535, got -1",
        ),
        (dict.fromkeys(NAMES, 65_536), "d.json", "labels must be from 0 to 65535, got 65536"),
        (dict.fromkeys(NAMES, 0.5), "d.json", r"a label is a number from 0 on, or a name, for all alike; got '0.5'"),
        (dict.fromkeys(NAMES, True), "d.json", "got 'True'"),
        ({name: [0.1, 0.9] for name in NAMES}, "d.json", r"got '\[0.1, 0.9\]'"),
        (dict(zip(NAMES, (0, "dog", 1), strict=True)), "d.json", "for all alike; got 'dog'"),
        (dict(zip(NAMES, ("cat", "", "dog"), strict=True)), "d.json", "for all alike; got ''"),
        ({"classes": ["cat"], "labels": [[name, 1] for name in NAMES]}, "d.json", "label 1 has no name: 1 classes are named"),
        ({"classes": "cat", "labels": []}, "d.json", "'classes' is no list of names"),
        ({"labels": [[3, 0]]}, "d.json", "the name of a picture is text, got '3'"),
        ({"labels": [["a", 0, 1]]}, "d.json", "no list of .name, label. pairs"),
        ("[" * 100_000, "d.json", "nested too deeply|cannot be read"),
        ('{"labels": [["a.png", ' + "9" * 5000 + "]]}", "d.json", "the labels cannot be read"),
        (b"\xff\xfe\x00", "d.json", "the labels cannot be read"),
        ("", "d.json", "the labels cannot be read"),
        ("picture;class\n1.png;3\n", "l.csv", "need the columns file and label, got picture;class"),
        ("", "l.csv", "need the columns file and label, got none"),
        ("file,label\ncats/1.png\n", "l.csv", "2 of 3 pictures have no label"),
        ('file,label\n"cats/1.png,3\n', "l.csv", "the labels cannot be read"),
    ],
)
def test_what_is_no_labels_is_told(said, place, what):
    with pytest.raises(DataError, match=what) as caught:
        read(said, place=place)

    assert caught.value.at == place
    assert caught.value.fix


def test_names_are_numbered_as_the_file_names_its_classes():
    said = {"classes": ["owl", "dog", "cat"], "labels": [[name, name[:3]] for name in NAMES]}

    assert read(said) == ([2, 1, 1], ("owl", "dog", "cat"))


@pytest.mark.parametrize(
    ("classes", "what"),
    [
        (["cat", "cat"], "'classes' names 'cat' twice"),
        (["cat", "owl"], "label 'dog' is none of the 2 classes that are named"),
        ([str(number) for number in range(70_000)], "70000 classes, at most 65536"),
    ],
)
def test_classes_that_do_not_fit_the_labels_are_told(classes, what):
    with pytest.raises(DataError, match=what):
        read({"classes": classes, "labels": [[name, name[:3]] for name in NAMES]})
