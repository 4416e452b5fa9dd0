"""Names: display, pinyin, search keys, and what may stand in them."""

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.names import NameOrder, PersonName, search_keys, without_stale_pinyin
from services.profiles.customers.domain.text import fold, script_of
from services.profiles.customers.domain.violations import Violations
from tests.unit.profiles.builders import customer, person


def completed(**fields: object) -> PersonName:
    violations = Violations("")
    name = PersonName(**fields).completed("names[0]", violations)  # type: ignore[arg-type]
    violations.refuse()
    return name


@pytest.mark.parametrize(
    ("family", "given_name", "pinyin"),
    [
        ("单", "雄信", "Shàn Xióngxìn"),
        ("仇", "英", "Qiú Yīng"),
        ("曾", "国藩", "Zēng Guófān"),
        ("欧阳", "修", "Ōuyáng Xiū"),
        ("解", "缙", "Xiè Jìn"),
        ("任", "盈盈", "Rén Yíngyíng"),
        ("查", "良镛", "Zhā Liángyōng"),
        ("尉迟", "恭", "Yùchí Gōng"),
        ("万俟", "卨", "Mòqí Xiè"),
        ("区", "寄", "Ōu Jì"),
        ("华", "佗", "Huà Tuó"),
        ("诸葛", "亮", "Zhūgě Liàng"),
        ("单于", "丹", "Chányú Dān"),
        ("吕", "布", "Lǚ Bù"),
        ("张", "爱恩", "Zhāng Ài'ēn"),
        ("范单", "冰", "Fànshàn Bīng"),
    ],
)
def test_pinyin_knows_how_family_names_are_read(family: str, given_name: str, pinyin: str) -> None:
    assert completed(family=family, given=given_name).pinyin == pinyin


def test_pinyin_that_is_given_is_kept() -> None:
    assert completed(family="覃", given="川", pinyin="Tán Chuān").pinyin == "Tán Chuān"


def test_pinyin_that_we_computed_for_another_name_does_not_survive_a_correction() -> None:
    before = completed(family="王", given="伟")
    sent_back = PersonName(family="李", given="伟", pinyin=before.pinyin)
    assert without_stale_pinyin([sent_back], [before])[0].pinyin == ""
    assert without_stale_pinyin([before], [before]) == (before,)


@pytest.mark.parametrize(
    ("fields", "display"),
    [
        ({"family": "张", "given": "三"}, "张三"),
        ({"family": "欧阳", "given": "修"}, "欧阳修"),
        ({"given": "Ada", "family": "Lovelace", "prefix": "Countess"}, "Ada Lovelace"),
        ({"given": "Mary Sue", "family": "Watson", "middle": "Hamish"}, "Mary Sue Watson"),
        ({"given": "克特", "family": "米勒", "order": NameOrder.GIVEN_FIRST}, "克特·米勒"),
        ({"given": "太郎", "family": "山田"}, "山田太郎"),
        ({"given": "민준", "family": "김"}, "김민준"),
        ({"given": "Zendaya"}, "Zendaya"),
        ({"family": "Müller", "given": "Käthe", "order": NameOrder.FAMILY_FIRST}, "Müller Käthe"),
        ({"given": "Пётр", "family": "Чайковский"}, "Пётр Чайковский"),
        ({"given": "مريم", "family": "ميرزاخاني"}, "مريم ميرزاخاني"),
        ({"given": "😀", "family": "Star"}, "😀 Star"),
    ],
)
def test_display_name_follows_script_and_order(fields: dict[str, object], display: str) -> None:
    assert completed(**fields).display() == display


def test_display_names_of_cldr(reference_data: Path) -> None:
    cases = json.loads((reference_data / "identity" / "person_names_cldr_zh_en.json").read_text())
    checked = 0
    for case in cases:
        fields, expected = case["fields"], case["expected"]["long_referring_informal"]
        if fields.keys() - {"given", "given2", "surname"}:
            continue  # Nicknames, titles and generations are no part of our names.
        name = completed(
            given=fields["given"],
            family=fields.get("surname", ""),
            middle=fields.get("given2", ""),
            order=NameOrder.GIVEN_FIRST if case["name_locale"].startswith("en") else NameOrder.FAMILY_FIRST,
        )
        assert name.display() == expected
        checked += 1
    assert checked == 12


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Ada", "Latn"),
        ("张三", "Hani"),
        ("山田たろう", "Jpan"),
        ("김", "Hang"),
        ("Анна", "Cyrl"),
        ("🙂", "Zyyy"),
        ("", "Zyyy"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    assert script_of(text) == script


@pytest.mark.parametrize(
    ("name", "beginnings"),
    [
        ({"family": "单", "given": "雄信"}, ["单", "单雄", "雄信", "shan", "shanxiong", "sxx", "xiong"]),
        ({"family": "吕", "given": "布"}, ["lvbu", "lubu", "lb"]),
        ({"family": "覃", "given": "川", "pinyin": "Tán Chuān"}, ["tanchuan", "tc"]),
        ({"given": "Käthe", "family": "Müller"}, ["KÄTHE", "kathe mu", "muller k", "ＭＵＬＬ"]),
        ({"given": "Søren", "family": "Łukasz"}, ["soren", "lukasz"]),
        ({"given": "Ada", "middle": "King", "family": "Lovelace"}, ["ada love", "ada king", "king", "lovelace a"]),
        ({"given": "O'Neill"}, ["oneill", "o'n"]),
    ],
)
def test_search_keys_meet_what_people_type(name: dict[str, object], beginnings: list[str]) -> None:
    keys = search_keys("", (), [completed(**name)])
    for beginning in beginnings:
        assert any(key.startswith(fold(beginning)) for key in keys), beginning


def test_an_organisation_is_found_by_any_word_of_its_names() -> None:
    firm = customer(kind=CustomerKind.ORGANISATION, display_name="重庆银行", aliases=("Bank of Chongqing",))
    for beginning in ("重庆", "chongqing", "cqyh", "bank of", "chongq", "of"):
        assert any(key.startswith(fold(beginning)) for key in firm.search_keys), beginning


@pytest.mark.parametrize(
    ("given_name", "complaint"),
    [
        ("A\x00da", "U+0000"),
        ("A\nda", "U+000A"),
        ("Ada\u202e", "U+202E"),
        ("\u200b\u200d", "no visible character"),
        ("\u3164", "no visible character"),
        ("Аdа", "Cyrl and Latn"),
        ("x" * 101, "at most 100"),
    ],
)
def test_names_that_cannot_be_read_are_refused_by_path(given_name: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        person(names=(PersonName(given=given_name),))
    assert refused.value.violations[0].field == "customer.names[0].given"
    assert complaint in refused.value.violations[0].description


def test_a_name_needs_a_part() -> None:
    with pytest.raises(InvalidArgument, match="needs a given or a family name"):
        person(names=(PersonName(prefix="Dr."),))


def test_names_are_stored_in_nfc() -> None:
    assert person(names=(PersonName(given="Cafe\u0301"),)).display_name == "Caf\u00e9"


def test_every_naughty_string_is_kept_or_refused_with_a_reason(reference_data: Path) -> None:
    kept, refusals = 0, []
    for text in json.loads((reference_data / "identity" / "blns.json").read_text()):
        try:
            named = Customer(id="cus_1", kind=CustomerKind.HOUSEHOLD, display_name=text).create()[0]
        except InvalidArgument as refused:
            refusals.append(refused)
        else:
            assert named.display_name == unicodedata.normalize("NFC", text).strip()
            kept += 1
    assert kept > 400
    assert all(refused.violations[0].description for refused in refusals)


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_beginning_of_a_name_finds_it(given_name: str, family: str) -> None:
    try:
        found = person(names=(PersonName(given=given_name, family=family),))
    except InvalidArgument:
        return
    whole = fold(found.names[0].given + found.names[0].family)
    for length in range(1, min(len(whole), 60) + 1):
        assert any(key.startswith(whole[:length]) for key in found.search_keys)
