"""Reading files and naming their rows."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from libs.command.imports.mapping import parse
from libs.command.imports.progress import Counts, Progress, Rejects
from libs.command.imports.rows import FileError, Row, open_rows, require_readable


def mapping(**settings: Any) -> Any:
    return parse({"entity": "customers", "fields": {"kind": "PERSON"}, **settings})


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode(), mtime=len(path.name)) if path.name.endswith(".gz") else text.encode())
    return path


def test_csv_and_json_lines_give_the_same_cells(tmp_path: Path) -> None:
    csv = write(tmp_path / "a.csv", '\ufeffname,city\n王小明,"a, b"\n')
    lines = write(tmp_path / "a.jsonl.gz", '{"name": "王小明", "city": "a, b"}\n\n')
    (one,), (other,) = open_rows(csv, mapping()), open_rows(lines, mapping())
    assert one.cells == other.cells == {"name": "王小明", "city": "a, b", "row": "1"}


def test_json_values_become_text(tmp_path: Path) -> None:
    (row,) = open_rows(write(tmp_path / "a.jsonl", '{"n": 7, "x": null, "t": true}'), mapping())
    assert row.cells == {"n": "7", "x": "", "t": "true", "row": "1"}


def test_a_key_names_the_row_for_ever(tmp_path: Path) -> None:
    one = list(open_rows(write(tmp_path / "a.csv", "id\n7\n8\n"), mapping(key="shop:{id}")))
    other = list(open_rows(write(tmp_path / "b.csv", "id\n8\n"), mapping(key="shop:{id}")))
    assert [row.key for row in one] == ["shop:7", "shop:8"]
    assert one[1].request_id == other[0].request_id != one[0].request_id


def test_occurrence_tells_equal_rows_apart(tmp_path: Path) -> None:
    rows = open_rows(write(tmp_path / "a.csv", "id\n7\n8\n7\n"), mapping(key="{id}/{occurrence}"))
    assert [row.key for row in rows] == ["7/1", "8/1", "7/2"]


def test_without_a_key_content_and_number_name_a_row(tmp_path: Path) -> None:
    plain = [row.key for row in open_rows(write(tmp_path / "a.csv", "id\n7\n7\n"), mapping())]
    packed = [row.key for row in open_rows(write(tmp_path / "packed.csv.gz", "id\n7\n7\n"), mapping())]
    changed = [row.key for row in open_rows(write(tmp_path / "c.csv", "id\n7\n8\n"), mapping())]
    assert plain == packed
    assert len({*plain, *changed}) == 4


def test_distinct_keeps_the_first_row_and_the_numbers(tmp_path: Path) -> None:
    rows = open_rows(write(tmp_path / "a.csv", "id,zip\n1,9\n2,9\n3,8\n"), mapping(key="{zip}", distinct="{zip}"))
    assert [(row.number, row.key) for row in rows] == [(1, "9"), (3, "8")]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "id,zip\n1\n2,9\n", "1 cells, but the header has 2 names"),
        ("a.jsonl", '{"id"\n{"id": 2, "zip": 9}\n', "not JSON"),
        ("a.jsonl", '[1]\n{"id": 2, "zip": 9}\n', "not a JSON object"),
        ("a.jsonl", '{"id": 1}\n{"id": 2, "zip": 9}\n', "there is no column 'zip'"),
    ],
)
def test_an_unreadable_row_spoils_no_other(tmp_path: Path, name: str, text: str, problem: str) -> None:
    bad, good = open_rows(write(tmp_path / name, text), mapping(key="{zip}"))
    assert problem in bad.problem
    assert (good.number, good.key, good.problem) == (2, "9", "")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"", "neither .csv nor .jsonl"),
        ("a.csv", b"id\n\xff\n", "not UTF-8"),
        ("a.csv.gz", b"nonsense", "cannot read"),
        ("a.csv", b'id\n"7\n', "line 2"),
    ],
)
def test_an_unreadable_file_is_told(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileError, match=message):
        list(open_rows(path, mapping(key="{id}")))


def test_progress_is_kept_for_the_same_run_only(tmp_path: Path) -> None:
    progress = Progress(path=tmp_path / "p", run="a", done=500, counts=Counts(rows=500, accepted=499, rejected=1))
    progress.save()
    assert Progress.resume(tmp_path / "p", "a") == progress
    assert Progress.resume(tmp_path / "p", "b").done == 0


def test_broken_progress_means_starting_again(tmp_path: Path) -> None:
    (tmp_path / "p").write_text('{"run": "a"')
    assert Progress.resume(tmp_path / "p", "a").done == 0
    progress = Progress.resume(tmp_path / "p", "a")
    progress.save()
    progress.forget()
    assert not (tmp_path / "p").exists()


def test_rejects_of_an_interrupted_run_are_kept_up_to_where_it_goes_on(tmp_path: Path) -> None:
    first = Rejects(tmp_path / "r.csv", done=0)
    first.add(Row(3, {"a": "x,y"}, ""), "a", "no")
    first.add(Row(900, {"a": "z"}, ""), "", "never")
    first.close()
    second = Rejects(tmp_path / "r.csv", done=500)
    second.add(Row(700, {"a": "q"}, ""), "b", "bad")
    second.close()
    assert (tmp_path / "r.csv").read_text().splitlines() == [
        "row,field,reason,original",
        '3,a,no,"{""a"": ""x,y""}"',
        '700,b,bad,"{""a"": ""q""}"',
    ]


def test_without_rejects_there_is_no_file(tmp_path: Path) -> None:
    Rejects(tmp_path / "r.csv", done=0).close()
    assert not (tmp_path / "r.csv").exists()


TEXT = "编号;姓名;手机\r\n1;王小明;13800138001\r\n2;吕丽华;13800138002\r\n"


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        (TEXT.replace(";", ",").encode("gb18030"), {"encoding": "gb18030"}),
        (TEXT.replace(";", "\t").encode("utf-16"), {}),
        (TEXT.encode("utf-8-sig"), {}),
        (TEXT.replace(";", "|").encode(), {"delimiter": "|"}),
        (TEXT.encode("utf-16"), {"encoding": "gb18030"}),  # the file knows better
    ],
)
def test_files_as_spreadsheets_write_them(tmp_path: Path, content: bytes, settings: dict[str, str]) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    rows = list(open_rows(file, mapping(key="{编号}", **settings)))
    assert [(row.key, row.cells["姓名"], row.cells["手机"]) for row in rows] == [
        ("1", "王小明", "13800138001"),
        ("2", "吕丽华", "13800138002"),
    ]


def test_another_encoding_is_refused_before_the_first_row_is_used(tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_bytes(b"id,name\n" + b"1,ada\n" * 70_000 + "2,王小明\n".encode("gb18030"))
    with pytest.raises(
        FileError, match=r"d.csv is not UTF-8 text .*: say its encoding in the mapping, for example enc"
    ):
        require_readable(file, mapping())


def test_a_header_with_two_delimiters_is_asked_about(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", 'id;"name, given"\n1;"a"\n')
    assert [row.cells["name, given"] for row in open_rows(file, mapping())] == ["a"]
    file = write(tmp_path / "b.csv", "id;name, given\n1;a\n")
    with pytest.raises(FileError, match="has ',' and ';'; say in the mapping which parts cells"):
        list(open_rows(file, mapping()))
    assert len(list(open_rows(file, mapping(delimiter=";")))) == 1


def test_nobody_else_reads_refused_rows(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejected.csv", done=0)
    rejects.add(Row(1, {"name": "王小明"}, ""), "name", "is wrong")
    rejects.close()
    assert rejects.path.stat().st_mode & 0o777 == 0o600
