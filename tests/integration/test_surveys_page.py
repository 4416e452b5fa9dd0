"""The page for respondents in a real Chromium, served by a real process over a real MongoDB."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.engine import access, journal
from libs.engine.deferrals import Deferrals
from libs.engine.inbox import effects as inbox
from libs.engine.run import schema
from libs.engine.run.keys import Keys
from libs.engine.store import MongoDatabase, connect
from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import HOST, Process, answers, free_port
from services.surveys.loop.application import Loop
from services.surveys.loop.domain import Finding
from services.surveys.questionnaires.application import Surveys
from services.surveys.questionnaires.domain.answers import Comparison, Rule
from services.surveys.questionnaires.domain.items import Item, ItemType, Option
from services.surveys.questionnaires.domain.surveys import DesignMethod, Questionnaire, Survey, SurveyKind
from services.surveys.sampling.application import Invitations
from services.surveys.sampling.domain.invitations import Invitation
from services.surveys.store import SurveysStore
from tests.support.stack import KEHU

CHROMIUM = os.environ.get("KEHU_TEST_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
PICTURES = os.environ.get("KEHU_TEST_PICTURES", "")
"""Folder that gets pictures of the pages, where somebody wants to see them."""
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIRST_PAGE_MAX = 50_000


def words(english: str, chinese: str) -> dict[str, str]:
    return {"en": english, "zh": chinese}


ITEMS = (
    Item(
        key="nps",
        type=ItemType.NPS_0_10,
        texts=words("How likely are you to recommend us to a friend?", "您有多大可能向朋友推荐我们？"),
        required=True,
    ),
    Item(
        key="why",
        type=ItemType.TEXT,
        texts=words("You gave {{nps}}. What should we do better?", "您打了 {{nps}} 分，我们该改进什么？"),
        asked_when=(Rule(item="nps", comparison=Comparison.AT_MOST, values=("6",)),),
    ),
    Item(
        key="used",
        type=ItemType.MULTI,
        texts=words("What did you use?", "您使用过哪些服务？"),
        options=(
            Option(key="shop", texts=words("The shop", "门店")),
            Option(key="phone", texts=words("The telephone", "电话")),
            Option(key="none", texts=words("None of these", "以上都没有"), exclusive=True),
        ),
    ),
    Item(
        key="parts",
        type=ItemType.MATRIX,
        texts=words("How satisfied are you with these?", "您对以下各项有多满意？"),
        rows=(Option(key="wait", texts=words("Waiting", "等候")), Option(key="help", texts=words("Help", "帮助"))),
        low=1,
        high=5,
    ),
    Item(
        key="order",
        type=ItemType.RANK,
        texts=words("What matters most?", "什么最重要？"),
        options=(
            Option(key="price", texts=words("Price", "价格")),
            Option(key="time", texts=words("Time", "时间")),
        ),
    ),
    Item(key="day", type=ItemType.DATE, texts=words("When were you here?", "您是哪天来的？")),
    Item(key="contact", type=ItemType.CONSENT, texts=words("May we call you?", "我们可以致电给您吗？")),
)


class Site:
    """A `kehu surveys web` with a survey in the field."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.process = Process(folder, "surveys-web")
        self.port, self._admin = free_port(), free_port()
        self.keys = folder / "keys"
        access.make_keys(self.keys)
        self.url = f"http://{HOST}:{self.port}"
        self._settings = {
            "KEHU_MONGODB_URI": uri,
            "KEHU_TOKEN_KEYS": str(self.keys),
            "KEHU_LISTEN": f"{HOST}:{self.port}",
            "KEHU_ADMIN_LISTEN": f"{HOST}:{self._admin}",
            "KEHU_WEB_HTTPS": "no",
            "KEHU_WEB_RATE": "0",
            "KEHU_DRAIN_SECONDS": "0",
        }
        self.store: SurveysStore
        self.survey_id = ""

    def start(self, **settings: str) -> None:
        """Starts the process and returns when it is ready."""
        self.process.start([KEHU, "surveys", "web"], self._settings | settings)
        self.process.wait_until(lambda: answers(f"http://{HOST}:{self._admin}/readyz"), 60)

    def link(self, language: str = "") -> str:
        """The link of a customer who is asked."""
        given = Invitation(id="", survey_id=self.survey_id, customer_id=identity.new_id("cus"), language=language)
        return f"{self.url}/s/{Invitations(self.store.sampling).invite(given).survey_token}"

    def responses(self) -> list[Any]:
        """Responses so far, the latest first."""
        return list(self.store.collection.of_survey(self.survey_id))

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        """(status, headers, text) of a bare request."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        connection.close()
        return found


@pytest.fixture(scope="module")
def site(stack_folder: Path) -> Iterator[Site]:
    folder = stack_folder / "page"
    replica_set = ReplicaSet(folder)
    replica_set.start()
    site = Site(folder, replica_set.uri)
    keys = Keys.read(site.keys)
    with (
        connect(replica_set.uri, "surveys") as client,
        context.enter(Context(tenant="acme", actor="ann")),
    ):
        database = MongoDatabase(client, "surveys", page_key=keys.page, seal_key=keys.seal)
        for bookkeeping in (inbox, journal):
            database.keep(bookkeeping.COLLECTION, bookkeeping.INDEXES)
        Deferrals(database)
        site.store = SurveysStore(database)
        database.migrate()
        schema.record(database)
        site.survey_id = launched(site.store).id
        site.start()
        yield site
        site.process.stop()
    replica_set.stop()


def launched(store: SurveysStore) -> Survey:
    """A survey in the field, with something that earlier answers brought about."""
    surveys, loop = Surveys(store.questionnaires), Loop(store.loop)
    asked = Questionnaire(
        languages=("en", "zh"),
        items=ITEMS,
        introduction=words("Aurora Bank asks: how was your visit?", "极光银行想请教您：这次来访如何？"),
        thanks=words("Thank you for helping us.", "感谢您的帮助。"),
    )
    draft = Survey(
        id="",
        display_name="Aurora Bank",
        kind=SurveyKind.NPS,
        questionnaire=asked,
        design=DesignMethod.CENSUS,
        owner="ann",
    )
    survey = surveys.launch(surveys.create(draft).id)
    finding = loop.find(Finding(id="", survey_id=survey.id, text="The wait is long"))
    loop.plan(finding.id, "Two more colleagues at noon", "ann", None)
    loop.finish(finding.id)
    return survey


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page on a device of its own, whose console has to stay silent."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(url: str, **device: Any) -> Page:
        opened = chromium.new_context(**{"locale": "en-GB", **DESK, **device})
        contexts.append(opened)
        page = opened.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for each in contexts:
        each.close()
    assert [each for each in complaints if "422" not in each] == []


def pictured(page: Page, name: str) -> None:
    """Keeps a picture of a page where somebody wants to see it."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def sound(page: Page) -> None:
    """Judges a page by the rules of WCAG 2.2 AA, and that it needs no scrolling to the side."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 10, "the rules looked at something"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def choose(page: Page, value: str, name: str = "answer") -> None:
    page.locator(f'input[name="{name}"][value="{value}"]').check()


def onward(page: Page) -> None:
    page.locator("button.primary").click()


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("phone-en", {**PHONE, "locale": "en-GB"}),
        ("phone-zh", {**PHONE, "locale": "zh-CN"}),
        ("desk-en", {**DESK, "locale": "en-GB"}),
        ("desk-zh", {**DESK, "locale": "zh-CN", "color_scheme": "dark"}),
    ],
)
def test_everybody_answers_to_the_end_and_axe_finds_nothing(
    site: Site, opened: Callable[..., Page], name: str, device: dict[str, Any]
) -> None:
    page = opened(site.link(), **device)
    language = name.partition("-")[2]
    assert page.locator("html").get_attribute("lang") == language
    sound(page)
    pictured(page, f"{name}-1-introduction")
    onward(page)
    sound(page)
    onward(page)  # without an answer
    assert page.locator("#summary").evaluate("each => each === document.activeElement"), "what is wrong is read out"
    sound(page)
    pictured(page, f"{name}-2-missing")
    choose(page, "2")
    pictured(page, f"{name}-3-scale")
    onward(page)
    assert " 2" in page.locator("h1").inner_text()
    page.fill("textarea", "等得太久" if language == "zh" else "The wait")
    sound(page)
    onward(page)
    choose(page, "shop")
    choose(page, "phone")
    sound(page)
    onward(page)
    choose(page, "1", "answer.wait")
    choose(page, "5", "answer.help")
    sound(page)
    pictured(page, f"{name}-4-matrix")
    onward(page)
    page.select_option("#rank-price", "2")
    page.select_option("#rank-time", "1")
    sound(page)
    onward(page)
    page.fill("#answer", "2026-03-31")
    sound(page)
    onward(page)
    choose(page, "yes")
    sound(page)
    onward(page)
    sound(page)
    onward(page)
    sound(page)
    pictured(page, f"{name}-5-thanks")
    assert "Two more colleagues at noon" in page.locator("main").inner_text()
    response = site.responses()[0]
    assert response.answers["nps"].number == 2
    assert response.answers["order"].choices == ("time", "price")
    assert dict(response.answers["parts"].numbers) == {"wait": 1, "help": 5}
    assert response.language == language


def test_without_javascript_everything_works(site: Site, opened: Callable[..., Page]) -> None:
    page = opened(site.link(), **PHONE, java_script_enabled=False)
    onward(page)
    onward(page)
    assert page.locator(".summary").is_visible()
    choose(page, "9")
    onward(page)
    for _ in ("used", "parts", "order", "day", "contact"):
        page.locator('button[name="skip"]').click()
    onward(page)
    assert "Thank you for helping us." in page.locator("main").inner_text()
    assert site.responses()[0].answers["nps"].number == 9


def test_by_keyboard_alone(site: Site, opened: Callable[..., Page]) -> None:
    page = opened(site.link())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/q/nps*")
    page.locator("main").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/q/used*")
    page.go_back()
    assert page.locator("input:checked").get_attribute("value") == "8"


def test_a_draft_is_there_in_the_other_browser_before_anything_was_sent(
    site: Site, opened: Callable[..., Page]
) -> None:
    link = site.link()
    phone = opened(link, **PHONE)
    onward(phone)
    choose(phone, "3")
    onward(phone)
    phone.fill("textarea", "so far")
    phone.get_by_text("Saved").wait_for()
    desk = opened(link)
    desk.goto(re.sub(r"\?.*", "", phone.url))
    assert desk.locator("textarea").input_value() == "so far"
    desk.fill("textarea", "so far and further")
    onward(desk)
    desk.wait_for_url("**/q/used*")
    phone.goto(link)
    phone.wait_for_url("**/q/used*")


def test_a_response_survives_the_death_of_its_server_between_two_answers(
    site: Site, opened: Callable[..., Page]
) -> None:
    page = opened(site.link())
    onward(page)
    choose(page, "7")
    onward(page)
    site.process.kill(signal.SIGKILL)
    site.start()
    page.reload()
    assert page.url.partition("?")[0].endswith("/q/used")
    choose(page, "none")
    onward(page)
    page.wait_for_url("**/q/parts*")
    page.go_back()
    page.go_back()
    assert page.locator("input:checked").get_attribute("value") == "7"


def test_the_first_page_is_small_and_nothing_comes_from_elsewhere(site: Site, opened: Callable[..., Page]) -> None:
    page = opened("about:blank")
    sizes: dict[str, int] = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
    page.goto(site.link(), wait_until="networkidle")
    assert all(url.startswith(site.url) for url in sizes)
    assert 0 < sum(sizes.values()) <= FIRST_PAGE_MAX


def test_a_form_needs_the_cookie_of_its_device(site: Site) -> None:
    path = site.link().removeprefix(site.url)
    status, headers, text = site.ask("GET", path)
    assert status == 200
    cookie = headers["set-cookie"].partition(";")[0]
    assert "HttpOnly" in headers["set-cookie"]
    [signature] = re.findall(r'name="signature" value="(\w+)"', text)
    form = urlencode({"signature": signature, "lang": "en"})
    kind = "application/x-www-form-urlencoded"
    assert site.ask("POST", f"{path}/start", form, **{"Content-Type": kind})[0] == 403
    assert site.ask("POST", f"{path}/start", form, **{"Content-Type": kind, "Cookie": cookie})[0] == 303


def test_guessing_links_is_slowed_down_and_told_kindly(site: Site) -> None:
    site.process.stop()
    site.start(KEHU_WEB_RATE="60")
    try:
        statuses = [site.ask("GET", f"/s/{number:032x}")[0] for number in range(6)]
        assert statuses[0] == 404
        assert statuses[-1] == 429
        _, headers, text = site.ask("GET", "/s/0", **{"Accept-Language": "zh"})
        assert (headers["retry-after"], "请稍候" in text) == ("60", True)
    finally:
        site.process.stop()
        site.start()


def test_no_log_tells_a_link(site: Site) -> None:
    link = site.link()
    site.ask("GET", link.removeprefix(site.url))
    survey_token = link.rpartition("/")[2]
    assert survey_token not in site.process.log.read_text()
