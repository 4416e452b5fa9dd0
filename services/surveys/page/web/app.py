"""The addresses of the page, and what each does.

    GET  /s/<survey token>              the introduction, or on to the question where the respondent stopped
    POST /s/<survey token>/start        starts the response
    GET  /s/<survey token>/q/<item>     a question
    POST /s/<survey token>/q/<item>     saves its answer, and goes on
    GET  /s/<survey token>/end          everything is answered: look at it again, or send it
    POST /s/<survey token>/end          hands in
    GET  /s/<survey token>/thanks       thanks, and "you said, we did"
    GET  /static/<file>

GET changes nothing, so scanners of mail may follow links. Each answer is saved when it is sent, so nothing is lost when
a page is closed, and any device goes on where the last one stopped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from libs.chassis.domain import DomainError
from services.surveys.collection.domain.responses import ResponseState
from services.surveys.collection.domain.sheets import ItemAnswer, Progress, SheetState, Visit
from services.surveys.page.application import Page
from services.surveys.page.web import forms, refused, shell
from services.surveys.page.web.words import LANGUAGES, name_of, words
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import TEXT_LENGTH_MAX
from services.surveys.questionnaires.domain.logic import Ending
from services.surveys.sampling.domain.invitations import SurveyTokenUsed

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

BODY_MAX: Final = 64 * 1024
"""Bytes of a form."""
_LINK: Final = re.compile(r"/s/(?P<survey_token>[0-9a-zA-Z]{8,64})(?P<rest>/.*)?")
_QUESTION: Final = re.compile(r"/q/(?P<item>[a-z][a-z0-9_]{0,39})")


class PageApp:
    """The page as a WSGI application. `key` signs forms.

    A request that is to be refused has the reason in `kehu.refused`: `many` requests, or something `failed`.
    """

    def __init__(self, page: Page, key: bytes) -> None:
        self._page, self._shell = page, shell.Shell(key)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = request.max_form_memory_size = BODY_MAX
        return self.answer(request)(environ, start_response)

    def answer(self, request: Request) -> Response:
        """The response to a request. A refusal becomes a page that says what to do."""
        if reason := request.environ.get("kehu.refused"):
            response = self.tell(request, 429 if reason == "many" else 503, reason)
            response.headers["Retry-After"] = "60"
            return response
        try:
            return self._answer(request)
        except DomainError as error:
            status, word = refused.told(error)
            return self.tell(request, status, word)
        except RequestEntityTooLarge:
            return self.tell(request, 413, "large")
        except HTTPException as error:
            return self.tell(request, error.code or 400, "unknown")

    def tell(self, request: Request, status: int, word: str) -> Response:
        """A page without a survey, which says what happened and what to do."""
        language = request.accept_languages.best_match(LANGUAGES) or "en"
        return self._shell.page("told", status=status, word=word, **_frame(language))

    def _answer(self, request: Request) -> Response:
        if request.path.startswith("/static/") and request.method in ("GET", "HEAD"):
            return shell.file(request.path.removeprefix("/static/")) or self.tell(request, 404, "unknown")
        found = _LINK.fullmatch(request.path)
        if found is None:
            return self.tell(request, 404, "unknown")
        try:
            return self._of_link(request, found["survey_token"], (found["rest"] or "").rstrip("/"))
        except SurveyTokenUsed:
            return self._thanks(request, found["survey_token"], "used")

    def _of_link(self, request: Request, survey_token: str, rest: str) -> Response:
        if request.method not in ("GET", "HEAD", "POST"):
            return self.tell(request, 405, "unknown")
        if rest == "/thanks":
            return self._thanks(request, survey_token, "thanks")
        visit, progress = self._page.open(survey_token)
        device, fresh = shell.device_of(request)
        at = _Visitor(request, survey_token, visit, progress, device)
        posted = request.method == "POST"
        if posted and not self._shell.is_ours(request, survey_token):
            return self.tell(request, 403, "stale")
        question = _QUESTION.fullmatch(rest)
        if rest == "/start" and posted:
            response = self._start(at)
        elif question is not None and posted:
            response = self._save(at, question["item"])
        elif question is not None:
            response = self._question(at, question["item"])
        elif rest == "/end":
            response = self._hand_in(at) if posted else self._end(at)
        elif not rest and progress is None:
            response = self._introduction(at)
        elif not rest:
            response = shell.see(at.next(progress))
        else:
            response = self.tell(request, 404, "unknown")
        if fresh:
            shell.remember(response, request, device)
        return response

    # ------------------------------------------------------------------------------------------------------- pages

    def _introduction(self, at: _Visitor) -> Response:
        return self._render(at, "introduction", total=len(at.visit.questionnaire.items))

    def _start(self, at: _Visitor) -> Response:
        progress = self._page.start(at.survey_token, language=at.language, device=at.device)
        return shell.see(at.next(progress))

    def _question(self, at: _Visitor, key: str, wrong: forms.Wrong | None = None, late: bool = False) -> Response:
        progress, item = at.progress, at.visit.questionnaire.by_key.get(key)
        if progress is None or item is None or key not in progress.shown:
            return shell.see(at.link if progress is None else at.next(progress))
        given = progress.sheet.given
        answer = given.get(key, Answer())
        place = progress.shown.index(key)
        rows = {each.key: at.text(each.texts) for each in item.rows} or {row: at.words[row] for row in forms.rows(item)}
        return self._render(
            at,
            "question",
            status=422 if wrong else 200,
            item=item,
            kind=str(item.type),
            text=forms.piped(at.text(item.texts), at.visit.questionnaire, given, at.language),
            answer=answer,
            typed=at.request.form if wrong else None,
            scale=range(item.scale[0], item.scale[1] + 1) if item.scale is not None else (),
            choices=forms.choices(item, answer, at),
            rows=rows,
            text_max=TEXT_LENGTH_MAX,
            written=item.type in forms.WRITTEN,
            sequence=_last(progress) + 1,
            number=place + 1,
            total=place + len(at.visit.questionnaire.items) - _index(at.visit, key),
            before=f"{at.link}/q/{progress.shown[place - 1]}" if place else "",
            wrong=at.words[wrong.word].format(**wrong.values) if wrong else "",
            late=late,
        )

    def _save(self, at: _Visitor, key: str) -> Response:
        item = at.visit.questionnaire.by_key.get(key)
        if at.progress is None or item is None or key not in at.progress.shown:
            return shell.see(at.link)
        form, quiet = at.request.form, "quiet" in at.request.form
        try:
            answer = forms.read(item, form)
        except forms.Wrong as wrong:
            return shell.guarded(Response(status=422)) if quiet else self._question(at, key, wrong)
        told = ItemAnswer(item=key, answer=answer, sequence=_sequence(form.get("sequence", "")))
        progress = self._page.save(at.survey_token, told, language=at.language, device=at.device)
        if progress.sheet.state is not SheetState.OPEN:
            return shell.see(f"{at.link}/thanks")
        if quiet:
            return shell.guarded(Response(status=204))
        if progress.late_items:
            return self._question(at.later(progress), key, late=True)
        if progress.ending is Ending.SCREENED_OUT:
            return self._hand_in(at)
        return shell.see(at.after(progress, key))

    def _end(self, at: _Visitor) -> Response:
        if at.progress is None or at.progress.ending is Ending.OPEN:
            return shell.see(at.link)
        return self._render(at, "end", before=f"{at.link}/q/{at.progress.shown[-1]}")

    def _hand_in(self, at: _Visitor) -> Response:
        response = self._page.complete(at.survey_token)
        counted = response.state is ResponseState.COMPLETED
        return shell.see(f"{at.link}/thanks{'' if counted else '?over'}")

    def _thanks(self, request: Request, survey_token: str, word: str) -> Response:
        found = self._page.afterwards(survey_token)
        questionnaire = found.survey.questionnaire
        language = _language(request, questionnaire.languages, "")
        over = "over" in request.args
        return self._shell.page(
            "thanks",
            **_frame(language, title=found.survey.display_name),
            word="thanks" if over else word,
            own="" if over else questionnaire.text(questionnaire.thanks, language),
            over=over,
            done=found.done,
        )

    def _render(self, at: _Visitor, template: str, *, status: int = 200, **values: Any) -> Response:
        frame = _frame(at.language, title=at.visit.display_name)
        frame["languages"] = [(each, name_of(each)) for each in at.visit.questionnaire.languages]
        return self._shell.page(
            template,
            status=status,
            **frame,
            **values,
            link=at.link,
            here=at.request.path,
            visit=at.visit,
            introduction=at.text(at.visit.questionnaire.introduction),
            signature=self._shell.signature(at.survey_token, at.device),
        )


class _Visitor:
    """A respondent in front of one page."""

    def __init__(
        self, request: Request, survey_token: str, visit: Visit, progress: Progress | None, device: str
    ) -> None:
        self.request, self.survey_token, self.device = request, survey_token, device
        self.visit, self.progress = visit, progress
        self.link = f"/s/{survey_token}"
        self.language = _language(request, visit.questionnaire.languages, visit.language)
        self.words = words(self.language)
        self._asked = request.args.get("lang", "") or request.form.get("lang", "")

    def text(self, texts: Mapping[str, str]) -> str:
        """Words of the survey in the language of the page."""
        return self.visit.questionnaire.text(texts, self.language)

    def later(self, progress: Progress) -> _Visitor:
        """The same one with another progress."""
        return _Visitor(self.request, self.survey_token, self.visit, progress, self.device)

    def next(self, progress: Progress | None) -> str:
        """The address of what comes next: the first question that is not answered, or the end."""
        if progress is None or not progress.shown:
            return self.link
        return self._spoken(f"{self.link}/q/{progress.next}" if progress.ending is Ending.OPEN else f"{self.link}/end")

    def after(self, progress: Progress, key: str) -> str:
        """The address of the question behind one that was just answered, so that somebody who went back comes along."""
        place = progress.shown.index(key) + 1
        if place >= len(progress.shown) or progress.shown[place] == progress.next:
            return self.next(progress)
        return self._spoken(f"{self.link}/q/{progress.shown[place]}")

    def _spoken(self, address: str) -> str:
        return f"{address}?lang={self.language}" if self._asked else address


def _frame(language: str, title: str = "") -> dict[str, Any]:
    return {"language": language, "words": words(language), "title": title, "languages": []}


def _language(request: Request, known: Iterable[str], told: str) -> str:
    """The language that was chosen on the page, else that of the sheet or invitation, else the browser's."""
    languages = [*known]
    for wanted in (request.args.get("lang", ""), request.form.get("lang", ""), told):
        if wanted in languages:
            return wanted
    return request.accept_languages.best_match(languages) or languages[0]


def _last(progress: Progress) -> int:
    """The number of the latest change of a sheet."""
    return max((each.sequence for each in progress.sheet.answers.values()), default=0)


def _sequence(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _index(visit: Visit, key: str) -> int:
    return [item.key for item in visit.questionnaire.items].index(key)
