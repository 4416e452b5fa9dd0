"""People as a register of a Chinese city has them: a few family names for most of them, and many of the same name."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from random import Random

_FAMILIES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉红建文国兰梅春海燕志玲鹏辉晓婷雪琴云飞宇浩然子轩欣怡"
    "佳思雨梦琪博俊天泽瑞晨阳凯峰斌波龙健林生金荣福成东新永忠德才良全安庆祥贵宝珍凤莲香月萍莉慧洁颖倩琳媛丹"
)
_PLACES = ("上海", "北京", "深圳", "广州", "成都", "重庆", "武汉", "西安", "杭州", "南京", "天津", "苏州", "长沙")
_STREETS = tuple(
    f"{name}{kind}"
    for name in ["中山", "人民", "解放", "南京", "建设", "和平", "长江", "文化", "新华", "胜利"]
    for kind in ("东路", "路", "街")
)
_FIRST_BIRTH, _DAYS = date(1945, 1, 1), 365 * 60


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of somebody. Only the telephone number is nobody else's."""

    family: str
    given: str
    born: date
    locality: str
    line: str
    phone: str
    """Of eleven digits, in the plan of China."""


class People:
    """The person of a number is always the same one."""

    def __init__(self) -> None:
        # Shares fall with the rank as in the censuses: the first three family names are a fifth of all.
        self._families = _shares(_FAMILIES, 12)
        self._given = _shares(_GIVEN, 25)
        self._places = _shares(_PLACES, 3)

    def person(self, number: int) -> Person:
        """Somebody."""
        dice = Random(number)
        given = "".join(self._one(_GIVEN, self._given, dice) for _ in range(1 if dice.random() < 0.12 else 2))
        return Person(
            family=self._one(_FAMILIES, self._families, dice),
            given=given,
            born=_FIRST_BIRTH + timedelta(days=int(dice.random() * _DAYS)),
            locality=self._one(_PLACES, self._places, dice),
            line=f"{_STREETS[int(dice.random() * len(_STREETS))]}{1 + int(dice.random() * 900)}号",
            phone=f"138{number:08d}",
        )

    @staticmethod
    def _one(all: Sequence[str], shares: Sequence[float], dice: Random) -> str:
        return all[bisect(shares, dice.random() * shares[-1], hi=len(all) - 1)]


def _shares(of: Sequence[str], flat: int) -> list[float]:
    """Running sums of shares that fall as 1 / (rank + flat)."""
    return list(accumulate(1 / (rank + flat) for rank in range(len(of))))
