import os
import sys

import pytest
import torch
from PIL import Image

from ganreg.components.datasets.huggingface import HuggingFace, huggingface
from ganreg.contracts import Dataset, DataSpec
from ganreg.engine.data import Batches, source_of
from ganreg.errors import BadImageError, DataError, ImageTooLargeError, UsageError
from tests.components.datasets.archives import picture

SHADES = [10, 20, 30, 40, 50, 60]
LABELS = [0, 1, 2, 0, 1, 2]


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return datasets


@pytest.fixture
def rows(datasets):
    """Six grey pictures in three classes."""

    def rows(*, contents=None, names=("cat", "dog", "owl"), **more):
        contents = contents or [picture(shade, (20, 12)) for shade in SHADES]
        features = {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(names)),
            "note": datasets.Value("string"),
        }
        cells = {"image": [{"bytes": c, "path": None} for c in contents], "label": LABELS, "note": list("abcdef"), **more}
        return datasets.Dataset.from_dict(cells, datasets.Features(features))

    return rows


def shades(data):
    return [round((sample[0, 0, 0].item() + 1) * 127.5) for sample, _ in (data[i] for i in range(len(data)))]


def test_a_saved_data_set_is_read(rows, tmp_path):
    rows().save_to_disk(str(tmp_path / "saved"))
    data = huggingface(path=str(tmp_path / "saved"), resolution=8)

    assert isinstance(data, Dataset)
    assert data.spec == DataSpec((3, 8, 8), 3, (-1.0, 1.0))
    assert (data.classes, data.labels.tolist()) == (("cat", "dog", "owl"), LABELS)
    assert shades(data) == SHADES
    assert data[-1][1] == 2
    assert source_of(data).as_bytes
    with pytest.raises(IndexError, match="index 6 of a data set of 6"):
        data[6]


def test_parts_of_a_saved_data_set_are_chosen_by_name(rows, datasets, tmp_path):
    datasets.DatasetDict({"train": rows(), "test": rows().select([0])}).save_to_disk(str(tmp_path / "saved"))

    assert len(huggingface(path=str(tmp_path / "saved"), split="test")) == 1
    with pytest.raises(DataError, match=r"saved', valid cannot be read: .*it has no split 'valid', but train, test"):
        huggingface(path=str(tmp_path / "saved"), split="valid")


@pytest.mark.parametrize("whole", [True, False])
def test_parquet_is_read_as_one_file_and_as_a_folder_of_them(rows, tmp_path, whole):
    (tmp_path / "parts").mkdir()
    for number in range(2):
        rows().select(range(number * 3, number * 3 + 3)).to_parquet(str(tmp_path / "parts" / f"{number}.parquet"))
    data = huggingface(path=str(tmp_path / "parts" / "0.parquet" if whole else tmp_path / "parts"), resolution=8)

    assert shades(data) == SHADES[: 3 if whole else 6]
    assert data.classes == ("cat", "dog", "owl")


@pytest.mark.usefixtures("datasets")
def test_a_folder_of_pictures_is_read(tmp_path):
    for name, shade in (("cat", 10), ("dog", 20)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("L", (8, 8), shade).save(tmp_path / "photos" / name / "1.png")
    data = huggingface(path=str(tmp_path / "photos"), resolution=8, channels=1)

    assert sorted(shades(data)) == [10, 20]
    assert data.classes == ("cat", "dog")


def test_labels_may_be_missing_or_others(rows, tmp_path):
    rows().rename_column("label", "kind").save_to_disk(str(tmp_path / "saved"))
    path = str(tmp_path / "saved")

    assert huggingface(path=path).spec.num_classes == 0
    assert huggingface(path=path, label="kind").labels.tolist() == LABELS
    assert huggingface(path=path, label="note").classes == tuple("abcdef")
    assert huggingface(path=path, label=None).labels.tolist() == [0] * 6
    with pytest.raises(DataError, match="there is no column 'sort'; there are: image, kind, note"):
        huggingface(path=path, label="sort")
    with pytest.raises(DataError, match="there is no column 'picture'"):
        huggingface(path=path, image="picture")
    with pytest.raises(DataError, match="the column 'note' does not hold pictures"):
        huggingface(path=path, image="note")


def test_bad_pictures_and_bombs_are_told_with_their_row(rows, tmp_path):
    contents = [picture(1), b"P5 60000 60000 255\n", picture(2)[:-30], *[picture(3)] * 3]
    rows(contents=contents).save_to_disk(str(tmp_path / "saved"))
    data = huggingface(path=str(tmp_path / "saved"))

    with pytest.raises(ImageTooLargeError, match="saved, train: row 1' is too large"):
        data[1]
    with pytest.raises(BadImageError, match="saved, train: row 2' cannot be read"):
        data[2]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_row_opens_no_path_but_that_of_a_picture_in_the_data_sets_folder(datasets, tmp_path, streaming):
    (tmp_path / "data" / "deeper").mkdir(parents=True)
    Image.new("L", (8, 8), 10).save(tmp_path / "data" / "deeper" / "1.png")
    Image.new("L", (8, 8), 20).save(tmp_path / "private.png")
    os.mkfifo(tmp_path / "data" / "pipe.png")
    os.mkfifo(tmp_path / "pipe.png")
    told = {
        "deeper/1.png": "",
        str(tmp_path / "data" / "deeper" / "1.png"): "",
        str(tmp_path / "private.png"): "leads out of the data set's folder",
        "../private.png": "leads out of the data set's folder",
        str(tmp_path / "pipe.png"): "leads out of the data set's folder",
        "pipe.png": "is that of no regular file",
        "gone.png": "No such file",
    }
    for path, why in told.items():
        write_paths(datasets, tmp_path / "data" / "a.parquet", [path])
        data = huggingface(path=str(tmp_path / "data" / "a.parquet"), label=None, resolution=8, streaming=streaming)
        if why:
            with pytest.raises(BadImageError, match=why):
                next(iter(data)) if streaming else data[0]
        else:
            sample, _ = next(iter(data)) if streaming else data.as_bytes(0)
            assert sample[0, 0, 0] == 10


def write_paths(datasets, file, paths):
    """Rows that have no bytes, as only a hand makes them: the library puts the bytes in when it writes."""
    import pyarrow
    from pyarrow import parquet

    schema = datasets.Features({"image": datasets.Image()}).arrow_schema
    cells = {"image": [{"bytes": None, "path": path} for path in paths]}
    parquet.write_table(pyarrow.Table.from_pydict(cells, schema), str(file))


def test_its_fingerprint_sees_other_labels_pictures_and_settings(rows, tmp_path):
    rows().save_to_disk(str(tmp_path / "a"))
    rows(contents=[picture(9)] * 6).save_to_disk(str(tmp_path / "b"))
    found = [huggingface(path=str(tmp_path / name)).fingerprint() for name in "aab"]

    assert found[0] == found[1] != found[2]
    assert huggingface(path=str(tmp_path / "a"), label=None).fingerprint() not in found
    assert huggingface(path=str(tmp_path / "a"), resolution=8).fingerprint() not in found


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_gives_every_picture_once_a_pass(rows, tmp_path, workers):
    rows().save_to_disk(str(tmp_path / "saved"), num_shards=2)
    data = huggingface(path=str(tmp_path / "saved"), resolution=8, streaming=True)
    source = source_of(data)
    batches = Batches(source, batch_size=3, seed=0, device=torch.device("cpu"), workers=workers)
    seen = []
    for _ in range(4):
        batch = batches.next()
        seen += [(round((real[0, 0, 0].item() + 1) * 127.5), int(label)) for real, label in zip(*batch, strict=True)]
    batches.close()

    assert not source.ordered_by_us
    assert data.spec.num_classes == 3
    assert sorted(seen[:6]) == sorted(seen[6:]) == sorted(zip(SHADES, LABELS, strict=True))


def test_a_stream_whose_classes_cannot_be_told_is_refused(rows, tmp_path):
    rows().save_to_disk(str(tmp_path / "saved"))

    with pytest.raises(DataError, match="how many classes the column 'note' has cannot be told of a stream"):
        huggingface(path=str(tmp_path / "saved"), label="note", streaming=True)
    assert huggingface(path=str(tmp_path / "saved"), label=None, streaming=True).spec.num_classes == 0


@pytest.mark.usefixtures("datasets")
@pytest.mark.parametrize("path", ["/nowhere/at/all", "photos.zip/..", "~nobody/x", "a b"])
def test_what_is_not_there_and_no_name_is_told_without_asking_the_network(path, monkeypatch):
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: pytest.fail("asked"))

    with pytest.raises(DataError, match=r"cannot be read: (FileNotFoundError: there is no such file|RuntimeError)"):
        huggingface(path=path)


def test_a_name_is_asked_of_the_hub_and_its_refusal_is_told(datasets, monkeypatch):
    asked = []

    def refuse(name, **settings):
        asked.append((name, settings))
        raise ConnectionError("no network")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    with pytest.raises(DataError, match="'somebody/photos', test cannot be read: ConnectionError: no network"):
        huggingface(path="somebody/photos", split="test")
    assert asked == [("somebody/photos", {"split": "test", "streaming": False})]
    assert not datasets.are_progress_bars_disabled()


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="dataset 'huggingface' needs datasets, which is not installed") as caught:
        huggingface(path="x")
    assert caught.value.fix == "pip install 'ganreg[hf]'"
    assert HuggingFace.__doc__


@pytest.mark.parametrize("streaming", [False, True])
def test_a_label_beyond_the_names_is_no_class(rows, datasets, tmp_path, streaming):
    """The library looks at labels when it makes a data set, not at those of a file."""
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    rows().to_parquet(str(tmp_path / "a.parquet"))
    table = pq.read_table(tmp_path / "a.parquet")
    place = table.schema.get_field_index("label")
    table = table.set_column(place, table.schema.field("label"), pa.array([7, *LABELS[1:]], type=pa.int64()))
    pq.write_table(table, tmp_path / "a.parquet")

    with pytest.raises(DataError, match="label 7 has no name: 3 classes are named"):
        list(huggingface(path=str(tmp_path / "a.parquet"), resolution=8, streaming=streaming))


def test_labels_of_several_lengths_are_no_labels(rows, datasets, tmp_path):
    table = rows().remove_columns("label").add_column("label", [[0], [0, 1]] * (len(LABELS) // 2) + [[1]] * (len(LABELS) % 2))
    table.to_parquet(str(tmp_path / "a.parquet"))

    with pytest.raises(DataError, match="the labels are lists of several lengths") as told:
        huggingface(path=str(tmp_path / "a.parquet"), resolution=8)
    assert told.value.at.endswith("a.parquet, train: label")
